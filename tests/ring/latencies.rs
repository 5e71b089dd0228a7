//! How long each server of a ring takes: whose time it was, and whose fault.

use std::sync::Barrier;
use std::thread;
use std::time::Duration;

use redis_cache::{Cache, Expiry};

use crate::common::fleet::Fleet;
use crate::{cache_on, keys, keys_on};

/// What a server did of an operation, and what it failed.
fn seen(cache: &Cache, fleet: &Fleet, place: usize, operation: &str) -> (u64, u64) {
    let name = format!("127.0.0.1:{}", fleet.servers[place].port());
    let all = cache.latencies();
    let one = all
        .iter()
        .find(|one| one.node == name && one.operation == operation);
    one.map_or((0, 0), |one| (one.count, one.errors))
}

#[test]
fn each_server_has_its_own_counts() {
    let fleet = Fleet::ring(2);
    let cache = cache_on(&fleet, &[("latencies", "true")]);
    let (left, right) = (keys_on(&cache, &fleet, 0), keys_on(&cache, &fleet, 1));
    for key in left.iter().take(7).chain(right.iter().take(4)) {
        cache.set(key, "x", Expiry::Default).unwrap();
    }
    cache.get::<String>(&left[0]).unwrap();
    cache.get::<String>(&left[1]).unwrap();
    cache.get_many_bytes(&left[..3]).unwrap();
    cache.get_many_bytes(keys(100)).unwrap();
    let seen = |place, operation| seen(&cache, &fleet, place, operation);
    assert_eq!((seen(0, "SET"), seen(1, "SET")), ((7, 0), (4, 0)));
    assert_eq!((seen(0, "GET"), seen(1, "GET")), ((2, 0), (0, 0)));
    assert_eq!((seen(0, "MGET"), seen(1, "MGET")), ((2, 0), (1, 0)));
}

#[test]
fn a_server_that_is_away_has_all_the_errors() {
    let mut fleet = Fleet::ring(2);
    let cache = cache_on(
        &fleet,
        &[("latencies", "true"), ("breaker_failures", "1000")],
    );
    let (left, right) = (keys_on(&cache, &fleet, 0), keys_on(&cache, &fleet, 1));
    cache.get_many_bytes(keys(50)).unwrap();
    fleet.servers[1].stop();
    for n in 0..5 {
        cache.get_bytes(&left[n]).unwrap();
        cache.get_bytes(&right[n]).unwrap_err();
    }
    cache.get_many_bytes(keys(50)).unwrap_err();
    let seen = |place, operation| seen(&cache, &fleet, place, operation);
    assert_eq!((seen(0, "GET"), seen(1, "GET")), ((5, 0), (0, 5)));
    assert_eq!((seen(0, "MGET"), seen(1, "MGET")), ((2, 0), (1, 1)));
}

/// The first two wait in vain, the others are refused by the breaker.
#[test]
fn a_server_that_hangs_has_errors_and_no_times() {
    let fleet = Fleet::ring(2);
    let options = [
        ("latencies", "true"),
        ("timeout", "1s"),
        ("breaker_failures", "2"),
        ("breaker_backoff", "1m"),
        ("breaker_backoff_max", "1m"),
    ];
    let cache = cache_on(&fleet, &options);
    let lost = keys_on(&cache, &fleet, 1);
    cache.get_bytes(&lost[0]).unwrap();
    fleet.servers[1].freeze();
    for _ in 0..5 {
        cache.get_bytes(&lost[0]).unwrap_err();
    }
    cache.get_many_bytes(&lost[..3]).unwrap_err();
    fleet.servers[1].thaw();
    assert_eq!(seen(&cache, &fleet, 1, "GET"), (1, 5));
    assert_eq!(seen(&cache, &fleet, 1, "MGET"), (0, 1));
    assert!(
        cache
            .latencies()
            .iter()
            .all(|one| one.max < Duration::from_secs(1))
    );
}

/// Those who find no connection free, and have theirs read by others, are timed from when they began to wait.
#[test]
fn threads_that_share_a_connection_are_all_timed_in_full() {
    let fleet = Fleet::ring(2);
    let options = [
        ("latencies", "true"),
        ("max_connections", "1"),
        ("timeout", "20s"),
        ("pool_timeout", "20s"),
    ];
    let cache = cache_on(&fleet, &options);
    let keys = keys_on(&cache, &fleet, 0);
    cache.set_bytes(&keys[0], b"x", Expiry::Default).unwrap();
    let held_up = Duration::from_millis(300);
    let all_there = Barrier::new(7);
    fleet.servers[0].freeze();
    thread::scope(|scope| {
        for _ in 0..6 {
            scope.spawn(|| {
                all_there.wait();
                cache.get_bytes(&keys[0]).unwrap()
            });
        }
        all_there.wait();
        thread::sleep(held_up);
        fleet.servers[0].thaw();
    });
    let all = cache.latencies();
    let one = all.iter().find(|one| one.operation == "GET").unwrap();
    assert_eq!((one.count, one.errors), (6, 0));
    assert!(one.p50 > held_up / 10, "{one:?}");
}
