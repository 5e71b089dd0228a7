//! `get_or_set`: one load for however many callers, and nobody left behind when it fails (design, section 6;
//! defect 6 of the ancestor, as far as it concerns one process).

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Barrier;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use redis_cache::{Cache, Error, ErrorKind, Expiry, Result, Ttl};

use crate::common::fixture::Fixture;
use crate::common::{eventually, fault};

behaviour! {
    stores: [
        a_miss_loads_and_a_hit_does_not,
        bytes_are_loaded_and_kept,
        twenty_cold_threads_load_once_and_all_get_the_value,
        twenty_cold_threads_load_bytes_once,
        callers_of_other_keys_do_not_wait,
        versions_are_other_keys,
        the_loaders_error_reaches_the_caller,
        the_loaders_error_reaches_those_who_wait,
        a_failed_load_stores_nothing_and_the_next_call_loads,
        a_panic_of_the_loader_reaches_its_caller_and_strands_nobody,
        a_loaded_none_is_a_value,
        loaded_integers_are_counters,
        the_lifetime_given_is_kept,
        the_loader_may_know_a_better_lifetime,
        an_expired_lifetime_returns_the_value_and_stores_nothing,
        a_value_that_does_not_decode_is_loaded_again,
        a_loader_may_use_the_cache,
        a_loader_that_asks_for_its_own_key_is_told,
    ],
    servers: [],
}

type Never = std::convert::Infallible;

fn loaded<T>(value: T) -> Result<T, Never> {
    Ok(value)
}

#[derive(Debug, PartialEq)]
struct DatabaseDown(u16);

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
            .get_or_set_bytes("k", Expiry::Default, |_| loaded(value.to_vec()))
            .unwrap();
        assert_eq!(got, value);
        let got = cache
            .get_or_set_bytes("k", Expiry::Default, |_| loaded(b"other".to_vec()))
            .unwrap();
        assert_eq!(got, value);
        assert_eq!(cache.get_bytes("k").unwrap().as_deref(), Some(value));
    }
}

/// Starts `count` threads that call at the same moment.
fn at_once<T: Send>(count: usize, call: impl Fn(usize) -> T + Sync) -> Vec<T> {
    let start = Barrier::new(count);
    std::thread::scope(|scope| {
        let (start, call) = (&start, &call);
        let threads: Vec<_> = (0..count)
            .map(|index| {
                scope.spawn(move || {
                    start.wait();
                    call(index)
                })
            })
            .collect();
        threads
            .into_iter()
            .map(|thread| thread.join().unwrap())
            .collect()
    })
}

fn twenty_cold_threads_load_once_and_all_get_the_value(at: &Fixture) {
    let (cache, loads) = (at.cache(), AtomicU32::new(0));
    let values = at_once(20, |_| {
        cache
            .get_or_set("k", Expiry::Default, || {
                std::thread::sleep(Duration::from_millis(150));
                loaded(format!("load {}", loads.fetch_add(1, Ordering::SeqCst)))
            })
            .unwrap()
    });
    assert_eq!(loads.load(Ordering::SeqCst), 1);
    assert_eq!(values, vec!["load 0"; 20]);
}

fn twenty_cold_threads_load_bytes_once(at: &Fixture) {
    let (cache, loads) = (at.cache(), AtomicU32::new(0));
    let values = at_once(20, |_| {
        let cache = cache.clone();
        cache
            .get_or_set_bytes("k", Expiry::Default, |_| {
                std::thread::sleep(Duration::from_millis(150));
                loads.fetch_add(1, Ordering::SeqCst);
                loaded(vec![7; 100_000])
            })
            .unwrap()
    });
    assert_eq!(loads.load(Ordering::SeqCst), 1);
    assert!(values.iter().all(|value| *value == [7; 100_000]));
}

/// Both loaders run at the same time, or neither could end.
fn both_run(one: (&Cache, &str), other: (&Cache, &str)) {
    let met = Barrier::new(2);
    let values = at_once(2, |index| {
        let (cache, key) = if index == 0 { one } else { other };
        cache
            .get_or_set(key, Expiry::Default, || {
                met.wait();
                loaded(index)
            })
            .unwrap()
    });
    assert_eq!(values, [0, 1]);
}

fn callers_of_other_keys_do_not_wait(at: &Fixture) {
    let cache = at.cache();
    both_run((&cache, "a"), (&cache, "b"));
}

fn versions_are_other_keys(at: &Fixture) {
    let cache = at.cache();
    both_run((&cache, "k"), (&cache.version(2), "k"));
}

