//! The entries of one store and the steps that must happen in one piece: what Redis does inside a command or a
//! script. A table knows nothing of locks and of clocks; every step is told what time it is. It never holds more
//! than its limit in bytes, and says no to an entry for which others could not make way.

mod kept;
pub(crate) mod leases;
#[cfg(test)]
pub(crate) mod tests;

use std::collections::HashMap;
use std::sync::Arc;

use crate::codec::integer::Integer;
use crate::entry::header::{Header, STALE_FOREVER};
use crate::error::{Error, ErrorKind, Result};
use crate::expiry::{FOREVER_MS, Life};
use crate::store::{Pttl, Touch};

use super::lru::Lru;

use kept::Kept;

/// What an entry takes besides the bytes of its key and value: its slot, its place in the index and the
/// bookkeeping of two allocations, with the slack of growing tables. (glibc: 159-203 bytes with 10^3 to 10^5 entries.)
const ENTRY_OVERHEAD: usize = 192;

/// A key, what is stored under it, and until when.
pub(crate) struct Entry {
    key: Arc<[u8]>,
    value: Arc<[u8]>,
    expiry: Deadline,
    /// A lock, and not a value.
    is_lock: bool,
    /// It makes way for nobody until then; 0: it does.
    kept_until: u64,
}

/// When an entry is gone, in Unix milliseconds. It is still there in the last of them, as in Redis.
#[derive(Clone, Copy)]
struct Deadline(Option<u64>);

/// The entries of one store.
pub(crate) struct Table {
    index: HashMap<Arc<[u8]>, usize>,
    entries: Lru<Entry>,
    /// Those that make way for nobody.
    kept: Kept,
    used: usize,
    limit: usize,
    /// The fencing number that was given last.
    last_fence: u64,
}

impl Entry {
    pub(crate) fn value(&self) -> &Arc<[u8]> {
        &self.value
    }

    /// What is left of its life.
    pub(crate) fn pttl(&self, now: u64) -> Pttl {
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
    pub(crate) fn new(limit: usize) -> Self {
        Table {
            index: HashMap::new(),
            entries: Lru::default(),
            kept: Kept::default(),
            used: 0,
            limit,
            last_fence: 0,
        }
    }

    pub(crate) fn raise_limit(&mut self, limit: usize) {
        self.limit = self.limit.max(limit);
    }

    /// Leaves nothing. The entries are handed out, so that they can be dropped elsewhere.
    pub(crate) fn take(&mut self) -> Table {
        let empty = Table {
            last_fence: self.last_fence,
            ..Table::new(self.limit)
        };
        std::mem::replace(self, empty)
    }

    /// The entry under `key`, of any kind, which is hereby used.
    pub(crate) fn find(&mut self, key: &[u8], now: u64) -> Option<&Entry> {
        let slot = self.slot(key, now)?;
        self.entries.get(slot)
    }

    /// The same for a look that is no use.
    pub(crate) fn peek(&self, key: &[u8], now: u64) -> Option<&Entry> {
        let entry = self.entries.get(*self.index.get(key)?)?;
        Some(entry).filter(|entry| !entry.expiry.has_passed(now))
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
    pub(crate) fn set(&mut self, key: &[u8], value: Arc<[u8]>, life: Life, now: u64) -> Result<()> {
        match Deadline::of(life, now) {
            Some(expiry) => self.put(key, value, expiry, now),
            None => {
                self.remove(key, now);
                Ok(())
            }
        }
    }

    /// SET of a caller's value: when it is refused, what it was to take the place of goes all the same.
    pub(crate) fn set_or_remove(
        &mut self,
        key: &[u8],
        value: Arc<[u8]>,
        life: Life,
        now: u64,
    ) -> Result<()> {
        let done = self.set(key, value, life, now);
        self.or_remove(key, now, done)
    }

    /// Leaves nothing under the key of a write that was refused.
    fn or_remove<T>(&mut self, key: &[u8], now: u64, done: Result<T>) -> Result<T> {
        if done.is_err() {
            self.remove(key, now);
        }
        done
    }

    /// ADD of lease.lua: SET where there is no live value. A life that is over stores nothing and removes nothing.
    pub(crate) fn add(
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
            self.put(key, value, expiry, now)?;
        }
        Ok(true)
    }

    /// SET NX, where whatever is there counts.
    pub(crate) fn set_new(
        &mut self,
        key: &[u8],
        value: Arc<[u8]>,
        life: Life,
        now: u64,
    ) -> Result<bool> {
        let Some(expiry) = Deadline::of(life, now) else {
            return Ok(true);
        };
        if self.slot(key, now).is_some() {
            return Ok(false);
        }
        self.put(key, value, expiry, now)?;
        Ok(true)
    }

    /// UNLINK: whether there was an entry, of any kind.
    pub(crate) fn remove(&mut self, key: &[u8], now: u64) -> bool {
        self.slot(key, now)
            .and_then(|slot| self.remove_slot(slot))
            .is_some()
    }

    /// TOUCH of lease.lua: moves soft and hard expiry together, the hard one never below a live lease.
    pub(crate) fn touch(&mut self, key: &[u8], touch: Touch, now: u64) -> bool {
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
            self.keep_if_held(slot, now);
        }
        true
    }

    /// INCR of lease.lua: `None` where there is no live value.
    pub(crate) fn incr(&mut self, key: &[u8], delta: i64, now: u64) -> Result<Option<i64>> {
        let Some(slot) = self.live_slot(key, now) else {
            return Ok(None);
        };
        let Some(entry) = self.entries.get(slot) else {
            return Ok(None);
        };
        let wrong = |text: &str| Error::new(ErrorKind::WrongType, text);
        let Some(Integer::Signed(number)) = Integer::parse(entry.value()) else {
            return Err(wrong(
                "the stored value is not an integer of 64 bits in decimal digits",
            ));
        };
        let Some(sum) = number.checked_add(delta) else {
            return Err(wrong("the counter would overflow its 64 bits"));
        };
        let expiry = entry.expiry;
        self.put(key, decimal(sum), expiry, now)?;
        Ok(Some(sum))
    }

