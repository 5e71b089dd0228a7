//! Connections: as few as needed, never more than allowed, replaced in silence when they die, and never those of
//! another cache (design, section 8).

use std::collections::BTreeSet;
use std::time::Duration;

use redis_cache::{Cache, ErrorKind, Expiry};

use crate::common::fixture::{Backend, Fixture};
use crate::common::{eventually, kind, within};

behaviour! {
    stores: [],
    servers: [
        one_caller_needs_one_connection,
        max_connections_is_never_exceeded,
        a_caller_waits_for_a_connection_no_longer_than_pool_timeout,
        a_silent_server_costs_the_timeout_and_no_more,
        a_killed_connection_costs_a_get_nothing,
        a_killed_connection_costs_a_set_nothing,
        an_old_idle_connection_that_died_costs_no_command_anything,
        killed_connections_are_dropped_together,
        a_connection_past_its_lifetime_is_replaced,
        caches_with_other_credentials_share_no_connections,
        databases_are_apart,
    ],
}

/// The numbers of the library's connections, as the server gave them.
fn ids(at: &Fixture) -> BTreeSet<String> {
    let id = |line: &String| line.split(' ').next().unwrap_or_default().to_owned();
    at.server().clients().iter().map(id).collect()
}

/// Makes the cache open `count` connections, and leaves them idle.
fn open(cache: &Cache, at: &Fixture, count: usize) {
    eventually("enough connections", || {
        std::thread::scope(|scope| {
            for _ in 0..count {
                scope.spawn(|| (0..20).for_each(|_| drop(cache.get_bytes("k").unwrap())));
            }
        });
        ids(at).len() >= count.min(2)
    });
}

fn one_caller_needs_one_connection(at: &Fixture) {
    let at = at.alone();
    let cache = at.cache();
    cache.set("k", &1, Expiry::Default).unwrap();
    let first = ids(&at);
    assert_eq!(first.len(), 1);
    for index in 0..100 {
        cache.get_bytes("k").unwrap();
        cache.get_many_bytes(["k", "absent"]).unwrap();
        cache.incr("k", index).unwrap();
        cache.version(2).get_bytes("k").unwrap();
        cache.clone().delete("absent").unwrap();
    }
    assert_eq!(ids(&at), first);
}

fn max_connections_is_never_exceeded(at: &Fixture) {
    let at = at.alone();
    let cache = at.cache_with(&[("max_connections", "3")]);
    cache.set_int("n", 0, Expiry::Default).unwrap();
    std::thread::scope(|scope| {
        for _ in 0..16 {
            scope.spawn(|| {
                for _ in 0..60 {
                    cache.incr("n", 1).unwrap();
                }
            });
        }
        for _ in 0..10 {
            assert!(ids(&at).len() <= 3, "{:?}", at.server().clients());
            assert!(cache.stats().connections_open <= 3, "{:?}", cache.stats());
        }
    });
    assert_eq!(
        cache.get_int("n").unwrap(),
        Some(960),
        "and everybody was served"
    );
    assert!(ids(&at).len() <= 3);
}

/// Holds all commands of all clients back for this long.
fn pause(at: &Fixture, time: Duration) {
    let _: String = at
        .server()
        .run(&["CLIENT", "PAUSE", &time.as_millis().to_string(), "ALL"]);
}

fn a_caller_waits_for_a_connection_no_longer_than_pool_timeout(at: &Fixture) {
    let at = at.alone();
    let cache = at.cache_with(&[("max_connections", "1"), ("pool_timeout", "100ms")]);
    cache.set("k", "value", Expiry::Default).unwrap();
    pause(&at, Duration::from_millis(900));
    std::thread::scope(|scope| {
        let holder = scope.spawn(|| cache.get::<String>("k"));
        eventually("the connection is taken", || {
            cache.stats().connections_idle == 0
        });
        let error = within(Duration::from_millis(100), || {
            cache.get_bytes("k").unwrap_err()
        });
        assert_eq!(error.kind(), ErrorKind::Timeout, "{error}");
        assert!(error.to_string().contains("all 1 are in use"), "{error}");
        assert_eq!(holder.join().unwrap().unwrap().as_deref(), Some("value"));
    });
    assert_eq!(cache.get::<String>("k").unwrap().as_deref(), Some("value"));
}

fn a_silent_server_costs_the_timeout_and_no_more(at: &Fixture) {
    if at.backend == Backend::Connector {
        // The deadlines inside a connection of one's own are its own affair.
        return;
    }
    let at = at.alone();
    let options = [("timeout", "150ms"), ("breaker_failures", "1000")];
    let cache = at.cache_with(&options);
    cache.set("k", "value", Expiry::Default).unwrap();
    pause(&at, Duration::from_millis(2500));
    let budget = Duration::from_millis(150);
    assert_eq!(
        kind(within(budget, || cache.get_bytes("k"))),
        ErrorKind::Timeout
    );
    assert_eq!(
        kind(within(budget, || cache.set("k", "other", Expiry::Default))),
        ErrorKind::Timeout
    );
    assert_eq!(
        kind(within(budget, || at.cache_with(&options).get_bytes("k"))),
        ErrorKind::Timeout,
        "a handshake too"
    );
    eventually("the server speaks again", || {
        cache.get_bytes("k").is_ok_and(|value| value.is_some())
    });
}

