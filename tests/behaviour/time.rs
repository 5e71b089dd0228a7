//! Lifetimes: given, asked for, moved and passed (design, section 5).

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use redis_cache::{Cache, Expiry, Ttl};

use crate::common::eventually;
use crate::common::fixture::Fixture;

behaviour! {
    stores: [
        the_default_lifetime_is_300_seconds,
        the_ttl_option_is_the_default_lifetime,
        a_lifetime_given_is_the_lifetime,
        no_duration_is_for_ever,
        a_huge_duration_is_for_ever,
        a_fraction_of_a_millisecond_is_not_cut_to_nothing,
        an_entry_ends_with_its_lifetime,
        setting_an_expired_value_removes_the_key,
        adding_an_expired_value_stores_nothing_and_removes_nothing,
        touching_with_an_expired_time_removes_the_key,
        touch_without_a_time_takes_the_default,
        touch_keeps_the_value,
        persist_says_whether_the_key_exists,
        expire_at_takes_unix_milliseconds,
        expire_at_a_time_that_has_passed_removes_the_key,
        expire_at_has_no_sentinels,
        a_dead_entry_is_gone_for_every_operation,
        ttl_jitter_spreads_and_never_prolongs,
    ],
    keys: [
        the_server_sees_milliseconds,
    ],
    servers: [],
}

const MINUTE: Duration = Duration::from_secs(60);

/// That what is left is `lifetime`, less the few seconds a busy machine may need.
#[track_caller]
fn assert_left(cache: &Cache, key: &str, lifetime: Duration) {
    match cache.ttl(key).unwrap() {
        Some(Ttl::Remaining(left)) => {
            assert!(
                left <= lifetime && left + Duration::from_secs(8) > lifetime,
                "{left:?} of {lifetime:?}"
            );
        }
        other => panic!("{other:?} instead of {lifetime:?}"),
    }
}

fn unix_ms_in(time: Duration) -> i64 {
    let then = SystemTime::now().duration_since(UNIX_EPOCH).unwrap() + time;
    i64::try_from(then.as_millis()).unwrap()
}

fn the_default_lifetime_is_300_seconds(at: &Fixture) {
    let cache = at.cache();
    cache.set("set", &1, Expiry::Default).unwrap();
    cache.add("add", &1, Expiry::Default).unwrap();
    cache.set_int("int", 1, Expiry::Default).unwrap();
    cache.set_bytes("bytes", b"1", Expiry::Default).unwrap();
    cache
        .incr_or_create("counter", 1, 1, Expiry::Default)
        .unwrap();
    for key in ["set", "add", "int", "bytes", "counter"] {
        assert_left(&cache, key, Duration::from_secs(300));
    }
}

fn the_ttl_option_is_the_default_lifetime(at: &Fixture) {
    let cache = at.cache_with(&[("ttl", "1h30m")]);
    cache.set("k", &1, Expiry::Default).unwrap();
    assert_left(&cache, "k", Duration::from_secs(5400));
    let lasting = at.cache_with(&[("ttl", "never")]);
    lasting.set("k", &1, Expiry::Default).unwrap();
    assert_eq!(lasting.ttl("k").unwrap(), Some(Ttl::Forever));
    let fleeting = at.cache_with(&[("ttl", "0s")]);
    fleeting.set("k", &1, Expiry::Default).unwrap();
    assert!(
        !fleeting.has_key("k").unwrap(),
        "a default of 0s means expired"
    );
    fleeting.set("k", &1, MINUTE).unwrap();
    assert_left(&fleeting, "k", MINUTE);
}

fn a_lifetime_given_is_the_lifetime(at: &Fixture) {
    let cache = at.cache();
    cache.set("k", &1, MINUTE).unwrap();
    assert_left(&cache, "k", MINUTE);
    cache.set("k", &1, Some(2 * MINUTE)).unwrap();
    assert_left(&cache, "k", 2 * MINUTE);
    cache.set("k", &1, Expiry::After(3 * MINUTE)).unwrap();
    assert_left(&cache, "k", 3 * MINUTE);
}

