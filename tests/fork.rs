//! After `fork()` parent and child go on with the same cache: the child opens connections of its own and neither
//! disturbs the other, whatever other threads were doing at that moment (design, section 8).

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

mod common;

use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::FromRawFd;
use std::sync::Barrier;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use redis_cache::{Cache, Config, Expiry};

use common::eventually;
use common::fixture::{Backend, Fixture};
use common::server::Server;

type Report = Result<(), String>;

/// A child process whose work is under way.
struct Child {
    pid: libc::pid_t,
    report: File,
}

/// Forks; the child does `work`, says how it went and ends without running anything of the parent's.
fn in_a_child(work: impl FnOnce() -> Report) -> Child {
    let mut ends = [0; 2];
    // SAFETY: the array has room for both descriptors.
    let made = unsafe { libc::pipe2(ends.as_mut_ptr(), libc::O_CLOEXEC) };
    assert_eq!(made, 0, "pipe: {}", std::io::Error::last_os_error());
    // SAFETY: both descriptors are fresh, and each is owned once in either process.
    let (report, mut speech) = unsafe { (File::from_raw_fd(ends[0]), File::from_raw_fd(ends[1])) };
    // SAFETY: the child only runs `work` and then `_exit`: no destructor and no exit handler of the parent.
    match unsafe { libc::fork() } {
        -1 => panic!("fork: {}", std::io::Error::last_os_error()),
        0 => {
            // SAFETY: an alarm ends a child that hangs; its default action needs no handler.
            unsafe { libc::alarm(20) };
            let text = work().err().unwrap_or_else(|| "done".to_owned());
            let _ = speech.write_all(text.as_bytes());
            // SAFETY: ends this process at once.
            unsafe { libc::_exit(0) }
        }
        pid => Child { pid, report },
    }
}

impl Child {
    #[track_caller]
    fn must_succeed(mut self) {
        let mut text = String::new();
        self.report.read_to_string(&mut text).unwrap();
        let mut status = 0;
        // SAFETY: waits for our own child, and writes to our own variable.
        assert_eq!(unsafe { libc::waitpid(self.pid, &mut status, 0) }, self.pid);
        assert_eq!(
            (text.as_str(), status),
            ("done", 0),
            "an empty text is a child that hung or crashed"
        );
    }
}

/// In a child: assert! would take locks that another thread of the parent may have held.
fn expect<T: PartialEq + std::fmt::Debug>(got: redis_cache::Result<T>, right: T) -> Report {
    match got {
        Ok(value) if value == right => Ok(()),
        other => Err(format!("{other:?} instead of {right:?}")),
    }
}

fn text(value: &str) -> Option<String> {
    Some(value.to_owned())
}

fn every_server() -> impl Iterator<Item = Fixture> {
    [
        Backend::Tcp,
        Backend::Unix,
        Backend::RedisParser,
        Backend::Connector,
        Backend::Sentinel,
    ]
    .into_iter()
    .map(Fixture::new)
}

#[test]
fn the_child_uses_the_parents_cache_with_connections_of_its_own() {
    for at in every_server() {
        let at = at.alone();
        let cache = at.cache();
        cache.set("k", "of the parent", Expiry::Default).unwrap();
        let parents = at.server().clients();
        assert_eq!(parents.len(), 1);
        let child = in_a_child(|| {
            expect(cache.get("k"), text("of the parent"))?;
            expect(cache.set("k", "of the child", Expiry::Default), ())?;
            expect(cache.get("k"), text("of the child"))?;
            expect(cache.incr_or_create("n", 1, 5, Expiry::Default), 5)
        });
        child.must_succeed();
        assert_eq!(
            cache.get::<String>("k").unwrap(),
            text("of the child"),
            "{:?}",
            at.backend
        );
        assert_eq!(
            cache.stats().retries,
            0,
            "{:?}: the parent's connection was harmed",
            at.backend
        );
        let ids = |clients: Vec<String>| -> Vec<String> {
            let id = |line: &String| line.split(' ').next().unwrap_or_default().to_owned();
            clients.iter().map(id).collect()
        };
        let parents = ids(parents);
        eventually("only the parent's connection is left", || {
            ids(at.server().clients()) == parents
        });
    }
}

/// What the parent has measured is the parent's to tell.
#[test]
fn the_child_measures_for_itself() {
    for at in [Backend::Tcp, Backend::Memory, Backend::Ring].map(Fixture::new) {
        let cache = at.cache_with(&[("latencies", "true")]);
        cache.set("k", "x", Expiry::Default).unwrap();
        cache.get::<String>("k").unwrap();
        let seen = || -> Vec<(&str, u64)> {
            let all = cache.latencies().into_iter();
            all.map(|one| (one.operation, one.count)).collect()
        };
        let child = in_a_child(|| {
            expect(Ok(seen()), vec![])?;
            expect(cache.get("k"), text("x"))?;
            expect(Ok(seen()), vec![("GET", 1)])
        });
        child.must_succeed();
        assert_eq!(seen(), [("GET", 1), ("SET", 1)], "{:?}", at.backend);
    }
}

#[test]
fn replies_do_not_cross_between_parent_and_child() {
    for at in every_server() {
        let cache = at.cache();
        cache
            .set("parent", "for the parent", Expiry::Default)
            .unwrap();
        cache
            .set("child", "for the child", Expiry::Default)
            .unwrap();
        let child = in_a_child(|| {
            (0..300).try_for_each(|_| expect(cache.get("child"), text("for the child")))
        });
        for _ in 0..300 {
            assert_eq!(
                cache.get::<String>("parent").unwrap(),
                text("for the parent"),
                "{:?}",
                at.backend
            );
        }
        child.must_succeed();
        assert_eq!(cache.stats().retries, 0);
    }
}

