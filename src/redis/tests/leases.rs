//! Leases on the wire: scripts that a server does not know yet, many keys on many nodes, large values, and connections
//! that break at any byte.

use std::time::Duration;

use crate::base::budget::{quickly, soon};
use crate::config::{Hooks, Options};
use crate::expiry::{Life, local_unix_ms};
use crate::store::{Acquired, Claim, KeyList, Leases, Store, Token, Value, Values};

use super::super::RedisStore;
use super::super::testing::{
    Cut, Kept, MINUTE, Server, Way, backend, body, get, keys, location, set,
};

const LEASE_MS: u64 = 20_000;
const NEW: Value<'_> = Value {
    head: b"\xC1\x11\x00\x00",
    body: b"new",
};

fn claim(token: Token) -> Claim {
    Claim {
        token,
        lease_ms: LEASE_MS,
        force: false,
    }
}

fn acquire(backend: &RedisStore, key: &str, token: Token) -> Acquired<Vec<u8>> {
    let mut kept = Kept::default();
    match backend
        .acquire(key.as_bytes(), claim(token), &mut kept, soon())
        .unwrap()
        .0
    {
        Acquired::Found(()) => Acquired::Found(kept.0),
        Acquired::Yours => Acquired::Yours,
        Acquired::Stale => Acquired::Stale,
        Acquired::Held(ms) => Acquired::Held(ms),
    }
}

/// What the store says to a claim on each of the keys.
fn acquire_all(
    backend: &RedisStore,
    list: &KeyList,
    tokens: &[Token],
) -> Vec<Option<Acquired<Vec<u8>>>> {
    let claims: Vec<Claim> = tokens.iter().map(|token| claim(*token)).collect();
    let mut said = vec![None; list.len()];
    backend.acquire_many(list, &claims, soon(), &mut |place, answer, _| {
        let answer = match answer.unwrap() {
            Acquired::Found(value) => Acquired::Found(value.to_vec()),
            Acquired::Yours => Acquired::Yours,
            Acquired::Stale => Acquired::Stale,
            Acquired::Held(ms) => Acquired::Held(ms),
        };
        assert!(said[place].replace(answer).is_none(), "told once");
    });
    said
}

fn fulfill_all(backend: &RedisStore, list: &KeyList, tokens: &[Token]) -> Vec<Option<bool>> {
    let values = vec![(NEW, MINUTE); list.len()];
    let mut done = vec![None; list.len()];
    backend.fulfill_many(list, tokens, &values, soon(), &mut |place, outcome| {
        assert!(done[place].replace(outcome.unwrap()).is_none(), "told once");
    });
    done
}

fn names(count: usize) -> Vec<String> {
    (0..count).map(|number| format!("k{number}")).collect()
}

