//! Entries that make way for nobody: a lock that is held, and an entry under a lease. Who holds one relies on it, and a
//! second holder beside the first would be worse than a refused write. They leave the order of use for as long as they are
//! held, and are found in the order in which that ends by itself.

use std::collections::BTreeSet;

use super::leases::Leased;
use super::{Entry, Table};

/// The slots that are kept, each behind the time until when, in milliseconds.
#[derive(Default)]
pub(super) struct Kept {
    ends: BTreeSet<(u64, usize)>,
    bytes: usize,
}

impl Entry {
    /// Until when somebody holds it, if anybody does.
    fn held_until(&self, now: u64) -> Option<u64> {
        let until = match self.is_lock {
            // It is still there in the last of its milliseconds.
            true => self.expiry.0.map_or(u64::MAX, |at| at.saturating_add(1)),
            false => Leased::of(&self.value)?.held_until()?,
        };
        (until > now).then_some(until)
    }
}

impl Table {
    /// Takes an entry out of the order of use while it is held, or back into it. To be called after every change of an
    /// entry that concerns that.
    pub(super) fn keep_if_held(&mut self, slot: usize, now: u64) {
        self.let_go(slot);
        let Some(entry) = self.entries.get_mut(slot) else {
            return;
        };
        if let Some(until) = entry.held_until(now) {
            entry.kept_until = until;
            self.kept.bytes += entry.cost();
            self.kept.ends.insert((until, slot));
            self.entries.park(slot);
        }
    }

    /// It is an entry like others again, and the one used last.
    pub(super) fn let_go(&mut self, slot: usize) {
        let Some(entry) = self
            .entries
            .get_mut(slot)
            .filter(|entry| entry.kept_until > 0)
        else {
            return;
        };
        let until = std::mem::take(&mut entry.kept_until);
        self.kept.bytes -= entry.cost();
        self.kept.ends.remove(&(until, slot));
        self.entries.unpark(slot);
    }

    /// How many bytes cannot be had for another entry, those of the one in this slot not counted. What is not held any more
    /// is let go here.
    pub(super) fn kept_besides(&mut self, slot: Option<usize>, now: u64) -> usize {
        while let Some(&(until, lapsed)) = self.kept.ends.first()
            && until <= now
        {
            self.let_go(lapsed);
        }
        let own = slot.and_then(|slot| self.entries.get(slot));
        let own = own.filter(|entry| entry.kept_until > 0);
        self.kept.bytes - own.map_or(0, Entry::cost)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use crate::expiry::Life;
    use crate::store::{Claim, Force, Token, Touch};

    use super::super::{ENTRY_OVERHEAD, cost};
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
    fn check(table: &mut Table, now: u64) {
        table.kept_besides(None, now);
        let (mut bytes, mut used, mut ends) = (0, 0, BTreeSet::new());
        for slot in 0..table.entries.slots() {
            let Some(entry) = table.entries.get(slot) else {
                continue;
            };
            used += entry.cost();
            if let Some(until) = entry.held_until(now) {
                bytes += entry.cost();
                ends.insert((until, slot));
            }
        }
        assert_eq!((table.kept.bytes, table.used), (bytes, used));
        assert_eq!(table.kept.ends, ends);
        assert!(table.used <= table.limit);
    }

    #[test]
    fn what_is_kept_is_what_somebody_holds() {
        let mut table = Table::new(12 * (ENTRY_OVERHEAD + 40));
        let value = |text: &str| -> Arc<[u8]> { Arc::from(text.as_bytes()) };
        let tagged =
            |text: &str| -> Arc<[u8]> { Arc::from([b"\xC1\x11\0\0", text.as_bytes()].concat()) };
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
            check(&mut table, now);
        }
    }

    #[test]
    fn a_lease_that_has_lapsed_and_a_back_off_make_way() {
        let limit = 2 * cost(b"key", &[0; 32]);
        let mut table = Table::new(limit);
        table.acquire(b"one", claim(1, 30), 0, NOW).unwrap();
        table.acquire(b"two", claim(2, 60), 0, NOW).unwrap();
        let small: Arc<[u8]> = Arc::from(&b"v"[..]);
        let error = table
            .set(b"new", small.clone(), Life::Forever, NOW + 29)
            .unwrap_err();
        assert_eq!(error.code(), Some("OOM"));
        table.set(b"new", small, Life::Forever, NOW + 30).unwrap();
        assert!(table.find(b"one", NOW + 30).is_none());
        assert!(table.find(b"two", NOW + 30).is_some());
    }
}
