//! Calls over many keys: places, windows, and batches that break off.

use crate::base::budget::{quickly, soon};
use crate::error::{Error, ErrorKind};
use crate::expiry::Life;
use crate::store::{Access, KeyList, Store, Values};

use super::super::testing::{MINUTE, Server, backend, body, fake, get, greeting, keys, quick, set};

#[test]
fn many_values_come_with_their_places() {
    let server = Server::start();
    let backend = server.backend();
    let names: Vec<String> = (0..2500).map(|number| format!("k{number}")).collect();
    let mut list = KeyList::default();
    list.push_fault(Error::new(
        ErrorKind::InvalidArgument,
        "a fault keeps its place",
    ));
    names
        .iter()
        .for_each(|name| list.push_bytes(name.as_bytes()));
    let values: Vec<_> = std::iter::once(body(b"never"))
        .chain(names.iter().map(|name| body(name.as_bytes())))
        .map(|value| (value, MINUTE))
        .collect();
    let mut stored = vec![0; names.len() + 1];
    backend.set_many(&list, &values, soon(), &mut |place, outcome| {
        assert!(outcome.unwrap());
        stored[place] += 1;
    });
    assert_eq!(stored[0], 0);
    assert!(stored[1..].iter().all(|count| *count == 1));
    assert!(server.command::<i64>(&["PTTL", "k7"]) > 50_000);

    server.command::<()>(&["DEL", "k3"]);
    server.command::<()>(&["RPUSH", "k3", "not a string"]);
    server.command::<()>(&["DEL", "k4"]);
    let mut seen = vec![None; names.len() + 1];
    backend.get_many(&list, Access::Read, soon(), &mut |place, outcome, _| {
        assert!(
            seen[place]
                .replace(outcome.unwrap().map(<[u8]>::to_vec))
                .is_none()
        );
    });
    assert_eq!(seen[0], None);
    for (number, name) in names.iter().enumerate() {
        let expected = (![3, 4].contains(&number)).then(|| name.as_bytes().to_vec());
        assert_eq!(seen[number + 1], Some(expected), "{name}");
    }

    let mut removed = 0;
    backend.delete_many(&list, soon(), &mut |place, outcome| {
        let existed = outcome.unwrap();
        assert_eq!(existed, place != 5);
        removed += u32::from(existed);
    });
    assert_eq!(removed, 2499);
    assert_eq!(server.command::<u64>(&["DBSIZE"]), 0);
}

#[test]
fn large_values_are_written_in_windows() {
    let server = Server::start();
    let backend = server.backend();
    let big = vec![7; 700_000];
    let names: Vec<String> = (0..6).map(|number| format!("k{number}")).collect();
    let list = keys(&names.iter().map(String::as_str).collect::<Vec<_>>());
    let mut stored = 0;
    backend.set_many(
        &list,
        &[(body(&big), MINUTE); 6],
        soon(),
        &mut |_, outcome| stored += i32::from(outcome.unwrap()),
    );
    assert_eq!(stored, 6);
    let mut read = 0;
    backend.get_many(&list, Access::Read, soon(), &mut |_, outcome, _| {
        read += outcome.unwrap().unwrap().len()
    });
    assert_eq!(read, 6 * big.len());
}

/// One command of a batch that is larger than a window is a window, and what is there of it is not copied.
#[test]
fn a_value_larger_than_a_window_is_written_among_others_and_comes_whole() {
    let server = Server::start();
    let backend = server.backend();
    let big: Vec<u8> = (0..3_000_000).map(|at| (at % 251) as u8).collect();
    let list = keys(&["a", "large", "b"]);
    let values = [
        (body(b"1"), MINUTE),
        (body(&big), MINUTE),
        (body(b"2"), MINUTE),
    ];
    let mut told = Vec::new();
    backend.set_many(&list, &values, soon(), &mut |item, outcome| {
        assert!(outcome.unwrap());
        told.push(item);
    });
    assert_eq!(told, [0, 1, 2]);
    let mut added = Vec::new();
    server.command::<u64>(&["DEL", "large"]);
    backend.add_many(&list, &values, soon(), &mut |_, outcome| {
        added.push(outcome.unwrap());
    });
    assert_eq!(added, [false, true, false]);
    assert_eq!(get(&backend, "large").unwrap().as_deref(), Some(&big[..]));
    assert_eq!(get(&backend, "b").unwrap().as_deref(), Some(&b"2"[..]));
}