/// Locks of pools and stores are held by other threads at the moment of the fork: the child must not wait for
/// threads it does not have.
fn forks_amid_traffic(cache: &Cache, backend: Backend) {
    let over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        for thread in 0..6 {
            let over = &over;
            scope.spawn(move || {
                let key = format!("k{thread}");
                while !over.load(Ordering::SeqCst) {
                    cache.set(&key, &thread, Expiry::Default).unwrap();
                    assert_eq!(cache.get::<i32>(&key).unwrap(), Some(thread));
                    cache
                        .get_or_set(format!("{key}!"), Duration::ZERO, || {
                            Ok::<_, String>(thread)
                        })
                        .unwrap();
                }
            });
        }
        for round in 0..12 {
            let child = in_a_child(|| {
                let key = format!("child {round}");
                expect(cache.set(&key, &round, Expiry::Default), ())?;
                expect(cache.get(&key), Some(round))?;
                expect(
                    cache.get_or_set("loaded", Duration::ZERO, || Ok::<_, String>(round)),
                    round,
                )?;
                let _ = cache.stats();
                cache.close();
                expect(cache.delete(&key), true)
            });
            child.must_succeed();
        }
        over.store(true, Ordering::SeqCst);
    });
    assert_eq!(cache.stats().errors, 0, "{backend:?}");
}

#[test]
fn forks_amid_the_traffic_of_other_threads_hang_nobody() {
    for at in every_server() {
        forks_amid_traffic(&at.cache_with(&[("max_connections", "3")]), at.backend);
    }
}

#[test]
fn the_embedded_store_is_whole_on_both_sides_of_a_fork() {
    let at = Fixture::new(Backend::Memory);
    let cache = at.cache();
    forks_amid_traffic(&cache, at.backend);
    cache.set("k", "before", Expiry::Default).unwrap();
    let child = in_a_child(|| {
        expect(cache.get("k"), text("before"))?;
        expect(cache.set("k", "changed", Expiry::Default), ())
    });
    child.must_succeed();
    assert_eq!(
        cache.get::<String>("k").unwrap(),
        text("before"),
        "the child has a copy"
    );
}

#[test]
fn a_load_that_was_under_way_at_the_fork_does_not_hold_the_child() {
    for at in every_server().chain([Fixture::new(Backend::Memory)]) {
        let cache = at.cache();
        let (loading, over) = (Barrier::new(2), Barrier::new(2));
        std::thread::scope(|scope| {
            let loader = scope.spawn(|| {
                cache.get_or_set("k", Expiry::Default, || {
                    loading.wait();
                    over.wait();
                    Ok::<_, String>("of the parent".to_owned())
                })
            });
            loading.wait();
            let child = in_a_child(|| {
                let load = || Ok::<_, String>("of the child".to_owned());
                expect(
                    cache.get_or_set("k", Duration::ZERO, load),
                    "of the child".to_owned(),
                )
            });
            child.must_succeed();
            over.wait();
            assert_eq!(
                loader.join().unwrap().unwrap(),
                "of the parent",
                "{:?}",
                at.backend
            );
        });
    }
}

#[test]
fn a_cache_dropped_in_the_child_harms_no_connection_of_the_parent() {
    for at in every_server() {
        let at = at.alone();
        let mut cache = Some(at.cache());
        let used = |cache: &Option<Cache>| cache.as_ref().unwrap().ping();
        used(&cache).unwrap();
        let child = in_a_child(|| {
            cache.take();
            Ok(())
        });
        child.must_succeed();
        // The child's copy is gone; this one never left.
        used(&cache).unwrap();
        assert_eq!(
            cache.as_ref().unwrap().stats().retries,
            0,
            "{:?}",
            at.backend
        );
    }
}

#[test]
fn a_grandchild_is_a_child() {
    let server = Server::start();
    let cache = Config::new()
        .server(&server.unix())
        .unwrap()
        .connect()
        .unwrap();
    cache.set_int("n", 0, Expiry::Default).unwrap();
    let child = in_a_child(|| {
        expect(cache.incr("n", 1), Some(1))?;
        let grandchild = in_a_child(|| expect(cache.incr("n", 1), Some(2)));
        grandchild.must_succeed();
        expect(cache.incr("n", 1), Some(3))
    });
    child.must_succeed();
    assert_eq!(cache.incr("n", 1).unwrap(), Some(4));
}

/// A child has an entry of nobody's: it reads for itself, on a connection of its own, and the parent goes on.
#[test]
fn a_child_begins_with_an_empty_near_cache() {
    let server = Server::start();
    let url = format!("{}?near=1m&near_max_lag=0s&timeout=20s", server.tcp());
    let cache = Cache::open(&url).unwrap();
    cache.set_bytes("k", b"v", Expiry::Default).unwrap();
    cache.get_bytes("k").unwrap();
    let is_over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                while !is_over.load(Ordering::SeqCst) {
                    assert!(cache.get_bytes("k").unwrap().is_some());
                }
            });
        }
        for _ in 0..10 {
            let child = in_a_child(|| {
                let hits = || cache.stats().near_hits;
                expect(cache.get_bytes("k"), Some(b"v".to_vec()))?;
                let before = hits();
                expect(cache.get_bytes("k"), Some(b"v".to_vec()))?;
                expect(Ok(hits() - before), 1)
            });
            child.must_succeed();
        }
        is_over.store(true, Ordering::SeqCst);
    });
    let before = cache.stats().near_hits;
    cache.get_bytes("k").unwrap();
    assert_eq!(cache.stats().near_hits, before + 1);
}
