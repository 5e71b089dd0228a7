//! What callers of the embedded store see: the seam's contracts, threads, walks, names and forks.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use crate::base::budget::soon;
use crate::base::clocks::step_wall;
use crate::store::{Acquired, Claim, Force, Leases, Room, Stored, Token};

use super::*;

const ROOMY: usize = 64 << 20;

fn private(limit: usize) -> Arc<MemoryStore> {
    MemoryStore::open(None, None, limit)
}

fn plain(body: &[u8]) -> Value<'_> {
    Value { head: b"", body }
}

#[derive(Default)]
struct Bytes(Vec<u8>);

impl Sink for Bytes {
    fn begin(&mut self, head: &[u8], len: usize) -> Result<Room<'_>> {
        assert_eq!(head.len(), len);
        self.0 = head.to_vec();
        Ok(Room::Discard)
    }
}

fn get(store: &MemoryStore, key: &[u8]) -> Option<Vec<u8>> {
    let mut bytes = Bytes::default();
    store
        .get(key, Access::Read, &mut bytes, soon())
        .unwrap()
        .map(|_| bytes.0)
}

fn list<K: AsRef<[u8]>>(keys: impl IntoIterator<Item = K>) -> KeyList {
    let mut list = KeyList::default();
    for key in keys {
        list.push(|bytes| {
            bytes.extend_from_slice(key.as_ref());
            Ok(())
        });
    }
    list
}

/// Walks the whole store; `between` is called after every step.
fn walk(
    store: &MemoryStore,
    pattern: &str,
    count: u32,
    mut between: impl FnMut(),
) -> HashMap<Vec<u8>, u32> {
    let (mut seen, mut cursor) = (HashMap::new(), 0);
    loop {
        let step = ScanStep {
            node: &store.location,
            cursor,
            pattern: pattern.as_bytes(),
            count,
        };
        cursor = store
            .scan(step, soon(), &mut |key| {
                *seen.entry(key.to_vec()).or_default() += 1
            })
            .unwrap();
        if cursor == 0 {
            return seen;
        }
        between();
    }
}

#[test]
fn a_value_comes_back_whole_whatever_its_parts_and_size() {
    let store = private(ROOMY);
    let megabytes: Vec<u8> = (0..20u32 << 20).map(|i| (i % 251) as u8).collect();
    for (head, body) in [
        (&b""[..], &b""[..]),
        (b"", b"body"),
        (b"head", b""),
        (b"head", &megabytes[..]),
    ] {
        let value = Value { head, body };
        store.set(b"k", value, Life::Forever, soon()).unwrap();
        assert!(
            get(&store, b"k") == Some([value.head, value.body].concat()),
            "{} bytes",
            value.len()
        );
        let (short, _) = store.head(b"k", Access::Read, soon()).unwrap().unwrap();
        assert_eq!(
            &short[..],
            &[value.head, value.body].concat()[..value.len().min(HEAD_LEN)]
        );
    }
    assert_eq!(get(&store, b"missing"), None);
}

#[test]
fn a_reader_keeps_a_value_that_is_replaced_meanwhile() {
    let store = private(ROOMY);
    store
        .set(b"k", plain(b"old"), Life::Forever, soon())
        .unwrap();
    store.get_many(&list(["k"]), Access::Read, soon(), &mut |_, value, _| {
        store
            .set(b"k", plain(b"new"), Life::Forever, soon())
            .unwrap();
        assert_eq!(value.unwrap(), Some(&b"old"[..]));
    });
    assert_eq!(get(&store, b"k"), Some(b"new".to_vec()));
}

#[test]
fn many_keys_are_told_one_by_one_and_faults_are_left_out() {
    let store = private(1000);
    let mut keys = list(["a", "b"]);
    keys.push(|_| Err(Error::new(ErrorKind::InvalidArgument, "no key")));
    keys.push(|bytes| {
        bytes.push(b'c');
        Ok(())
    });
    let mut done = Vec::new();
    let values = [plain(b"1"), plain(&[0; 2000]), plain(b"3"), plain(b"4")];
    let values = values.map(|value| (value, Life::Forever));
    store.set_many(&keys, &values, soon(), &mut |index, result| {
        done.push((index, result.is_ok()))
    });
    assert_eq!(done, [(0, true), (1, false), (3, true)]);

    let mut found = Vec::new();
    store.get_many(&keys, Access::Read, soon(), &mut |index, value, _| {
        found.push((index, value.unwrap().map(<[u8]>::to_vec)))
    });
    assert_eq!(
        found,
        [
            (0, Some(b"1".to_vec())),
            (1, None),
            (3, Some(b"4".to_vec()))
        ]
    );

    let mut removed = Vec::new();
    store.delete_many(&keys, soon(), &mut |index, there| {
        removed.push((index, there.unwrap()))
    });
    assert_eq!(removed, [(0, true), (1, false), (3, true)]);
}

