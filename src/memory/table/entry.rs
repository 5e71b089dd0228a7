//! What stands in a table: a key and its value in one allocation, and until when.

use std::fmt;
use std::ops::Deref;
use std::sync::Arc;

use crate::base::bounded::{Item, overhead};
use crate::base::room;
use crate::entry::header::{Header, STALE_FOREVER};
use crate::error::Result;
use crate::expiry::Life;
use crate::store::{Pttl, Value};

/// What an entry takes besides the bytes of its key and value: its place in the map, and the counts and the
/// bookkeeping of its one allocation, which is a multiple of 16 bytes.
pub(crate) const ENTRY_OVERHEAD: usize = overhead::<Entry>() + 16 + 8 + 8;

/// A key and its value. A copy is cheap, and does not change when the entry does.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Packed {
    bytes: Arc<[u8]>,
    key_len: u32,
}

/// A key, what is stored under it, and until when.
pub(crate) struct Entry {
    /// Of a [`Packed`]; apart from each other, the parts leave no gap.
    bytes: Arc<[u8]>,
    key_len: u32,
    /// A lock, and not a value.
    pub(super) is_lock: bool,
    pub(super) expiry: Deadline,
}

/// When an entry is gone, in Unix milliseconds. It is still there in the last of them, as in Redis.
#[derive(Clone, Copy)]
pub(super) struct Deadline(u64);

impl Packed {
    /// Header and body behind their key, to be made outside of the lock.
    ///
    /// Shared memory cannot be asked for in a way that may fail. What is large is asked for in another way just before,
    /// and given back; so much is then there, unless another thread is quicker.
    pub(super) fn new(key: &[u8], value: Value<'_>) -> Result<Self> {
        let len = key.len().saturating_add(value.len());
        room::probe(len.saturating_add(16), "a value")?;
        let mut bytes: Arc<[u8]> = std::iter::repeat_n(0, len).collect();
        let mut rest = Arc::get_mut(&mut bytes).unwrap_or_default();
        for part in [key, value.head, value.body] {
            let Some((place, behind)) = rest.split_at_mut_checked(part.len()) else {
                break;
            };
            place.copy_from_slice(part);
            rest = behind;
        }
        Ok(Packed {
            bytes,
            key_len: key.len() as u32,
        })
    }

    pub(crate) fn key(&self) -> &[u8] {
        self.bytes.get(..self.key_len as usize).unwrap_or_default()
    }

    /// Whether it is the very same, and not only alike.
    pub(super) fn is(&self, entry: &Entry) -> bool {
        Arc::ptr_eq(&self.bytes, &entry.bytes)
    }
}

/// The value.
impl Deref for Packed {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        self.bytes.get(self.key_len as usize..).unwrap_or_default()
    }
}

/// Without what is stored.
impl fmt::Debug for Packed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Packed")
            .field("bytes", &self.len())
            .finish()
    }
}

impl Item for Entry {
    fn key(&self) -> &[u8] {
        self.bytes.get(..self.key_len as usize).unwrap_or_default()
    }

    fn weight(&self) -> usize {
        self.bytes.len().saturating_add(ENTRY_OVERHEAD)
    }
}

impl Entry {
    pub(super) fn new(packed: Packed, expiry: Deadline) -> Self {
        Entry {
            bytes: packed.bytes,
            key_len: packed.key_len,
            is_lock: false,
            expiry,
        }
    }

    pub(crate) fn value(&self) -> &[u8] {
        self.bytes.get(self.key_len as usize..).unwrap_or_default()
    }

    /// To be read after the lock is given back.
    pub(crate) fn packed(&self) -> Packed {
        Packed {
            bytes: Arc::clone(&self.bytes),
            key_len: self.key_len,
        }
    }

    /// What is left of its life.
    pub(crate) fn pttl(&self, now: u64) -> Pttl {
        let until = self.expiry.until();
        until.map_or(Pttl::Forever, |at| Pttl::Millis(at.saturating_sub(now)))
    }

    /// Writes over a part of the value, at its place; readers keep what they have.
    pub(super) fn overwrite(&mut self, from: usize, bytes: &[u8]) {
        let from = self.key_len as usize + from;
        if let Some(part) = Arc::make_mut(&mut self.bytes).get_mut(from..from + bytes.len()) {
            part.copy_from_slice(bytes);
        }
    }

    /// A value with a lease block is fresh until then and may be served stale after it; `None` is for ever.
    pub(super) fn move_expiry(&mut self, until: Option<u64>) {
        self.expiry = Deadline::at(until);
        let Some(mut header) = Header::parse(self.value()) else {
            return;
        };
        let Some(lease) = header.lease.as_mut() else {
            return;
        };
        lease.soft_expire_ms = until.unwrap_or(0);
        self.expiry = Deadline::at(match until {
            Some(at) if lease.stale_ms != STALE_FOREVER => Some(
                at.saturating_add(lease.stale_ms.into())
                    .max(lease.deadline_ms),
            ),
            _ => None,
        });
        self.overwrite(0, &header.encode());
    }
}

impl Deadline {
    pub(super) fn at(until: Option<u64>) -> Self {
        Deadline(until.unwrap_or(u64::MAX))
    }

    /// `None`: for ever.
    pub(super) fn until(self) -> Option<u64> {
        (self.0 != u64::MAX).then_some(self.0)
    }

    pub(super) fn has_passed(self, now: u64) -> bool {
        now > self.0
    }

    /// `None`: over already.
    pub(super) fn of(life: Life, now: u64) -> Option<Self> {
        match life {
            Life::Expired => None,
            Life::Forever => Some(Deadline::at(None)),
            Life::Millis(ms) => Some(Deadline(now.saturating_add(ms))),
        }
    }
}
