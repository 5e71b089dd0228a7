//! Commands of several threads on one connection.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

use crate::base::budget::{Budget, minute};
use crate::config::{Options, Parser, Pipelining};
use crate::error::{Error, ErrorKind, Result};
use crate::expiry::Life;
use crate::store::{Room, Sink, Store, Values};

use super::super::RedisStore;
use super::super::command::values::Get;
use super::super::testing::{
    MINUTE, Server, Whole, backend, body, fake, get_within, greeting, set_within,
};

pub(super) fn few(connections: usize) -> Options {
    Options {
        max_connections: connections,
        timeout: Duration::from_secs(60),
        pool_timeout: Duration::from_secs(60),
        breaker_failures: 1_000_000,
        ..Options::default()
    }
}

/// Threads that read, write, are refused and find nothing, each with keys of its own.
fn everybody_gets_its_own(options: &Options, threads: usize, rounds: usize) {
    let server = Server::start();
    let store = backend(server.unix(), options);
    server.command::<()>(&["RPUSH", "list", "a"]);
    std::thread::scope(|scope| {
        for thread in 0..threads {
            let store = &store;
            scope.spawn(move || {
                let key = format!("k{thread}");
                for round in 0..rounds {
                    let len = match round % 20 {
                        0 => 300_000 + thread,
                        1..4 => 5_000 + thread,
                        _ => thread * 7 + round,
                    };
                    let value = vec![b'a' + (thread % 26) as u8; len];
                    set_within(store, &key, &value, minute()).unwrap();
                    let found = get_within(store, &key, minute()).unwrap();
                    assert!(found == Some(value));
                    let refused = get_within(store, "list", minute()).unwrap_err();
                    assert_eq!(refused.kind(), ErrorKind::WrongType);
                    assert_eq!(get_within(store, "nothing", minute()).unwrap(), None);
                    let other = body(b"other");
                    assert!(!store.add(key.as_bytes(), other, MINUTE, minute()).unwrap());
                    assert!(store.delete(key.as_bytes(), minute()).unwrap());
                }
            });
        }
    });
    let traffic = store.traffic();
    assert!(traffic.connections_open <= options.max_connections as u64);
    assert_eq!(traffic.connections_idle, traffic.connections_open);
    assert_eq!(traffic.retries, 0);
}

#[test]
fn many_threads_share_one_connection_and_each_gets_its_own() {
    everybody_gets_its_own(&few(1), 16, 40);
}

#[test]
fn the_same_with_the_parser_of_the_redis_crate() {
    let options = Options {
        parser: Parser::Redis,
        ..few(2)
    };
    everybody_gets_its_own(&options, 8, 20);
}

#[test]
fn the_same_one_after_the_other() {
    let options = Options {
        pipelining: Pipelining::Off,
        ..few(2)
    };
    everybody_gets_its_own(&options, 8, 20);
}

#[test]
#[ignore = "long: by make torture"]
fn long_256_threads_share_one_connection() {
    everybody_gets_its_own(&few(1), 256, 400);
}

#[test]
fn two_hundred_and_fifty_six_threads_share_one_connection() {
    everybody_gets_its_own(&few(1), 256, 2);
}

/// A server with a gate, which holds the reply to "first" back until it is opened, and never answers "never".
struct Gated {
    store: RedisStore,
    gate: Arc<Gate>,
    heard: Arc<Mutex<Vec<String>>>,
}

#[derive(Default)]
pub(super) struct Gate {
    is_open: Mutex<bool>,
    opened: Condvar,
}

impl Gate {
    pub(super) fn open(&self) {
        *self.is_open.lock().unwrap() = true;
        self.opened.notify_all();
    }

    pub(super) fn pass(&self) {
        let open = self.is_open.lock().unwrap();
        drop(self.opened.wait_while(open, |is_open| !*is_open).unwrap());
    }
}

