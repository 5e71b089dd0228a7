//! What processes share of `get_or_set`: stale values, leases, and the knowledge that there is no value. Two caches
//! opened on one store stand for two processes: they have nothing in common but the store.

use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use redis_cache::{Begun, Cache, ErrorKind, Expiry, Loading, Outcome, Source, Ttl};

use crate::common::fixture::Fixture;
use crate::common::{eventually, fault, kind};
use crate::compute::{DatabaseDown, Never, loaded};

behaviour! {
    stores: [
        a_computed_value_is_told_from_a_found_one,
        twenty_threads_of_two_processes_load_once,
        a_stale_value_is_served_while_one_caller_renews_it,
        defect_6_a_failed_loader_does_not_hide_a_stale_value,
        after_a_failed_renewal_nobody_tries_at_once,
        a_stale_value_is_no_value_for_anything_else,
        a_value_that_was_set_may_be_served_stale_too,
        a_softly_expired_value_is_served_once_more,
        what_cannot_be_stale_is_deleted_by_a_soft_expiry,
        known_absence_is_no_value_and_no_reason_to_load,
        known_absence_is_loaded_again_by_who_needs_a_value,
        what_is_deleted_during_a_load_does_not_come_back,
        what_is_written_during_a_load_wins,
        a_slow_loader_renews_its_lease,
        a_loader_that_outlived_its_lease_has_its_value_for_itself,
        who_waits_too_long_computes_for_itself,
        who_waits_too_long_is_told_so,
        a_panicking_loader_leaves_no_lease_behind,
        a_lease_is_begun_and_fulfilled,
        a_lease_that_is_dropped_is_given_back,
        a_lease_is_waited_for,
        a_lease_for_a_renewal_comes_with_the_stale_value,
        a_lost_lease_is_told,
        a_loader_may_load_another_key,
        integers_are_computed_as_digits,
        plain_values_know_no_leases,
    ],
    servers: [],
}

const STALE: [(&str, &str); 2] = [("stale", "1m"), ("ttl", "50ms")];

/// Waits until reads miss the key, and then until the server's clock surely says so too.
fn await_expiry(cache: &Cache, key: &str) {
    eventually("the value expires", || {
        cache.get::<String>(key).unwrap().is_none()
    });
    thread::sleep(Duration::from_millis(20));
}

fn failing(_: &mut Loading<'_>) -> Result<Option<String>, DatabaseDown> {
    Err(DatabaseDown(1))
}

fn text(value: &str) -> Result<Option<String>, Never> {
    loaded(Some(value.to_owned()))
}

fn outcome(value: &str, source: Source) -> Outcome<String> {
    Outcome {
        value: Some(value.to_owned()),
        source,
    }
}

/// A cache with a value that has expired and may be served.
fn with_stale(at: &Fixture, value: &str) -> Cache {
    let cache = at.cache_with(&STALE);
    let made = cache
        .get_or_set_with("k", Expiry::Default, |_| text(value))
        .unwrap();
    assert_eq!(made.source, Source::Computed);
    await_expiry(&cache, "k");
    cache
}

fn a_computed_value_is_told_from_a_found_one(at: &Fixture) {
    let cache = at.cache();
    let get = |value| cache.get_or_set_with("k", Expiry::Default, |_| text(value));
    assert_eq!(get("a").unwrap(), outcome("a", Source::Computed));
    assert_eq!(get("b").unwrap(), outcome("a", Source::Fresh));
    let bytes = cache
        .get_or_set_bytes_with("k", Expiry::Default, |_| loaded(None))
        .unwrap();
    assert_eq!(bytes.source, Source::Fresh);
    let stats = cache.stats();
    assert_eq!((stats.hits, stats.misses, stats.computes), (2, 1, 1));
}

