//! The counters that a cache keeps of itself, and `where_is`, `ping` and `close` (c-api.md, `redis_cache_stats`).

use redis_cache::{Config, ErrorKind, Expiry};

use crate::common::fixture::{Backend, Fixture};
use crate::common::{eventually, kind};

behaviour! {
    stores: [
        hits_and_misses_are_counted,
        writes_and_loads_are_counted,
        errors_are_counted,
        views_and_clones_count_together,
        reset_sets_the_counters_to_zero,
        ping_and_where_is_name_a_node,
        a_closed_cache_opens_again,
    ],
    servers: [
        traffic_and_connections_are_counted,
        close_closes_idle_connections,
        where_is_shows_no_credentials,
    ],
}

fn hits_and_misses_are_counted(at: &Fixture) {
    let cache = at.cache();
    cache.set("k", "x", Expiry::Default).unwrap();
    cache.get::<String>("k").unwrap();
    cache.get_bytes("k").unwrap();
    cache.get_into("k", &mut [0; 8]).unwrap();
    cache.get_bytes("absent").unwrap();
    cache.get_many_bytes(["k", "absent", "k"]).unwrap();
    let stats = cache.stats();
    assert_eq!((stats.hits, stats.misses), (5, 2), "{stats:?}");
}

fn writes_and_loads_are_counted(at: &Fixture) {
    let cache = at.cache();
    cache.set("a", &1, Expiry::Default).unwrap();
    cache
        .set_many_bytes([("b", "2"), ("c", "3")], Expiry::Default)
        .unwrap();
    cache.delete("a").unwrap();
    cache.delete_many(["b", "absent"]).unwrap();
    cache
        .get_or_set("d", Expiry::Default, || Ok::<_, String>("x".to_owned()))
        .unwrap();
    cache
        .get_or_set("d", Expiry::Default, || Ok::<_, String>("x".to_owned()))
        .unwrap();
    let stats = cache.stats();
    assert_eq!(stats.sets, 4, "{stats:?}");
    assert!(stats.deletes >= 2, "{stats:?}");
    assert_eq!(stats.computes, 1, "{stats:?}");
    assert_eq!(
        (stats.hits, stats.misses),
        (1, 1),
        "one key was asked for twice: {stats:?}"
    );
    assert_eq!(
        (stats.errors, stats.decode_errors, stats.refused),
        (0, 0, 0),
        "{stats:?}"
    );
}

fn errors_are_counted(at: &Fixture) {
    let cache = at.cache();
    cache.set("k", "text", Expiry::Default).unwrap();
    assert_eq!(kind(cache.incr("k", 1)), ErrorKind::WrongType);
    assert_eq!(cache.stats().errors, 1);
    cache.set("k", &true, Expiry::Default).unwrap();
    assert_eq!(cache.get::<String>("k").unwrap(), None);
    assert_eq!(cache.stats().decode_errors, 1);
}

fn views_and_clones_count_together(at: &Fixture) {
    let cache = at.cache();
    cache.clone().get_bytes("a").unwrap();
    cache.version(2).get_bytes("a").unwrap();
    assert_eq!(cache.stats().misses, 2);
    assert_eq!(
        at.cache().stats().misses,
        0,
        "another cache counts for itself"
    );
}

fn reset_sets_the_counters_to_zero(at: &Fixture) {
    let cache = at.cache();
    cache.set("k", &1, Expiry::Default).unwrap();
    cache.get_bytes("k").unwrap();
    cache.get_bytes("absent").unwrap();
    cache.reset_stats();
    let stats = cache.stats();
    assert_eq!(
        (stats.hits, stats.misses, stats.sets),
        (0, 0, 0),
        "{stats:?}"
    );
    assert_eq!((stats.bytes_read, stats.bytes_written), (0, 0), "{stats:?}");
    cache.get_bytes("k").unwrap();
    assert_eq!(cache.stats().hits, 1);
}

fn ping_and_where_is_name_a_node(at: &Fixture) {
    let cache = at.cache();
    cache.ping().unwrap();
    let place = cache.where_is("k").unwrap();
    let expected = match at.backend {
        Backend::Memory => "memory",
        Backend::Unix => "redis.sock",
        _ => &at.port_of("k").to_string(),
    };
    assert!(place.contains(expected), "{place}");
    assert_eq!(kind(cache.where_is("")), ErrorKind::InvalidArgument);
    let named = Config::new().server_with("memory://", Some("left"), 1);
    let named = named.unwrap().connect().unwrap();
    assert_eq!(
        named.where_is("k").unwrap(),
        "left",
        "by its name, if it has one"
    );
}

fn a_closed_cache_opens_again(at: &Fixture) {
    let cache = at.cache();
    cache.set("k", "x", Expiry::Default).unwrap();
    cache.close();
    assert_eq!(cache.get::<String>("k").unwrap().as_deref(), Some("x"));
    cache.close();
    cache.close();
    cache.set("k", "y", Expiry::Default).unwrap();
    assert_eq!(cache.get::<String>("k").unwrap().as_deref(), Some("y"));
}

fn traffic_and_connections_are_counted(at: &Fixture) {
    let cache = at.cache();
    assert_eq!(cache.stats().connections_open, 0);
    cache
        .set_bytes("k", &[b'x'; 10_000], Expiry::Default)
        .unwrap();
    cache.get_bytes("k").unwrap();
    let stats = cache.stats();
    assert_eq!(
        (stats.connections_open, stats.connections_idle),
        (1, 1),
        "{stats:?}"
    );
    assert_eq!(stats.retries, 0);
    if at.backend != Backend::Connector {
        assert!((10_000..14_000).contains(&stats.bytes_read), "{stats:?}");
        assert!((10_000..14_000).contains(&stats.bytes_written), "{stats:?}");
    }
}

fn close_closes_idle_connections(at: &Fixture) {
    let at = at.alone();
    let cache = at.cache();
    cache.ping().unwrap();
    assert_eq!(at.server().clients().len(), 1);
    cache.close();
    assert_eq!(
        (
            cache.stats().connections_open,
            cache.stats().connections_idle
        ),
        (0, 0)
    );
    eventually("the server sees it closed", || {
        at.server().clients().is_empty()
    });
    cache.ping().unwrap();
    drop(cache);
    eventually("a dropped cache closes its connections", || {
        at.server().clients().is_empty()
    });
}

fn where_is_shows_no_credentials(at: &Fixture) {
    let url = format!(
        "redis://someone:se%63ret@127.0.0.1:{}/3?prefix=app",
        at.server().port()
    );
    let place = redis_cache::Cache::open(&url)
        .unwrap()
        .where_is("k")
        .unwrap();
    assert!(place.contains(&at.server().port().to_string()), "{place}");
    for hidden in ["secret", "se%63ret", "someone", "prefix"] {
        assert!(!place.contains(hidden), "{place}");
    }
    let named = redis_cache::Config::new()
        .server_with(&at.server().tcp(), Some("left"), 1)
        .unwrap();
    assert_eq!(named.connect().unwrap().where_is("k").unwrap(), "left");
}
