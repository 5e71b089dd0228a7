//! Entries that make way for nobody: a lock that is held, and an entry under a lease. Who holds one relies on it, and a
//! second holder beside the first would be worse than a refused write. They stand in no queue for as long as they are
//! held, and are found in the order in which that ends by itself.

use std::collections::BTreeMap;
use std::collections::BTreeSet;

use crate::base::bounded::{Locked, Slot};

use super::Entry;
use super::leased::Leased;

/// The slots of one shard that are kept, and until when, in milliseconds.
#[derive(Default)]
pub(crate) struct Kept {
    until: BTreeMap<Slot, u64>,
    /// The same in the order in which it ends.
    ends: BTreeSet<(u64, Slot)>,
}

impl Entry {
    /// Until when somebody holds it, if anybody does.
    fn held_until(&self, now: u64) -> Option<u64> {
        let until = match self.is_lock {
            // It is still there in the last of its milliseconds.
            true => self
                .expiry
                .until()
                .map_or(u64::MAX, |at| at.saturating_add(1)),
            false => Leased::of(self.value())?.held_until()?,
        };
        (until > now).then_some(until)
    }
}

/// Keeps an entry from making way while it is held, and no longer. To be called after every change of an entry that
/// concerns that.
pub(super) fn keep_if_held(shard: &mut Locked<'_, Entry, Kept>, slot: Slot, now: u64) {
    let_go(shard, slot);
    if let Some(until) = shard.at(slot).and_then(|entry| entry.held_until(now)) {
        let kept = shard.own();
        kept.until.insert(slot, until);
        kept.ends.insert((until, slot));
        shard.park(slot);
    }
}

/// It is an entry like others again.
pub(super) fn let_go(shard: &mut Locked<'_, Entry, Kept>, slot: Slot) {
    if !shard.is_parked(slot) {
        return;
    }
    let kept = shard.own();
    if let Some(until) = kept.until.remove(&slot) {
        kept.ends.remove(&(until, slot));
        shard.unpark(slot);
    }
}

/// Lets go of what is not held any more.
pub(super) fn let_go_lapsed(shard: &mut Locked<'_, Entry, Kept>, now: u64) {
    while let Some(&(until, lapsed)) = shard.own().ends.first()
        && until <= now
    {
        let_go(shard, lapsed);
    }
}

#[cfg(test)]
mod tests {
    use crate::base::bounded::Item;
    use crate::expiry::Life;
    use crate::store::{Claim, Force, Token, Touch, Value};

    use super::super::Table;
    use super::super::entry::ENTRY_OVERHEAD;
    use super::super::tests::cost;
    use super::*;

    const NOW: u64 = 1_000_000;

    fn token(number: u64) -> Token {
        Token::of(number.to_le_bytes())
    }

    fn claim(number: u64, lease_ms: u64) -> Claim {
        Claim {
            token: token(number),
            lease_ms,
            force: Force::No,
            seen: None,
        }
    }

    /// What is noted is what a look at every entry finds.
    fn check(table: &Table, now: u64) {
        let (mut bytes, mut used) = (0, 0);
        for mut shard in table.lock_all() {
            let_go_lapsed(&mut shard, now);
            let mut ends = BTreeSet::new();
            for slot in (0..shard.slots()).map(Slot) {
                let Some(entry) = shard.at(slot) else {
                    continue;
                };
                used += entry.weight();
                let until = entry.held_until(now);
                assert_eq!(shard.is_parked(slot), until.is_some());
                if let Some(until) = until {
                    bytes += entry.weight();
                    ends.insert((until, slot));
                }
            }
            let kept = shard.own();
            assert!(
                kept.until
                    .iter()
                    .all(|(slot, until)| ends.contains(&(*until, *slot)))
            );
            assert_eq!((&kept.ends, kept.until.len()), (&ends, ends.len()));
        }
        assert_eq!((table.map.parked(), table.map.bytes()), (bytes, used));
        assert!(used <= table.map.limit());
    }

    #[test]
    fn what_is_kept_is_what_somebody_holds() {
        let table = Table::new(12 * (ENTRY_OVERHEAD + 40));
        let value = |text: &'static str| Value {
            head: b"",
            body: text.as_bytes(),
        };
        let tagged = |text: &'static str| Value {
            head: b"\xC1\x11\0\0",
            ..value(text)
        };
        let mut now = NOW;
        for step in 0..20_000u64 {
            let chance = step.wrapping_mul(0x9E37_79B9_7F4A_7C15).rotate_left(23);
            let key = [b'a' + (chance % 16) as u8];
            let number = 1 + (chance >> 8) % 3;
            let life = Life::Millis(20 + (chance >> 16) % 50);
            match (chance >> 24) % 14 {
                0 => drop(table.set_or_remove(&key, value("v"), life, now)),
                1 => drop(table.add(&key, tagged("a longer value"), life, now)),
                2 => drop(table.acquire(&key, claim(number, 30), 0, now)),
                3 => drop(table.fulfill(&key, token(number), tagged("made"), life, now)),
                4 => drop(table.release(&key, token(number), 5, now)),
                5 => drop(table.renew(&key, token(number), 40, now)),
                6 => drop(table.expire_soft(&key, now)),
                7 => drop(table.lock(&[b'L', key[0]], token(number), 30, now * 1000)),
                8 => drop(table.unlock(&[b'L', key[0]], token(number), now)),
                9 => drop(table.extend_lock(&[b'L', key[0]], token(number), 60, now)),
                10 => drop(table.remove(&key, now)),
                11 => drop(table.touch(&key, Touch::In(30), now)),
                12 => drop(table.rename(&key, &[b'r', key[0]], now)),
                _ => now += (chance >> 32) % 10,
            }
            check(&table, now);
        }
    }

    #[test]
    fn a_lease_that_has_lapsed_and_a_back_off_make_way() {
        let limit = 2 * cost(b"key", &[0; 32]);
        let table = Table::new(limit);
        table.acquire(b"one", claim(1, 30), 0, NOW).unwrap();
        table.acquire(b"two", claim(2, 60), 0, NOW).unwrap();
        let small = Value {
            head: b"",
            body: b"v",
        };
        let error = table
            .set(b"new", small, Life::Forever, NOW + 29)
            .unwrap_err();
        assert_eq!(error.code(), Some("OOM"));
        table.set(b"new", small, Life::Forever, NOW + 30).unwrap();
        assert!(table.find(b"one", NOW + 30).is_none());
        assert!(table.find(b"two", NOW + 30).is_some());
    }
}