fn list(names: &[String]) -> KeyList {
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
            _ => Acquired::Yours,
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
            .all(|done| *done == Some(false))
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
        assert_eq!(done, Some(place != 3 && place != 7), "{place}");
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
            _ => assert_eq!(answer.unwrap(), Acquired::Yours),
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
        assert!(said.iter().all(|answer| *answer == Some(Acquired::Yours)));
    }
    assert!(
        fulfill_all(&ring, &list, &tokens)
            .iter()
            .all(|done| *done == Some(true))
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
            .all(|done| *done == Some(false))
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
    assert_eq!(acquire(&backend, "other", Token::new()), Acquired::Yours);
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

#[test]
fn errors_inside_scripts_keep_their_class() {
    let server = Server::start();
    let backend = server.backend();
    assert_eq!(acquire(&backend, "mine", Token::new()), Acquired::Yours);
    server.command::<()>(&["CONFIG", "SET", "maxmemory", "1"]);
    let mut kept = Kept::default();
    let error = backend
        .acquire(b"k", claim(Token::new()), &mut kept, soon())
        .unwrap_err();
    assert_eq!(error.code(), Some("OOM"), "{error}");
    assert!(error.is_unavailable());
}

/// Calls `round` with a key of its own and a broken way, at every byte of what is asked and of what is answered.
pub(crate) fn at_every_byte(server: &Server, forget: bool, round: impl Fn(&RedisStore, &str)) {
    let way = Way::to(server.socket());
    let through = backend(way.address(), &Options::default());
    type Place = fn(usize) -> Cut;
    let places: [Place; 2] = [Cut::Request, Cut::Reply];
    let mut count = 0;
    for place in places {
        for bytes in 0.. {
            through.ping(soon()).unwrap();
            if forget {
                server.command::<()>(&["SCRIPT", "FLUSH"]);
            }
            way.arm(place(bytes));
            count += 1;
            round(&through, &format!("round:{count}"));
            if !way.is_cut() {
                break;
            }
        }
    }
    assert!(count > 100, "{count} rounds");
}

#[test]
fn acquire_and_store_repeated_after_a_cut_at_any_byte_are_idempotent() {
    let server = Server::start();
    let direct = server.backend();
    for forget in [false, true] {
        at_every_byte(&server, forget, |through, key| {
            let (token, other) = (Token::new(), Token::new());
            direct.delete(key.as_bytes(), soon()).unwrap();
            assert_eq!(acquire(through, key, token), Acquired::Yours, "{key}");
            assert!(
                matches!(acquire(&direct, key, other), Acquired::Held(_)),
                "{key}"
            );
            let stored = direct.fulfill(key.as_bytes(), token, NEW, MINUTE, soon());
            assert!(stored.unwrap(), "{key}");
        });
        at_every_byte(&server, forget, |through, key| {
            let token = Token::new();
            direct.delete(key.as_bytes(), soon()).unwrap();
            assert_eq!(acquire(&direct, key, token), Acquired::Yours, "{key}");
            let stored = through.fulfill(key.as_bytes(), token, NEW, MINUTE, soon());
            assert!(stored.unwrap(), "{key}");
            assert_eq!(
                get(&direct, key).unwrap().unwrap(),
                b"\xC1\x11\x00\x00new",
                "{key}"
            );
        });
    }
}

#[test]
fn many_leases_survive_a_cut_at_any_byte() {
    let server = Server::start();
    let direct = server.backend();
    at_every_byte(&server, false, |through, key| {
        let names: Vec<String> = ["a", "b", "c"].map(|part| format!("{key}:{part}")).to_vec();
        let (list, tokens) = (list(&names), [(); 3].map(|()| Token::new()));
        let said = acquire_all(through, &list, &tokens);
        assert!(
            said.iter().all(|answer| *answer == Some(Acquired::Yours)),
            "{key}"
        );
        let stored = fulfill_all(&direct, &list, &tokens);
        assert_eq!(stored, [Some(true); 3], "{key}");
    });
    at_every_byte(&server, false, |through, key| {
        let names: Vec<String> = ["x", "y", "z"].map(|part| format!("{key}:{part}")).to_vec();
        let (list, tokens) = (list(&names), [(); 3].map(|()| Token::new()));
        acquire_all(&direct, &list, &tokens);
        assert_eq!(
            fulfill_all(through, &list, &tokens),
            [Some(true); 3],
            "{key}"
        );
    });
}

#[test]
fn a_release_or_renewal_that_is_sent_again_says_what_the_first_one_did() {
    let server = Server::start();
    let direct = server.backend();
    at_every_byte(&server, false, |through, key| {
        let token = Token::new();
        direct.delete(key.as_bytes(), soon()).unwrap();
        acquire(&direct, key, token);
        assert!(
            through
                .renew(key.as_bytes(), token, 60_000, soon())
                .unwrap(),
            "{key}"
        );
    });
    at_every_byte(&server, false, |through, key| {
        let token = Token::new();
        direct.delete(key.as_bytes(), soon()).unwrap();
        acquire(&direct, key, token);
        assert!(
            through.release(key.as_bytes(), token, 0, soon()).unwrap(),
            "{key}"
        );
        assert_eq!(get(&direct, key).unwrap(), None, "{key}");
    });
}

#[test]
fn a_lock_is_never_asked_for_twice() {
    let server = Server::start();
    let way = Way::to(server.socket());
    let through = backend(way.address(), &Options::default());
    assert!(
        through
            .lock(b"warm", Token::new(), 20_000, soon())
            .unwrap()
            .is_some()
    );
    way.arm(Cut::Reply(0));
    assert!(through.lock(b"k", Token::new(), 20_000, soon()).is_err());
    assert_eq!(server.command::<u64>(&["EXISTS", "k"]), 1);
    assert_eq!(
        through.lock(b"k", Token::new(), 20_000, soon()).unwrap(),
        None
    );
    assert!(direct_value(&server, "k").len() == 8);
}

fn direct_value(server: &Server, key: &str) -> Vec<u8> {
    get(&server.backend(), key).unwrap().unwrap()
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
        assert!(done.unwrap())
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
    assert_eq!(acquire(&backend, "k", token), Acquired::Yours);
    // The script is known to the server from now on.
    let other = Token::new();
    assert!(
        !backend
            .fulfill(b"k", other, body(b"v"), MINUTE, soon())
            .unwrap()
    );
    server.command::<()>(&["DEL", "k"]);
    server.command::<()>(&["CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes"]);
    // The first attempt finds the connection closed and is not sent; it was packed all the same.
    assert!(
        !backend
            .fulfill(b"k", token, body(b"v"), MINUTE, soon())
            .unwrap()
    );
    assert_eq!(get(&backend, "k").unwrap(), None);
    assert_eq!(backend.traffic().retries, 1);
}
