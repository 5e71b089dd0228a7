//! What a loader may say about the value that it computes.

use crate::cache::Cache;
use crate::error::Result;
use crate::expiry::Expiry;

use super::held::Held;

/// A computation under way: what a loader may say about its value.
#[derive(Debug)]
pub struct Loading<'a> {
    /// `None`: the value will not be stored by a lease.
    pub(super) held: Option<&'a Held<&'a Cache>>,
    pub(super) expiry: Expiry,
}

impl Loading<'_> {
    /// Stores the value (or its absence) with this expiry instead of the caller's: the loader often knows better. No
    /// network.
    pub fn set_ttl(&mut self, expiry: impl Into<Expiry>) {
        self.expiry = expiry.into();
    }

    /// The computation goes on: nobody else is to begin one for another `lease`. One round trip; none when there is
    /// no lease to renew, because the value will not be stored.
    ///
    /// # Errors
    /// [`ErrorKind::Lost`](crate::ErrorKind::Lost): the key was deleted or written, or somebody else has the lease. The value will go to this
    /// call's caller only.
    pub fn renew(&mut self) -> Result<()> {
        self.held.map_or(Ok(()), Held::renew)
    }
}
