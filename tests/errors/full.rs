//! What a full server, or a full embedded store, refuses: of a value that was to be written over nothing is left to be
//! read (design, section 9). No other operation removes anything.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use redis_cache::{Cache, Config, Error, ErrorKind, Expiry, Outcome, Source};

use crate::common::fixture::unique_name;
use crate::common::fleet::Fleet;
use crate::common::server::Server;

fn open(config: Config, options: &[(&str, &str)]) -> Cache {
    let config = config.set("prefix", &unique_name()).unwrap();
    let config = config.set("timeout", "20s").unwrap();
    let with = |config: Config, (name, value): &(&str, &str)| config.set(name, value).unwrap();
    options.iter().fold(config, with).connect().unwrap()
}

fn at(server: &Server) -> Config {
    Config::new().server(&server.tcp()).unwrap()
}

fn fill(server: &Server, is_full: bool) {
    let most = if is_full { "1" } else { "0" };
    let _: String = server.run(&["CONFIG", "SET", "maxmemory", most]);
}

fn is_full(error: &Error) -> bool {
    (error.kind(), error.code()) == (ErrorKind::Server, Some("OOM"))
}

#[test]
fn what_was_to_be_written_over_is_gone_after_a_set_that_a_full_server_refuses() {
    let server = Server::start();
    for (options, stale) in [(&[][..], "0s"), (&[("stale", "1m")][..], "1m")] {
        let cache = open(at(&server), options);
        for key in ["a", "b", "c", "d", "stays"] {
            cache.set(key, "old", Expiry::Never).unwrap();
        }
        fill(&server, true);
        assert!(is_full(&cache.set("a", "new", Expiry::Never).unwrap_err()));
        assert!(is_full(
            &cache.set_bytes("b", b"new", Expiry::Default).unwrap_err()
        ));
        assert!(is_full(
            &cache.set_int("c", 7, Expiry::Default).unwrap_err()
        ));
        let entries = [("d", "new"), ("e", "new")];
        let partial = cache
            .set_many::<&str>(entries, Expiry::Default)
            .unwrap_err();
        let refused = |item: &Result<(), Error>| item.as_ref().is_err_and(is_full);
        assert!(
            partial.items.len() == 2 && partial.items.iter().all(refused),
            "{partial}"
        );
        let left = cache.get_many::<String>(["a", "b", "c", "d", "e", "stays"]);
        fill(&server, false);
        let stays = Some("old".to_owned());
        assert_eq!(
            left.unwrap(),
            [None, None, None, None, None, stays],
            "stale={stale}"
        );
    }
}

#[test]
fn under_on_error_miss_it_is_gone_too_and_the_hook_hears() {
    let server = Server::start();
    let heard: Arc<Mutex<Vec<Error>>> = Arc::default();
    let ears = Arc::clone(&heard);
    let config = at(&server).error_hook(move |error| ears.lock().unwrap().push(error.clone()));
    let cache = open(config, &[("on_error", "miss")]);
    cache
        .set_many::<&str>([("a", "old"), ("b", "old"), ("c", "old")], Expiry::Never)
        .unwrap();
    fill(&server, true);
    cache.set("a", "new", Expiry::Never).unwrap();
    cache
        .set_many::<&str>([("b", "new")], Expiry::Never)
        .unwrap();
    assert!(!cache.expire_soft("c").unwrap());
    assert_eq!(
        cache.get_many::<String>(["a", "b", "c"]).unwrap(),
        [None, None, None]
    );
    let heard = heard.lock().unwrap();
    assert!(heard.len() == 3 && heard.iter().all(is_full), "{heard:?}");
}

