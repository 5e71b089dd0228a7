//! `get_or_set` for one caller: what is loaded, kept, counted and told (design, section 6).

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use redis_cache::{Error, ErrorKind, Expiry, Result, Ttl};

use crate::common::fault;
use crate::common::fixture::Fixture;

behaviour! {
    stores: [
        a_miss_loads_and_a_hit_does_not,
        bytes_are_loaded_and_kept,
        the_loaders_error_reaches_the_caller,
        a_failed_load_stores_nothing_and_the_next_call_loads,
        a_loaded_none_is_a_value,
        loaded_integers_are_counters,
        the_lifetime_given_is_kept,
        the_loader_may_know_a_better_lifetime,
        an_expired_lifetime_returns_the_value_and_stores_nothing,
        a_value_that_does_not_decode_is_loaded_again,
        a_loader_may_use_the_cache,
    ],
    servers: [],
}

pub(crate) type Never = std::convert::Infallible;

pub(crate) fn loaded<T>(value: T) -> Result<T, Never> {
    Ok(value)
}

#[derive(Debug, PartialEq)]
pub(crate) struct DatabaseDown(pub(crate) u16);

impl std::fmt::Display for DatabaseDown {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "the database is down, code {}", self.0)
    }
}

impl std::error::Error for DatabaseDown {}

fn a_miss_loads_and_a_hit_does_not(at: &Fixture) {
    let cache = at.cache();
    let value: String = cache
        .get_or_set("k", Expiry::Default, || loaded("fresh".to_owned()))
        .unwrap();
    assert_eq!(value, "fresh");
    assert_eq!(cache.get::<String>("k").unwrap().as_deref(), Some("fresh"));
    let value: String = cache
        .get_or_set("k", Expiry::Default, || -> Result<String, Never> {
            panic!("a hit")
        })
        .unwrap();
    assert_eq!(value, "fresh");
    cache.set("k", "replaced", Expiry::Default).unwrap();
    assert_eq!(
        cache
            .get_or_set("k", Expiry::Default, || loaded("again".to_owned()))
            .unwrap(),
        "replaced"
    );
    cache.delete("k").unwrap();
    assert_eq!(
        cache
            .get_or_set("k", Expiry::Default, || loaded("again".to_owned()))
            .unwrap(),
        "again"
    );
}

fn bytes_are_loaded_and_kept(at: &Fixture) {
    let cache = at.cache();
    for value in [&b""[..], b"\0\r\n\xff", b"12"] {
        cache.delete("k").unwrap();
        let got = cache
            .get_or_set_bytes("k", Expiry::Default, || loaded(value.to_vec()))
            .unwrap();
        assert_eq!(got, value);
        let got = cache
            .get_or_set_bytes("k", Expiry::Default, || loaded(b"other".to_vec()))
            .unwrap();
        assert_eq!(got, value);
        assert_eq!(cache.get_bytes("k").unwrap().as_deref(), Some(value));
    }
}

#[track_caller]
pub(crate) fn assert_is_the_loaders(error: &Error, code: u16) {
    assert_eq!(error.kind(), ErrorKind::Callback, "{error}");
    let source =
        std::error::Error::source(error).and_then(|source| source.downcast_ref::<DatabaseDown>());
    assert_eq!(source, Some(&DatabaseDown(code)), "{error}");
    assert!(
        error.to_string().contains("the database is down"),
        "{error}"
    );
}

fn the_loaders_error_reaches_the_caller(at: &Fixture) {
    let cache = at.cache();
    let error = fault(cache.get_or_set("k", Expiry::Default, || Err::<i32, _>(DatabaseDown(1))));
    assert_is_the_loaders(&error, 1);
    let error = fault(cache.get_or_set_bytes("k", Expiry::Default, || Err(DatabaseDown(2))));
    assert_is_the_loaders(&error, 2);
    let error = fault(cache.get_or_set("k", Expiry::Default, || Err::<i32, _>("a text will do")));
    assert_eq!(error.kind(), ErrorKind::Callback);
    assert!(error.to_string().contains("a text will do"), "{error}");
}

fn a_failed_load_stores_nothing_and_the_next_call_loads(at: &Fixture) {
    let cache = at.cache();
    fault(cache.get_or_set("k", Expiry::Default, || Err::<String, _>(DatabaseDown(1))));
    assert!(!cache.has_key("k").unwrap());
    assert_eq!(cache.get::<String>("k").unwrap(), None);
    assert_eq!(
        cache
            .get_or_set("k", Expiry::Default, || loaded("better".to_owned()))
            .unwrap(),
        "better"
    );
}

