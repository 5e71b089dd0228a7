//! What is there and is of no use: a value of another type, "absent" where a value is wanted, an integer, a header of
//! another version. Whoever replaces it compares first, so that what others write or remove meanwhile stays so.

use std::thread;
use std::time::Duration;

use redis_cache::{Begun, Cache, ErrorKind, Expiry};

use crate::common::fixture::Fixture;
use crate::common::{eventually, kind};
use crate::compute::{DatabaseDown, loaded};

behaviour! {
    stores: [
        what_is_written_over_a_useless_value_during_a_load_stays,
        what_is_removed_under_a_useless_value_during_a_load_stays_so,
        a_useless_value_in_which_a_lease_can_stand_is_loaded_once,
        who_can_use_a_value_is_served_it_while_another_replaces_it,
        the_second_to_replace_a_useless_value_is_told_that_it_lost,
        useless_values_of_many_keys_are_compared_too,
        a_backoff_without_anything_to_serve_keeps_nobody_waiting,
        a_backoff_keeps_nobody_waiting_who_cannot_use_what_is_there,
    ],
    servers: [],
}

/// What a caller who wants a text cannot use.
#[derive(Debug, Clone, Copy)]
enum Useless {
    /// "Known to be absent", with a lease block.
    Absent,
    /// Another type, with a lease block.
    Type,
    /// Another type, behind a short header.
    ShortType,
    Integer,
    /// A header that this version does not know.
    Version,
    Foreign,
}

const ALL: [Useless; 6] = [
    Useless::Absent,
    Useless::Type,
    Useless::ShortType,
    Useless::Integer,
    Useless::Version,
    Useless::Foreign,
];

/// A struct is no bool, no integer and no bytes.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
struct Row {
    name: String,
    number: (u64, u64),
}

fn row(name: &str) -> Row {
    Row {
        name: name.to_owned(),
        number: (1, 2),
    }
}

fn put(at: &Fixture, useless: Useless) {
    let cache = at.cache();
    let raw = |bytes: &[u8]| {
        let plain = at.cache_with(&[("layout", "plain")]);
        plain.set_bytes("k", bytes, Expiry::Never).unwrap();
    };
    cache.delete("k").unwrap();
    match useless {
        Useless::Absent => {
            let none = |_: &mut redis_cache::Loading<'_>| loaded(None::<Row>);
            cache.get_or_set_with("k", Expiry::Default, none).unwrap();
        }
        Useless::Type => {
            let value = cache.get_or_set("k", Expiry::Default, || loaded(true));
            value.unwrap();
        }
        Useless::ShortType => cache.set("k", &true, Expiry::Default).unwrap(),
        Useless::Integer => cache.set("k", &7, Expiry::Default).unwrap(),
        Useless::Version => raw(b"\xC1\x21\0\0 of the future"),
        Useless::Foreign => raw(b"of another program"),
    }
    assert_eq!(cache.get::<Row>("k").unwrap_or(None), None, "{useless:?}");
}

/// The old one was overwritten by a plain SET, whatever had happened meanwhile.
fn what_is_written_over_a_useless_value_during_a_load_stays(at: &Fixture) {
    let (cache, other) = (at.cache(), at.cache());
    for useless in ALL {
        put(at, useless);
        let got = cache.get_or_set("k", Expiry::Default, || {
            other.set("k", &row("new"), Expiry::Default).unwrap();
            loaded(row("old"))
        });
        assert_eq!(got.unwrap(), row("old"), "its caller has it: {useless:?}");
        let kept = other.get::<Row>("k").unwrap();
        assert_eq!(kept, Some(row("new")), "{useless:?}");
        put(at, useless);
        let got = cache.get_or_set("k", Expiry::Default, || loaded(row("good")));
        assert_eq!(got.unwrap(), row("good"), "{useless:?}");
        let kept = other.get::<Row>("k").unwrap();
        assert_eq!(kept, Some(row("good")), "nobody meddled: {useless:?}");
    }
}

fn what_is_removed_under_a_useless_value_during_a_load_stays_so(at: &Fixture) {
    let (cache, other) = (at.cache(), at.cache());
    for useless in ALL {
        put(at, useless);
        let got = cache.get_or_set("k", Expiry::Default, || {
            assert!(other.delete("k").unwrap());
            loaded(row("old"))
        });
        assert_eq!(got.unwrap(), row("old"), "{useless:?}");
        assert_eq!(other.get::<Row>("k").unwrap(), None, "{useless:?}");
        assert!(!other.delete("k").unwrap(), "{useless:?}");
    }
}

/// Eight callers loaded eight times.
fn a_useless_value_in_which_a_lease_can_stand_is_loaded_once(at: &Fixture) {
    for useless in [Useless::Absent, Useless::Type] {
        let caches: Vec<Cache> = (0..4).map(|_| at.cache_with(&[("wait", "30s")])).collect();
        put(at, useless);
        let start = std::sync::Barrier::new(8);
        thread::scope(|scope| {
            for number in 0..8 {
                let (cache, start) = (&caches[number % 4], &start);
                scope.spawn(move || {
                    start.wait();
                    let got = cache.get_or_set("k", Expiry::Default, || {
                        thread::sleep(Duration::from_millis(200));
                        loaded(row("one"))
                    });
                    assert_eq!(got.unwrap(), row("one"));
                });
            }
        });
        let loads: u64 = caches.iter().map(|cache| cache.stats().computes).sum();
        assert_eq!(loads, 1, "{useless:?}");
    }
}

