//! The steps of the lease protocol and of locks: what the scripts of lease.lua do on a server, branch by branch. A step
//! that finds a foreign token changes nothing.

use std::sync::Arc;

use crate::entry::header::{Header, LeaseBlock, STALE_FOREVER};
use crate::error::Result;
use crate::expiry::Life;
use crate::store::{Acquired, Claim, Force, HEAD_LEN, LATEST_MS, Token};

use super::{Deadline, Entry, Table};

/// The unknown flag of a header: the scripts look past it.
const UNKNOWN_FLAG: u8 = 8;

/// The token of a lease that nobody holds.
const NOBODY: [u8; 8] = [0; 8];

/// An entry with a lease block, as the scripts see it.
pub(super) struct Leased {
    has_value: bool,
    block: LeaseBlock,
}

impl Leased {
    /// `None`: no lease can stand in this value.
    pub(super) fn of(value: &[u8]) -> Option<Leased> {
        let mut head = *value.first_chunk::<HEAD_LEN>()?;
        if let Some(flags) = head.get_mut(1) {
            *flags &= !UNKNOWN_FLAG;
        }
        let header = Header::parse(&head)?;
        Some(Leased {
            has_value: header.has_value,
            block: header.lease?,
        })
    }

    /// Until when somebody holds the lease, if nobody renews it. A back-off holds nothing.
    pub(super) fn held_until(&self) -> Option<u64> {
        (self.block.token != NOBODY).then_some(self.block.deadline_ms)
    }

    fn is_fresh(&self, now: u64) -> bool {
        self.has_value && (self.block.soft_expire_ms == 0 || self.block.soft_expire_ms > now)
    }

    /// Until when it may be served at most; `None` is for as long as it is there.
    fn servable_until(&self) -> Option<u64> {
        match self.block {
            LeaseBlock {
                soft_expire_ms: 0, ..
            }
            | LeaseBlock {
                stale_ms: STALE_FOREVER,
                ..
            } => None,
            block => Some(block.soft_expire_ms.saturating_add(block.stale_ms.into())),
        }
    }

    /// Fresh, or stale and not for too long.
    fn can_be_served(&self, now: u64) -> bool {
        self.has_value && self.servable_until().is_none_or(|until| until > now)
    }

    /// Nothing that could be served.
    fn is_over(&self, now: u64) -> bool {
        !self.can_be_served(now)
    }
}

impl Entry {
    /// Writes over the end of the header.
    fn overwrite(&mut self, from: usize, bytes: &[u8]) {
        if let Some(part) = Arc::make_mut(&mut self.value).get_mut(from..from + bytes.len()) {
            part.copy_from_slice(bytes);
        }
    }

    fn set_lease(&mut self, deadline_ms: u64, token: [u8; 8]) {
        self.overwrite(16, &deadline_ms.to_le_bytes());
        self.overwrite(24, &token);
    }

    /// The entry outlives a lease that is renewed in its last moment.
    fn live_at_least(&mut self, ms: u64, now: u64) {
        if let Some(at) = self.expiry.0 {
            self.expiry = Deadline(Some(at.max(now.saturating_add(ms))));
        }
    }
}

