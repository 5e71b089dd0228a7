//! Invariants 3 and 8 within one process, and early renewal: who waits for a load, and who does not.

use std::sync::{Barrier, mpsc};
use std::thread;
use std::time::Duration;

use redis_cache::{Cache, Expiry, Outcome, Source, Ttl};

use crate::common::eventually;
use crate::common::fixture::{Backend, Fixture};

type Never = std::convert::Infallible;

fn text(value: &str) -> Result<Option<String>, Never> {
    Ok(Some(value.to_owned()))
}

fn outcome(value: &str, source: Source) -> Outcome<String> {
    Outcome {
        value: Some(value.to_owned()),
        source,
    }
}

fn both() -> [Fixture; 2] {
    [Fixture::new(Backend::Memory), Fixture::new(Backend::Tcp)]
}

/// The winner's loader ends only after 19 others have returned: so none of them waited for it.
#[test]
fn invariant_3_nobody_but_the_winner_waits_while_there_is_a_stale_value() {
    for at in both() {
        let cache = at.cache_with(&[("stale", "1m")]);
        cache.set("k", "old", Duration::from_secs(60)).unwrap();
        cache.expire_soft("k").unwrap();
        let (served, all) = mpsc::channel();
        let all = std::sync::Mutex::new(all);
        let sources: Vec<Source> = thread::scope(|scope| {
            let threads: Vec<_> = (0..20)
                .map(|_| {
                    let (cache, served, all) = (&cache, served.clone(), &all);
                    scope.spawn(move || {
                        let got = cache.get_or_set_with("k", Expiry::Default, |_| {
                            for _ in 0..19 {
                                let wait = Duration::from_secs(20);
                                all.lock().unwrap().recv_timeout(wait)?;
                            }
                            Ok::<_, mpsc::RecvTimeoutError>(Some("new".to_owned()))
                        });
                        served.send(()).unwrap();
                        got.unwrap().source
                    })
                })
                .collect();
            threads
                .into_iter()
                .map(|thread| thread.join().unwrap())
                .collect()
        });
        let count = |wanted| sources.iter().filter(|source| **source == wanted).count();
        assert_eq!((count(Source::Computed), count(Source::Stale)), (1, 19));
        assert_eq!(cache.stats().computes, 1);
        assert_eq!(cache.get::<String>("k").unwrap().as_deref(), Some("new"));
    }
}

/// The ancestor gave one value and nineteen times nothing (design, section 11, number 6).
#[test]
fn invariant_8_twenty_cold_threads_load_once_and_all_get_the_value() {
    for at in both() {
        let (cache, start) = (at.cache(), Barrier::new(20));
        let values: Vec<String> = thread::scope(|scope| {
            let threads: Vec<_> = (0..20)
                .map(|number| {
                    let (cache, start) = (&cache, &start);
                    scope.spawn(move || {
                        start.wait();
                        let got = cache.get_or_set("k", Expiry::Default, || {
                            thread::sleep(Duration::from_millis(100));
                            Ok::<_, Never>(format!("of thread {number}"))
                        });
                        got.unwrap()
                    })
                })
                .collect();
            threads
                .into_iter()
                .map(|thread| thread.join().unwrap())
                .collect()
        });
        assert_eq!(cache.stats().computes, 1);
        assert!(values.iter().all(|value| *value == values[0]), "{values:?}");
    }
}

fn is_nearly_over(cache: &Cache) -> bool {
    let left = cache.ttl("k").unwrap();
    matches!(left, Some(Ttl::Remaining(left)) if left < Duration::from_millis(1900))
}

#[test]
fn a_value_is_renewed_early_by_one_caller() {
    for at in both() {
        // With so high a beta every hit in the last quarter is due.
        let cache = at.cache_with(&[("early", "1000000")]);
        let never = at.cache_with(&[("early", "0")]);
        // Its last quarter is long enough for a busy machine.
        let life = Duration::from_secs(8);
        let get = |cache: &Cache, value| {
            let got = cache.get_or_set_with("k", life, |_| text(value));
            got.unwrap()
        };
        assert_eq!(get(&cache, "first").source, Source::Computed);
        assert_eq!(get(&cache, "too early"), outcome("first", Source::Fresh));
        eventually("the last quarter comes", || is_nearly_over(&cache));
        assert_eq!(get(&never, "turned off"), outcome("first", Source::Fresh));
        let renewed = cache.get_or_set_with("k", life, |_| {
            assert_eq!(get(&cache, "a second"), outcome("first", Source::Fresh));
            text("renewed")
        });
        assert_eq!(renewed.unwrap(), outcome("renewed", Source::Computed));
    }
}

/// The price of early renewal that fails is nothing: the value in hand is still fresh.
#[test]
fn a_failed_early_renewal_serves_the_fresh_value() {
    for at in both() {
        let cache = at.cache_with(&[("early", "1000000")]);
        // Its last quarter is long enough for a busy machine.
        let life = Duration::from_secs(8);
        cache.get_or_set_with("k", life, |_| text("first")).unwrap();
        eventually("the last quarter comes", || is_nearly_over(&cache));
        let failing = |_: &mut redis_cache::Loading<'_>| Err::<Option<String>, _>("no database");
        let got = cache.get_or_set_with("k", life, failing);
        assert_eq!(got.unwrap(), outcome("first", Source::Fresh));
        assert_eq!(cache.stats().computes, 2);
    }
}

/// They loaded twenty times.
#[test]
fn twenty_threads_load_many_keys_once_though_the_server_is_away() {
    let port = crate::common::server::free_port();
    for on_wait_timeout in ["compute", "busy"] {
        let url = format!(
            "redis://127.0.0.1:{port}?timeout=5s&wait=30s&on_wait_timeout={on_wait_timeout}"
        );
        let cache = Cache::open(&url).unwrap();
        let asking = std::sync::atomic::AtomicU32::new(0);
        let order = std::sync::atomic::Ordering::SeqCst;
        thread::scope(|scope| {
            for _ in 0..20 {
                scope.spawn(|| {
                    asking.fetch_add(1, order);
                    let got = cache.get_or_set_many(["a", "b"], Expiry::Default, |missing| {
                        eventually("all ask", || asking.load(order) == 20);
                        thread::sleep(Duration::from_millis(500));
                        let made = missing.iter().map(|key| Some(key.to_string()));
                        Ok::<_, Never>(made.collect())
                    });
                    let expected = [Some("a".to_owned()), Some("b".to_owned())];
                    assert_eq!(got.unwrap(), expected);
                });
            }
        });
        assert_eq!(cache.stats().computes, 1);
    }
}
