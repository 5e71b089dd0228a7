//! Codecs and compressors: what one cache writes is read by every other one, whatever that is configured to write
//! itself (design, section 4, and defect 5 of section 11).

use std::collections::BTreeMap;
use std::time::Duration;

use redis_cache::{Cache, ErrorKind, Expiry};
use serde::{Deserialize, Serialize};

use crate::common::fixture::Fixture;
use crate::common::{fault, kind};

behaviour! {
    stores: [
        every_cache_reads_what_another_codec_and_compressor_wrote,
        compressed_bytes_come_back_by_every_way,
        every_operation_sees_through_compression,
        integers_are_integers_under_every_codec,
        what_one_value_of_many_cannot_be_written_as_leaves_the_others_whole,
        a_value_that_inflates_beyond_max_value_is_no_value,
    ],
    keys: [
        the_header_tells_codec_and_compressor,
        small_and_noisy_values_are_stored_as_they_are,
        turning_compression_on_leaves_old_entries_readable,
        a_text_that_looks_like_a_number_stays_a_text,
        hostile_payloads_are_misses_or_decode_errors,
    ],
    servers: [],
}

const CODECS: [&str; 3] = ["postcard", "json", "msgpack"];
const COMPRESSORS: [&str; 4] = ["none", "zlib", "zstd", "lz4"];

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Page {
    id: u64,
    title: String,
    rating: Option<f64>,
    kind: Kind,
    parts: BTreeMap<String, Vec<Part>>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) enum Kind {
    Draft,
    Public { since: i64 },
    Moved(String),
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Part(char, bool, ());

pub(crate) fn page() -> Page {
    let parts = vec![Part('ß', true, ()), Part('\0', false, ())];
    Page {
        id: u64::MAX,
        title: "Über \"alles\" \n".repeat(200),
        rating: Some(0.1),
        kind: Kind::Public { since: i64::MIN },
        parts: BTreeMap::from([("first".to_owned(), parts), (String::new(), Vec::new())]),
    }
}

/// Bytes that no compressor makes smaller.
fn noise(len: usize) -> Vec<u8> {
    let mut state: u64 = 88_172_645_463_325_252;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()[3]
    };
    std::iter::repeat_with(&mut next).take(len).collect()
}

/// Every pair of codec and compressor, and a cache that writes so.
fn writers(at: &Fixture) -> impl Iterator<Item = (&'static str, &'static str, Cache)> {
    let pairs = CODECS.iter().flat_map(|codec| {
        COMPRESSORS
            .iter()
            .map(move |compressor| (*codec, *compressor))
    });
    pairs.map(move |(codec, compressor)| {
        let cache = at.cache_with(&[("codec", codec), ("compressor", compressor)]);
        (codec, compressor, cache)
    })
}

fn every_cache_reads_what_another_codec_and_compressor_wrote(at: &Fixture) {
    let readers = [
        at.cache(),
        at.cache_with(&[("codec", "json"), ("compressor", "lz4")]),
        at.cache_with(&[("codec", "msgpack"), ("compressor", "zstd")]),
    ];
    let short = Page {
        title: "short".to_owned(),
        rating: None,
        kind: Kind::Moved("there".to_owned()),
        ..page()
    };
    for (codec, compressor, writer) in writers(at) {
        for (key, value) in [
            ("long", page()),
            ("short", short.clone()),
            (
                "draft",
                Page {
                    kind: Kind::Draft,
                    ..page()
                },
            ),
        ] {
            let key = format!("{codec} {compressor} {key}");
            writer.set(&key, &value, Expiry::Default).unwrap();
            for reader in &readers {
                assert_eq!(reader.get(&key).unwrap().as_ref(), Some(&value), "{key}");
                let many = reader.get_many::<Page>([&key]).unwrap();
                assert_eq!(many, [Some(value.clone())], "{key}");
            }
        }
    }
}

