//! Who makes way, and who is refused.

use super::*;

#[test]
fn the_longest_unused_entries_make_way() {
    let one = cost(b"a", b"v");
    let table = Table::new(3 * one);
    for key in ["a", "b", "c"] {
        table
            .set(key.as_bytes(), bytes("v"), Life::Forever, NOW)
            .unwrap();
    }
    assert!(table.find(b"a", NOW).is_some());
    table.set(b"d", bytes("v"), Life::Forever, NOW).unwrap();
    assert_eq!(value(&table, "b", NOW), None);
    table
        .set(b"e", bytes(&vec![0; one + 2]), Life::Forever, NOW)
        .unwrap();
    assert_eq!(keys(&table, NOW), ["e"]);
    assert!(table.map.bytes() <= table.map.limit());
}

#[test]
fn an_entry_larger_than_the_store_is_refused_and_drives_nobody_out() {
    let table = Table::new(cost(b"k", &[0; 100]));
    table
        .set(b"k", bytes(&[0; 100]), Life::Forever, NOW)
        .unwrap();
    for refused in [
        table
            .set(b"k", bytes(&[0; 101]), Life::Forever, NOW)
            .map(|()| true),
        table.add(b"other", bytes(&[0; 101]), Life::Forever, NOW),
        table.rename(b"k", b"longer", NOW),
    ] {
        let error = refused.unwrap_err();
        assert_eq!(
            (error.kind(), error.code()),
            (ErrorKind::Server, Some("OOM"))
        );
        assert!(error.is_unavailable());
    }
    assert_eq!(value(&table, "k", NOW), Some(vec![0; 100]));
    table.raise_limit(1000);
    table.raise_limit(10);
    assert!(table.rename(b"k", b"longer", NOW).unwrap());
}

/// In many shards, and when there is no room for both at a time.
#[test]
fn a_rename_in_a_full_store_takes_its_own_room() {
    let big = vec![7; 3 << 20];
    let table = Table::new(4 << 20);
    table.set(b"0", bytes(&big), Life::Forever, NOW).unwrap();
    for round in 0..9 {
        let [from, to] = [round, round + 1].map(|round: u32| round.to_string());
        assert!(table.rename(from.as_bytes(), to.as_bytes(), NOW).unwrap());
    }
    assert_eq!(keys(&table, NOW), ["9"]);
    assert_eq!(table.map.bytes(), cost(b"9", &big));
    let too_long = vec![b'k'; 2 << 20];
    let error = table.rename(b"9", &too_long, NOW).unwrap_err();
    assert_eq!(error.code(), Some("OOM"));
    assert_eq!(value(&table, "9", NOW), Some(big), "it is where it was");
}

/// The limit is one for all shards: nothing goes while there is room anywhere, and one entry may take it all.
#[test]
fn a_store_of_many_shards_is_full_when_its_limit_is_reached_and_not_before() {
    let limit = 8 << 20;
    let table = Table::new(limit);
    let value = vec![0; (1 << 20) - ENTRY_OVERHEAD - 2];
    for key in 10..18 {
        let key = key.to_string();
        table
            .set(key.as_bytes(), bytes(&value), Life::Forever, NOW)
            .unwrap();
    }
    assert_eq!((keys(&table, NOW).len(), table.map.bytes()), (8, limit));
    table
        .lock(b"lock", Token::of([1; 8]), 1000, NOW * 1000)
        .unwrap();
    let held = cost(b"lock", &[0; 8]);
    assert!(table.map.bytes() <= limit);
    let all = vec![0; limit - held - cost(b"all", b"")];
    table.set(b"all", bytes(&all), Life::Forever, NOW).unwrap();
    assert_eq!((keys(&table, NOW).len(), table.map.bytes()), (2, limit));
    let more = vec![0; all.len() + 1];
    assert!(table.set(b"all", bytes(&more), Life::Forever, NOW).is_err());
    table
        .set(b"all", bytes(&more), Life::Forever, NOW + 1001)
        .unwrap();
    assert_eq!(keys(&table, NOW + 1001), ["all"]);
}
