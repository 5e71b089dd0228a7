//! Counters: exact to the last of 64 bits, atomic among threads, never created by accident (design, section 6).

use std::time::Duration;

use redis_cache::{Cache, ErrorKind, Expiry, Ttl};

use crate::common::fixture::Fixture;
use crate::common::{fault, kind};

behaviour! {
    stores: [
        incr_and_decr_count,
        a_missing_counter_is_none_and_stays_missing,
        counters_are_exact_over_all_64_bits,
        an_overflow_is_a_wrong_type_and_changes_nothing,
        a_number_above_i64_is_no_counter,
        decr_by_the_least_number_is_an_invalid_argument,
        text_is_no_counter_and_is_left_alone,
        counting_keeps_the_lifetime,
        incr_or_create_starts_at_the_initial_value,
        incr_or_create_gives_a_lifetime_only_when_it_creates,
        sixteen_threads_count_to_the_exact_sum,
        sixteen_threads_create_a_counter_once,
    ],
    servers: [],
}

fn incr_and_decr_count(at: &Fixture) {
    let cache = at.cache();
    cache.set_int("n", 5, Expiry::Default).unwrap();
    assert_eq!(cache.incr("n", 1).unwrap(), Some(6));
    assert_eq!(cache.incr("n", 10).unwrap(), Some(16));
    assert_eq!(cache.incr("n", -20).unwrap(), Some(-4));
    assert_eq!(cache.decr("n", 6).unwrap(), Some(-10));
    assert_eq!(cache.decr("n", -11).unwrap(), Some(1));
    assert_eq!(cache.incr("n", 0).unwrap(), Some(1));
    assert_eq!(cache.get_int("n").unwrap(), Some(1));
    assert_eq!(cache.get::<u8>("n").unwrap(), Some(1));
}

fn a_missing_counter_is_none_and_stays_missing(at: &Fixture) {
    let cache = at.cache();
    assert_eq!(cache.incr("n", 1).unwrap(), None);
    assert_eq!(cache.decr("n", 1).unwrap(), None);
    assert!(!cache.has_key("n").unwrap());
}

fn counters_are_exact_over_all_64_bits(at: &Fixture) {
    let cache = at.cache();
    let step = |start: i64, delta: i64, sum: i64| {
        cache.set_int("n", start, Expiry::Default).unwrap();
        assert_eq!(
            cache.incr("n", delta).unwrap(),
            Some(sum),
            "{start} + {delta}"
        );
        assert_eq!(cache.get_int("n").unwrap(), Some(sum));
        assert_eq!(
            cache.incr_or_create("n", 0, 1, Expiry::Default).unwrap(),
            sum
        );
    };
    // Doubles, which are Lua's numbers, are exact only to 2^53.
    step(1 << 53, 1, (1 << 53) + 1);
    step((1 << 53) + 1, 0, (1 << 53) + 1);
    step(-(1 << 53), -1, -(1 << 53) - 1);
    step(i64::MAX - 1, 1, i64::MAX);
    step(i64::MIN + 1, -1, i64::MIN);
    step(0, i64::MAX, i64::MAX);
    step(0, i64::MIN, i64::MIN);
    step(-1, i64::MAX, i64::MAX - 1);
    step(i64::MAX, i64::MIN, -1);
    step(i64::MIN, i64::MAX, -1);
    step(i64::MAX, 0, i64::MAX);
    cache.set_int("n", -1, Expiry::Default).unwrap();
    assert_eq!(cache.decr("n", i64::MAX).unwrap(), Some(i64::MIN));
    assert_eq!(
        cache
            .incr_or_create("fresh", 1, i64::MIN, Expiry::Default)
            .unwrap(),
        i64::MIN
    );
    assert_eq!(
        cache
            .incr_or_create("fresh", i64::MAX, 0, Expiry::Default)
            .unwrap(),
        -1
    );
}

fn an_overflow_is_a_wrong_type_and_changes_nothing(at: &Fixture) {
    let cache = at.cache();
    for (start, delta) in [(i64::MAX, 1), (1, i64::MAX), (i64::MIN, -1), (-1, i64::MIN)] {
        cache.set_int("n", start, Expiry::Default).unwrap();
        assert_eq!(
            kind(cache.incr("n", delta)),
            ErrorKind::WrongType,
            "{start} + {delta}"
        );
        assert_eq!(
            kind(cache.incr_or_create("n", delta, 0, Expiry::Default)),
            ErrorKind::WrongType
        );
        assert_eq!(cache.get_int("n").unwrap(), Some(start));
    }
    cache.set_int("n", i64::MIN, Expiry::Default).unwrap();
    assert_eq!(kind(cache.decr("n", 1)), ErrorKind::WrongType);
    assert_eq!(cache.get_int("n").unwrap(), Some(i64::MIN));
}

fn a_number_above_i64_is_no_counter(at: &Fixture) {
    let cache = at.cache();
    for number in [i64::MAX as u64 + 1, u64::MAX] {
        cache.set("n", &number, Expiry::Default).unwrap();
        assert_eq!(kind(cache.get_int("n")), ErrorKind::WrongType);
        assert_eq!(kind(cache.incr("n", -1)), ErrorKind::WrongType);
        assert_eq!(cache.get::<u64>("n").unwrap(), Some(number));
    }
}