fn compressed_bytes_come_back_by_every_way(at: &Fixture) {
    let reader = at.cache();
    let payload = b"again and again ".repeat(1000);
    for compressor in COMPRESSORS {
        let writer = at.cache_with(&[("compressor", compressor)]);
        writer
            .set_bytes(compressor, &payload, Expiry::Default)
            .unwrap();
        let many = [
            ("one", &payload[..]),
            ("two", b"small"),
            ("three", &payload),
        ];
        writer.set_many_bytes(many, Expiry::Default).unwrap();
        for key in [compressor, "one", "three"] {
            assert_eq!(reader.get_bytes(key).unwrap().as_ref(), Some(&payload));
            let mut memory = vec![0; payload.len() + 5];
            let len = reader.get_into(key, &mut memory).unwrap();
            assert_eq!(
                (len, &memory[..payload.len()]),
                (Some(payload.len()), &payload[..])
            );
            let mut too_small = [7; 100];
            assert_eq!(
                reader.get_into(key, &mut too_small).unwrap(),
                Some(payload.len())
            );
            assert_eq!(too_small, [7; 100], "nothing was written");
            let text = reader.get::<String>(key).unwrap();
            assert_eq!(text.map(String::into_bytes).as_ref(), Some(&payload));
        }
        let found = reader
            .get_many_bytes([compressor, "two", "absent"])
            .unwrap();
        assert_eq!(
            found,
            [Some(payload.clone()), Some(b"small".to_vec()), None]
        );
    }
}

fn every_operation_sees_through_compression(at: &Fixture) {
    let cache = at.cache_with(&[("codec", "json"), ("compressor", "zstd"), ("stale", "10s")]);
    let loaded = cache
        .get_or_set(
            "loaded",
            Duration::from_secs(60),
            || Ok::<_, String>(page()),
        )
        .unwrap();
    assert_eq!(loaded, page());
    let again = cache.get_or_set("loaded", Duration::from_secs(60), || {
        Err::<Page, _>("not again")
    });
    assert_eq!(again.unwrap(), page());
    let bytes = b"loaded ".repeat(1000);
    for _ in 0..2 {
        let found =
            cache.get_or_set_bytes("bytes", Expiry::Default, || Ok::<_, String>(bytes.clone()));
        assert_eq!(found.unwrap(), bytes);
    }
    assert!(cache.add("added", &page(), Expiry::Default).unwrap());
    assert!(!cache.add("added", &1, Expiry::Default).unwrap());
    assert!(
        cache
            .add_bytes("added bytes", &bytes, Expiry::Default)
            .unwrap()
    );
    let many = [("m1", page()), ("m2", page())];
    cache.set_many::<Page>(many, Expiry::Default).unwrap();
    assert!(cache.has_key("m2").unwrap());
    assert!(cache.touch("m2", Duration::from_secs(100)).unwrap());
    assert_eq!(cache.incr_version("m2", 1).unwrap(), Some(2));
    assert_eq!(cache.version(2).get("m2").unwrap(), Some(page()));
    let found = cache
        .get_many::<Page>(["loaded", "added", "m1", "m2"])
        .unwrap();
    assert_eq!(found, [Some(page()), Some(page()), Some(page()), None]);
    assert_eq!(cache.get_bytes("added bytes").unwrap(), Some(bytes));
    assert_eq!(kind(cache.get_int("added")), ErrorKind::WrongType);
    assert_eq!(kind(cache.incr("added", 1)), ErrorKind::WrongType);
}

fn integers_are_integers_under_every_codec(at: &Fixture) {
    let plain = at.cache();
    for (codec, compressor, writer) in writers(at) {
        writer.set("n", &41_u8, Expiry::Default).unwrap();
        assert_eq!(plain.incr("n", 1).unwrap(), Some(42));
        assert_eq!(
            writer.get::<i64>("n").unwrap(),
            Some(42),
            "{codec} {compressor}"
        );
        writer.set("some", &Some(1), Expiry::Default).unwrap();
        assert_eq!(plain.get::<Option<i32>>("some").unwrap(), Some(Some(1)));
        writer.set("none", &None::<i32>, Expiry::Default).unwrap();
        assert_eq!(plain.get::<Option<i32>>("none").unwrap(), Some(None));
    }
}

