//! The embedded store beyond what it shares with servers: it is bounded, it is shared by name, and it ends with its
//! last holder (options.md, `memory_limit`; issue of the foundation, point 6).

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

mod common;

use std::time::Duration;

use redis_cache::{Cache, Config, Expiry};

use common::eventually;
use common::fixture::unique_name;

fn open(url: &str, options: &[(&str, &str)]) -> Cache {
    let config = Config::new().server(url).unwrap();
    let config = options.iter().fold(config, |config, (name, value)| {
        config.set(name, value).unwrap()
    });
    config.connect().unwrap()
}

fn held(cache: &Cache) -> usize {
    cache.keys("*").unwrap().map(Result::unwrap).count()
}

#[test]
fn a_named_store_is_shared_and_an_unnamed_one_is_not() {
    let url = format!("memory://{}", unique_name());
    let (one, other) = (open(&url, &[]), open(&url, &[]));
    one.set("k", "shared", Expiry::Default).unwrap();
    assert_eq!(other.get::<String>("k").unwrap().as_deref(), Some("shared"));
    assert_eq!(
        open(&format!("{url}x"), &[]).get::<String>("k").unwrap(),
        None,
        "another name"
    );
    let (one, other) = (open("memory://", &[]), open("memory://", &[]));
    one.set("k", "private", Expiry::Default).unwrap();
    assert_eq!(other.get::<String>("k").unwrap(), None);
    assert_eq!(
        one.clone()
            .version(1)
            .get::<String>("k")
            .unwrap()
            .as_deref(),
        Some("private")
    );
}

#[test]
fn a_named_store_ends_with_its_last_holder() {
    let url = format!("memory://{}", unique_name());
    let (first, second) = (open(&url, &[]), open(&url, &[]));
    first.set("k", &1, Expiry::Never).unwrap();
    drop(first);
    assert!(second.has_key("k").unwrap());
    let view = second.version(2);
    drop(second);
    assert!(view.version(1).has_key("k").unwrap(), "a view holds it too");
    drop(view);
    assert!(!open(&url, &[]).has_key("k").unwrap());
}

#[test]
fn stores_of_one_name_hold_caches_of_many_prefixes() {
    let url = format!("memory://{}", unique_name());
    let (one, other) = (
        open(&url, &[("prefix", "one")]),
        open(&url, &[("prefix", "other")]),
    );
    one.set("k", &1, Expiry::Default).unwrap();
    assert!(!other.has_key("k").unwrap());
    other.set("k", &2, Expiry::Default).unwrap();
    assert_eq!(one.clear().unwrap(), 1);
    assert_eq!(other.get::<i32>("k").unwrap(), Some(2));
}

#[test]
fn the_store_is_bounded_and_forgets_what_was_used_least_recently() {
    let cache = open("memory://", &[("memory_limit", "1m")]);
    let value = vec![7; 1000];
    cache.set_bytes("favourite", &value, Expiry::Never).unwrap();
    for index in 0..5000 {
        cache
            .set_bytes(format!("k{index}"), &value, Expiry::Never)
            .unwrap();
        assert!(
            cache.get_bytes("favourite").unwrap().is_some(),
            "used all the time, gone after {index}"
        );
    }
    let held = held(&cache);
    assert!(
        held * 1000 <= 1 << 20,
        "{held} values of 1000 bytes in a store of 1 MiB"
    );
    assert!(
        held > 300,
        "only {held} values of 1000 bytes in a store of 1 MiB"
    );
    assert!(cache.has_key("k4999").unwrap(), "the newest stays");
    assert!(!cache.has_key("k0").unwrap(), "the oldest went");
}

#[test]
fn keys_count_against_the_bound_too() {
    let cache = open("memory://", &[("memory_limit", "1m")]);
    for index in 0..3000 {
        cache
            .set_bytes(format!("{index:01000}"), b"", Expiry::Never)
            .unwrap();
    }
    let held = held(&cache);
    assert!(
        held * 1000 <= 1 << 20,
        "{held} keys of 1000 bytes in a store of 1 MiB"
    );
}

#[test]
fn a_value_larger_than_the_store_does_not_stay_and_does_not_clear_it() {
    let cache = open("memory://", &[("memory_limit", "1m")]);
    cache.set_bytes("small", b"x", Expiry::Never).unwrap();
    // Whether that is an error or an instant eviction, the bound holds.
    let _ = cache.set_bytes("large", &vec![0; 3 << 20], Expiry::Never);
    assert!(!cache.has_key("large").unwrap());
    cache.set_bytes("k", b"y", Expiry::Never).unwrap();
    assert_eq!(cache.get_bytes("k").unwrap().as_deref(), Some(&b"y"[..]));
}

#[test]
fn what_expired_makes_room() {
    let cache = open("memory://", &[("memory_limit", "1m")]);
    let value = vec![7; 1000];
    for index in 0..500 {
        cache
            .set_bytes(format!("brief{index}"), &value, Duration::from_millis(1))
            .unwrap();
    }
    eventually("all expired", || held(&cache) == 0);
    for index in 0..500 {
        cache
            .set_bytes(format!("k{index}"), &value, Expiry::Never)
            .unwrap();
    }
    assert_eq!(held(&cache), 500, "the dead pushed the living out");
}

#[test]
fn threads_fill_a_bounded_store_together() {
    let cache = open("memory://", &[("memory_limit", "1m")]);
    std::thread::scope(|scope| {
        for thread in 0..8_usize {
            let cache = &cache;
            scope.spawn(move || {
                for index in 0..1500 {
                    let key = format!("k{}", (thread * 31 + index * 7) % 900);
                    let value = key.repeat(200);
                    cache.set(&key, &value, Expiry::Never).unwrap();
                    let found = cache.get::<String>(&key).unwrap();
                    assert!(
                        found.is_none_or(|found| found == value),
                        "a value of another key under {key}"
                    );
                    if index % 10 == 0 {
                        cache.delete(&key).unwrap();
                    }
                }
            });
        }
    });
    let bytes: usize = cache
        .keys("*")
        .unwrap()
        .map(|key| key.unwrap().len() * 200)
        .sum();
    assert!(
        bytes <= 1 << 20,
        "{bytes} bytes of values in a store of 1 MiB"
    );
}

#[test]
fn it_needs_no_server_and_says_where_it_is() {
    let name = unique_name();
    let cache = open(&format!("memory://{name}"), &[]);
    cache.ping().unwrap();
    assert!(cache.where_is("k").unwrap().contains(&name));
    cache.flush_db().unwrap();
    cache.close();
    cache.set("k", &1, Expiry::Default).unwrap();
    let stats = cache.stats();
    assert_eq!(
        (
            stats.connections_open,
            stats.bytes_read,
            stats.bytes_written
        ),
        (0, 0, 0)
    );
}
