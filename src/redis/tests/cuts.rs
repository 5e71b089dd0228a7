//! Leases over connections that break at any byte of what is asked and of what is answered.

use std::cell::Cell;

use crate::base::budget::soon;
use crate::config::Options;
use crate::store::{Acquired, Leases, Store, Stored, Token, Values};

use super::super::RedisStore;
use super::super::testing::{Cut, MINUTE, Server, Way, backend, get};
use super::leases::{NEW, acquire, acquire_all, fulfill_all, held_under, is_yours, list};

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
            round(&through, &format!("round:{forget}:{count}"));
            if !way.is_cut() {
                break;
            }
        }
    }
    assert!(count > 30, "{count} rounds");
}

fn direct_value(server: &Server, key: &str) -> Vec<u8> {
    get(&server.backend(), key).unwrap().unwrap()
}

/// In the same words a first attempt that arrives late would give back a lease that a delete has taken.
#[test]
fn a_claim_that_is_sent_again_has_another_token_and_the_first_one_holds_nothing() {
    let server = Server::start();
    let direct = server.backend();
    let repeated = Cell::new(0);
    for forget in [false, true] {
        at_every_byte(&server, forget, |through, key| {
            let (token, other) = (Token::new(), Token::new());
            direct.delete(key.as_bytes(), soon()).unwrap();
            let Acquired::Yours(held) = acquire(through, key, token) else {
                panic!("{key}")
            };
            assert_eq!(direct_value(&server, key)[24..32], *held.bytes(), "{key}");
            assert!(
                matches!(acquire(&direct, key, other), Acquired::Held(_)),
                "{key}"
            );
            if held == token {
                return;
            }
            repeated.set(repeated.get() + 1);
            // The first attempt arrives only now: over the lease, and when a delete has taken that.
            assert!(
                matches!(acquire(&direct, key, token), Acquired::Held(_)),
                "{key}"
            );
            direct.delete(key.as_bytes(), soon()).unwrap();
            acquire(&direct, key, token);
            let stored = direct.fulfill(key.as_bytes(), held, NEW, MINUTE, soon());
            assert_eq!(stored.unwrap(), Stored::No, "{key}");
        });
    }
    assert!(repeated.get() > 100, "{}", repeated.get());
}

#[test]
fn acquire_and_store_repeated_after_a_cut_at_any_byte_are_idempotent() {
    let server = Server::start();
    let direct = server.backend();
    for forget in [false, true] {
        at_every_byte(&server, forget, |through, key| {
            direct.delete(key.as_bytes(), soon()).unwrap();
            let Acquired::Yours(token) = acquire(through, key, Token::new()) else {
                panic!("{key}")
            };
            let stored = direct.fulfill(key.as_bytes(), token, NEW, MINUTE, soon());
            assert_eq!(stored.unwrap(), Stored::Yes, "{key}");
        });
        at_every_byte(&server, forget, |through, key| {
            let token = Token::new();
            direct.delete(key.as_bytes(), soon()).unwrap();
            acquire(&direct, key, token);
            let stored = through.fulfill(key.as_bytes(), token, NEW, MINUTE, soon());
            assert_ne!(stored.unwrap(), Stored::No, "{key}");
            let there = get(&direct, key).unwrap().unwrap();
            assert_eq!(there, b"\xC1\x11\x00\x00new", "{key}");
        });
    }
}

/// It may have been stored, and it may not: somebody else can have the lease by now.
#[test]
fn lost_after_a_lost_answer_is_neither_stored_nor_lost() {
    let server = Server::start();
    let direct = server.backend();
    let way = Way::to(server.socket());
    let through = backend(way.address(), &Options::default());
    // The script is known to the server from now on.
    let stored = through.fulfill(b"k", Token::new(), NEW, MINUTE, soon());
    assert_eq!(stored.unwrap(), Stored::No);
    for is_done in [true, false] {
        let (token, other) = (Token::new(), Token::new());
        direct.delete(b"k", soon()).unwrap();
        acquire(&direct, "k", if is_done { token } else { other });
        way.arm(Cut::Reply(0));
        let stored = through.fulfill(b"k", token, NEW, MINUTE, soon());
        assert_eq!(stored.unwrap(), Stored::Perhaps);
        assert!(way.is_cut());
        let there = direct_value(&server, "k");
        assert_eq!(there == b"\xC1\x11\x00\x00new", is_done);
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
        assert!(said.iter().all(is_yours), "{key}");
        // What was answered before the cut keeps the token it was told.
        let tokens: Vec<Token> = said.iter().filter_map(held_under).collect();
        let stored = fulfill_all(&direct, &list, &tokens);
        assert_eq!(stored, [Some(Stored::Yes); 3], "{key}");
    });
    at_every_byte(&server, false, |through, key| {
        let names: Vec<String> = ["x", "y", "z"].map(|part| format!("{key}:{part}")).to_vec();
        let (list, tokens) = (list(&names), [(); 3].map(|()| Token::new()));
        acquire_all(&direct, &list, &tokens);
        let stored = fulfill_all(through, &list, &tokens);
        assert!(!stored.contains(&Some(Stored::No)), "{key}");
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
