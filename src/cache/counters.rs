//! Integers: stored as decimal digits, so that every Redis client can count with them. The arithmetic happens in
//! one script on the server, and never in its floating-point numbers.

use crate::cache::Cache;
use crate::codec::integer::Integer;
use crate::entry::{self, Number};
use crate::error::{Error, ErrorKind, Result};
use crate::expiry::Expiry;
use crate::key::WireKey;
use crate::store::{Access, Head};

impl Cache {
    /// The integer under `key`. One round trip.
    ///
    /// # Errors
    /// [`ErrorKind::WrongType`] when the value is anything else, also an integer above `i64::MAX`.
    pub fn get_int(&self, key: impl AsRef<[u8]>) -> Result<Option<i64>> {
        let mut place = WireKey::new();
        let key = self.wire_key(key, &mut place)?;
        let mut sink = Number::default();
        let found = self
            .shared
            .store
            .get(key, Access::Read, &mut sink, self.budget());
        let number = match self.or_miss(found, None)? {
            None => None,
            Some(clock) => self.report(sink.finish(clock))?,
        };
        let counters = &self.shared.counters;
        if number.is_some() {
            counters.hits.add(1)
        } else {
            counters.misses.add(1)
        }
        Ok(number)
    }

    /// Stores an integer; the same as [`set`](Cache::set) of an `i64`. One round trip.
    pub fn set_int(
        &self,
        key: impl AsRef<[u8]>,
        value: i64,
        expiry: impl Into<Expiry>,
    ) -> Result<()> {
        let mut place = WireKey::new();
        let key = self.wire_key(key, &mut place)?;
        entry::with_scratch(|digits| {
            Integer::Signed(value).write(digits);
            self.store(key, &Head::new(), digits, expiry.into())
        })
    }

    /// Adds to an integer and returns the sum; `None` when there is no value. The lifetime stays as it is.
    /// One round trip.
    ///
    /// # Errors
    /// [`ErrorKind::WrongType`] when the value is not an integer or the sum does not fit an `i64`; nothing is
    /// changed then.
    pub fn incr(&self, key: impl AsRef<[u8]>, delta: i64) -> Result<Option<i64>> {
        let mut place = WireKey::new();
        let key = self.wire_key(key, &mut place)?;
        self.or_miss(
            self.shared.store.incr(key, delta, self.budget_at_once()),
            None,
        )
    }

    /// Subtracts from an integer; see [`incr`](Cache::incr). One round trip.
    ///
    /// # Errors
    /// As [`incr`](Cache::incr); [`ErrorKind::InvalidArgument`] for `i64::MIN`, which cannot be negated.
    pub fn decr(&self, key: impl AsRef<[u8]>, delta: i64) -> Result<Option<i64>> {
        let negated = delta.checked_neg().ok_or_else(|| {
            let text = format!(
                "decr by {delta}: it cannot be negated; at least {} is accepted",
                -i64::MAX
            );
            Error::new(ErrorKind::InvalidArgument, text)
        });
        self.incr(key, self.report(negated)?)
    }

    /// Adds to an integer, or creates it with `initial` (and then returns `initial`). The expiry is used only when
    /// it is created. One round trip.
    ///
    /// ```
    /// use redis_cache::{Cache, Expiry};
    /// use std::time::Duration;
    ///
    /// # fn main() -> redis_cache::Result<()> {
    /// let cache = Cache::open("memory://?prefix=app")?;
    /// // The first try of this minute begins the count, and the count ends with the minute.
    /// let minute = Duration::from_secs(60);
    /// assert_eq!(cache.incr_or_create("tries:10.0.0.1", 1, 1, minute)?, 1);
    /// assert_eq!(cache.incr_or_create("tries:10.0.0.1", 1, 1, minute)?, 2);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// As [`incr`](Cache::incr).
    pub fn incr_or_create(
        &self,
        key: impl AsRef<[u8]>,
        delta: i64,
        initial: i64,
        expiry: impl Into<Expiry>,
    ) -> Result<i64> {
        let mut place = WireKey::new();
        let key = self.wire_key(key, &mut place)?;
        let life = self.life(expiry.into());
        self.report(
            self.shared
                .store
                .incr_or_create(key, delta, initial, life, self.budget()),
        )
    }
}
