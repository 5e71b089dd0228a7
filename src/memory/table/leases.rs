//! The steps of the lease protocol and of locks: what the scripts of lease.lua do on a server, branch by branch. A step
//! that finds a foreign token changes nothing.

use std::sync::Arc;

use crate::entry::header::{Header, LeaseBlock, STALE_FOREVER};
use crate::error::Result;
use crate::expiry::Life;
use crate::store::{Acquired, Claim, HEAD_LEN, Token};

use super::{Deadline, Entry, Table};

/// The unknown flag of a header: the scripts look past it.
const UNKNOWN_FLAG: u8 = 8;

/// An entry with a lease block, as the scripts see it.
struct Leased {
    has_value: bool,
    block: LeaseBlock,
}

impl Leased {
    /// `None`: no lease can stand in this value.
    fn of(value: &[u8]) -> Option<Leased> {
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

    fn is_fresh(&self, now: u64) -> bool {
        self.has_value && (self.block.soft_expire_ms == 0 || self.block.soft_expire_ms > now)
    }

    /// Fresh, or stale and not for too long.
    fn can_be_served(&self, now: u64) -> bool {
        let until = match self.block.stale_ms {
            STALE_FOREVER => u64::MAX,
            ms => self.block.soft_expire_ms.saturating_add(ms.into()),
        };
        self.is_fresh(now) || (self.has_value && until > now)
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
    /// ACQUIRE.
    pub(crate) fn acquire(
        &mut self,
        key: &[u8],
        claim: Claim,
        now: u64,
    ) -> Result<Acquired<Arc<[u8]>>> {
        let until = now.saturating_add(claim.lease_ms);
        let token = *claim.token.bytes();
        let life_ms = claim.lease_ms.saturating_mul(2);
        let Some(entry) = self.entry(key, now) else {
            let placeholder = placeholder(until, token);
            self.set(key, placeholder, Life::Millis(life_ms), now)?;
            return Ok(Acquired::Yours);
        };
        let Some(seen) = Leased::of(&entry.value) else {
            return Ok(Acquired::Found(Arc::clone(&entry.value)));
        };
        if seen.block.token != token {
            if seen.is_fresh(now) && !claim.force {
                return Ok(Acquired::Found(Arc::clone(&entry.value)));
            }
            if seen.block.deadline_ms > now {
                return Ok(match seen.can_be_served(now) {
                    true => Acquired::Stale,
                    false => Acquired::Held(seen.block.deadline_ms - now),
                });
            }
        }
        entry.set_lease(until, token);
        entry.live_at_least(life_ms, now);
        Ok(Acquired::Yours)
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

    /// RELEASE.
    pub(crate) fn release(&mut self, key: &[u8], token: Token, backoff_ms: u64, now: u64) -> bool {
        let Some((entry, seen)) = self.held(key, token, now) else {
            return false;
        };
        let until = now.saturating_add(backoff_ms);
        match (seen.has_value, backoff_ms) {
            (false, 0) => {
                self.remove(key, now);
                return true;
            }
            (_, 0) => entry.set_lease(0, [0; 8]),
            _ => entry.set_lease(until, [0; 8]),
        }
        if !seen.has_value {
            entry.expiry = Deadline(Some(until));
        }
        true
    }

    /// RENEW.
    pub(crate) fn renew(&mut self, key: &[u8], token: Token, lease_ms: u64, now: u64) -> bool {
        let Some((entry, _)) = self.held(key, token, now) else {
            return false;
        };
        entry.set_lease(now.saturating_add(lease_ms), *token.bytes());
        entry.live_at_least(lease_ms.saturating_mul(2), now);
        true
    }

    /// EXPIRE_SOFT.
    pub(crate) fn expire_soft(&mut self, key: &[u8], now: u64) -> Result<bool> {
        let Some(entry) = self.entry(key, now) else {
            return Ok(false);
        };
        let servable_ms = entry.expiry.0.map_or(STALE_FOREVER, |at| {
            u32::try_from(at.saturating_sub(now))
                .map_or(STALE_FOREVER - 1, |ms| ms.min(STALE_FOREVER - 1))
        });
        let stale_now = LeaseBlock {
            stale_ms: servable_ms,
            soft_expire_ms: now,
            ..LeaseBlock::default()
        };
        match (Leased::of(&entry.value), Header::of_short(&entry.value)) {
            (Some(seen), _) if seen.is_fresh(now) => {
                entry.overwrite(4, &servable_ms.to_le_bytes());
                entry.overwrite(8, &now.to_le_bytes());
                entry.set_lease(0, [0; 8]);
                Ok(true)
            }
            (Some(seen), _) if seen.has_value => {
                entry.set_lease(0, [0; 8]);
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
                self.put(key, Arc::from(value), expiry)?;
                Ok(true)
            }
            (None, None) => {
                self.remove(key, now);
                Ok(true)
            }
        }
    }

    /// LOCK: its fencing number, which is the time in microseconds, and never one that was given before.
    pub(crate) fn lock(
        &mut self,
        key: &[u8],
        token: Token,
        ms: u64,
        now_us: u64,
    ) -> Result<Option<u64>> {
        let now = now_us / 1000;
        if self.entry(key, now).is_some() {
            return Ok(None);
        }
        self.set(key, Arc::from(&token.bytes()[..]), Life::Millis(ms), now)?;
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
