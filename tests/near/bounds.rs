//! How old a hit may be, and what becomes of the near cache where connections end, servers are silent or refuse to track.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use redis_cache::{Cache, Config, Expiry};

use crate::common::cluster::Cluster;
use crate::common::sentinel::Watched;
use crate::common::server::Server;

use super::hits::eventually;

pub(crate) fn open(server: &Server, options: &str) -> Cache {
    Cache::open(&format!("{}?near=1m&{options}", server.tcp())).unwrap()
}

pub(crate) fn is_hit(cache: &Cache, key: &str) -> bool {
    let before = cache.stats().near_hits;
    let _ = cache.get_bytes(key);
    cache.stats().near_hits > before
}

/// A server that says nothing is not known to have changed nothing: hits end two seconds after it was last heard of. Only
/// the upper bound is a promise.
#[test]
fn no_hit_is_older_than_two_seconds_of_silence() {
    silences(1);
}

#[test]
#[ignore = "long: make torture"]
fn long_no_hit_is_older_than_two_seconds_of_silence() {
    silences(100);
}

fn silences(rounds: usize) {
    let server = Server::start();
    let cache = open(&server, "timeout=100ms");
    for _ in 0..rounds {
        eventually("the server is back", || {
            cache.set_bytes("k", b"v", Expiry::Default).is_ok()
                && cache.get_bytes("k").is_ok()
                && is_hit(&cache, "k")
        });
        server.freeze();
        let frozen = Instant::now();
        let mut last = Duration::ZERO;
        while frozen.elapsed() < Duration::from_millis(2500) {
            let asked = frozen.elapsed();
            if is_hit(&cache, "k") {
                last = asked;
            }
        }
        server.thaw();
        assert!(last <= Duration::from_millis(2050), "{last:?}");
    }
}

/// After two quiet seconds the first hit costs a PING, and is a hit.
#[test]
fn after_a_silence_the_first_hit_asks_for_a_sign_of_life() {
    let server = Server::start();
    let cache = open(&server, "near_max_lag=1ms");
    cache.set_bytes("k", b"v", Expiry::Default).unwrap();
    cache.get_bytes("k").unwrap();
    std::thread::sleep(Duration::from_millis(2100));
    let (gets, pings) = (server.calls("get"), server.calls("ping"));
    assert!(is_hit(&cache, "k"));
    assert_eq!(
        (server.calls("get"), server.calls("ping")),
        (gets, pings + 1)
    );
}

#[test]
fn a_lost_connection_is_a_flush() {
    let server = Server::start();
    let cache = open(&server, "near_max_lag=0s");
    for round in 0..50_u64 {
        cache.set("k", &round, Expiry::Default).unwrap();
        eventually("it is kept", || is_hit(&cache, "k"));
        server.kill_clients();
        // Nobody is told of this one.
        let _: () = server.run(&["SET", ":1:k", "1000"]);
        eventually("the change is seen", || {
            cache.get::<u64>("k").unwrap() == Some(1000)
        });
    }
}

#[test]
fn a_flood_of_news_is_survived() {
    let server = Server::start();
    let cache = Cache::open(&format!("{}?near=16m", server.tcp())).unwrap();
    let other = Cache::open(&server.tcp()).unwrap();
    let keys: Vec<_> = (0..1500)
        .map(|number| format!("a key with a rather long name {number:40}"))
        .collect();
    for round in 0..2_u64 {
        other
            .set_many::<u64>(keys.iter().map(|key| (key, round)), Expiry::Default)
            .unwrap();
        for key in &keys {
            cache.get::<u64>(key).unwrap();
        }
        let next = round + 100;
        other
            .set_many::<u64>(keys.iter().map(|key| (key, next)), Expiry::Default)
            .unwrap();
        // All of it is on its way by now; what is beyond the bound is not handed out.
        std::thread::sleep(Duration::from_millis(20));
        eventually("the flood is over", || {
            cache.get::<u64>(&keys[0]).unwrap() == Some(next)
        });
        for key in &keys {
            assert_eq!(cache.get::<u64>(key).unwrap(), Some(next));
        }
    }
}

