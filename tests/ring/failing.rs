//! One node of a ring that is down, hangs, or answers nothing: what that costs, and whom.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use redis_cache::Expiry;

use crate::common::HOLD_UP;
use crate::common::fleet::Fleet;
use crate::{cache_on, fill, keys, keys_on, with};

const TIMEOUT: Duration = Duration::from_secs(1);

/// Options of a cache that gives up soon.
const HASTY: &[(&str, &str)] = &[("timeout", "1s"), ("connect_timeout", "1s")];

#[test]
fn a_node_that_is_down_keeps_its_keys() {
    let mut fleet = Fleet::ring(3);
    let cache = cache_on(&fleet, &[("breaker_backoff_max", "100ms")]);
    let lost = keys_on(&cache, &fleet, 2);
    cache.set_bytes(&lost[0], b"before", Expiry::Never).unwrap();
    fleet.servers[2].stop();
    for _ in 0..20 {
        let error = cache
            .set_bytes(&lost[0], b"meanwhile", Expiry::Never)
            .unwrap_err();
        assert!(
            error
                .node()
                .unwrap()
                .ends_with(&fleet.servers[2].port().to_string())
        );
    }
    let on_others: u64 = fleet.servers[..2]
        .iter()
        .map(|server| server.run::<u64>(&["DBSIZE"]))
        .sum();
    assert_eq!(on_others, 0, "nothing of it was written elsewhere");
    fleet.servers[2].start_again();
    let again = Instant::now() + Duration::from_secs(30);
    while cache.set_bytes(&lost[0], b"after", Expiry::Never).is_err() {
        assert!(Instant::now() < again);
        thread::sleep(Duration::from_millis(10));
    }
    assert_eq!(
        cache.get_bytes(&lost[0]).unwrap().as_deref(),
        Some(&b"after"[..])
    );
}

/// Whichever node it is: none may take the time of the others, warm or cold.
#[test]
fn a_node_that_hangs_costs_its_own_keys_only() {
    let fleet = Fleet::ring(3);
    fill(&cache_on(&fleet, &[]), 100);
    for place in 0..3 {
        for is_warm in [true, false] {
            let cache = cache_on(&fleet, HASTY);
            let lost = keys_on(&cache, &fleet, place);
            if is_warm {
                cache.get_many_bytes(keys(100)).unwrap();
            }
            fleet.servers[place].freeze();
            let started = Instant::now();
            let partial = cache.get_many_bytes(keys(100)).unwrap_err();
            let took = started.elapsed();
            fleet.servers[place].thaw();
            assert!(took < TIMEOUT + HOLD_UP, "{took:?}");
            for (key, item) in keys(100).iter().zip(partial.items) {
                match item {
                    Ok(value) => assert_eq!(value.as_deref(), Some(key.as_bytes())),
                    Err(error) => assert!(
                        lost.contains(key) && error.is_timeout(),
                        "{place}, {is_warm}: {key}: {error}"
                    ),
                }
            }
        }
    }
}

#[test]
fn writes_of_many_windows_reach_the_nodes_that_work() {
    let fleet = Fleet::ring(3);
    let cache = cache_on(&fleet, &[("timeout", "2s")]);
    fill(&cache, 100);
    fleet.servers[0].freeze();
    // Several windows of a thousand for every node.
    let entries = keys(9000).into_iter().map(|key| (key, vec![b'x'; 100]));
    let partial = cache.set_many_bytes(entries, Expiry::Never).unwrap_err();
    fleet.servers[0].thaw();
    let port = format!(":{}", fleet.servers[0].port());
    for (key, item) in keys(9000).iter().zip(partial.items) {
        let is_lost = cache.where_is(key).unwrap().ends_with(&port);
        assert_eq!(item.is_err(), is_lost, "{key}: {item:?}");
    }
}

#[test]
fn two_threads_with_one_connection_a_node_do_not_wait_for_each_other_in_circles() {
    let fleet = Fleet::ring(3);
    let cache = cache_on(&fleet, &[("max_connections", "1"), ("timeout", "5s")]);
    let started = Instant::now();
    thread::scope(|scope| {
        for thread in 0..4 {
            let cache = &cache;
            scope.spawn(move || {
                for round in 0..30 {
                    let names: Vec<_> = (0..2500)
                        .map(|i| format!("t{thread}-{round}-{i}"))
                        .collect();
                    let entries = names.iter().map(|name| (name, b"value"));
                    cache
                        .set_many_bytes(entries, Duration::from_secs(60))
                        .unwrap();
                    cache.get_many_bytes(&names).unwrap();
                }
            });
        }
    });
    assert!(
        started.elapsed() < Duration::from_secs(60),
        "{:?}",
        started.elapsed()
    );
    assert_eq!(cache.stats().errors, 0);
}

#[test]
fn ping_and_flush_name_the_node_that_failed_and_reach_the_others() {
    let mut fleet = Fleet::ring(3);
    let cache = cache_on(&fleet, &[]);
    cache.ping().unwrap();
    fill(&cache, 50);
    fleet.servers[1].stop();
    let error = cache.ping().unwrap_err();
    let down = fleet.servers[1].port().to_string();
    assert!(error.node().unwrap().ends_with(&down), "{error}");
    let error = cache.flush_db().unwrap_err();
    assert!(error.node().unwrap().ends_with(&down), "{error}");
    for place in [0, 2] {
        assert_eq!(fleet.servers[place].run::<u64>(&["DBSIZE"]), 0);
    }
    assert!(cache.clear().unwrap_err().is_unavailable(), "never hidden");
}

#[test]
fn on_error_miss_hides_one_node_and_tells_the_hook() {
    let mut fleet = Fleet::ring(3);
    let told = Arc::new(AtomicU64::new(0));
    let hook = Arc::clone(&told);
    let config = fleet.config().error_hook(move |_| {
        hook.fetch_add(1, Ordering::Relaxed);
    });
    let cache = with(config, &[("on_error", "miss")]);
    fill(&cache, 100);
    let lost = keys_on(&cache, &fleet, 0);
    let found = lost.iter().filter(|key| keys(100).contains(key)).count();
    fleet.servers[0].stop();
    let values = cache.get_many_bytes(keys(100)).unwrap();
    assert_eq!(values.iter().filter(|value| value.is_none()).count(), found);
    assert!(told.load(Ordering::Relaxed) > 0);
    let before = told.load(Ordering::Relaxed);
    assert_eq!(cache.get_bytes(&lost[0]).unwrap(), None);
    cache.set_bytes(&lost[0], b"v", Expiry::Default).unwrap();
    assert!(told.load(Ordering::Relaxed) >= before + 2);
    assert!(cache.ping().is_err(), "always reported");
}
