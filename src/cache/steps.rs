//! The steps that operations share: from a key to its wire key, from an expiry to a life, from a value to the store.

use std::borrow::Cow;

use crate::base::budget::Budget;
use crate::cache::Cache;
use crate::entry::freshness::Freshness;
use crate::error::Result;
use crate::expiry::{Clock, Expiry, Life};
use crate::key::WireKey;
use crate::store::{Access, Head, Sink, Value};

impl Cache {
    /// The time for one exchange with the store, or for a whole call, beginning now.
    #[inline]
    pub(crate) fn budget(&self) -> Budget {
        Budget::new(self.shared.options.timeout)
    }

    /// The same for the only command of a call.
    #[inline]
    pub(crate) fn budget_at_once(&self) -> Budget {
        Budget::at_once(self.shared.options.timeout)
    }

    /// The same for a value: where those grow stale, their node may have to be asked for the time first.
    #[inline]
    fn budget_to_store(&self) -> Budget {
        match self.shared.options.stale.is_zero() {
            true => self.budget_at_once(),
            false => self.budget(),
        }
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
                .get(key, Access::Read, sink, self.budget_at_once()),
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

    pub(crate) fn store(&self, key: &[u8], head: &Head, body: &[u8], expiry: Expiry) -> Result<()> {
        let budget = self.budget_to_store();
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
        let budget = self.budget_to_store();
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
}
