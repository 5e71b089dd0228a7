//! The entries of one store and the steps that must happen in one piece: what Redis does inside a command or a
//! script. A table knows nothing of clocks; every step is told what time it is. A step holds the lock of the shard of
//! its key, and nothing of others. The table never holds more than its limit in bytes, and says no to an entry for which
//! others could not make way.

mod entry;
mod kept;
mod leased;
pub(crate) mod leases;
mod steps;
#[cfg(test)]
pub(crate) mod tests;
mod walk;

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use crate::base::bounded::{Bounded, Full, Item, Key, Locked, Room, Slot};
use crate::entry::header::without_lease;
use crate::error::{Error, Result};
use crate::expiry::Life;
use crate::store::{HEAD_LEN, Touch, Value};

use entry::Deadline;
pub(crate) use entry::{Entry, Packed};
pub(crate) use kept::Kept;

/// The entries of one store.
pub(crate) struct Table {
    map: Bounded<Entry, Kept>,
    /// The fencing number that was given last.
    last_fence: AtomicU64,
}

/// One step: a key, its shard under lock, and the time.
struct Step<'a, 'm> {
    key: Key<'a>,
    shard: &'a mut Locked<'m, Entry, Kept>,
    /// What is set aside for an entry of this key.
    room: &'a mut Room<'m>,
    now: u64,
}

/// Why a step was not done.
enum Refusal {
    /// There is no room in the shard yet for an entry that weighs so much.
    Room {
        weight: usize,
        lacking: usize,
    },
    Told(Error),
}

type Done<T> = std::result::Result<T, Refusal>;

impl From<Error> for Refusal {
    fn from(error: Error) -> Self {
        Refusal::Told(error)
    }
}

impl Table {
    pub(crate) fn new(limit: usize) -> Self {
        Table {
            map: Bounded::new(limit),
            last_fence: AtomicU64::new(0),
        }
    }

    pub(crate) fn raise_limit(&self, limit: usize) {
        self.map.raise_limit(limit);
    }