fn what_one_value_of_many_cannot_be_written_as_leaves_the_others_whole(at: &Fixture) {
    /// Fails when it is 13.
    #[derive(Debug, Clone)]
    struct Fussy(u8);
    impl Serialize for Fussy {
        fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
            match self.0 {
                13 => Err(serde::ser::Error::custom("no thirteens")),
                other => (other, "and a text").serialize(serializer),
            }
        }
    }
    for (codec, compressor, cache) in writers(at) {
        let entries = [("a", Fussy(1)), ("b", Fussy(13)), ("c", Fussy(3))];
        let partial = cache
            .set_many::<Fussy>(entries, Expiry::Default)
            .unwrap_err();
        let failed: Vec<bool> = partial.items.iter().map(Result::is_err).collect();
        assert_eq!(failed, [false, true, false], "{codec} {compressor}");
        for (key, number) in [("a", 1), ("c", 3)] {
            let found = cache.get::<(u8, String)>(key).unwrap();
            assert_eq!(
                found,
                Some((number, "and a text".to_owned())),
                "{codec} {compressor}"
            );
        }
    }
}

fn a_value_that_inflates_beyond_max_value_is_no_value(at: &Fixture) {
    let narrow = [("max_value", "64k")];
    let lenient = at.cache_with(&narrow);
    let strict = at.cache_with(&[("max_value", "64k"), ("on_decode_error", "error")]);
    for compressor in &COMPRESSORS[1..] {
        let writer = at.cache_with(&[("compressor", compressor)]);
        let bomb = vec![b'x'; 8 << 20];
        writer.set_bytes("bomb", &bomb, Expiry::Default).unwrap();
        assert_eq!(lenient.get_bytes("bomb").unwrap(), None, "{compressor}");
        assert_eq!(lenient.get::<String>("bomb").unwrap(), None);
        assert_eq!(lenient.get_into("bomb", &mut [0; 8]).unwrap(), None);
        assert_eq!(lenient.get_many_bytes(["bomb"]).unwrap(), [None]);
        assert_eq!(kind(strict.get_bytes("bomb")), ErrorKind::Decode);
        let text = fault(strict.get_into("bomb", &mut [0; 8])).to_string();
        assert!(text.contains("`max_value`"), "{text}");
        writer
            .set_bytes("bomb", &bomb[..65_536], Expiry::Default)
            .unwrap();
        assert_eq!(strict.get_bytes("bomb").unwrap().unwrap().len(), 65_536);
    }
    let refused = lenient.set_bytes("large", &vec![0; 65_537], Expiry::Default);
    assert_eq!(kind(refused), ErrorKind::InvalidArgument);
}

fn the_header_tells_codec_and_compressor(at: &Fixture) {
    let number =
        |names: &[&str], name: &str| names.iter().position(|one| *one == name).unwrap() as u8;
    for (codec, compressor, writer) in writers(at) {
        let low = match number(&COMPRESSORS, compressor) {
            // 3 is LZ4 without its checksum.
            3 => 4,
            other => other,
        };
        let high = number(&CODECS, codec) + 1;
        writer.set("k", &page(), Expiry::Default).unwrap();
        assert_eq!(
            at.stored("k").unwrap()[..4],
            [0xC1, 0x11, high << 4 | low, 0]
        );
        writer.set_bytes("k", &[0; 5000], Expiry::Default).unwrap();
        assert_eq!(at.stored("k").unwrap()[..4], [0xC1, 0x11, low, 0]);
        let many = [("k", page())];
        writer.set_many::<Page>(many, Expiry::Default).unwrap();
        assert_eq!(
            at.stored("k").unwrap()[..4],
            [0xC1, 0x11, high << 4 | low, 0]
        );
    }
}

fn small_and_noisy_values_are_stored_as_they_are(at: &Fixture) {
    let header = b"\xC1\x11\0\0";
    for compressor in &COMPRESSORS[1..] {
        let cache = at.cache_with(&[("compressor", compressor), ("compress_min", "100")]);
        for payload in [
            vec![0; 99],
            noise(5000),
            [noise(4500), vec![0; 500]].concat(),
        ] {
            cache.set_bytes("k", &payload, Expiry::Default).unwrap();
            assert_eq!(at.stored("k").unwrap(), [&header[..], &payload].concat());
        }
        cache.set_bytes("k", &[0; 100], Expiry::Default).unwrap();
        assert!(at.stored("k").unwrap().len() < 100);
    }
}