fn twenty_threads_of_two_processes_load_once(at: &Fixture) {
    let caches = [at.cache(), at.cache()];
    let start = std::sync::Barrier::new(20);
    let values: Vec<String> = thread::scope(|scope| {
        let threads: Vec<_> = (0..20)
            .map(|number| {
                let (cache, start) = (&caches[number % 2], &start);
                scope.spawn(move || {
                    start.wait();
                    cache
                        .get_or_set("k", Expiry::Default, || {
                            thread::sleep(Duration::from_millis(100));
                            loaded(format!("of thread {number}"))
                        })
                        .unwrap()
                })
            })
            .collect();
        threads
            .into_iter()
            .map(|thread| thread.join().unwrap())
            .collect()
    });
    assert!(values.iter().all(|value| *value == values[0]), "{values:?}");
    let computes: u64 = caches.iter().map(|cache| cache.stats().computes).sum();
    assert_eq!(computes, 1);
}

fn a_stale_value_is_served_while_one_caller_renews_it(at: &Fixture) {
    let (cache, other) = (with_stale(at, "old"), at.cache_with(&STALE));
    // The loader ends only when the others have been served.
    let (served, all_served) = mpsc::channel();
    thread::scope(|scope| {
        let cache = &cache;
        let winner = scope.spawn(move || {
            cache.get_or_set_with("k", Duration::from_secs(60), |_| {
                all_served
                    .recv_timeout(Duration::from_secs(10))
                    .map_err(|_| "the others were not served".to_owned())?;
                Ok::<_, String>(Some("new".to_owned()))
            })
        });
        eventually("the winner has the lease", || cache.stats().computes == 2);
        for _ in 0..10 {
            for cache in [cache, &other] {
                let get = cache.get_or_set_with("k", Expiry::Default, |_| text("too many"));
                assert_eq!(get.unwrap(), outcome("old", Source::Stale));
            }
        }
        served.send(()).unwrap();
        let renewed = winner.join().unwrap().unwrap();
        assert_eq!(renewed, outcome("new", Source::Computed));
    });
    assert_eq!(cache.get::<String>("k").unwrap().as_deref(), Some("new"));
    assert_eq!(other.stats().stale_served, 10);
    assert_eq!(other.stats().computes, 0);
}

/// Section 11, number 6: a loader's error hid the stale value at hand.
fn defect_6_a_failed_loader_does_not_hide_a_stale_value(at: &Fixture) {
    let cache = with_stale(at, "old");
    let get = cache.get_or_set_with::<String, _>("k", Expiry::Default, |_| Err(DatabaseDown(1)));
    assert_eq!(get.unwrap(), outcome("old", Source::Stale));
    assert_eq!(cache.stats().errors, 1, "but it is told");
    cache.delete("k").unwrap();
    let get = cache.get_or_set_with::<String, _>("k", Expiry::Default, |_| Err(DatabaseDown(2)));
    assert_eq!(fault(get).kind(), ErrorKind::Callback);
}

fn after_a_failed_renewal_nobody_tries_at_once(at: &Fixture) {
    let (cache, other) = (with_stale(at, "old"), at.cache_with(&STALE));
    cache
        .get_or_set_with("k", Expiry::Default, failing)
        .unwrap();
    for cache in [&cache, &other] {
        let get = cache.get_or_set_with("k", Expiry::Default, |_| text("too early"));
        assert_eq!(get.unwrap(), outcome("old", Source::Stale));
    }
    eventually("it is tried again", || {
        let get = cache.get_or_set_with("k", Duration::from_secs(60), |_| text("new"));
        get.unwrap().value.as_deref() == Some("new")
    });
}

