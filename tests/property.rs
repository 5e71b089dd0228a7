//! Whatever goes in comes out, over the embedded store and over a real server; and whatever else may be stored
//! under a key, reading it never panics and never gives what was not stored.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

mod common;

use std::collections::BTreeMap;
use std::fmt::Debug;

use proptest::prelude::*;
use proptest::test_runner::{Config as Runs, TestRunner};
use redis_cache::{Cache, ErrorKind, Expiry};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use common::fixture::{Backend, Fixture};

const STORES: [Backend; 4] = [
    Backend::Memory,
    Backend::Unix,
    Backend::Resp2,
    Backend::RedisParser,
];

/// Runs a property over every store; each run draws its own values.
fn over_every_store<S: Strategy>(
    runs: u32,
    values: impl Fn() -> S,
    property: impl Fn(&Fixture, &Cache, S::Value) -> Result<(), TestCaseError>,
) where
    S::Value: Debug,
{
    for backend in STORES {
        let at = Fixture::new(backend);
        let cache = at.cache_with(&[("on_decode_error", "error")]);
        let mut runner = TestRunner::new(Runs {
            cases: runs,
            failure_persistence: None,
            ..Runs::default()
        });
        runner
            .run(&values(), |value| property(&at, &cache, value))
            .unwrap_or_else(|failure| panic!("{backend:?}: {failure}"));
    }
}