fn a_killed_connection_costs_a_get_nothing(at: &Fixture) {
    let at = at.alone();
    let cache = at.cache();
    cache.set("k", "value", Expiry::Default).unwrap();
    for _ in 0..5 {
        at.server().kill_clients();
        assert_eq!(cache.get::<String>("k").unwrap().as_deref(), Some("value"));
        at.server().kill_clients();
        assert_eq!(
            cache.get_many::<String>(["k", "absent"]).unwrap(),
            [Some("value".to_owned()), None]
        );
    }
}

fn a_killed_connection_costs_a_set_nothing(at: &Fixture) {
    if at.backend == Backend::Connector {
        // Whether such a connection is still alive only a round trip would tell.
        return;
    }
    let at = at.alone();
    // Killing takes less than the rest after which a connection is looked at.
    let cache = at.cache_with(&[("idle_check", "0s")]);
    for round in 0..5 {
        cache.set_int("n", 0, Expiry::Default).unwrap();
        at.server().kill_clients();
        cache.set("k", &round, Expiry::Default).unwrap();
        at.server().kill_clients();
        assert_eq!(cache.incr("n", 1).unwrap(), Some(1));
        at.server().kill_clients();
        assert!(
            cache
                .add(format!("new {round}"), &1, Expiry::Default)
                .unwrap()
        );
        assert_eq!(cache.get::<i32>("k").unwrap(), Some(round));
    }
}

fn an_old_idle_connection_that_died_costs_no_command_anything(at: &Fixture) {
    if at.backend == Backend::Connector {
        return;
    }
    let at = at.alone();
    let cache = at.cache_with(&[("idle_check", "1ms")]);
    cache.set_int("n", 0, Expiry::Default).unwrap();
    let kill = || {
        at.server().kill_clients();
        std::thread::sleep(Duration::from_millis(5));
    };
    kill();
    cache.set("k", &1, Expiry::Default).unwrap();
    kill();
    assert_eq!(cache.incr("n", 1).unwrap(), Some(1));
    kill();
    assert!(cache.add("new", &1, Expiry::Default).unwrap());
    kill();
    assert!(cache.touch("k", Expiry::Never).unwrap());
    kill();
    assert_eq!(cache.incr_version("k", 1).unwrap(), Some(2));
    kill();
    cache
        .set_many_bytes([("a", "1"), ("b", "2")], Expiry::Default)
        .unwrap();
    kill();
    assert_eq!(cache.delete_pattern("*").unwrap(), 4);
}

fn killed_connections_are_dropped_together(at: &Fixture) {
    let at = at.alone();
    let cache = at.cache();
    open(&cache, &at, 8);
    let before = ids(&at);
    at.server().kill_clients();
    let retries = cache.stats().retries;
    for _ in 0..20 {
        cache.get_bytes("k").unwrap();
    }
    assert!(
        cache.stats().retries <= retries + 1,
        "one fault drops all {} idle ones",
        before.len()
    );
    assert_eq!(cache.stats().connections_open, 1);
    assert!(ids(&at).is_disjoint(&before));
}

fn a_connection_past_its_lifetime_is_replaced(at: &Fixture) {
    let at = at.alone();
    let cache = at.cache_with(&[("max_lifetime", "40ms")]);
    cache.set("k", "value", Expiry::Default).unwrap();
    let first = ids(&at);
    std::thread::sleep(Duration::from_millis(60));
    assert_eq!(cache.get::<String>("k").unwrap().as_deref(), Some("value"));
    eventually("the old connection is closed", || {
        ids(&at).is_disjoint(&first)
    });
    assert_eq!(cache.stats().retries, 0, "that is no fault");
}

/// Guards against defect 9 of the ancestor: a second cache inherits the first one's pool, password and limits.
fn caches_with_other_credentials_share_no_connections(at: &Fixture) {
    let at = at.alone();
    let _: String = at.server().run(&[
        "ACL", "SETUSER", "reader", "on", ">right", "~*", "&*", "+@all",
    ]);
    let as_reader = |password| at.cache_with(&[("username", "reader"), ("password", password)]);
    let (good, bad) = (as_reader("right"), as_reader("wrong"));
    good.set("k", "value", Expiry::Default).unwrap();
    assert_eq!(kind(bad.get_bytes("k")), ErrorKind::Auth);
    assert_eq!(good.get::<String>("k").unwrap().as_deref(), Some("value"));
    assert_eq!(kind(as_reader("wrong").get_bytes("k")), ErrorKind::Auth);

    let (narrow, wide) = (
        at.cache_with(&[("max_connections", "1")]),
        at.cache_with(&[("max_connections", "4")]),
    );
    narrow.get_bytes("k").unwrap();
    open(&wide, &at, 4);
    assert_eq!(narrow.stats().connections_open, 1);
    assert!(wide.stats().connections_open <= 4);
}

fn databases_are_apart(at: &Fixture) {
    let (first, third) = (at.cache(), at.cache_with(&[("db", "3")]));
    first.set("k", "in 0", Expiry::Default).unwrap();
    assert_eq!(third.get::<String>("k").unwrap(), None);
    third.set("k", "in 3", Expiry::Default).unwrap();
    assert_eq!(first.get::<String>("k").unwrap().as_deref(), Some("in 0"));
    let mut raw = at.server().raw();
    redis::cmd("SELECT").arg(3).exec(&mut raw).unwrap();
    let held: bool = redis::cmd("EXISTS")
        .arg(at.wire_key("k"))
        .query(&mut raw)
        .unwrap();
    assert!(held);
    assert_eq!(third.clear().unwrap(), 1);
    assert!(first.has_key("k").unwrap());
}