/// An invalidation that fails exactly when the server is full is none.
#[test]
fn expire_soft_on_a_full_server_removes() {
    let server = Server::start();
    let cache = open(at(&server), &[]);
    cache.set("short", "old", Expiry::Never).unwrap();
    let load = || Ok::<_, String>("old".to_owned());
    cache
        .get_or_set("long", Duration::from_secs(60), load)
        .unwrap();
    cache.set_int("number", 1, Expiry::Never).unwrap();
    fill(&server, true);
    for key in ["short", "long"] {
        assert!(is_full(&cache.expire_soft(key).unwrap_err()), "{key}");
        let Outcome { value, source } = cache.get_stale::<String>(key).unwrap();
        assert_eq!((value, source), (None, Source::Fresh), "{key}");
    }
    assert!(
        cache.expire_soft("number").unwrap(),
        "it is deleted, which a full server does"
    );
}

#[test]
fn no_other_operation_removes_what_it_could_not_write_over() {
    let server = Server::start();
    let cache = open(at(&server), &[]);
    let there = open(at(&server), &[]);
    cache.set_int("n", 1, Expiry::Never).unwrap();
    cache.set("k", "old", Expiry::Never).unwrap();
    cache.version(2).set("k", "old", Expiry::Never).unwrap();
    let minute = Duration::from_secs(60);
    let lock = there.lock("l", minute, Duration::ZERO).unwrap().unwrap();
    fill(&server, true);
    assert!(is_full(&cache.incr("n", 1).unwrap_err()));
    assert!(is_full(
        &cache.incr_or_create("n", 1, 1, Expiry::Never).unwrap_err()
    ));
    assert!(is_full(&cache.add("k", "new", Expiry::Never).unwrap_err()));
    assert!(is_full(
        &there.lock("m", minute, Duration::ZERO).unwrap_err()
    ));
    let value = cache
        .get_or_set("new", minute, || Ok::<_, String>(5))
        .unwrap();
    assert_eq!(value, 5);
    assert_eq!(cache.get_int("n").unwrap(), Some(1));
    for version in [1, 2] {
        let old = cache.version(version).get::<String>("k").unwrap();
        assert_eq!(old.as_deref(), Some("old"));
    }
    fill(&server, false);
    lock.release().unwrap();
}

/// Only the keys of the full one of three are refused, and only they go; moving an entry to it loses nothing.
#[test]
fn of_many_keys_only_the_refused_ones_go() {
    let fleet = Fleet::ring(3);
    let cache = open(fleet.config(), &[]);
    let full = format!("127.0.0.1:{}", fleet.servers[1].port());
    let keys: Vec<String> = (0..60).map(|number| format!("k{number}")).collect();
    let entries = |value: &'static str| keys.iter().map(move |key| (key, value));
    cache
        .set_many::<&str>(entries("old"), Expiry::Never)
        .unwrap();
    fill(&fleet.servers[1], true);
    let partial = cache
        .set_many::<&str>(entries("new"), Expiry::Never)
        .unwrap_err();
    let found = cache.get_many::<String>(&keys).unwrap();
    for ((key, stored), found) in keys.iter().zip(&partial.items).zip(found) {
        match cache.where_is(key).unwrap().contains(&full) {
            true => {
                assert!(stored.as_ref().is_err_and(is_full), "{key}: {stored:?}");
                assert_eq!(found, None, "{key}");
            }
            false => {
                assert!(stored.is_ok(), "{key}: {stored:?}");
                assert_eq!(found.as_deref(), Some("new"), "{key}");
            }
        }
    }
    // An entry whose next version lies on the full server stays where it is, and what is there stays as well.
    let next = cache.version(2);
    let moves = |key: &&String| {
        let is_full_at = |cache: &Cache| cache.where_is(key).unwrap().contains(&full);
        !is_full_at(&cache) && is_full_at(&next)
    };
    let key = keys.iter().find(moves).unwrap();
    fill(&fleet.servers[1], false);
    next.set(key, "next", Expiry::Never).unwrap();
    fill(&fleet.servers[1], true);
    assert!(is_full(&cache.incr_version(key, 1).unwrap_err()));
    assert_eq!(cache.get::<String>(key).unwrap().as_deref(), Some("new"));
    assert_eq!(next.get::<String>(key).unwrap().as_deref(), Some("next"));
}