fn round_trips<T: Serialize + DeserializeOwned + PartialEq + Debug>(
    cache: &Cache,
    value: T,
) -> Result<(), TestCaseError> {
    cache.set("k", &value, Expiry::Default).unwrap();
    let (one, many) = (
        cache.get::<T>("k").unwrap(),
        cache.get_many::<T>(["k"]).unwrap(),
    );
    prop_assert_eq!(one.as_ref(), Some(&value));
    prop_assert_eq!(many, [one]);
    cache.delete("k").unwrap();
    prop_assert!(cache.add("k", &value, Expiry::Default).unwrap());
    let kept = cache.get_or_set("k", Expiry::Default, || Err::<T, _>("there is one"));
    prop_assert_eq!(kept.unwrap(), value);
    Ok(())
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Meters(i64);

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
enum Shape {
    Point,
    Circle(Option<Meters>),
    Box { width: u16, label: String },
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Drawing {
    id: u64,
    hidden: bool,
    shapes: Vec<Shape>,
    notes: BTreeMap<String, Option<Vec<u8>>>,
    scale: f64,
}

fn shape() -> impl Strategy<Value = Shape> {
    prop_oneof![
        Just(Shape::Point),
        any::<Option<i64>>().prop_map(|radius| Shape::Circle(radius.map(Meters))),
        (any::<u16>(), ".*").prop_map(|(width, label)| Shape::Box { width, label }),
    ]
}

fn drawing() -> impl Strategy<Value = Drawing> {
    let shapes = prop::collection::vec(shape(), 0..6);
    let notes = prop::collection::btree_map(".{0,8}", any::<Option<Vec<u8>>>(), 0..4);
    (
        any::<u64>(),
        any::<bool>(),
        shapes,
        notes,
        prop::num::f64::NORMAL,
    )
        .prop_map(|(id, hidden, shapes, notes, scale)| Drawing {
            id,
            hidden,
            shapes,
            notes,
            scale,
        })
}

#[test]
fn integers_of_every_width_round_trip() {
    over_every_store(
        100,
        any::<(i64, u64, i8, u16, i32)>,
        |_, cache, (long, unsigned, tiny, short, middle)| {
            round_trips(cache, long)?;
            round_trips(cache, unsigned)?;
            round_trips(cache, tiny)?;
            round_trips(cache, short)?;
            round_trips(cache, middle)?;
            round_trips(cache, Meters(long))?;
            cache.set_int("int", long, Expiry::Default).unwrap();
            prop_assert_eq!(cache.get_int("int").unwrap(), Some(long));
            prop_assert_eq!(
                cache.get_bytes("int").unwrap(),
                Some(long.to_string().into_bytes())
            );
            Ok(())
        },
    );
}

#[test]
fn counting_is_exact_or_refused() {
    over_every_store(200, any::<(i64, i64)>, |_, cache, (start, delta)| {
        cache.set_int("n", start, Expiry::Default).unwrap();
        match (cache.incr("n", delta), start.checked_add(delta)) {
            (Ok(sum), right) => prop_assert_eq!(sum, right),
            (Err(error), right) => {
                prop_assert_eq!((error.kind(), right), (ErrorKind::WrongType, None));
            }
        }
        let expected = start.checked_add(delta).unwrap_or(start);
        prop_assert_eq!(cache.get_int("n").unwrap(), Some(expected));
        Ok(())
    });
}

#[test]
fn options_texts_and_floats_round_trip() {
    let values = || {
        (
            any::<Option<u64>>(),
            any::<Option<Option<bool>>>(),
            ".*",
            prop::num::f64::ANY,
            any::<char>(),
        )
    };
    over_every_store(
        100,
        values,
        |_, cache, (number, nested, text, float, letter)| {
            round_trips(cache, number)?;
            round_trips(cache, nested)?;
            round_trips(cache, text)?;
            round_trips(cache, letter)?;
            cache.set("float", &float, Expiry::Default).unwrap();
            let back = cache.get::<f64>("float").unwrap();
            prop_assert_eq!(
                back.map(f64::to_bits),
                Some(float.to_bits()),
                "NaN too, bit for bit"
            );
            Ok(())
        },
    );
}

#[test]
fn nested_values_round_trip() {
    over_every_store(100, drawing, |_, cache, drawing| {
        round_trips(cache, drawing)
    });
}

#[test]
fn bytes_round_trip_under_any_key() {
    let values = || {
        (
            prop::collection::vec(any::<u8>(), 1..300),
            prop::collection::vec(any::<u8>(), 0..3000),
        )
    };
    over_every_store(150, values, |_, cache, (key, value)| {
        cache.set_bytes(&key, &value, Expiry::Default).unwrap();
        let found = cache.get_bytes(&key).unwrap();
        prop_assert_eq!(found.as_ref(), Some(&value));
        let mut memory = vec![0; value.len()];
        prop_assert_eq!(
            cache.get_into(&key, &mut memory).unwrap(),
            Some(value.len())
        );
        prop_assert_eq!(&memory, &value);
        prop_assert_eq!(
            cache.get::<Vec<u8>>(&key).unwrap(),
            found,
            "raw bytes as a byte vector"
        );
        let listed: Result<Vec<Vec<u8>>, _> = cache.keys("*").unwrap().collect();
        prop_assert_eq!(listed.unwrap(), vec![key.clone()]);
        prop_assert!(cache.delete(&key).unwrap());
        Ok(())
    });
}

#[test]
fn many_entries_round_trip_together() {
    let values = || {
        prop::collection::btree_map(".{1,20}", prop::collection::vec(any::<u8>(), 0..200), 0..40)
    };
    over_every_store(40, values, |_, cache, entries| {
        cache.set_many_bytes(&entries, Expiry::Default).unwrap();
        let found = cache.get_many_bytes(entries.keys()).unwrap();
        prop_assert!(
            found
                .iter()
                .map(Option::as_ref)
                .eq(entries.values().map(Some))
        );
        prop_assert_eq!(
            cache.delete_many(entries.keys()).unwrap(),
            entries.len() as u64
        );
        Ok(())
    });
}

/// What other programs, other versions or accidents may have left: noise, and noise that opens like a header.
fn foreign() -> impl Strategy<Value = Vec<u8>> {
    let noise = prop::collection::vec(any::<u8>(), 0..80);
    let header = (any::<[u8; 3]>(), prop::collection::vec(any::<u8>(), 0..80))
        .prop_map(|(header, rest)| [&[0xC1], &header[..], &rest].concat());
    let known_header = (
        0..8_u8,
        0..4_u8,
        0..4_u8,
        prop::collection::vec(any::<u8>(), 0..80),
    )
        .prop_map(|(flags, codec, compressor, rest)| {
            [&[0xC1, 0x10 | flags, codec << 4 | compressor, 0], &rest[..]].concat()
        });
    let digits = "-?[0-9]{1,25}".prop_map(String::into_bytes);
    prop_oneof![noise, header, known_header, digits]
}

#[test]
fn foreign_bytes_never_panic_and_are_never_changed_by_reading() {
    for backend in [Backend::Unix, Backend::Resp2, Backend::RedisParser] {
        let at = Fixture::new(backend);
        let (strict, lenient) = (at.cache_with(&[("on_decode_error", "error")]), at.cache());
        let mut raw = at.server().raw();
        let mut runner = TestRunner::new(Runs {
            cases: 400,
            failure_persistence: None,
            ..Runs::default()
        });
        let bytes = std::cell::RefCell::new(&mut raw);
        let property = |planted: Vec<u8>| {
            let raw = &mut **bytes.borrow_mut();
            redis::cmd("SET")
                .arg(at.wire_key("k"))
                .arg(&planted)
                .exec(raw)
                .unwrap();
            let is_integer = std::str::from_utf8(&planted).ok().and_then(|text| {
                text.parse::<i64>()
                    .ok()
                    .filter(|number| number.to_string() == text)
            });
            match strict.get_int("k") {
                Ok(number) => prop_assert!(number == is_integer, "{number:?} of {planted:?}"),
                Err(error) => {
                    prop_assert_eq!((error.kind(), is_integer), (ErrorKind::WrongType, None))
                }
            }
            if planted.first() != Some(&0xC1) {
                prop_assert_eq!(strict.get_bytes("k").unwrap(), Some(planted.clone()));
                prop_assert_eq!(
                    lenient.get_many_bytes(["k"]).unwrap(),
                    [Some(planted.clone())]
                );
            }
            let outcomes = [
                strict.get_bytes("k").map(drop),
                strict.get_into("k", &mut [0; 16]).map(drop),
                strict.get::<Drawing>("k").map(drop),
                strict.get::<String>("k").map(drop),
                strict.get::<Vec<Option<u32>>>("k").map(drop),
                strict.get::<()>("k").map(drop),
            ];
            for outcome in outcomes {
                prop_assert!(
                    outcome.is_ok()
                        || outcome.is_err_and(|error| error.kind() == ErrorKind::Decode)
                );
            }
            lenient.get::<Drawing>("k").unwrap();
            lenient.has_key("k").unwrap();
            lenient.ttl("k").unwrap();
            let stored: Vec<u8> = redis::cmd("GET").arg(at.wire_key("k")).query(raw).unwrap();
            prop_assert_eq!(stored, planted);
            Ok(())
        };
        runner
            .run(&foreign(), property)
            .unwrap_or_else(|failure| panic!("{backend:?}: {failure}"));
    }
}
