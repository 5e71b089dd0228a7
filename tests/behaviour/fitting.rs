//! Values and types that a codec cannot give back: refused when they are set or when they are read first, never another
//! value, never a miss for ever, and never the end of the process. What is stored stays as it was.

use std::collections::BTreeMap;
use std::time::Duration;

use redis_cache::{Cache, CustomCodec, ErrorKind, Expiry, erased_serde};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::common::fixture::Fixture;
use crate::common::{fault, kind};

behaviour! {
    stores: [
        a_value_that_would_come_back_as_another_one_is_refused_by_every_write,
        a_type_that_can_never_be_read_is_an_error_and_no_miss,
        nan_is_refused_where_it_would_become_null,
        an_option_of_nothing_is_nothing_but_in_postcard,
        a_value_has_128_levels_in_every_codec_and_layout,
        a_payload_that_is_too_deep_is_undecodable,
        a_claim_of_endless_nothing_is_undecodable,
        a_codec_of_ones_own_has_the_same_bounds,
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

const LAYOUTS: [&str; 2] = ["tagged", "plain"];
const CODECS: [&str; 3] = ["postcard", "json", "msgpack"];
const MINUTE: Duration = Duration::from_secs(60);

/// A cache with this codec and layout, and a place of its own.
fn cache_of(at: &Fixture, codec: &str, layout: &str) -> Cache {
    cache_with(at, codec, layout, "miss")
}

fn cache_with(at: &Fixture, codec: &str, layout: &str, on_decode_error: &str) -> Cache {
    let space = format!("{}-{codec}-{layout}", at.space());
    at.cache_with(&[
        ("codec", codec),
        ("layout", layout),
        ("prefix", &space),
        ("on_decode_error", on_decode_error),
    ])
}

fn everywhere(at: &Fixture, test: impl Fn(&str, &str, &Cache)) {
    for codec in CODECS {
        for layout in LAYOUTS {
            test(codec, layout, &cache_of(at, codec, layout));
        }
    }
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Sparse {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    first: Option<u8>,
    second: u8,
    third: Vec<u8>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
enum Untagged {
    Text(String),
    List(Vec<u8>),
}

/// Every way to write a value says so, names what is wrong, and leaves what is there.
fn refused<T>(cache: &Cache, value: &T, words: &[&str])
where
    T: Serialize + DeserializeOwned + Clone + std::fmt::Debug,
{
    cache.set("old", "as it was", Expiry::Default).unwrap();
    let load = || Ok::<_, String>(value.clone());
    let many = cache.get_or_set_many(["new"], MINUTE, |_| {
        Ok::<_, String>([Some(value.clone())].into())
    });
    let entries = [("old", value.clone())];
    let errors = [
        fault(cache.set("old", value, Expiry::Default)),
        fault(cache.add("new", value, Expiry::Default)),
        cache
            .set_many::<T>(entries, Expiry::Default)
            .unwrap_err()
            .into(),
        fault(cache.get_or_set("new", MINUTE, load)),
        many.unwrap_err().into(),
    ];
    for error in errors {
        assert_eq!(error.kind(), ErrorKind::InvalidArgument, "{error}");
        for word in words {
            assert!(error.to_string().contains(word), "{word}: {error}");
        }
    }
    assert!(!cache.has_key("new").unwrap());
    let old = cache.get::<String>("old").unwrap();
    assert_eq!(old.as_deref(), Some("as it was"));
    // Nobody is left waiting for what could not be stored.
    let next = cache.get_or_set("new", MINUTE, || Ok::<_, String>(true));
    assert!(next.unwrap());
    cache.delete("new").unwrap();
}

/// `{None, 1, [9, 1, 7]}` came back as `{Some(3), 9, [7]}`.
fn a_value_that_would_come_back_as_another_one_is_refused_by_every_write(at: &Fixture) {
    let sparse = Sparse {
        first: None,
        second: 1,
        third: vec![9, 1, 7],
    };
    everywhere(at, |codec, _, cache| {
        if codec == "postcard" {
            let words = ["skip_serializing_if", "`first`", "postcard", "`json`"];
            return refused(cache, &sparse, &words);
        }
        cache.set("k", &sparse, Expiry::Default).unwrap();
        assert_eq!(cache.get("k").unwrap().as_ref(), Some(&sparse), "{codec}");
    });
}

fn a_type_that_can_never_be_read_is_an_error_and_no_miss(at: &Fixture) {
    let value = Untagged::List(vec![1, 2]);
    everywhere(at, |codec, layout, cache| {
        cache.set("k", &value, Expiry::Default).unwrap();
        let load = || Ok::<_, String>(value.clone());
        if codec != "postcard" {
            assert_eq!(cache.get("k").unwrap().as_ref(), Some(&value), "{codec}");
            assert_eq!(cache.get_or_set("k", MINUTE, load).unwrap(), value);
            return;
        }
        let partial = cache.get_many::<Untagged>(["k"]).unwrap_err();
        let errors = [
            fault(cache.get::<Untagged>("k")),
            partial.into(),
            fault(cache.get_or_set("k", MINUTE, load)),
            fault(cache.get::<serde_json::Value>("k")),
        ];
        for error in errors {
            assert_eq!(error.kind(), ErrorKind::InvalidArgument, "{error}");
            for word in ["untagged", "postcard", "`json`", "`msgpack`"] {
                assert!(error.to_string().contains(word), "{error}");
            }
        }
        assert_eq!(cache.stats().decode_errors, 0);
        if layout == "tagged" {
            // The codec that the error tells to take replaces what the other one left.
            let space = format!("{}-postcard-tagged", at.space());
            let mended = at.cache_with(&[("codec", "json"), ("prefix", &space)]);
            assert_eq!(mended.get::<Untagged>("k").unwrap(), None);
            assert_eq!(mended.get_or_set("k", MINUTE, load).unwrap(), value);
            assert_eq!(mended.get("k").unwrap(), Some(value.clone()));
        }
    });
}

fn nan_is_refused_where_it_would_become_null(at: &Fixture) {
    everywhere(at, |codec, layout, cache| {
        for number in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
            let value = (number, "text".to_owned());
            if codec == "json" || (codec, layout) == ("msgpack", "plain") {
                refused(cache, &value, &["NaN", codec]);
                continue;
            }
            cache.set("k", &value, Expiry::Default).unwrap();
            let found = cache.get::<(f64, String)>("k").unwrap().unwrap();
            assert_eq!(found.0.to_bits(), number.to_bits(), "{codec} {layout}");
        }
        cache.set("k", &f64::MAX, Expiry::Default).unwrap();
        assert_eq!(cache.get::<f64>("k").unwrap(), Some(f64::MAX));
    });
}

fn an_option_of_nothing_is_nothing_but_in_postcard(at: &Fixture) {
    everywhere(at, |codec, _, cache| {
        cache.set("k", &Some(None::<u8>), Expiry::Default).unwrap();
        let found = cache.get::<Option<Option<u8>>>("k").unwrap();
        let expected = if codec == "postcard" {
            Some(None)
        } else {
            None
        };
        assert_eq!(found, Some(expected), "{codec}");
    });
}

#[derive(Debug, Clone, Serialize, Deserialize)]
enum Chain {
    End,
    Next(Box<Chain>),
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Wrap(Box<Option<Wrap>>);

fn chain(levels: usize) -> Chain {
    (0..levels).fold(Chain::End, |inner, _| Chain::Next(Box::new(inner)))
}

fn wrap(levels: usize) -> Wrap {
    (1..levels)
        .step_by(2)
        .fold(Wrap(Box::new(None)), |inner, _| Wrap(Box::new(Some(inner))))
}

fn a_value_has_128_levels_in_every_codec_and_layout(at: &Fixture) {
    everywhere(at, |codec, layout, cache| {
        cache.set("k", &chain(128), Expiry::Default).unwrap();
        let found = cache.get::<Chain>("k").unwrap();
        assert!(found.is_some(), "{codec} {layout}");
        refused(cache, &chain(129), &["128 levels", codec]);
        refused(cache, &chain(1000), &["128 levels", codec]);
        cache.set("k", &wrap(127), Expiry::Default).unwrap();
        assert!(
            cache.get::<Wrap>("k").unwrap().is_some(),
            "{codec} {layout}"
        );
        refused(cache, &wrap(129), &["128 levels", codec]);
    });
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

type Fault = Box<dyn std::error::Error + Send + Sync>;

/// Postcard, as somebody else would wrap it.
struct Wrapped;

impl CustomCodec for Wrapped {
    fn encode(&self, value: &dyn erased_serde::Serialize, out: &mut Vec<u8>) -> Result<(), Fault> {
        out.extend(postcard::to_stdvec(value)?);
        Ok(())
    }

    fn decode(
        &self,
        payload: &[u8],
        read: &mut dyn FnMut(&mut dyn erased_serde::Deserializer<'_>) -> erased_serde::Result<()>,
    ) -> Result<(), Fault> {
        let mut reader = postcard::Deserializer::from_bytes(payload);
        Ok(read(&mut <dyn erased_serde::Deserializer>::erase(
            &mut reader,
        ))?)
    }
}

fn a_codec_of_ones_own_has_the_same_bounds(at: &Fixture) {
    let cache = at
        .config()
        .custom_codec(Wrapped)
        .layout(redis_cache::config::Layout::Plain)
        .max_value(100_000)
        .connect()
        .unwrap();
    cache.set("k", &chain(128), Expiry::Default).unwrap();
    assert!(cache.get::<Chain>("k").unwrap().is_some());
    refused(&cache, &chain(129), &["128 levels"]);
    let endless = b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01";
    cache.set_bytes("k", endless, Expiry::Default).unwrap();
    assert_eq!(cache.get::<Vec<()>>("k").unwrap(), None);
    cache.set_bytes("k", &[1; 50_000], Expiry::Default).unwrap();
    assert!(cache.get::<Chain>("k").unwrap().is_none());
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
