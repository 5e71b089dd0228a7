//! A map bounded in bytes: what the near cache and `memory://` stand on. Which entry goes is decided by S3-FIFO (Yang,
//! Zhang, Qiu, Yue, Rashmi: "FIFO queues are all you need for cache eviction", SOSP 2023): what is not used again soon
//! after it came goes early, and pushes nobody out who is used.
//!
//! The map is cut into shards, each behind a lock of its own. Whoever locks one has its entries and the owner's own
//! state beside them under that one lock. What is evicted or thrown away is dropped after the lock is given back.
//!
//! The bound is one for all shards, and exact: the sum of the weights never exceeds it, not for a moment. A shard that
//! needs room makes it among its own entries; one that has fewer than its share gets [`Bounded::room`] from the others.
//!
//! The locks are those of std, whose waiters stand in the kernel: see `memory/shared.rs` for what a fork does to others.

mod bound;
mod ghosts;
mod shard;
mod slots;
#[cfg(test)]
mod tests;

use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;
use std::mem;
use std::sync::{Mutex, MutexGuard, PoisonError};

use smallvec::SmallVec;
use xxhash_rust::xxh3::xxh3_64_with_seed;

use bound::Bound;
pub(crate) use bound::Room;
use shard::Shard;
pub(crate) use slots::Slot;

/// What stands in a [`Bounded`] map.
pub(crate) trait Item {
    /// Under what it stands; it stays the same.
    fn key(&self) -> &[u8];

    /// What it counts against the bound, its bookkeeping included: [`overhead`] and its allocations. It stays the same
    /// as long as the item stands there.
    fn weight(&self) -> usize;
}

/// The bytes that an item takes in a map besides what it points to: its slot, its place in the index, half empty as a
/// hash table may be, and the memory of one that went.
pub(crate) const fn overhead<V>() -> usize {
    mem::size_of::<slots::Place<V>>() + 2 * (mem::size_of::<u32>() + 1) + mem::size_of::<u32>()
}

/// No entry of a near cache takes more than this part of it. One shard, on its own, always has room for so much.
pub(crate) const LARGEST_PART: usize = MOST_SHARDS;

const MOST_SHARDS: usize = 64;

/// How many bytes make a shard worth its while.
const SHARD_BYTES: usize = 1 << 20;

/// A map of items of type `V` bounded in bytes, and an `E` of the owner's beside each shard.
pub(crate) struct Bounded<V, E = ()> {
    shards: Box<[Behind<V, E>]>,
    bound: Bound,
    /// Drawn anew for each map, so that nobody can choose keys that collide.
    seed: u64,
}

/// A shard behind its lock, on cache lines of its own.
#[repr(align(64))]
struct Behind<V, E>(Mutex<Shard<V, E>>);

/// A key and its hash in one map.
#[derive(Clone, Copy)]
pub(crate) struct Key<'k> {
    bytes: &'k [u8],
    hash: u64,
}

/// What is to be dropped after the lock.
type Victims<V> = SmallVec<[V; 2]>;

/// One shard, locked.
pub(crate) struct Locked<'m, V, E> {
    // The order matters: the lock is given back before the victims are dropped.
    shard: MutexGuard<'m, Shard<V, E>>,
    victims: Victims<V>,
    bound: &'m Bound,
}

/// There is no room for an item in its shard; so many bytes more are needed from [`Bounded::room`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Full(pub(crate) usize);

impl<V: Item, E: Default> Bounded<V, E> {
    /// A map that holds at most `limit` bytes.
    pub(crate) fn new(limit: usize) -> Self {
        let shards = (limit / SHARD_BYTES).clamp(1, MOST_SHARDS);
        Bounded {
            shards: (0..shards).map(|_| Behind(Mutex::default())).collect(),
            bound: Bound::new(limit, shards),
            seed: RandomState::new().hash_one(limit),
        }
    }
}

