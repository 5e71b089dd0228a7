//! The steps of a table, one by one, at times of the tests' own choosing.

mod bound;

use crate::entry::header::{Header, LeaseBlock, STALE_FOREVER};
use crate::error::ErrorKind;
use crate::store::{Acquired, Claim, Force, Pttl, Token};

use super::entry::ENTRY_OVERHEAD;
use super::*;

const ROOMY: usize = 1 << 20;
/// A Unix time that no clock shows any more: nothing here depends on the real one.
const NOW: u64 = 1_000_000;

fn bytes<B: AsRef<[u8]> + ?Sized>(text: &B) -> Value<'_> {
    let body = text.as_ref();
    Value { head: b"", body }
}

impl Table {
    /// SET, of which nothing goes when it is refused.
    pub(crate) fn set(&self, key: &[u8], value: Value<'_>, life: Life, now: u64) -> Result<()> {
        let value = Packed::new(key, value)?;
        self.step(key, now, |step| step.set(&value, life))
    }
}

/// What an entry counts.
pub(crate) fn cost(key: &[u8], value: &[u8]) -> usize {
    key.len() + value.len() + ENTRY_OVERHEAD
}

fn with(entries: &[(&str, &[u8], Life)]) -> Table {
    let table = Table::new(ROOMY);
    for (key, value, life) in entries {
        table.set(key.as_bytes(), bytes(value), *life, NOW).unwrap();
    }
    table
}

fn value(table: &Table, key: &str, now: u64) -> Option<Vec<u8>> {
    table.find(key.as_bytes(), now).map(|value| value.to_vec())
}

fn pttl(table: &Table, key: &str, now: u64) -> Option<Pttl> {
    table.look(key.as_bytes(), now, |entry| entry.pttl(now))
}

fn keys(table: &Table, now: u64) -> Vec<String> {
    let (keys, next) = table.keys_from(0, usize::MAX, now);
    assert_eq!(next, 0);
    let mut keys: Vec<_> = keys
        .iter()
        .map(|key| String::from_utf8_lossy(key.key()).into_owned())
        .collect();
    keys.sort();
    keys
}

fn leased(lease: LeaseBlock) -> Vec<u8> {
    let mut entry = Header {
        lease: Some(lease),
        ..Header::short(1, 0)
    }
    .encode()
    .to_vec();
    entry.extend_from_slice(b"payload");
    entry
}

fn placeholder() -> Vec<u8> {
    let lease = LeaseBlock {
        deadline_ms: NOW + 10_000,
        token: *b"somebody",
        ..LeaseBlock::default()
    };
    Header {
        has_value: false,
        lease: Some(lease),
        ..Header::short(0, 0)
    }
    .encode()
    .to_vec()
}

fn negative() -> Vec<u8> {
    Header {
        negative: true,
        ..Header::short(0, 0)
    }
    .encode()
    .to_vec()
}

fn soft_expired() -> Vec<u8> {
    leased(LeaseBlock {
        stale_ms: 60_000,
        soft_expire_ms: NOW,
        ..LeaseBlock::default()
    })
}

#[test]
fn an_entry_is_there_until_its_last_millisecond_is_over() {
    let table = with(&[("k", b"v", Life::Millis(100))]);
    assert_eq!(pttl(&table, "k", NOW + 30), Some(Pttl::Millis(70)));
    assert_eq!(value(&table, "k", NOW + 100), Some(b"v".to_vec()));
    assert_eq!(value(&table, "k", NOW + 101), None);
    assert_eq!(table.map.bytes(), 0, "what has expired is not kept");
    let table = with(&[("k", b"v", Life::Forever)]);
    assert_eq!(pttl(&table, "k", u64::MAX), Some(Pttl::Forever));
}

