//! Values: JSON and MessagePack, with zlib and without, and integers, which are digits for everybody.

use std::collections::BTreeMap;
use std::time::Duration;

use redis_cache::{Cache, Expiry, Ttl};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::common::server::Server;
use crate::python::{MISSING, Python, PythonCache};
use crate::{PACKAGES, Package, location, plain};

/// Runs a test with both packages, in every format they share with us.
fn in_every_format(test: impl Fn(&str, &Cache, &mut PythonCache<'_>)) {
    let Some(mut python) = Python::start() else {
        return;
    };
    for package in &PACKAGES {
        for (codec, compressor) in [
            ("json", "none"),
            ("json", "zlib"),
            ("msgpack", "none"),
            ("msgpack", "zlib"),
        ] {
            let server = Server::start();
            let ours = plain(&[&server], &[("codec", codec), ("compressor", compressor)]);
            let mut theirs = open(&mut python, package, &server, codec, compressor);
            let format = format!("{} {codec} {compressor}", package.single);
            test(&format, &ours, &mut theirs);
        }
    }
}

fn open<'a>(
    python: &'a mut Python,
    package: &Package,
    server: &Server,
    codec: &str,
    compressor: &str,
) -> PythonCache<'a> {
    let options = package.options(codec, compressor);
    python.open(package.single, json!(location(server)), options)
}

fn values() -> Vec<Value> {
    vec![
        json!(null),
        json!(true),
        json!(false),
        json!(0),
        json!(48),
        json!(-1),
        json!(i64::MAX),
        json!(i64::MIN),
        json!(u64::MAX),
        json!(0.1),
        json!(80.5),
        json!(-1e300),
        json!(1.0),
        json!(""),
        json!("x"),
        json!("12"),
        json!("12_3\n"),
        json!("Zoë \" \\ \u{0} \u{1F600}"),
        json!("long ".repeat(1000)),
        json!([]),
        json!({}),
        json!([1, [2, [3, [null, true, {"a": {"b": []}}]]]]),
        json!({"id": u64::MAX, "größe": -0.25, "tags": ["a", ""], "text": "y".repeat(5000)}),
    ]
}

#[test]
fn what_python_writes_we_read() {
    in_every_format(|format, ours, theirs| {
        for value in values() {
            theirs.set("key", &value);
            assert_eq!(ours.get::<Value>("key").unwrap(), Some(value), "{format}");
        }
    });
}

#[test]
fn what_we_write_python_reads() {
    in_every_format(|format, ours, theirs| {
        for value in values() {
            ours.set("key", &value, Expiry::Default).unwrap();
            assert_eq!(theirs.get("key"), value, "{format}");
        }
        ours.delete("key").unwrap();
        assert_eq!(theirs.get("key"), json!(MISSING));
    });
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct User {
    id: u32,
    name: String,
    age: Option<u8>,
    kind: Kind,
    scores: BTreeMap<String, f64>,
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
enum Kind {
    Guest,
    Member { since: u16 },
}

#[test]
fn a_struct_is_a_dictionary() {
    in_every_format(|format, ours, theirs| {
        let user = User {
            id: 7,
            name: "Zoë".to_owned(),
            age: None,
            kind: Kind::Member { since: 1999 },
            scores: BTreeMap::from([("go".to_owned(), 0.5)]),
        };
        let dictionary = json!({
            "id": 7, "name": "Zoë", "age": null, "kind": {"Member": {"since": 1999}}, "scores": {"go": 0.5},
        });
        ours.set("ours", &user, Expiry::Default).unwrap();
        assert_eq!(theirs.get("ours"), dictionary, "{format}");
        theirs.set("theirs", &dictionary);
        assert_eq!(ours.get("theirs").unwrap(), Some(user), "{format}");
        ours.set("kind", &Kind::Guest, Expiry::Default).unwrap();
        assert_eq!(theirs.get("kind"), json!("Guest"), "{format}");
    });
}

#[test]
fn both_count_with_the_same_integer() {
    in_every_format(|format, ours, theirs| {
        ours.set_int("n", 40, Expiry::Default).unwrap();
        assert_eq!(
            theirs.call("incr", json!(["n"]), json!({})),
            json!(41),
            "{format}"
        );
        assert_eq!(ours.incr("n", 1).unwrap(), Some(42), "{format}");
        assert_eq!(theirs.get("n"), json!(42), "{format}");
        theirs.set("m", &json!(-5));
        assert_eq!(ours.get_int("m").unwrap(), Some(-5), "{format}");
        assert_eq!(ours.incr("m", -1).unwrap(), Some(-6), "{format}");
        assert_eq!(theirs.get("m"), json!(-6), "{format}");
        ours.set("some", &Some(50), Expiry::Default).unwrap();
        assert_eq!(theirs.get("some"), json!(50), "{format}");
    });
}

#[test]
fn lifetimes_and_added_values_are_seen_by_both() {
    in_every_format(|format, ours, theirs| {
        theirs.call("set", json!(["key", "x", 1000]), json!({}));
        let Some(Ttl::Remaining(left)) = ours.ttl("key").unwrap() else {
            panic!("{format}: no lifetime");
        };
        assert!((900..=1000).contains(&left.as_secs()), "{format}: {left:?}");
        ours.set("key", "y", Duration::from_secs(2000)).unwrap();
        let left = theirs.call("ttl", json!(["key"]), json!({}));
        assert!(
            (1900..=2000).contains(&left.as_i64().unwrap()),
            "{format}: {left}"
        );
        theirs.call("set", json!(["for ever", "x", null]), json!({}));
        assert_eq!(
            ours.ttl("for ever").unwrap(),
            Some(Ttl::Forever),
            "{format}"
        );
        assert!(!ours.add("key", "z", Expiry::Default).unwrap(), "{format}");
        let added = theirs.call("add", json!(["key", "z"]), json!({}));
        assert_ne!(added, json!(true), "{format}");
        assert_eq!(theirs.get("key"), json!("y"), "{format}");
    });
}

#[test]
fn many_values_at_once_are_the_same_values() {
    in_every_format(|format, ours, theirs| {
        let entries = json!({"a": 1, "b": "text", "c": [1.5, null]});
        theirs.call("set_many", json!([entries]), json!({}));
        let found = ours.get_many::<Value>(["a", "b", "c", "d"]).unwrap();
        let expected = [
            Some(json!(1)),
            Some(json!("text")),
            Some(json!([1.5, null])),
            None,
        ];
        assert_eq!(found, expected, "{format}");
        let many = [("e", json!("five")), ("f", json!({"six": 6}))];
        ours.set_many::<Value>(many, Expiry::Default).unwrap();
        let found = theirs.call("get_many", json!([["e", "f", "g"]]), json!({}));
        assert_eq!(found, json!({"e": "five", "f": {"six": 6}}), "{format}");
    });
}
