//! `get_or_set` of many keys: one load for all that is missing, and of every key what became of it.

use std::cell::Cell;
use std::thread;
use std::time::Duration;

use redis_cache::{Begun, Cache, ErrorKind, Expiry, Made};

use crate::common::fixture::Fixture;
use crate::compute::{DatabaseDown, Never};

behaviour! {
    stores: [
        what_is_missing_is_loaded_by_one_call,
        bytes_are_loaded_by_one_call,
        a_skipped_key_is_missing_and_its_lease_is_given_back,
        absence_and_lifetimes_are_told_per_key,
        a_failed_loader_is_told_for_every_missing_key,
        a_failed_loader_leaves_stale_values_to_be_served,
        a_panicking_loader_of_many_leaves_no_lease_behind,
        a_loader_that_miscounts_is_told_so,
        what_another_one_loads_is_waited_for,
        a_refused_key_does_not_spoil_the_others,
        what_is_deleted_during_a_load_of_many_does_not_come_back,
        plain_values_are_loaded_too,
        a_key_that_is_given_twice_is_one_key,
        twenty_threads_load_many_keys_once,
        two_calls_with_the_same_keys_in_another_order_do_not_wait_for_each_other,
        the_wait_for_others_begins_when_the_own_load_is_done,
        what_others_set_during_a_plain_load_of_many_stays,
        a_loader_of_many_that_asks_for_its_own_key_is_told,
        no_keys_are_no_work,
    ],
    servers: [],
}

fn load(cache: &Cache, keys: &[&str]) -> Vec<Option<String>> {
    let got = cache.get_or_set_many(keys, Expiry::Default, |missing| {
        Ok::<_, Never>(
            missing
                .iter()
                .map(|key| Some(format!("of {key}")))
                .collect(),
        )
    });
    got.unwrap()
}

fn texts(texts: &[&str]) -> Vec<Option<String>> {
    texts.iter().map(|text| Some((*text).to_owned())).collect()
}

fn what_is_missing_is_loaded_by_one_call(at: &Fixture) {
    let cache = at.cache();
    cache.set("b", "there", Expiry::Default).unwrap();
    cache.set("n", &1, Expiry::Default).unwrap();
    let calls = Cell::new(0);
    let got = cache.get_or_set_many(["a", "b", "c"], Expiry::Default, |missing| {
        calls.set(calls.get() + 1);
        assert_eq!(missing, [&"a", &"c"]);
        Ok::<_, Never>(vec![Some("new a".to_owned()), Some("new c".to_owned())])
    });
    assert_eq!(got.unwrap(), texts(&["new a", "there", "new c"]));
    assert_eq!(calls.get(), 1);
    let found: Vec<Option<String>> = cache.get_many(["a", "b", "c"]).unwrap();
    assert_eq!(found, texts(&["new a", "there", "new c"]));
    assert_eq!(load(&cache, &["a", "b", "c"]), found);
    let stats = cache.stats();
    assert_eq!((stats.computes, stats.hits, stats.misses), (1, 7, 2));
}

fn bytes_are_loaded_by_one_call(at: &Fixture) {
    let cache = at.cache();
    let get = |value: &[u8]| {
        let value = value.to_vec();
        let got = cache.get_or_set_many_bytes(["k"], Expiry::Default, |_| {
            Ok::<_, Never>(vec![Some(value.clone())])
        });
        got.unwrap()
    };
    assert_eq!(get(b"\0first"), [Some(b"\0first".to_vec())]);
    assert_eq!(get(b"second"), [Some(b"\0first".to_vec())]);
}

fn a_skipped_key_is_missing_and_its_lease_is_given_back(at: &Fixture) {
    let cache = at.cache();
    let got = cache.get_or_set_many(["a", "b"], Expiry::Default, |_| {
        Ok::<_, Never>(vec![Some("a".to_owned()), None])
    });
    assert_eq!(got.unwrap(), [Some("a".to_owned()), None]);
    assert!(!cache.delete("b").unwrap(), "nothing is left behind");
    assert!(matches!(
        cache.lease::<String>("b").unwrap(),
        Begun::Yours(_)
    ));
}

fn absence_and_lifetimes_are_told_per_key(at: &Fixture) {
    let cache = at.cache();
    let got = cache.get_or_set_many(["gone", "for ever", "over"], Expiry::Default, |_| {
        Ok::<_, Never>(vec![
            Made::Absent(Expiry::Never),
            Made::ValueFor("x".to_owned(), Expiry::Never),
            Made::ValueFor("y".to_owned(), Expiry::After(Duration::ZERO)),
        ])
    });
    let got = got.unwrap();
    assert_eq!(got, [None, Some("x".to_owned()), Some("y".to_owned())]);
    assert_eq!(
        cache.ttl("for ever").unwrap(),
        Some(redis_cache::Ttl::Forever)
    );
    assert!(!cache.has_key("over").unwrap());
    let again = cache.get_or_set_many::<String, _, Made<String>, Never>(
        ["gone", "for ever"],
        Expiry::Default,
        |missing| panic!("nothing is missing: {missing:?}"),
    );
    assert_eq!(again.unwrap(), [None, Some("x".to_owned())]);
}

