//! Where the life of what is kept ends: by its expiry, by the server's memory, by a flood of deletes.

use std::sync::mpsc::channel;
use std::time::{Duration, Instant};

use redis_cache::{Cache, Expiry};

use crate::common::fault::{Fate, FaultServer};
use crate::common::launcher::where_known;
use crate::common::server::Server;

use super::bounds::{is_hit, open};
use super::hits::eventually;

/// A server that removes nothing by itself says nothing of expiries either: what is kept ends by the clock, whoever wrote it
/// and whatever it is.
#[test]
fn nothing_is_a_hit_after_its_expiry() {
    let server = Server::with(where_known(&["--enable-debug-command", "yes"]));
    let _: String = server.run(&["DEBUG", "SET-ACTIVE-EXPIRE", "0"]);
    let cache = open(&server, "near_max_lag=20s");
    let life = Duration::from_secs(1);
    let began = Instant::now();
    cache.set("integer", &7_u64, Expiry::After(life)).unwrap();
    cache.set_bytes("plain", b"v", Expiry::After(life)).unwrap();
    cache
        .get_or_set("loaded", life, || Ok::<_, String>(8_u64))
        .unwrap();
    let _: () = server.run(&["SET", ":1:foreign", "text", "PX", "1000"]);
    let keys = ["integer", "plain", "loaded", "foreign"];
    for key in keys {
        assert!(cache.get_bytes(key).unwrap().is_some() || began.elapsed() > life);
        let was_hit = is_hit(&cache, key);
        assert!(was_hit || began.elapsed() > life, "{key}");
    }
    let _: () = server.run(&["SET", ":1:ever", "1"]);
    cache.get_bytes("ever").unwrap();
    std::thread::sleep(life);
    for key in keys {
        assert_eq!(cache.get_bytes(key).unwrap(), None, "{key}");
        assert!(!cache.has_key(key).unwrap(), "{key}");
    }
    assert!(is_hit(&cache, "ever"));
}

/// Who may read values and not their lives keeps them for a moment.
#[test]
fn a_life_that_is_not_told_is_a_second() {
    let server = Server::with(where_known(&["--enable-debug-command", "yes"]));
    let rights = [
        "ACL", "SETUSER", "limited", "on", ">sesame", "~*", "&*", "+@all", "-pttl",
    ];
    let _: String = server.run(&rights);
    let _: String = server.run(&["DEBUG", "SET-ACTIVE-EXPIRE", "0"]);
    let port = server.port();
    let url = format!("redis://limited:sesame@127.0.0.1:{port}?near=1m&near_max_lag=20s");
    let cache = Cache::open(&url).unwrap();
    let _: () = server.run(&["SET", ":1:k", "v", "PX", "1500"]);
    let began = Instant::now();
    assert!(cache.get_bytes("k").unwrap().is_some());
    let was_hit = is_hit(&cache, "k");
    assert!(was_hit || began.elapsed() > Duration::from_secs(1));
    std::thread::sleep(Duration::from_millis(1600));
    assert_eq!(cache.get_bytes("k").unwrap(), None);
}

/// Each of two nodes answers only when the other has been asked as well: who asked one after the other would keep nothing.
#[test]
fn several_nodes_are_read_at_the_same_time() {
    let (a, b) = (channel(), channel());
    let servers =
        [Server::start(), Server::start()].map(|server| FaultServer::before(server.into()));
    let ends = [(a.0, b.1), (b.0, a.1)];
    let keys: Vec<_> = (0..40).map(|number| format!("k{number}")).collect();
    let ring = servers.iter().map(FaultServer::url).collect::<Vec<_>>();
    let cache = Cache::open(&format!("{}?near=1m&timeout=20s,{}", ring[0], ring[1])).unwrap();
    for key in &keys {
        cache
            .set_bytes(key, key.as_bytes(), Expiry::Default)
            .unwrap();
    }
    for (server, (tells, hears)) in servers.iter().zip(ends) {
        let mut is_first = true;
        server.judge(move |command| {
            if command[0] == b"GET" && std::mem::take(&mut is_first) {
                let _ = tells.send(());
                let _ = hears.recv_timeout(Duration::from_secs(15));
            }
            Fate::Pass
        });
    }
    let read = || {
        let many = cache.get_many_bytes(&keys).unwrap();
        let is_own = |(value, key): (&Option<_>, &String)| *value == Some(key.clone().into_bytes());
        assert!(many.iter().zip(&keys).all(is_own));
    };
    read();
    let before = cache.stats().near_hits;
    read();
    assert_eq!(cache.stats().near_hits, before + keys.len() as u64);
}