/// A user who may not use CLIENT: entries live by the clock, a second at most, or there are none.
#[test]
fn where_tracking_is_refused_entries_live_by_the_clock() {
    let server = Server::start();
    let rights = [
        "ACL",
        "SETUSER",
        "limited",
        "on",
        ">sesame",
        "~*",
        "+@all",
        "-client|tracking",
    ];
    let _: String = server.run(&rights);
    for (option, hits) in [("ttl", true), ("off", false)] {
        let heard = Arc::new(Mutex::new(Vec::new()));
        let ears = Arc::clone(&heard);
        let url = format!(
            "redis://limited:sesame@127.0.0.1:{}?near=1m&near_untracked={option}",
            server.port()
        );
        let config = Config::new().server(&url).unwrap();
        let cache = config
            .error_hook(move |error| ears.lock().unwrap().push(error.to_string()))
            .connect()
            .unwrap();
        cache.set_bytes("k", b"v", Expiry::Default).unwrap();
        for _ in 0..10 {
            assert_eq!(cache.get_bytes("k").unwrap().as_deref(), Some(&b"v"[..]));
        }
        let stats = cache.stats();
        assert_eq!((stats.near_hits > 0, stats.near_untracked), (hits, 1));
        cache.set_bytes("k", b"w", Expiry::Default).unwrap();
        assert_eq!(cache.get_bytes("k").unwrap().as_deref(), Some(&b"w"[..]));
        let _: () = server.run(&["SET", ":1:k", "x"]);
        eventually("it is seen", || {
            cache.get_bytes("k").unwrap().as_deref() == Some(&b"x"[..])
        });
        let heard = heard.lock().unwrap();
        assert!(
            heard.len() == 1 && heard[0].contains("CLIENT TRACKING"),
            "{heard:?}"
        );
    }
}

#[test]
fn in_resp2_entries_live_by_the_clock() {
    let server = Server::start();
    let cache = open(&server, "protocol=2");
    cache.set_bytes("k", b"v", Expiry::Default).unwrap();
    cache.get_bytes("k").unwrap();
    assert!(is_hit(&cache, "k"));
    let _: () = server.run(&["SET", ":1:k", "x"]);
    eventually("it is seen", || {
        cache.get_bytes("k").unwrap().as_deref() == Some(&b"x"[..])
    });
}

#[test]
fn a_failover_is_a_flush() {
    let watched = Watched::start();
    let cache = watched
        .config()
        .set("near", "1m")
        .unwrap()
        .connect()
        .unwrap();
    cache.set_bytes("k", b"old", Expiry::Default).unwrap();
    eventually("it is kept", || is_hit(&cache, "k"));
    watched.fail_over();
    eventually("the new one takes it", || {
        cache.set_bytes("k", b"new", Expiry::Default).is_ok()
    });
    for _ in 0..100 {
        assert_eq!(cache.get_bytes("k").unwrap().as_deref(), Some(&b"new"[..]));
    }
}

#[test]
fn a_slot_that_moves_takes_its_keys_along() {
    let cluster = Cluster::start();
    let url = format!(
        "{}?topology=cluster&near=1m",
        Cluster::url(cluster.alive()[0])
    );
    let (cache, other) = (
        Cache::open(&url).unwrap(),
        Cache::open(&url.replace("near=1m", "near=0")).unwrap(),
    );
    cache.set("k", &1_u64, Expiry::Default).unwrap();
    eventually("it is kept", || is_hit(&cache, "k"));
    let slot = cluster.slot(":1:k");
    cluster.move_slot(slot, cluster.other_owner(slot));
    other.set("k", &2_u64, Expiry::Default).unwrap();
    eventually("it is seen", || cache.get::<u64>("k").unwrap() == Some(2));
    eventually("it is kept again", || is_hit(&cache, "k"));
}

#[test]
fn a_full_server_forgets_and_says_so() {
    let server = Server::with(&["--maxmemory", "12mb", "--maxmemory-policy", "allkeys-lru"]);
    let cache = open(&server, "near_max_lag=0s");
    cache.set_bytes("k", b"v", Expiry::Default).unwrap();
    eventually("it is kept", || is_hit(&cache, "k"));
    let other = Cache::open(&server.tcp()).unwrap();
    for number in 0..3000 {
        let _ = other.set_bytes(format!("n{number}"), &[1; 8 << 10], Expiry::Default);
    }
    let is_there = |cache: &Cache| cache.get_bytes("k").unwrap().is_some();
    eventually("both say the same", || is_there(&cache) == is_there(&other));
}
