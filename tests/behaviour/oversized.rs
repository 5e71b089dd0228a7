//! A loaded value above `max_value` (herd, "Whether the caller gets a value"): it goes to its caller and to those who
//! waited for it, and is not stored.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Barrier, Mutex};
use std::time::Duration;

use redis_cache::{Cache, Error, ErrorKind, Expiry, Made, Source};

use crate::common::eventually;
use crate::common::fixture::Fixture;
use crate::compute::loaded;

behaviour! {
    stores: [
        it_goes_to_its_caller_and_leaves_nothing_behind,
        of_many_only_what_is_small_enough_is_stored,
        an_old_value_is_served_on,
        all_who_ask_together_have_it,
        a_value_that_is_set_is_still_refused,
    ],
    servers: [],
}

const CODERS: [&[(&str, &str)]; 3] = [
    &[],
    &[("compressor", "zlib")],
    &[
        ("layout", "plain"),
        ("codec", "json"),
        ("compressor", "zlib"),
    ],
];

fn large() -> String {
    "large ".repeat(1000)
}

fn open(at: &Fixture, options: &[(&str, &str)]) -> (Cache, Arc<Mutex<Vec<Error>>>) {
    let heard: Arc<Mutex<Vec<Error>>> = Arc::default();
    let ears = Arc::clone(&heard);
    let config = options
        .iter()
        .chain(&[("max_value", "1k"), ("wait", "30s")]);
    let config = config.fold(at.config(), |config, (name, value)| {
        config.set(name, value).unwrap()
    });
    let config = config.error_hook(move |error| ears.lock().unwrap().push(error.clone()));
    (config.connect().unwrap(), heard)
}

fn it_goes_to_its_caller_and_leaves_nothing_behind(at: &Fixture) {
    for options in CODERS {
        let (cache, heard) = open(at, options);
        for turn in 1..=2 {
            let value = cache.get_or_set("k", Expiry::Default, || loaded(large()));
            assert_eq!(value.unwrap(), large());
            let bytes = large().into_bytes();
            let value = cache.get_or_set_bytes("b", Expiry::Default, || loaded(bytes.clone()));
            assert_eq!(value.unwrap(), bytes);
            let heard = heard.lock().unwrap();
            let is_told = |error: &Error| {
                error.kind() == ErrorKind::InvalidArgument
                    && error.to_string().contains("max_value")
            };
            assert!(
                heard.len() == 2 * turn && heard.iter().all(is_told),
                "{heard:?}"
            );
        }
        assert_eq!(
            cache.stats().computes,
            4,
            "nothing was stored, and nobody waits for a lease"
        );
        assert!(!cache.delete("k").unwrap() && !cache.delete("b").unwrap());
    }
}

fn of_many_only_what_is_small_enough_is_stored(at: &Fixture) {
    for options in CODERS {
        let (cache, _) = open(at, options);
        let keys = ["large", "small", "large", "absent"];
        let load = |missing: &[&&str]| {
            let made = missing.iter().map(|key| match **key {
                "large" => Made::Value(large()),
                "absent" => Made::Skip,
                key => Made::Value(key.to_owned()),
            });
            loaded(made.collect::<Vec<_>>())
        };
        let values = cache.get_or_set_many(keys, Expiry::Default, load).unwrap();
        let small = Some("small".to_owned());
        assert_eq!(values, [Some(large()), small.clone(), Some(large()), None]);
        let stored = cache.get_many::<String>(["large", "small"]).unwrap();
        assert_eq!(stored, [None, small], "{options:?}");
        assert!(!cache.delete("large").unwrap(), "no lease is left");
        cache.delete("small").unwrap();
    }
}

fn an_old_value_is_served_on(at: &Fixture) {
    let (cache, _) = open(at, &[("stale", "5m")]);
    cache.set("k", "old", Expiry::Default).unwrap();
    assert!(cache.expire_soft("k").unwrap());
    // The clocks of client and server may differ by some milliseconds.
    eventually("it is stale", || {
        cache.get::<String>("k").unwrap().is_none()
    });
    let outcome = cache.get_or_set_with("k", Expiry::Default, |_| loaded(Some(large())));
    let outcome = outcome.unwrap();
    assert_eq!(
        (outcome.value, outcome.source),
        (Some(large()), Source::Computed)
    );
    let outcome = cache.get_stale::<String>("k").unwrap();
    assert_eq!(
        (outcome.value.as_deref(), outcome.source),
        (Some("old"), Source::Stale)
    );
}

/// Those who came before the load began are given it; the others load in turn.
fn all_who_ask_together_have_it(at: &Fixture) {
    for options in CODERS {
        let (cache, _) = open(at, options);
        let (loads, start) = (AtomicU32::new(0), Barrier::new(8));
        let load = || {
            loads.fetch_add(1, Ordering::SeqCst);
            std::thread::sleep(Duration::from_millis(50));
            loaded(large())
        };
        std::thread::scope(|scope| {
            for number in 0..8 {
                let (cache, start, load) = (&cache, &start, &load);
                scope.spawn(move || {
                    start.wait();
                    if number < 4 {
                        let value = cache.get_or_set("k", Expiry::Default, load);
                        assert_eq!(value.unwrap(), large());
                    } else {
                        let load = |_: &[&&str]| load().map(|value| vec![Made::Value(value)]);
                        let values = cache.get_or_set_many(["k"], Expiry::Default, load);
                        assert_eq!(values.unwrap(), [Some(large())]);
                    }
                });
            }
        });
        assert!((1..=8).contains(&loads.into_inner()));
        assert!(!cache.has_key("k").unwrap());
    }
}

fn a_value_that_is_set_is_still_refused(at: &Fixture) {
    let (cache, _) = open(at, &[]);
    let error = cache.set("k", &large(), Expiry::Default).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidArgument);
    let redis_cache::Begun::Yours(lease) = cache.lease::<String>("k").unwrap() else {
        panic!("nobody else loads");
    };
    let error = lease.fulfill(&large(), Expiry::Default).unwrap_err();
    assert_eq!(
        error.kind(),
        ErrorKind::InvalidArgument,
        "its caller has the value"
    );
    assert!(!cache.delete("k").unwrap(), "the lease went back");
}