#[test]
fn entries_expire_by_the_clock_of_the_process() {
    let store = private(ROOMY);
    store
        .set(b"k", plain(b"v"), Life::Millis(20), soon())
        .unwrap();
    let (left, _, clock) = store.ttl(b"k", soon()).unwrap().unwrap();
    assert!(matches!(left, Pttl::Millis(ms) if ms <= 20), "{left:?}");
    assert_eq!(clock, Clock::own());
    std::thread::sleep(Duration::from_millis(25));
    assert!(
        store.ttl(b"k", soon()).unwrap().is_none()
            && store.head(b"k", Access::Write, soon()).unwrap().is_none()
    );
    assert!(walk(&store, "*", 10, || ()).is_empty());
}

#[test]
fn errors_name_the_store_and_the_command() {
    let store = MemoryStore::open(Some("errors"), None, 300);
    store
        .set(b"k", plain(b"text"), Life::Forever, soon())
        .unwrap();
    let error = store.incr(b"k", 1, soon()).unwrap_err();
    assert_eq!(
        (error.node(), error.command()),
        (Some("memory://errors"), Some("INCRBY"))
    );
    let error = store
        .set(b"k", plain(&[0; 500]), Life::Forever, soon())
        .unwrap_err();
    let text = "memory://errors: SET: OOM command not allowed: \
                the entry of 595 bytes is larger than memory_limit (300 bytes)";
    assert_eq!(error.to_string(), text);
}

#[test]
fn increments_of_eight_threads_add_up() {
    let store = private(ROOMY);
    std::thread::scope(|scope| {
        for thread in 0..8 {
            let store = &store;
            scope.spawn(move || {
                for round in 0..5000 {
                    store
                        .incr_or_create(b"sum", 1, 1, Life::Forever, soon())
                        .unwrap();
                    store
                        .set(
                            format!("{thread}:{}", round % 50).as_bytes(),
                            plain(b"x"),
                            Life::Millis(1),
                            soon(),
                        )
                        .unwrap();
                    get(
                        store,
                        format!("{}:{}", (thread + 1) % 8, round % 50).as_bytes(),
                    );
                }
            });
        }
    });
    assert_eq!(store.incr(b"sum", 0, soon()).unwrap(), Some(40_000));
}

#[test]
fn only_one_of_many_threads_adds() {
    let store = private(ROOMY);
    for round in 0..200u32 {
        let added: usize = std::thread::scope(|scope| {
            let add = || {
                usize::from(
                    store
                        .add(&round.to_le_bytes(), plain(b"x"), Life::Forever, soon())
                        .unwrap(),
                )
            };
            let threads: Vec<_> = (0..4).map(|_| scope.spawn(add)).collect();
            threads
                .into_iter()
                .map(|thread| thread.join().unwrap())
                .sum()
        });
        assert_eq!(added, 1);
    }
}

#[test]
fn a_walk_meets_what_stays_exactly_once_whatever_else_changes() {
    let store = private(ROOMY);
    let stays: Vec<String> = (0..500).map(|i| format!("stays:{i}")).collect();
    for (i, key) in stays.iter().enumerate() {
        store
            .set(
                format!("goes:{i}").as_bytes(),
                plain(b"x"),
                Life::Forever,
                soon(),
            )
            .unwrap();
        store
            .set(key.as_bytes(), plain(b"x"), Life::Forever, soon())
            .unwrap();
    }
    let mut turn = 0;
    let seen = walk(&store, "*", 7, || {
        turn += 1;
        for i in (0..500).filter(|i| (i + turn) % 11 == 0) {
            store
                .delete(format!("goes:{i}").as_bytes(), soon())
                .unwrap();
            store
                .set(
                    format!("comes:{turn}:{i}").as_bytes(),
                    plain(b"y"),
                    Life::Forever,
                    soon(),
                )
                .unwrap();
            store
                .set(
                    stays[i].as_bytes(),
                    plain(b"another value"),
                    Life::Forever,
                    soon(),
                )
                .unwrap();
            get(&store, stays[(i * 7) % 500].as_bytes());
        }
        store
            .set(b"moves", plain(b"x"), Life::Forever, soon())
            .unwrap();
        store
            .rename(b"moves", stays[turn % 500].as_bytes(), soon())
            .unwrap();
        assert!(turn < 5000, "the walk ends though keys are added");
    });
    assert!(stays.iter().all(|key| seen.get(key.as_bytes()) == Some(&1)));
}