#[test]
fn a_set_replaces_value_and_lifetime() {
    let table = with(&[
        ("k", b"a much longer value", Life::Millis(100)),
        ("k", b"v", Life::Forever),
    ]);
    assert_eq!(pttl(&table, "k", NOW), Some(Pttl::Forever));
    assert_eq!(table.map.bytes(), cost(b"k", b"v"));
    table.set(b"k", bytes("x"), Life::Expired, NOW).unwrap();
    assert_eq!((value(&table, "k", NOW), table.map.bytes()), (None, 0));
}

#[test]
fn add_stores_only_where_no_value_lives() {
    let table = with(&[
        ("value", b"1", Life::Forever),
        ("empty", b"", Life::Forever),
        ("lapsed", b"1", Life::Millis(5)),
        ("placeholder", &placeholder(), Life::Forever),
        ("negative", &negative(), Life::Forever),
        ("soft", &soft_expired(), Life::Forever),
    ]);
    for key in ["value", "empty"] {
        assert!(
            !table
                .add(key.as_bytes(), bytes("new"), Life::Forever, NOW + 10)
                .unwrap(),
            "{key}"
        );
    }
    for key in ["lapsed", "placeholder", "negative", "soft", "missing"] {
        let before = value(&table, key, NOW + 10);
        assert!(
            table
                .add(key.as_bytes(), bytes("new"), Life::Expired, NOW + 10)
                .unwrap(),
            "{key}"
        );
        assert_eq!(
            value(&table, key, NOW + 10),
            before,
            "an expired add leaves {key} alone"
        );
        assert!(
            table
                .add(key.as_bytes(), bytes("new"), Life::Forever, NOW + 10)
                .unwrap(),
            "{key}"
        );
        assert_eq!(value(&table, key, NOW + 10), Some(b"new".to_vec()));
    }
}

#[test]
fn every_kind_of_entry_is_found_and_removed_by_name() {
    let table = with(&[
        ("p", &placeholder(), Life::Forever),
        ("n", &negative(), Life::Forever),
        ("old", b"", Life::Millis(1)),
    ]);
    assert!(table.find(b"p", NOW).is_some());
    assert!(table.remove(b"p", NOW) && table.remove(b"n", NOW));
    assert!(!table.remove(b"p", NOW), "only once");
    assert!(!table.remove(b"old", NOW + 2), "it has expired");
    assert_eq!(table.map.bytes(), 0);
}

#[test]
fn touch_moves_the_hard_expiry_of_a_plain_entry() {
    let table = with(&[("k", b"7", Life::Millis(100))]);
    assert!(table.touch(b"k", Touch::In(500), NOW + 50));
    assert_eq!(pttl(&table, "k", NOW), Some(Pttl::Millis(550)));
    assert!(table.touch(b"k", Touch::Persist, NOW) && table.touch(b"k", Touch::Persist, NOW));
    assert_eq!(pttl(&table, "k", NOW), Some(Pttl::Forever));
    assert!(table.touch(b"k", Touch::At(NOW + 9), NOW));
    assert_eq!(pttl(&table, "k", NOW), Some(Pttl::Millis(9)));
    assert!(table.touch(b"k", Touch::In(u64::MAX), NOW), "no overflow");
    for past in [Touch::At(NOW), Touch::In(0)] {
        table.set(b"k", bytes("7"), Life::Forever, NOW).unwrap();
        assert!(table.touch(b"k", past, NOW));
        assert_eq!(value(&table, "k", NOW), None);
    }
    assert!(!table.touch(b"k", Touch::In(5), NOW));
}