fn a_failed_loader_is_told_for_every_missing_key(at: &Fixture) {
    let cache = at.cache();
    cache.set("b", "there", Expiry::Default).unwrap();
    let got = cache.get_or_set_many::<String, _, Option<String>, _>(
        ["a", "b", "c"],
        Expiry::Default,
        |_| Err(DatabaseDown(3)),
    );
    let items = got.unwrap_err().items;
    assert_eq!(items[1].as_ref().unwrap().as_deref(), Some("there"));
    for item in [&items[0], &items[2]] {
        assert_eq!(item.as_ref().unwrap_err().kind(), ErrorKind::Callback);
    }
    assert!(!cache.delete("a").unwrap(), "nothing is left behind");
}

fn a_failed_loader_leaves_stale_values_to_be_served(at: &Fixture) {
    let cache = at.cache_with(&[("stale", "1m")]);
    cache.set("a", "old", Duration::from_secs(60)).unwrap();
    cache.expire_soft("a").unwrap();
    let got = cache.get_or_set_many::<String, _, Option<String>, _>(["a"], Expiry::Default, |_| {
        Err(DatabaseDown(3))
    });
    assert_eq!(got.unwrap(), texts(&["old"]));
    assert_eq!(cache.stats().stale_served, 1);
}

fn a_panicking_loader_of_many_leaves_no_lease_behind(at: &Fixture) {
    let cache = at.cache();
    let panicking = std::panic::AssertUnwindSafe(|| {
        cache.get_or_set_many::<String, _, Option<String>, Never>(
            ["a", "b"],
            Expiry::Default,
            |_| panic!("a loader's bug"),
        )
    });
    assert!(std::panic::catch_unwind(panicking).is_err());
    assert_eq!(load(&cache, &["a", "b"]), texts(&["of a", "of b"]));
}

fn a_loader_that_miscounts_is_told_so(at: &Fixture) {
    let cache = at.cache();
    let got = cache.get_or_set_many(["a", "b"], Expiry::Default, |_| {
        Ok::<_, Never>(vec![Some("only one".to_owned())])
    });
    let error = got.unwrap_err().cause().unwrap().to_string();
    assert!(
        error.contains("2 keys") && error.contains("1 value"),
        "{error}"
    );
}

fn what_another_one_loads_is_waited_for(at: &Fixture) {
    let (cache, other) = (at.cache(), at.cache_with(&[("wait", "30s")]));
    let Begun::Yours(lease) = cache.lease::<String>("b").unwrap() else {
        panic!("nobody loads it yet")
    };
    thread::scope(|scope| {
        let caller = scope.spawn(|| load(&other, &["a", "b"]));
        thread::sleep(Duration::from_millis(50));
        lease.fulfill("theirs", Expiry::Default).unwrap();
        assert_eq!(caller.join().unwrap(), texts(&["of a", "theirs"]));
    });
}

fn a_refused_key_does_not_spoil_the_others(at: &Fixture) {
    let cache = at.cache();
    let got = cache.get_or_set_many(["a", ""], Expiry::Default, |missing| {
        assert_eq!(missing, [&"a"]);
        Ok::<_, Never>(vec![Some("x".to_owned())])
    });
    let items = got.unwrap_err().items;
    assert_eq!(items[0].as_ref().unwrap().as_deref(), Some("x"));
    let refused = items[1].as_ref().unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::InvalidArgument);
}

fn what_is_deleted_during_a_load_of_many_does_not_come_back(at: &Fixture) {
    let (cache, other) = (at.cache(), at.cache());
    let got = cache.get_or_set_many(["a", "b"], Expiry::Default, |_| {
        other.delete("a").unwrap();
        Ok::<_, Never>(vec![Some("a".to_owned()), Some("b".to_owned())])
    });
    assert_eq!(got.unwrap(), texts(&["a", "b"]), "its caller has both");
    let kept: Vec<Option<String>> = other.get_many(["a", "b"]).unwrap();
    assert_eq!(kept, [None, Some("b".to_owned())]);
}

fn plain_values_are_loaded_too(at: &Fixture) {
    let cache = at.cache_with(&[("layout", "plain"), ("codec", "json")]);
    assert_eq!(load(&cache, &["a", "b"]), texts(&["of a", "of b"]));
    assert_eq!(cache.get::<String>("b").unwrap().as_deref(), Some("of b"));
}

fn no_keys_are_no_work(at: &Fixture) {
    let cache = at.cache();
    assert_eq!(load(&cache, &[]), []);
    assert_eq!(cache.stats().computes, 0);
}

fn counted(cache: &Cache, keys: &[&str], load: impl Fn()) -> Vec<Option<String>> {
    let got = cache.get_or_set_many(keys, Expiry::Default, |missing| {
        load();
        let made = missing.iter().map(|key| Some(format!("of {key}")));
        Ok::<_, Never>(made.collect())
    });
    got.unwrap()
}

