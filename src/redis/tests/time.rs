//! Server time as a client keeps it: whatever its own clock on the wall does, and where the server contradicts it.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicUsize, Ordering};
use std::time::Duration;

use crate::base::budget::soon;
use crate::base::clocks::{step_wall, wall_us};
use crate::entry::header::{Header, LeaseBlock};
use crate::expiry::Clock;
use crate::store::{Access, Acquired, Claim, Force, Leases, Token, Values};

use super::super::RedisStore;
use super::super::testing::{self, MINUTE, Server, Whole, body, fake, greeting, location};

fn server_ms(server: &Server) -> u64 {
    let (seconds, micros): (u64, u64) = server.command(&["TIME"]);
    seconds * 1000 + micros / 1000
}

/// On the wall clock, an entry of a minute was over at once, or for ten minutes never.
#[test]
fn no_step_of_the_wall_clock_moves_the_servers() {
    let server = Server::start();
    for minutes in [10, -10] {
        let backend = server.backend();
        backend.set(b"k", body(b"v"), MINUTE, soon()).unwrap();
        step_wall(minutes, 60_000_000);
        let found = backend.get(b"k", Access::Read, &mut Whole::default(), soon());
        let ours = found.unwrap().unwrap().now_ms();
        assert!(ours.abs_diff(server_ms(&server)) < 30_000, "{ours}");
        // And so for whoever connects while the clock is wrong.
        let late = server.backend();
        let clock = late.clock(b"k", soon()).unwrap();
        assert!(clock.is_known());
        assert!(clock.now_ms().abs_diff(server_ms(&server)) < 30_000);
        step_wall(-minutes, 60_000_000);
    }
}

#[test]
fn a_server_that_does_not_tell_the_time_is_judged_by_the_wall_clock_and_that_is_said() {
    let address = fake(|_, command| match command[0].as_slice() {
        b"TIME" => Some(b"-NOPERM no permission\r\n".to_vec()),
        b"GET" => Some(b"$1\r\nv\r\n".to_vec()),
        _ => greeting(command),
    });
    step_wall(1, 3_600_000_000);
    let backend = testing::backend(address, &Default::default());
    let clock = backend.clock(b"k", soon()).unwrap();
    assert!(!clock.is_known());
    let wall_ms = wall_us().unsigned_abs() / 1000;
    assert!(clock.now_ms().abs_diff(wall_ms) < 30_000);
    step_wall(-1, 3_600_000_000);
    let found = backend.get(b"k", Access::Read, &mut Whole::default(), soon());
    assert_eq!(found.unwrap(), Some(clock), "as of the connect");
}

/// A sink that has seen a header.
#[derive(Default)]
struct Headed(u64);

impl crate::store::Sink for Headed {
    fn begin(&mut self, head: &[u8], _: usize) -> crate::error::Result<crate::store::Room<'_>> {
        let lease = Header::parse(head).and_then(|header| header.lease);
        self.0 = lease.map_or(0, |lease| lease.soft_expire_ms);
        Ok(crate::store::Room::Discard)
    }

    fn fresh_until_ms(&self) -> u64 {
        self.0
    }
}

/// The server's clock is set back by an hour; what it calls fresh is over for us, until ACQUIRE says otherwise.
#[test]
fn what_acquire_says_corrects_the_clock_at_most_once_a_second() {
    let (ahead_us, asked) = (
        Arc::new(AtomicI64::new(3_600_000_000)),
        Arc::new(AtomicUsize::new(0)),
    );
    let (told, counted) = (Arc::clone(&ahead_us), Arc::clone(&asked));
    let address = fake(move |_, command| {
        let now_us = wall_us() + told.load(Ordering::SeqCst);
        match command[0].as_slice() {
            b"TIME" => {
                counted.fetch_add(1, Ordering::SeqCst);
                let (seconds, micros) = (
                    (now_us / 1_000_000).to_string(),
                    (now_us % 1_000_000).to_string(),
                );
                let (s, m) = (seconds.len(), micros.len());
                Some(format!("*2\r\n${s}\r\n{seconds}\r\n${m}\r\n{micros}\r\n").into_bytes())
            }
            b"EVALSHA" | b"EVAL" => {
                let lease = LeaseBlock {
                    soft_expire_ms: now_us.unsigned_abs() / 1000 + 60_000,
                    stale_ms: 60_000,
                    ..LeaseBlock::default()
                };
                let header = Header {
                    lease: Some(lease),
                    ..Header::short(0, 0)
                };
                let value = header.encode();
                let mut reply = format!("*2\r\n:3\r\n${}\r\n", value.len()).into_bytes();
                reply.extend_from_slice(&value);
                reply.extend_from_slice(b"\r\n");
                Some(reply)
            }
            _ => greeting(command),
        }
    });
    let options = Default::default();
    let backend = RedisStore::new(&options, &[location(address)], &Default::default()).unwrap();
    let acquire = || {
        let claim = Claim {
            token: Token::new(),
            lease_ms: 1000,
            force: Force::No,
            seen: None,
        };
        let (answer, clock) = backend
            .acquire(b"k", claim, &mut Headed::default(), soon())
            .unwrap();
        assert_eq!(answer, Acquired::Found(()));
        clock
    };
    let is_an_hour_ahead =
        |clock: Clock| clock.now_ms() > wall_us().unsigned_abs() / 1000 + 3_000_000;
    assert!(is_an_hour_ahead(acquire()));
    ahead_us.store(0, Ordering::SeqCst);
    let before = asked.load(Ordering::SeqCst);
    // Within a second of the greeting nothing is asked; then once.
    let begin = std::time::Instant::now();
    while is_an_hour_ahead(acquire()) {
        assert!(begin.elapsed() < Duration::from_secs(20), "it never asked");
        std::thread::sleep(Duration::from_millis(50));
    }
    for _ in 0..20 {
        acquire();
    }
    assert_eq!(asked.load(Ordering::SeqCst) - before, 1);
}

#[test]
fn an_old_difference_is_asked_for_after_a_miss_and_never_on_a_hit() {
    let server = Server::start();
    let backend = server.backend();
    let now = server_ms(&server);
    for (key, soft_expire_ms) in [("fresh", now + 3_600_000), ("over", now - 1000)] {
        let lease = LeaseBlock {
            soft_expire_ms,
            stale_ms: 60_000,
            ..LeaseBlock::default()
        };
        let header = Header {
            lease: Some(lease),
            ..Header::short(0, 0)
        };
        let set = backend.set(key.as_bytes(), body(&header.encode()), MINUTE, soon());
        set.unwrap();
    }
    backend.set(b"short", body(b"v"), MINUTE, soon()).unwrap();
    let node = backend.fleet.topology.only().unwrap();
    for (key, expected) in [("fresh", 0), ("short", 0), ("over", 1), ("none", 1)] {
        node.age_clock();
        let before = server.calls("time");
        for _ in 0..3 {
            let found = backend.get(key.as_bytes(), Access::Read, &mut Headed::default(), soon());
            assert_eq!(found.unwrap().is_some(), key != "none");
        }
        assert_eq!(server.calls("time") - before, expected, "{key}");
    }
}
