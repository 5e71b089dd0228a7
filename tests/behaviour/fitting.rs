//! Values and types that a codec cannot give back: refused when they are set or when they are read first, never another
//! value, never a miss for ever, and never the end of the process. What is stored stays as it was.

use std::time::Duration;

use redis_cache::{Cache, CustomCodec, ErrorKind, Expiry, erased_serde};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::common::fault;
use crate::common::fixture::Fixture;

behaviour! {
    stores: [
        a_value_that_would_come_back_as_another_one_is_refused_by_every_write,
        a_type_that_can_never_be_read_is_an_error_and_no_miss,
        nan_is_refused_where_it_would_become_null,
        an_option_of_nothing_is_nothing_but_in_postcard,
        a_value_has_128_levels_in_every_codec_and_layout,
        a_codec_of_ones_own_has_the_same_bounds,
    ],
    servers: [],
}

pub(crate) const LAYOUTS: [&str; 2] = ["tagged", "plain"];
const CODECS: [&str; 3] = ["postcard", "json", "msgpack"];
pub(crate) const MINUTE: Duration = Duration::from_secs(60);

/// A cache with this codec and layout, and a place of its own.
pub(crate) fn cache_of(at: &Fixture, codec: &str, layout: &str) -> Cache {
    cache_with(at, codec, layout, "miss")
}

pub(crate) fn cache_with(at: &Fixture, codec: &str, layout: &str, on_decode_error: &str) -> Cache {
    let space = format!("{}-{codec}-{layout}", at.space());
    at.cache_with(&[
        ("codec", codec),
        ("layout", layout),
        ("prefix", &space),
        ("on_decode_error", on_decode_error),
    ])
}

pub(crate) fn everywhere(at: &Fixture, test: impl Fn(&str, &str, &Cache)) {
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
pub(crate) fn refused<T>(cache: &Cache, value: &T, words: &[&str])
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
pub(crate) enum Chain {
    End,
    Next(Box<Chain>),
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Wrap(Box<Option<Wrap>>);

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