fn a_stale_value_is_no_value_for_anything_else(at: &Fixture) {
    let cache = with_stale(at, "old");
    assert!(!cache.has_key("k").unwrap());
    assert_eq!(cache.ttl("k").unwrap(), None);
    assert_eq!(cache.get_many::<String>(["k"]).unwrap(), [None]);
    assert_eq!(cache.get_into("k", &mut [0; 8]).unwrap(), None);
    assert!(!cache.touch("k", Duration::from_secs(60)).unwrap());
    assert!(!cache.persist("k").unwrap());
    assert_eq!(cache.incr("k", 1).unwrap(), None);
    assert_eq!(cache.incr_version("k", 1).unwrap(), None);
    let seen = cache.get_stale::<String>("k").unwrap();
    assert_eq!(seen, outcome("old", Source::Stale));
    assert!(cache.delete("k").unwrap(), "the server says it was there");
    let seen = cache.get_stale::<String>("k").unwrap();
    assert_eq!((seen.value, seen.source), (None, Source::Fresh));
    let cache = with_stale(at, "old");
    assert!(cache.add("k", "new", Expiry::Never).unwrap());
    assert_eq!(cache.get::<String>("k").unwrap().as_deref(), Some("new"));
}

fn a_value_that_was_set_may_be_served_stale_too(at: &Fixture) {
    let cache = at.cache_with(&STALE);
    cache.set("k", "set", Expiry::Default).unwrap();
    cache.add("a", "added", Expiry::Default).unwrap();
    cache
        .set_many::<&str>([("m", "one of many")], Expiry::Default)
        .unwrap();
    cache.set_bytes("b", b"bytes", Expiry::Default).unwrap();
    for (key, value) in [("k", "set"), ("a", "added"), ("m", "one of many")] {
        await_expiry(&cache, key);
        let seen = cache.get_stale::<String>(key).unwrap();
        assert_eq!(seen, outcome(value, Source::Stale));
    }
    eventually("bytes expire", || cache.get_bytes("b").unwrap().is_none());
    let seen = cache.get_stale_bytes("b").unwrap();
    assert_eq!(seen.value.as_deref(), Some(&b"bytes"[..]));
    cache
        .set("k", "for a minute", Duration::from_secs(60))
        .unwrap();
    let Some(Ttl::Remaining(left)) = cache.ttl("k").unwrap() else {
        panic!("it has a lifetime")
    };
    assert!(
        left <= Duration::from_secs(60),
        "freshness, not the key's life: {left:?}"
    );
    cache.set("n", &7, Expiry::Default).unwrap();
    eventually("integers have no stale window", || {
        cache.get_stale::<i64>("n").unwrap().value.is_none()
    });
}

fn a_softly_expired_value_is_served_once_more(at: &Fixture) {
    let cache = at.cache();
    cache.set("k", "old", Duration::from_secs(60)).unwrap();
    assert!(cache.expire_soft("k").unwrap());
    // Our idea of the server's time is late by what the way back from it took.
    eventually("it is not fresh", || {
        cache.get::<String>("k").unwrap().is_none()
    });
    let get = cache.get_or_set_with("k", Expiry::Default, failing);
    assert_eq!(get.unwrap(), outcome("old", Source::Stale));
    assert!(!cache.expire_soft("k").unwrap(), "it is stale already");
    let get = cache.get_or_set_with("k", Expiry::Default, |_| text("new"));
    assert_eq!(
        get.unwrap(),
        outcome("new", Source::Computed),
        "and may be renewed at once"
    );
}

fn what_cannot_be_stale_is_deleted_by_a_soft_expiry(at: &Fixture) {
    let cache = at.cache();
    assert!(!cache.expire_soft("nothing").unwrap());
    cache.set("n", &1, Expiry::Never).unwrap();
    assert!(cache.expire_soft("n").unwrap());
    assert!(!cache.delete("n").unwrap());
}

