//! Walks over all entries. Slots have numbers across the shards: runs of them from one shard after the other, then the
//! next runs. A cursor is how many of these are still to be looked at, so that a walk ends however many keys are added
//! behind it. A key keeps its slot as long as it exists, so a walk meets it exactly once.

use crate::base::bounded::{Locked, Slot};

use super::{Entry, Kept, Packed, Table, kept};

/// How many slots of one shard follow each other: they are looked at under one lock.
const RUN: u64 = 64;

impl Table {
    /// The keys in the next `count` slots and the cursor behind them. The beginning and the end are 0; what is no cursor of
    /// this table begins anew.
    pub(crate) fn keys_from(&self, cursor: u64, count: usize, now: u64) -> (Vec<Packed>, u64) {
        let shards = self.map.shards() as u64;
        let mut left = self.left_at(cursor);
        let (mut count, mut keys) = (count as u64, Vec::new());
        while let Some(last) = left.checked_sub(1)
            && count > 0
        {
            let (run, within) = (last / RUN, last % RUN);
            let first = run / shards * RUN;
            left = run * RUN;
            let Some(mut shard) = self.map.lock_at((run % shards) as usize) else {
                continue;
            };
            let end = (first + within + 1).min(shard.slots().into());
            let Some(there) = end.checked_sub(first) else {
                continue;
            };
            let looked_at = there.min(count);
            for slot in (end - looked_at..end).rev() {
                keys.extend(key_at(&mut shard, Slot(slot as u32), now));
            }
            count -= looked_at;
            left += there - looked_at;
        }
        (keys, left)
    }

    /// How much of a walk from its beginning lies behind `cursor`, 0 to 1.
    pub(crate) fn walked(&self, cursor: u64) -> f64 {
        1.0 - self.left_at(cursor) as f64 / self.numbers().max(1) as f64
    }

    fn left_at(&self, cursor: u64) -> u64 {
        match cursor {
            0 => self.numbers(),
            left => left.min(self.numbers()),
        }
    }

    /// How many numbers there are: as many for each shard as for the one with the most slots.
    fn numbers(&self) -> u64 {
        let shards = (0..self.map.shards()).filter_map(|shard| self.map.lock_at(shard));
        let most = shards.map(|shard| shard.slots()).max().unwrap_or(0);
        u64::from(most).next_multiple_of(RUN) * self.map.shards() as u64
    }
}

/// The key in a slot; an entry whose time has passed is removed on the way.
fn key_at(shard: &mut Locked<'_, Entry, Kept>, slot: Slot, now: u64) -> Option<Packed> {
    let entry = shard.at(slot)?;
    if !entry.expiry.has_passed(now) {
        return Some(entry.packed());
    }
    kept::let_go(shard, slot);
    shard.discard_at(slot);
    None
}