/// Defect 5: with the ancestor every old entry became an exception.
fn turning_compression_on_leaves_old_entries_readable(at: &Fixture) {
    let before = at.cache();
    before.set("typed", &page(), Expiry::Default).unwrap();
    before
        .set_bytes("bytes", &noise(3000), Expiry::Default)
        .unwrap();
    before.set("n", &7, Expiry::Default).unwrap();
    at.plant("foreign", b"left by another program");
    for compressor in &COMPRESSORS[1..] {
        let after = at.cache_with(&[("compressor", compressor), ("on_decode_error", "error")]);
        assert_eq!(after.get("typed").unwrap(), Some(page()));
        assert_eq!(after.get_bytes("bytes").unwrap(), Some(noise(3000)));
        assert_eq!(after.get_int("n").unwrap(), Some(7));
        let foreign = after.get_bytes("foreign").unwrap();
        assert_eq!(foreign.as_deref(), Some(&b"left by another program"[..]));
    }
}

/// Defect 5: the ancestor took the text `"12_3\n"` for 123.
fn a_text_that_looks_like_a_number_stays_a_text(at: &Fixture) {
    let texts = ["12_3\n", " 12", "+12", "12", "1e3", "١٢", "-0", "007"];
    for codec in CODECS {
        let tagged = at.cache_with(&[("codec", codec)]);
        let plain = at.cache_with(&[("codec", codec), ("layout", "plain"), ("prefix", "plain")]);
        for text in texts {
            for cache in [&tagged, &plain] {
                cache.set("k", text, Expiry::Default).unwrap();
                assert_eq!(
                    cache.get::<String>("k").unwrap().as_deref(),
                    Some(text),
                    "{codec}"
                );
                assert_eq!(
                    kind(cache.get_int("k")),
                    ErrorKind::WrongType,
                    "{codec} {text:?}"
                );
                cache.delete("k").unwrap();
            }
        }
        for text in texts.into_iter().filter(|text| *text != "12") {
            at.plant("planted", text.as_bytes());
            assert_eq!(tagged.get::<i64>("planted").unwrap(), None, "{text:?}");
            let found = tagged.get_bytes("planted").unwrap();
            assert_eq!(found.as_deref(), Some(text.as_bytes()));
        }
    }
}

fn hostile_payloads_are_misses_or_decode_errors(at: &Fixture) {
    let lenient = at.cache();
    let strict = at.cache_with(&[("on_decode_error", "error")]);
    for (codec, compressor, writer) in writers(at) {
        writer.set("k", &page(), Expiry::Default).unwrap();
        let whole = at.stored("k").unwrap();
        for len in [4, 5, 12, whole.len() / 2, whole.len() - 1] {
            at.plant("k", &whole[..len]);
            assert_eq!(
                lenient.get::<Page>("k").unwrap(),
                None,
                "{codec} {compressor} {len}"
            );
            assert_eq!(kind(strict.get::<Page>("k")), ErrorKind::Decode);
            let found = strict.get_bytes("k");
            assert_eq!(
                found.is_err(),
                compressor != "none",
                "{codec} {compressor} {len}"
            );
        }
        at.plant("k", &[&whole[..], b"more"].concat());
        assert_eq!(
            kind(strict.get::<Page>("k")),
            ErrorKind::Decode,
            "{codec} {compressor}"
        );
    }
    let claims: [&[u8]; 4] = [
        b"\xC1\x11\x03\0\xff\xff\xff\xff\x10x",
        b"\xC1\x11\x02\0\x28\xb5\x2f\xfd\xe0\0\0\0\x10\0\0\0\0\x29\0\0hello",
        b"\xC1\x11\x31\0x\x9c",
        b"\xC1\x11\x30\0\xdd\xff\xff\xff\xff",
    ];
    for bytes in claims {
        at.plant("k", bytes);
        assert_eq!(lenient.get::<Vec<u8>>("k").unwrap(), None, "{bytes:?}");
        assert_eq!(
            kind(strict.get::<Vec<u8>>("k")),
            ErrorKind::Decode,
            "{bytes:?}"
        );
    }
}
