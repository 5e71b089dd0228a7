//! What can be done with a shard while its lock is held.

use std::sync::MutexGuard;

use smallvec::SmallVec;

use super::bound::{Bound, Room};
use super::shard::Shard;
use super::slots::Slot;
use super::{Full, Item, Key, LARGEST_PART};

/// What is to be dropped after the lock: nothing, as a rule.
pub(super) struct Victims<V>(Option<SmallVec<[V; 2]>>);

impl<V> Victims<V> {
    pub(super) fn push(&mut self, victim: V) {
        self.0.get_or_insert_default().push(victim);
    }

    fn extend(&mut self, victims: impl IntoIterator<Item = V>) {
        self.0.get_or_insert_default().extend(victims);
    }
}

/// One shard, locked.
pub(crate) struct Locked<'m, V, E> {
    // The order matters: the lock is given back before the victims are dropped.
    shard: MutexGuard<'m, Shard<V, E>>,
    victims: Victims<V>,
    bound: &'m Bound,
}

/// The shards of two keys: the second is `None` when it is the first.
pub(crate) struct Both<'m, V, E>(pub(crate) Locked<'m, V, E>, Option<Locked<'m, V, E>>);

impl<'m, V, E> Both<'m, V, E> {
    pub(super) fn new(one: Locked<'m, V, E>, other: Option<Locked<'m, V, E>>) -> Self {
        Both(one, other)
    }

    /// The shard of the other key.
    pub(crate) fn other(&mut self) -> &mut Locked<'m, V, E> {
        self.1.as_mut().unwrap_or(&mut self.0)
    }
}

impl<'m, V, E> Locked<'m, V, E> {
    pub(super) fn new(shard: MutexGuard<'m, Shard<V, E>>, bound: &'m Bound) -> Self {
        Locked {
            shard,
            victims: Victims(None),
            bound,
        }
    }
}

impl<V: Item, E> Locked<'_, V, E> {
    /// The item under `key`, for a look that is no use.
    pub(crate) fn peek(&self, key: Key<'_>) -> Option<&V> {
        self.at(self.find(key)?)
    }

    /// Where the item under `key` stands, for as long as it does.
    pub(crate) fn find(&self, key: Key<'_>) -> Option<Slot> {
        self.shard.find(key.tag(), key.bytes)
    }

    /// The item in this slot.
    pub(crate) fn at(&self, slot: Slot) -> Option<&V> {
        self.shard.slots.get(slot)
    }

    /// The item in this slot, to be changed in place; key and weight stay.
    pub(crate) fn at_mut(&mut self, slot: Slot) -> Option<&mut V> {
        self.shard.slots.get_mut(slot)
    }

    /// The item in this slot is hereby used.
    pub(crate) fn mark(&mut self, slot: Slot) {
        self.shard.slots.mark(slot);
    }

    /// Stores an item, in the slot that its key has already, or in a new one. Others of this shard make way.
    /// `room` is what is set aside for it. When there is no room, nothing is stored and the old item stays, though some
    /// others may have gone.
    pub(crate) fn put(&mut self, key: Key<'_>, item: V, room: &mut Room<'_>) -> Result<Slot, Full> {
        debug_assert_eq!(key.bytes, item.key());
        let Locked {
            shard,
            victims,
            bound,
        } = self;
        shard.put(key.tag(), item, room, victims, bound)
    }

    /// Stores an item of a cache that does without those above 1/64 of the bound: whether it came in. The old item under
    /// its key goes in any case. No shard gets more than its share here, so nobody else has to make way.
    pub(crate) fn admit(&mut self, key: Key<'_>, item: V) -> bool {
        self.discard(key);
        let weight = item.weight();
        if weight > self.bound.limit() / LARGEST_PART {
            return false;
        }
        let most = self.bound.share() - weight;
        while self.bytes() > most && self.evict_one() {}
        let mut none = Room::none(self.bound);
        self.bytes() <= most && self.put(key, item, &mut none).is_ok()
    }

    /// Takes the item under `key` out. To be dropped outside of the lock, like all that is large.
    #[cfg(test)]
    pub(crate) fn remove(&mut self, key: Key<'_>) -> Option<V> {
        self.take(self.find(key)?)
    }

    /// Throws the item under `key` away: whether there was one. It is dropped after the lock.
    pub(crate) fn discard(&mut self, key: Key<'_>) -> bool {
        self.find(key).is_some_and(|slot| self.discard_at(slot))
    }

    /// The same of the item in this slot.
    pub(crate) fn discard_at(&mut self, slot: Slot) -> bool {
        let item = self.take(slot);
        let was_there = item.is_some();
        self.victims.extend(item);
        was_there
    }

    /// Takes the item in this slot out.
    pub(crate) fn take(&mut self, slot: Slot) -> Option<V> {
        let item = self.shard.take(slot, self.bound)?;
        self.bound.give_back(item.weight());
        Some(item)
    }

    /// Takes the item in this slot out, and keeps its place in the bound set aside in `room`.
    pub(crate) fn take_with_room(&mut self, slot: Slot, room: &mut Room<'_>) -> Option<V> {
        let item = self.shard.take(slot, self.bound)?;
        room.add(item.weight());
        Some(item)
    }

    /// The item in this slot makes way for nobody from here on.
    pub(crate) fn park(&mut self, slot: Slot) {
        self.shard.park(slot, self.bound);
    }

    /// It makes way again, as one that has just come and was used.
    pub(crate) fn unpark(&mut self, slot: Slot) {
        self.shard.unpark(slot, self.bound);
    }

    /// Whether the item in this slot makes way for nobody.
    pub(crate) fn is_parked(&self, slot: Slot) -> bool {
        self.shard.slots.is_parked(slot)
    }

    /// The weight of all in the map that makes way for nobody.
    pub(crate) fn parked_anywhere(&self) -> usize {
        self.bound.parked()
    }

    /// The bound of the map in bytes.
    pub(crate) fn limit(&self) -> usize {
        self.bound.limit()
    }

    /// The owner's own state beside this shard.
    pub(crate) fn own(&mut self) -> &mut E {
        &mut self.shard.own
    }

    /// How many slots there are, empty ones included. Slots are numbered from 0, and an item keeps its own.
    pub(crate) fn slots(&self) -> u32 {
        self.shard.slots.count()
    }

    /// How many items there are.
    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        self.shard.len()
    }

    /// The weight of the items of this shard.
    pub(crate) fn bytes(&self) -> usize {
        self.shard.used()
    }

    /// Throws all items away, those that make way for nobody too; they are dropped after the lock.
    pub(crate) fn clear(&mut self) {
        let items = self.shard.clear(self.bound);
        self.victims.extend(items);
    }

    /// Makes `bytes` of room by what this shard has above `floor`; false when that is not enough.
    pub(super) fn give_way(&mut self, floor: usize, bytes: usize, room: &mut Room<'_>) -> bool {
        loop {
            if room.take(bytes) {
                return true;
            }
            if self.bytes() <= floor || !self.evict_one() {
                return false;
            }
        }
    }

    /// False: nobody here makes way.
    fn evict_one(&mut self) -> bool {
        let Some(victim) = self.shard.evict(self.bound) else {
            return false;
        };
        self.bound.give_back(victim.weight());
        self.victims.push(victim);
        true
    }
}