impl Gated {
    /// At "die" the first connection ends; "late" waits for a gate of its own.
    fn new(options: &Options, late: Arc<Gate>) -> Gated {
        let gate = Arc::new(Gate::default());
        let heard = Arc::new(Mutex::new(Vec::new()));
        let (at, told) = (Arc::clone(&gate), Arc::clone(&heard));
        let address = fake(move |number, command| {
            let is_set = command[0] == b"SET";
            if command[0] != b"GET" && !is_set {
                return greeting(command);
            }
            let key = String::from_utf8_lossy(&command[1]).into_owned();
            told.lock().unwrap().push(key.clone());
            match key.as_str() {
                "first" => at.pass(),
                "late" => late.pass(),
                "die" if number == 0 => return None,
                _ => {}
            }
            let value = format!("${}\r\n{key}\r\n", key.len());
            Some(if is_set {
                b"+OK\r\n".to_vec()
            } else {
                value.into_bytes()
            })
        });
        Gated {
            store: backend(address, options),
            gate,
            heard,
        }
    }

    fn heard(&self, key: &str) -> usize {
        let heard = self.heard.lock().unwrap();
        heard.iter().filter(|other| *other == key).count()
    }

    /// "first" has the connection while the others come, in this order; then the gate is opened.
    fn together<R: Send>(&self, riders: &[&(dyn Fn(&RedisStore) -> R + Sync)]) -> Vec<R> {
        let node = self.store.fleet.topology.only().unwrap();
        std::thread::scope(|scope| {
            scope.spawn(|| read(&self.store, "first", 60_000).unwrap());
            while self.heard("first") == 0 {
                std::thread::yield_now();
            }
            let mut threads = Vec::new();
            for rider in riders {
                let before = node.pool().in_line();
                threads.push(scope.spawn(move || rider(&self.store)));
                while node.pool().in_line() == before && !threads.iter().any(|it| it.is_finished())
                {
                    std::thread::yield_now();
                }
            }
            self.gate.open();
            threads.into_iter().map(|it| it.join().unwrap()).collect()
        })
    }
}

fn read(store: &RedisStore, key: &str, ms: u64) -> Result<Vec<u8>> {
    let found = get_within(store, key, Budget::new(Duration::from_millis(ms)))?;
    Ok(found.unwrap_or_default())
}

#[test]
fn whose_time_is_over_leaves_and_the_others_get_theirs() {
    let late = Arc::new(Gate::default());
    let gated = Gated::new(&few(1), Arc::clone(&late));
    let left = AtomicUsize::new(0);
    let leaves = |store: &RedisStore, key: &str| {
        let outcome = read(store, key, 1500);
        // When both are gone the server goes on.
        if left.fetch_add(1, Ordering::SeqCst) == 1 {
            late.open();
        }
        outcome
    };
    let answers = gated.together::<Result<Vec<u8>>>(&[
        // The lead, whose time ends before a byte of its reply comes.
        &|store| leaves(store, "late"),
        &|store| leaves(store, "behind"),
        &|store| read(store, "long", 60_000),
    ]);
    assert!(answers[0].as_ref().unwrap_err().is_timeout());
    assert!(answers[1].as_ref().unwrap_err().is_timeout());
    assert_eq!(answers[2].as_ref().unwrap(), b"long");
    assert_eq!(read(&gated.store, "again", 60_000).unwrap(), b"again");
    let traffic = gated.store.traffic();
    assert_eq!((traffic.connections_open, traffic.retries), (1, 0));
    assert_eq!(gated.heard("late"), 1);
}

#[test]
fn who_is_still_in_line_when_pool_timeout_is_over_was_never_sent() {
    let options = Options {
        pool_timeout: Duration::from_millis(20),
        ..few(1)
    };
    let gated = Gated::new(&options, Arc::default());
    std::thread::scope(|scope| {
        scope.spawn(|| read(&gated.store, "first", 60_000).unwrap());
        while gated.heard("first") == 0 {
            std::thread::yield_now();
        }
        let error = read(&gated.store, "queued", 60_000).unwrap_err();
        assert!(error.is_timeout());
        let text = error.to_string();
        assert!(text.contains("within 20ms: all 1 are in use"), "{text}");
        gated.gate.open();
    });
    assert_eq!(gated.heard("queued"), 0);
}

