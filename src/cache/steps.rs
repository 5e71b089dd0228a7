//! The steps that operations share: from a key to its wire key, from an expiry to a life, from a value to the store, and
//! what a fault means to the caller, the counters and the error hook.

use std::borrow::Cow;
use std::sync::atomic::Ordering;

use crate::base::budget::Budget;
use crate::cache::Cache;
use crate::config::{OnDecodeError, OnError};
use crate::entry::freshness::Freshness;
use crate::error::{Error, ErrorKind, Result};
use crate::expiry::{Clock, Expiry, Life};
use crate::key::WireKey;
use crate::store::{Access, Head, Sink, Value};

impl Cache {
    /// The time for one exchange with the store, or for a whole call, beginning now.
    #[inline]
    pub(crate) fn budget(&self) -> Budget {
        Budget::new(self.shared.options.timeout)
    }

    #[inline]
    pub(crate) fn wire_key<'a>(
        &self,
        key: impl AsRef<[u8]>,
        place: &'a mut WireKey,
    ) -> Result<&'a [u8]> {
        self.report(self.keys.wire(key.as_ref(), place))
    }

    /// Reads the value of a wire key into `sink`; a missing key is counted here, a found one by `count_read`.
    #[inline]
    pub(crate) fn fetch(&self, key: &[u8], sink: &mut dyn Sink) -> Result<Option<Clock>> {
        let found = self.or_miss(
            self.shared
                .store
                .get(key, Access::Read, sink, self.budget()),
            None,
        )?;
        if found.is_none() {
            self.shared.counters.misses.add(1);
        }
        Ok(found)
    }

    /// Applies `on_decode_error` to a decoded read that failed, and counts the others.
    #[inline]
    pub(crate) fn count_read<T>(&self, read: Result<Option<T>>) -> Result<Option<T>> {
        let read = self.or_undecodable(read);
        match &read {
            Ok(Some(_)) => self.shared.counters.hits.add(1),
            Ok(None) => self.shared.counters.misses.add(1),
            Err(_) => {}
        }
        read
    }

    /// Applies `on_decode_error` to a decoded read that failed.
    #[inline]
    pub(crate) fn or_undecodable<T>(&self, read: Result<Option<T>>) -> Result<Option<T>> {
        match read {
            Err(error) if self.hides_undecodable(&error) => Ok(None),
            other => other,
        }
    }

    /// Counts and tells what a read that failed deserves; whether `on_decode_error` turns it into a miss.
    #[cold]
    fn hides_undecodable(&self, error: &Error) -> bool {
        let counters = &self.shared.counters;
        let is_undecodable = error.kind() == ErrorKind::Decode;
        counters.decode_errors.add(is_undecodable.into());
        if !is_undecodable || self.shared.options.on_decode_error == OnDecodeError::Error {
            self.tell(error);
            return false;
        }
        if !self.shared.decode_told.swap(true, Ordering::Relaxed) {
            self.tell(error);
        }
        true
    }

    pub(crate) fn store(&self, key: &[u8], head: &Head, body: &[u8], expiry: Expiry) -> Result<()> {
        let budget = self.budget();
        let stored = self
            .dressed(key, head, expiry, budget)
            .and_then(|(head, life)| {
                let value = Value { head: &head, body };
                self.shared.store.set(key, value, life, budget)
            });
        self.or_miss(stored, ())?;
        self.shared.counters.sets.add(1);
        Ok(())
    }

    pub(crate) fn store_new(
        &self,
        key: &[u8],
        head: &Head,
        body: &[u8],
        expiry: Expiry,
    ) -> Result<bool> {
        let budget = self.budget();
        let stored = self
            .dressed(key, head, expiry, budget)
            .and_then(|(head, life)| {
                let value = Value { head: &head, body };
                self.shared.store.add(key, value, life, budget)
            });
        let added = self.or_miss(stored, false)?;
        self.shared.counters.sets.add(added.into());
        Ok(added)
    }

    /// The header of a value that is written now, and the life of its key: with the option `stale` the header says
    /// until when the value is fresh.
    #[inline]
    fn dressed<'a>(
        &self,
        key: &[u8],
        head: &'a Head,
        expiry: Expiry,
        budget: Budget,
    ) -> Result<(Cow<'a, Head>, Life)> {
        let life = self.life(expiry);
        if self.shared.options.stale.is_zero() || head.is_empty() {
            return Ok((Cow::Borrowed(head), life));
        }
        let clock = self.shared.store.clock(key, budget)?;
        let freshness = Freshness::new(&self.shared.options, life);
        let (head, life) = freshness.dress(head.clone(), 0, clock);
        Ok((Cow::Owned(head), life))
    }

    /// The lifetime an expiry means in this cache, shortened by chance as the option `ttl_jitter` says.
    pub(crate) fn life(&self, expiry: Expiry) -> Life {
        self.whole_life(expiry)
            .jittered(self.shared.options.ttl_jitter)
    }

    /// The same before it is shortened.
    pub(crate) fn whole_life(&self, expiry: Expiry) -> Life {
        match expiry {
            Expiry::Never => Life::Forever,
            Expiry::After(time) => Life::after(time),
            Expiry::Default => match self.shared.options.ttl {
                Expiry::After(time) => Life::after(time),
                Expiry::Never | Expiry::Default => Life::Forever,
            },
        }
    }

    /// Counts a fault, tells the hook, and answers with `miss` where `on_error=miss` covers it.
    #[inline]
    pub(crate) fn or_miss<T>(&self, result: Result<T>, miss: T) -> Result<T> {
        match result {
            Err(error) if self.hides(&error) => Ok(miss),
            other => other,
        }
    }

    /// Counts a fault and tells the hook; whether `on_error` turns it into a miss.
    #[cold]
    fn hides(&self, error: &Error) -> bool {
        self.tell(error);
        self.shared.options.on_error == OnError::Miss && error.is_unavailable()
    }

    /// Counts a fault and tells the hook; it is passed over where the store is only away.
    pub(crate) fn passed_over(&self, error: Error) -> Result<()> {
        self.tell(&error);
        if error.is_unavailable() {
            return Ok(());
        }
        Err(error)
    }

    /// Counts a fault and tells the hook.
    #[inline]
    pub(crate) fn report<T>(&self, result: Result<T>) -> Result<T> {
        if let Err(error) = &result {
            self.tell(error);
        }
        result
    }

    #[cold]
    pub(crate) fn tell(&self, error: &Error) {
        self.shared.counters.errors.add(1);
        if let Some(hook) = &self.shared.hooks.error {
            hook(error);
        }
    }
}
