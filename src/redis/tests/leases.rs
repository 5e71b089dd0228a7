//! Leases on the wire: scripts that a server does not know yet, many keys on many nodes, large values, and connections
//! that break at any byte.

use std::time::Duration;

use crate::base::budget::{quickly, soon};
use crate::config::{Hooks, Options};
use crate::expiry::{Life, local_unix_ms};
use crate::store::conformance::entry::{Entry, MINE};
use crate::store::{Acquired, Claim, Force, KeyList, Leases, Store, Stored, Token, Value};

use super::super::RedisStore;
use super::super::testing::{MINUTE, Server, Whole, backend, body, get, keys, location, set};

const LEASE_MS: u64 = 20_000;
pub(super) const NEW: Value<'_> = Value {
    head: b"\xC1\x11\x00\x00",
    body: b"new",
};

fn claim(token: Token) -> Claim {
    Claim {
        token,
        lease_ms: LEASE_MS,
        force: Force::No,
        seen: None,
    }
}

pub(super) fn acquire(backend: &RedisStore, key: &str, token: Token) -> Acquired<Vec<u8>> {
    let mut kept = Whole::default();
    let answer = backend.acquire(key.as_bytes(), claim(token), &mut kept, soon());
    answer.unwrap().0.map(|()| kept.0)
}

/// What the store says to a claim on each of the keys.
pub(super) fn acquire_all(
    backend: &RedisStore,
    list: &KeyList,
    tokens: &[Token],
) -> Vec<Option<Acquired<Vec<u8>>>> {
    let claims: Vec<Claim> = tokens.iter().map(|token| claim(*token)).collect();
    let mut said = vec![None; list.len()];
    backend.acquire_many(list, &claims, soon(), &mut |place, answer, _| {
        let answer = answer.unwrap().map(<[u8]>::to_vec);
        assert!(said[place].replace(answer).is_none(), "told once");
    });
    said
}

pub(super) fn fulfill_all(
    backend: &RedisStore,
    list: &KeyList,
    tokens: &[Token],
) -> Vec<Option<Stored>> {
    let values = vec![(NEW, MINUTE); list.len()];
    let mut done = vec![None; list.len()];
    backend.fulfill_many(list, tokens, &values, soon(), &mut |place, outcome| {
        assert!(done[place].replace(outcome.unwrap()).is_none(), "told once");
    });
    done
}

/// The token of a lease that was got.
pub(super) fn held_under(answer: &Option<Acquired<Vec<u8>>>) -> Option<Token> {
    match answer {
        Some(Acquired::Yours(token)) => Some(*token),
        _ => None,
    }
}

pub(super) fn is_yours(answer: &Option<Acquired<Vec<u8>>>) -> bool {
    held_under(answer).is_some()
}

fn names(count: usize) -> Vec<String> {
    (0..count).map(|number| format!("k{number}")).collect()
}

pub(super) fn list(names: &[String]) -> KeyList {
    keys(&names.iter().map(String::as_str).collect::<Vec<_>>())
}

#[test]
fn many_keys_are_leased_stored_and_released_in_one_pipeline() {
    let server = Server::start();
    let backend = server.backend();
    let (names, tokens) = (names(2500), [(); 2500].map(|()| Token::new()).to_vec());
    let list = list(&names);
    set(&backend, "k3", b"a value").unwrap();
    let said = acquire_all(&backend, &list, &tokens);
    for (place, answer) in said.into_iter().enumerate() {
        let expected = match place {
            3 => Acquired::Found(b"a value".to_vec()),
            _ => Acquired::Yours(tokens[place]),
        };
        assert_eq!(answer, Some(expected), "{place}");
    }
    let others: Vec<Token> = tokens.iter().map(|_| Token::new()).collect();
    let said = acquire_all(&backend, &list, &others);
    let held = |answer: &Option<Acquired<_>>| matches!(answer, Some(Acquired::Held(1..)));
    assert_eq!(said.iter().filter(|answer| held(answer)).count(), 2499);
    assert!(
        fulfill_all(&backend, &list, &others)
            .iter()
            .all(|done| *done == Some(Stored::No))
    );

    let mut released = 0;
    let some = (keys(&["k7", "k8"]), [tokens[7], others[8]]);
    backend.release_many(&some.0, &some.1, 0, soon(), &mut |place, done| {
        assert_eq!(done.unwrap(), place == 0);
        released += 1;
    });
    assert_eq!(released, 2);
    let stored = fulfill_all(&backend, &list, &tokens);
    for (place, done) in stored.into_iter().enumerate() {
        let expected = match place {
            3 | 7 => Stored::No,
            _ => Stored::Yes,
        };
        assert_eq!(done, Some(expected), "{place}");
    }
    assert_eq!(
        get(&backend, "k2499").unwrap().unwrap(),
        b"\xC1\x11\x00\x00new"
    );
    assert!(server.command::<i64>(&["PTTL", "k2499"]) > 50_000);
}

#[test]
fn another_data_type_among_many_keys_fails_alone() {
    let server = Server::start();
    let backend = server.backend();
    server.command::<()>(&["RPUSH", "k1", "an element"]);
    let claims = [(); 3].map(|()| claim(Token::new()));
    let list = keys(&["k0", "k1", "k2"]);
    backend.acquire_many(
        &list,
        &claims,
        soon(),
        &mut |place, answer, _| match place {
            1 => assert_eq!(answer.unwrap_err().code(), Some("WRONGTYPE")),
            _ => assert_eq!(answer.unwrap(), Acquired::Yours(claims[place].token)),
        },
    );
}

