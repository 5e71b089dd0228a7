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
mod locked;
mod shard;
mod slots;
#[cfg(test)]
mod tests;

use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;
use std::mem;
use std::sync::{Mutex, PoisonError};

use xxhash_rust::xxh3::xxh3_64_with_seed;

use bound::Bound;
pub(crate) use bound::Room;
pub(crate) use locked::{Both, Locked};
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

    /// What is made of the item under `key`, which is hereby used: under the lock of its shard, with which nothing else is
    /// done.
    #[inline]
    pub(crate) fn look<R>(&self, key: Key<'_>, made: impl FnOnce(&V) -> R) -> Option<R> {
        let shard = self.shards.get(self.shard_of(key))?;
        let mut shard = shard.0.lock().unwrap_or_else(PoisonError::into_inner);
        let slot = shard.find(key.tag(), key.bytes)?;
        shard.slots.used(slot).map(made)
    }

    /// Locks the shards of two keys, in the order that keeps two such calls from waiting for each other. One lock does
    /// when both belong in the same shard.
    pub(crate) fn lock_both(&self, one: Key<'_>, other: Key<'_>) -> Both<'_, V, E> {
        match self.shard_of(one).cmp(&self.shard_of(other)) {
            std::cmp::Ordering::Equal => Both::new(self.lock(one), None),
            std::cmp::Ordering::Less => {
                let first = self.lock(one);
                Both::new(first, Some(self.lock(other)))
            }
            std::cmp::Ordering::Greater => {
                let second = self.lock(other);
                Both::new(self.lock(one), Some(second))
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
    #[cfg(test)]
    pub(crate) fn bytes(&self) -> usize {
        self.bound.used()
    }

    /// The weight of the items that make way for nobody. No lock is taken.
    pub(crate) fn parked(&self) -> usize {
        self.bound.parked()
    }

    /// How many items there are. Takes one lock after the other.
    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        self.each_shard().map(|shard| shard.len()).sum()
    }

    /// Throws everything away, one shard after the other. What the owner has beside them stays.
    #[cfg(test)]
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

    #[cfg(test)]
    fn each_shard(&self) -> impl Iterator<Item = Locked<'_, V, E>> {
        self.shards.iter().map(|shard| self.locked(shard))
    }

    fn shard_of(&self, key: Key<'_>) -> usize {
        // The upper half of the hash, scaled; the lower half finds the place within the shard.
        (((key.hash >> 32) * self.shards() as u64) >> 32) as usize
    }

    fn locked<'m>(&'m self, shard: &'m Behind<V, E>) -> Locked<'m, V, E> {
        // Also after a panic elsewhere: steps leave a shard whole.
        let guard = shard.0.lock().unwrap_or_else(PoisonError::into_inner);
        Locked::new(guard, &self.bound)
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