fn known_absence_is_no_value_and_no_reason_to_load(at: &Fixture) {
    let cache = at.cache();
    let absent = cache.get_or_set_with::<String, Never>("k", Duration::from_secs(60), |loading| {
        loading.set_ttl(Expiry::Never);
        Ok(None)
    });
    assert_eq!(absent.unwrap().source, Source::Computed);
    let get = cache.get_or_set_with("k", Expiry::Default, |_| text("needless"));
    assert_eq!(
        get.unwrap(),
        Outcome {
            value: None,
            source: Source::Fresh
        }
    );
    assert_eq!(cache.get::<String>("k").unwrap(), None);
    assert_eq!(cache.get_bytes("k").unwrap(), None);
    assert_eq!(cache.get_many_bytes(["k"]).unwrap(), [None]);
    assert!(!cache.has_key("k").unwrap());
    assert_eq!(cache.incr("k", 1).unwrap(), None);
    assert!(matches!(
        cache.lease::<String>("k").unwrap(),
        Begun::Fresh(None)
    ));
    assert!(cache.add("k", "there", Expiry::Default).unwrap());
    assert_eq!(cache.get::<String>("k").unwrap().as_deref(), Some("there"));
}

fn known_absence_is_loaded_again_by_who_needs_a_value(at: &Fixture) {
    let cache = at.cache();
    cache
        .get_or_set_with::<String, Never>("k", Expiry::Default, |_| Ok(None))
        .unwrap();
    let value = cache.get_or_set("k", Expiry::Default, || loaded("x".to_owned()));
    assert_eq!(value.unwrap(), "x");
    assert_eq!(cache.get::<String>("k").unwrap().as_deref(), Some("x"));
}

fn what_is_deleted_during_a_load_does_not_come_back(at: &Fixture) {
    let (cache, other) = (at.cache(), at.cache());
    let get = cache.get_or_set_with("k", Expiry::Default, |_| {
        assert!(other.delete("k").unwrap(), "the lease is a key");
        text("loaded before the deletion")
    });
    assert_eq!(get.unwrap().source, Source::Computed, "its caller has it");
    assert_eq!(other.get::<String>("k").unwrap(), None);
    let get = cache.get_or_set_with("k", Expiry::Default, |_| {
        other.clear().unwrap();
        text("loaded before the clearing")
    });
    get.unwrap();
    assert_eq!(other.get::<String>("k").unwrap(), None);
}

fn what_is_written_during_a_load_wins(at: &Fixture) {
    let (cache, other) = (at.cache(), at.cache());
    let get = cache.get_or_set_with("k", Expiry::Default, |_| {
        other.set("k", "written", Expiry::Default).unwrap();
        text("loaded")
    });
    assert_eq!(get.unwrap().value.as_deref(), Some("loaded"));
    assert_eq!(
        cache.get::<String>("k").unwrap().as_deref(),
        Some("written")
    );
}

fn a_slow_loader_renews_its_lease(at: &Fixture) {
    let cache = at.cache_with(&[("lease", "600ms")]);
    let other = at.cache_with(&[("lease", "600ms"), ("wait", "30s")]);
    let (begun, has_begun) = mpsc::channel();
    thread::scope(|scope| {
        let slow = scope.spawn(|| {
            cache.get_or_set_with("k", Expiry::Default, |loading| {
                begun.send(()).unwrap();
                for _ in 0..15 {
                    thread::sleep(Duration::from_millis(100));
                    loading.renew().unwrap();
                }
                text("slow")
            })
        });
        has_begun.recv().unwrap();
        let get = other.get_or_set_with("k", Expiry::Default, |_| text("impatient"));
        assert_eq!(get.unwrap().value.as_deref(), Some("slow"));
        slow.join().unwrap().unwrap();
    });
    assert_eq!(other.stats().computes, 0);
}

fn a_loader_that_outlived_its_lease_has_its_value_for_itself(at: &Fixture) {
    let cache = at.cache_with(&[("lease", "100ms")]);
    let get = cache.get_or_set_with("k", Expiry::Default, |loading| {
        let other = at.cache_with(&[("wait", "30s")]);
        let get = other.get_or_set_with("k", Expiry::Default, |_| text("quicker"));
        assert_eq!(get.unwrap(), outcome("quicker", Source::Computed));
        assert_eq!(kind(loading.renew()), ErrorKind::Lost);
        text("slower")
    });
    assert_eq!(get.unwrap(), outcome("slower", Source::Computed));
    assert_eq!(
        cache.get::<String>("k").unwrap().as_deref(),
        Some("quicker")
    );
}

