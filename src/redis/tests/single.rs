//! The primitives over one key, against a real server.

use crate::base::budget::soon;
use crate::error::ErrorKind;
use crate::expiry::{Life, local_unix_ms};
use crate::store::{Access, Pttl, Store, Value, Values};

use super::super::testing::{MINUTE, Server, Whole, body, get, set};

#[test]
fn a_value_is_stored_read_and_removed() {
    let server = Server::start();
    let backend = server.backend();
    assert_eq!(get(&backend, "k").unwrap(), None);
    backend
        .set(
            b"k",
            Value {
                head: b"head-",
                body: b"body",
            },
            Life::Forever,
            soon(),
        )
        .unwrap();
    assert_eq!(get(&backend, "k").unwrap().unwrap(), b"head-body");
    assert_eq!(server.command::<i64>(&["PTTL", "k"]), -1);
    backend
        .set(b"k", body(b""), Life::Millis(5_000), soon())
        .unwrap();
    assert_eq!(get(&backend, "k").unwrap().unwrap(), b"");
    assert!((4_000..=5_000).contains(&server.command::<i64>(&["PTTL", "k"])));
    assert!(backend.delete(b"k", soon()).unwrap());
    assert!(!backend.delete(b"k", soon()).unwrap());
    set(&backend, "k", b"v").unwrap();
    backend
        .set(b"k", body(b"w"), Life::Expired, soon())
        .unwrap();
    assert_eq!(get(&backend, "k").unwrap(), None);
}

#[test]
fn large_values_and_odd_keys_survive() {
    let server = Server::start();
    let backend = server.backend();
    let value: Vec<u8> = (0..3_000_000_u32).map(|at| at as u8).collect();
    backend
        .set(b"\x00\r\n$*\xff", body(&value), MINUTE, soon())
        .unwrap();
    assert_eq!(get(&backend, "other").unwrap(), None);
    let mut kept = Whole::default();
    assert!(
        backend
            .get(b"\x00\r\n$*\xff", Access::Read, &mut kept, soon())
            .unwrap()
            .is_some()
    );
    assert!(kept.0 == value);
}

#[test]
fn a_hit_is_one_command_and_a_miss_too() {
    let server = Server::start();
    let backend = server.backend();
    set(&backend, "k", b"v").unwrap();
    server.command::<()>(&["CONFIG", "RESETSTAT"]);
    get(&backend, "k").unwrap();
    get(&backend, "none").unwrap();
    let stats: String = server.command(&["INFO", "commandstats"]);
    assert_eq!(server.calls("get"), 2);
    let ours = stats
        .lines()
        .filter(|line| line.starts_with("cmdstat_") && !line.contains("config"));
    let others: Vec<&str> = ours
        .filter(|line| !line.starts_with("cmdstat_get"))
        .collect();
    // What is left is what the test's own connection says.
    assert!(
        others
            .iter()
            .all(|line| line.contains("client") || line.contains("info")),
        "{others:?}"
    );
}

#[test]
fn get_on_another_data_type_is_wrong_type_and_the_connection_goes_on() {
    let server = Server::start();
    let backend = server.backend();
    server.command::<()>(&["RPUSH", "list", "a"]);
    let error = get(&backend, "list").unwrap_err();
    assert_eq!(error.kind(), ErrorKind::WrongType);
    assert_eq!(error.command(), Some("GET"));
    assert_eq!(error.node(), Some(server.unix().to_string().as_str()));
    assert_eq!(backend.traffic().connections_idle, 1);
    assert_eq!(backend.traffic().retries, 0);
}

#[test]
fn head_and_ttl_show_the_beginning_of_the_value() {
    let server = Server::start();
    let backend = server.backend();
    assert!(backend.head(b"k", Access::Read, soon()).unwrap().is_none());
    assert!(backend.ttl(b"k", soon()).unwrap().is_none());
    let long: Vec<u8> = (0..100).collect();
    set(&backend, "k", &long).unwrap();
    let (head, clock) = backend.head(b"k", Access::Read, soon()).unwrap().unwrap();
    assert_eq!(head.as_slice(), &long[..32]);
    assert!(clock.now_ms().abs_diff(local_unix_ms()) < 1000);
    let (pttl, head, _) = backend.ttl(b"k", soon()).unwrap().unwrap();
    assert!(matches!(pttl, Pttl::Millis(50_000..=60_000)));
    assert_eq!(head.len(), 32);
    backend
        .set(b"k", body(b"short"), Life::Forever, soon())
        .unwrap();
    let (pttl, head, _) = backend.ttl(b"k", soon()).unwrap().unwrap();
    assert_eq!((pttl, head.as_slice()), (Pttl::Forever, &b"short"[..]));
    server.command::<()>(&["RPUSH", "list", "a"]);
    assert!(
        backend
            .head(b"list", Access::Read, soon())
            .unwrap()
            .unwrap()
            .0
            .is_empty()
    );
    assert!(backend.ttl(b"list", soon()).unwrap().unwrap().1.is_empty());
}