/// It was loaded twice.
fn a_key_that_is_given_twice_is_one_key(at: &Fixture) {
    for layout in ["tagged", "plain"] {
        let cache = at.cache_with(&[("layout", layout), ("codec", "json")]);
        let key = |name: &str| format!("{layout}-{name}");
        let (a, b) = (key("a"), key("b"));
        cache.set(&b, "there", Expiry::Default).unwrap();
        let keys = [&a, &b, &a, &b, &a];
        let got = cache.get_or_set_many(keys, Expiry::Default, |missing| {
            assert_eq!(missing, [&&a]);
            Ok::<_, Never>(vec![Some("new".to_owned())])
        });
        let expected = texts(&["new", "there", "new", "there", "new"]);
        assert_eq!(got.unwrap(), expected);
        let stats = cache.stats();
        assert_eq!((stats.hits, stats.misses), (1, 1));
        let got = cache.get_or_set_many::<String, _, Option<String>, Never>(
            keys,
            Expiry::Default,
            |_| panic!("all are there"),
        );
        assert_eq!(got.unwrap(), expected);
    }
}

/// They loaded twenty times.
fn twenty_threads_load_many_keys_once(at: &Fixture) {
    for layout in ["tagged", "plain"] {
        let cache = at.cache_with(&[("layout", layout), ("codec", "json"), ("wait", "30s")]);
        let start = std::sync::Barrier::new(20);
        let keys = [format!("{layout}-a"), format!("{layout}-b")];
        thread::scope(|scope| {
            for _ in 0..20 {
                let (cache, start, keys) = (&cache, &start, [&keys[0][..], &keys[1][..]]);
                scope.spawn(move || {
                    start.wait();
                    let got = counted(cache, &keys, || thread::sleep(Duration::from_millis(300)));
                    assert_eq!(got, keys.map(|key| Some(format!("of {key}"))));
                });
            }
        });
        assert_eq!(cache.stats().computes, 1, "{layout}");
    }
}

fn two_calls_with_the_same_keys_in_another_order_do_not_wait_for_each_other(at: &Fixture) {
    let cache = at.cache_with(&[("wait", "5m")]);
    let began = std::time::Instant::now();
    thread::scope(|scope| {
        for number in 0..6_usize {
            let cache = &cache;
            scope.spawn(move || {
                for round in 0..10 {
                    let mut keys = ["a", "b", "c", "d"].map(|key| format!("{round}-{key}"));
                    keys.rotate_left(number % 4);
                    let keys: Vec<&str> = keys[..3].iter().map(String::as_str).collect();
                    let expected: Vec<_> =
                        keys.iter().map(|key| Some(format!("of {key}"))).collect();
                    let pause = || thread::sleep(Duration::from_millis(5));
                    assert_eq!(counted(cache, &keys, pause), expected);
                }
            });
        }
    });
    assert!(
        began.elapsed() < Duration::from_secs(290),
        "they waited for each other"
    );
}

/// The wait was over before the own load was, and nobody looked: BUSY, though the value had long been there.
fn the_wait_for_others_begins_when_the_own_load_is_done(at: &Fixture) {
    let options = [("wait", "20ms"), ("on_wait_timeout", "busy")];
    let (cache, other) = (at.cache_with(&options), at.cache());
    let Begun::Yours(lease) = other.lease::<String>("b").unwrap() else {
        panic!("nobody loads it yet")
    };
    let lease = Cell::new(Some(lease));
    let got = counted(&cache, &["a", "b"], || {
        thread::sleep(Duration::from_millis(60));
        let lease = lease.take().expect("one load");
        lease.fulfill("theirs", Expiry::Default).unwrap();
    });
    assert_eq!(got, texts(&["of a", "theirs"]));
    assert_eq!(cache.stats().computes, 1);
}

/// It was overwritten.
fn what_others_set_during_a_plain_load_of_many_stays(at: &Fixture) {
    let plain = [("layout", "plain"), ("codec", "json")];
    let (cache, other) = (at.cache_with(&plain), at.cache_with(&plain));
    let got = counted(&cache, &["a", "b"], || {
        other.set("a", "new", Expiry::Default).unwrap();
    });
    assert_eq!(got, texts(&["new", "of b"]));
    let kept: Vec<Option<String>> = other.get_many(["a", "b"]).unwrap();
    assert_eq!(kept, got);
}

fn a_loader_of_many_that_asks_for_its_own_key_is_told(at: &Fixture) {
    let cache = at.cache();
    let got = counted(&cache, &["a", "b"], || {
        let inner = cache.get_or_set_many(["b", "c"], Expiry::Default, |missing| {
            assert_eq!(missing, [&"c"]);
            Ok::<_, Never>(vec![Some("of c".to_owned())])
        });
        let items = inner.unwrap_err().items;
        let refused = items[0].as_ref().unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::InvalidArgument);
        assert_eq!(items[1].as_ref().unwrap().as_deref(), Some("of c"));
    });
    assert_eq!(got, texts(&["of a", "of b"]));
}