fn who_waits_too_long_computes_for_itself(at: &Fixture) {
    let (cache, hasty) = (at.cache(), at.cache_with(&[("wait", "50ms")]));
    let get = cache.get_or_set_with("k", Expiry::Default, |_| {
        let get = hasty.get_or_set_with("k", Expiry::Default, |_| text("hasty"));
        assert_eq!(get.unwrap(), outcome("hasty", Source::Computed));
        assert_eq!(
            hasty.get::<String>("k").unwrap(),
            None,
            "and stores nothing"
        );
        text("patient")
    });
    assert_eq!(get.unwrap().value.as_deref(), Some("patient"));
    assert_eq!(
        hasty.get::<String>("k").unwrap().as_deref(),
        Some("patient")
    );
}

fn who_waits_too_long_is_told_so(at: &Fixture) {
    let cache = at.cache();
    let hasty = at.cache_with(&[("wait", "50ms"), ("on_wait_timeout", "busy")]);
    let get = cache.get_or_set_with("k", Expiry::Default, |_| {
        let get = hasty.get_or_set_with("k", Expiry::Default, |_| text("needless"));
        assert_eq!(kind(get), ErrorKind::Busy);
        assert!(matches!(hasty.lease::<String>("k").unwrap(), Begun::Busy));
        text("patient")
    });
    get.unwrap();
    assert_eq!(hasty.stats().computes, 0);
}

fn a_panicking_loader_leaves_no_lease_behind(at: &Fixture) {
    let (cache, other) = (at.cache(), at.cache());
    let panicking = std::panic::AssertUnwindSafe(|| {
        cache.get_or_set_with::<String, Never>("k", Expiry::Default, |_| panic!("a loader's bug"))
    });
    assert!(std::panic::catch_unwind(panicking).is_err());
    let get = other.get_or_set_with("k", Expiry::Default, |_| text("next"));
    assert_eq!(get.unwrap(), outcome("next", Source::Computed));
}

fn begun(cache: &Cache) -> Begun<String> {
    cache.lease("k").unwrap()
}

fn a_lease_is_begun_and_fulfilled(at: &Fixture) {
    let cache = at.cache();
    let Begun::Yours(lease) = begun(&cache) else {
        panic!("there is nothing yet")
    };
    lease.renew().unwrap();
    lease.fulfill("value", Duration::from_secs(60)).unwrap();
    let Begun::Fresh(value) = begun(&cache) else {
        panic!("there is a value")
    };
    assert_eq!(value.as_deref(), Some("value"));
    cache.delete("k").unwrap();
    let Begun::Yours(lease) = cache.lease_bytes("k").unwrap() else {
        panic!("there is nothing any more")
    };
    lease.fulfill_bytes(b"bytes", Expiry::Default).unwrap();
    assert_eq!(cache.get_bytes("k").unwrap().unwrap(), b"bytes");
    cache.delete("k").unwrap();
    let Begun::Yours(lease) = begun(&cache) else {
        panic!("there is nothing any more")
    };
    lease.fulfill_absent(Expiry::Default).unwrap();
    assert!(matches!(begun(&cache), Begun::Fresh(None)));
}

fn a_lease_that_is_dropped_is_given_back(at: &Fixture) {
    let cache = at.cache();
    drop(begun(&cache));
    assert!(!cache.delete("k").unwrap(), "nothing is left behind");
    assert!(matches!(begun(&cache), Begun::Yours(_)));
}

