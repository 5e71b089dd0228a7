//! Payloads that anybody may have stored: too deep, too large, changed, endless, or behind a header where values have none.
//! Each is undecodable, and so a miss or an error by `on_decode_error`; none is another value or the end of the process.

use std::collections::BTreeMap;

use redis_cache::{ErrorKind, Expiry};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::fitting::{Chain, LAYOUTS, MINUTE, Wrap, cache_of, cache_with, everywhere, refused};
use crate::common::fixture::Fixture;
use crate::common::{fault, kind};

behaviour! {
    stores: [
        a_payload_that_is_too_deep_is_undecodable,
        a_claim_of_endless_nothing_is_undecodable,
        a_value_above_max_value_is_not_read,
        a_plain_cache_does_not_read_what_has_a_header,
    ],
    keys: [
        a_changed_bit_is_undecodable,
        lz4_without_a_checksum_is_read_and_rewritten,
        hostile_payloads_behind_a_header_are_undecodable,
    ],
    servers: [],
}

/// A payload that any store takes, by every way of reading it.
fn undecodable<T>(at: &Fixture, codec: &str, payload: &[u8])
where
    T: Serialize + DeserializeOwned + std::fmt::Debug,
{
    let (lenient, strict) = (
        cache_of(at, codec, "plain"),
        cache_with(at, codec, "plain", "error"),
    );
    lenient.set_bytes("k", payload, Expiry::Default).unwrap();
    assert!(lenient.get::<T>("k").unwrap().is_none(), "{codec}");
    assert!(lenient.get_many::<T>(["k"]).unwrap()[0].is_none());
    assert_eq!(kind(strict.get::<T>("k")), ErrorKind::Decode, "{codec}");
}

fn a_payload_that_is_too_deep_is_undecodable(at: &Fixture) {
    for levels in [129, 50_000] {
        undecodable::<Chain>(at, "postcard", &vec![1; levels]);
        undecodable::<Wrap>(at, "postcard", &vec![1; levels]);
        undecodable::<Chain>(at, "msgpack", &b"\x81\xa4Next".repeat(levels));
        undecodable::<Chain>(at, "json", &b"{\"Next\":".repeat(levels));
        undecodable::<serde_json::Value>(at, "json", &vec![b'['; levels]);
        undecodable::<serde_json::Value>(at, "msgpack", &vec![0x91; levels]);
    }
    // One byte was enough, and so was an integer.
    undecodable::<Wrap>(at, "msgpack", b"\x01");
    undecodable::<Wrap>(at, "json", b"true");
    everywhere(at, |codec, layout, cache| {
        cache.set("n", &1, Expiry::Default).unwrap();
        assert!(
            cache.get::<Wrap>("n").unwrap().is_none(),
            "{codec} {layout}"
        );
        cache.set_bytes("b", b"x", Expiry::Default).unwrap();
        assert!(
            cache.get::<Wrap>("b").unwrap().is_none(),
            "{codec} {layout}"
        );
    });
}

fn a_claim_of_endless_nothing_is_undecodable(at: &Fixture) {
    let endless = b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01";
    undecodable::<Vec<()>>(at, "postcard", endless);
    undecodable::<BTreeMap<(), ()>>(at, "postcard", endless);
    undecodable::<Vec<Vec<()>>>(at, "postcard", &[&b"\x01"[..], endless].concat());
    undecodable::<Vec<()>>(at, "msgpack", b"\xdd\xff\xff\xff\xff");
    undecodable::<BTreeMap<(), ()>>(at, "msgpack", b"\xdf\xff\xff\xff\xff");
    undecodable::<Vec<()>>(at, "json", b"[null,null");
    everywhere(at, |codec, layout, cache| {
        let units = vec![(); 10_000];
        cache.set("k", &units, Expiry::Default).unwrap();
        assert_eq!(cache.get("k").unwrap(), Some(units), "{codec} {layout}");
    });
    let cache = cache_of(at, "postcard", "tagged");
    refused(&cache, &vec![(); 100_000], &["take no byte"]);
}

