//! After an unknown outcome: what is sent again and what a repetition says, what is not, and what is remembered of the
//! attempts between a connection and the next, a node and the next, for every item of a batch.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use crate::base::budget::soon;
use crate::config::Options;
use crate::error::Result;
use crate::expiry::Life;
use crate::store::conformance::entry::Entry;
use crate::store::{
    Acquired, Claim, Force, KeyList, Leases, ScanStep, Store, Stored, Token, Touch, Value, Values,
    Walks,
};

use super::super::RedisStore;
use super::super::testing::{
    Cut, MINUTE, Server, Way, Whole, backend, body, fake, get, greeting, keys, set,
};
use super::cuts::at_every_byte;

/// A way to the server, and a store behind it that is connected.
fn through(server: &Server) -> (Way, RedisStore) {
    let way = Way::to(server.socket());
    let store = backend(way.address(), &Options::default());
    store.ping(soon()).unwrap();
    (way, store)
}

/// NOT_FOUND, or a smaller count, would say of a key that this very call has removed that it was never there.
#[test]
fn what_a_repetition_finds_missing_was_removed() {
    let server = Server::start();
    let direct = server.backend();
    at_every_byte(&server, false, |through, key| {
        set(&direct, key, b"v").unwrap();
        assert!(through.delete(key.as_bytes(), soon()).unwrap(), "{key}");
        assert_eq!(get(&direct, key).unwrap(), None, "{key}");
    });
    at_every_byte(&server, false, |through, key| {
        let names = ["a", "b", "c"].map(|part| format!("{key}:{part}"));
        for name in &names {
            set(&direct, name, b"v").unwrap();
        }
        let list = keys(&names.each_ref().map(String::as_str));
        let mut told = vec![None; 3];
        through.delete_many(&list, soon(), &mut |place, existed| {
            assert!(told[place].replace(existed.unwrap()).is_none(), "{key}");
        });
        assert_eq!(told, [Some(true); 3], "{key}");
    });
    at_every_byte(&server, true, |through, key| {
        let entry = Entry::fresh().bytes(crate::expiry::local_unix_ms());
        set(&direct, key, &entry).unwrap();
        assert!(
            through.expire_soft(key.as_bytes(), soon()).unwrap(),
            "{key}"
        );
    });
}

/// 600 keys are three commands: those that were answered are not sent again, and of the others all were there.
#[test]
fn a_walk_counts_what_it_has_removed_after_a_cut_at_any_byte() {
    let server = Server::start();
    let direct = server.backend();
    let (way, through) = through(&server);
    let node = &through.nodes(soon()).unwrap()[0];
    let list: KeyList = {
        let mut list = KeyList::default();
        (0..600).for_each(|number| list.push_bytes(format!("k{number}").as_bytes()));
        list
    };
    let values = vec![(body(b"v"), MINUTE); 600];
    for bytes in 0.. {
        through.ping(soon()).unwrap();
        direct.set_many(&list, &values, soon(), &mut |_, done| {
            assert!(done.unwrap())
        });
        way.arm(Cut::Reply(bytes));
        assert_eq!(through.unlink(node, &list, soon()).unwrap(), 600);
        if !way.is_cut() {
            assert!(bytes > 12, "{bytes}");
            return;
        }
    }
}

/// The other way round: what was not there is not counted where every answer came.
#[test]
fn what_is_missing_at_the_first_look_was_not_removed() {
    let server = Server::start();
    let backend = server.backend();
    set(&backend, "a", b"v").unwrap();
    let node = &backend.nodes(soon()).unwrap()[0];
    assert_eq!(backend.unlink(node, &keys(&["a", "b"]), soon()).unwrap(), 1);
    assert!(!backend.delete(b"a", soon()).unwrap());
    assert!(!backend.expire_soft(b"a", soon()).unwrap());
}

#[test]
fn a_page_of_a_walk_that_breaks_off_is_told_once() {
    let server = Server::start();
    let direct = server.backend();
    for number in 0..20 {
        set(&direct, &format!("key:{number}"), b"v").unwrap();
    }
    let (way, through) = through(&server);
    let node = &through.nodes(soon()).unwrap()[0];
    let step = ScanStep {
        node,
        cursor: 0,
        pattern: b"key:*",
        count: 1000,
    };
    for bytes in 0.. {
        through.ping(soon()).unwrap();
        way.arm(Cut::Reply(bytes));
        let mut found = Vec::new();
        let cursor = through.scan(step, soon(), &mut |key| found.push(key.to_vec()));
        assert_eq!(cursor.unwrap(), 0);
        found.sort();
        let told = found.len();
        found.dedup();
        assert_eq!((told, found.len()), (20, 20), "cut after {bytes} bytes");
        if !way.is_cut() {
            assert!(bytes > 200, "{bytes}");
            return;
        }
    }
}