fn no_duration_is_for_ever(at: &Fixture) {
    let cache = at.cache();
    cache.set("none", &1, None).unwrap();
    cache.add("never", &1, Expiry::Never).unwrap();
    for key in ["none", "never"] {
        assert_eq!(cache.ttl(key).unwrap(), Some(Ttl::Forever));
    }
}

fn a_huge_duration_is_for_ever(at: &Fixture) {
    let cache = at.cache();
    let bound = Duration::from_millis(1_000_000_000_000_000);
    cache.set("just below", &1, bound).unwrap();
    assert_left(&cache, "just below", bound);
    for (key, lifetime) in [
        ("above", bound + Duration::from_millis(1)),
        ("most", Duration::MAX),
    ] {
        cache.set(key, &1, lifetime).unwrap();
        assert_eq!(cache.ttl(key).unwrap(), Some(Ttl::Forever), "{key}");
        cache.set(key, &1, MINUTE).unwrap();
        assert!(cache.touch(key, lifetime).unwrap());
        assert_eq!(cache.ttl(key).unwrap(), Some(Ttl::Forever), "{key}");
    }
}

/// Guards against defect 3 of the ancestor: 0.9 s is cut to 0 there, and deletes.
fn a_fraction_of_a_millisecond_is_not_cut_to_nothing(at: &Fixture) {
    let cache = at.cache();
    cache
        .set("k", &1, Duration::from_micros(59_999_100))
        .unwrap();
    assert_left(&cache, "k", MINUTE);
    cache.set("k", &1, Duration::from_millis(4900)).unwrap();
    assert!(cache.has_key("k").unwrap());
    // One millisecond: whether it is still seen is the machine's affair; that it ends is not.
    cache.set("brief", &1, Duration::from_nanos(1)).unwrap();
    assert!(cache.expire("k", Duration::from_nanos(1)).unwrap());
    eventually("the end of a millisecond", || {
        !cache.has_key("brief").unwrap() && !cache.has_key("k").unwrap()
    });
}

fn an_entry_ends_with_its_lifetime(at: &Fixture) {
    let cache = at.cache();
    let started = Instant::now();
    cache.set("k", "brief", Duration::from_millis(80)).unwrap();
    cache.set("beside", "lasting", MINUTE).unwrap();
    eventually("the end of 80 ms", || {
        cache.get::<String>("k").unwrap().is_none()
    });
    assert!(
        started.elapsed() >= Duration::from_millis(79),
        "gone after {:?}",
        started.elapsed()
    );
    assert_eq!(
        cache.get::<String>("beside").unwrap().as_deref(),
        Some("lasting")
    );
}

/// Guards against defect 3 of the ancestor: a negative timeout keeps the old value there.
fn setting_an_expired_value_removes_the_key(at: &Fixture) {
    let cache = at.cache();
    cache.set("k", &1, MINUTE).unwrap();
    cache.set("k", &2, Duration::ZERO).unwrap();
    assert_eq!(cache.get::<i32>("k").unwrap(), None);
    cache.set("k", &2, Duration::ZERO).unwrap();
    assert!(!cache.has_key("k").unwrap(), "nothing there is no error");
    cache.set_int("k", 1, MINUTE).unwrap();
    cache.set_int("k", 2, Duration::ZERO).unwrap();
    assert!(!cache.has_key("k").unwrap());
    cache.set_bytes("k", b"1", MINUTE).unwrap();
    cache
        .set_many_bytes([("k", b"2"), ("absent", b"3")], Duration::ZERO)
        .unwrap();
    assert!(!cache.has_key("k").unwrap() && !cache.has_key("absent").unwrap());
}