fn a_value_above_max_value_is_not_read(at: &Fixture) {
    for layout in LAYOUTS {
        let options = [("codec", "json"), ("layout", layout)];
        let writer = at.cache_with(&options);
        let narrow = |on_decode_error| {
            at.cache_with(&[
                ("codec", "json"),
                ("layout", layout),
                ("max_value", "1000"),
                ("on_decode_error", on_decode_error),
            ])
        };
        let (lenient, strict) = (narrow("miss"), narrow("error"));
        let text = "x".repeat(1000);
        writer.set("typed", &text, Expiry::Default).unwrap();
        writer
            .set_bytes("bytes", &[b'x'; 1001], Expiry::Default)
            .unwrap();
        writer
            .set_bytes("fits", &[b'x'; 1000], Expiry::Default)
            .unwrap();
        for key in ["typed", "bytes"] {
            assert_eq!(lenient.get::<String>(key).unwrap(), None);
            assert_eq!(lenient.get_bytes(key).unwrap(), None);
            assert_eq!(lenient.get_into(key, &mut [0; 2000]).unwrap(), None);
            assert_eq!(lenient.get_many_bytes([key]).unwrap(), [None]);
            assert!(lenient.has_key(key).unwrap(), "it is there");
            for error in [
                fault(strict.get_bytes(key)),
                fault(strict.get::<String>(key)),
                fault(strict.get_into(key, &mut [0; 2000])),
                strict.get_many_bytes([key]).unwrap_err().into(),
            ] {
                assert_eq!(error.kind(), ErrorKind::Decode);
                assert!(error.to_string().contains("`max_value`"), "{error}");
            }
        }
        assert_eq!(strict.get_bytes("fits").unwrap().unwrap().len(), 1000);
    }
}

fn a_plain_cache_does_not_read_what_has_a_header(at: &Fixture) {
    let tagged = at.cache_with(&[("codec", "json")]);
    let plain = |on_decode_error| {
        at.cache_with(&[
            ("codec", "json"),
            ("layout", "plain"),
            ("on_decode_error", on_decode_error),
        ])
    };
    let (lenient, strict) = (plain("miss"), plain("error"));
    tagged.set("typed", "text", Expiry::Default).unwrap();
    tagged
        .set_bytes("bytes", b"bytes", Expiry::Default)
        .unwrap();
    let load = || Ok::<_, String>("text".to_owned());
    tagged.get_or_set("loaded", MINUTE, load).unwrap();
    for key in ["typed", "bytes", "loaded"] {
        assert_eq!(lenient.get_bytes(key).unwrap(), None, "{key}");
        assert_eq!(lenient.get::<String>(key).unwrap(), None, "{key}");
        assert_eq!(lenient.get_into(key, &mut [0; 100]).unwrap(), None);
        assert_eq!(lenient.get_many_bytes([key]).unwrap(), [None]);
        let error = fault(strict.get_bytes(key));
        assert_eq!(error.kind(), ErrorKind::Decode);
        assert!(error.to_string().contains("layout=tagged"), "{error}");
        // And it is replaced by one that can be read.
        let found = lenient.get_or_set(key, MINUTE, || Ok::<_, String>("plain".to_owned()));
        assert_eq!(found.unwrap(), "plain");
        assert_eq!(
            strict.get_bytes(key).unwrap().as_deref(),
            Some(&b"\"plain\""[..])
        );
    }
    let looks = b"\xC1\x11\0\0 is the beginning of a header";
    for result in [
        lenient.set_bytes("typed", looks, Expiry::Default),
        lenient.add_bytes("new", looks, Expiry::Default).map(drop),
        lenient
            .set_many_bytes([("typed", looks)], Expiry::Default)
            .map_err(Into::into),
    ] {
        assert_eq!(kind(result), ErrorKind::InvalidArgument);
    }
    tagged.set_bytes("typed", looks, Expiry::Default).unwrap();
    assert_eq!(
        tagged.get_bytes("typed").unwrap().as_deref(),
        Some(&looks[..])
    );
}

