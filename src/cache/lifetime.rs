//! The lifetime of an entry: reading it, and changing it without touching the value. True means that the entry was
//! there; false is only ever "no such key".

use std::time::Duration;

use crate::cache::Cache;
use crate::entry;
use crate::error::Result;
use crate::expiry::{Expiry, Life, Ttl};
use crate::key::WireKey;
use crate::store::{LATEST_MS, Pttl, Touch};

impl Cache {
    /// Gives an entry a new lifetime, counted from now. An expiry that has passed already removes the key (and
    /// still says true). One round trip.
    pub fn touch(&self, key: impl AsRef<[u8]>, expiry: impl Into<Expiry>) -> Result<bool> {
        let touch = match self.life(expiry.into()) {
            Life::Expired => Touch::In(0),
            Life::Millis(ms) => Touch::In(ms),
            Life::Forever => Touch::Persist,
        };
        self.retime(key.as_ref(), touch)
    }

    /// [`touch`](Cache::touch) with an explicit time. One round trip.
    pub fn expire(&self, key: impl AsRef<[u8]>, after: Duration) -> Result<bool> {
        self.touch(key, after)
    }

    /// Lets an entry expire at this time, in Unix milliseconds of the server's clock; a time in the past (also a
    /// negative one) removes it. One round trip.
    pub fn expire_at(&self, key: impl AsRef<[u8]>, unix_ms: i64) -> Result<bool> {
        self.retime(
            key.as_ref(),
            Touch::At(u64::try_from(unix_ms).unwrap_or(0).min(LATEST_MS)),
        )
    }

    /// Removes the expiry of an entry; true also when it had none. One round trip.
    pub fn persist(&self, key: impl AsRef<[u8]>) -> Result<bool> {
        self.retime(key.as_ref(), Touch::Persist)
    }

    fn retime(&self, key: &[u8], touch: Touch) -> Result<bool> {
        let mut place = WireKey::new();
        let key = self.wire_key(key, &mut place)?;
        self.or_miss(self.shared.store.touch(key, touch, self.budget()), false)
    }

    /// How long an entry will be fresh; `None` when there is no value. One round trip.
    pub fn ttl(&self, key: impl AsRef<[u8]>) -> Result<Option<Ttl>> {
        let mut place = WireKey::new();
        let key = self.wire_key(key, &mut place)?;
        let Some((pttl, head, clock)) =
            self.or_miss(self.shared.store.ttl(key, self.budget_at_once()), None)?
        else {
            return Ok(None);
        };
        if !entry::is_live(&self.shared.options, &head, clock) {
            return Ok(None);
        }
        let remaining = |ms| Some(Ttl::Remaining(Duration::from_millis(ms)));
        Ok(
            match (entry::soft_expire_ms(&self.shared.options, &head), pttl) {
                (Some(soft), _) => remaining(soft.saturating_sub(clock.now_ms())),
                (None, Pttl::Millis(ms)) => remaining(ms),
                (None, Pttl::Forever) => Some(Ttl::Forever),
            },
        )
    }
}