#[test]
fn a_connection_that_breaks_costs_those_who_may_not_be_sent_again() {
    let gated = Gated::new(&few(1), Arc::default());
    let write = |store: &RedisStore| set_within(store, "k", b"v", minute()).map(|()| Vec::new());
    let answers = gated.together::<Result<Vec<u8>>>(&[
        &|store| read(store, "die", 60_000),
        &|store| read(store, "read", 60_000),
        &write,
    ]);
    assert_eq!(answers[0].as_ref().unwrap(), b"die");
    assert_eq!(answers[1].as_ref().unwrap(), b"read");
    assert_eq!(answers[2].as_ref().unwrap_err().kind(), ErrorKind::Io);
    assert_eq!(gated.store.traffic().connections_open, 1);
}

struct Bomb;

impl Sink for Bomb {
    fn begin(&mut self, _: &[u8], _: usize) -> Result<Room<'_>> {
        panic!("the sink panics")
    }
}

#[test]
fn a_sink_that_panics_costs_the_others_nothing() {
    let gated = Gated::new(&few(1), Arc::default());
    let panics = |store: &RedisStore| {
        let node = store.fleet.topology.only().unwrap();
        let outcome = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            let (key, sink): (&[u8], &mut dyn Sink) = (b"bomb", &mut Bomb);
            drop(node.run(0, minute(), &mut Get { key, sink }));
        }));
        assert!(outcome.is_err());
        Err(Error::new(ErrorKind::Io, "it panicked"))
    };
    let answers = gated.together::<Result<Vec<u8>>>(&[
        &panics,
        &|store| read(store, "one", 60_000),
        &panics,
        &|store| read(store, "two", 60_000),
    ]);
    assert_eq!(answers[1].as_ref().unwrap(), b"one");
    assert_eq!(answers[3].as_ref().unwrap(), b"two");
}

/// One connection ends at every so many bytes: whoever gets a reply gets its own.
fn killed_all_the_time(threads: usize, time: Duration) {
    let server = Server::start();
    let store = backend(server.unix(), &few(3));
    let value = |thread: usize| format!("v{thread}").into_bytes();
    for thread in 0..threads {
        let (key, value) = (format!("k{thread}"), value(thread));
        let stored = store.set(key.as_bytes(), body(&value), Life::Forever, minute());
        stored.unwrap();
    }
    let (stop, good) = (AtomicBool::new(false), AtomicUsize::new(0));
    std::thread::scope(|scope| {
        for thread in 0..threads {
            let (store, stop, good) = (&store, &stop, &good);
            scope.spawn(move || {
                let key = format!("k{thread}");
                while !stop.load(Ordering::Relaxed) {
                    match get_within(store, &key, minute()) {
                        Ok(found) => {
                            assert_eq!(found.unwrap(), value(thread));
                            good.fetch_add(1, Ordering::Relaxed);
                        }
                        Err(error) => assert_eq!(error.kind(), ErrorKind::Io, "{error}"),
                    }
                }
            });
        }
        let begin = std::time::Instant::now();
        while begin.elapsed() < time {
            server.command::<i64>(&["CLIENT", "KILL", "TYPE", "normal"]);
            std::thread::sleep(Duration::from_millis(3));
        }
        stop.store(true, Ordering::Relaxed);
    });
    assert!(good.load(Ordering::Relaxed) > threads);
    assert!(store.traffic().connections_open <= 3);
}

#[test]
fn connections_are_killed_all_the_time_and_no_reply_goes_astray() {
    killed_all_the_time(24, Duration::from_millis(500));
}

#[test]
#[ignore = "long: by make torture"]
fn long_connections_are_killed_for_a_minute_and_no_reply_goes_astray() {
    killed_all_the_time(64, Duration::from_secs(60));
}

#[test]
fn what_is_alone_or_too_long_waits_for_a_connection_of_its_own() {
    let gated = Gated::new(&few(1), Arc::default());
    let long = vec![b'x'; 100_000];
    let answers = gated.together::<Result<Vec<u8>>>(&[
        &|store| read(store, "one", 60_000),
        &|store| set_within(store, "long", &long, minute()).map(|()| Vec::new()),
        &|store| {
            let found = store.fleet.topology.only().unwrap();
            found.age_clock();
            found.refresh_clock(minute());
            Ok(Vec::new())
        },
        &|store| read(store, "two", 60_000),
    ]);
    assert_eq!(answers[0].as_ref().unwrap(), b"one");
    assert!(answers[1].is_ok() && answers[2].is_ok());
    assert_eq!(answers[3].as_ref().unwrap(), b"two");
    drop(Whole::default());
}