#[test]
fn a_walk_shows_what_fits_the_pattern_and_may_change_the_store() {
    let store = private(ROOMY);
    let keys = ["app:1:a", "app:1:b", "app:2:a", "apple"];
    keys.iter().for_each(|key| {
        store
            .set(key.as_bytes(), plain(b""), Life::Forever, soon())
            .unwrap()
    });
    let seen = walk(&store, "app:1:*", 1, || ());
    assert_eq!(seen.len(), 2);

    let step = ScanStep {
        node: &store.location,
        cursor: 0,
        pattern: b"app:*",
        count: u32::MAX,
    };
    let next = store
        .scan(step, soon(), &mut |key| {
            assert!(store.delete(key, soon()).unwrap())
        })
        .unwrap();
    assert_eq!(
        (next, get(&store, b"app:1:a"), get(&store, b"apple")),
        (0, None, Some(Vec::new()))
    );
}

#[test]
fn unlink_counts_and_another_node_is_refused() {
    let store = private(ROOMY);
    store.set(b"a", plain(b""), Life::Forever, soon()).unwrap();
    store.set(b"b", plain(b""), Life::Forever, soon()).unwrap();
    let [node] = &store.nodes(soon()).unwrap()[..] else {
        panic!("one node")
    };
    assert_eq!(node, "memory://");
    assert_eq!(
        store.unlink(node, &list(["a", "b", "c"]), soon()).unwrap(),
        2
    );
    let error = store
        .unlink("memory://other", &list(["a"]), soon())
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidArgument);
    let step = ScanStep {
        node: "10.0.0.1:6379",
        cursor: 0,
        pattern: b"*",
        count: 10,
    };
    assert!(store.scan(step, soon(), &mut |_| ()).is_err());
}

#[test]
fn its_debug_form_shows_no_values() {
    let store = MemoryStore::open(Some("secrets"), None, ROOMY);
    store
        .set(b"k", plain(b"hush"), Life::Forever, soon())
        .unwrap();
    assert_eq!(format!("{store:?}"), "MemoryStore(\"memory://secrets\")");
}

#[test]
fn flush_empties_the_store() {
    let store = private(ROOMY);
    store.set(b"a", plain(b""), Life::Forever, soon()).unwrap();
    store.flush(soon()).unwrap();
    assert!(walk(&store, "*", 10, || ()).is_empty());
    store
        .set(b"a", plain(b"again"), Life::Forever, soon())
        .unwrap();
    assert_eq!(get(&store, b"a"), Some(b"again".to_vec()));
    store.ping(soon()).unwrap();
}

#[test]
fn a_name_is_shared_while_somebody_holds_it_and_grows_to_the_largest_limit() {
    let first = MemoryStore::open(Some("shared"), None, 400);
    let second = MemoryStore::open(Some("shared"), None, 1000);
    let third = MemoryStore::open(Some("shared"), None, 10);
    first
        .set(b"k", plain(&[0; 500]), Life::Forever, soon())
        .unwrap();
    assert!(get(&third, b"k").is_some());
    assert_eq!(second.locate(b"k", soon()).unwrap(), "memory://shared");
    assert_eq!(
        get(&MemoryStore::open(Some("another"), None, 1000), b"k"),
        None
    );
    assert_eq!(get(&private(1000), b"k"), None);
    drop((first, second, third));
    assert_eq!(
        get(&MemoryStore::open(Some("shared"), None, 400), b"k"),
        None
    );
}

#[test]
fn a_child_forked_amid_other_threads_goes_on_with_its_own_copy() {
    use std::sync::atomic::{AtomicBool, Ordering};

    let store = MemoryStore::open(Some("forked"), None, ROOMY);
    store
        .set(b"sum", plain(b"1"), Life::Forever, soon())
        .unwrap();
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| {
                while !stop.load(Ordering::Relaxed) {
                    store
                        .set(b"busy", plain(b"x"), Life::Forever, soon())
                        .unwrap();
                    MemoryStore::open(Some("forked"), None, 1);
                }
            });
        }
        let children_fared_well = (0..100).all(|_| {
            crate::base::fork::testing::in_child(|| {
                std::thread::scope(|scope| {
                    for _ in 0..2 {
                        scope.spawn(|| {
                            (0..1000).for_each(|_| {
                                assert!(store.incr(b"sum", 1, soon()).unwrap().is_some())
                            })
                        });
                    }
                });
                let again = MemoryStore::open(Some("forked"), None, 1);
                assert_eq!(again.incr(b"sum", 0, soon()).unwrap(), Some(2001));
            })
        });
        stop.store(true, Ordering::Relaxed);
        assert!(children_fared_well);
    });
    assert_eq!(get(&store, b"sum"), Some(b"1".to_vec()));
}

