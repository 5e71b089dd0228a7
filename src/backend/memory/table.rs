//! The entries of one store and the steps that must happen in one piece: what Redis does inside a command or a
//! script. A table knows nothing of locks and of clocks; every step is told what time it is. It never holds more
//! than its limit in bytes, and says no to an entry that could not fit if it were alone.

use std::collections::HashMap;
use std::sync::Arc;

use super::lru::Lru;
use crate::backend::{Pttl, Touch};
use crate::error::{Error, ErrorKind, Result};
use crate::expiry::{FOREVER_MS, Life};
use crate::header::{Header, STALE_FOREVER};

/// What an entry takes besides the bytes of its key and value: its slot, its place in the index and the
/// bookkeeping of two allocations, with the slack that growing tables have.
const ENTRY_OVERHEAD: usize = 160;

/// A key, what is stored under it, and until when.
#[derive(Debug)]
pub(super) struct Entry {
    key: Arc<[u8]>,
    value: Arc<[u8]>,
    expiry: Deadline,
}

/// When an entry is gone, in Unix milliseconds. It is still there in the last of them, as in Redis.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Deadline(Option<u64>);

/// The entries of one store.
#[derive(Debug)]
pub(super) struct Table {
    index: HashMap<Arc<[u8]>, usize>,
    entries: Lru<Entry>,
    used: usize,
    limit: usize,
}

impl Entry {
    pub(super) fn value(&self) -> &Arc<[u8]> {
        &self.value
    }

    /// What is left of its life.
    pub(super) fn pttl(&self, now: u64) -> Pttl {
        self.expiry
            .0
            .map_or(Pttl::Forever, |at| Pttl::Millis(at.saturating_sub(now)))
    }

    fn cost(&self) -> usize {
        cost(&self.key, &self.value)
    }

    /// A value with a lease block is fresh until then and may be served stale after it; `None` is for ever.
    fn move_expiry(&mut self, until: Option<u64>) {
        self.expiry = Deadline(until);
        let Some(mut header) = Header::parse(&self.value) else {
            return;
        };
        let Some(lease) = header.lease.as_mut() else {
            return;
        };
        lease.soft_expire_ms = until.unwrap_or(0);
        self.expiry = Deadline(match until {
            Some(at) if lease.stale_ms != STALE_FOREVER => Some(
                at.saturating_add(lease.stale_ms.into())
                    .max(lease.deadline_ms),
            ),
            _ => None,
        });
        if let Some(head) = Arc::make_mut(&mut self.value).get_mut(..header.len()) {
            head.copy_from_slice(&header.encode());
        }
    }
}

impl Deadline {
    fn has_passed(self, now: u64) -> bool {
        self.0.is_some_and(|at| now > at)
    }

    fn of(life: Life, now: u64) -> Option<Self> {
        match life {
            Life::Expired => None,
            Life::Forever => Some(Deadline(None)),
            Life::Millis(ms) => Some(Deadline(Some(now.saturating_add(ms)))),
        }
    }
}

impl Table {
    pub(super) fn new(limit: usize) -> Self {
        Table {
            index: HashMap::new(),
            entries: Lru::default(),
            used: 0,
            limit,
        }
    }

    pub(super) fn raise_limit(&mut self, limit: usize) {
        self.limit = self.limit.max(limit);
    }

    /// Leaves nothing. The entries are handed out, so that they can be dropped elsewhere.
    pub(super) fn take(&mut self) -> Table {
        std::mem::replace(self, Table::new(self.limit))
    }

    /// The entry under `key`, of any kind, which is hereby used.
    pub(super) fn find(&mut self, key: &[u8], now: u64) -> Option<&Entry> {
        let slot = self.slot(key, now)?;
        self.entries.get(slot)
    }

    /// The slot of the entry under `key`, of any kind. An entry whose time has passed is removed on the way.
    fn slot(&mut self, key: &[u8], now: u64) -> Option<usize> {
        let &slot = self.index.get(key)?;
        if self.entries.get(slot)?.expiry.has_passed(now) {
            self.remove_slot(slot);
            return None;
        }
        self.entries.refresh(slot);
        Some(slot)
    }

    /// The slot of the entry under `key` if that is a value: not a placeholder, known to be absent, or soft-expired.
    fn live_slot(&mut self, key: &[u8], now: u64) -> Option<usize> {
        let slot = self.slot(key, now)?;
        let header = Header::parse(self.entries.get(slot)?.value());
        header
            .is_none_or(|header| header.is_live(|| now))
            .then_some(slot)
    }

