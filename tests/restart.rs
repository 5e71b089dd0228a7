//! A server that restarts in the middle: old connections cost at most a silent retry, scripts are loaded again, and
//! nothing has to be done by hand (design, section 8).

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

mod common;

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use redis_cache::{Cache, Config, ErrorKind, Expiry};

use common::server::Server;
use common::{eventually, kind};

const DIALECTS: [&[(&str, &str)]; 3] = [&[], &[("protocol", "2")], &[("parser", "redis")]];

fn open(url: &str, options: &[(&str, &str)]) -> Cache {
    let config = Config::new()
        .server(url)
        .unwrap()
        .set("timeout", "10s")
        .unwrap();
    let config = options.iter().fold(config, |config, (name, value)| {
        config.set(name, value).unwrap()
    });
    config.connect().unwrap()
}

/// A cache on the server by TCP and one by Unix socket, in every dialect.
fn caches(server: &Server, more: &[(&'static str, &'static str)]) -> Vec<Cache> {
    let options = DIALECTS.iter().map(|dialect| [dialect, more].concat());
    options
        .flat_map(|options| {
            [
                open(&server.tcp(), &options),
                open(&server.unix(), &options),
            ]
        })
        .collect()
}

#[test]
fn the_first_read_after_a_restart_is_answered() {
    let mut server = Server::start();
    for cache in caches(&server, &[]) {
        cache.set("k", "before", Expiry::Default).unwrap();
        server.restart();
        assert_eq!(
            cache.get::<String>("k").unwrap(),
            None,
            "{cache:?}: a restart forgets"
        );
        assert!(cache.stats().retries <= 1, "{:?}", cache.stats());
        cache.set("k", "after", Expiry::Default).unwrap();
        assert_eq!(cache.get::<String>("k").unwrap().as_deref(), Some("after"));
        assert_eq!(cache.stats().errors, 0);
    }
}

#[test]
fn the_first_write_after_a_restart_is_done() {
    let mut server = Server::start();
    for cache in caches(&server, &[]) {
        cache.set_int("n", 1, Expiry::Default).unwrap();
        server.restart();
        cache.set_int("n", 10, Expiry::Default).unwrap();
        server.restart();
        assert!(cache.add("n", &20, Expiry::Default).unwrap());
        server.restart();
        assert_eq!(
            cache.incr_or_create("n", 1, 30, Expiry::Default).unwrap(),
            30
        );
        assert_eq!(
            cache.incr("n", 1).unwrap(),
            Some(31),
            "and scripts are known again"
        );
        server.restart();
        assert_eq!(cache.delete_pattern("*").unwrap(), 0);
        assert_eq!(cache.stats().errors, 0, "{:?}", cache.stats());
    }
}

#[test]
fn many_idle_connections_cost_one_retry_together() {
    let mut server = Server::start();
    let cache = open(&server.unix(), &[]);
    eventually("several connections", || {
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| (0..50).for_each(|_| drop(cache.get_bytes("k").unwrap())));
            }
        });
        cache.stats().connections_idle >= 3
    });
    server.restart();
    for _ in 0..20 {
        cache.get_bytes("k").unwrap();
    }
    assert!(cache.stats().retries <= 1, "{:?}", cache.stats());
    assert_eq!(cache.stats().connections_open, 1);
}

#[test]
fn many_threads_get_over_a_restart_without_a_wrong_answer() {
    let mut server = Server::start();
    let cache = open(
        &server.tcp(),
        &[("timeout", "1s"), ("breaker_backoff_max", "200ms")],
    );
    let over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        for thread in 0..6 {
            let (cache, over) = (&cache, &over);
            scope.spawn(move || {
                let key = format!("k{thread}");
                let mut since_failure = 0;
                while !over.load(Ordering::SeqCst) || since_failure < 20 {
                    let outcome = cache
                        .set(&key, &thread, Expiry::Default)
                        .and_then(|()| cache.get::<i32>(&key));
                    match &outcome {
                        // It may have been forgotten between the two.
                        Ok(value) => {
                            assert!(value.is_none_or(|value| value == thread), "{value:?}")
                        }
                        Err(error) => assert!(error.is_unavailable(), "{error}"),
                    }
                    since_failure = if outcome.is_ok() {
                        since_failure + 1
                    } else {
                        0
                    };
                }
            });
        }
        for _ in 0..2 {
            std::thread::sleep(Duration::from_millis(100));
            server.restart();
        }
        std::thread::sleep(Duration::from_millis(100));
        over.store(true, Ordering::SeqCst);
    });
}

#[test]
fn a_server_that_is_down_is_an_error_until_it_is_up() {
    let mut server = Server::start();
    for cache in caches(&server, &[("breaker_failures", "1000")]) {
        cache.set("k", &1, Expiry::Default).unwrap();
        server.stop();
        for _ in 0..3 {
            assert_eq!(kind(cache.get_bytes("k")), ErrorKind::Io);
            assert_eq!(kind(cache.set("k", &2, Expiry::Default)), ErrorKind::Io);
            assert_eq!(kind(cache.ping()), ErrorKind::Io);
        }
        server.start_again();
        cache.set("k", &3, Expiry::Default).unwrap();
        assert_eq!(cache.get::<i32>("k").unwrap(), Some(3));
    }
}

#[test]
fn the_breaker_opens_for_a_server_that_is_down_and_closes_when_it_is_up() {
    let mut server = Server::start();
    let cache = open(&server.tcp(), &[("breaker_backoff_max", "200ms")]);
    cache.set("k", &1, Expiry::Default).unwrap();
    server.stop();
    for _ in 0..5 {
        assert_eq!(kind(cache.set("k", &2, Expiry::Default)), ErrorKind::Io);
    }
    assert_eq!(kind(cache.get_bytes("k")), ErrorKind::Unavailable);
    server.start_again();
    eventually("it is taken back", || {
        cache.set("k", &3, Expiry::Default).is_ok()
    });
    assert_eq!(cache.get::<i32>("k").unwrap(), Some(3));
}

#[test]
fn values_are_loaded_while_the_server_is_down_and_kept_when_it_is_up() {
    let mut server = Server::start();
    let cache = open(&server.tcp(), &[("breaker_failures", "1000")]);
    server.stop();
    for round in 0..3 {
        let value = cache
            .get_or_set("k", Expiry::Default, || {
                Ok::<_, String>(format!("load {round}"))
            })
            .unwrap();
        assert_eq!(value, format!("load {round}"), "computed, not cached");
    }
    server.start_again();
    cache
        .get_or_set("k", Expiry::Default, || Ok::<_, String>("kept".to_owned()))
        .unwrap();
    assert_eq!(cache.get::<String>("k").unwrap().as_deref(), Some("kept"));
}
