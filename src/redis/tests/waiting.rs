//! Servers that hang, are down or say "not now": how long a call waits for them.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use crate::base::budget::{minute, quickly, soon};
use crate::config::Options;
use crate::error::ErrorKind;
use crate::expiry::Life;
use crate::store::{Access, Store, Values};

use super::super::testing::{
    Server, backend, body, fake, get, get_within, greeting, keys, quick, set,
};

#[test]
fn a_hung_server_ends_the_call_with_its_budget() {
    let server = Server::start();
    let backend = backend(server.tcp(), &quick());
    set(&backend, "k", b"v").unwrap();
    server.signal(libc::SIGSTOP);
    let begin = Instant::now();
    let error = get_within(&backend, "k", quickly()).unwrap_err();
    let took = begin.elapsed();
    server.signal(libc::SIGCONT);
    assert!(error.is_timeout());
    assert!(
        error.to_string().contains("GET: no reply within 300ms"),
        "{error}"
    );
    assert!(
        (Duration::from_millis(290)..Duration::from_secs(10)).contains(&took),
        "{took:?}"
    );
    assert_eq!(backend.traffic().retries, 0);
    assert_eq!(backend.traffic().connections_open, 0);
    assert_eq!(get(&backend, "k").unwrap().unwrap(), b"v");
}

#[test]
fn a_hung_server_is_not_waited_for_longer_than_the_connect_timeout() {
    let server = Server::start();
    let options = Options {
        timeout: Duration::from_secs(60),
        connect_timeout: Duration::from_millis(100),
        ..Options::default()
    };
    let backend = backend(server.tcp(), &options);
    server.signal(libc::SIGSTOP);
    let begin = Instant::now();
    let error = get(&backend, "k").unwrap_err();
    let took = begin.elapsed();
    server.signal(libc::SIGCONT);
    assert!(error.is_timeout(), "{error}");
    assert!(took < Duration::from_secs(30), "{took:?}");
}

#[test]
fn the_breaker_refuses_probes_and_opens_again() {
    let mut server = Server::start();
    let options = Options {
        breaker_backoff: Duration::from_secs(2),
        breaker_backoff_max: Duration::from_secs(2),
        ..quick()
    };
    let backend = backend(server.tcp(), &options);
    server.stop();
    for _ in 0..5 {
        assert_eq!(get(&backend, "k").unwrap_err().kind(), ErrorKind::Io);
    }
    let error = get(&backend, "k").unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    assert_eq!(error.node(), Some(server.tcp().to_string().as_str()));
    assert!(error.to_string().contains("tried again in"), "{error}");
    assert_eq!(backend.traffic().refused, 1);
    server.restart();
    let deadline = Instant::now() + Duration::from_secs(30);
    while get(&backend, "k").is_err() {
        assert!(Instant::now() < deadline, "it is never let in again");
        std::thread::sleep(Duration::from_millis(10));
    }
    assert_eq!(get(&backend, "k").unwrap(), None);
}

#[test]
fn server_errors_do_not_trip_the_breaker() {
    let server = Server::start();
    let backend = server.backend();
    server.command::<()>(&["RPUSH", "list", "a"]);
    for _ in 0..20 {
        assert_eq!(
            get(&backend, "list").unwrap_err().kind(),
            ErrorKind::WrongType
        );
    }
    assert_eq!(backend.traffic().refused, 0);
}

#[test]
fn a_server_that_is_loading_is_asked_again_within_the_budget() {
    for refusal in [
        "LOADING Redis is loading the dataset in memory",
        "READONLY You can't write",
        "TRYAGAIN later",
    ] {
        let asked = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&asked);
        let address = fake(move |_, command| match command[0].as_slice() {
            b"SET" | b"MGET" | b"PING" if count.fetch_add(1, Ordering::Relaxed) % 3 != 2 => {
                Some(format!("-{refusal}\r\n").into_bytes())
            }
            b"SET" | b"PING" => Some(b"+OK\r\n".to_vec()),
            b"MGET" => Some(b"*1\r\n$1\r\nv\r\n".to_vec()),
            _ => greeting(command),
        });
        let backend = backend(address, &Options::default());
        set(&backend, "k", b"v").unwrap();
        backend.ping(soon()).unwrap();
        let keys = keys(&["k"]);
        let mut told = 0;
        backend.get_many(&keys, Access::Read, soon(), &mut |_, value, _| {
            told += value.unwrap().unwrap().len()
        });
        assert_eq!((told, asked.load(Ordering::Relaxed)), (1, 9));
        assert_eq!(backend.traffic().connections_open, 1);
    }
}

/// Guards: a server that loads for minutes cost every call its whole budget.
#[test]
fn a_server_that_goes_on_loading_is_reported_after_a_moment() {
    let asked = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&asked);
    let address = fake(move |_, command| {
        greeting(command).or_else(|| {
            count.fetch_add(1, Ordering::Relaxed);
            Some(b"-LOADING Redis is loading the dataset in memory\r\n".to_vec())
        })
    });
    let backend = backend(address, &Options::default());
    let begin = Instant::now();
    let error = get_within(&backend, "k", minute()).unwrap_err();
    assert!(error.is_unavailable(), "{error}");
    let keys = keys(&["k"]);
    let mut told = Vec::new();
    backend.delete_many(&keys, minute(), &mut |_, outcome| {
        told.push(outcome.unwrap_err().is_unavailable())
    });
    assert_eq!(told, [true]);
    assert!(backend.ping(minute()).unwrap_err().is_unavailable());
    assert!(begin.elapsed() < Duration::from_secs(60));
    let asked = asked.load(Ordering::Relaxed);
    assert!((3..=30).contains(&asked), "{asked}");
}

#[test]
fn a_full_server_is_reported_at_once() {
    let server = Server::with(&["--maxmemory", "1", "--maxmemory-policy", "noeviction"]);
    let backend = server.backend();
    for error in [
        set(&backend, "k", b"v").unwrap_err(),
        backend
            .add(b"k", body(b"v"), Life::Forever, soon())
            .unwrap_err(),
        backend
            .incr_or_create(b"k", 1, 1, Life::Forever, soon())
            .unwrap_err(),
    ] {
        assert_eq!(error.code(), Some("OOM"), "{error}");
        assert!(error.is_unavailable());
    }
}
