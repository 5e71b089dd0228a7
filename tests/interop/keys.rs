//! Keys: both sides spell them alike, see each other's, and clear by version what the other one wrote.

use redis_cache::Expiry;
use serde_json::json;

use crate::common::server::Server;
use crate::python::{MISSING, Python};
use crate::{PACKAGES, location, plain};

const KEYS: [&str; 6] = [
    "plain",
    "with space",
    "a:b::c",
    "größe 漢",
    "glob*?[x]\\",
    "{tag}rest",
];

#[test]
fn both_spell_a_key_alike() {
    let Some(mut python) = Python::start() else {
        return;
    };
    for package in &PACKAGES {
        let server = Server::start();
        let ours = plain(&[&server], &[("codec", "json")]);
        let options = package.options("json", "none");
        let mut theirs = python.open(package.single, json!(location(&server)), options);
        for key in KEYS {
            for version in [1, 2, 77] {
                let spelled = ours.version(version).make_key(key).unwrap();
                let named = json!({"version": version});
                let python_spells = theirs.call("make_key", json!([key]), named.clone());
                assert_eq!(python_spells.as_str().unwrap().as_bytes(), spelled, "{key}");
                theirs.call("set", json!([key, "theirs"]), named.clone());
                let ours = ours.version(version);
                assert_eq!(ours.get::<String>(key).unwrap().as_deref(), Some("theirs"));
                ours.set(key, "ours", Expiry::Default).unwrap();
                let found = theirs.call("get", json!([key]), named);
                assert_eq!(found, json!("ours"), "{key} {version}");
            }
        }
        let mut listed: Vec<_> = ours.keys("*").unwrap().map(Result::unwrap).collect();
        listed.sort();
        let mut expected: Vec<_> = KEYS.iter().map(|key| key.as_bytes().to_vec()).collect();
        expected.sort();
        assert_eq!(listed, expected, "{}", package.single);
    }
}

#[test]
fn a_version_is_cleared_by_either_side() {
    let Some(mut python) = Python::start() else {
        return;
    };
    for package in &PACKAGES {
        let server = Server::start();
        let ours = plain(&[&server], &[("codec", "json")]);
        let options = package.options("json", "none");
        let mut theirs = python.open(package.single, json!(location(&server)), options);
        for version in 1..=3 {
            for number in 0..40 {
                let named = json!({"version": version});
                theirs.call("set", json!([format!("theirs{number}"), "x"]), named);
                let ours = ours.version(version);
                ours.set(format!("ours{number}"), "y", Expiry::Default)
                    .unwrap();
            }
        }
        assert_eq!(ours.clear_version(2).unwrap(), 80, "{}", package.single);
        theirs.call("delete_pattern", json!(["*"]), json!({"version": 3}));
        for version in 1..=3 {
            let here = ours.version(version).has_key("ours7").unwrap();
            assert_eq!(here, version == 1, "{} {version}", package.single);
            let args = json!(["theirs7", MISSING]);
            let found = theirs.call("get", args, json!({"version": version}));
            let expected = if version == 1 { "x" } else { MISSING };
            assert_eq!(found, json!(expected), "{} {version}", package.single);
        }
        if package.ring == "django-redis-cache" {
            theirs.call("clear", json!([]), json!({"version": 1}));
            assert_eq!(ours.keys("*").unwrap().count(), 0);
        }
    }
}
