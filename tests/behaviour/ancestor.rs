//! What the ancestor got wrong and single operations must get right (design, section 11, numbers 3, 5, 11 and 12). The
//! others are named `defect_<number>_...` where their theme is.

use std::time::Duration;

use redis_cache::{Expiry, Ttl};

use crate::common::fixture::Fixture;

behaviour! {
    stores: [
        defect_3_times_mean_what_they_say,
        defect_5_text_that_looks_like_a_number_stays_text,
        defect_11_a_prefix_is_no_pattern,
        defect_12_clear_leaves_the_neighbours_alone,
    ],
    servers: [
        defect_11_a_pattern_is_deleted_in_few_and_small_steps,
        defect_12_clear_is_no_flush,
    ],
}

/// A negative timeout kept the old value, 0.9 s was cut to nothing, `add(existing, 0)` deleted, `touch()` raised.
fn defect_3_times_mean_what_they_say(at: &Fixture) {
    let cache = at.cache();
    cache.set("k", "old", Expiry::Never).unwrap();
    cache.set("k", "new", Duration::ZERO).unwrap();
    assert!(!cache.has_key("k").unwrap());
    cache.set("k", "x", Duration::from_millis(900)).unwrap();
    let left = cache.ttl("k").unwrap();
    assert!(
        matches!(left, Some(Ttl::Remaining(left)) if left <= Duration::from_millis(900) && !left.is_zero()),
        "{left:?}"
    );
    cache.set("k", "there", Expiry::Never).unwrap();
    assert!(!cache.add("k", "x", Duration::ZERO).unwrap());
    assert_eq!(cache.get::<String>("k").unwrap().as_deref(), Some("there"));
    assert!(cache.touch("k", Expiry::Default).unwrap());
    assert!(matches!(cache.ttl("k").unwrap(), Some(Ttl::Remaining(_))));
}

/// The text "12_3\n" came back as the number 123.
fn defect_5_text_that_looks_like_a_number_stays_text(at: &Fixture) {
    let cache = at.cache();
    for text in ["12_3\n", " 12", "+12", "012", "-0", "12"] {
        cache.set("k", text, Expiry::Default).unwrap();
        assert_eq!(cache.get::<String>("k").unwrap().as_deref(), Some(text));
        cache
            .set_bytes("k", text.as_bytes(), Expiry::Default)
            .unwrap();
        assert_eq!(cache.get_bytes("k").unwrap().unwrap(), text.as_bytes());
    }
}

/// `app*` deleted the keys of `appXX`.
fn defect_11_a_prefix_is_no_pattern(at: &Fixture) {
    let config = |prefix: &str| {
        let prefix = format!("{}{prefix}", at.space());
        at.config().prefix(prefix).connect().unwrap()
    };
    for (prefix, neighbour) in [("app*", "appXX"), ("ap?", "app"), ("a[pq]", "ap")] {
        let (ours, theirs) = (config(prefix), config(neighbour));
        ours.set("k", "ours", Expiry::Default).unwrap();
        theirs.set("k", "theirs", Expiry::Default).unwrap();
        assert_eq!(ours.delete_pattern("*").unwrap(), 1);
        assert_eq!(theirs.clear().unwrap(), 1, "{prefix} touched {neighbour}");
    }
}

/// 9 632 round trips for 100 000 keys, and one DEL for all of them.
fn defect_11_a_pattern_is_deleted_in_few_and_small_steps(at: &Fixture) {
    let at = at.alone();
    let cache = at.cache();
    let keys = (0..5000).map(|number| (format!("k{number}"), "x"));
    cache.set_many::<&str>(keys, Expiry::Default).unwrap();
    let calls = |name: &str| at.calls(name);
    let (scans, deletes) = (calls("scan"), calls("del"));
    assert_eq!(cache.delete_pattern("k*").unwrap(), 5000);
    let scans = calls("scan") - scans;
    assert!((1..=16).contains(&scans), "{scans} SCANs of 1000 keys");
    assert_eq!(calls("del"), deletes, "UNLINK does not block the server");
    assert_eq!(calls("keys"), 0);
}

fn defect_12_clear_leaves_the_neighbours_alone(at: &Fixture) {
    let cache = at.cache();
    let neighbour = at
        .config()
        .prefix(format!("{}-neighbour", at.space()))
        .connect()
        .unwrap();
    neighbour.set("k", "theirs", Expiry::Default).unwrap();
    cache.set("k", "ours", Expiry::Default).unwrap();
    assert_eq!(cache.clear().unwrap(), 1);
    assert!(neighbour.has_key("k").unwrap());
}

fn defect_12_clear_is_no_flush(at: &Fixture) {
    let at = at.alone();
    let cache = at.cache();
    cache.set("k", "x", Expiry::Default).unwrap();
    let before = at.calls("flushdb");
    cache.clear().unwrap();
    assert_eq!(at.calls("flushdb"), before);
}