#[test]
fn rename_takes_the_expiry_along_and_replaces() {
    let server = Server::start();
    let backend = server.backend();
    assert!(!backend.rename(b"a", b"b", soon()).unwrap());
    set(&backend, "a", b"new").unwrap();
    backend
        .set(b"b", body(b"old"), Life::Forever, soon())
        .unwrap();
    assert!(backend.rename(b"a", b"b", soon()).unwrap());
    assert_eq!(get(&backend, "a").unwrap(), None);
    assert_eq!(get(&backend, "b").unwrap().unwrap(), b"new");
    assert!(server.command::<i64>(&["PTTL", "b"]) > 50_000);
    assert!(backend.rename(b"b", b"b", soon()).unwrap());
    assert_eq!(get(&backend, "b").unwrap().unwrap(), b"new");
}

#[test]
fn counters_are_exact_to_64_bits_and_keep_their_expiry() {
    let server = Server::start();
    let backend = server.backend();
    assert_eq!(backend.incr(b"k", 1, soon()).unwrap(), None);
    assert_eq!(get(&backend, "k").unwrap(), None);
    set(&backend, "k", b"9007199254740993").unwrap();
    assert_eq!(
        backend.incr(b"k", 2, soon()).unwrap(),
        Some(9_007_199_254_740_995)
    );
    assert!(server.command::<i64>(&["PTTL", "k"]) > 50_000);
    set(&backend, "k", i64::MAX.to_string().as_bytes()).unwrap();
    assert_eq!(backend.incr(b"k", i64::MIN, soon()).unwrap(), Some(-1));
    assert_eq!(
        backend.incr(b"k", i64::MIN + 1, soon()).unwrap(),
        Some(i64::MIN)
    );
    let error = backend.incr(b"k", -1, soon()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::WrongType);
    assert!(error.to_string().contains("would overflow"), "{error}");
    set(&backend, "k", b"12_3").unwrap();
    let error = backend.incr(b"k", 1, soon()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::WrongType);
    assert!(
        error.to_string().contains("the value is not an integer"),
        "{error}"
    );
    assert_eq!(
        backend
            .incr_or_create(b"k", 1, 1, MINUTE, soon())
            .unwrap_err()
            .kind(),
        ErrorKind::WrongType
    );
    server.command::<()>(&["RPUSH", "list", "a"]);
    assert_eq!(
        backend.incr(b"list", 1, soon()).unwrap_err().kind(),
        ErrorKind::WrongType
    );
}

#[test]
fn a_counter_is_created_with_its_initial_value() {
    let server = Server::start();
    let backend = server.backend();
    assert_eq!(
        backend
            .incr_or_create(b"k", 5, i64::MIN, MINUTE, soon())
            .unwrap(),
        i64::MIN
    );
    assert!(server.command::<i64>(&["PTTL", "k"]) > 50_000);
    assert_eq!(
        backend
            .incr_or_create(b"k", 5, 0, Life::Forever, soon())
            .unwrap(),
        i64::MIN + 5
    );
    assert!(server.command::<i64>(&["PTTL", "k"]) > 50_000);
    assert_eq!(
        backend
            .incr_or_create(b"forever", 5, 1, Life::Forever, soon())
            .unwrap(),
        1
    );
    assert_eq!(server.command::<i64>(&["PTTL", "forever"]), -1);
    assert_eq!(
        backend
            .incr_or_create(b"expired", 5, 1, Life::Expired, soon())
            .unwrap(),
        1
    );
    assert_eq!(get(&backend, "expired").unwrap(), None);
    assert_eq!(
        backend
            .incr_or_create(b"forever", 5, 1, Life::Expired, soon())
            .unwrap(),
        6
    );
}

#[test]
fn a_script_the_server_forgot_is_sent_again() {
    let server = Server::start();
    let backend = server.backend();
    set(&backend, "k", b"1").unwrap();
    assert_eq!(backend.incr(b"k", 1, soon()).unwrap(), Some(2));
    server.command::<()>(&["SCRIPT", "FLUSH"]);
    assert_eq!(backend.incr(b"k", 1, soon()).unwrap(), Some(3));
    server.command::<()>(&["CONFIG", "RESETSTAT"]);
    assert_eq!(backend.incr(b"k", 1, soon()).unwrap(), Some(4));
    assert_eq!((server.calls("evalsha"), server.calls("eval")), (1, 0));
}