/// Another database of the same server is another cache: its writes are nobody's news here, and its values nobody's hits.
#[test]
fn another_database_is_another_cache() {
    let server = Server::start();
    let [zero, one] = [0, 1].map(|db| {
        let port = server.port();
        Cache::open(&format!(
            "redis://127.0.0.1:{port}/{db}?near=1m&near_max_lag=0s"
        ))
        .unwrap()
    });
    for round in 0..20_u64 {
        zero.set("k", &round, Expiry::Default).unwrap();
        one.set("k", &(round + 100), Expiry::Default).unwrap();
        eventually("both are kept", || is_hit(&zero, "k") && is_hit(&one, "k"));
        assert_eq!(zero.get::<u64>("k").unwrap(), Some(round));
        assert_eq!(one.get::<u64>("k").unwrap(), Some(round + 100));
    }
    let _: () = server.run(&["FLUSHDB"]);
    eventually("the flushed one is empty", || {
        zero.get::<u64>("k").unwrap().is_none()
    });
    assert_eq!(one.get::<u64>("k").unwrap(), Some(119));
}

/// Tracked keys that a full server evicts are no hits any more, once the news has come; all the others are the server's.
#[test]
fn what_the_server_evicts_is_forgotten() {
    let server = Server::with(&["--maxmemory", "8mb", "--maxmemory-policy", "allkeys-random"]);
    let cache = Cache::open(&format!("{}?near=32m&near_max_lag=0s", server.tcp())).unwrap();
    let other = Cache::open(&server.tcp()).unwrap();
    let keys: Vec<_> = (0..500).map(|number| format!("k{number}")).collect();
    for key in &keys {
        let _ = other.set_bytes(key, &[1; 1 << 10], Expiry::Default);
        let _ = cache.get_bytes(key);
    }
    let names: Vec<_> = (0..12_000).map(|number| format!("n{number}")).collect();
    for part in names.chunks(100) {
        let pairs = part.iter().map(|name| (name, [1; 1 << 10]));
        let _ = other.set_many_bytes(pairs, Expiry::Default);
    }
    let there = |cache: &Cache| -> Vec<bool> {
        let found = keys.iter().map(|key| cache.get_bytes(key).unwrap());
        found.map(|value| value.is_some()).collect()
    };
    eventually("both say the same", || there(&cache) == there(&other));
    assert!(there(&other).contains(&false));
}

#[test]
fn ten_thousand_keys_deleted_at_once() {
    deleted_at_once(10_000);
}

#[test]
#[ignore = "long: make torture"]
fn long_a_hundred_thousand_keys_deleted_at_once() {
    deleted_at_once(100_000);
}

/// Whoever reads after the last of them is gone finds none, but for what `near_max_lag` allows.
fn deleted_at_once(count: usize) {
    let server = Server::start();
    let cache = Cache::open(&format!("{}?near=256m&timeout=20s", server.tcp())).unwrap();
    let other = Cache::open(&format!("{}?timeout=60s", server.tcp())).unwrap();
    let keys: Vec<_> = (0..count).map(|number| format!("k{number}")).collect();
    for part in keys.chunks(500) {
        let pairs = part.iter().map(|key| (key, 1_u64));
        other.set_many::<u64>(pairs, Expiry::Default).unwrap();
        let found = cache.get_many_bytes(part).unwrap();
        assert!(found.iter().all(Option::is_some));
    }
    let before = cache.stats().near_hits;
    let found = cache.get_many_bytes(&keys).unwrap();
    assert!(found.iter().all(Option::is_some));
    assert!(cache.stats().near_hits > before + count as u64 / 2);
    assert_eq!(other.delete_many(&keys).unwrap(), count as u64);
    std::thread::sleep(Duration::from_millis(20));
    // Who answers this has written before what it had to say to others.
    let _: String = server.run(&["PING"]);
    for key in &keys {
        assert_eq!(cache.get_bytes(key).unwrap(), None, "{key}");
    }
}
