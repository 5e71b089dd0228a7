//! Every primitive against a real server.

use std::time::Duration;

use crate::backend::redis::testing::{Server, body, get, set};
use crate::backend::{Access, Backend, KeyList, Pttl, ScanStep, Touch, Value};
use crate::error::{Error, ErrorKind, Result};
use crate::expiry::{Life, local_unix_ms};
use crate::header::{Header, LeaseBlock};

const MINUTE: Life = Life::Millis(60_000);

fn keys(names: &[&str]) -> KeyList {
    let mut keys = KeyList::default();
    names
        .iter()
        .for_each(|name| keys.push_bytes(name.as_bytes()));
    keys
}

/// An entry in the long form of the header.
fn entry(soft_expire_ms: u64, change: impl FnOnce(Header) -> Header) -> Vec<u8> {
    let lease = LeaseBlock {
        soft_expire_ms,
        stale_ms: 60_000,
        ..LeaseBlock::default()
    };
    let header = change(Header {
        lease: Some(lease),
        ..Header::short(0, 0)
    });
    [&header.encode()[..], b"payload"].concat()
}

/// Entries that a plain read does not see.
fn nothing_lives_here() -> [(&'static str, Vec<u8>); 4] {
    let far = local_unix_ms() + 1_000_000;
    [
        (
            "placeholder",
            entry(0, |header| Header {
                has_value: false,
                ..header
            }),
        ),
        ("soft-expired", entry(1, |header| header)),
        (
            "negative",
            entry(far, |header| Header {
                negative: true,
                ..header
            }),
        ),
        (
            "short negative",
            Header {
                negative: true,
                ..Header::short(0, 0)
            }
            .encode()
            .to_vec(),
        ),
    ]
}

fn code(result: Result<impl std::fmt::Debug>) -> ErrorKind {
    result.unwrap_err().kind()
}

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
        )
        .unwrap();
    assert_eq!(get(&backend, "k").unwrap().unwrap(), b"head-body");
    assert_eq!(server.command::<i64>(&["PTTL", "k"]), -1);
    backend.set(b"k", body(b""), Life::Millis(5_000)).unwrap();
    assert_eq!(get(&backend, "k").unwrap().unwrap(), b"");
    assert!((4_000..=5_000).contains(&server.command::<i64>(&["PTTL", "k"])));
    assert!(backend.delete(b"k").unwrap());
    assert!(!backend.delete(b"k").unwrap());
    set(&backend, "k", b"v").unwrap();
    backend.set(b"k", body(b"w"), Life::Expired).unwrap();
    assert_eq!(get(&backend, "k").unwrap(), None);
}

