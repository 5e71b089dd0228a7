//! The breaker: a node that fails again and again is refused at once, tried by one caller at a time, and taken
//! back when it serves (design, section 8).

use std::time::{Duration, Instant};

use redis_cache::{Cache, ErrorKind, Expiry};

use crate::common::fault::{Door, Fate};
use crate::common::{eventually, fault, kind, within};
use crate::{Faulty, TIMEOUT};

dialects! {
    five_failures_in_a_row_refuse_the_node_at_once,
    a_refused_node_is_taken_back_when_it_serves,
    a_success_starts_the_count_again,
    errors_that_a_server_answers_refuse_nobody,
    only_one_caller_at_a_time_tries_a_refused_node,
}

fn broken(at: &Faulty, backoff: &str) -> Cache {
    let cache = at.cache_with(&[
        ("breaker_failures", "5"),
        ("breaker_backoff", backoff),
        ("breaker_backoff_max", backoff),
    ]);
    at.server.door(Door::Slammed);
    for _ in 0..5 {
        assert_eq!(kind(cache.incr("n", 1)), ErrorKind::Io);
    }
    cache
}

fn five_failures_in_a_row_refuse_the_node_at_once(at: &Faulty) {
    let cache = broken(at, "60s");
    let callers = at.server.callers();
    at.server.door(Door::Mute);
    for _ in 0..100 {
        let error = fault(within(Duration::ZERO, || cache.get_bytes("k")));
        assert_eq!(
            (error.kind(), error.node()),
            (ErrorKind::Unavailable, Some(&*at.server.name())),
            "{error}"
        );
        assert_eq!(
            kind(within(Duration::ZERO, || cache.set(
                "k",
                &1,
                Expiry::Default
            ))),
            ErrorKind::Unavailable
        );
    }
    assert_eq!(at.server.callers(), callers, "nobody knocked");
    assert!(cache.stats().refused >= 200, "{:?}", cache.stats());
    assert!(
        cache
            .get_many_bytes(["a", "b"])
            .unwrap_err()
            .items
            .iter()
            .all(Result::is_err)
    );
}

fn a_refused_node_is_taken_back_when_it_serves(at: &Faulty) {
    let cache = broken(at, "100ms");
    at.server.heal();
    let started = Instant::now();
    eventually("the node is taken back", || {
        match cache.set_bytes("k", b"x", Expiry::Default) {
            Ok(()) => true,
            Err(error) => {
                assert_eq!(error.kind(), ErrorKind::Unavailable, "{error}");
                false
            }
        }
    });
    assert!(
        started.elapsed() < Duration::from_secs(8),
        "after {:?} of 100 ms",
        started.elapsed()
    );
    for _ in 0..20 {
        assert_eq!(
            cache.get_bytes("k").unwrap().as_deref(),
            Some(&b"x"[..]),
            "taken back for good"
        );
    }
}

fn a_success_starts_the_count_again(at: &Faulty) {
    let cache = at.cache_with(&[
        ("breaker_failures", "5"),
        ("breaker_backoff", "60s"),
        ("breaker_backoff_max", "60s"),
    ]);
    cache.set_int("n", 1, Expiry::Default).unwrap();
    cache.incr("n", 1).unwrap();
    for _ in 0..4 {
        at.server.always("EVALSHA", Fate::Reset(0));
        for _ in 0..4 {
            assert_eq!(kind(cache.incr("n", 1)), ErrorKind::Io);
        }
        at.server.heal();
        assert!(cache.has_key("n").unwrap());
    }
}

fn errors_that_a_server_answers_refuse_nobody(at: &Faulty) {
    let cache = at.cache_with(&[
        ("breaker_failures", "2"),
        ("breaker_backoff", "60s"),
        ("breaker_backoff_max", "60s"),
    ]);
    cache.set("k", "text", Expiry::Default).unwrap();
    for _ in 0..10 {
        assert_eq!(kind(cache.incr("k", 1)), ErrorKind::WrongType);
        assert_eq!(kind(cache.get_bytes("")), ErrorKind::InvalidArgument);
    }
    at.server
        .always("GET", Fate::Answer(b"-ERR no\r\n".to_vec()));
    for _ in 0..10 {
        assert_eq!(kind(cache.get_bytes("k")), ErrorKind::Server);
    }
    at.server.heal();
    assert_eq!(cache.get::<String>("k").unwrap().as_deref(), Some("text"));
}

fn only_one_caller_at_a_time_tries_a_refused_node(at: &Faulty) {
    let cache = broken(at, "1ms");
    at.server.door(Door::Mute);
    std::thread::sleep(Duration::from_millis(20));
    let before = at.server.callers();
    let outcomes = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..12)
            .map(|_| scope.spawn(|| kind(cache.get_bytes("k"))))
            .collect();
        // All of them are answered, or on their way, well before the first probe is over.
        std::thread::sleep(TIMEOUT / 2);
        assert!(
            at.server.callers() - before <= 1,
            "{} knocked",
            at.server.callers() - before
        );
        threads
            .into_iter()
            .map(|thread| thread.join().unwrap())
            .collect::<Vec<_>>()
    });
    let waited = outcomes
        .iter()
        .filter(|kind| **kind == ErrorKind::Timeout)
        .count();
    let refused = outcomes
        .iter()
        .filter(|kind| **kind == ErrorKind::Unavailable)
        .count();
    assert!(waited >= 1 && waited + refused == 12, "{outcomes:?}");
}
