//! Running a loader, and storing what it made: under a lease, which is given back however the loader ends, or for this
//! process alone.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::base::flight::{Landing, Lead};
use crate::cache::Cache;
use crate::entry;
use crate::entry::freshness::{Freshness, cost_of};
use crate::entry::header::Header;
use crate::error::{Error, Result};
use crate::expiry::{Clock, Expiry, Life};
use crate::herd::one::Call;
use crate::store::{Token, Value};

use super::form::Form;
use super::{Loading, Outcome, Source};

/// What a loader made.
pub(super) struct Loaded<V> {
    pub(super) value: Option<V>,
    expiry: Expiry,
    took: Duration,
}

impl<'a, F, L> Call<'a, F, L>
where
    F: Form,
    L: FnOnce(&mut Loading<'_>) -> Result<Option<F::Value>>,
{
    /// Loads while the lease is held, and stores.
    pub(super) fn load_leased(
        self,
        held: Held<'_>,
        clock: Clock,
        lead: Option<&mut Lead>,
    ) -> Result<(Outcome<F::Value>, Landing)> {
        let (cache, key, since) = (self.cache, self.key, Instant::now());
        let loaded = self.load(Some(held.token))?;
        let is_awaited = lead.is_some();
        if let Some(lead) = lead {
            lead.close();
        }
        let landing = encoded::<F, _>(cache, &loaded, clock, |value, life| {
            let token = held.keep();
            match cache
                .shared
                .store
                .fulfill(key, token, value, life, cache.budget())
            {
                Ok(true) => {
                    cache.shared.counters.sets.add(1);
                    Ok(if is_awaited {
                        Landing::Stored(joined(value))
                    } else {
                        Landing::Again
                    })
                }
                Ok(false) => Ok(Landing::Again),
                Err(error) => {
                    let stored = joined(value);
                    cache
                        .passed_over(error)
                        .map(|()| Landing::Uncached { stored, since })
                }
            }
        })?;
        Ok((loaded.outcome(), landing?))
    }

    /// Loads without a lease and stores nothing: the store is away, or the wait for another's load is over.
    pub(super) fn load_uncached(self, lead: Lead) -> Result<Outcome<F::Value>> {
        let (cache, since) = (self.cache, Instant::now());
        let loaded = self.load(None).and_then(|loaded| {
            let stored =
                encoded::<F, _>(cache, &loaded, Clock::default(), |value, _| joined(value))?;
            Ok((loaded, stored))
        });
        match loaded {
            Ok((loaded, stored)) => {
                lead.land(Landing::Uncached { stored, since });
                Ok(loaded.outcome())
            }
            Err(error) => fail(lead, error),
        }
    }

    pub(super) fn load(self, token: Option<Token>) -> Result<Loaded<F::Value>> {
        self.cache.shared.counters.computes.add(1);
        let mut loading = Loading {
            cache: self.cache,
            key: self.key,
            token,
            expiry: self.expiry,
        };
        let began = Instant::now();
        let value = self.cache.report((self.load)(&mut loading))?;
        Ok(Loaded {
            value,
            expiry: loading.expiry,
            took: began.elapsed(),
        })
    }
}

impl<V> Loaded<V> {
    pub(super) fn outcome(self) -> Outcome<V> {
        Outcome {
            value: self.value,
            source: Source::Computed,
        }
    }
}

/// Encodes what was loaded, and hands it to `store` together with the life of its key.
pub(super) fn encoded<F: Form, R>(
    cache: &Cache,
    loaded: &Loaded<F::Value>,
    clock: Clock,
    store: impl FnOnce(Value<'_>, Life) -> R,
) -> Result<R> {
    let options = &cache.shared.options;
    let freshness = Freshness::new(options, cache.life(loaded.expiry));
    entry::with_scratch(|scratch| {
        let (head, body) = match &loaded.value {
            Some(value) => cache.report(F::encode(options, value, scratch))?,
            None => (Header::ABSENT.encode(), &[][..]),
        };
        let (head, life) = freshness.dress(head, cost_of(loaded.took), clock);
        Ok(store(Value { head: &head, body }, life))
    })
}

/// Header and body in one piece.
pub(super) fn joined(value: Value<'_>) -> Arc<[u8]> {
    [value.head, value.body].concat().into()
}

/// The error, for the caller and all who wait.
pub(super) fn fail<T>(lead: Lead, error: Error) -> Result<T> {
    lead.land(Landing::Failed(error.clone()));
    Err(error)
}

/// A lease that is given back when it is dropped: the loader failed, or panicked.
pub(super) struct Held<'a> {
    cache: &'a Cache,
    key: &'a [u8],
    token: Token,
    backoff_ms: u64,
    is_kept: bool,
}

impl<'a> Held<'a> {
    pub(super) fn new(cache: &'a Cache, key: &'a [u8], token: Token, backoff_ms: u64) -> Self {
        Held {
            cache,
            key,
            token,
            backoff_ms,
            is_kept: false,
        }
    }

    /// The lease ends with the value that is about to be stored.
    fn keep(mut self) -> Token {
        self.is_kept = true;
        self.token
    }
}

impl Drop for Held<'_> {
    fn drop(&mut self) {
        if self.is_kept {
            return;
        }
        let store = &self.cache.shared.store;
        if let Err(error) =
            store.release(self.key, self.token, self.backoff_ms, self.cache.budget())
        {
            self.cache.tell(&error);
        }
    }
}