    /// SET.
    pub(super) fn set(&mut self, key: &[u8], value: Arc<[u8]>, life: Life, now: u64) -> Result<()> {
        match Deadline::of(life, now) {
            Some(expiry) => self.put(key, value, expiry),
            None => {
                self.remove(key, now);
                Ok(())
            }
        }
    }

    /// ADD of lease.lua: SET where there is no live value. A life that is over stores nothing and removes nothing.
    pub(super) fn add(
        &mut self,
        key: &[u8],
        value: Arc<[u8]>,
        life: Life,
        now: u64,
    ) -> Result<bool> {
        if self.live_slot(key, now).is_some() {
            return Ok(false);
        }
        if let Some(expiry) = Deadline::of(life, now) {
            self.put(key, value, expiry)?;
        }
        Ok(true)
    }

    /// UNLINK: whether there was an entry, of any kind.
    pub(super) fn remove(&mut self, key: &[u8], now: u64) -> bool {
        self.slot(key, now)
            .and_then(|slot| self.remove_slot(slot))
            .is_some()
    }

    /// TOUCH of lease.lua: moves soft and hard expiry together, the hard one never below a live lease.
    pub(super) fn touch(&mut self, key: &[u8], touch: Touch, now: u64) -> bool {
        let Some(slot) = self.live_slot(key, now) else {
            return false;
        };
        let until = match touch {
            Touch::In(ms) => Some(now.saturating_add(ms.min(FOREVER_MS))),
            Touch::At(at) => Some(at),
            Touch::Persist => None,
        };
        if until.is_some_and(|at| at <= now) {
            self.remove_slot(slot);
        } else if let Some(entry) = self.entries.get_mut(slot) {
            entry.move_expiry(until);
        }
        true
    }

    /// INCR of lease.lua: `None` where there is no live value.
    pub(super) fn incr(&mut self, key: &[u8], delta: i64, now: u64) -> Result<Option<i64>> {
        let Some(slot) = self.live_slot(key, now) else {
            return Ok(None);
        };
        let Some(entry) = self.entries.get(slot) else {
            return Ok(None);
        };
        let number = integer(entry.value()).ok_or_else(|| {
            Error::new(
                ErrorKind::WrongType,
                "the stored value is not an integer of 64 bits in decimal digits",
            )
        })?;
        let sum = number.checked_add(delta).ok_or_else(|| {
            Error::new(
                ErrorKind::WrongType,
                "the counter would overflow its 64 bits",
            )
        })?;
        let expiry = entry.expiry;
        self.put(key, decimal(sum), expiry)?;
        Ok(Some(sum))
    }

    /// INCR_OR_CREATE of lease.lua. A life that is over creates nothing.
    pub(super) fn incr_or_create(
        &mut self,
        key: &[u8],
        delta: i64,
        initial: i64,
        life: Life,
        now: u64,
    ) -> Result<i64> {
        if let Some(sum) = self.incr(key, delta, now)? {
            return Ok(sum);
        }
        if let Some(expiry) = Deadline::of(life, now) {
            self.put(key, decimal(initial), expiry)?;
        }
        Ok(initial)
    }

    /// RENAME of a live value, with its lifetime.
    pub(super) fn rename(&mut self, from: &[u8], to: &[u8], now: u64) -> Result<bool> {
        let Some(slot) = self.live_slot(from, now) else {
            return Ok(false);
        };
        let Some(Entry { value, expiry, .. }) = self.entries.get(slot) else {
            return Ok(false);
        };
        if from != to {
            let (value, expiry) = (Arc::clone(value), *expiry);
            self.fits(to, &value)?;
            self.remove_slot(slot);
            self.put(to, value, expiry)?;
        }
        Ok(true)
    }

    /// The keys in the next `count` slots from `cursor` on, and the cursor behind them; 0 is the end. A key keeps
    /// its slot as long as it exists, so a walk meets it exactly once.
    pub(super) fn keys_from(
        &mut self,
        cursor: u64,
        count: usize,
        now: u64,
    ) -> (Vec<Arc<[u8]>>, u64) {
        let start = usize::try_from(cursor).unwrap_or(usize::MAX);
        let end = start.saturating_add(count).min(self.entries.slots());
        let mut keys = Vec::with_capacity(end.saturating_sub(start));
        for slot in start..end {
            let Some(entry) = self.entries.get(slot) else {
                continue;
            };
            if entry.expiry.has_passed(now) {
                self.remove_slot(slot);
            } else {
                keys.push(Arc::clone(&entry.key));
            }
        }
        let next = if end < self.entries.slots() {
            end as u64
        } else {
            0
        };
        (keys, next)
    }

