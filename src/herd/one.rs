//! The way of one `get_or_set`: look, claim the lease, load, store; or serve what is there, or wait for whoever loads.
//! Of one process a single thread at a time does that for a key (`flight`). No wait goes on beyond its deadline, and a
//! lease is given back however a loader ends.

use std::marker::PhantomData;
use std::time::Instant;

use crate::base::flight::{Flights, Landing, Part};
use crate::base::random::draw;
use crate::cache::Cache;
use crate::config::Layout;
use crate::entry::{Content, Look, Seen};
use crate::error::{ErrorKind, Result};
use crate::expiry::{Clock, Expiry};
use crate::store::{Acquired, Claim, Sink};

use super::form::Form;
use super::load::Held;
use super::{BACKOFF_MS, Loading, Outcome, Source};

/// A call under way.
pub(crate) struct Call<'a, F, L> {
    pub(crate) cache: &'a Cache,
    pub(crate) key: &'a [u8],
    pub(crate) expiry: Expiry,
    /// Whether the caller has a use for "known to be absent".
    may_be_absent: bool,
    pub(crate) load: L,
    pub(crate) began: Instant,
    form: PhantomData<F>,
}

impl<'a, F, L> Call<'a, F, L>
where
    F: Form,
    L: FnOnce(&mut Loading<'_>) -> Result<Option<F::Value>>,
{
    pub(crate) fn new(
        cache: &'a Cache,
        key: &'a [u8],
        expiry: Expiry,
        may_be_absent: bool,
        load: L,
    ) -> Self {
        Call {
            cache,
            key,
            expiry,
            may_be_absent,
            load,
            began: Instant::now(),
            form: PhantomData,
        }
    }

    /// The first look decides: a hit ends here.
    pub(crate) fn run(self) -> Result<Outcome<F::Value>> {
        let counters = &self.cache.shared.counters;
        let (seen, clock) = match self.cache.see::<F>(self.key) {
            Ok(Some(sight)) => sight,
            Ok(None) => {
                counters.misses.add(1);
                return self.miss(false);
            }
            Err(error) if error.is_unavailable() => {
                self.cache.tell(&error);
                return self.miss(true);
            }
            Err(error) => return self.cache.report(Err(error)),
        };
        match self.usable(seen)? {
            Some(Seen::Fresh(content)) => {
                counters.hits.add(1);
                if self.is_due(&content, clock) {
                    return self.renew(content, Source::Fresh);
                }
                Ok(self.serve(content, Source::Fresh))
            }
            Some(Seen::Stale { content, leased }) => {
                counters.misses.add(1);
                if leased {
                    return Ok(self.serve(content, Source::Stale));
                }
                self.renew(content, Source::Stale)
            }
            Some(Seen::Nothing { .. }) | None => {
                counters.misses.add(1);
                self.miss(false)
            }
        }
    }

    /// Drops what this caller cannot use: values of another type, and absence where a value is wanted.
    pub(crate) fn usable(&self, seen: Result<Seen<F::Value>>) -> Result<Option<Seen<F::Value>>> {
        let seen = self.cache.or_undecodable(seen.map(Some))?;
        Ok(seen.filter(|seen| match seen {
            Seen::Fresh(content) | Seen::Stale { content, .. } => {
                content.value.is_some() || self.may_be_absent
            }
            Seen::Nothing { .. } => true,
        }))
    }

    fn serve(&self, content: Content<F::Value>, source: Source) -> Outcome<F::Value> {
        if source == Source::Stale {
            self.cache.shared.counters.stale_served.add(1);
        }
        Outcome {
            value: content.value,
            source,
        }
    }

    fn is_due(&self, content: &Content<F::Value>, clock: Clock) -> bool {
        let Some(header) = content.header.filter(|header| header.lease.is_some()) else {
            return false;
        };
        let (life, beta) = (
            self.cache.whole_life(self.expiry),
            self.cache.shared.options.early,
        );
        header.is_due(clock.now_ms(), life, beta, || 1.0 - draw(|rng| rng.f64()))
    }

    /// With a value in hand: loads a new one if the lease can be had, else serves what is in hand.
    fn renew(self, content: Content<F::Value>, source: Source) -> Result<Outcome<F::Value>> {
        let mut look = self.sink();
        let claim = self.claim(source == Source::Fresh);
        let acquired =
            self.cache
                .shared
                .store
                .acquire(self.key, claim, &mut look, self.cache.budget());
        let clock = match acquired {
            Ok((Acquired::Yours, clock)) => clock,
            Ok((Acquired::Found(()), clock)) => {
                return Ok(match look.finish(clock) {
                    Ok(Seen::Fresh(newer)) if newer.value.is_some() || self.may_be_absent => {
                        self.serve(newer, Source::Fresh)
                    }
                    _ => self.serve(content, source),
                });
            }
            Ok((Acquired::Stale | Acquired::Held(_), _)) => return Ok(self.serve(content, source)),
            Err(error) => {
                self.cache.tell(&error);
                if error.is_unavailable() {
                    return Ok(self.serve(content, source));
                }
                return Err(error);
            }
        };
        let held = Held::new(self.cache, self.key, claim.token, BACKOFF_MS);
        let cache = self.cache;
        match self.load_leased(held, clock, None) {
            Ok((outcome, _)) => Ok(outcome),
            Err(error) if error.kind() == ErrorKind::Callback => {
                if source == Source::Stale {
                    cache.shared.counters.stale_served.add(1);
                }
                Ok(Outcome {
                    value: content.value,
                    source,
                })
            }
            Err(error) => Err(error),
        }
    }

    /// With nothing in hand: leads the flight of this process, or waits for it. `away`: the store did not answer.
    fn miss(self, away: bool) -> Result<Outcome<F::Value>> {
        let deadline = self.began + self.cache.shared.options.wait;
        loop {
            let landing = match self.join(&self.cache.shared.flights, deadline)? {
                Part::Lead(lead) if away => return self.load_uncached(lead),
                Part::Lead(lead) if self.is_plain() => return self.lead_plain(lead),
                Part::Lead(lead) => return self.lead(lead, deadline),
                Part::Waited => return self.wait_is_over(),
                Part::Landed(landing) => landing,
            };
            let stored = match landing {
                Landing::Stored(stored) => Some(stored),
                Landing::Uncached { stored, since } if away || self.began <= since => Some(stored),
                Landing::Uncached { .. } | Landing::Again => None,
                Landing::Failed(error) => return Err(error),
            };
            let outcome = match stored {
                Some(stored) => self.unpack(&stored)?,
                None => self.look_again()?,
            };
            if let Some(outcome) = outcome {
                return Ok(outcome);
            }
        }
    }

    /// What can be served of it.
    pub(crate) fn offer(&self, seen: Option<Seen<F::Value>>) -> Option<Outcome<F::Value>> {
        match seen? {
            Seen::Fresh(content) => Some(self.serve(content, Source::Fresh)),
            Seen::Stale { content, .. } => Some(self.serve(content, Source::Stale)),
            Seen::Nothing { .. } => None,
        }
    }

    /// A flight landed without a value to hand on.
    pub(crate) fn look_again(&self) -> Result<Option<Outcome<F::Value>>> {
        match self.cache.see::<F>(self.key) {
            Ok(Some((seen, _))) => Ok(self.offer(self.usable(seen)?)),
            Ok(None) => Ok(None),
            Err(error) => {
                self.cache.tell(&error);
                if error.is_unavailable() {
                    return Ok(None);
                }
                Err(error)
            }
        }
    }

    /// The value that another thread of this process loaded.
    pub(crate) fn unpack(&self, stored: &[u8]) -> Result<Option<Outcome<F::Value>>> {
        let mut look = self.sink();
        look.begin(stored, stored.len())?;
        // Loaded just now: it is fresh by any clock.
        Ok(self.offer(self.usable(look.finish(Clock::DAWN))?))
    }

    pub(crate) fn join(&self, flights: &Flights, deadline: Instant) -> Result<Part> {
        self.cache.report(flights.join(self.key, deadline))
    }

    pub(crate) fn sink(&self) -> Look<F::Sink<'a>> {
        let options = &self.cache.shared.options;
        Look::new(options, F::sink(options))
    }

    pub(crate) fn claim(&self, force: bool) -> Claim {
        Claim::new(self.cache.shared.options.lease, force)
    }

    fn is_plain(&self) -> bool {
        self.cache.shared.options.layout == Layout::Plain
    }
}