impl<V: Item, E> Bounded<V, E> {
    /// The key with its hash, which is computed once for all that is done with it.
    pub(crate) fn key<'k>(&self, bytes: &'k [u8]) -> Key<'k> {
        let hash = xxh3_64_with_seed(bytes, self.seed);
        Key { bytes, hash }
    }

    /// Locks the shard where this key belongs.
    pub(crate) fn lock(&self, key: Key<'_>) -> Locked<'_, V, E> {
        let shard = self.shards.get(self.shard_of(key));
        // There is always one: the index is below their number, which is at least 1.
        self.locked(shard.unwrap_or_else(|| unreachable!("a shard for every hash")))
    }

    /// Locks the shards of two keys, in the order that keeps two such calls from waiting for each other. One lock does
    /// when both belong in the same shard.
    pub(crate) fn lock_both(&self, one: Key<'_>, other: Key<'_>) -> Both<'_, V, E> {
        match self.shard_of(one).cmp(&self.shard_of(other)) {
            std::cmp::Ordering::Equal => Both(self.lock(one), None),
            std::cmp::Ordering::Less => {
                let first = self.lock(one);
                Both(first, Some(self.lock(other)))
            }
            std::cmp::Ordering::Greater => {
                let second = self.lock(other);
                Both(self.lock(one), Some(second))
            }
        }
    }

    /// Locks the shard of this number, if there is one: for walks and sums.
    pub(crate) fn lock_at(&self, shard: usize) -> Option<Locked<'_, V, E>> {
        self.shards.get(shard).map(|shard| self.locked(shard))
    }

    /// Locks every shard, in order.
    pub(crate) fn lock_all(&self) -> Vec<Locked<'_, V, E>> {
        self.shards.iter().map(|shard| self.locked(shard)).collect()
    }

    /// How many shards there are.
    pub(crate) fn shards(&self) -> usize {
        self.shards.len()
    }

    /// The bound in bytes.
    pub(crate) fn limit(&self) -> usize {
        self.bound.limit()
    }

    /// Moves the bound up; it never comes down.
    pub(crate) fn raise_limit(&self, limit: usize) {
        self.bound.raise(limit);
    }

    /// The weight of all items, and of room that is set aside for one. No lock is taken.
    pub(crate) fn bytes(&self) -> usize {
        self.bound.used()
    }

    /// The weight of the items that make way for nobody. No lock is taken.
    pub(crate) fn parked(&self) -> usize {
        self.bound.parked()
    }

    /// How many items there are. Takes one lock after the other.
    pub(crate) fn len(&self) -> usize {
        self.each_shard().map(|shard| shard.len()).sum()
    }

    /// Throws everything away, one shard after the other. What the owner has beside them stays.
    pub(crate) fn clear(&self) {
        self.each_shard().for_each(|mut shard| shard.clear());
    }

    /// Nothing is set aside.
    pub(crate) fn no_room(&self) -> Room<'_> {
        Room::none(&self.bound)
    }

    /// Adds `bytes` to the room that is set aside, for an item with this key; others make way all over the map, those
    /// first that stand in shards with more than their share. Takes one lock after the other: the caller holds none.
    /// False: what is left makes way for nobody.
    pub(crate) fn make_room(&self, key: Key<'_>, bytes: usize, room: &mut Room<'_>) -> bool {
        if room.take(bytes) {
            return true;
        }
        let fair = self.limit().saturating_sub(bytes) / self.shards();
        let next = self.shard_of(key) + 1;
        for floor in [fair, 0] {
            for shard in 0..self.shards() {
                let Some(mut shard) = self.lock_at((next + shard) % self.shards()) else {
                    continue;
                };
                if shard.give_way(floor, bytes, room) {
                    return true;
                }
            }
        }
        false
    }

    fn each_shard(&self) -> impl Iterator<Item = Locked<'_, V, E>> {
        self.shards.iter().map(|shard| self.locked(shard))
    }

    fn shard_of(&self, key: Key<'_>) -> usize {
        // The upper half of the hash, scaled; the lower half finds the place within the shard.
        (((key.hash >> 32) * self.shards() as u64) >> 32) as usize
    }

    /// The lock, also after a panic elsewhere: steps leave a shard whole.
    fn locked<'m>(&'m self, shard: &'m Behind<V, E>) -> Locked<'m, V, E> {
        Locked {
            shard: shard.0.lock().unwrap_or_else(PoisonError::into_inner),
            victims: SmallVec::new(),
            bound: &self.bound,
        }
    }
}

/// The shards of two keys: the second is `None` when it is the first.
pub(crate) struct Both<'m, V, E>(pub(crate) Locked<'m, V, E>, Option<Locked<'m, V, E>>);

impl<'m, V, E> Both<'m, V, E> {
    /// The shard of the other key.
    pub(crate) fn other(&mut self) -> &mut Locked<'m, V, E> {
        self.1.as_mut().unwrap_or(&mut self.0)
    }
}

impl<'k> Key<'k> {
    /// The bytes of the key.
    pub(crate) fn bytes(self) -> &'k [u8] {
        self.bytes
    }

    /// The half of the hash by which a shard knows it.
    fn tag(self) -> u32 {
        self.hash as u32
    }
}

impl<V: Item, E> Locked<'_, V, E> {
    /// The item under `key`, which is hereby used.
    pub(crate) fn get(&mut self, key: Key<'_>) -> Option<&V> {
        let slot = self.find(key)?;
        self.shard.slots.mark(slot);
        self.at(slot)
    }

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
    fn give_way(&mut self, floor: usize, bytes: usize, room: &mut Room<'_>) -> bool {
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