fn decr_by_the_least_number_is_an_invalid_argument(at: &Fixture) {
    let cache = at.cache();
    cache.set_int("n", -5, Expiry::Default).unwrap();
    let error = fault(cache.decr("n", i64::MIN));
    assert_eq!(error.kind(), ErrorKind::InvalidArgument, "{error}");
    assert_eq!(cache.get_int("n").unwrap(), Some(-5));
    assert_eq!(
        kind(cache.decr("absent", i64::MIN)),
        ErrorKind::InvalidArgument
    );
}

fn text_is_no_counter_and_is_left_alone(at: &Fixture) {
    let cache = at.cache();
    cache.set("text", "5", Expiry::Default).unwrap();
    cache.set_bytes("bytes", b"5", Expiry::Default).unwrap();
    cache.set_bytes("empty", b"", Expiry::Default).unwrap();
    for key in ["text", "bytes", "empty"] {
        for error in [
            fault(cache.incr(key, 1)),
            fault(cache.decr(key, 1)),
            fault(cache.incr_or_create(key, 1, 1, Expiry::Default)),
        ] {
            assert_eq!(error.kind(), ErrorKind::WrongType, "{key}: {error}");
        }
    }
    assert_eq!(cache.get::<String>("text").unwrap().as_deref(), Some("5"));
    assert_eq!(
        cache.get_bytes("bytes").unwrap().as_deref(),
        Some(&b"5"[..])
    );
    assert_eq!(cache.get_bytes("empty").unwrap().as_deref(), Some(&b""[..]));
}

#[track_caller]
fn assert_about_a_minute(cache: &Cache, key: &str) {
    let Some(Ttl::Remaining(left)) = cache.ttl(key).unwrap() else {
        panic!("{key} lost its lifetime")
    };
    assert!(
        left <= Duration::from_secs(60) && left > Duration::from_secs(45),
        "{left:?}"
    );
}

fn counting_keeps_the_lifetime(at: &Fixture) {
    let cache = at.cache();
    cache.set_int("n", 5, Duration::from_secs(60)).unwrap();
    cache.incr("n", 1).unwrap();
    cache.decr("n", 2).unwrap();
    assert_about_a_minute(&cache, "n");
    cache.set_int("for ever", 5, Expiry::Never).unwrap();
    cache.incr("for ever", 1).unwrap();
    assert_eq!(cache.ttl("for ever").unwrap(), Some(Ttl::Forever));
}

fn incr_or_create_starts_at_the_initial_value(at: &Fixture) {
    let cache = at.cache();
    assert_eq!(
        cache.incr_or_create("n", 3, 100, Expiry::Default).unwrap(),
        100
    );
    assert_eq!(
        cache.incr_or_create("n", 3, 100, Expiry::Default).unwrap(),
        103
    );
    assert_eq!(
        cache
            .incr_or_create("n", -200, 100, Expiry::Default)
            .unwrap(),
        -97
    );
    assert_eq!(cache.get_int("n").unwrap(), Some(-97));
}

fn incr_or_create_gives_a_lifetime_only_when_it_creates(at: &Fixture) {
    let cache = at.cache();
    cache
        .incr_or_create("n", 1, 1, Duration::from_secs(60))
        .unwrap();
    assert_about_a_minute(&cache, "n");
    cache.incr_or_create("n", 1, 1, Expiry::Never).unwrap();
    assert_about_a_minute(&cache, "n");
    cache.incr_or_create("n", 1, 1, Duration::ZERO).unwrap();
    assert_about_a_minute(&cache, "n");
    cache
        .incr_or_create("for ever", 1, 1, Expiry::Never)
        .unwrap();
    cache
        .incr_or_create("for ever", 1, 1, Duration::from_secs(60))
        .unwrap();
    assert_eq!(cache.ttl("for ever").unwrap(), Some(Ttl::Forever));
}

fn sixteen_threads_count_to_the_exact_sum(at: &Fixture) {
    let cache = at.cache();
    cache.set_int("n", 0, Expiry::Default).unwrap();
    let mut seen: Vec<i64> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..16)
            .map(|_| {
                scope.spawn(|| {
                    (0..100)
                        .map(|_| cache.incr("n", 1).unwrap().unwrap())
                        .collect::<Vec<_>>()
                })
            })
            .collect();
        threads
            .into_iter()
            .flat_map(|thread| thread.join().unwrap())
            .collect()
    });
    assert_eq!(cache.get_int("n").unwrap(), Some(1600));
    seen.sort_unstable();
    assert!(seen.into_iter().eq(1..=1600), "every number is given once");
}

fn sixteen_threads_create_a_counter_once(at: &Fixture) {
    let cache = at.cache();
    std::thread::scope(|scope| {
        for _ in 0..16 {
            scope.spawn(|| cache.incr_or_create("n", 1, 1000, Expiry::Default).unwrap());
        }
    });
    assert_eq!(cache.get_int("n").unwrap(), Some(1015));
}
