//! Lease blocks in the values of a table, as the scripts of lease.lua see them.

use crate::entry::header::{Header, LeaseBlock, STALE_FOREVER};
use crate::error::Result;
use crate::store::{HEAD_LEN, Value};

use super::{Deadline, Entry, Packed};

/// The unknown flag of a header: the scripts look past it.
const UNKNOWN_FLAG: u8 = 8;

/// The token of a lease that nobody holds.
pub(super) const NOBODY: [u8; 8] = [0; 8];

/// An entry with a lease block, as the scripts see it.
pub(super) struct Leased {
    pub(super) has_value: bool,
    pub(super) block: LeaseBlock,
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

    pub(super) fn is_fresh(&self, now: u64) -> bool {
        self.has_value && (self.block.soft_expire_ms == 0 || self.block.soft_expire_ms > now)
    }

    /// Until when it may be served at most; `None` is for as long as it is there.
    pub(super) fn servable_until(&self) -> Option<u64> {
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
    pub(super) fn can_be_served(&self, now: u64) -> bool {
        self.has_value && self.servable_until().is_none_or(|until| until > now)
    }

    /// Nothing that could be served.
    pub(super) fn is_over(&self, now: u64) -> bool {
        !self.can_be_served(now)
    }
}

impl Entry {
    pub(super) fn set_lease(&mut self, deadline_ms: u64, token: [u8; 8]) {
        self.overwrite(16, &deadline_ms.to_le_bytes());
        self.overwrite(24, &token);
    }

    /// The entry outlives a lease that is renewed in its last moment.
    pub(super) fn live_at_least(&mut self, ms: u64, now: u64) {
        if let Some(at) = self.expiry.until() {
            self.expiry = Deadline::at(Some(at.max(now.saturating_add(ms))));
        }
    }
}

/// What stands under a key that somebody loads for the first time.
pub(super) fn placeholder(key: &[u8], deadline_ms: u64, token: [u8; 8]) -> Result<Packed> {
    let header = Header {
        has_value: false,
        lease: Some(LeaseBlock {
            deadline_ms,
            token,
            ..LeaseBlock::default()
        }),
        ..Header::short(0, 0)
    };
    let (head, body) = (&header.encode()[..], &b""[..]);
    Packed::new(key, Value { head, body })
}
