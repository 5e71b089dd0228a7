//! What is kept near, and who may put it there. Beside each shard of the map stand the fills under way for its keys: a
//! write poisons them and removes the entry under one lock, and what comes is stored under the same lock.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use crate::base::bounded::{Bounded, Item, overhead};
use crate::base::clocks::uptime_us;
use crate::entry::freshness::Hold;
use crate::entry::header::Header;
use crate::expiry::Clock;
use crate::redis::node::tracked::{Fill, Heard, Listener};

/// What a key is known to have.
pub(super) struct Kept {
    key: Box<[u8]>,
    /// `None`: there is no such key.
    pub(super) value: Option<Arc<[u8]>>,
    epoch: u64,
    until_us: i64,
}

impl Item for Kept {
    fn key(&self) -> &[u8] {
        &self.key
    }

    fn weight(&self) -> usize {
        // The value stands behind its two counts.
        let value = self.value.as_ref().map_or(0, |value| value.len() + 16);
        overhead::<Kept>() + self.key.len() + value
    }
}

/// The map of one process.
pub(super) struct Near {
    map: Bounded<Kept, Vec<Arc<Fill>>>,
}

impl Near {
    pub(super) fn new(limit: usize) -> Near {
        Near {
            map: Bounded::new(limit),
        }
    }

    /// What is kept of this epoch and not over: what `made` makes, under the lock, of a value or of there being none.
    #[inline]
    pub(super) fn find<R>(
        &self,
        key: &[u8],
        epoch: u64,
        now_us: i64,
        made: impl FnOnce(Option<&Arc<[u8]>>) -> R,
    ) -> Option<R> {
        let found = self.map.look(self.map.key(key), |kept| {
            let is_valid = kept.epoch == epoch && now_us < kept.until_us;
            is_valid.then(|| made(kept.value.as_ref()))
        });
        found.flatten()
    }

    /// Whether there is anything under the key, valid or not: without it nobody need look closer.
    pub(super) fn knows(&self, key: &[u8]) -> bool {
        let key = self.map.key(key);
        self.map.lock(key).peek(key).is_some()
    }

    /// A fill begins: writes are told to it from here on.
    pub(super) fn begin(&self, fill: &Arc<Fill>) {
        let mut shard = self.map.lock(self.map.key(&fill.key));
        shard.own().push(fill.clone());
    }

    /// It ends; with something to keep, that is kept unless a write came between.
    pub(super) fn end(&self, fill: &Arc<Fill>, found: Option<Found<'_>>) {
        let key = self.map.key(&fill.key);
        let mut shard = self.map.lock(key);
        let fills = shard.own();
        let before = fills.len();
        fills.retain(|other| !Arc::ptr_eq(other, fill));
        if fills.len() == before || fill.poisoned.load(Relaxed) {
            return;
        }
        let Some(found) = found else { return };
        shard.discard(key);
        if let Some(until_us) = found.until_us() {
            let kept = Kept {
                key: fill.key.clone(),
                value: found.heard.value.cloned(),
                epoch: found.heard.epoch,
                until_us,
            };
            shard.admit(key, kept);
        }
    }

    /// Whoever wrote says so before he returns: what is kept goes, and a fill under way keeps nothing.
    pub(super) fn forget(&self, key: &[u8]) {
        let hashed = self.map.key(key);
        let mut shard = self.map.lock(hashed);
        for fill in shard.own().iter().filter(|fill| *fill.key == *key) {
            fill.poisoned.store(true, Relaxed);
        }
        shard.discard(hashed);
    }

    /// The server says that the key has changed: what it answers from here on is newer.
    pub(super) fn changed(&self, key: &[u8]) {
        let key = self.map.key(key);
        self.map.lock(key).discard(key);
    }

    pub(super) fn forget_all(&self) {
        for shard in 0..self.map.shards() {
            if let Some(mut shard) = self.map.lock_at(shard) {
                for fill in shard.own().iter() {
                    fill.poisoned.store(true, Relaxed);
                }
                shard.clear();
            }
        }
    }
}

/// What a server has under a key.
pub(super) struct Found<'a> {
    pub(super) heard: Heard<'a>,
    pub(super) clock: Clock,
    /// `None`: as long as the server keeps it.
    pub(super) longest_us: Option<i64>,
}

impl Found<'_> {
    /// Until when it may be kept. `None`: a placeholder, what somebody is about to renew, and what is over are not.
    fn until_us(&self) -> Option<i64> {
        let now_us = uptime_us();
        let longest = self
            .longest_us
            .map_or(i64::MAX, |longest| now_us.saturating_add(longest))
            .min(self.heard.expires_us.unwrap_or(i64::MAX));
        if longest <= now_us {
            return None;
        }
        let Some(header) = self.heard.value.and_then(|value| Header::parse(value)) else {
            return Some(longest);
        };
        let now_ms = self.clock.now_ms();
        if !header.has_value || header.hold(now_ms) != Hold::Free {
            return None;
        }
        let soft = header.lease.map_or(0, |lease| lease.soft_expire_ms);
        if soft == 0 {
            return Some(longest);
        }
        let left = soft.checked_sub(now_ms).filter(|left| *left > 0)?;
        let left_us = i64::try_from(left.saturating_mul(1000)).unwrap_or(i64::MAX);
        Some(longest.min(now_us.saturating_add(left_us)))
    }
}

/// Hears what comes on the connection of one node.
pub(super) struct Hearing<'a> {
    pub(super) near: &'a Near,
    pub(super) clock: Clock,
    pub(super) longest_us: Option<i64>,
}

impl Listener for Hearing<'_> {
    fn filled(&self, fill: &Arc<Fill>, heard: Heard<'_>) {
        let found = Found {
            heard,
            clock: self.clock,
            longest_us: self.longest_us,
        };
        self.near.end(fill, Some(found));
    }

    fn abandoned(&self, fill: &Arc<Fill>) {
        self.near.end(fill, None);
    }

    fn changed(&self, key: &[u8]) {
        self.near.changed(key);
    }

    fn enough(&self) -> usize {
        self.near.map.limit().saturating_mul(4)
    }
}
