//! What is answered without the network, over every topology, and what ends that.

use std::time::{Duration, Instant};

use redis_cache::{Cache, Expiry};

use crate::common::fixture::{Backend, Fixture};
use crate::common::server::Server;

const ALL: [Backend; 9] = [
    Backend::Tcp,
    Backend::Unix,
    Backend::Resp3,
    Backend::RedisParser,
    Backend::Tls,
    Backend::Sentinel,
    Backend::Primary,
    Backend::Ring,
    Backend::Cluster,
];

/// These three differ most in how they find the owner of a key; the others are left to where all are tried.
const SOME: [Backend; 3] = [Backend::Tcp, Backend::Ring, Backend::Cluster];

fn over(backends: &[Backend], test: impl Fn(&Fixture, &Cache)) {
    for backend in backends.iter().filter(|backend| !backend.is_left_out()) {
        let fixture = Fixture::new(*backend);
        // What comes is known at once in these tests, which read right after a write of others.
        let cache = fixture.cache_with(&[("near", "8m"), ("near_max_lag", "0s")]);
        test(&fixture, &cache);
    }
}

fn each(test: impl Fn(&Fixture, &Cache)) {
    over(&SOME, test);
}

/// The push may come a moment after the write of somebody else was answered.
pub(crate) fn eventually(what: &str, mut is_so: impl FnMut() -> bool) {
    let began = Instant::now();
    while !is_so() {
        assert!(began.elapsed() < Duration::from_secs(20), "{what}");
        std::thread::sleep(Duration::from_millis(1));
    }
}

fn hits_of<R>(cache: &Cache, work: impl FnOnce() -> R) -> (R, u64) {
    let before = cache.stats().near_hits;
    let done = work();
    (done, cache.stats().near_hits - before)
}

#[test]
fn a_second_read_is_a_near_hit() {
    over(&ALL, |fixture, cache| {
        let keys: Vec<_> = (0..20).map(|number| format!("k{number}")).collect();
        for key in &keys {
            cache
                .set_bytes(key, key.as_bytes(), Expiry::Default)
                .unwrap();
            assert_eq!(cache.get_bytes(key).unwrap().unwrap(), key.as_bytes());
        }
        let read = || {
            for key in &keys {
                assert_eq!(cache.get_bytes(key).unwrap().unwrap(), key.as_bytes());
                assert!(cache.has_key(key).unwrap());
                let mut memory = [0; 8];
                assert_eq!(cache.get_into(key, &mut memory).unwrap(), Some(key.len()));
            }
            let many = cache.get_many_bytes(&keys).unwrap();
            assert!(
                many.iter()
                    .zip(&keys)
                    .all(|(value, key)| value.as_deref() == Some(key.as_bytes()))
            );
        };
        let ((), hits) = hits_of(cache, read);
        assert_eq!(hits, 60, "{:?}", fixture.backend);
    });
}

#[test]
fn many_keys_are_kept_too() {
    each(|fixture, cache| {
        let keys: Vec<_> = (0..20).map(|number| format!("k{number}")).collect();
        let some = &keys[..10];
        some.iter()
            .for_each(|key| cache.set_bytes(key, b"v", Expiry::Default).unwrap());
        let read = || {
            let many = cache.get_many_bytes(&keys).unwrap();
            let there: Vec<_> = many.iter().map(Option::is_some).collect();
            assert_eq!(there, (0..20).map(|number| number < 10).collect::<Vec<_>>());
        };
        assert_eq!(hits_of(cache, read).1, 0, "{:?}", fixture.backend);
        assert_eq!(hits_of(cache, read).1, 10, "{:?}", fixture.backend);
    });
}

#[test]
fn a_missing_key_is_kept_and_appears_when_somebody_sets_it() {
    each(|fixture, cache| {
        let other = fixture.cache();
        assert_eq!(cache.get_bytes("gone").unwrap(), None);
        assert_eq!(cache.get_bytes("gone").unwrap(), None);
        other.set_bytes("gone", b"here", Expiry::Default).unwrap();
        eventually("it appears", || cache.get_bytes("gone").unwrap().is_some());
    });
}

#[test]
fn what_others_write_is_seen() {
    over(&ALL, |fixture, cache| {
        let other = fixture.cache();
        for round in 0..20_u64 {
            other.set("k", &round, Expiry::Default).unwrap();
            eventually("it changes", || cache.get("k").unwrap() == Some(round));
            assert_eq!(
                hits_of(cache, || cache.get::<u64>("k").unwrap()),
                (Some(round), 1)
            );
        }
        other.delete("k").unwrap();
        eventually("it goes", || cache.get::<u64>("k").unwrap().is_none());
        other
            .set("k", &1, Expiry::After(Duration::from_millis(50)))
            .unwrap();
        eventually("it is there", || {
            cache.get::<u64>("k").unwrap().is_some() || !other.has_key("k").unwrap()
        });
        eventually("it expires", || cache.get::<u64>("k").unwrap().is_none());
    });
}

