//! The bound in bytes, counted for all shards together.

use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

/// What may be used and what is. These are sums and guard no memory: relaxed order is enough, for the changes of one
/// word have an order of their own, and bytes are counted before an item is stored and after it is taken out.
pub(super) struct Bound {
    limit: AtomicUsize,
    shards: usize,
    used: AtomicUsize,
    /// Of that, what makes way for nobody.
    parked: AtomicUsize,
}

impl Bound {
    pub(super) fn new(limit: usize, shards: usize) -> Self {
        Bound {
            limit: AtomicUsize::new(limit),
            shards,
            used: AtomicUsize::new(0),
            parked: AtomicUsize::new(0),
        }
    }

    pub(super) fn limit(&self) -> usize {
        self.limit.load(Relaxed)
    }

    /// What a shard has when all have as much.
    pub(super) fn share(&self) -> usize {
        self.limit() / self.shards
    }

    pub(super) fn raise(&self, limit: usize) {
        self.limit.fetch_max(limit, Relaxed);
    }

    #[cfg(test)]
    pub(super) fn used(&self) -> usize {
        self.used.load(Relaxed)
    }

    pub(super) fn parked(&self) -> usize {
        self.parked.load(Relaxed)
    }

    /// Gives `back` and takes `bytes`, if there is room for these then.
    pub(super) fn exchange(&self, back: usize, bytes: usize) -> bool {
        let limit = self.limit();
        let change = |used: usize| {
            let after = used.saturating_sub(back).checked_add(bytes)?;
            (after <= limit || bytes <= back).then_some(after)
        };
        self.used.fetch_update(Relaxed, Relaxed, change).is_ok()
    }

    pub(super) fn give_back(&self, bytes: usize) {
        self.used.fetch_sub(bytes, Relaxed);
    }

    pub(super) fn park(&self, bytes: usize) {
        self.parked.fetch_add(bytes, Relaxed);
    }

    pub(super) fn unpark(&self, bytes: usize) {
        self.parked.fetch_sub(bytes, Relaxed);
    }
}

/// Bytes of a bound that are set aside for an item. What is not used is given back.
pub(crate) struct Room<'m> {
    bound: &'m Bound,
    bytes: usize,
}

impl<'m> Room<'m> {
    pub(super) fn none(bound: &'m Bound) -> Self {
        Room { bound, bytes: 0 }
    }

    /// More, if there is so much.
    pub(super) fn take(&mut self, bytes: usize) -> bool {
        let taken = self.bound.exchange(0, bytes);
        if taken {
            self.bytes += bytes;
        }
        taken
    }

    /// What somebody else had.
    pub(super) fn add(&mut self, bytes: usize) {
        self.bytes += bytes;
    }

    /// Up to so much of it is used.
    pub(super) fn spend(&mut self, most: usize) -> usize {
        let spent = self.bytes.min(most);
        self.bytes -= spent;
        spent
    }
}

impl Drop for Room<'_> {
    fn drop(&mut self) {
        if self.bytes > 0 {
            self.bound.give_back(self.bytes);
        }
    }
}
