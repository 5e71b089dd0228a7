//! The steps of the lease protocol and of locks: what the scripts of lease.lua do on a server, branch by branch. A step
//! that finds a foreign token changes nothing.

use crate::entry::header::{Header, LeaseBlock, STALE_FOREVER};
use crate::error::Result;
use crate::expiry::Life;
use crate::store::{Acquired, Claim, Force, LATEST_MS, Token, Value};

use super::kept;
use super::leased::{Leased, NOBODY, placeholder};
use super::{Deadline, Done, Entry, Packed, Step, Table};

impl Table {
    /// ACQUIRE, after so many attempts that were lost.
    pub(crate) fn acquire(
        &self,
        key: &[u8],
        claim: Claim,
        lost: u32,
        now: u64,
    ) -> Result<Acquired<Packed>> {
        self.step(key, now, |step| step.acquire(claim, lost))
    }

    /// STORE.
    pub(crate) fn fulfill(
        &self,
        key: &[u8],
        token: Token,
        value: Value<'_>,
        life: Life,
        now: u64,
    ) -> Result<bool> {
        let value = Packed::new(key, value)?;
        self.step(key, now, |step| step.fulfill(token, &value, life))
    }

    /// SWAP.
    pub(crate) fn swap(
        &self,
        key: &[u8],
        old: &[u8],
        value: Value<'_>,
        life: Life,
        now: u64,
    ) -> Result<bool> {
        let value = Packed::new(key, value)?;
        self.step(key, now, |step| step.swap(old, &value, life))
    }

    /// RELEASE.
    pub(crate) fn release(&self, key: &[u8], token: Token, backoff_ms: u64, now: u64) -> bool {
        self.sure_step(key, now, |step| step.release(token, backoff_ms))
    }

    /// RENEW.
    pub(crate) fn renew(&self, key: &[u8], token: Token, lease_ms: u64, now: u64) -> bool {
        self.sure_step(key, now, |step| step.renew(token, lease_ms))
    }

    /// EXPIRE_SOFT. When the entry would grow beyond what fits, it goes.
    pub(crate) fn expire_soft(&self, key: &[u8], now: u64) -> Result<bool> {
        let done = self.step(key, now, |step| step.expire_soft());
        self.or_remove(key, now, done)
    }

    /// LOCK: its fencing number, which is the time in microseconds, and never one that was given before. Who has it already
    /// takes it anew.
    pub(crate) fn lock(
        &self,
        key: &[u8],
        token: Token,
        ms: u64,
        now_us: u64,
    ) -> Result<Option<u64>> {
        // The number is drawn under the lock of the shard: holders of a lock have it in their order.
        self.step(key, now_us / 1000, |step| {
            let is_locked = step.lock(token, ms)?;
            Ok(is_locked.then(|| self.next_fence(now_us)))
        })
    }

    /// EXTEND.
    pub(crate) fn extend_lock(&self, key: &[u8], token: Token, ms: u64, now: u64) -> bool {
        self.sure_step(key, now, |step| step.extend_lock(token, ms))
    }

    /// UNLOCK.
    pub(crate) fn unlock(&self, key: &[u8], token: Token, now: u64) -> bool {
        self.sure_step(key, now, |step| step.unlock(token))
    }
}

impl Step<'_, '_> {
    fn acquire(&mut self, claim: Claim, lost: u32) -> Done<Acquired<Packed>> {
        let now = self.now;
        let lease_ms = claim.lease_ms.min(LATEST_MS);
        let until = now.saturating_add(lease_ms);
        let (token, former) = claim.attempt(lost);
        let life_ms = lease_ms.saturating_mul(2);
        let Some(entry) = self.entry() else {
            let placeholder = placeholder(self.key.bytes(), until, *token.bytes())?;
            self.set(&placeholder, Life::Millis(life_ms))?;
            return Ok(Acquired::Yours(token));
        };
        let Some(seen) = Leased::of(entry.value()) else {
            return Ok(Acquired::Found(entry.packed()));
        };
        let is_as_seen = claim
            .seen
            .is_none_or(|soft| soft == seen.block.soft_expire_ms);
        let force = if is_as_seen { claim.force } else { Force::No };
        let mut own = [Some(token), former].into_iter().flatten();
        if !own.any(|own| seen.block.token == *own.bytes()) {
            if seen.is_fresh(now) && force == Force::No {
                return Ok(Acquired::Found(entry.packed()));
            }
            if seen.block.deadline_ms > now {
                // A deadline without a token is a back-off, which binds nobody who has nothing to serve.
                let is_held = seen.block.token != NOBODY;
                if seen.can_be_served(now) && (is_held || force != Force::Useless) {
                    return Ok(Acquired::Stale);
                }
                if is_held {
                    return Ok(Acquired::Held(seen.block.deadline_ms - now));
                }
            }
        }
        entry.set_lease(until, *token.bytes());
        entry.live_at_least(life_ms, now);
        self.holds();
        Ok(Acquired::Yours(token))
    }