    /// Every lock of the table, in order.
    pub(crate) fn lock_all(&self) -> Vec<Locked<'_, Entry, Kept>> {
        self.map.lock_all()
    }

    /// Leaves nothing, all at once; the entries are dropped after the locks.
    pub(crate) fn clear(&self) {
        for shard in &mut self.map.lock_all() {
            shard.clear();
            *shard.own() = Kept::default();
        }
    }

    /// A look at the entry under `key`, of any kind, which is hereby used.
    pub(crate) fn look<R>(
        &self,
        key: &[u8],
        now: u64,
        look: impl FnOnce(&Entry) -> R,
    ) -> Option<R> {
        let key = self.map.key(key);
        let found = self.map.look(key, |entry| {
            let is_there = !entry.expiry.has_passed(now);
            is_there.then(|| look(entry))
        });
        if let Some(made) = found? {
            return Some(made);
        }
        let mut shard = self.map.lock(key);
        let mut none = self.map.no_room();
        let mut step = Step {
            key,
            shard: &mut shard,
            room: &mut none,
            now,
        };
        // What is over goes.
        step.slot();
        None
    }

    /// The entry under `key`, of any kind, which is hereby used.
    pub(crate) fn find(&self, key: &[u8], now: u64) -> Option<Packed> {
        self.look(key, now, Entry::packed)
    }

    /// The same for a look that is no use.
    pub(crate) fn peek(&self, key: &[u8], now: u64) -> Option<Packed> {
        let key = self.map.key(key);
        let shard = self.map.lock(key);
        let entry = shard.peek(key)?;
        (!entry.expiry.has_passed(now)).then(|| entry.packed())
    }

    /// SET of a caller's value: when it is refused, what it was to take the place of goes all the same.
    pub(crate) fn set_or_remove(
        &self,
        key: &[u8],
        value: Value<'_>,
        life: Life,
        now: u64,
    ) -> Result<()> {
        let value = Packed::new(key, value)?;
        self.or_remove(key, now, self.step(key, now, |step| step.set(&value, life)))
    }

    /// Leaves nothing under the key of a write that was refused.
    fn or_remove<T>(&self, key: &[u8], now: u64, done: Result<T>) -> Result<T> {
        if done.is_err() {
            self.remove(key, now);
        }
        done
    }

    /// ADD of lease.lua: SET where there is no live value. A life that is over stores nothing and removes nothing.
    pub(crate) fn add(&self, key: &[u8], value: Value<'_>, life: Life, now: u64) -> Result<bool> {
        let value = Packed::new(key, value)?;
        self.step(key, now, |step| step.add(&value, life))
    }

    /// SET NX, where whatever is there counts.
    pub(crate) fn set_new(
        &self,
        key: &[u8],
        value: Value<'_>,
        life: Life,
        now: u64,
    ) -> Result<bool> {
        let value = Packed::new(key, value)?;
        self.step(key, now, |step| step.set_new(&value, life))
    }

    /// UNLINK: whether there was an entry, of any kind.
    pub(crate) fn remove(&self, key: &[u8], now: u64) -> bool {
        self.sure_step(key, now, |step| step.remove())
    }

    /// TOUCH of lease.lua: moves soft and hard expiry together, the hard one never below a live lease.
    pub(crate) fn touch(&self, key: &[u8], touch: Touch, now: u64) -> bool {
        self.sure_step(key, now, |step| step.touch(touch))
    }

    /// INCR of lease.lua: `None` where there is no live value.
    pub(crate) fn incr(&self, key: &[u8], delta: i64, now: u64) -> Result<Option<i64>> {
        self.step(key, now, |step| step.incr(delta))
    }

    /// INCR_OR_CREATE of lease.lua. A life that is over creates nothing.
    pub(crate) fn incr_or_create(
        &self,
        key: &[u8],
        delta: i64,
        initial: i64,
        life: Life,
        now: u64,
    ) -> Result<i64> {
        self.step(key, now, |step| step.incr_or_create(delta, initial, life))
    }

    /// CAS of lease.lua: another value, or none, in the place of `old` and with its lifetime.
    pub(crate) fn replace(
        &self,
        key: &[u8],
        old: &[u8],
        new: Option<Value<'_>>,
        now: u64,
    ) -> Result<bool> {
        let new = new.map(|new| Packed::new(key, new)).transpose()?;
        self.step(key, now, |step| step.replace(old, new.as_ref()))
    }

    /// RENAME of a live value, with its lifetime; its lease stays behind.
    pub(crate) fn rename(&self, from: &[u8], to: &[u8], now: u64) -> Result<bool> {
        let (from, to) = (self.map.key(from), self.map.key(to));
        let (mut room, mut head) = (self.map.no_room(), [0; HEAD_LEN]);
        loop {
            // Its copy under the other key is made outside of the locks, and stands if it still is that value then.
            let seen = self.sure_step(from.bytes(), now, |step| step.live());
            let Some(seen) = seen else { return Ok(false) };
            if from.bytes() == to.bytes() {
                return Ok(true);
            }
            let value = without_lease(&seen, &mut head);
            let moved = Packed::new(to.bytes(), value)?;
            let done = steps::rename(&self.map, [from, to], &seen, moved, &mut room, now);
            match done {
                Ok(true) => return Ok(true),
                Ok(false) => {}
                Err(Refusal::Told(error)) => return Err(error),
                Err(Refusal::Room { weight, lacking }) => {
                    self.make_room(to, weight, lacking, &mut room, now)?;
                }
            }
        }
    }

    /// One atomic step under the lock of a shard. One that lacks room has changed nothing, and is done again when there
    /// is some.
    fn step<R>(
        &self,
        key: &[u8],
        now: u64,
        mut work: impl FnMut(&mut Step<'_, '_>) -> Done<R>,
    ) -> Result<R> {
        let key = self.map.key(key);
        let mut room = self.map.no_room();
        loop {
            let done = {
                let mut shard = self.map.lock(key);
                work(&mut Step {
                    key,
                    shard: &mut shard,
                    room: &mut room,
                    now,
                })
            };
            match done {
                Ok(done) => return Ok(done),
                Err(Refusal::Told(error)) => return Err(error),
                Err(Refusal::Room { weight, lacking }) => {
                    self.make_room(key, weight, lacking, &mut room, now)?;
                }
            }
        }
    }

    /// A step that needs no room.
    fn sure_step<R>(&self, key: &[u8], now: u64, work: impl FnOnce(&mut Step<'_, '_>) -> R) -> R {
        let key = self.map.key(key);
        let mut room = self.map.no_room();
        let mut shard = self.map.lock(key);
        work(&mut Step {
            key,
            shard: &mut shard,
            room: &mut room,
            now,
        })
    }

    /// Sets room aside for an entry, or refuses it like a server at its `maxmemory`: when it would not fit if all made
    /// way for it that may.
    #[cold]
    fn make_room(
        &self,
        key: Key<'_>,
        weight: usize,
        lacking: usize,
        room: &mut Room<'_>,
        now: u64,
    ) -> Result<()> {
        let limit = self.map.limit();
        if weight > limit {
            return Err(full(format!(
                "the entry of {weight} bytes is larger than memory_limit ({limit} bytes)"
            )));
        }
        for shard in 0..self.map.shards() {
            if let Some(mut shard) = self.map.lock_at(shard) {
                kept::let_go_lapsed(&mut shard, now);
            }
        }
        let kept = self.kept_besides(key);
        if weight > limit.saturating_sub(kept) || !self.map.make_room(key, lacking, room) {
            return Err(full(format!(
                "locks and leases that are held take {kept} bytes of memory_limit ({limit} bytes), and the entry has {weight}"
            )));
        }
        Ok(())
    }

    /// How many bytes cannot be had for an entry of this key.
    fn kept_besides(&self, key: Key<'_>) -> usize {
        let shard = self.map.lock(key);
        let own = shard.find(key).filter(|slot| shard.is_parked(*slot));
        let own = own.and_then(|slot| shard.at(slot)).map_or(0, Item::weight);
        self.map.parked().saturating_sub(own)
    }

    /// The fencing number of a lock at this time in microseconds: never one that was given before.
    fn next_fence(&self, now_us: u64) -> u64 {
        let next = |last: u64| Some(now_us.max(last + 1));
        let last = self.last_fence.fetch_update(Relaxed, Relaxed, next);
        last.map_or(now_us, |last| now_us.max(last + 1))
    }
}

#[cold]
fn full(why: String) -> Error {
    let text = format!("OOM command not allowed: {why}");
    Error::from_server(text.as_bytes())
}