#[test]
fn set_many_with_an_expired_life_removes() {
    let server = Server::start();
    let backend = server.backend();
    set(&backend, "a", b"1").unwrap();
    let mut told = 0;
    backend.set_many(
        &keys(&["a", "b"]),
        &[(body(b"x"), Life::Expired); 2],
        soon(),
        &mut |_, outcome| {
            outcome.unwrap();
            told += 1;
        },
    );
    assert_eq!(told, 2);
    assert_eq!(server.command::<u64>(&["DBSIZE"]), 0);
}

#[test]
fn a_repeated_batch_tells_each_item_once() {
    let address = fake(|connection, command| match command[0].as_slice() {
        b"MGET" if connection == 0 => Some(b"*3\r\n$1\r\na\r\n$1\r\nb\r\n!garbage".to_vec()),
        b"MGET" => Some(b"*3\r\n$1\r\na\r\n$1\r\nb\r\n$-1\r\n".to_vec()),
        _ => greeting(command),
    });
    let backend = backend(address, &quick());
    let keys = keys(&["a", "b", "c"]);
    let mut told = Vec::new();
    backend.get_many(&keys, Access::Read, quickly(), &mut |place, value, _| {
        told.push((place, value.unwrap().map(<[u8]>::to_vec)))
    });
    assert_eq!(
        told,
        [
            (0, Some(b"a".to_vec())),
            (1, Some(b"b".to_vec())),
            (2, None)
        ]
    );
    assert_eq!(backend.traffic().retries, 1);
}

#[test]
fn a_write_batch_that_breaks_off_fails_only_what_was_not_answered() {
    let address = fake(|_, command| match command[0].as_slice() {
        b"SET" => match command[1].as_slice() {
            b"a" => Some(b"+OK\r\n".to_vec()),
            b"b" => Some(b"-OOM command not allowed\r\n".to_vec()),
            _ => None,
        },
        _ => greeting(command),
    });
    let backend = backend(address, &quick());
    let keys = keys(&["a", "b", "c", "d"]);
    let mut told = vec![None; 4];
    backend.set_many(
        &keys,
        &[(body(b"v"), Life::Forever); 4],
        quickly(),
        &mut |place, outcome| {
            assert!(
                told[place]
                    .replace(
                        outcome.map_err(|error| (error.kind(), error.code().map(str::to_owned)))
                    )
                    .is_none()
            );
        },
    );
    let told: Vec<_> = told.into_iter().map(Option::unwrap).collect();
    assert_eq!(told[0], Ok(true));
    assert_eq!(told[1], Err((ErrorKind::Server, Some("OOM".to_owned()))));
    assert_eq!(told[2], Err((ErrorKind::Io, None)));
    assert_eq!(told[3], Err((ErrorKind::Io, None)));
}

#[test]
fn a_list_of_nothing_but_faults_asks_nobody() {
    let address = fake(|_, _| panic!("nothing was to be asked"));
    let backend = backend(address, &quick());
    let mut list = KeyList::default();
    list.push_fault(Error::new(ErrorKind::InvalidArgument, "a fault"));
    backend.get_many(&list, Access::Read, quickly(), &mut |_, _, _| {
        panic!("told of a fault")
    });
    backend.delete_many(&KeyList::default(), quickly(), &mut |_, _| {
        panic!("told of nothing")
    });
    assert_eq!(backend.traffic().connections_open, 0);
}
