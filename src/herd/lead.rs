//! What the one thread does that leads the flight of a key: it claims the lease and loads, or waits for the process that
//! has it. When that takes too long, it loads for this process alone.

use std::time::Instant;

use crate::base::backoff::Pause;
use crate::base::flight::{Landing, Lead, Part};
use crate::config::OnWaitTimeout;
use crate::entry::Seen;
use crate::error::{Error, ErrorKind, Result};
use crate::expiry::Clock;
use crate::herd::one::Call;
use crate::store::Acquired;

use super::form::Form;
use super::load::{Held, Loaded, encoded, fail, joined};
use super::{Loading, Outcome, Source};

/// What became of a load in another process.
enum Other<T> {
    Done(Outcome<T>),
    /// The key is gone, or its lease has run out.
    Gone,
    /// The store does not answer any more.
    Away,
    TooSlow,
}

impl<'a, F, L> Call<'a, F, L>
where
    F: Form,
    L: FnOnce(&mut Loading<'_>) -> Result<Option<F::Value>>,
{
    /// Claims the lease, and waits for as long as somebody else has it.
    pub(super) fn lead(self, mut lead: Lead, deadline: Instant) -> Result<Outcome<F::Value>> {
        let mut pause = Pause::until(deadline);
        loop {
            let mut look = self.sink();
            let claim = self.claim(false);
            match self
                .cache
                .shared
                .store
                .acquire(self.key, claim, &mut look, self.cache.budget())
            {
                Ok((Acquired::Yours, clock)) => {
                    let held = Held::new(self.cache, self.key, claim.token, 0);
                    return match self.load_leased(held, clock, Some(&mut lead)) {
                        Ok((outcome, landing)) => {
                            lead.land(landing);
                            Ok(outcome)
                        }
                        Err(error) => fail(lead, error),
                    };
                }
                Ok((Acquired::Found(()), clock)) => {
                    let outcome = self.usable(look.finish(clock)).map(|seen| self.offer(seen));
                    return match outcome {
                        Ok(Some(outcome)) => {
                            lead.land(Landing::Again);
                            Ok(outcome)
                        }
                        Ok(None) => self.replace(lead, clock),
                        Err(error) => fail(lead, error),
                    };
                }
                Ok((Acquired::Stale, _)) => pause.skip(),
                Ok((Acquired::Held(_), _)) => {}
                Err(error) => {
                    self.cache.tell(&error);
                    if error.is_unavailable() {
                        return self.load_uncached(lead);
                    }
                    return fail(lead, error);
                }
            }
            match self.await_other(&mut pause) {
                Ok(Other::Gone) => {}
                Ok(Other::Done(outcome)) => {
                    lead.land(Landing::Again);
                    return Ok(outcome);
                }
                Ok(Other::TooSlow) => {
                    lead.land(Landing::Again);
                    return self.wait_is_over();
                }
                Ok(Other::Away) => return self.load_uncached(lead),
                Err(error) => return fail(lead, error),
            }
        }
    }

    /// Looks until the value that somebody else loads is there, or is not to be expected any more.
    fn await_other(&self, pause: &mut Pause) -> Result<Other<F::Value>> {
        while pause.sleep() {
            let seen = match self.cache.see::<F>(self.key) {
                Ok(Some((Ok(Seen::Nothing { leased: true }), _))) => continue,
                Ok(Some((seen, _))) => seen,
                Ok(None) => return Ok(Other::Gone),
                Err(error) => return self.cache.passed_over(error).map(|()| Other::Away),
            };
            let outcome = self.offer(self.usable(seen)?);
            return Ok(outcome.map_or(Other::Gone, Other::Done));
        }
        Ok(Other::TooSlow)
    }

    /// Replaces a value that this caller has no use for, and in which no lease can stand.
    fn replace(self, mut lead: Lead, clock: Clock) -> Result<Outcome<F::Value>> {
        let (cache, key) = (self.cache, self.key);
        let loaded = match self.load(None) {
            Ok(loaded) => loaded,
            Err(error) => return fail(lead, error),
        };
        lead.close();
        let stored = encoded::<F, _>(cache, &loaded, clock, |value, life| {
            cache.shared.store.set(key, value, life, cache.budget())
        });
        let stored = stored.and_then(|stored| match stored {
            Ok(()) => {
                cache.shared.counters.sets.add(1);
                Ok(())
            }
            Err(error) => cache.passed_over(error),
        });
        match stored {
            Ok(()) => {
                lead.land(Landing::Again);
                Ok(loaded.outcome())
            }
            Err(error) => fail(lead, error),
        }
    }

    /// Under `layout=plain`, where no lease can stand in a value: of several processes the first one stores.
    pub(super) fn lead_plain(self, mut lead: Lead) -> Result<Outcome<F::Value>> {
        match self.look_again() {
            Ok(None) => {}
            Ok(Some(outcome)) => {
                lead.land(Landing::Again);
                return Ok(outcome);
            }
            Err(error) => return fail(lead, error),
        }
        let (cache, key, since) = (self.cache, self.key, Instant::now());
        let loaded = match self.load(None) {
            Ok(loaded) => loaded,
            Err(error) => return fail(lead, error),
        };
        lead.close();
        let landing = encoded::<F, _>(cache, &loaded, Clock::default(), |value, life| {
            let stored = joined(value);
            if loaded.value.is_none() {
                return Ok(Landing::Uncached { stored, since });
            }
            match cache.shared.store.add(key, value, life, cache.budget()) {
                Ok(true) => {
                    cache.shared.counters.sets.add(1);
                    Ok(Landing::Stored(stored))
                }
                Ok(false) => Ok(Landing::Again),
                Err(error) => cache
                    .passed_over(error)
                    .map(|()| Landing::Uncached { stored, since }),
            }
        });
        let landing = match landing.and_then(|landing| landing) {
            Ok(landing) => landing,
            Err(error) => return fail(lead, error),
        };
        let theirs = match landing {
            Landing::Again => cache.see::<F>(key),
            _ => Ok(None),
        };
        lead.land(landing);
        match theirs {
            Ok(Some((Ok(Seen::Fresh(content)), _))) if content.value.is_some() => Ok(Outcome {
                value: content.value,
                source: Source::Fresh,
            }),
            Ok(Some((Err(_), _))) => {
                // What is there cannot be read, and `add` does not replace it.
                let replaced = encoded::<F, _>(cache, &loaded, Clock::default(), |value, life| {
                    cache.shared.store.set(key, value, life, cache.budget())
                })?;
                replaced.or_else(|error| cache.passed_over(error))?;
                Ok(loaded.outcome())
            }
            Ok(_) => Ok(loaded.outcome()),
            Err(error) => cache.passed_over(error).map(|()| loaded.outcome()),
        }
    }

    /// Whoever loads the value was too slow.
    pub(super) fn wait_is_over(self) -> Result<Outcome<F::Value>> {
        let options = &self.cache.shared.options;
        if options.on_wait_timeout == OnWaitTimeout::Busy {
            let wait = options.wait;
            return Err(Error::new(
                ErrorKind::Busy,
                format!("somebody else is still loading this key after {wait:?} (option `wait`)"),
            ));
        }
        let deadline = Instant::now() + options.lease;
        loop {
            match self.join(&self.cache.shared.late_flights, deadline)? {
                Part::Lead(lead) => return self.load_uncached(lead),
                Part::Waited => return self.load(None).map(Loaded::outcome),
                Part::Landed(Landing::Failed(error)) => return Err(error),
                Part::Landed(Landing::Uncached { stored, since }) if self.began <= since => {
                    if let Some(outcome) = self.unpack(&stored)? {
                        return Ok(outcome);
                    }
                }
                Part::Landed(_) => {}
            }
        }
    }
}
