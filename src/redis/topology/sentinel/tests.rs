use std::sync::atomic::{AtomicU16, AtomicUsize, Ordering};

use crate::base::fork::testing::in_child;
use crate::config;
use crate::redis::RedisStore;
use crate::redis::testing::{fake, get, greeting, location, set};
use crate::store::Store;

use super::known::CALM;
use super::*;

/// A sentinel that says what it is told to, and counts how often it is asked.
#[derive(Default)]
struct Said {
    port: AtomicU16,
    asked: AtomicUsize,
    thinks: Duration,
}

fn sentinel(said: &Arc<Said>) -> Address {
    let said = Arc::clone(said);
    fake(move |_, command| {
        greeting(command).or_else(|| {
            if command[1] == b"MASTER" {
                return Some(b"*0\r\n".to_vec());
            }
            said.asked.fetch_add(1, Ordering::SeqCst);
            std::thread::sleep(said.thinks);
            let port = said.port.load(Ordering::SeqCst).to_string();
            let len = port.len();
            Some(format!("*2\r\n$9\r\n127.0.0.1\r\n${len}\r\n{port}\r\n").into_bytes())
        })
    })
}

/// A server that says what it is, and answers every command so.
fn server(role: &'static str, answer: &'static [u8]) -> u16 {
    let address = fake(move |_, command| {
        greeting(command).or_else(|| match command[0].as_slice() {
            b"ROLE" => {
                let len = role.len();
                Some(format!("*3\r\n${len}\r\n{role}\r\n:0\r\n*0\r\n").into_bytes())
            }
            _ => Some(answer.to_vec()),
        })
    });
    match address {
        Address::Tcp { port, .. } => port,
        _ => unreachable!(),
    }
}

fn backend(said: &Arc<Said>) -> RedisStore {
    let options = Options {
        topology: Some(config::Topology::Sentinel),
        sentinel_name: Some("it".to_owned()),
        ..Options::default()
    };
    RedisStore::new(&options, &[location(sentinel(said))], &Hooks::default()).unwrap()
}

#[test]
fn callers_that_know_nothing_share_one_look() {
    let said = Arc::new(Said {
        thinks: Duration::from_millis(50),
        ..Said::default()
    });
    said.port
        .store(server("master", b"$1\r\nv\r\n"), Ordering::SeqCst);
    let backend = backend(&said);
    std::thread::scope(|scope| {
        for _ in 0..16 {
            scope.spawn(|| assert_eq!(get(&backend, "k").unwrap().unwrap(), b"v"));
        }
    });
    assert_eq!(said.asked.load(Ordering::SeqCst), 1);
}

#[test]
fn callers_that_find_nothing_share_that_too() {
    let said = Arc::new(Said {
        thinks: Duration::from_millis(700),
        ..Said::default()
    });
    let backend = backend(&said);
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| get(&backend, "k").unwrap_err());
        }
    });
    assert_eq!(said.asked.load(Ordering::SeqCst), 1);
}

#[test]
fn a_refusal_that_tells_of_a_failover_makes_the_call_look_and_go_on() {
    for answer in [
        b"-READONLY You can't write\r\n".as_slice(),
        b"-NOREPLICAS Not enough\r\n",
    ] {
        let said = Arc::new(Said::default());
        said.port.store(server("master", answer), Ordering::SeqCst);
        let backend = backend(&said);
        let error = set(&backend, "k", b"v").unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Server);

        std::thread::sleep(CALM);
        said.port
            .store(server("master", b"+OK\r\n"), Ordering::SeqCst);
        set(&backend, "k", b"v").unwrap();
    }
}

#[test]
fn a_server_that_says_it_is_a_replica_is_asked_for_nothing() {
    let said = Arc::new(Said::default());
    said.port
        .store(server("slave", b"$5\r\nstale\r\n"), Ordering::SeqCst);
    let backend = backend(&said);
    let error = get(&backend, "k").unwrap_err();
    assert_eq!(error.code(), Some("READONLY"), "{error}");
    assert_eq!(
        set(&backend, "k", b"v").unwrap_err().code(),
        Some("READONLY")
    );
}

#[test]
fn what_is_known_is_known_to_a_forked_child() {
    let said = Arc::new(Said::default());
    said.port
        .store(server("master", b"$1\r\nv\r\n"), Ordering::SeqCst);
    let backend = backend(&said);
    get(&backend, "k").unwrap();
    assert!(in_child(|| {
        assert_eq!(backend.traffic().connections_idle, 0);
        assert_eq!(get(&backend, "k").unwrap().unwrap(), b"v");
    }));
    assert!(said.asked.load(Ordering::SeqCst) <= 2);
}

#[test]
fn a_child_looks_for_itself_when_a_thread_was_looking_at_the_fork() {
    let said = Arc::new(Said {
        thinks: Duration::from_millis(100),
        ..Said::default()
    });
    said.port
        .store(server("master", b"$1\r\nv\r\n"), Ordering::SeqCst);
    let backend = backend(&said);
    std::thread::scope(|scope| {
        scope.spawn(|| get(&backend, "k").unwrap());
        std::thread::sleep(Duration::from_millis(30));
        assert!(in_child(|| assert_eq!(
            get(&backend, "k").unwrap().unwrap(),
            b"v"
        )));
    });
}