#[test]
fn a_lock_is_got_by_who_asks_for_it_again() {
    let server = Server::start();
    let direct = server.backend();
    for forget in [false, true] {
        at_every_byte(&server, forget, |through, key| {
            let token = Token::new();
            let number = through.lock(key.as_bytes(), token, 20_000, soon());
            assert!(number.unwrap().is_some(), "{key}");
            let other = direct.lock(key.as_bytes(), Token::new(), 20_000, soon());
            assert_eq!(other.unwrap(), None, "{key}");
            assert!(direct.unlock(key.as_bytes(), token, soon()).unwrap());
        });
    }
}

/// Whoever wrote in between would be overwritten, or counted twice.
#[test]
fn what_writes_without_a_token_is_sent_once() {
    type Call = fn(&RedisStore) -> Result<()>;
    let calls: [(&str, Call); 11] = [
        ("set", |store| set(store, "k", b"v")),
        ("add", |store| {
            store.add(b"k", body(b"v"), MINUTE, soon()).map(drop)
        }),
        ("incr", |store| store.incr(b"k", 1, soon()).map(drop)),
        ("incr_or_create", |store| {
            store.incr_or_create(b"k", 1, 1, MINUTE, soon()).map(drop)
        }),
        ("touch", |store| {
            store.touch(b"k", Touch::In(60_000), soon()).map(drop)
        }),
        ("swap", |store| {
            store.swap(b"k", b"1", body(b"v"), MINUTE, soon()).map(drop)
        }),
        ("swap_many", |store| {
            let mut all = Ok(());
            let values = [(body(b"v"), MINUTE)];
            store.swap_many(&keys(&["k"]), &[b"1"], &values, soon(), &mut |_, done| {
                all = done.map(drop);
            });
            all
        }),
        ("add_many", |store| {
            let mut all = Ok(());
            let values = [(body(b"v"), MINUTE)];
            store.add_many(&keys(&["k"]), &values, soon(), &mut |_, done| {
                all = done.map(drop);
            });
            all
        }),
        ("rename", |store| store.rename(b"k", b"l", soon()).map(drop)),
        ("extend_lock", |store| {
            store
                .extend_lock(b"k", Token::new(), 1000, soon())
                .map(drop)
        }),
        ("unlock", |store| {
            store.unlock(b"k", Token::new(), soon()).map(drop)
        }),
    ];
    let server = Server::start();
    let (way, through) = through(&server);
    for (name, call) in calls {
        set(&through, "k", b"1").unwrap();
        // The first time the server learns the script.
        call(&through).unwrap();
        set(&through, "k", b"1").unwrap();
        way.arm(Cut::Reply(0));
        assert!(call(&through).is_err(), "{name}");
        assert!(way.is_cut(), "{name}");
        assert_eq!(through.traffic().retries, 0, "{name}");
    }
}

/// The same for what reads, removes, or compares a token: all of it is sent again.
#[test]
fn what_may_be_sent_again_is() {
    type Call = fn(&RedisStore) -> Result<()>;
    let calls: [(&str, Call); 8] = [
        ("get", |store| get(store, "k").map(drop)),
        ("delete", |store| store.delete(b"k", soon()).map(drop)),
        ("expire_soft", |store| {
            store.expire_soft(b"k", soon()).map(drop)
        }),
        ("acquire", |store| {
            let claim = Claim::new(std::time::Duration::from_secs(9), Force::No, None);
            let mut kept = Whole::default();
            store.acquire(b"k", claim, &mut kept, soon()).map(drop)
        }),
        ("store", |store| {
            let token = Token::new();
            store
                .fulfill(b"k", token, body(b"v"), MINUTE, soon())
                .map(drop)
        }),
        ("release", |store| {
            store.release(b"k", Token::new(), 0, soon()).map(drop)
        }),
        ("renew", |store| {
            store.renew(b"k", Token::new(), 1000, soon()).map(drop)
        }),
        ("lock", |store| {
            store.lock(b"k", Token::new(), 1000, soon()).map(drop)
        }),
    ];
    let server = Server::start();
    let (way, through) = through(&server);
    for (number, (name, call)) in (1..).zip(calls) {
        call(&through).unwrap();
        way.arm(Cut::Reply(0));
        call(&through).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert!(way.is_cut(), "{name}");
        assert_eq!(through.traffic().retries, number, "{name}");
    }
}

/// Commands, each with its words.
type Asked = Arc<Mutex<Vec<Vec<Vec<u8>>>>>;

const LOADING: &[u8] = b"-LOADING not yet\r\n";

