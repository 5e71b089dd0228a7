//! Locks that processes share (herd protocol, "Locks for users").

use std::thread;
use std::time::{Duration, Instant};

use redis_cache::{Cache, ErrorKind, Expiry, Lock};

use crate::common::fixture::Fixture;
use crate::common::{eventually, kind};

behaviour! {
    stores: [
        a_lock_is_held_by_one,
        a_dropped_lock_is_free,
        a_lock_is_waited_for,
        a_wait_for_a_lock_ends,
        fencing_tokens_grow,
        a_lock_is_extended,
        a_lock_that_ran_out_is_lost,
        a_lock_of_another_holder_is_left_alone,
        defect_12_locks_know_their_cache_and_clear_does_not_know_them,
        what_cannot_be_a_lock_is_refused,
    ],
    servers: [a_lock_is_one_key_and_one_command_each_way],
}

const LONG: Duration = Duration::from_secs(60);

fn take(cache: &Cache, name: &str) -> Option<Lock> {
    cache.lock(name, LONG, Duration::ZERO).unwrap()
}

fn a_lock_is_held_by_one(at: &Fixture) {
    let (cache, other) = (at.cache(), at.cache());
    let lock = take(&cache, "job").unwrap();
    assert!(take(&other, "job").is_none());
    assert!(take(&cache, "job").is_none(), "not even twice by one");
    let another = take(&other, "another job").unwrap();
    lock.release().unwrap();
    another.release().unwrap();
    assert!(take(&other, "job").is_some());
}

fn a_dropped_lock_is_free(at: &Fixture) {
    let cache = at.cache();
    drop(take(&cache, "job").unwrap());
    assert!(take(&cache, "job").is_some());
}

fn a_lock_is_waited_for(at: &Fixture) {
    let (cache, other) = (at.cache(), at.cache());
    let lock = take(&cache, "job").unwrap();
    thread::scope(|scope| {
        let waiter = scope.spawn(|| other.lock("job", LONG, Duration::from_secs(30)).unwrap());
        thread::sleep(Duration::from_millis(30));
        let token = lock.token();
        lock.release().unwrap();
        assert!(waiter.join().unwrap().unwrap().token() > token);
    });
}

fn a_wait_for_a_lock_ends(at: &Fixture) {
    let cache = at.cache();
    let _lock = take(&cache, "job").unwrap();
    let (wait, started) = (Duration::from_millis(60), Instant::now());
    assert!(cache.lock("job", LONG, wait).unwrap().is_none());
    assert!(started.elapsed() >= wait);
}

fn fencing_tokens_grow(at: &Fixture) {
    let cache = at.cache();
    let tokens: Vec<u64> = (0..50)
        .map(|_| take(&cache, "job").unwrap().token())
        .collect();
    assert!(tokens.is_sorted_by(|a, b| a < b), "{tokens:?}");
}

fn a_lock_is_extended(at: &Fixture) {
    let cache = at.cache();
    let short = Duration::from_millis(400);
    let lock = cache.lock("job", short, Duration::ZERO).unwrap().unwrap();
    lock.extend(LONG).unwrap();
    thread::sleep(short + Duration::from_millis(50));
    assert!(take(&cache, "job").is_none());
    lock.release().unwrap();
}

fn a_lock_that_ran_out_is_lost(at: &Fixture) {
    let cache = at.cache();
    let short = Duration::from_millis(5);
    let lock = cache.lock("job", short, Duration::ZERO).unwrap().unwrap();
    eventually("it runs out", || take(&cache, "job").is_some());
    assert_eq!(kind(lock.extend(LONG)), ErrorKind::Lost);
    assert_eq!(kind(lock.release()), ErrorKind::Lost);
}

fn a_lock_of_another_holder_is_left_alone(at: &Fixture) {
    let (cache, other) = (at.cache(), at.cache());
    let short = Duration::from_millis(5);
    let lost = cache.lock("job", short, Duration::ZERO).unwrap().unwrap();
    let mut theirs = None;
    eventually("it runs out", || {
        theirs = take(&other, "job");
        theirs.is_some()
    });
    drop(lost);
    assert!(take(&cache, "job").is_none(), "it is still theirs");
    theirs.unwrap().release().unwrap();
}

/// Section 11, number 12: locks ignored prefix and version, and clear() was FLUSHDB.
fn defect_12_locks_know_their_cache_and_clear_does_not_know_them(at: &Fixture) {
    let cache = at.cache();
    let _lock = take(&cache, "job").unwrap();
    let neighbour = at
        .config()
        .prefix(format!("{}-neighbour", at.space()))
        .connect()
        .unwrap();
    assert!(take(&neighbour, "job").is_some(), "another cache's lock");
    neighbour.set("k", "theirs", Expiry::Default).unwrap();
    cache.set("k", "ours", Expiry::Default).unwrap();
    assert!(take(&cache.version(2), "job").is_none(), "of all versions");
    assert_eq!(cache.clear().unwrap(), 1);
    assert!(take(&cache, "job").is_none(), "a lock is no entry");
    assert!(neighbour.has_key("k").unwrap());
}

fn what_cannot_be_a_lock_is_refused(at: &Fixture) {
    let cache = at.cache();
    for (name, ttl) in [("", LONG), ("job", Duration::ZERO), ("job", Duration::MAX)] {
        let refused = cache.lock(name, ttl, Duration::ZERO);
        assert_eq!(kind(refused), ErrorKind::InvalidArgument);
    }
}

fn a_lock_is_one_key_and_one_command_each_way(at: &Fixture) {
    let at = at.alone();
    let cache = at.cache();
    drop(take(&cache, "warm"));
    let before = at.calls("evalsha");
    let lock = take(&cache, "job").unwrap();
    let key = format!("{}:lock:job", at.space());
    assert_eq!(at.server().run::<u64>(&["EXISTS", &key]), 1);
    lock.release().unwrap();
    assert_eq!(at.calls("evalsha") - before, 2);
    assert_eq!(at.server().run::<u64>(&["EXISTS", &key]), 0);
}
