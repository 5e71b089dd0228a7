//! Connections that die and servers that lie: what is repeated, what is not, and what it costs.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use crate::base::budget::{quickly, soon};
use crate::config::Options;
use crate::error::{Error, ErrorKind, Result};
use crate::expiry::Life;
use crate::store::{Access, Room, Sink, Store, Values};

use super::super::RedisStore;
use super::super::testing::{
    Server, backend, body, fake, fill_pool, get, greeting, keys, quick, set,
};

#[test]
fn a_restarted_server_costs_one_retry_for_all_connections() {
    for address in [Server::unix, Server::tcp] {
        let mut server = Server::start();
        let trusting = Options {
            idle_check: Duration::from_secs(10),
            ..Options::default()
        };
        let backend = backend(address(&server), &trusting);
        set(&backend, "k", b"v").unwrap();
        fill_pool(&backend, 5);
        server.restart();
        assert_eq!(get(&backend, "k").unwrap(), None);
        assert_eq!(
            (
                backend.traffic().retries,
                backend.traffic().connections_open
            ),
            (1, 1)
        );
        set(&backend, "k", b"w").unwrap();
        assert_eq!(get(&backend, "k").unwrap().unwrap(), b"w");
        assert_eq!(backend.traffic().retries, 1);
    }
}

#[test]
fn a_killed_idle_connection_is_replaced_silently() {
    let server = Server::start();
    let backend = server.backend();
    set(&backend, "k", b"1").unwrap();
    let kill = || {
        server.command::<u64>(&["CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes"]);
        std::thread::sleep(Duration::from_millis(15));
    };
    kill();
    assert_eq!(get(&backend, "k").unwrap().unwrap(), b"1");
    kill();
    set(&backend, "k", b"2").unwrap();
    kill();
    assert_eq!(backend.incr(b"k", 1, soon()).unwrap(), Some(3));
    kill();
    assert!(
        !backend
            .add(b"k", body(b"x"), Life::Forever, soon())
            .unwrap()
    );
    kill();
    let keys = keys(&["k"]);
    let mut stored = false;
    backend.set_many(
        &keys,
        &[(body(b"9"), Life::Forever)],
        soon(),
        &mut |_, outcome| stored = outcome.unwrap(),
    );
    assert!(stored);
}

#[test]
fn a_write_is_not_repeated_after_an_unknown_outcome_and_a_read_is() {
    let counted = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&counted);
    let address = fake(move |connection, command| match command[0].as_slice() {
        b"GET" | b"SET" | b"UNLINK" if connection == 0 => {
            count.fetch_add(1, Ordering::Relaxed);
            None
        }
        b"GET" => Some(b"$1\r\nv\r\n".to_vec()),
        b"UNLINK" => Some(b":1\r\n".to_vec()),
        b"SET" => Some(b"+OK\r\n".to_vec()),
        _ => greeting(command),
    });
    let first = backend(address.clone(), &quick());
    let error = set(&first, "k", b"v").unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Io);
    assert_eq!(first.traffic().retries, 0);
    set(&first, "k", b"v").unwrap();
    assert_eq!(counted.load(Ordering::Relaxed), 1);

    for call in [
        |b: &RedisStore| get(b, "k").map(drop),
        |b: &RedisStore| b.delete(b"k", quickly()).map(drop),
    ] {
        let address = fake(|connection, command| match command[0].as_slice() {
            _ if greeting(command).is_some() => greeting(command),
            _ if connection == 0 => None,
            b"GET" => Some(b"$1\r\nv\r\n".to_vec()),
            _ => Some(b":1\r\n".to_vec()),
        });
        let backend = backend(address, &quick());
        call(&backend).unwrap();
        assert_eq!(backend.traffic().retries, 1);
    }
}

#[test]
fn a_reply_of_the_wrong_shape_closes_the_connection() {
    let address = fake(|_, command| greeting(command).or(Some(b"+OK\r\n".to_vec())));
    let backend = backend(address, &quick());
    let error = backend.incr(b"k", 1, quickly()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Io);
    assert_eq!(backend.traffic().connections_open, 0);
}

#[test]
fn a_panic_in_the_middle_of_a_reply_costs_that_connection_only() {
    struct Panics;
    impl Sink for Panics {
        fn begin(&mut self, _: &[u8], _: usize) -> Result<Room<'_>> {
            std::panic::resume_unwind(Box::new(()))
        }
    }
    let server = Server::start();
    let backend = backend(
        server.unix(),
        &Options {
            max_connections: 1,
            ..Options::default()
        },
    );
    set(&backend, "k", b"v").unwrap();
    for _ in 0..3 {
        let call =
            std::panic::AssertUnwindSafe(|| backend.get(b"k", Access::Read, &mut Panics, soon()));
        assert!(std::panic::catch_unwind(call).is_err());
    }
    assert_eq!(get(&backend, "k").unwrap().unwrap(), b"v");
}

#[test]
fn the_refusal_of_a_sink_is_no_fault_of_the_node() {
    struct Refuses;
    impl Sink for Refuses {
        fn begin(&mut self, _: &[u8], _: usize) -> Result<Room<'_>> {
            Err(Error::new(ErrorKind::Decode, "unwanted"))
        }
    }
    let server = Server::start();
    let backend = server.backend();
    set(&backend, "small", b"v").unwrap();
    set(&backend, "large", &vec![0; 1_000_000]).unwrap();
    for _ in 0..7 {
        for key in ["small", "large"] {
            let error = backend
                .get(key.as_bytes(), Access::Read, &mut Refuses, soon())
                .unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Decode);
        }
    }
    assert_eq!(
        (backend.traffic().retries, backend.traffic().refused),
        (0, 0)
    );
    assert_eq!(get(&backend, "small").unwrap().unwrap(), b"v");
}