fn who_can_use_a_value_is_served_it_while_another_replaces_it(at: &Fixture) {
    let (cache, other) = (at.cache(), at.cache());
    put(at, Useless::Absent);
    let got = cache.get_or_set("k", Expiry::Default, || {
        let theirs = other.get_or_set_with("k", Expiry::Default, |_| loaded(Some(row("needless"))));
        assert_eq!(theirs.unwrap().value, None, "it is known to be absent");
        loaded(row("good"))
    });
    assert_eq!(got.unwrap(), row("good"));
    assert_eq!(other.stats().computes, 0);
}

/// Both were told OK, and the first value was gone.
fn the_second_to_replace_a_useless_value_is_told_that_it_lost(at: &Fixture) {
    let (one, other) = (at.cache(), at.cache());
    for useless in [Useless::ShortType, Useless::Integer, Useless::Version] {
        put(at, useless);
        let begin = |cache: &Cache| match cache.lease::<Row>("k").unwrap() {
            Begun::Yours(lease) => lease,
            other => panic!("{useless:?} is of no use: {other:?}"),
        };
        let (first, second) = (begin(&one), begin(&other));
        first.fulfill(&row("first"), Expiry::Default).unwrap();
        let lost = second.fulfill(&row("second"), Expiry::Default);
        assert_eq!(kind(lost), ErrorKind::Lost, "{useless:?}");
        let kept = one.get::<Row>("k").unwrap();
        assert_eq!(kept, Some(row("first")), "{useless:?}");
    }
}

fn useless_values_of_many_keys_are_compared_too(at: &Fixture) {
    let (cache, other) = (at.cache(), at.cache());
    for useless in [Useless::Type, Useless::ShortType, Useless::Integer] {
        put(at, useless);
        for meddles in [true, false] {
            let got = cache.get_or_set_many(["k", "free"], Expiry::Default, |missing| {
                if meddles {
                    other.set("k", &row("new"), Expiry::Default).unwrap();
                }
                let made = missing.iter().map(|key| Some(row(key)));
                loaded(made.collect())
            });
            let got = got.unwrap();
            let kept = other.get::<Row>("k").unwrap();
            let expected = if meddles { row("k") } else { row("new") };
            assert_eq!(got[0], Some(expected), "{useless:?}");
            assert_eq!(kept, Some(row("new")), "{useless:?}");
        }
        put(at, useless);
        let got = cache.get_or_set_many(["k"], Expiry::Default, |_| loaded(vec![Some(row("k"))]));
        assert_eq!(got.unwrap(), [Some(row("k"))], "{useless:?}");
        assert_eq!(
            other.get::<Row>("k").unwrap(),
            Some(row("k")),
            "{useless:?}"
        );
    }
}

/// A back-off was waited for as if somebody were loading: up to a second, or BUSY.
fn a_backoff_without_anything_to_serve_keeps_nobody_waiting(at: &Fixture) {
    let options = [
        ("stale", "150ms"),
        ("ttl", "50ms"),
        ("wait", "50ms"),
        ("on_wait_timeout", "busy"),
    ];
    let cache = at.cache_with(&options);
    let value =
        |value: &'static str| cache.get_or_set("k", Expiry::Default, || loaded(value.to_owned()));
    value("old").unwrap();
    eventually("it expires", || cache.get::<String>("k").unwrap().is_none());
    let failing = || Err::<String, _>(DatabaseDown(1));
    cache.get_or_set("k", Expiry::Default, failing).ok();
    eventually("it is of no use any more", || {
        cache.get_stale::<String>("k").unwrap().value.is_none()
    });
    // Surely so by the server's clock too, and the back-off is a second.
    thread::sleep(Duration::from_millis(20));
    assert_eq!(value("new").unwrap(), "new");
    let many = cache.get_or_set_many(["k"], Expiry::Default, |_| {
        loaded(vec![Some("x".to_owned())])
    });
    assert!(many.unwrap()[0].is_some());
}

fn a_backoff_keeps_nobody_waiting_who_cannot_use_what_is_there(at: &Fixture) {
    let options = [("wait", "50ms"), ("on_wait_timeout", "busy")];
    let cache = at.cache_with(&options);
    cache
        .get_or_set("k", Expiry::Default, || loaded(true))
        .unwrap();
    cache.expire_soft("k").unwrap();
    let failed = cache.get_or_set("k", Expiry::Default, || Err::<bool, _>(DatabaseDown(1)));
    assert!(failed.unwrap(), "the stale value");
    let got = cache.get_or_set("k", Expiry::Default, || loaded(row("good")));
    assert_eq!(got.unwrap(), row("good"));
    assert_eq!(cache.get::<Row>("k").unwrap(), Some(row("good")));
}