    /// Stores an entry, in the slot that its key has already. Older ones make way.
    fn put(&mut self, key: &[u8], value: Arc<[u8]>, expiry: Deadline) -> Result<()> {
        self.fits(key, &value)?;
        self.used += cost(key, &value);
        if let Some(&slot) = self.index.get(key) {
            if let Some(entry) = self.entries.get_mut(slot) {
                self.used -= entry.cost();
                entry.value = value;
                entry.expiry = expiry;
            }
            self.entries.refresh(slot);
        } else {
            let key: Arc<[u8]> = Arc::from(key);
            let slot = self.entries.insert(Entry {
                key: Arc::clone(&key),
                value,
                expiry,
            });
            self.index.insert(key, slot);
        }
        while self.used > self.limit {
            let Some(oldest) = self.entries.oldest() else {
                break;
            };
            self.remove_slot(oldest);
        }
        Ok(())
    }

    /// Refuses, like a server at its `maxmemory`, an entry that is larger than the whole store.
    fn fits(&self, key: &[u8], value: &[u8]) -> Result<()> {
        let (cost, limit) = (cost(key, value), self.limit);
        if cost <= limit {
            return Ok(());
        }
        let text = format!(
            "OOM command not allowed: the entry of {cost} bytes is larger than memory_limit ({limit} bytes)"
        );
        Err(Error::from_server(text.as_bytes()))
    }

    fn remove_slot(&mut self, slot: usize) -> Option<Entry> {
        let entry = self.entries.remove(slot)?;
        self.index.remove(&entry.key);
        self.used -= entry.cost();
        Some(entry)
    }
}

fn cost(key: &[u8], value: &[u8]) -> usize {
    key.len()
        .saturating_add(value.len())
        .saturating_add(ENTRY_OVERHEAD)
}

/// The number that INCRBY sees: digits as it would write them itself.
fn integer(value: &[u8]) -> Option<i64> {
    const LONGEST: usize = "-9223372036854775808".len();
    if value.len() > LONGEST {
        return None;
    }
    let number: i64 = std::str::from_utf8(value).ok()?.parse().ok()?;
    (*decimal(number) == *value).then_some(number)
}

