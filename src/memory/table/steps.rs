//! The steps on values, each under the lock of its key's shard.

use crate::base::bounded::Bounded;
use crate::codec::integer::Integer;
use crate::entry::header::Header;
use crate::error::{Error, ErrorKind};
use crate::expiry::{FOREVER_MS, Life};
use crate::store::{Touch, Value};

use super::kept;
use super::{Deadline, Done, Entry, Full, Item, Kept, Key, Packed, Refusal, Room, Slot, Step};

impl Step<'_, '_> {
    /// The slot of the entry under the key, of any kind, which is hereby used. An entry whose time has passed is removed
    /// on the way.
    pub(super) fn slot(&mut self) -> Option<Slot> {
        let slot = self.shard.find(self.key)?;
        if self.shard.at(slot)?.expiry.has_passed(self.now) {
            self.remove_slot(slot);
            return None;
        }
        self.shard.mark(slot);
        Some(slot)
    }

    pub(super) fn entry(&mut self) -> Option<&mut Entry> {
        let slot = self.slot()?;
        self.shard.at_mut(slot)
    }

    /// The slot of the entry under the key if that is a value: not a placeholder, known to be absent, or soft-expired.
    fn live_slot(&mut self) -> Option<Slot> {
        let slot = self.slot()?;
        let header = Header::parse(self.shard.at(slot)?.value());
        header
            .is_none_or(|header| header.is_live(|| self.now))
            .then_some(slot)
    }

    /// A live value.
    pub(super) fn live(&mut self) -> Option<Packed> {
        let slot = self.live_slot()?;
        self.shard.at(slot).map(Entry::packed)
    }

    pub(super) fn set(&mut self, value: &Packed, life: Life) -> Done<()> {
        match Deadline::of(life, self.now) {
            Some(expiry) => self.put(value.clone(), expiry),
            None => {
                self.remove();
                Ok(())
            }
        }
    }

    pub(super) fn add(&mut self, value: &Packed, life: Life) -> Done<bool> {
        if self.live_slot().is_some() {
            return Ok(false);
        }
        if let Some(expiry) = Deadline::of(life, self.now) {
            self.put(value.clone(), expiry)?;
        }
        Ok(true)
    }

    pub(super) fn set_new(&mut self, value: &Packed, life: Life) -> Done<bool> {
        let Some(expiry) = Deadline::of(life, self.now) else {
            return Ok(true);
        };
        if self.slot().is_some() {
            return Ok(false);
        }
        self.put(value.clone(), expiry)?;
        Ok(true)
    }

    pub(super) fn remove(&mut self) -> bool {
        let slot = self.slot();
        slot.is_some_and(|slot| self.remove_slot(slot))
    }

    pub(super) fn touch(&mut self, touch: Touch) -> bool {
        let Some(slot) = self.live_slot() else {
            return false;
        };
        let until = match touch {
            Touch::In(ms) => Some(self.now.saturating_add(ms.min(FOREVER_MS))),
            Touch::At(at) => Some(at),
            Touch::Persist => None,
        };
        if until.is_some_and(|at| at <= self.now) {
            self.remove_slot(slot);
        } else if let Some(entry) = self.shard.at_mut(slot) {
            entry.move_expiry(until);
            kept::keep_if_held(self.shard, slot, self.now);
        }
        true
    }

    pub(super) fn incr(&mut self, delta: i64) -> Done<Option<i64>> {
        let slot = self.live_slot();
        let Some(entry) = slot.and_then(|slot| self.shard.at(slot)) else {
            return Ok(None);
        };
        let wrong = |text: &str| Error::new(ErrorKind::WrongType, text);
        let Some(Integer::Signed(number)) = Integer::parse(entry.value()) else {
            let text = "the stored value is not an integer of 64 bits in decimal digits";
            return Err(wrong(text).into());
        };
        let Some(sum) = number.checked_add(delta) else {
            return Err(wrong("the counter would overflow its 64 bits").into());
        };
        let expiry = entry.expiry;
        self.put_number(sum, expiry)?;
        Ok(Some(sum))
    }

    pub(super) fn incr_or_create(&mut self, delta: i64, initial: i64, life: Life) -> Done<i64> {
        if let Some(sum) = self.incr(delta)? {
            return Ok(sum);
        }
        if let Some(expiry) = Deadline::of(life, self.now) {
            self.put_number(initial, expiry)?;
        }
        Ok(initial)
    }

    pub(super) fn replace(&mut self, old: &[u8], new: Option<&Packed>) -> Done<bool> {
        let Some(entry) = self.entry().filter(|entry| *entry.value() == *old) else {
            return Ok(false);
        };
        let expiry = entry.expiry;
        match new {
            Some(new) => self.put(new.clone(), expiry)?,
            None => {
                self.remove();
            }
        }
        Ok(true)
    }

    fn put_number(&mut self, number: i64, expiry: Deadline) -> Done<()> {
        let digits = number.to_string();
        let (head, body) = (&b""[..], digits.as_bytes());
        self.put(Packed::new(self.key.bytes(), Value { head, body })?, expiry)
    }

    /// Stores an entry, in the slot that its key has already. Others make way.
    pub(super) fn put(&mut self, value: Packed, expiry: Deadline) -> Done<()> {
        let entry = Entry::new(value, expiry);
        let weight = entry.weight();
        kept::let_go_lapsed(self.shard, self.now);
        self.fits(weight)?;
        let put = self.shard.put(self.key, entry, self.room);
        let slot = put.map_err(|Full(lacking)| Refusal::Room { weight, lacking })?;
        kept::keep_if_held(self.shard, slot, self.now);
        Ok(())
    }

    /// Nobody makes way for an entry that would not fit then either. Whether that is so is judged with all shards in view.
    fn fits(&self, weight: usize) -> Done<()> {
        let own = self.shard.find(self.key);
        let own = own.filter(|slot| self.shard.is_parked(*slot));
        let own = own.and_then(|slot| self.shard.at(slot));
        let kept = self.shard.parked_anywhere() - own.map_or(0, Item::weight);
        if weight > self.shard.limit().saturating_sub(kept) {
            return Err(Refusal::Room { weight, lacking: 0 });
        }
        Ok(())
    }

    pub(super) fn remove_slot(&mut self, slot: Slot) -> bool {
        kept::let_go(self.shard, slot);
        self.shard.discard_at(slot)
    }
}

/// Moves the value `seen` from one key to the other, to which it is fitted already. False: it is not there any more.
pub(super) fn rename<'m>(
    map: &'m Bounded<Entry, Kept>,
    [from, to]: [Key<'_>; 2],
    seen: &Packed,
    moved: Packed,
    room: &mut Room<'m>,
    now: u64,
) -> Done<bool> {
    let mut shards = map.lock_both(from, to);
    let shard = &mut shards.0;
    let slot = shard.find(from);
    let Some(slot) = slot.filter(|slot| shard.at(*slot).is_some_and(|entry| seen.is(entry))) else {
        return Ok(false);
    };
    kept::let_go(shard, slot);
    // Its bytes go to the one at the other key; when that is refused, it goes back to where it was.
    let Some(old) = shard.take_with_room(slot, room) else {
        return Ok(false);
    };
    let there = Step {
        key: to,
        shard: shards.other(),
        room,
        now,
    }
    .put(moved, old.expiry);
    if there.is_err()
        && let Ok(slot) = shards.0.put(from, old, room)
    {
        kept::keep_if_held(&mut shards.0, slot, now);
    }
    there.map(|()| true)
}