fn a_changed_bit_is_undecodable(at: &Fixture) {
    let payload = b"to be or not to be, that is the question: ".repeat(40);
    let strict = at.cache_with(&[("on_decode_error", "error")]);
    for compressor in ["zlib", "zstd", "lz4"] {
        let writer = at.cache_with(&[("compressor", compressor)]);
        writer.set_bytes("k", &payload, Expiry::Default).unwrap();
        let whole = at.stored("k").unwrap();
        // The last bytes are the checksum's or the content's; so are those in the middle.
        for index in [whole.len() - 1, whole.len() - 6, whole.len() / 2, 20] {
            let mut changed = whole.clone();
            changed[index] ^= 4;
            at.plant("k", &changed);
            let error = fault(strict.get_bytes("k"));
            assert_eq!(error.kind(), ErrorKind::Decode, "{compressor} {index}");
        }
    }
}

fn lz4_without_a_checksum_is_read_and_rewritten(at: &Fixture) {
    let cache = at.cache_with(&[("compressor", "lz4"), ("layout", "plain")]);
    let payload = b"again and ".repeat(400);
    cache.set_bytes("k", &payload, Expiry::Default).unwrap();
    let block = at.stored("k").unwrap();
    assert_eq!(
        block[..4],
        4000_u32.to_le_bytes(),
        "as other programs have it"
    );
    at.plant("k", &[&b"\xC1\x11\x03\0"[..], &block].concat());
    let cache = at.cache_with(&[("compressor", "lz4")]);
    assert_eq!(cache.get_bytes("k").unwrap().as_ref(), Some(&payload));
    assert_eq!(cache.reinsert_keys().unwrap(), 1);
    let stored = at.stored("k").unwrap();
    assert_eq!(stored[..4], *b"\xC1\x11\x04\0");
    assert_eq!(stored[8..], block);
    assert_eq!(cache.get_bytes("k").unwrap(), Some(payload));
    assert_eq!(cache.reinsert_keys().unwrap(), 0);
}

/// Behind a header, where no program of good will writes them.
fn hostile_payloads_behind_a_header_are_undecodable(at: &Fixture) {
    let strict = at.cache_with(&[("on_decode_error", "error")]);
    let deep: [&[u8]; 3] = [
        &[&b"\xC1\x11\x10\0"[..], &[1; 50_000]].concat(),
        &[&b"\xC1\x11\x20\0"[..], &b"{\"Next\":".repeat(10_000)].concat(),
        &[&b"\xC1\x11\x30\0"[..], &b"\x81\xa4Next".repeat(10_000)].concat(),
    ];
    for bytes in deep {
        at.plant("k", bytes);
        let error = fault(strict.get::<Chain>("k"));
        assert_eq!(error.kind(), ErrorKind::Decode, "{error}");
        assert!(error.to_string().contains("128 levels"), "{error}");
    }
    for bytes in [
        &b"\xC1\x11\x30\0\x01"[..],
        b"\xC1\x11\x20\0true",
        b"\xC1\x11\0\0x",
        b"1",
    ] {
        at.plant("k", bytes);
        assert_eq!(kind(strict.get::<Wrap>("k")), ErrorKind::Decode);
    }
    at.plant(
        "k",
        b"\xC1\x11\x10\0\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01",
    );
    assert_eq!(kind(strict.get::<Vec<()>>("k")), ErrorKind::Decode);
    assert_eq!(kind(strict.get::<BTreeMap<(), ()>>("k")), ErrorKind::Decode);
    // Two levels of JSON too deep to be MessagePack as well: it stays what it is.
    at.plant(
        "k",
        &[&b"\xC1\x11\x20\0"[..], &[b'['; 129], &[b']'; 129]].concat(),
    );
    let msgpack = at.cache_with(&[("codec", "msgpack")]);
    assert_eq!(msgpack.reinsert_keys().unwrap(), 0);
    at.plant(
        "k",
        &[&b"\xC1\x11\x20\0"[..], &[b'['; 128], &[b']'; 128]].concat(),
    );
    assert_eq!(msgpack.reinsert_keys().unwrap(), 1);
}