    /// INCR_OR_CREATE of lease.lua. A life that is over creates nothing.
    pub(crate) fn incr_or_create(
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
            self.put(key, decimal(initial), expiry, now)?;
        }
        Ok(initial)
    }

    /// RENAME of a live value, with its lifetime.
    pub(crate) fn rename(&mut self, from: &[u8], to: &[u8], now: u64) -> Result<bool> {
        let Some(slot) = self.live_slot(from, now) else {
            return Ok(false);
        };
        let Some(Entry { value, expiry, .. }) = self.entries.get(slot) else {
            return Ok(false);
        };
        if from != to {
            let (value, expiry) = (Arc::clone(value), *expiry);
            self.fits(to, &value, now)?;
            self.remove_slot(slot);
            self.put(to, value, expiry, now)?;
        }
        Ok(true)
    }

    /// CAS of lease.lua: another value, or none, in the place of `old` and with its lifetime.
    pub(crate) fn replace(
        &mut self,
        key: &[u8],
        old: &[u8],
        new: Option<Arc<[u8]>>,
        now: u64,
    ) -> Result<bool> {
        let Some(entry) = self.find(key, now).filter(|entry| *entry.value == *old) else {
            return Ok(false);
        };
        let expiry = entry.expiry;
        match new {
            Some(new) => self.put(key, new, expiry, now)?,
            None => {
                self.remove(key, now);
            }
        }
        Ok(true)
    }

    /// The keys in the next `count` slots and the cursor behind them: the number of slots that are still to be
    /// looked at, so that a walk ends however many keys are added behind it. A key keeps its slot as long as it
    /// exists, so a walk meets it exactly once.
    pub(crate) fn keys_from(
        &mut self,
        cursor: u64,
        count: usize,
        now: u64,
    ) -> (Vec<Arc<[u8]>>, u64) {
        let slots = self.entries.slots();
        let left = match usize::try_from(cursor) {
            Ok(0) | Err(_) => slots,
            Ok(left) => left.min(slots),
        };
        let next = left.saturating_sub(count);
        let mut keys = Vec::with_capacity(left - next);
        for slot in (next..left).rev() {
            let Some(entry) = self.entries.get(slot) else {
                continue;
            };
            if entry.expiry.has_passed(now) {
                self.remove_slot(slot);
            } else {
                keys.push(Arc::clone(&entry.key));
            }
        }
        (keys, next as u64)
    }

    /// How much of a walk from its beginning lies behind `cursor`, 0 to 1.
    pub(crate) fn walked(&self, cursor: u64) -> f64 {
        let slots = self.entries.slots() as f64;
        if cursor == 0 {
            0.0
        } else {
            (1.0 - cursor as f64 / slots).max(0.0)
        }
    }

    /// Stores an entry, in the slot that its key has already. Older ones make way.
    fn put(&mut self, key: &[u8], value: Arc<[u8]>, expiry: Deadline, now: u64) -> Result<()> {
        self.fits(key, &value, now)?;
        self.used += cost(key, &value);
        let slot = match self.index.get(key) {
            Some(&slot) => {
                self.let_go(slot);
                if let Some(entry) = self.entries.get_mut(slot) {
                    self.used -= entry.cost();
                    entry.value = value;
                    entry.expiry = expiry;
                    entry.is_lock = false;
                }
                self.entries.refresh(slot);
                slot
            }
            None => {
                let key: Arc<[u8]> = Arc::from(key);
                let slot = self.entries.insert(Entry {
                    key: Arc::clone(&key),
                    value,
                    expiry,
                    is_lock: false,
                    kept_until: 0,
                });
                self.index.insert(key, slot);
                slot
            }
        };
        self.keep_if_held(slot, now);
        while self.used > self.limit {
            let Some(oldest) = self.entries.oldest() else {
                break;
            };
            self.remove_slot(oldest);
        }
        Ok(())
    }

    /// Refuses, like a server at its `maxmemory`, an entry that would not fit if all made way for it that may.
    fn fits(&mut self, key: &[u8], value: &[u8], now: u64) -> Result<()> {
        let (cost, limit) = (cost(key, value), self.limit);
        if cost > limit {
            return Err(full(format!(
                "the entry of {cost} bytes is larger than memory_limit ({limit} bytes)"
            )));
        }
        let own = self.index.get(key).copied();
        let kept = self.kept_besides(own, now);
        if cost > limit - kept.min(limit) {
            return Err(full(format!(
                "locks and leases that are held take {kept} bytes of memory_limit ({limit} bytes), and the entry has {cost}"
            )));
        }
        Ok(())
    }

    fn remove_slot(&mut self, slot: usize) -> Option<Entry> {
        self.let_go(slot);
        let entry = self.entries.remove(slot)?;
        self.index.remove(&entry.key);
        self.used -= entry.cost();
        Some(entry)
    }
}

#[cold]
fn full(why: String) -> Error {
    let text = format!("OOM command not allowed: {why}");
    Error::from_server(text.as_bytes())
}

fn cost(key: &[u8], value: &[u8]) -> usize {
    key.len()
        .saturating_add(value.len())
        .saturating_add(ENTRY_OVERHEAD)
}

fn decimal(number: i64) -> Arc<[u8]> {
    Arc::from(number.to_string().into_bytes())
}