#[track_caller]
fn assert_is_the_loaders(error: &Error, code: u16) {
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
    let error = fault(cache.get_or_set_bytes("k", Expiry::Default, |_| Err(DatabaseDown(2))));
    assert_is_the_loaders(&error, 2);
    let error = fault(cache.get_or_set("k", Expiry::Default, || Err::<i32, _>("a text will do")));
    assert_eq!(error.kind(), ErrorKind::Callback);
    assert!(error.to_string().contains("a text will do"), "{error}");
}

fn the_loaders_error_reaches_those_who_wait(at: &Fixture) {
    let (cache, loads) = (at.cache(), AtomicU32::new(0));
    let outcomes = at_once(10, |_| {
        cache.get_or_set("k", Expiry::Default, || {
            loads.fetch_add(1, Ordering::SeqCst);
            std::thread::sleep(Duration::from_millis(300));
            Err::<String, _>(DatabaseDown(7))
        })
    });
    for outcome in outcomes {
        assert_is_the_loaders(&fault(outcome), 7);
    }
    // A thread that a busy machine held up for 300 ms came to an empty room, and loaded for itself.
    let loads = loads.load(Ordering::SeqCst);
    assert!(
        loads <= 3,
        "{loads} of ten loaded: they did not share the error"
    );
    assert!(!cache.has_key("k").unwrap());
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

fn a_panic_of_the_loader_reaches_its_caller_and_strands_nobody(at: &Fixture) {
    let cache = at.cache();
    let (inside, panics) = (AtomicU32::new(0), AtomicU32::new(0));
    std::thread::scope(|scope| {
        let first = scope.spawn(|| {
            let call = || {
                cache.get_or_set("k", Expiry::Default, || -> Result<String, Never> {
                    inside.store(1, Ordering::SeqCst);
                    std::thread::sleep(Duration::from_millis(200));
                    // resume_unwind, so that the panic hook does not print.
                    std::panic::resume_unwind(Box::new("the loader panicked"))
                })
            };
            let panic = catch_unwind(AssertUnwindSafe(call)).unwrap_err();
            assert_eq!(panic.downcast_ref::<&str>(), Some(&"the loader panicked"));
            panics.fetch_add(1, Ordering::SeqCst);
        });
        eventually("the loader runs", || inside.load(Ordering::SeqCst) == 1);
        let waiting: Vec<_> = (0..6)
            .map(|_| {
                scope.spawn(|| {
                    cache.get_or_set("k", Expiry::Default, || loaded("rescued".to_owned()))
                })
            })
            .collect();
        for waiter in waiting {
            match waiter.join().unwrap() {
                Ok(value) => assert_eq!(value, "rescued"),
                Err(error) => assert!(
                    matches!(error.kind(), ErrorKind::Callback | ErrorKind::Panic),
                    "{error}"
                ),
            }
        }
        first.join().unwrap();
    });
    assert_eq!(panics.load(Ordering::SeqCst), 1);
    assert_eq!(
        cache
            .get_or_set("k", Expiry::Default, || loaded("rescued".to_owned()))
            .unwrap(),
        "rescued"
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

fn loaded_integers_are_counters(at: &Fixture) {
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
    let load = |loading: &mut redis_cache::Loading| {
        loading.set_ttl(Expiry::Never);
        loaded(b"x".to_vec())
    };
    cache
        .get_or_set_bytes("k", Duration::from_secs(60), load)
        .unwrap();
    assert_eq!(cache.ttl("k").unwrap(), Some(Ttl::Forever));
    let load = |loading: &mut redis_cache::Loading| {
        loading.set_ttl(Expiry::After(Duration::ZERO));
        loaded(b"x".to_vec())
    };
    assert_eq!(
        cache
            .get_or_set_bytes("not kept", Duration::from_secs(60), load)
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

fn a_loader_that_asks_for_its_own_key_is_told(at: &Fixture) {
    let cache = at.cache();
    let started = Instant::now();
    let value = cache.get_or_set("k", Expiry::Default, || {
        let inner = cache.get_or_set("k", Expiry::Default, || loaded("inner".to_owned()));
        assert_eq!(fault(inner).kind(), ErrorKind::InvalidArgument);
        loaded("outer".to_owned())
    });
    assert_eq!(value.unwrap(), "outer");
    assert!(
        started.elapsed() < Duration::from_secs(4),
        "it waited for itself"
    );
    assert_eq!(cache.get::<String>("k").unwrap().as_deref(), Some("outer"));
}
