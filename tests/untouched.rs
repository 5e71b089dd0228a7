//! Walks that read values are no use of them: what a server or an embedded store evicts next does not change because
//! somebody has listed or rewritten everything.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::print_stdout
)]

mod common;

use redis_cache::{Cache, Config, Expiry, Rewrite};

use common::server::Server;

const KEYS: usize = 40;

fn open(config: Config, options: &[(&str, &str)]) -> Cache {
    let with = |config: Config, (name, value): &(&str, &str)| config.set(name, value).unwrap();
    let usual = [("prefix", "app"), ("timeout", "20s")];
    let config = usual.iter().chain(options).fold(config, with);
    config.connect().unwrap()
}

/// A server that counts how often each key was used, and what it counted: exact for the first use.
fn counting() -> Server {
    Server::with(&["--maxmemory-policy", "allkeys-lfu"])
}

fn uses(server: &Server) -> Vec<i64> {
    let uses = |number| server.run(&["OBJECT", "FREQ", &format!("app:1:k{number}")]);
    (0..KEYS).map(uses).collect()
}

/// Redis knows it from 7.2 on, and Valkey.
fn knows_no_touch(server: &Server) -> bool {
    let mut raw = server.raw();
    let answer = redis::cmd("CLIENT")
        .arg("NO-TOUCH")
        .arg("OFF")
        .exec(&mut raw);
    if answer.is_err() {
        println!("left out: this server does not know CLIENT NO-TOUCH");
    }
    answer.is_ok()
}

fn fill(cache: &Cache) {
    cache.flush_db().unwrap();
    let entries = (0..KEYS).map(|number| (format!("k{number}"), "a value"));
    cache.set_many::<&str>(entries, Expiry::Default).unwrap();
}

type Walk = fn(&Cache);

const WALKS: [(&str, Walk); 4] = [
    ("keys", |cache| {
        assert_eq!(cache.keys("*").unwrap().count(), KEYS)
    }),
    ("reinsert_keys", |cache| {
        assert_eq!(cache.reinsert_keys().unwrap(), 0)
    }),
    ("reinsert_keys_with", |cache| {
        let keep = |_: &[u8], _: &[u8]| Ok::<_, String>(Rewrite::Keep);
        assert_eq!(cache.reinsert_keys_with(keep).unwrap(), 0);
    }),
    ("a dry run", |cache| {
        let other = |_: &[u8], _: &[u8]| Ok::<_, String>(Rewrite::Replace(b"other".to_vec()));
        let swept = cache.sweep("*").dry_run(true).reinsert_with(other);
        assert_eq!(swept.unwrap().matched, KEYS as u64);
    }),
];

#[test]
fn a_walk_over_everything_is_no_use_for_the_servers_eviction() {
    let server = counting();
    if !knows_no_touch(&server) {
        return;
    }
    for protocol in ["2", "3"] {
        for parser in ["native", "redis"] {
            let options = [("protocol", protocol), ("parser", parser)];
            let config = Config::new().server(&server.tcp()).unwrap();
            let cache = open(config, &options);
            fill(&cache);
            let before = uses(&server);
            for (name, walk) in WALKS {
                walk(&cache);
                assert_eq!(uses(&server), before, "{name}, {options:?}");
            }
            // The connections of the walk are like others again.
            let clients = server.clients();
            let leaves = |client: &&String| {
                let flags = client
                    .split(' ')
                    .find_map(|word| word.strip_prefix("flags="));
                flags.is_some_and(|flags| flags.contains('T'))
            };
            assert_eq!(clients.iter().find(leaves), None);
            cache.get::<String>("k0").unwrap().unwrap();
            assert_eq!(uses(&server)[0], before[0] + 1, "a read is a use");
        }
    }
}

/// Whatever a rebalance copies and cannot move: here nothing can be stored where it is to go.
#[test]
fn what_a_rebalance_could_not_move_is_not_used() {
    let (old, new) = (counting(), counting());
    if !knows_no_touch(&old) {
        return;
    }
    let cache = open(Config::new().server(&old.tcp()).unwrap(), &[]);
    fill(&cache);
    let before = uses(&old);
    let both = cache.with_nodes([old.tcp(), new.tcp()]).unwrap();
    let _: String = new.run(&["CONFIG", "SET", "maxmemory", "1"]);
    let _: String = new.run(&["CONFIG", "SET", "maxmemory-policy", "noeviction"]);
    let error = both.rebalance().unwrap_err();
    assert_eq!(error.code(), Some("OOM"), "{error}");
    assert_eq!(uses(&old), before);
}

/// A server that does not know the command is asked once, and walks are what they are.
#[test]
fn a_server_that_does_not_know_it_is_asked_once() {
    let server = counting();
    if knows_no_touch(&server) {
        println!("left out: this server knows CLIENT NO-TOUCH");
        return;
    }
    // A connection of the `redis` crate says more that such a server does not know: one has to do.
    let mut raw = server.raw();
    let mut errors = || {
        let info: String = redis::cmd("INFO")
            .arg("errorstats")
            .query(&mut raw)
            .unwrap();
        let count = info
            .lines()
            .find_map(|line| line.strip_prefix("errorstat_ERR:count="));
        count.map_or(0, |count| count.trim().parse::<u64>().unwrap())
    };
    let config = Config::new().server(&server.tcp()).unwrap();
    let cache = open(config, &[("scan_count", "5")]);
    // Greeted, and so asked for what else it does not know.
    fill(&cache);
    let before = errors();
    for (_, walk) in WALKS {
        walk(&cache);
    }
    assert_eq!(errors(), before + 2, "one ON and one OFF");
}

/// Who was used least recently goes, and a walk in between does not change that.
#[test]
fn a_walk_over_an_embedded_store_is_no_use_either() {
    for (name, walk) in WALKS {
        for used in ["k0", "k7", "k39"] {
            let limit = (KEYS * 260).to_string();
            let config = Config::new().server("memory://").unwrap();
            let cache = open(config, &[("memory_limit", &limit)]);
            fill(&cache);
            let others = (0..KEYS).map(|number| format!("k{number}"));
            let others = others.filter(|key| key != used);
            cache.get::<String>(used).unwrap().unwrap();
            walk(&cache);
            // So many come that all others go, and no more.
            let mut number = 0;
            while others.clone().any(|key| {
                let listed = cache.keys(&key).unwrap().count();
                listed > 0
            }) {
                cache
                    .set(format!("n{number}"), "a value", Expiry::Default)
                    .unwrap();
                number += 1;
                assert!(number < 1000);
            }
            assert_eq!(cache.keys(used).unwrap().count(), 1, "{name}: {used}");
        }
    }
}
