//! What the scripts take for a live value, and how they move its expiry.

use crate::base::budget::soon;
use crate::entry::header::{Header, LeaseBlock};
use crate::expiry::{Life, local_unix_ms};
use crate::store::{Access, Touch, Value, Values};

use super::super::testing::{MINUTE, Server, body, get, set};

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

#[test]
fn add_stores_only_where_nothing_lives() {
    let server = Server::start();
    let backend = server.backend();
    assert!(backend.add(b"k", body(b"one"), MINUTE, soon()).unwrap());
    assert!(server.command::<i64>(&["PTTL", "k"]) > 50_000);
    assert!(!backend.add(b"k", body(b"two"), MINUTE, soon()).unwrap());
    assert_eq!(get(&backend, "k").unwrap().unwrap(), b"one");
    assert!(
        backend
            .add(b"forever", body(b"one"), Life::Forever, soon())
            .unwrap()
    );
    assert_eq!(server.command::<i64>(&["PTTL", "forever"]), -1);
    server.command::<()>(&["RPUSH", "list", "a"]);
    assert!(!backend.add(b"list", body(b"one"), MINUTE, soon()).unwrap());
    set(&backend, "empty", b"").unwrap();
    assert!(!backend.add(b"empty", body(b"one"), MINUTE, soon()).unwrap());
    set(
        &backend,
        "fresh",
        &entry(local_unix_ms() + 60_000, |header| header),
    )
    .unwrap();
    assert!(!backend.add(b"fresh", body(b"one"), MINUTE, soon()).unwrap());

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
                        life,
                        soon(),
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
    assert!(
        backend
            .add(b"k", body(b"x"), Life::Expired, soon())
            .unwrap()
    );
    assert_eq!(get(&backend, "k").unwrap(), None);
    set(&backend, "k", b"v").unwrap();
    assert!(
        !backend
            .add(b"k", body(b"x"), Life::Expired, soon())
            .unwrap()
    );
    assert_eq!(get(&backend, "k").unwrap().unwrap(), b"v");
    for (name, bytes) in nothing_lives_here() {
        set(&backend, "k", &bytes).unwrap();
        assert!(
            backend
                .add(b"k", body(b"x"), Life::Expired, soon())
                .unwrap(),
            "{name}"
        );
        assert_eq!(get(&backend, "k").unwrap().unwrap(), bytes, "{name}");
    }
}

#[test]
fn what_does_not_live_cannot_be_touched_counted_or_moved() {
    let server = Server::start();
    let backend = server.backend();
    for (name, bytes) in nothing_lives_here() {
        set(&backend, "k", &bytes).unwrap();
        assert!(
            !backend.touch(b"k", Touch::In(1_000), soon()).unwrap(),
            "{name}"
        );
        assert!(
            !backend.touch(b"k", Touch::Persist, soon()).unwrap(),
            "{name}"
        );
        assert_eq!(backend.incr(b"k", 1, soon()).unwrap(), None, "{name}");
        assert!(!backend.rename(b"k", b"other", soon()).unwrap(), "{name}");
        assert_eq!(get(&backend, "k").unwrap().unwrap(), bytes, "{name}");
        assert_eq!(
            backend.incr_or_create(b"k", 1, 41, MINUTE, soon()).unwrap(),
            41,
            "{name}"
        );
        assert_eq!(backend.incr(b"k", 1, soon()).unwrap(), Some(42), "{name}");
    }
}

#[test]
fn touch_moves_the_expiry() {
    let server = Server::start();
    let backend = server.backend();
    let pttl = || server.command::<i64>(&["PTTL", "k"]);
    assert!(!backend.touch(b"k", Touch::In(1000), soon()).unwrap());
    assert!(!backend.touch(b"k", Touch::Persist, soon()).unwrap());
    assert!(!backend.touch(b"k", Touch::In(0), soon()).unwrap());
    set(&backend, "k", b"v").unwrap();
    assert!(backend.touch(b"k", Touch::In(500_000), soon()).unwrap());
    assert!((499_000..=500_000).contains(&pttl()));
    assert!(backend.touch(b"k", Touch::Persist, soon()).unwrap());
    assert!(backend.touch(b"k", Touch::Persist, soon()).unwrap());
    assert_eq!(pttl(), -1);
    assert!(
        backend
            .touch(b"k", Touch::At(local_unix_ms() + 100_000), soon())
            .unwrap()
    );
    assert!((99_000..=100_000).contains(&pttl()));
    assert!(backend.touch(b"k", Touch::In(u64::MAX), soon()).unwrap());
    assert!(pttl() > 1 << 51);
    assert!(backend.touch(b"k", Touch::At(1), soon()).unwrap());
    assert_eq!(pttl(), -2);
    set(&backend, "k", b"v").unwrap();
    assert!(backend.touch(b"k", Touch::In(0), soon()).unwrap());
    assert_eq!(pttl(), -2);
}

#[test]
fn touch_moves_soft_and_hard_expiry_together() {
    let server = Server::start();
    let backend = server.backend();
    let soft = || {
        let head = backend
            .head(b"k", Access::Write, soon())
            .unwrap()
            .unwrap()
            .0;
        Header::parse(&head).unwrap().lease.unwrap().soft_expire_ms
    };
    set(
        &backend,
        "k",
        &entry(local_unix_ms() + 5_000, |header| header),
    )
    .unwrap();
    assert!(backend.touch(b"k", Touch::In(100_000), soon()).unwrap());
    assert!(soft().abs_diff(local_unix_ms() + 100_000) < 2_000);
    // The stale window of 60 s comes on top.
    assert!((158_000..=160_000).contains(&server.command::<i64>(&["PTTL", "k"])));
    assert!(backend.touch(b"k", Touch::Persist, soon()).unwrap());
    assert_eq!(soft(), 0);
    assert_eq!(server.command::<i64>(&["PTTL", "k"]), -1);
    assert!(get(&backend, "k").unwrap().unwrap().ends_with(b"payload"));
}