#[test]
fn an_embedded_store_leaves_nothing_old_either() {
    let memory = || Config::new().server("memory://").unwrap();
    for policy in ["raise", "miss"] {
        let cache = open(memory(), &[("memory_limit", "2k"), ("on_error", policy)]);
        cache
            .set_many::<&str>([("a", "old"), ("b", "old"), ("c", "old")], Expiry::Never)
            .unwrap();
        let large = "x".repeat(4000);
        let refused = cache.set("a", &large, Expiry::Never);
        assert!(policy == "miss" || is_full(&refused.unwrap_err()));
        let partial = cache.set_many::<&str>([("b", large.as_str()), ("c", "new")], Expiry::Never);
        assert!(policy == "miss" || is_full(partial.unwrap_err().items[0].as_ref().unwrap_err()));
        let found = cache.get_many::<String>(["a", "b", "c"]).unwrap();
        assert_eq!(found, [None, None, Some("new".to_owned())], "{policy}");
        // What adds refuses without removing.
        let added = cache.add("c", &large, Expiry::Never);
        assert!(!added.unwrap_or(false));
        assert_eq!(cache.get::<String>("c").unwrap().as_deref(), Some("new"));
    }
    // A short header grows by 28 bytes when it becomes stale.
    let cache = open(memory(), &[("memory_limit", "1k")]);
    let key = cache.make_key("k").unwrap().len();
    cache
        .set_bytes("k", &vec![b'x'; 1024 - 94 - 4 - key], Expiry::Never)
        .unwrap();
    assert!(is_full(&cache.expire_soft("k").unwrap_err()));
    assert_eq!(cache.get_bytes("k").unwrap(), None);
    assert_eq!(cache.get_stale_bytes("k").unwrap().value, None);
}

/// A lock that makes way for a value is held by two.
#[test]
fn an_embedded_store_keeps_locks_and_leases_that_are_held() {
    let config = || Config::new().server("memory://").unwrap();
    let options = [("memory_limit", "4k"), ("lease", "1m")];
    let cache = open(config(), &options);
    let (minute, now) = (Duration::from_secs(60), Duration::ZERO);
    let lock = cache.lock("l", minute, now).unwrap().unwrap();
    let redis_cache::Begun::Yours(lease) = cache.lease::<String>("leased").unwrap() else {
        panic!("nobody else loads");
    };
    for number in 0..1000 {
        cache
            .set(format!("k{number}"), "value", Expiry::Never)
            .unwrap();
    }
    assert!(
        cache.lock("l", minute, now).unwrap().is_none(),
        "it is still held"
    );
    lock.extend(minute).unwrap();
    lease.fulfill("made", Expiry::Never).unwrap();
    assert_eq!(
        cache.get::<String>("leased").unwrap().as_deref(),
        Some("made")
    );
    lock.release().unwrap();
    for number in 0..1000 {
        let key = format!("k{number}");
        cache.set(&key, "value", Expiry::Never).unwrap();
        cache.get::<String>(&key).unwrap();
    }
    assert_eq!(
        cache.get::<String>("leased").unwrap(),
        None,
        "it made way like others"
    );

    // Full of them, it says so.
    let mut locks = Vec::new();
    let refused = loop {
        match cache.lock(format!("l{}", locks.len()), minute, now) {
            Ok(lock) => locks.push(lock.unwrap()),
            Err(error) => break error,
        }
        assert!(locks.len() < 1000);
    };
    assert!(is_full(&refused), "{refused}");
    assert!(
        refused.to_string().contains("locks and leases"),
        "{refused}"
    );
    assert!(is_full(
        &cache.set("k", "value", Expiry::Never).unwrap_err()
    ));
    assert!(is_full(&cache.lease::<String>("k").unwrap_err()));
    let made = cache.get_or_set("k", minute, || Ok::<_, String>("made".to_owned()));
    assert_eq!(made.unwrap(), "made");
    // What ends makes room.
    locks.pop().unwrap().release().unwrap();
    cache.set("k", "value", Expiry::Never).unwrap();
}