fn a_loaded_none_is_a_value(at: &Fixture) {
    let (cache, loads) = (at.cache(), AtomicU32::new(0));
    for _ in 0..3 {
        let load = || {
            loads.fetch_add(1, Ordering::SeqCst);
            loaded(None::<String>)
        };
        assert_eq!(cache.get_or_set("k", Expiry::Default, load).unwrap(), None);
    }
    assert_eq!(loads.load(Ordering::SeqCst), 1);
    cache
        .get_or_set("unit", Expiry::Default, || loaded(()))
        .unwrap();
    cache
        .get_or_set("unit", Expiry::Default, || Err::<(), _>(DatabaseDown(0)))
        .unwrap();
}

pub(crate) fn loaded_integers_are_counters(at: &Fixture) {
    let cache = at.cache();
    assert_eq!(
        cache
            .get_or_set("n", Duration::from_secs(60), || loaded(41_u32))
            .unwrap(),
        41
    );
    assert_eq!(cache.incr("n", 1).unwrap(), Some(42));
    assert_eq!(
        cache
            .get_or_set("n", Expiry::Default, || loaded(0_u32))
            .unwrap(),
        42
    );
}

fn the_lifetime_given_is_kept(at: &Fixture) {
    let cache = at.cache();
    cache
        .get_or_set("text", Duration::from_secs(60), || loaded("x".to_owned()))
        .unwrap();
    cache
        .get_or_set("int", Duration::from_secs(60), || loaded(1))
        .unwrap();
    for key in ["text", "int"] {
        let Some(Ttl::Remaining(left)) = cache.ttl(key).unwrap() else {
            panic!("{key} has no lifetime")
        };
        assert!(
            left <= Duration::from_secs(60) && left > Duration::from_secs(45),
            "{left:?}"
        );
    }
    cache
        .get_or_set("for ever", Expiry::Never, || loaded("x".to_owned()))
        .unwrap();
    assert_eq!(cache.ttl("for ever").unwrap(), Some(Ttl::Forever));
}

fn the_loader_may_know_a_better_lifetime(at: &Fixture) {
    let cache = at.cache();
    let load = |loading: &mut redis_cache::Loading<'_>| {
        loading.set_ttl(Expiry::Never);
        loaded(Some(b"x".to_vec()))
    };
    cache
        .get_or_set_bytes_with("k", Duration::from_secs(60), load)
        .unwrap();
    assert_eq!(cache.ttl("k").unwrap(), Some(Ttl::Forever));
    let load = |loading: &mut redis_cache::Loading<'_>| {
        loading.set_ttl(Expiry::After(Duration::ZERO));
        loaded(Some(b"x".to_vec()))
    };
    assert_eq!(
        cache
            .get_or_set_bytes_with("not kept", Duration::from_secs(60), load)
            .unwrap()
            .value
            .unwrap(),
        b"x"
    );
    assert!(!cache.has_key("not kept").unwrap());
}

fn an_expired_lifetime_returns_the_value_and_stores_nothing(at: &Fixture) {
    let cache = at.cache();
    assert_eq!(
        cache
            .get_or_set("k", Duration::ZERO, || loaded("x".to_owned()))
            .unwrap(),
        "x"
    );
    assert!(!cache.has_key("k").unwrap());
    assert_eq!(
        cache.get_or_set("n", Duration::ZERO, || loaded(5)).unwrap(),
        5
    );
    assert!(!cache.has_key("n").unwrap());
    cache.set("k", "there", Expiry::Default).unwrap();
    assert_eq!(
        cache
            .get_or_set("k", Duration::ZERO, || loaded("x".to_owned()))
            .unwrap(),
        "there"
    );
}

fn a_value_that_does_not_decode_is_loaded_again(at: &Fixture) {
    let cache = at.cache();
    // Read as a text, this is the length of one and no text.
    cache.set("k", &true, Expiry::Default).unwrap();
    let value: String = cache
        .get_or_set("k", Expiry::Default, || loaded("good".to_owned()))
        .unwrap();
    assert_eq!(value, "good");
    assert_eq!(cache.get::<String>("k").unwrap().as_deref(), Some("good"));
}

fn a_loader_may_use_the_cache(at: &Fixture) {
    let cache = at.cache_with(&[("max_connections", "1"), ("pool_timeout", "500ms")]);
    cache.set("b", &20, Expiry::Default).unwrap();
    let value = cache
        .get_or_set("a", Expiry::Default, || -> Result<i32> {
            let b = cache.get::<i32>("b")?.unwrap_or_default();
            let c = cache.get_or_set("c", Expiry::Default, || loaded(2))?;
            Ok(b + c)
        })
        .unwrap();
    assert_eq!(value, 22);
    assert_eq!(cache.get::<i32>("a").unwrap(), Some(22));
}