#[test]
fn large_values_and_odd_keys_survive() {
    let server = Server::start();
    let backend = server.backend();
    let value: Vec<u8> = (0..3_000_000_u32).map(|at| at as u8).collect();
    backend
        .set(b"\x00\r\n$*\xff", body(&value), MINUTE)
        .unwrap();
    assert_eq!(get(&backend, "other").unwrap(), None);
    let mut kept = crate::backend::redis::testing::Kept::default();
    assert!(
        backend
            .get(b"\x00\r\n$*\xff", Access::Read, &mut kept)
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
fn many_values_come_with_their_places() {
    let server = Server::start();
    let backend = server.backend();
    let names: Vec<String> = (0..2500).map(|number| format!("k{number}")).collect();
    let mut list = KeyList::default();
    list.push(|_| {
        Err(Error::new(
            ErrorKind::InvalidArgument,
            "a fault keeps its place",
        ))
    });
    names
        .iter()
        .for_each(|name| list.push_bytes(name.as_bytes()));
    let values: Vec<Value<'_>> = std::iter::once(body(b"never"))
        .chain(names.iter().map(|name| body(name.as_bytes())))
        .collect();
    let mut stored = vec![0; names.len() + 1];
    backend.set_many(&list, &values, MINUTE, &mut |place, outcome| {
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
    backend.get_many(&list, Access::Read, &mut |place, outcome, _| {
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
    backend.delete_many(&list, &mut |place, outcome| {
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
    backend.set_many(&list, &[body(&big); 6], MINUTE, &mut |_, outcome| {
        stored += i32::from(outcome.unwrap())
    });
    assert_eq!(stored, 6);
    let mut read = 0;
    backend.get_many(&list, Access::Read, &mut |_, outcome, _| {
        read += outcome.unwrap().unwrap().len()
    });
    assert_eq!(read, 6 * big.len());
}

#[test]
fn set_many_with_an_expired_life_removes() {
    let server = Server::start();
    let backend = server.backend();
    set(&backend, "a", b"1").unwrap();
    let mut told = 0;
    backend.set_many(
        &keys(&["a", "b"]),
        &[body(b"x"); 2],
        Life::Expired,
        &mut |_, outcome| {
            outcome.unwrap();
            told += 1;
        },
    );
    assert_eq!(told, 2);
    assert_eq!(server.command::<u64>(&["DBSIZE"]), 0);
}

#[test]
fn add_stores_only_where_nothing_lives() {
    let server = Server::start();
    let backend = server.backend();
    assert!(backend.add(b"k", body(b"one"), MINUTE).unwrap());
    assert!(server.command::<i64>(&["PTTL", "k"]) > 50_000);
    assert!(!backend.add(b"k", body(b"two"), MINUTE).unwrap());
    assert_eq!(get(&backend, "k").unwrap().unwrap(), b"one");
    assert!(
        backend
            .add(b"forever", body(b"one"), Life::Forever)
            .unwrap()
    );
    assert_eq!(server.command::<i64>(&["PTTL", "forever"]), -1);
    server.command::<()>(&["RPUSH", "list", "a"]);
    assert!(!backend.add(b"list", body(b"one"), MINUTE).unwrap());
    set(&backend, "empty", b"").unwrap();
    assert!(!backend.add(b"empty", body(b"one"), MINUTE).unwrap());
    set(
        &backend,
        "fresh",
        &entry(local_unix_ms() + 60_000, |header| header),
    )
    .unwrap();
    assert!(!backend.add(b"fresh", body(b"one"), MINUTE).unwrap());

    for (name, bytes) in nothing_lives_here() {
        for (life, pttl) in [(MINUTE, 50_000..=60_000), (Life::Forever, -1..=-1)] {
            set(&backend, "k", &bytes).unwrap();
            assert!(
                backend
                    .add(
                        b"k",
                        Value {
                            head: b"ne",
                            body: b"w"
                        },
                        life
                    )
                    .unwrap(),
                "{name}"
            );
            assert_eq!(get(&backend, "k").unwrap().unwrap(), b"new", "{name}");
            assert!(
                pttl.contains(&server.command::<i64>(&["PTTL", "k"])),
                "{name}"
            );
        }
    }
}

#[test]
fn add_of_something_expired_changes_nothing() {
    let server = Server::start();
    let backend = server.backend();
    assert!(backend.add(b"k", body(b"x"), Life::Expired).unwrap());
    assert_eq!(get(&backend, "k").unwrap(), None);
    set(&backend, "k", b"v").unwrap();
    assert!(!backend.add(b"k", body(b"x"), Life::Expired).unwrap());
    assert_eq!(get(&backend, "k").unwrap().unwrap(), b"v");
    for (name, bytes) in nothing_lives_here() {
        set(&backend, "k", &bytes).unwrap();
        assert!(
            backend.add(b"k", body(b"x"), Life::Expired).unwrap(),
            "{name}"
        );
        assert_eq!(get(&backend, "k").unwrap().unwrap(), bytes, "{name}");
    }
}

#[test]
fn head_and_ttl_show_the_beginning_of_the_value() {
    let server = Server::start();
    let backend = server.backend();
    assert!(backend.head(b"k", Access::Read).unwrap().is_none());
    assert!(backend.ttl(b"k").unwrap().is_none());
    let long: Vec<u8> = (0..100).collect();
    set(&backend, "k", &long).unwrap();
    let (head, clock) = backend.head(b"k", Access::Read).unwrap().unwrap();
    assert_eq!(head.as_slice(), &long[..32]);
    assert!(clock.now_ms().abs_diff(local_unix_ms()) < 1000);
    let (pttl, head, _) = backend.ttl(b"k").unwrap().unwrap();
    assert!(matches!(pttl, Pttl::Millis(50_000..=60_000)));
    assert_eq!(head.len(), 32);
    backend.set(b"k", body(b"short"), Life::Forever).unwrap();
    let (pttl, head, _) = backend.ttl(b"k").unwrap().unwrap();
    assert_eq!((pttl, head.as_slice()), (Pttl::Forever, &b"short"[..]));
    server.command::<()>(&["RPUSH", "list", "a"]);
    assert!(
        backend
            .head(b"list", Access::Read)
            .unwrap()
            .unwrap()
            .0
            .is_empty()
    );
    assert!(backend.ttl(b"list").unwrap().unwrap().1.is_empty());
}

#[test]
fn touch_moves_the_expiry() {
    let server = Server::start();
    let backend = server.backend();
    let pttl = || server.command::<i64>(&["PTTL", "k"]);
    assert!(!backend.touch(b"k", Touch::In(1000)).unwrap());
    assert!(!backend.touch(b"k", Touch::Persist).unwrap());
    assert!(!backend.touch(b"k", Touch::In(0)).unwrap());
    set(&backend, "k", b"v").unwrap();
    assert!(backend.touch(b"k", Touch::In(500_000)).unwrap());
    assert!((499_000..=500_000).contains(&pttl()));
    assert!(backend.touch(b"k", Touch::Persist).unwrap());
    assert!(backend.touch(b"k", Touch::Persist).unwrap());
    assert_eq!(pttl(), -1);
    assert!(
        backend
            .touch(b"k", Touch::At(local_unix_ms() + 100_000))
            .unwrap()
    );
    assert!((99_000..=100_000).contains(&pttl()));
    assert!(backend.touch(b"k", Touch::In(u64::MAX)).unwrap());
    assert!(pttl() > 1 << 51);
    assert!(backend.touch(b"k", Touch::At(1)).unwrap());
    assert_eq!(pttl(), -2);
    set(&backend, "k", b"v").unwrap();
    assert!(backend.touch(b"k", Touch::In(0)).unwrap());
    assert_eq!(pttl(), -2);
}

#[test]
fn touch_moves_soft_and_hard_expiry_together() {
    let server = Server::start();
    let backend = server.backend();
    let soft = || {
        let head = backend.head(b"k", Access::Write).unwrap().unwrap().0;
        Header::parse(&head).unwrap().lease.unwrap().soft_expire_ms
    };
    set(
        &backend,
        "k",
        &entry(local_unix_ms() + 5_000, |header| header),
    )
    .unwrap();
    assert!(backend.touch(b"k", Touch::In(100_000)).unwrap());
    assert!(soft().abs_diff(local_unix_ms() + 100_000) < 2_000);
    // The stale window of 60 s comes on top.
    assert!((158_000..=160_000).contains(&server.command::<i64>(&["PTTL", "k"])));
    assert!(backend.touch(b"k", Touch::Persist).unwrap());
    assert_eq!(soft(), 0);
    assert_eq!(server.command::<i64>(&["PTTL", "k"]), -1);
    assert!(get(&backend, "k").unwrap().unwrap().ends_with(b"payload"));
}

#[test]
fn what_does_not_live_cannot_be_touched_counted_or_moved() {
    let server = Server::start();
    let backend = server.backend();
    for (name, bytes) in nothing_lives_here() {
        set(&backend, "k", &bytes).unwrap();
        assert!(!backend.touch(b"k", Touch::In(1_000)).unwrap(), "{name}");
        assert!(!backend.touch(b"k", Touch::Persist).unwrap(), "{name}");
        assert_eq!(backend.incr(b"k", 1).unwrap(), None, "{name}");
        assert!(!backend.rename(b"k", b"other").unwrap(), "{name}");
        assert_eq!(get(&backend, "k").unwrap().unwrap(), bytes, "{name}");
        assert_eq!(
            backend.incr_or_create(b"k", 1, 41, MINUTE).unwrap(),
            41,
            "{name}"
        );
        assert_eq!(backend.incr(b"k", 1).unwrap(), Some(42), "{name}");
    }
}

#[test]
fn counters_are_exact_to_64_bits_and_keep_their_expiry() {
    let server = Server::start();
    let backend = server.backend();
    assert_eq!(backend.incr(b"k", 1).unwrap(), None);
    assert_eq!(get(&backend, "k").unwrap(), None);
    set(&backend, "k", b"9007199254740993").unwrap();
    assert_eq!(backend.incr(b"k", 2).unwrap(), Some(9_007_199_254_740_995));
    assert!(server.command::<i64>(&["PTTL", "k"]) > 50_000);
    set(&backend, "k", i64::MAX.to_string().as_bytes()).unwrap();
    assert_eq!(backend.incr(b"k", i64::MIN).unwrap(), Some(-1));
    assert_eq!(backend.incr(b"k", i64::MIN + 1).unwrap(), Some(i64::MIN));
    let error = backend.incr(b"k", -1).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::WrongType);
    assert!(error.to_string().contains("would overflow"), "{error}");
    set(&backend, "k", b"12_3").unwrap();
    let error = backend.incr(b"k", 1).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::WrongType);
    assert!(
        error.to_string().contains("the value is not an integer"),
        "{error}"
    );
    assert_eq!(
        code(backend.incr_or_create(b"k", 1, 1, MINUTE)),
        ErrorKind::WrongType
    );
    server.command::<()>(&["RPUSH", "list", "a"]);
    assert_eq!(code(backend.incr(b"list", 1)), ErrorKind::WrongType);
}

#[test]
fn a_counter_is_created_with_its_initial_value() {
    let server = Server::start();
    let backend = server.backend();
    assert_eq!(
        backend.incr_or_create(b"k", 5, i64::MIN, MINUTE).unwrap(),
        i64::MIN
    );
    assert!(server.command::<i64>(&["PTTL", "k"]) > 50_000);
    assert_eq!(
        backend.incr_or_create(b"k", 5, 0, Life::Forever).unwrap(),
        i64::MIN + 5
    );
    assert!(server.command::<i64>(&["PTTL", "k"]) > 50_000);
    assert_eq!(
        backend
            .incr_or_create(b"forever", 5, 1, Life::Forever)
            .unwrap(),
        1
    );
    assert_eq!(server.command::<i64>(&["PTTL", "forever"]), -1);
    assert_eq!(
        backend
            .incr_or_create(b"expired", 5, 1, Life::Expired)
            .unwrap(),
        1
    );
    assert_eq!(get(&backend, "expired").unwrap(), None);
    assert_eq!(
        backend
            .incr_or_create(b"forever", 5, 1, Life::Expired)
            .unwrap(),
        6
    );
}

#[test]
fn rename_takes_the_expiry_along_and_replaces() {
    let server = Server::start();
    let backend = server.backend();
    assert!(!backend.rename(b"a", b"b").unwrap());
    set(&backend, "a", b"new").unwrap();
    backend.set(b"b", body(b"old"), Life::Forever).unwrap();
    assert!(backend.rename(b"a", b"b").unwrap());
    assert_eq!(get(&backend, "a").unwrap(), None);
    assert_eq!(get(&backend, "b").unwrap().unwrap(), b"new");
    assert!(server.command::<i64>(&["PTTL", "b"]) > 50_000);
    assert!(backend.rename(b"b", b"b").unwrap());
    assert_eq!(get(&backend, "b").unwrap().unwrap(), b"new");
}

#[test]
fn a_script_the_server_forgot_is_sent_again() {
    let server = Server::start();
    let backend = server.backend();
    set(&backend, "k", b"1").unwrap();
    assert_eq!(backend.incr(b"k", 1).unwrap(), Some(2));
    server.command::<()>(&["SCRIPT", "FLUSH"]);
    assert_eq!(backend.incr(b"k", 1).unwrap(), Some(3));
    server.command::<()>(&["CONFIG", "RESETSTAT"]);
    assert_eq!(backend.incr(b"k", 1).unwrap(), Some(4));
    assert_eq!((server.calls("evalsha"), server.calls("eval")), (1, 0));
}

#[test]
fn a_walk_finds_every_key_and_removes_what_it_is_told() {
    let server = Server::start();
    let backend = server.backend();
    for number in 0..1000 {
        set(&backend, &format!("a:{number}"), b"v").unwrap();
        set(&backend, &format!("b:{number}"), b"v").unwrap();
    }
    let nodes = backend.nodes().unwrap();
    assert_eq!(nodes, [server.unix().to_string()]);
    let (mut cursor, mut removed, mut steps, mut walked) = (0, 0, 0, 0.0);
    loop {
        let mut found = KeyList::default();
        let step = ScanStep {
            node: &nodes[0],
            cursor,
            pattern: b"a:*",
            count: 100,
        };
        cursor = backend
            .scan(step, &mut |key| found.push_bytes(key))
            .unwrap();
        removed += backend.unlink(&nodes[0], &found).unwrap();
        steps += 1;
        if cursor == 0 {
            break;
        }
        assert!(backend.walked(cursor) > walked);
        walked = backend.walked(cursor);
    }
    assert_eq!(removed, 1000);
    assert!((10..40).contains(&steps), "{steps}");
    assert!(walked > 0.9, "{walked}");
    assert_eq!(server.command::<u64>(&["DBSIZE"]), 1000);
    let step = ScanStep {
        node: "elsewhere",
        cursor: 0,
        pattern: b"*",
        count: 10,
    };
    assert_eq!(
        code(backend.scan(step, &mut |_| {})),
        ErrorKind::Unavailable
    );
    assert_eq!(
        code(backend.unlink("elsewhere", &keys(&["k"]))),
        ErrorKind::Unavailable
    );
}

#[test]
fn ping_flush_locate_and_counters() {
    let server = Server::start();
    let backend = server.backend();
    backend.ping().unwrap();
    set(&backend, "k", &[0; 1000]).unwrap();
    let traffic = backend.traffic();
    assert!((1000..3000).contains(&traffic.bytes_written), "{traffic:?}");
    assert!(traffic.bytes_read > 0);
    assert_eq!((traffic.connections_open, traffic.connections_idle), (1, 1));
    backend.reset_traffic();
    assert_eq!(backend.traffic().bytes_written, 0);
    assert_eq!(backend.locate(b"k").unwrap(), server.unix().to_string());
    backend.flush().unwrap();
    assert_eq!(server.command::<u64>(&["DBSIZE"]), 0);
    backend.close();
    assert_eq!(backend.traffic().connections_open, 0);
    backend.ping().unwrap();
}

#[test]
fn the_server_is_told_who_we_are() {
    let server = Server::with(&["--databases", "4"]);
    let options = crate::config::Options {
        client_name: Some("site".into()),
        ..Default::default()
    };
    let mut location = crate::backend::redis::testing::location(server.tcp());
    location.db = Some(3);
    let backend =
        crate::backend::redis::RedisBackend::new(&options, &[location], &Default::default())
            .unwrap();
    set(&backend, "k", b"v").unwrap();
    let list: String = server.command(&["CLIENT", "LIST"]);
    assert!(
        list.lines().any(|line| line.contains("name=site")
            && line.contains("db=3")
            && line.contains("resp=3")),
        "{list}"
    );
    std::thread::sleep(Duration::from_millis(1));
    assert_eq!(get(&backend, "k").unwrap().unwrap(), b"v");
}