#[test]
fn touch_moves_soft_and_hard_expiry_together_and_never_below_a_lease() {
    let lease = LeaseBlock {
        stale_ms: 1000,
        soft_expire_ms: NOW + 10,
        deadline_ms: NOW + 5000,
        token: *b"somebody",
    };
    let table = with(&[("k", &leased(lease), Life::Millis(2000))]);
    let reader = table.find(b"k", NOW).unwrap();
    for (ms, hard) in [(100, 5000), (9000, 10_000)] {
        assert!(table.touch(b"k", Touch::In(ms), NOW));
        assert_eq!(pttl(&table, "k", NOW), Some(Pttl::Millis(hard)));
        let expected = leased(LeaseBlock {
            soft_expire_ms: NOW + ms,
            ..lease
        });
        assert_eq!(value(&table, "k", NOW), Some(expected));
    }
    assert_eq!(
        *reader,
        *leased(lease),
        "what a reader holds does not change"
    );
    assert!(table.touch(b"k", Touch::Persist, NOW));
    assert_eq!(
        value(&table, "k", NOW),
        Some(leased(LeaseBlock {
            soft_expire_ms: 0,
            ..lease
        }))
    );
    assert_eq!(pttl(&table, "k", NOW), Some(Pttl::Forever));

    let always = LeaseBlock {
        stale_ms: STALE_FOREVER,
        ..lease
    };
    table
        .set(b"k", bytes(&leased(always)), Life::Millis(2000), NOW)
        .unwrap();
    assert!(table.touch(b"k", Touch::In(50), NOW));
    assert_eq!(pttl(&table, "k", NOW), Some(Pttl::Forever));
}

#[test]
fn what_is_not_live_cannot_be_touched_counted_or_renamed() {
    for entry in [placeholder(), negative(), soft_expired()] {
        let table = with(&[("k", &entry, Life::Millis(500))]);
        assert!(!table.touch(b"k", Touch::Persist, NOW));
        assert_eq!(table.incr(b"k", 1, NOW).unwrap(), None);
        assert!(!table.rename(b"k", b"other", NOW).unwrap());
        assert_eq!(value(&table, "k", NOW), Some(entry));
        assert_eq!(pttl(&table, "k", NOW), Some(Pttl::Millis(500)));
        assert_eq!(
            table
                .incr_or_create(b"k", 1, 40, Life::Expired, NOW)
                .unwrap(),
            40
        );
        assert_eq!(
            table
                .incr_or_create(b"k", 1, 40, Life::Forever, NOW)
                .unwrap(),
            40
        );
        assert_eq!(
            table
                .incr_or_create(b"k", 2, 40, Life::Expired, NOW)
                .unwrap(),
            42
        );
    }
}

#[test]
fn incr_counts_and_keeps_the_lifetime() {
    let table = with(&[("k", b"-9", Life::Millis(100))]);
    assert_eq!(table.incr(b"k", 109, NOW + 5).unwrap(), Some(100));
    assert_eq!(value(&table, "k", NOW), Some(b"100".to_vec()));
    assert_eq!(pttl(&table, "k", NOW), Some(Pttl::Millis(100)));
    assert_eq!(table.map.bytes(), cost(b"k", b"100"));
    assert_eq!(table.incr(b"k", 1, NOW + 101).unwrap(), None);
}

#[test]
fn incr_refuses_what_incrby_refuses() {
    let table = Table::new(ROOMY);
    for text in [
        "",
        "+1",
        "01",
        "-0",
        "-",
        " 1",
        "1 ",
        "1.0",
        "9223372036854775808",
        "99999999999999999999999",
    ] {
        table.set(b"k", bytes(text), Life::Forever, NOW).unwrap();
        assert_eq!(
            table.incr(b"k", 0, NOW).unwrap_err().kind(),
            ErrorKind::WrongType,
            "{text:?}"
        );
        assert!(
            table
                .incr_or_create(b"k", 0, 0, Life::Forever, NOW)
                .is_err()
        );
    }
    for (number, delta) in [(i64::MAX, 1), (i64::MIN, -1)] {
        table
            .set(b"k", bytes(&number.to_string()), Life::Forever, NOW)
            .unwrap();
        assert_eq!(
            table.incr(b"k", delta, NOW).unwrap_err().kind(),
            ErrorKind::WrongType
        );
        assert_eq!(
            table.incr(b"k", 0, NOW).unwrap(),
            Some(number),
            "and changes nothing"
        );
    }
}

