//! The form with a function of the caller's own.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::time::Duration;

use redis_cache::{ErrorKind, Expiry, Rewrite, Ttl};

use crate::common::fault;
use crate::common::fixture::{Backend, Fixture};
use crate::{on_every_store, plant, short, stored, text};

const MINUTE: Duration = Duration::from_secs(60);

#[test]
fn it_sees_every_live_value_and_may_keep_replace_or_delete() {
    on_every_store(|store| {
        let cache = store.cache_with(&[("compressor", "zlib"), ("codec", "json")]);
        let large = text(5000);
        cache.set("typed", &"a text", MINUTE).unwrap();
        cache.set("packed", &large, Expiry::Never).unwrap();
        cache.set("number", &42, MINUTE).unwrap();
        cache.set_bytes("goes", b"bytes", MINUTE).unwrap();
        cache
            .version(2)
            .set_bytes("other version", b"v2", MINUTE)
            .unwrap();
        plant(store, "foreign", b"of another program", MINUTE);
        plant(store, "empty", b"", MINUTE);
        // A placeholder, what is known to be absent, and what is stale: no values to a plain read.
        plant(
            store,
            "placeholder",
            &[&[0xC1, 0x12, 0, 0], &[0; 28][..]].concat(),
            MINUTE,
        );
        plant(store, "absent", b"\xC1\x15\0\0", MINUTE);
        let stale = [
            &[0xC1, 0x13, 0, 0, 255, 255, 255, 255, 1],
            &[0; 23][..],
            b"old",
        ]
        .concat();
        plant(store, "stale", &stale, MINUTE);
        plant(store, "unreadable", b"\xC1\x11\x29\0packed", MINUTE);

        let mut seen = BTreeMap::new();
        let mut look = |key: &[u8], value: &[u8]| {
            let key = String::from_utf8(key.to_vec()).unwrap();
            seen.insert(key.clone(), value.to_vec());
            Ok::<_, String>(match &*key {
                "goes" => Rewrite::Delete,
                "packed" => Rewrite::Replace(b"small now".to_vec()),
                "foreign" => Rewrite::Replace(large.clone().into_bytes()),
                "number" => Rewrite::Replace(b"43".to_vec()),
                _ => Rewrite::Keep,
            })
        };
        let counted = cache
            .sweep_all()
            .dry_run(true)
            .reinsert_with(&mut look)
            .unwrap();
        assert_eq!((counted.matched, counted.changed), (4, 0));
        assert!(cache.has_key("goes").unwrap());
        assert_eq!(cache.reinsert_keys_with(&mut look).unwrap(), 4);

        let other = format!("{}:2:other version", store.space());
        let expected: [(&str, &[u8]); 7] = [
            ("empty", b""),
            ("foreign", b"of another program"),
            ("goes", b"bytes"),
            ("number", b"42"),
            (&other, b"v2"),
            ("packed", format!("\"{large}\"").leak().as_bytes()),
            ("typed", b"\"a text\""),
        ];
        let expected = expected.map(|(key, value)| (key.to_owned(), value.to_vec()));
        assert!(seen == BTreeMap::from(expected), "{:?}", seen.keys());

        assert_eq!(cache.get_bytes("goes").unwrap(), None);
        assert_eq!(stored(store, "packed").unwrap(), short(0, b"small now"));
        assert_eq!(cache.ttl("packed").unwrap(), Some(Ttl::Forever));
        assert_eq!(stored(store, "number").unwrap(), short(0, b"43"));
        assert!(
            matches!(cache.ttl("number").unwrap(), Some(Ttl::Remaining(left)) if left <= MINUTE)
        );
        assert_eq!(
            cache.get_bytes("foreign").unwrap().unwrap(),
            large.as_bytes()
        );
        assert_eq!(
            stored(store, "foreign").unwrap()[2],
            0x01,
            "raw bytes under zlib"
        );
        assert_eq!(stored(store, "stale").unwrap(), stale);
    });
}

#[test]
fn a_concurrent_writer_always_wins() {
    on_every_store(|store| {
        let cache = store.cache();
        for key in ["set", "deleted", "touched", "appended", "left"] {
            cache.set_bytes(key, b"old", MINUTE).unwrap();
        }
        let changed = cache.reinsert_keys_with(|key, value| {
            assert_eq!(value, b"old");
            match key {
                b"set" => cache.set_bytes("set", b"newer", MINUTE).unwrap(),
                b"deleted" => assert!(cache.delete("deleted").unwrap()),
                b"touched" => assert!(cache.touch("touched", Duration::from_secs(5)).unwrap()),
                b"appended" => cache
                    .set_bytes("appended", b"old, and more", MINUTE)
                    .unwrap(),
                _ => {}
            }
            Ok::<_, String>(Rewrite::Replace(b"rewritten".to_vec()))
        });
        assert_eq!(changed.unwrap(), 2);
        let get = |key| cache.get_bytes(key).unwrap();
        assert_eq!(get("set").unwrap(), b"newer");
        assert_eq!(get("deleted"), None);
        assert_eq!(get("appended").unwrap(), b"old, and more");
        assert_eq!(get("left").unwrap(), b"rewritten");
        assert_eq!(get("touched").unwrap(), b"rewritten");
        let left = cache.ttl("touched").unwrap();
        assert!(
            matches!(left, Some(Ttl::Remaining(left)) if left <= Duration::from_secs(5)),
            "{left:?}"
        );
    });
}

