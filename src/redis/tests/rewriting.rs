//! Entries read and replaced where a walk has shown them, also over connections that break.

use std::cell::Cell;

use crate::base::budget::soon;
use crate::error::{Error, ErrorKind};
use crate::store::{Change, KeyList, Store, Value, Walks};

use super::super::RedisStore;
use super::super::testing::launcher::EXPIRES_AT;
use super::super::testing::{Server, get, keys, set};
use super::cuts::at_every_byte;

fn replace(backend: &RedisStore, keys: &KeyList, changes: &[Change<'_>]) -> Vec<Option<bool>> {
    let node = &backend.nodes(soon()).unwrap()[0];
    let mut said = vec![None; keys.len()];
    backend.replace_at(node, keys, changes, soon(), &mut |place, done| {
        assert!(said[place].replace(done.unwrap()).is_none(), "told once");
    });
    said
}

fn to<'a>(old: &'a [u8], new: &'a [u8]) -> Change<'a> {
    let new = Some(Value {
        head: &new[..1],
        body: &new[1..],
    });
    Change { old, new }
}

#[test]
fn only_what_is_as_it_was_read_is_replaced_and_its_life_is_kept() {
    let server = Server::start();
    let backend = server.backend();
    for (key, value) in [("a", "old"), ("b", "newer"), ("c", "old")] {
        set(&backend, key, value.as_bytes()).unwrap();
    }
    server.command::<()>(&["RPUSH", "list", "an element"]);
    server.command::<()>(&["SET", "forever", "old"]);
    let before: i64 = server.command(&["EVAL", EXPIRES_AT, "1", "a"]);
    let mut list = keys(&["a"]);
    list.push_fault(Error::new(ErrorKind::InvalidArgument, "no key"));
    for key in ["b", "c", "list", "gone", "forever"] {
        list.push_bytes(key.as_bytes());
    }
    let removed = Change {
        old: b"old",
        new: None,
    };
    let new = to(b"old", b"new");
    let said = replace(&backend, &list, &[new, new, new, removed, new, new, new]);
    let (yes, no) = (Some(true), Some(false));
    assert_eq!(said, [yes, None, no, yes, no, no, yes]);
    assert_eq!(get(&backend, "a").unwrap().unwrap(), b"new");
    assert_eq!(
        server.command::<i64>(&["EVAL", EXPIRES_AT, "1", "a"]),
        before
    );
    assert_eq!(get(&backend, "b").unwrap().unwrap(), b"newer");
    assert_eq!(get(&backend, "c").unwrap(), None);
    assert_eq!(server.command::<i64>(&["PTTL", "forever"]), -1);
    assert_eq!(server.command::<u64>(&["EXISTS", "gone", "list"]), 1);
    assert!(replace(&backend, &KeyList::default(), &[]).is_empty());
}

#[test]
fn values_are_read_where_they_were_shown() {
    let server = Server::start();
    let backend = server.backend();
    let names: Vec<String> = (0..600).map(|number| format!("k{number}")).collect();
    let mut list = KeyList::default();
    for (number, name) in names.iter().enumerate() {
        list.push_bytes(name.as_bytes());
        if number % 10 != 0 {
            set(&backend, name, name.as_bytes()).unwrap();
        }
    }
    server.command::<()>(&["RPUSH", "k20", "an element"]);
    let mut seen = vec![0; 600];
    backend.read_at(
        &backend.nodes(soon()).unwrap()[0],
        &list,
        soon(),
        &mut |place, value, _| {
            let expected = (place % 10 != 0).then_some(names[place].as_bytes());
            assert_eq!(value.unwrap(), expected);
            seen[place] += 1;
        },
    );
    assert!(seen.iter().all(|count| *count == 1));
    let mut refused = 0;
    backend.read_at("another", &keys(&["a", "b"]), soon(), &mut |_, value, _| {
        assert_eq!(value.unwrap_err().kind(), ErrorKind::Unavailable);
        refused += 1;
    });
    backend.replace_at(
        "another",
        &keys(&["a"]),
        &[to(b"a", b"b")],
        soon(),
        &mut |_, done| {
            assert!(done.is_err());
            refused += 1;
        },
    );
    assert_eq!(refused, 3);
}

/// What was written is written once: between two attempts somebody else may have written the old bytes again.
#[test]
fn what_replaces_a_value_is_never_sent_again() {
    let server = Server::start();
    let direct = server.backend();
    let (kept, lost) = (Cell::new(0), Cell::new(0));
    at_every_byte(&server, false, |through, key| {
        // Keys of its own: a request that was cut off may still arrive in the next round.
        let names = ["a", "b", "c"].map(|part| format!("{key}:{part}"));
        let list = keys(&names.each_ref().map(String::as_str));
        for name in &names {
            set(&direct, name, b"old").unwrap();
        }
        let removed = Change {
            old: b"old",
            new: None,
        };
        let changes = [to(b"old", b"new"), to(b"old", b"new"), removed];
        let before = through.traffic().retries;
        let there = through.nodes(soon()).unwrap();
        through.replace_at(&there[0], &list, &changes, soon(), &mut |place, done| {
            let Ok(done) = done else {
                return lost.set(lost.get() + 1);
            };
            assert!(done, "{key}");
            kept.set(kept.get() + 1);
            let left = get(&direct, &names[place]).unwrap();
            assert_eq!(left, changes[place].new.map(|_| b"new".to_vec()), "{key}");
        });
        assert_eq!(through.traffic().retries, before, "{key}");
    });
    assert!(kept.get() > 0 && lost.get() > 0);
}