impl Table {
    /// ACQUIRE, after so many attempts that were lost.
    pub(crate) fn acquire(
        &mut self,
        key: &[u8],
        claim: Claim,
        lost: u32,
        now: u64,
    ) -> Result<Acquired<Arc<[u8]>>> {
        let lease_ms = claim.lease_ms.min(LATEST_MS);
        let until = now.saturating_add(lease_ms);
        let (token, former) = claim.attempt(lost);
        let life_ms = lease_ms.saturating_mul(2);
        let Some(entry) = self.entry(key, now) else {
            let placeholder = placeholder(until, *token.bytes());
            self.set(key, placeholder, Life::Millis(life_ms), now)?;
            return Ok(Acquired::Yours(token));
        };
        let Some(seen) = Leased::of(&entry.value) else {
            return Ok(Acquired::Found(Arc::clone(&entry.value)));
        };
        let is_as_seen = claim
            .seen
            .is_none_or(|soft| soft == seen.block.soft_expire_ms);
        let force = if is_as_seen { claim.force } else { Force::No };
        let mut own = [Some(token), former].into_iter().flatten();
        if !own.any(|own| seen.block.token == *own.bytes()) {
            if seen.is_fresh(now) && force == Force::No {
                return Ok(Acquired::Found(Arc::clone(&entry.value)));
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
        self.holds(key, now);
        Ok(Acquired::Yours(token))
    }

    /// STORE.
    pub(crate) fn fulfill(
        &mut self,
        key: &[u8],
        token: Token,
        value: Arc<[u8]>,
        life: Life,
        now: u64,
    ) -> Result<bool> {
        if self.held(key, token, now).is_none() {
            return Ok(false);
        }
        self.set(key, value, life, now)?;
        Ok(true)
    }

    /// SWAP.
    pub(crate) fn swap(
        &mut self,
        key: &[u8],
        old: &[u8],
        value: Arc<[u8]>,
        life: Life,
        now: u64,
    ) -> Result<bool> {
        let entry = self.entry(key, now);
        if entry.is_none_or(|entry| *entry.value != *old) {
            return Ok(false);
        }
        self.set(key, value, life, now)?;
        Ok(true)
    }

    /// RELEASE.
    pub(crate) fn release(&mut self, key: &[u8], token: Token, backoff_ms: u64, now: u64) -> bool {
        let Some((entry, seen)) = self.held(key, token, now) else {
            return false;
        };
        match (seen.is_over(now), backoff_ms) {
            (true, _) => {
                self.remove(key, now);
            }
            (false, 0) => entry.set_lease(0, NOBODY),
            (false, ms) => entry.set_lease(now.saturating_add(ms), NOBODY),
        }
        self.holds(key, now);
        true
    }

    /// RENEW.
    pub(crate) fn renew(&mut self, key: &[u8], token: Token, lease_ms: u64, now: u64) -> bool {
        let Some((entry, _)) = self.held(key, token, now) else {
            return false;
        };
        entry.set_lease(now.saturating_add(lease_ms), *token.bytes());
        entry.live_at_least(lease_ms.saturating_mul(2), now);
        self.holds(key, now);
        true
    }

    /// EXPIRE_SOFT. When the entry would grow beyond what fits, it goes.
    pub(crate) fn expire_soft(&mut self, key: &[u8], now: u64) -> Result<bool> {
        let done = self.make_stale(key, now);
        self.holds(key, now);
        self.or_remove(key, now, done)
    }

    fn make_stale(&mut self, key: &[u8], now: u64) -> Result<bool> {
        let Some(entry) = self.entry(key, now) else {
            return Ok(false);
        };
        let lives_until = entry.expiry.0;
        let seen = Leased::of(&entry.value);
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
        match (seen, Header::of_short(&entry.value)) {
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
                self.remove(key, now);
                Ok(false)
            }
            (None, Some((codec, compressor, payload))) => {
                let cost = entry.value.get(3).copied().unwrap_or_default();
                let header = Header {
                    cost,
                    lease: Some(stale_now),
                    ..Header::short(codec, compressor)
                };
                let value = [&header.encode(), payload].concat();
                let expiry = entry.expiry;
                self.put(key, Arc::from(value), expiry, now)?;
                Ok(true)
            }
            (None, None) => {
                self.remove(key, now);
                Ok(true)
            }
        }
    }

    /// LOCK: its fencing number, which is the time in microseconds, and never one that was given before. Who has it already
    /// takes it anew.
    pub(crate) fn lock(
        &mut self,
        key: &[u8],
        token: Token,
        ms: u64,
        now_us: u64,
    ) -> Result<Option<u64>> {
        let now = now_us / 1000;
        let entry = self.entry(key, now);
        if entry.is_some_and(|entry| *entry.value != token.bytes()[..]) {
            return Ok(None);
        }
        self.set(key, Arc::from(&token.bytes()[..]), Life::Millis(ms), now)?;
        if let Some(entry) = self.entry(key, now) {
            entry.is_lock = true;
        }
        self.holds(key, now);
        self.last_fence = now_us.max(self.last_fence + 1);
        Ok(Some(self.last_fence))
    }

    /// EXTEND.
    pub(crate) fn extend_lock(&mut self, key: &[u8], token: Token, ms: u64, now: u64) -> bool {
        let entry = self.entry(key, now);
        let Some(entry) = entry.filter(|entry| *entry.value == token.bytes()[..]) else {
            return false;
        };
        entry.expiry = Deadline(Some(now.saturating_add(ms)));
        self.holds(key, now);
        true
    }

    /// UNLOCK.
    pub(crate) fn unlock(&mut self, key: &[u8], token: Token, now: u64) -> bool {
        let is_held = self
            .entry(key, now)
            .is_some_and(|entry| *entry.value == token.bytes()[..]);
        is_held && self.remove(key, now)
    }

    /// The entry whose lease `token` holds.
    fn held(&mut self, key: &[u8], token: Token, now: u64) -> Option<(&mut Entry, Leased)> {
        let entry = self.entry(key, now)?;
        let seen = Leased::of(&entry.value)?;
        (seen.block.token == *token.bytes()).then_some((entry, seen))
    }

    /// Who holds it, and until when, may have changed.
    fn holds(&mut self, key: &[u8], now: u64) {
        if let Some(slot) = self.slot(key, now) {
            self.keep_if_held(slot, now);
        }
    }

    fn entry(&mut self, key: &[u8], now: u64) -> Option<&mut Entry> {
        let slot = self.slot(key, now)?;
        self.entries.get_mut(slot)
    }
}

fn placeholder(deadline_ms: u64, token: [u8; 8]) -> Arc<[u8]> {
    let header = Header {
        has_value: false,
        lease: Some(LeaseBlock {
            deadline_ms,
            token,
            ..LeaseBlock::default()
        }),
        ..Header::short(0, 0)
    };
    Arc::from(&header.encode()[..])
}