#[test]
fn a_deletion_spares_what_was_written_meanwhile() {
    on_every_store(|store| {
        let cache = store.cache();
        cache.set_bytes("k", b"old", MINUTE).unwrap();
        let changed = cache.reinsert_keys_with(|_, _| {
            cache.set_bytes("k", b"newer", MINUTE).unwrap();
            Ok::<_, String>(Rewrite::Delete)
        });
        assert_eq!(changed.unwrap(), 0);
        assert_eq!(cache.get_bytes("k").unwrap().unwrap(), b"newer");
    });
}

#[test]
fn its_error_ends_the_sweep_and_is_told() {
    on_every_store(|store| {
        let cache = store.cache();
        cache.set_bytes("k", b"v", MINUTE).unwrap();
        let refused = |_: &[u8], _: &[u8]| Err::<Rewrite, _>("no such thing");
        let error = fault(cache.reinsert_keys_with(refused));
        assert_eq!(error.kind(), ErrorKind::Callback);
        assert_eq!(error.to_string(), "no such thing");
        let too_large = store.cache_with(&[("max_value", "10")]);
        let error = fault(
            too_large.reinsert_keys_with(|_, _| Ok::<_, String>(Rewrite::Replace(vec![0; 11]))),
        );
        assert_eq!(error.kind(), ErrorKind::InvalidArgument);
        assert_eq!(cache.get_bytes("k").unwrap().unwrap(), b"v");
    });
}

#[test]
fn no_entry_is_shown_twice_when_a_sweep_goes_on() {
    for backend in [Backend::Memory, Backend::Unix] {
        let store = Fixture::new(backend).alone();
        let cache = store.cache();
        let entries = (0..500).map(|number| (format!("k{number}"), "v"));
        cache.set_many_bytes(entries, MINUTE).unwrap();
        let (mut cursor, mut changed, mut rounds) = (None::<String>, 0, 0);
        loop {
            let mut sweep = cache.sweep("k*").limit(60).batch(25);
            if let Some(place) = cursor.take() {
                sweep = sweep.resume(place);
            }
            // Some go, so that the others move up in their page.
            let swept = sweep.reinsert_with(|key, value| {
                assert_eq!(value, b"v", "not again");
                Ok::<_, String>(match key.ends_with(b"7") {
                    true => Rewrite::Delete,
                    false => Rewrite::Replace([value, b"!"].concat()),
                })
            });
            let swept = swept.unwrap();
            assert!(swept.changed <= 60);
            (changed, rounds) = (changed + swept.changed, rounds + 1);
            match swept.cursor {
                Some(place) => cursor = Some(place),
                None => break,
            }
        }
        assert!(rounds >= 9, "{rounds} rounds");
        assert_eq!(changed, 500);
        assert_eq!(cache.keys("*").unwrap().count(), 450);
    }
}

/// Issue 7: the cursor counted the keys of its page that were done with, so when one of them had gone, another one was
/// never shown.
#[test]
fn every_entry_that_stayed_is_shown_once_although_others_come_and_go() {
    for backend in [Backend::Memory, Backend::Unix] {
        let store = Fixture::new(backend).alone();
        let cache = store.cache();
        let names: Vec<String> = (0..300).map(|number| format!("k{number}")).collect();
        let entries = names.iter().map(|name| (name, "v"));
        cache.set_many_bytes(entries, MINUTE).unwrap();
        let mut shown: Vec<Vec<u8>> = Vec::new();
        let (mut gone, mut cursor) = (0, None::<String>);
        loop {
            let mut sweep = cache.sweep("k*").limit(20).batch(7);
            if let Some(place) = cursor.take() {
                sweep = sweep.resume(place);
            }
            let swept = sweep.reinsert_with(|key, value| {
                shown.push(key.to_vec());
                Ok::<_, String>(Rewrite::Replace([value, b"!"].concat()))
            });
            match swept.unwrap().cursor {
                Some(place) => cursor = Some(place),
                None => break,
            }
            // One that was done in this round goes, and one comes.
            gone += 1;
            assert!(cache.delete(shown.last().unwrap()).unwrap());
            let new = format!("new{gone}");
            cache.set_bytes(new, b"v", MINUTE).unwrap();
        }
        assert!(gone >= 14, "{gone} rounds");
        shown.sort();
        let mut right: Vec<Vec<u8>> = names.into_iter().map(String::into_bytes).collect();
        right.sort();
        assert_eq!(shown, right, "{backend:?}");
    }
}

/// What a sweep calls finds all connections free.
#[test]
fn its_functions_may_use_the_only_connection() {
    let store = Fixture::new(Backend::Unix);
    let cache = store.cache_with(&[("max_connections", "1")]);
    let entries = (0..50).map(|number| (format!("k{number}"), "v"));
    cache.set_many_bytes(entries, MINUTE).unwrap();
    cache.set_int("seen", 0, MINUTE).unwrap();
    let swept = cache
        .sweep("k*")
        .batch(10)
        .progress(|_| {
            assert!(cache.incr("seen", 1).unwrap().is_some());
            ControlFlow::Continue(())
        })
        .reinsert_with(|key, _| {
            assert!(cache.incr("seen", 1)?.is_some() && cache.has_key(key)?);
            Ok::<_, redis_cache::Error>(Rewrite::Replace(b"w".to_vec()))
        });
    assert_eq!(swept.unwrap().changed, 50);
    assert!(cache.get_int("seen").unwrap().unwrap() >= 55);
    for key in cache.keys("k*").unwrap() {
        assert_eq!(cache.get_bytes(key.unwrap()).unwrap().unwrap(), b"w");
    }
    let mut told = 0;
    let swept = cache.sweep("k*").batch(10).progress(|_| {
        told += i32::from(cache.has_key("seen").unwrap());
        ControlFlow::Continue(())
    });
    assert_eq!(swept.delete().unwrap().changed, 50);
    assert!(told >= 5, "told {told} times");
}
