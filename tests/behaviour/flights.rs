//! Many callers of `get_or_set` at one moment: one load, and nobody left behind when it fails (design, section 6;
//! defect 6 of the ancestor, as far as it concerns one process).

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Barrier;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use redis_cache::{Cache, ErrorKind, Expiry, Outcome, Result, Source};

use crate::common::fixture::Fixture;
use crate::common::{eventually, fault};
use crate::compute::{DatabaseDown, Never, assert_is_the_loaders, loaded};

behaviour! {
    stores: [
        twenty_cold_threads_load_once_and_all_get_the_value,
        twenty_cold_threads_load_bytes_once,
        callers_of_other_keys_do_not_wait,
        versions_are_other_keys,
        the_loaders_error_reaches_those_who_wait,
        a_panic_of_the_loader_reaches_its_caller_and_strands_nobody,
        a_loader_that_asks_for_its_own_key_is_told,
        those_who_wait_for_absence_are_told_of_absence,
        who_asks_after_a_deletion_is_not_given_what_was_loaded_before,
    ],
    servers: [],
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
            .get_or_set_bytes("k", Expiry::Default, || {
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

fn a_loader_that_asks_for_its_own_key_is_told(at: &Fixture) {
    let cache = at.cache_with(&[("wait", "5m")]);
    let started = Instant::now();
    let value = cache.get_or_set("k", Expiry::Default, || {
        let inner = cache.get_or_set("k", Expiry::Default, || loaded("inner".to_owned()));
        assert_eq!(fault(inner).kind(), ErrorKind::InvalidArgument);
        loaded("outer".to_owned())
    });
    assert_eq!(value.unwrap(), "outer");
    assert!(
        started.elapsed() < Duration::from_secs(60),
        "it waited for itself"
    );
    assert_eq!(cache.get::<String>("k").unwrap().as_deref(), Some("outer"));
}

/// Under `layout=plain` they were given 32 bytes of a header as their value.
fn those_who_wait_for_absence_are_told_of_absence(at: &Fixture) {
    for layout in ["tagged", "plain"] {
        let cache = at.cache_with(&[("layout", layout), ("codec", "json"), ("wait", "30s")]);
        let key = format!("{layout}-k");
        let outcomes = at_once(10, |_| {
            let load = |_: &mut redis_cache::Loading<'_>| {
                std::thread::sleep(Duration::from_millis(150));
                loaded(None)
            };
            cache.get_or_set_bytes_with(&key, Expiry::Default, load)
        });
        for outcome in outcomes {
            assert_eq!(outcome.unwrap().value, None, "{layout}");
        }
    }
}

/// The key is deleted while it is loaded, and a second caller asks after that and joins: what is being loaded may be
/// what was true before the deletion.
fn who_asks_after_a_deletion_is_not_given_what_was_loaded_before(at: &Fixture) {
    let cache = at.cache_with(&[("wait", "30s")]);
    let (inside, asked) = (AtomicU32::new(0), AtomicU32::new(0));
    std::thread::scope(|scope| {
        let first = scope.spawn(|| {
            cache.get_or_set("k", Expiry::Default, || {
                inside.store(1, Ordering::SeqCst);
                eventually("the other asks", || asked.load(Ordering::SeqCst) == 1);
                std::thread::sleep(Duration::from_millis(100));
                loaded("before".to_owned())
            })
        });
        eventually("the loader runs", || inside.load(Ordering::SeqCst) == 1);
        cache.delete("k").unwrap();
        asked.store(1, Ordering::SeqCst);
        let second =
            cache.get_or_set_with("k", Expiry::Default, |_| loaded(Some("after".to_owned())));
        let expected = Outcome {
            value: Some("after".to_owned()),
            source: Source::Computed,
        };
        assert_eq!(second.unwrap(), expected);
        assert_eq!(first.join().unwrap().unwrap(), "before");
    });
}