    fn fulfill(&mut self, token: Token, value: &Packed, life: Life) -> Done<bool> {
        if self.held(token).is_none() {
            return Ok(false);
        }
        self.set(value, life)?;
        Ok(true)
    }

    fn swap(&mut self, old: &[u8], value: &Packed, life: Life) -> Done<bool> {
        let entry = self.entry();
        if entry.is_none_or(|entry| *entry.value() != *old) {
            return Ok(false);
        }
        self.set(value, life)?;
        Ok(true)
    }

    fn release(&mut self, token: Token, backoff_ms: u64) -> bool {
        let now = self.now;
        let Some((entry, seen)) = self.held(token) else {
            return false;
        };
        match (seen.is_over(now), backoff_ms) {
            (true, _) => {
                self.remove();
            }
            (false, 0) => entry.set_lease(0, NOBODY),
            (false, ms) => entry.set_lease(now.saturating_add(ms), NOBODY),
        }
        self.holds();
        true
    }

    fn renew(&mut self, token: Token, lease_ms: u64) -> bool {
        let now = self.now;
        let Some((entry, _)) = self.held(token) else {
            return false;
        };
        entry.set_lease(now.saturating_add(lease_ms), *token.bytes());
        entry.live_at_least(lease_ms.saturating_mul(2), now);
        self.holds();
        true
    }

    fn expire_soft(&mut self) -> Done<bool> {
        let done = self.make_stale();
        self.holds();
        done
    }

    fn make_stale(&mut self) -> Done<bool> {
        let (key, now) = (self.key, self.now);
        let Some(entry) = self.entry() else {
            return Ok(false);
        };
        let lives_until = entry.expiry.until();
        let seen = Leased::of(entry.value());
        // A lease may have lifted its life beyond that.
        let servable_until = seen.as_ref().and_then(Leased::servable_until);
        let left = |until: u64, most: u32| {
            let left = u32::try_from(until.saturating_sub(now));
            left.map_or(most, |ms| ms.min(most))
        };
        let lives_ms = lives_until.map_or(STALE_FOREVER, |at| left(at, STALE_FOREVER - 1));
        let servable_ms = servable_until.map_or(lives_ms, |at| left(at, lives_ms));
        let stale_now = LeaseBlock {
            stale_ms: servable_ms,
            soft_expire_ms: now,
            ..LeaseBlock::default()
        };
        match (seen, Header::of_short(entry.value())) {
            (Some(seen), _) if seen.is_fresh(now) => {
                entry.overwrite(4, &servable_ms.to_le_bytes());
                entry.overwrite(8, &now.to_le_bytes());
                entry.set_lease(0, NOBODY);
                Ok(true)
            }
            (Some(seen), _) if seen.has_value => {
                entry.set_lease(0, NOBODY);
                Ok(false)
            }
            (Some(_), _) => {
                self.remove();
                Ok(false)
            }
            (None, Some((codec, compressor, payload))) => {
                let cost = entry.value().get(3).copied().unwrap_or_default();
                let header = Header {
                    cost,
                    lease: Some(stale_now),
                    ..Header::short(codec, compressor)
                };
                let (head, body) = (&header.encode()[..], payload);
                let value = Packed::new(key.bytes(), Value { head, body })?;
                let expiry = entry.expiry;
                self.put(value, expiry)?;
                Ok(true)
            }
            (None, None) => {
                self.remove();
                Ok(true)
            }
        }
    }

    fn lock(&mut self, token: Token, ms: u64) -> Done<bool> {
        let entry = self.entry();
        if entry.is_some_and(|entry| *entry.value() != token.bytes()[..]) {
            return Ok(false);
        }
        let (head, body) = (&b""[..], &token.bytes()[..]);
        let lock = Packed::new(self.key.bytes(), Value { head, body })?;
        self.set(&lock, Life::Millis(ms))?;
        if let Some(entry) = self.entry() {
            entry.is_lock = true;
        }
        self.holds();
        Ok(true)
    }

    fn extend_lock(&mut self, token: Token, ms: u64) -> bool {
        let until = self.now.saturating_add(ms);
        let entry = self.entry();
        let Some(entry) = entry.filter(|entry| *entry.value() == token.bytes()[..]) else {
            return false;
        };
        entry.expiry = Deadline::at(Some(until));
        self.holds();
        true
    }

    fn unlock(&mut self, token: Token) -> bool {
        let is_held = self
            .entry()
            .is_some_and(|entry| *entry.value() == token.bytes()[..]);
        is_held && self.remove()
    }

    /// The entry whose lease `token` holds.
    fn held(&mut self, token: Token) -> Option<(&mut Entry, Leased)> {
        let entry = self.entry()?;
        let seen = Leased::of(entry.value())?;
        (seen.block.token == *token.bytes()).then_some((entry, seen))
    }

    /// Who holds it, and until when, may have changed.
    fn holds(&mut self) {
        if let Some(slot) = self.slot() {
            kept::keep_if_held(self.shard, slot, self.now);
        }
    }
}