/// Ten minutes either way, and back. On the wall clock, entries of a minute were gone or lived for ten, a lease was given
/// to a second caller, and so was a lock.
#[test]
fn no_step_of_the_wall_clock_is_seen() {
    let minute = Life::Millis(60_000);
    for minutes in [10, -10] {
        let store = private(ROOMY);
        let claim = |token| Claim {
            token,
            lease_ms: 60_000,
            force: Force::No,
            seen: None,
        };
        let (first, second) = (Token::new(), Token::new());
        let acquire = |key: &[u8], token| {
            let (answer, _) = store
                .acquire(key, claim(token), &mut Bytes::default(), soon())
                .unwrap();
            answer
        };
        store.set(b"k", plain(b"v"), minute, soon()).unwrap();
        assert_eq!(acquire(b"leased", first), Acquired::Yours(first));
        let fence = store.lock(b"lock", first, 60_000, soon()).unwrap().unwrap();
        let before = Clock::own().now_ms();

        step_wall(minutes, 60_000_000);
        let (left, _, clock) = store.ttl(b"k", soon()).unwrap().unwrap();
        assert!(matches!(left, Pttl::Millis(1..=60_000)), "{left:?}");
        assert!((before..before + 60_000).contains(&clock.now_ms()));
        store
            .set(b"later", plain(b"v"), Life::Millis(20), soon())
            .unwrap();
        assert!(matches!(
            acquire(b"leased", second),
            Acquired::Held(1..=60_000)
        ));
        assert_eq!(store.lock(b"lock", second, 60_000, soon()).unwrap(), None);
        assert!(store.extend_lock(b"lock", first, 60_000, soon()).unwrap());
        assert!(store.unlock(b"lock", first, soon()).unwrap());
        assert!(
            store
                .lock(b"lock", second, 60_000, soon())
                .unwrap()
                .unwrap()
                > fence
        );
        let stored = store
            .fulfill(b"leased", first, plain(b"v"), minute, soon())
            .unwrap();
        assert_eq!(stored, Stored::Yes, "the lease is still there");

        step_wall(-minutes, 60_000_000);
        assert_eq!(get(&store, b"k").unwrap(), b"v");
        std::thread::sleep(Duration::from_millis(25));
        assert_eq!(get(&store, b"later"), None, "it lives for 20 ms");
    }
}

/// A caller's Unix time is what the wall clock says when he says it; afterwards it is as far away as it was then.
#[test]
fn a_callers_unix_time_is_translated_once() {
    let store = private(ROOMY);
    store.set(b"k", plain(b"v"), Life::Forever, soon()).unwrap();
    step_wall(10, 60_000_000);
    let in_a_minute = wall_us().unsigned_abs() / 1000 + 60_000;
    assert!(store.touch(b"k", Touch::At(in_a_minute), soon()).unwrap());
    step_wall(-20, 60_000_000);
    let (left, ..) = store.ttl(b"k", soon()).unwrap().unwrap();
    assert!(matches!(left, Pttl::Millis(1..=60_001)), "{left:?}");
    let past = wall_us().unsigned_abs() / 1000 - 10;
    assert!(store.touch(b"k", Touch::At(past), soon()).unwrap());
    assert!(store.ttl(b"k", soon()).unwrap().is_none());
    step_wall(10, 60_000_000);
}

/// A key that failed its check keeps its place: those behind it were compared with the value of the one before.
#[test]
fn every_key_is_replaced_by_its_own_value() {
    let store = private(ROOMY);
    for key in [b"a", b"b"] {
        store.set(key, plain(key), Life::Forever, soon()).unwrap();
    }
    let mut list = KeyList::default();
    list.push_bytes(b"a");
    list.push(|_| Err(Error::new(ErrorKind::InvalidArgument, "no key")));
    list.push_bytes(b"b");
    let change = |old, new| Change {
        old,
        new: Some(plain(new)),
    };
    let changes = [change(b"a", b"A"), change(b"?", b"?"), change(b"b", b"B")];
    let node = &store.nodes(soon()).unwrap()[0];
    let mut told = Vec::new();
    store.replace_at(node, &list, &changes, soon(), &mut |place, done| {
        told.push((place, done.unwrap()));
    });
    assert_eq!(told, [(0, true), (2, true)]);
    assert_eq!(get(&store, b"b").unwrap(), b"B");
}
