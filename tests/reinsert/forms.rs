//! What becomes of codecs, compressors and headers.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use redis_cache::{Cache, Expiry, Ttl};
use serde::{Deserialize, Serialize};

use crate::common::fixture::{Backend, Fixture};
use crate::common::launcher::EXPIRES_AT;
use crate::{on_every_store, plant, short, stored, text};

const MINUTE: Duration = Duration::from_secs(60);

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Page {
    title: String,
    lines: Vec<String>,
    rank: Option<f64>,
    by: BTreeMap<String, i64>,
}

fn page(number: usize) -> Page {
    Page {
        title: format!("page {number}"),
        lines: vec!["ä line".to_owned(); number % 7],
        rank: number.is_multiple_of(3).then_some(number as f64 / 8.0),
        by: BTreeMap::from([("views".to_owned(), -(number as i64))]),
    }
}

fn of_codec(store: &Fixture, codec: &str) -> Cache {
    store.cache_with(&[("codec", codec)])
}

#[test]
fn json_and_messagepack_become_each_other_without_their_types() {
    on_every_store(|store| {
        let (json, msgpack) = (of_codec(store, "json"), of_codec(store, "msgpack"));
        let pages: Vec<(String, Page)> = (0..300)
            .map(|number| (format!("p{number}"), page(number)))
            .collect();
        json.set_many::<Page>(pages.iter().map(|(key, page)| (key, page)), MINUTE)
            .unwrap();
        json.version(7)
            .set("other version", &page(1), MINUTE)
            .unwrap();
        json.set("number", &42, MINUTE).unwrap();
        json.set_bytes("bytes", b"{\"raw\": true}", MINUTE).unwrap();
        let before = stored(store, "p5").unwrap();
        assert_eq!((before[0], before[2]), (0xC1, 0x20));

        assert_eq!(json.reinsert_keys().unwrap(), 0);
        assert_eq!(msgpack.reinsert_keys().unwrap(), 301);
        let after = stored(store, "p5").unwrap();
        assert_eq!((after[0], after[2]), (0xC1, 0x30));
        assert!(after.len() < before.len());
        for (key, page) in &pages {
            assert_eq!(
                msgpack.get::<Page>(key).unwrap().as_ref(),
                Some(page),
                "{key}"
            );
        }
        assert_eq!(stored(store, "number").unwrap(), b"42");
        assert_eq!(
            stored(store, "bytes").unwrap(),
            short(0, b"{\"raw\": true}")
        );
        assert!(matches!(msgpack.ttl("p5").unwrap(), Some(Ttl::Remaining(left)) if left <= MINUTE));

        assert_eq!(msgpack.reinsert_keys().unwrap(), 0, "once is enough");
        assert_eq!(json.reinsert_keys().unwrap(), 301);
        assert_eq!(stored(store, "p5").unwrap(), before);
    });
}

#[test]
fn compression_is_redone() {
    on_every_store(|store| {
        let with = |compressor| store.cache_with(&[("codec", "json"), ("compressor", compressor)]);
        let (none, zlib, zstd) = (with("none"), with("zlib"), with("zstd"));
        let large = text(20_000);
        none.set("text", &large, MINUTE).unwrap();
        none.set("short", &"less than a kilobyte", MINUTE).unwrap();
        none.set_bytes("bytes", large.as_bytes(), MINUTE).unwrap();
        let mut state = 88172645463325252_u64;
        let noise = (0..5000).map(|_| {
            // Marsaglia's xorshift.
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            (state >> 32) as u8
        });
        let noise: Vec<u8> = noise.collect();
        none.set_bytes("noise", &noise, MINUTE).unwrap();

        for (cache, number) in [(&zlib, 1), (&zstd, 2), (&none, 0), (&zstd, 2), (&zlib, 1)] {
            assert_eq!(cache.reinsert_keys().unwrap(), 2);
            assert_eq!(cache.reinsert_keys().unwrap(), 0);
            for (key, codec) in [("text", 2), ("bytes", 0)] {
                let entry = stored(store, key).unwrap();
                assert_eq!(entry[2], codec << 4 | number, "{key}");
                assert_eq!(entry.len() < 1000, number != 0, "{key}");
            }
            assert_eq!(cache.get::<String>("text").unwrap().as_ref(), Some(&large));
            assert_eq!(cache.get_bytes("bytes").unwrap().unwrap(), large.as_bytes());
        }
        assert_eq!(stored(store, "noise").unwrap(), short(0, &noise));
        assert_eq!(stored(store, "short").unwrap()[2], 0x20);
    });
}

#[test]
fn a_type_takes_values_from_any_codec() {
    on_every_store(|store| {
        let (postcard, json) = (of_codec(store, "postcard"), of_codec(store, "json"));
        for number in 0..20 {
            postcard
                .set(format!("p{number}"), &page(number), MINUTE)
                .unwrap();
        }
        postcard.set("another type", &"only text", MINUTE).unwrap();
        json.set("json already", &page(1), MINUTE).unwrap();
        json.set_bytes("bytes", b"raw", MINUTE).unwrap();
        assert_eq!(
            json.reinsert_keys().unwrap(),
            0,
            "their types are not known"
        );
        assert_eq!(json.reinsert_keys_as::<Page>().unwrap(), 20);
        assert_eq!(stored(store, "p3").unwrap()[2], 0x20);
        assert_eq!(json.get::<Page>("p3").unwrap(), Some(page(3)));
        assert_eq!(stored(store, "another type").unwrap()[2], 0x10);
        assert_eq!(stored(store, "bytes").unwrap(), short(0, b"raw"));
        assert_eq!(json.reinsert_keys_as::<Page>().unwrap(), 0);
    });
}