/// Guards against defect 3 of the ancestor: `add` with 0 deletes an existing value there, and says True.
fn adding_an_expired_value_stores_nothing_and_removes_nothing(at: &Fixture) {
    let cache = at.cache();
    assert!(
        cache.add("k", &1, Duration::ZERO).unwrap(),
        "on a missing key it says added"
    );
    assert!(!cache.has_key("k").unwrap());
    cache.set("k", "first", MINUTE).unwrap();
    assert!(!cache.add("k", "second", Duration::ZERO).unwrap());
    assert_eq!(cache.get::<String>("k").unwrap().as_deref(), Some("first"));
    assert_left(&cache, "k", MINUTE);
    assert_eq!(cache.incr_or_create("n", 1, 9, Duration::ZERO).unwrap(), 9);
    assert!(!cache.has_key("n").unwrap());
}

fn touching_with_an_expired_time_removes_the_key(at: &Fixture) {
    let cache = at.cache();
    cache.set("k", &1, MINUTE).unwrap();
    assert!(cache.touch("k", Duration::ZERO).unwrap());
    assert!(!cache.has_key("k").unwrap());
    assert!(!cache.touch("k", Duration::ZERO).unwrap());
    cache.set("k", &1, MINUTE).unwrap();
    assert!(cache.expire("k", Duration::ZERO).unwrap());
    assert!(!cache.has_key("k").unwrap());
    assert!(!cache.expire("k", Duration::ZERO).unwrap());
}

/// Guards against defect 3 of the ancestor: `touch()` without a timeout raises there.
fn touch_without_a_time_takes_the_default(at: &Fixture) {
    let cache = at.cache_with(&[("ttl", "10m")]);
    cache.set("k", &1, MINUTE).unwrap();
    assert!(cache.touch("k", Expiry::Default).unwrap());
    assert_left(&cache, "k", 10 * MINUTE);
}

fn touch_keeps_the_value(at: &Fixture) {
    let cache = at.cache();
    cache.set("text", "value", Expiry::Never).unwrap();
    cache.set_int("int", 5, Expiry::Never).unwrap();
    for key in ["text", "int"] {
        assert!(cache.touch(key, MINUTE).unwrap());
        assert_left(&cache, key, MINUTE);
        assert!(cache.expire(key, 2 * MINUTE).unwrap());
        assert_left(&cache, key, 2 * MINUTE);
    }
    assert_eq!(
        cache.get::<String>("text").unwrap().as_deref(),
        Some("value")
    );
    assert_eq!(cache.get_int("int").unwrap(), Some(5));
}

fn persist_says_whether_the_key_exists(at: &Fixture) {
    let cache = at.cache();
    cache.set("k", &1, MINUTE).unwrap();
    assert!(cache.persist("k").unwrap());
    assert_eq!(cache.ttl("k").unwrap(), Some(Ttl::Forever));
    assert!(cache.persist("k").unwrap(), "also when it had no expiry");
    assert!(
        cache.touch("k", Expiry::Never).unwrap(),
        "also when it had no expiry"
    );
    assert!(cache.touch("k", None).unwrap());
    assert!(!cache.persist("absent").unwrap());
    assert!(!cache.touch("absent", Expiry::Never).unwrap());
    assert!(!cache.has_key("absent").unwrap());
}

fn expire_at_takes_unix_milliseconds(at: &Fixture) {
    let cache = at.cache();
    cache.set("k", &1, Expiry::Never).unwrap();
    assert!(cache.expire_at("k", unix_ms_in(10 * MINUTE)).unwrap());
    assert_left(&cache, "k", 10 * MINUTE);
    assert!(!cache.expire_at("absent", unix_ms_in(MINUTE)).unwrap());
    assert!(
        cache
            .expire_at("k", unix_ms_in(Duration::from_millis(50)))
            .unwrap()
    );
    eventually("the moment", || !cache.has_key("k").unwrap());
}

fn expire_at_a_time_that_has_passed_removes_the_key(at: &Fixture) {
    let cache = at.cache();
    for moment in [unix_ms_in(Duration::ZERO) - 60_000, 1, 0, -1] {
        cache.set("k", &1, MINUTE).unwrap();
        assert!(cache.expire_at("k", moment).unwrap(), "{moment}");
        assert!(!cache.has_key("k").unwrap(), "{moment}");
        assert!(!cache.expire_at("k", moment).unwrap(), "{moment}");
    }
}