fn a_lease_is_waited_for(at: &Fixture) {
    let (cache, other) = (at.cache(), at.cache_with(&[("wait", "30s")]));
    let Begun::Yours(lease) = begun(&cache) else {
        panic!("there is nothing yet")
    };
    thread::scope(|scope| {
        let waiter = scope.spawn(|| begun(&other));
        let caller = scope.spawn(|| other.get_or_set_with("k", Expiry::Default, |_| text("no")));
        thread::sleep(Duration::from_millis(50));
        lease.fulfill("value", Expiry::Default).unwrap();
        let Begun::Fresh(value) = waiter.join().unwrap() else {
            panic!("it was fulfilled")
        };
        assert_eq!(value.as_deref(), Some("value"));
        let found = caller.join().unwrap().unwrap();
        assert_eq!(found, outcome("value", Source::Fresh));
    });
}

fn a_lease_for_a_renewal_comes_with_the_stale_value(at: &Fixture) {
    let cache = with_stale(at, "old");
    let Begun::Stale(value, Some(lease)) = begun(&cache) else {
        panic!("the renewal is ours")
    };
    assert_eq!(value.as_deref(), Some("old"));
    let Begun::Stale(_, None) = begun(&cache) else {
        panic!("there is one lease")
    };
    lease.fulfill("new", Duration::from_secs(60)).unwrap();
    assert_eq!(cache.get::<String>("k").unwrap().as_deref(), Some("new"));
}

fn a_lost_lease_is_told(at: &Fixture) {
    let cache = at.cache();
    let Begun::Yours(lease) = begun(&cache) else {
        panic!("there is nothing yet")
    };
    cache.delete("k").unwrap();
    assert_eq!(kind(lease.renew()), ErrorKind::Lost);
    assert_eq!(kind(lease.fulfill("x", Expiry::Default)), ErrorKind::Lost);
    assert_eq!(cache.get::<String>("k").unwrap(), None);
}

fn a_loader_may_load_another_key(at: &Fixture) {
    let cache = at.cache();
    let value = cache.get_or_set("outer", Expiry::Default, || {
        cache.get_or_set("inner", Expiry::Default, || loaded("x".to_owned()))
    });
    assert_eq!(value.unwrap(), "x");
    assert!(cache.has_key("inner").unwrap() && cache.has_key("outer").unwrap());
}

fn integers_are_computed_as_digits(at: &Fixture) {
    let cache = at.cache_with(&[("stale", "1m")]);
    let value = cache.get_or_set("n", Duration::from_secs(60), || loaded(41));
    assert_eq!(value.unwrap(), 41);
    assert_eq!(cache.incr("n", 1).unwrap(), Some(42));
    let Some(Ttl::Remaining(left)) = cache.ttl("n").unwrap() else {
        panic!("it has a lifetime")
    };
    assert!(left <= Duration::from_secs(60), "no stale window: {left:?}");
}

fn plain_values_know_no_leases(at: &Fixture) {
    let cache = at.cache_with(&[("layout", "plain"), ("codec", "json")]);
    let value = cache.get_or_set("k", Expiry::Default, || loaded("x".to_owned()));
    assert_eq!(value.unwrap(), "x");
    let value = cache.get_or_set("k", Expiry::Default, || loaded("y".to_owned()));
    assert_eq!(value.unwrap(), "x");
    assert_eq!(kind(cache.lease::<String>("k")), ErrorKind::Unsupported);
    assert_eq!(kind(cache.get_stale::<String>("k")), ErrorKind::Unsupported);
    assert_eq!(kind(cache.expire_soft("k")), ErrorKind::Unsupported);
    let other = at.cache_with(&[("layout", "plain"), ("codec", "json")]);
    let value = cache.get_or_set("race", Expiry::Default, || {
        other.set("race", "theirs", Expiry::Default).unwrap();
        loaded("ours".to_owned())
    });
    assert_eq!(value.unwrap(), "theirs", "the first to store wins");
}