#[test]
fn freshness_and_a_live_lease_go_over_as_they_are() {
    on_every_store(|store| {
        let now = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap()
            .as_millis() as u64;
        let entry = |soft: u64, deadline: u64, token: &[u8; 8]| {
            let mut entry = vec![0xC1, 0x13, 0x20, 99];
            entry.extend_from_slice(&40_000_u32.to_le_bytes());
            entry.extend_from_slice(&soft.to_le_bytes());
            entry.extend_from_slice(&deadline.to_le_bytes());
            entry.extend_from_slice(token);
            entry.extend_from_slice(b"{\"a\": [1, 2.5, null]}");
            entry
        };
        let entries = [
            ("fresh", entry(now + 50_000, 0, &[0; 8])),
            ("always fresh", entry(0, 0, &[0; 8])),
            ("leased", entry(now + 50_000, now + 20_000, b"somebody")),
            ("stale", entry(now - 1000, now + 20_000, b"somebody")),
        ];
        for (key, entry) in &entries {
            plant(store, key, entry, MINUTE);
        }
        assert_eq!(of_codec(store, "msgpack").reinsert_keys().unwrap(), 4);
        for (key, before) in &entries {
            let after = stored(store, key).unwrap();
            assert_eq!(after[2], 0x30, "{key}");
            assert_eq!(
                (&after[..2], &after[3..32]),
                (&before[..2], &before[3..32]),
                "{key}"
            );
            assert_eq!(
                after[32..],
                *b"\x81\xa1a\x93\x01\xcb\x40\x04\0\0\0\0\0\0\xc0",
                "{key}"
            );
        }
    });
}

#[test]
fn lifetimes_are_kept_to_the_millisecond() {
    let store = Fixture::new(Backend::Unix);
    let json = of_codec(&store, "json");
    for number in 0..50_u64 {
        let expiry = match number % 5 {
            0 => Expiry::Never,
            _ => Expiry::After(Duration::from_millis(100_000 + number * 7)),
        };
        json.set(format!("p{number}"), &page(0), expiry).unwrap();
    }
    let ends = || -> Vec<i64> {
        let end = |number| {
            let key = store.wire_key(&format!("p{number}"));
            store.server().run(&["EVAL", EXPIRES_AT, "1", &key])
        };
        (0..50).map(end).collect()
    };
    let before = ends();
    assert_eq!(of_codec(&store, "msgpack").reinsert_keys().unwrap(), 50);
    assert_eq!(ends(), before);
    assert_eq!(before.iter().filter(|end| **end == -1).count(), 10);
}

#[test]
fn what_cannot_be_read_or_held_stays() {
    on_every_store(|store| {
        let entries = [
            ("cut short", b"\xC1\x11".to_vec()),
            ("no json", short(2, b"{\"a\": ")),
            ("too deep", short(2, "[".repeat(100_000).as_bytes())),
            ("no messagepack", short(3, b"\xc1\xc1")),
            ("an unknown codec", short(9, b"payload")),
            ("a custom codec", short(15, b"payload")),
            (
                "an unknown compressor",
                [&[0xC1, 0x11, 0x29, 0], &b"packed"[..]].concat(),
            ),
            (
                "broken zlib",
                [&[0xC1, 0x11, 0x21, 0], &b"packed"[..]].concat(),
            ),
            (
                "a later version",
                [&[0xC1, 0x21, 0x20, 0], &b"{}"[..]].concat(),
            ),
            ("binary in messagepack", short(3, b"\xc4\x02\xff\xfe")),
        ];
        for (key, entry) in &entries {
            plant(store, key, entry, MINUTE);
        }
        for codec in ["json", "msgpack", "postcard"] {
            assert_eq!(
                of_codec(store, codec).reinsert_keys().unwrap(),
                0,
                "{codec}"
            );
        }
        for (key, entry) in &entries {
            assert_eq!(stored(store, key).as_ref(), Some(entry), "{key}");
        }
    });
}

#[test]
fn a_cache_without_headers_takes_over_entries_with_headers() {
    on_every_store(|store| {
        let json = of_codec(store, "json");
        json.set("page", &page(2), MINUTE).unwrap();
        json.set_bytes("bytes", b"text", MINUTE).unwrap();
        json.set("number", &5, MINUTE).unwrap();
        of_codec(store, "msgpack")
            .set("packed", &page(3), MINUTE)
            .unwrap();
        of_codec(store, "postcard")
            .set("typed", &page(4), MINUTE)
            .unwrap();
        let plain = store.cache_with(&[
            ("codec", "json"),
            ("layout", "plain"),
            ("compressor", "zlib"),
        ]);
        assert_eq!(plain.reinsert_keys().unwrap(), 3);
        assert_eq!(plain.get::<Page>("page").unwrap(), Some(page(2)));
        assert_eq!(plain.get::<Page>("packed").unwrap(), Some(page(3)));
        assert_eq!(plain.get_bytes("bytes").unwrap().unwrap(), b"text");
        assert_eq!(stored(store, "page").unwrap()[0], 0x78, "zlib");
        assert_eq!(plain.get_int("number").unwrap(), Some(5));
        assert_eq!(stored(store, "typed").unwrap()[0], 0xC1);
        assert_eq!(plain.reinsert_keys_as::<Page>().unwrap(), 1);
        assert_eq!(plain.get::<Page>("typed").unwrap(), Some(page(4)));
    });
}