fn decimal(number: i64) -> Arc<[u8]> {
    Arc::from(number.to_string().into_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::header::LeaseBlock;

    const ROOMY: usize = 1 << 20;
    /// A Unix time that no clock shows any more: nothing here depends on the real one.
    const NOW: u64 = 1_000_000;

    fn bytes(text: impl AsRef<[u8]>) -> Arc<[u8]> {
        Arc::from(text.as_ref())
    }

    fn with(entries: &[(&str, &[u8], Life)]) -> Table {
        let mut table = Table::new(ROOMY);
        for (key, value, life) in entries {
            table.set(key.as_bytes(), bytes(value), *life, NOW).unwrap();
        }
        table
    }

    fn value(table: &mut Table, key: &str, now: u64) -> Option<Vec<u8>> {
        table
            .find(key.as_bytes(), now)
            .map(|entry| entry.value().to_vec())
    }

    fn pttl(table: &mut Table, key: &str, now: u64) -> Option<Pttl> {
        table.find(key.as_bytes(), now).map(|entry| entry.pttl(now))
    }

    fn keys(table: &mut Table, now: u64) -> Vec<String> {
        let (keys, next) = table.keys_from(0, usize::MAX, now);
        assert_eq!(next, 0);
        keys.iter()
            .map(|key| String::from_utf8_lossy(key).into_owned())
            .collect()
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
        let mut table = with(&[("k", b"v", Life::Millis(100))]);
        assert_eq!(pttl(&mut table, "k", NOW + 30), Some(Pttl::Millis(70)));
        assert_eq!(value(&mut table, "k", NOW + 100), Some(b"v".to_vec()));
        assert_eq!(value(&mut table, "k", NOW + 101), None);
        assert_eq!(table.used, 0, "what has expired is not kept");
        let mut table = with(&[("k", b"v", Life::Forever)]);
        assert_eq!(pttl(&mut table, "k", u64::MAX), Some(Pttl::Forever));
    }

    #[test]
    fn a_set_replaces_value_and_lifetime() {
        let mut table = with(&[
            ("k", b"a much longer value", Life::Millis(100)),
            ("k", b"v", Life::Forever),
        ]);
        assert_eq!(pttl(&mut table, "k", NOW), Some(Pttl::Forever));
        assert_eq!(table.used, cost(b"k", b"v"));
        table.set(b"k", bytes("x"), Life::Expired, NOW).unwrap();
        assert_eq!((value(&mut table, "k", NOW), table.used), (None, 0));
    }

    #[test]
    fn add_stores_only_where_no_value_lives() {
        let mut table = with(&[
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
            let before = value(&mut table, key, NOW + 10);
            assert!(
                table
                    .add(key.as_bytes(), bytes("new"), Life::Expired, NOW + 10)
                    .unwrap(),
                "{key}"
            );
            assert_eq!(
                value(&mut table, key, NOW + 10),
                before,
                "an expired add leaves {key} alone"
            );
            assert!(
                table
                    .add(key.as_bytes(), bytes("new"), Life::Forever, NOW + 10)
                    .unwrap(),
                "{key}"
            );
            assert_eq!(value(&mut table, key, NOW + 10), Some(b"new".to_vec()));
        }
    }

    #[test]
    fn every_kind_of_entry_is_found_and_removed_by_name() {
        let mut table = with(&[
            ("p", &placeholder(), Life::Forever),
            ("n", &negative(), Life::Forever),
            ("old", b"", Life::Millis(1)),
        ]);
        assert!(table.find(b"p", NOW).is_some());
        assert!(table.remove(b"p", NOW) && table.remove(b"n", NOW));
        assert!(!table.remove(b"p", NOW), "only once");
        assert!(!table.remove(b"old", NOW + 2), "it has expired");
        assert_eq!(table.used, 0);
    }

    #[test]
    fn touch_moves_the_hard_expiry_of_a_plain_entry() {
        let mut table = with(&[("k", b"7", Life::Millis(100))]);
        assert!(table.touch(b"k", Touch::In(500), NOW + 50));
        assert_eq!(pttl(&mut table, "k", NOW), Some(Pttl::Millis(550)));
        assert!(table.touch(b"k", Touch::Persist, NOW) && table.touch(b"k", Touch::Persist, NOW));
        assert_eq!(pttl(&mut table, "k", NOW), Some(Pttl::Forever));
        assert!(table.touch(b"k", Touch::At(NOW + 9), NOW));
        assert_eq!(pttl(&mut table, "k", NOW), Some(Pttl::Millis(9)));
        assert!(table.touch(b"k", Touch::In(u64::MAX), NOW), "no overflow");
        for past in [Touch::At(NOW), Touch::In(0)] {
            table.set(b"k", bytes("7"), Life::Forever, NOW).unwrap();
            assert!(table.touch(b"k", past, NOW));
            assert_eq!(value(&mut table, "k", NOW), None);
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
        let mut table = with(&[("k", &leased(lease), Life::Millis(2000))]);
        let reader = Arc::clone(table.find(b"k", NOW).unwrap().value());
        for (ms, hard) in [(100, 5000), (9000, 10_000)] {
            assert!(table.touch(b"k", Touch::In(ms), NOW));
            assert_eq!(pttl(&mut table, "k", NOW), Some(Pttl::Millis(hard)));
            let expected = leased(LeaseBlock {
                soft_expire_ms: NOW + ms,
                ..lease
            });
            assert_eq!(value(&mut table, "k", NOW), Some(expected));
        }
        assert_eq!(
            *reader,
            *leased(lease),
            "what a reader holds does not change"
        );
        assert!(table.touch(b"k", Touch::Persist, NOW));
        assert_eq!(
            value(&mut table, "k", NOW),
            Some(leased(LeaseBlock {
                soft_expire_ms: 0,
                ..lease
            }))
        );
        assert_eq!(pttl(&mut table, "k", NOW), Some(Pttl::Forever));

        let always = LeaseBlock {
            stale_ms: STALE_FOREVER,
            ..lease
        };
        table
            .set(b"k", bytes(leased(always)), Life::Millis(2000), NOW)
            .unwrap();
        assert!(table.touch(b"k", Touch::In(50), NOW));
        assert_eq!(pttl(&mut table, "k", NOW), Some(Pttl::Forever));
    }

    #[test]
    fn what_is_not_live_cannot_be_touched_counted_or_renamed() {
        for entry in [placeholder(), negative(), soft_expired()] {
            let mut table = with(&[("k", &entry, Life::Millis(500))]);
            assert!(!table.touch(b"k", Touch::Persist, NOW));
            assert_eq!(table.incr(b"k", 1, NOW).unwrap(), None);
            assert!(!table.rename(b"k", b"other", NOW).unwrap());
            assert_eq!(value(&mut table, "k", NOW), Some(entry));
            assert_eq!(pttl(&mut table, "k", NOW), Some(Pttl::Millis(500)));
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
        let mut table = with(&[("k", b"-9", Life::Millis(100))]);
        assert_eq!(table.incr(b"k", 109, NOW + 5).unwrap(), Some(100));
        assert_eq!(value(&mut table, "k", NOW), Some(b"100".to_vec()));
        assert_eq!(pttl(&mut table, "k", NOW), Some(Pttl::Millis(100)));
        assert_eq!(table.used, cost(b"k", b"100"));
        assert_eq!(table.incr(b"k", 1, NOW + 101).unwrap(), None);
    }

    #[test]
    fn incr_refuses_what_incrby_refuses() {
        let mut table = Table::new(ROOMY);
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
                .set(b"k", decimal(number), Life::Forever, NOW)
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
        let mut table = with(&[("a", b"1", Life::Millis(100)), ("b", b"22", Life::Forever)]);
        assert!(table.rename(b"a", b"b", NOW).unwrap());
        assert_eq!(
            (value(&mut table, "a", NOW), value(&mut table, "b", NOW)),
            (None, Some(b"1".to_vec()))
        );
        assert_eq!(pttl(&mut table, "b", NOW), Some(Pttl::Millis(100)));
        assert_eq!(table.used, cost(b"b", b"1"));
        assert!(table.rename(b"b", b"b", NOW).unwrap());
        assert!(table.rename(b"b", b"c", NOW).unwrap());
        assert_eq!(keys(&mut table, NOW), ["c"]);
        assert!(!table.rename(b"b", b"c", NOW).unwrap());
    }

    #[test]
    fn the_longest_unused_entries_make_way() {
        let one = cost(b"a", b"v");
        let mut table = Table::new(3 * one);
        for key in ["a", "b", "c"] {
            table
                .set(key.as_bytes(), bytes("v"), Life::Forever, NOW)
                .unwrap();
        }
        assert!(table.find(b"a", NOW).is_some());
        table.set(b"d", bytes("v"), Life::Forever, NOW).unwrap();
        assert_eq!(value(&mut table, "b", NOW), None);
        table
            .set(b"e", bytes(vec![0; one + 1]), Life::Forever, NOW)
            .unwrap();
        assert_eq!(keys(&mut table, NOW), ["e"]);
        assert!(table.used <= table.limit);
    }

    #[test]
    fn an_entry_larger_than_the_store_is_refused_and_drives_nobody_out() {
        let mut table = Table::new(cost(b"k", &[0; 100]));
        table
            .set(b"k", bytes([0; 100]), Life::Forever, NOW)
            .unwrap();
        for refused in [
            table
                .set(b"k", bytes([0; 101]), Life::Forever, NOW)
                .map(|()| true),
            table.add(b"other", bytes([0; 101]), Life::Forever, NOW),
            table.rename(b"k", b"longer", NOW),
        ] {
            let error = refused.unwrap_err();
            assert_eq!(
                (error.kind(), error.code()),
                (ErrorKind::Server, Some("OOM"))
            );
            assert!(error.is_unavailable());
        }
        assert_eq!(value(&mut table, "k", NOW), Some(vec![0; 100]));
        table.raise_limit(1000);
        table.raise_limit(10);
        assert!(table.rename(b"k", b"longer", NOW).unwrap());
    }

    #[test]
    fn a_walk_skips_and_removes_what_has_expired() {
        let mut table = with(&[
            ("a", b"", Life::Millis(1)),
            ("b", b"", Life::Forever),
            ("c", b"", Life::Millis(9)),
        ]);
        assert_eq!(keys(&mut table, NOW + 2), ["b", "c"]);
        assert_eq!(table.used, cost(b"b", b"") + cost(b"c", b""));
        let (none, next) = table.keys_from(u64::MAX, 1000, NOW);
        assert!(
            none.is_empty() && next == 0,
            "a cursor from elsewhere ends the walk"
        );
    }
}
