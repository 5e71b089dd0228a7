//! Running a loader, and storing what it made: by a lease, which is given back however the loader ends; over a value in
//! which none can stand; or not at all. Whatever the store says to it, its caller has the value.

use std::time::Duration;

use crate::base::flight::{Landing, Lead};
use crate::base::moment::Moment;
use crate::cache::Cache;
use crate::entry;
use crate::entry::freshness::{Freshness, cost_of};
use crate::error::{Error, Result};
use crate::expiry::{Clock, Expiry, Life};
use crate::store::{Stored, Value};

use super::form::Form;
use super::held::{Held, is_refusal};
use super::one::Call;
use super::product::{self, is_only_not_stored};
use super::step::End;
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
        mut held: Held<&'a Cache>,
        clock: Clock,
        lead: Option<Lead>,
    ) -> Result<Outcome<F::Value>> {
        let (cache, key, since) = (self.cache, self.key, Moment::now());
        let loaded = match self.load(Some(&held)) {
            Ok(loaded) => loaded,
            Err(error) => {
                // First, so that whoever hears of it finds the key free.
                drop(held);
                return fail(lead, error);
            }
        };
        deliver::<F>(cache, loaded, clock, since, lead, |value, life| {
            let Some(token) = held.end(0) else {
                return End::NotStored;
            };
            let store = &cache.shared.store;
            let end = cache.end_of_store(store.fulfill(key, token, value, life, cache.budget()));
            if end == End::Refused {
                held.refused(0);
            }
            end
        })
    }

    /// Loads, and replaces a value that this caller has no use for and in which no lease can stand, if it is still there.
    pub(super) fn load_over(
        self,
        old: &[u8],
        clock: Clock,
        lead: Lead,
    ) -> Result<Outcome<F::Value>> {
        let (cache, key, since) = (self.cache, self.key, Moment::now());
        let loaded = match self.load(None) {
            Ok(loaded) => loaded,
            Err(error) => return lead.fail(error),
        };
        deliver::<F>(cache, loaded, clock, since, Some(lead), |value, life| {
            let store = &cache.shared.store;
            cache.end_of(store.swap(key, old, value, life, cache.budget()))
        })
    }

    /// Loads without a lease and stores nothing: the store is away, or the wait for another's load is over.
    pub(super) fn load_uncached(self, lead: Lead, is_silent: bool) -> Result<Outcome<F::Value>> {
        let (cache, since) = (self.cache, Moment::now());
        let loaded = match self.load(None) {
            Ok(loaded) => loaded,
            Err(error) => return lead.fail(error),
        };
        let end = if is_silent { End::Away } else { End::NotStored };
        let clock = Clock::default();
        deliver::<F>(cache, loaded, clock, since, Some(lead), |_, _| end)
    }

    pub(super) fn load(self, held: Option<&Held<&'a Cache>>) -> Result<Loaded<F::Value>> {
        self.cache.shared.counters.computes.add(1);
        let mut loading = Loading {
            held,
            expiry: self.expiry,
        };
        let began = Moment::now();
        let value = self.cache.report((self.load)(&mut loading))?;
        Ok(Loaded {
            value,
            expiry: loading.expiry,
            took: Moment::now().since(began),
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

/// Encodes what was loaded, closes the flight, lets `store` put it away, and hands it to all who may have it. What is too
/// large to be stored, or finds no memory for that, is handed out all the same.
pub(super) fn deliver<F: Form>(
    cache: &Cache,
    loaded: Loaded<F::Value>,
    clock: Clock,
    since: Moment,
    mut lead: Option<Lead>,
    store: impl FnOnce(Value<'_>, Life) -> End,
) -> Result<Outcome<F::Value>> {
    let options = &cache.shared.options;
    let freshness = Freshness::new(options, cache.life(loaded.expiry));
    let is_value = loaded.value.is_some();
    let landing = entry::with_scratch(|scratch| {
        let encoded = product::encoded::<F>(options, loaded.value.as_ref(), scratch);
        let encoded = match cache.report(encoded) {
            Err(error) if !is_only_not_stored(&error) => return Err(error),
            encoded => encoded,
        };
        let is_awaited = lead.as_mut().is_some_and(Lead::close);
        let Ok((head, body)) = encoded else {
            let large = loaded.value.as_ref().filter(|_| is_awaited);
            let product = large.and_then(|value| product::large::<F>(options, value));
            return Ok(product.map_or(Landing::Again, |product| Landing::Made {
                product,
                before: End::NotStored.before(since),
            }));
        };
        let product = match is_awaited {
            true => product::product(is_value, &head, body),
            false => None,
        };
        let (head, life) = freshness.dress(head, cost_of(loaded.took), clock);
        let end = store(Value { head: &head, body }, life);
        Ok(product.map_or(Landing::Again, |product| Landing::Made {
            product,
            before: end.before(since),
        }))
    });
    match (landing, lead) {
        (Ok(landing), Some(lead)) => lead.land(landing),
        (Ok(_), None) => {}
        (Err(error), lead) => return fail(lead, error),
    }
    Ok(loaded.outcome())
}

/// The error, for the caller and all who wait.
fn fail<T>(lead: Option<Lead>, error: Error) -> Result<T> {
    match lead {
        Some(lead) => lead.fail(error),
        None => Err(error),
    }
}

impl Cache {
    /// What became of a value that was stored by comparison.
    pub(crate) fn end_of(&self, stored: Result<bool>) -> End {
        match stored {
            Ok(true) => {
                self.shared.counters.sets.add(1);
                End::Stored
            }
            Ok(false) => End::NotStored,
            Err(error) => {
                self.tell(&error);
                match is_refusal(&error) {
                    true => End::Refused,
                    false => End::Unknown,
                }
            }
        }
    }

    /// The same of one that was stored by its lease. When it was sent again and is lost then, it may have been stored
    /// the first time, and removed by others since.
    pub(crate) fn end_of_store(&self, stored: Result<Stored>) -> End {
        self.end_of(stored.map(|stored| stored == Stored::Yes))
    }
}
