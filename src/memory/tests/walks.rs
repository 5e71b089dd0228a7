//! Walks, and what is done to a whole node.

use std::collections::HashMap;

use super::*;

/// Walks the whole store; `between` is called after every step.
pub(super) fn walk(
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

/// A key that failed its check keeps its place: those behind it were compared with the value of the one before.
#[test]
fn every_key_is_replaced_by_its_own_value() {
    let store = private(ROOMY);
    for key in [b"a", b"b"] {
        store.set(key, plain(key), Life::Forever, soon()).unwrap();
    }
    let mut list = KeyList::default();
    list.push_bytes(b"a");
    list.push_fault(Error::new(ErrorKind::InvalidArgument, "no key"));
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