/// A server whose first connection breaks at the first script; `refusal` is said to the second attempt, and `then` to the
/// third. Every attempt's arguments are kept.
fn reluctant(refusal: &'static [u8], then: &'static [u8]) -> (RedisStore, Asked) {
    let (asked, scripts) = (Asked::default(), AtomicUsize::new(0));
    let kept = Arc::clone(&asked);
    let address = fake(move |_, command| match command[0].as_slice() {
        b"EVALSHA" | b"EVAL" | b"UNLINK" => {
            kept.lock().unwrap().push(command.to_vec());
            match scripts.fetch_add(1, Ordering::Relaxed) {
                0 => None,
                1 => Some(refusal.to_vec()),
                _ => Some(then.to_vec()),
            }
        }
        _ => greeting(command),
    });
    (backend(address, &Options::default()), asked)
}

/// An attempt that was lost is lost also when the next one was refused: for one key and for each of many.
#[test]
fn a_lost_attempt_is_remembered_over_refusals() {
    let (token, value) = (Token::new(), (body(b"v"), Life::Forever));
    let list = || keys(&["k"]);
    let (store, asked) = reluctant(LOADING, b":0\r\n");
    let stored = store.fulfill(b"k", token, value.0, value.1, soon());
    assert_eq!(stored.unwrap(), Stored::Perhaps);
    assert_eq!(asked.lock().unwrap().len(), 3);

    let (store, asked) = reluctant(LOADING, b":0\r\n");
    store.fulfill_many(&list(), &[token], &[value], soon(), &mut |_, stored| {
        assert_eq!(stored.unwrap(), Stored::Perhaps);
    });
    assert_eq!(asked.lock().unwrap().len(), 3);

    let (store, _) = reluctant(LOADING, b":0\r\n");
    store.release_many(&list(), &[token], 0, soon(), &mut |_, done| {
        assert!(done.unwrap());
    });
    let (store, _) = reluctant(LOADING, b":0\r\n");
    store.delete_many(&list(), soon(), &mut |_, done| assert!(done.unwrap()));
    let (store, _) = reluctant(LOADING, b":0\r\n");
    assert!(store.delete(b"k", soon()).unwrap());
}

/// The second attempt and the third say which one was lost.
#[test]
fn a_claim_names_the_attempt_that_was_lost() {
    let claim = Claim::new(std::time::Duration::from_secs(9), Force::No, Some(7));
    let (again, former) = claim.attempt(1);
    assert_eq!(former, Some(claim.token));
    let said = |asked: &[Vec<Vec<u8>>]| {
        let part = |command: &Vec<Vec<u8>>| (command[4].clone(), command[8].clone());
        let expected = [
            (claim.token.bytes().to_vec(), Vec::new()),
            (again.bytes().to_vec(), claim.token.bytes().to_vec()),
            (again.bytes().to_vec(), claim.token.bytes().to_vec()),
        ];
        assert_eq!(asked.iter().map(part).collect::<Vec<_>>(), expected);
        assert_eq!(asked[0][7], 7u64.to_le_bytes());
    };
    // A server that does not know the script may have lost it, or hear the first attempt later.
    for refusal in [LOADING, b"-NOSCRIPT No matching script.\r\n"] {
        let (store, asked) = reluctant(refusal, b"*1\r\n:1\r\n");
        let answer = store.acquire(b"k", claim, &mut Whole::default(), soon());
        assert_eq!(answer.unwrap().0, Acquired::Yours(again));
        said(&asked.lock().unwrap());

        let (store, asked) = reluctant(refusal, b"*1\r\n:1\r\n");
        store.acquire_many(&keys(&["k"]), &[claim], soon(), &mut |_, answer, _| {
            assert_eq!(answer.unwrap(), Acquired::Yours(again));
        });
        said(&asked.lock().unwrap());
    }
}

/// The connection breaks behind the first of two answers: only the second command is sent again, and has its own count.
#[test]
fn what_was_answered_is_not_asked_for_again() {
    let asked = Arc::<Mutex<Vec<_>>>::default();
    let kept = Arc::clone(&asked);
    let address = fake(move |connection, command| match command[0].as_slice() {
        b"EVALSHA" => {
            kept.lock().unwrap().push(command[3].clone());
            match (connection, command[3].as_slice()) {
                (0, b"b") => None,
                _ => Some(b":0\r\n".to_vec()),
            }
        }
        _ => greeting(command),
    });
    let store = backend(address, &Options::default());
    let value: (Value<'_>, Life) = (body(b"v"), Life::Forever);
    let mut told = vec![None; 2];
    store.fulfill_many(
        &keys(&["a", "b"]),
        &[Token::new(), Token::new()],
        &[value; 2],
        soon(),
        &mut |place, stored| assert!(told[place].replace(stored.unwrap()).is_none()),
    );
    assert_eq!(told, [Some(Stored::No), Some(Stored::Perhaps)]);
    assert_eq!(*asked.lock().unwrap(), [b"a", b"b", b"b"]);
}