/// Every write of this process, and whatever it leaves is read.
#[test]
fn a_write_of_this_process_is_read_at_once() {
    each(|fixture, cache| {
        let warm = || cache.get::<u64>("k").unwrap();
        for round in 0..10_u64 {
            cache.set("k", &round, Expiry::Default).unwrap();
            assert_eq!(
                (warm(), warm()),
                (Some(round), Some(round)),
                "{:?}",
                fixture.backend
            );
            cache.incr("k", 100).unwrap();
            assert_eq!((warm(), warm()), (Some(round + 100), Some(round + 100)));
            cache
                .set_many::<u64>([("k", 7_u64)], Expiry::Default)
                .unwrap();
            assert_eq!((warm(), warm()), (Some(7), Some(7)));
            cache.touch("k", Duration::ZERO).unwrap();
            assert_eq!((warm(), warm()), (None, None));
            assert!(cache.add("k", &3_u64, Expiry::Default).unwrap());
            assert_eq!((warm(), warm()), (Some(3), Some(3)));
            assert_eq!(cache.incr_version("k", 1).unwrap(), Some(2));
            assert_eq!(
                (warm(), cache.version(2).get::<u64>("k").unwrap()),
                (None, Some(3))
            );
            cache.set("k", &4, Expiry::Default).unwrap();
            assert_eq!(
                (warm(), cache.delete("k").unwrap(), warm()),
                (Some(4), true, None)
            );
            cache.set("k", &5, Expiry::Default).unwrap();
            assert_eq!(
                (warm(), cache.clear().unwrap() > 0, warm()),
                (Some(5), true, None)
            );
        }
    });
}

#[test]
fn a_hit_of_get_or_set_needs_no_server() {
    each(|fixture, cache| {
        let load = |value: &str| {
            let life = Duration::from_secs(300);
            cache
                .get_or_set("page", life, || Ok::<_, String>(value.to_owned()))
                .unwrap()
        };
        assert_eq!(load("one"), "one");
        assert_eq!(load("two"), "one");
        assert_eq!(
            hits_of(cache, || load("three")),
            ("one".to_owned(), 1),
            "{:?}",
            fixture.backend
        );
        cache.expire_soft("page").unwrap();
        assert_eq!(load("four"), "four");
        cache.delete("page").unwrap();
        assert_eq!(load("five"), "five");
        assert_eq!(
            cache.get::<String>("page").unwrap().as_deref(),
            Some("five")
        );
    });
}

#[test]
fn a_hit_is_no_command() {
    let server = Server::start();
    let cache = Cache::open(&format!("{}?near=1m&near_max_lag=0s", server.tcp())).unwrap();
    cache.set_bytes("k", b"v", Expiry::Default).unwrap();
    assert_eq!(cache.get_bytes("gone").unwrap(), None);
    cache.get_bytes("k").unwrap();
    let before = server.calls("get");
    for _ in 0..1000 {
        assert!(cache.get_bytes("k").unwrap().is_some());
        assert!(cache.get_bytes("gone").unwrap().is_none());
    }
    // Where more than two seconds passed between two of them there was a PING, and no GET.
    assert_eq!(
        (server.calls("get"), cache.stats().near_hits),
        (before, 1000)
    );
}

#[test]
fn near_clear_and_flushes_forget() {
    let server = Server::start();
    let cache = Cache::open(&format!("{}?near=1m&near_max_lag=0s", server.tcp())).unwrap();
    let warm = || {
        cache.set_bytes("k", b"v", Expiry::Default).unwrap();
        cache.get_bytes("k").unwrap();
        assert_eq!(hits_of(&cache, || cache.get_bytes("k").unwrap()).1, 1);
    };
    warm();
    cache.near_clear();
    assert_eq!(hits_of(&cache, || cache.get_bytes("k").unwrap()).1, 0);
    warm();
    // No server says so: this is what near_clear is for.
    let _: String = server.run(&["SWAPDB", "0", "1"]);
    cache.near_clear();
    assert_eq!(cache.get_bytes("k").unwrap(), None);
    warm();
    let _: String = server.run(&["FLUSHDB"]);
    eventually("FLUSHDB of another", || {
        cache.get_bytes("k").unwrap().is_none()
    });
    warm();
    cache.flush_db().unwrap();
    assert_eq!(cache.get_bytes("k").unwrap(), None);
    warm();
    cache.close();
    assert_eq!(hits_of(&cache, || cache.get_bytes("k").unwrap()).1, 0);
    warm();
}

/// Values above 1/64 of the bound are read, and not kept; nor is a placeholder.
#[test]
fn what_is_not_admitted_is_read_all_the_same() {
    let fixture = Fixture::new(Backend::Tcp);
    let cache = fixture.cache_with(&[("near", "1m"), ("near_max_lag", "0s")]);
    for len in [17 << 10, 100 << 10, 3 << 20] {
        let large = vec![7; len];
        cache.set_bytes("large", &large, Expiry::Default).unwrap();
        for _ in 0..3 {
            let (value, hits) = hits_of(&cache, || cache.get_bytes("large").unwrap().unwrap());
            assert!(value == large && hits == 0, "{len}");
        }
    }
    cache
        .set_bytes("small", &[7; 1 << 10], Expiry::Default)
        .unwrap();
    cache.get_bytes("small").unwrap();
    assert_eq!(hits_of(&cache, || cache.get_bytes("small").unwrap()).1, 1);
}

#[test]
fn an_embedded_store_needs_none() {
    let cache = Cache::open("memory://?near=1m").unwrap();
    cache.set_bytes("k", b"v", Expiry::Default).unwrap();
    assert!(cache.get_bytes("k").unwrap().is_some());
    cache.near_clear();
    assert_eq!(cache.stats().near_hits, 0);
}