#[test]
fn rename_moves_value_and_lifetime_over_whatever_was_there() {
    let table = with(&[("a", b"1", Life::Millis(100)), ("b", b"22", Life::Forever)]);
    assert!(table.rename(b"a", b"b", NOW).unwrap());
    assert_eq!(
        (value(&table, "a", NOW), value(&table, "b", NOW)),
        (None, Some(b"1".to_vec()))
    );
    assert_eq!(pttl(&table, "b", NOW), Some(Pttl::Millis(100)));
    assert_eq!(table.map.bytes(), cost(b"b", b"1"));
    assert!(table.rename(b"b", b"b", NOW).unwrap());
    assert!(table.rename(b"b", b"c", NOW).unwrap());
    assert_eq!(keys(&table, NOW), ["c"]);
    assert!(!table.rename(b"b", b"c", NOW).unwrap());
}

#[test]
fn a_walk_skips_and_removes_what_has_expired() {
    let table = with(&[
        ("a", b"", Life::Millis(1)),
        ("b", b"", Life::Forever),
        ("c", b"", Life::Millis(9)),
    ]);
    assert_eq!(keys(&table, NOW + 2), ["b", "c"]);
    assert_eq!(table.map.bytes(), cost(b"b", b"") + cost(b"c", b""));
    let (all, next) = table.keys_from(u64::MAX, 1000, NOW);
    assert_eq!(
        (all.len(), next),
        (2, 0),
        "a cursor from elsewhere starts anew"
    );
    assert_eq!(Table::new(0).keys_from(7, 1000, NOW).1, 0);
}

/// What a server that hears a claim twice says: the second attempt is taken for the first, and a first one that arrives
/// late is a stranger.
#[test]
fn an_attempt_takes_over_the_lease_of_the_one_before_and_of_no_other() {
    let claim = Claim {
        token: Token::of(*b"my token"),
        lease_ms: 1000,
        force: Force::No,
        seen: None,
    };
    let table = Table::new(ROOMY);
    let attempt = |lost| table.acquire(b"k", claim, lost, NOW).unwrap();
    let token = |lost| claim.attempt(lost).0;
    assert_eq!(attempt(0), Acquired::Yours(token(0)));
    assert_eq!(attempt(1), Acquired::Yours(token(1)));
    assert_eq!(attempt(1), Acquired::Yours(token(1)));
    assert_eq!(attempt(0), Acquired::Held(1000));
    assert_eq!(attempt(3), Acquired::Held(1000));
    assert_eq!(attempt(2), Acquired::Yours(token(2)));
}

/// design.md: bytes 16 to 31 of a moved header are zeroed.
#[test]
fn a_renamed_value_leaves_its_lease_behind() {
    let lease = LeaseBlock {
        stale_ms: 1000,
        soft_expire_ms: NOW + 10_000,
        deadline_ms: NOW + 5000,
        token: *b"somebody",
    };
    let free = LeaseBlock {
        deadline_ms: 0,
        token: [0; 8],
        ..lease
    };
    let table = with(&[("a", &leased(lease), Life::Millis(20_000))]);
    assert!(table.map.parked() > 0);
    assert!(table.rename(b"a", b"a", NOW).unwrap());
    assert_eq!(
        value(&table, "a", NOW),
        Some(leased(lease)),
        "it did not move"
    );
    assert!(table.rename(b"a", b"b", NOW).unwrap());
    assert_eq!(value(&table, "b", NOW), Some(leased(free)));
    assert_eq!(pttl(&table, "b", NOW), Some(Pttl::Millis(20_000)));
    assert_eq!(table.map.parked(), 0, "nobody holds it");
    let somebody = Token::of(*b"somebody");
    assert!(!table.renew(b"b", somebody, 100, NOW));
}