fn expire_at_has_no_sentinels(at: &Fixture) {
    let cache = at.cache();
    cache.set("k", &1, MINUTE).unwrap();
    assert!(cache.expire_at("k", i64::MIN).unwrap(), "the far past");
    assert!(!cache.has_key("k").unwrap());
    cache.set("k", &1, MINUTE).unwrap();
    assert!(cache.expire_at("k", i64::MAX).unwrap(), "the far future");
    match cache.ttl("k").unwrap() {
        Some(Ttl::Forever) => {}
        Some(Ttl::Remaining(left)) => assert!(left > 1_000_000 * MINUTE, "{left:?}"),
        None => panic!("the far future has passed"),
    }
}

fn a_dead_entry_is_gone_for_every_operation(at: &Fixture) {
    let cache = at.cache();
    let keys = [
        "get", "int", "has", "ttl", "incr", "touch", "persist", "version", "delete", "add",
        "create", "keys",
    ];
    for key in keys {
        cache.set(key, &1, Duration::from_millis(30)).unwrap();
    }
    eventually("the end of the last", || !cache.has_key("keys").unwrap());
    assert_eq!(cache.get::<i32>("get").unwrap(), None);
    assert_eq!(cache.get_int("int").unwrap(), None);
    assert!(!cache.has_key("has").unwrap());
    assert_eq!(cache.ttl("ttl").unwrap(), None);
    assert_eq!(cache.incr("incr", 1).unwrap(), None);
    assert!(!cache.touch("touch", MINUTE).unwrap());
    assert!(!cache.persist("persist").unwrap());
    assert_eq!(cache.incr_version("version", 1).unwrap(), None);
    assert!(!cache.delete("delete").unwrap());
    assert_eq!(cache.keys("*").unwrap().count(), 0);
    assert_eq!(cache.incr_or_create("create", 1, 7, MINUTE).unwrap(), 7);
    assert_left(&cache, "create", MINUTE);
    assert!(cache.add("add", &2, MINUTE).unwrap());
    assert_eq!(cache.get::<i32>("add").unwrap(), Some(2));
}

fn ttl_jitter_spreads_and_never_prolongs(at: &Fixture) {
    let cache = at.cache_with(&[("ttl_jitter", "0.5")]);
    let mut lifetimes = Vec::new();
    for index in 0..40 {
        let key = format!("k{index}");
        cache.set(&key, &1, Duration::from_secs(1000)).unwrap();
        let Some(Ttl::Remaining(left)) = cache.ttl(&key).unwrap() else {
            panic!("no lifetime")
        };
        assert!(
            left <= Duration::from_secs(1000) && left >= Duration::from_secs(490),
            "{left:?}"
        );
        lifetimes.push(left);
    }
    let spread = lifetimes
        .iter()
        .max()
        .unwrap()
        .saturating_sub(*lifetimes.iter().min().unwrap());
    // Forty uniform draws out of 500 s lie within 50 s of each other once in 10^38 runs.
    assert!(spread > Duration::from_secs(50), "{spread:?}");
    cache.set("for ever", &1, Expiry::Never).unwrap();
    assert_eq!(cache.ttl("for ever").unwrap(), Some(Ttl::Forever));
}

fn the_server_sees_milliseconds(at: &Fixture) {
    let cache = at.cache();
    cache.set("k", &1, Duration::from_millis(60_007)).unwrap();
    assert!(
        (50_000..=60_007).contains(&at.pttl("k")),
        "{}",
        at.pttl("k")
    );
    cache.set("k", &1, Expiry::Never).unwrap();
    assert_eq!(at.pttl("k"), -1);
    cache.expire("k", Duration::from_millis(60_007)).unwrap();
    assert!(
        (50_000..=60_007).contains(&at.pttl("k")),
        "{}",
        at.pttl("k")
    );
    cache.persist("k").unwrap();
    assert_eq!(at.pttl("k"), -1);
}