#[test]
fn every_node_gets_its_own_keys_and_learns_the_scripts() {
    let servers = [(); 3].map(|()| Server::start());
    let locations = servers.each_ref().map(|server| location(server.unix()));
    let ring = RedisStore::new(&Options::default(), &locations, &Hooks::default()).unwrap();
    let names = names(300);
    let (list, tokens) = (list(&names), vec![Token::new(); 300]);
    for _ in 0..2 {
        let said = acquire_all(&ring, &list, &tokens);
        assert!(said.iter().all(is_yours));
    }
    assert!(
        fulfill_all(&ring, &list, &tokens)
            .iter()
            .all(|done| *done == Some(Stored::Yes))
    );
    let sizes = servers
        .each_ref()
        .map(|server| server.command::<u64>(&["DBSIZE"]));
    assert_eq!(sizes.iter().sum::<u64>(), 300);
    assert!(sizes.iter().all(|size| *size > 50), "{sizes:?}");
    for server in &servers {
        server.command::<()>(&["SCRIPT", "FLUSH"]);
    }
    assert!(
        fulfill_all(&ring, &list, &tokens)
            .iter()
            .all(|done| *done == Some(Stored::No))
    );
}

#[test]
fn a_large_value_that_is_found_comes_whole() {
    let server = Server::start();
    let backend = server.backend();
    let value: Vec<u8> = (0..3_000_000_u32).map(|at| at as u8).collect();
    set(&backend, "k", &value).unwrap();
    for _ in 0..2 {
        assert!(acquire(&backend, "k", Token::new()) == Acquired::Found(value.clone()));
    }
    assert!(is_yours(&Some(acquire(&backend, "other", Token::new()))));
    assert_eq!(backend.traffic().connections_open, 1);
}

#[test]
fn the_clock_of_a_node_is_asked_for_once() {
    let server = Server::start();
    let backend = server.backend();
    server.command::<()>(&["CONFIG", "RESETSTAT"]);
    for _ in 0..3 {
        let now = backend.clock(b"k", quickly()).unwrap().now_ms();
        assert!(now.abs_diff(local_unix_ms()) < 5000);
    }
    // One in the greeting, one that made it connect.
    assert_eq!(server.calls("time"), 2);
    let elsewhere = super::super::testing::fake(|_, _| None);
    let options = super::super::testing::quick();
    assert!(
        super::super::testing::backend(elsewhere, &options)
            .clock(b"k", quickly())
            .is_err()
    );
}

/// A full server refuses to write the end of the lease: then the lease ends with what may still be served.
#[test]
fn a_lease_on_a_full_server_ends_with_its_value() {
    let server = Server::start();
    let backend = server.backend();
    let token = Token::of(MINE);
    let stale = Entry::stale().leased(MINE, 60_000);
    let pttl = [("stale", stale.clone()), ("forever", stale.soft(None))].map(|(key, entry)| {
        set(&backend, key, &entry.bytes(local_unix_ms())).unwrap();
        server.command::<()>(&["CONFIG", "SET", "maxmemory", "1"]);
        let refused = backend.release(key.as_bytes(), token, 1000, soon());
        assert_eq!(refused.unwrap_err().code(), Some("OOM"));
        server.command::<()>(&["CONFIG", "SET", "maxmemory", "0"]);
        server.command::<i64>(&["PTTL", key])
    });
    // It was servable for 20 s yet, and lived for a minute.
    assert!((1..=20_000).contains(&pttl[0]), "{pttl:?}");
    assert!((20_001..=60_000).contains(&pttl[1]), "{pttl:?}");
}

#[test]
fn errors_inside_scripts_keep_their_class() {
    let server = Server::start();
    let backend = server.backend();
    assert!(is_yours(&Some(acquire(&backend, "mine", Token::new()))));
    server.command::<()>(&["CONFIG", "SET", "maxmemory", "1"]);
    let mut kept = Whole::default();
    let error = backend
        .acquire(b"k", claim(Token::new()), &mut kept, soon())
        .unwrap_err();
    assert_eq!(error.code(), Some("OOM"), "{error}");
    assert!(error.is_unavailable());
}

#[test]
fn a_store_for_ever_and_one_that_is_over_are_pipelined_as_well() {
    let server = Server::start();
    let backend = server.backend();
    let (list, tokens) = (keys(&["a", "b", "c"]), [(); 3].map(|()| Token::new()));
    acquire_all(&backend, &list, &tokens);
    let lives = [Life::Forever, Life::Expired, Life::Millis(5000)];
    let values = lives.map(|life| (body(b"v"), life));
    backend.fulfill_many(&list, &tokens, &values, soon(), &mut |_, done| {
        assert_eq!(done.unwrap(), Stored::Yes)
    });
    let pttl = |key| server.command::<i64>(&["PTTL", key]);
    assert_eq!((pttl("a"), pttl("b")), (-1, -2));
    assert!((1..=5000).contains(&pttl("c")));
}

#[test]
fn what_was_packed_twice_and_sent_once_was_not_done_before() {
    let server = Server::start();
    let options = Options {
        max_connections: 1,
        idle_check: Duration::from_secs(10),
        ..Options::default()
    };
    let backend = backend(server.unix(), &options);
    let token = Token::new();
    assert_eq!(acquire(&backend, "k", token), Acquired::Yours(token));
    // The script is known to the server from now on.
    let other = Token::new();
    let stored = backend.fulfill(b"k", other, body(b"v"), MINUTE, soon());
    assert_eq!(stored.unwrap(), Stored::No);
    server.command::<()>(&["DEL", "k"]);
    server.command::<()>(&["CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes"]);
    // The first attempt finds the connection closed and is not sent; it was packed all the same.
    let stored = backend.fulfill(b"k", token, body(b"v"), MINUTE, soon());
    assert_eq!(stored.unwrap(), Stored::No);
    assert_eq!(get(&backend, "k").unwrap(), None);
    assert_eq!(backend.traffic().retries, 1);
}
