//! What the one thread does that leads the flight of a key: it claims the lease and loads, or waits for the process that
//! has it. When that takes too long, it loads for this process alone.

use crate::base::backoff::Pause;
use crate::base::flight::{Landing, Lead, Part};
use crate::base::moment::Moment;
use crate::cache::Cache;
use crate::config::OnWaitTimeout;
use crate::entry::{Judge, Keeping, Look, Seen};
use crate::error::{Error, ErrorKind, Result};
use crate::expiry::{Clock, Life};
use crate::store::{Access, Force, KeyList, Value};

use super::claim::Claimed;
use super::form::Form;
use super::load::{Loaded, deliver};
use super::one::Call;
use super::step::{self, End, Hand, Next, Right, Why, Worth};
use super::weigh::is_the_callers;
use super::{Loading, Outcome, Source};

impl<'a, F, L> Call<'a, F, L>
where
    F: Form,
    L: FnOnce(&mut Loading<'_>) -> Result<Option<F::Value>>,
{
    pub(super) fn claim(
        &self,
        force: Force,
        seen: Option<u64>,
        backoff_ms: u64,
    ) -> Result<Claimed<'a, F::Value>> {
        let claim = self.cache.new_claim(force, seen);
        let absent = self.may_be_absent;
        self.cache.claim::<F>(self.key, claim, backoff_ms, absent)
    }

    /// Claims the lease, and waits for as long as somebody else has it.
    pub(super) fn lead(
        self,
        lead: Lead,
        mut pause: Pause,
        mut next: Next,
    ) -> Result<Outcome<F::Value>> {
        let (mut lapses, mut has_paused) = (None, true);
        loop {
            next = match next {
                Next::Claim(force, seen) => {
                    let claimed = match self.claim(force, seen, 0) {
                        Ok(claimed) => claimed,
                        Err(error) => return lead.fail(error),
                    };
                    lapses = claimed.lapses;
                    match step::claimed(Hand::Nothing, claimed.heard) {
                        Next::Serve => {
                            lead.land(Landing::Again);
                            return Ok(self.serve(claimed.found, Source::Fresh));
                        }
                        Next::Lead(Right::Lease) => {
                            return self.load_leased(claimed.held, claimed.clock, Some(lead));
                        }
                        Next::Lead(Right::Swap) => {
                            return match claimed.kept {
                                Some(old) => self.load_over(&old, claimed.clock, lead),
                                None => self.load_uncached(lead, false),
                            };
                        }
                        Next::Uncached => {
                            let is_silent = claimed.is_silent();
                            return self.load_uncached(lead, is_silent);
                        }
                        next => next,
                    }
                }
                Next::Wait | Next::Look => {
                    // At once only after a pause: others may change the key as often as they like.
                    let is_at_once = next == Next::Look && std::mem::take(&mut has_paused);
                    if !is_at_once {
                        if !pause.sleep() {
                            lead.land(Landing::Again);
                            return self.wait_is_over();
                        }
                        has_paused = true;
                    }
                    if lapses.is_some_and(|at| at <= Moment::now()) {
                        Next::Claim(Force::No, None)
                    } else {
                        let why = match next {
                            Next::Look => Why::Servable,
                            _ => Why::Poll,
                        };
                        match self.look(why) {
                            Ok(Some(seen)) => match step::looked(why, seen.view) {
                                Next::Serve => {
                                    lead.land(Landing::Again);
                                    return Ok(self.offer(seen));
                                }
                                next => next,
                            },
                            Ok(None) => Next::Claim(Force::No, None),
                            Err(error) if is_the_callers(&error) => return lead.fail(error),
                            Err(error) => {
                                self.cache.tell(&error);
                                return self.load_uncached(lead, error.code().is_none());
                            }
                        }
                    }
                }
                // Nothing was in hand, so nothing is served from there.
                _ => return self.load_uncached(lead, true),
            }
        }
    }

    /// Under `layout=plain`, where no lease can stand in a value: of several processes the first one stores.
    /// `is_missing`: nobody of this process has stored anything since the key was seen to be missing.
    pub(super) fn lead_plain(self, lead: Lead, is_missing: bool) -> Result<Outcome<F::Value>> {
        let (cache, key, options) = (self.cache, self.key, self.options());
        let store = &cache.shared.store;
        if !is_missing {
            let mut look = Keeping::new(options, F::sink(options));
            match store.get(key, Access::Write, &mut look, cache.budget()) {
                Ok(None) => {}
                Ok(Some(clock)) => {
                    let (sight, kept) = look.finish(Judge::Fresh);
                    let seen = match self.weigh(sight) {
                        Ok(seen) => seen,
                        Err(error) => return lead.fail(error),
                    };
                    if seen.view.worth == Worth::Fresh {
                        lead.land(Landing::Again);
                        return Ok(self.offer(seen));
                    }
                    return match kept {
                        Some(old) => self.load_over(&old, clock, lead),
                        None => self.load_uncached(lead, false),
                    };
                }
                Err(error) => {
                    cache.tell(&error);
                    return self.load_uncached(lead, error.code().is_none());
                }
            }
        }
        let (since, may_be_absent) = (Moment::now(), self.may_be_absent);
        let loaded = match self.load(None) {
            Ok(loaded) => loaded,
            Err(error) => return lead.fail(error),
        };
        let is_value = loaded.value.is_some();
        let mut is_taken = false;
        let clock = Clock::default();
        let made = deliver::<F>(cache, loaded, clock, since, Some(lead), |value, life| {
            if !is_value {
                return End::NotStored;
            }
            let added = cache.add_plain(key, value, life);
            is_taken = matches!(added, Ok(false));
            cache.end_of(added)
        })?;
        if !is_taken {
            return Ok(made);
        }
        // Who was first is right; unless it is of no use here.
        let mut look = Look::new(options, F::sink(options));
        match store.get(key, Access::Write, &mut look, cache.budget()) {
            Ok(Some(_)) => match look.finish(Judge::Fresh).seen {
                Ok(Seen::Fresh(value)) if value.is_some() || may_be_absent => Ok(Outcome {
                    value,
                    source: Source::Fresh,
                }),
                _ => Ok(made),
            },
            Ok(None) => Ok(made),
            Err(error) => {
                cache.tell(&error);
                Ok(made)
            }
        }
    }

    /// Whoever loads the value was too slow.
    pub(super) fn wait_is_over(self) -> Result<Outcome<F::Value>> {
        let options = self.options();
        if options.on_wait_timeout == OnWaitTimeout::Busy {
            return Err(busy(options.wait));
        }
        let deadline = Moment::now().after(options.lease);
        loop {
            let follow = match self.join(&self.cache.shared.late_flights)? {
                Part::Lead(lead) => return self.load_uncached(lead, false),
                Part::Follow(follow) => follow,
            };
            match follow.wait(deadline) {
                None => return self.load(None).map(Loaded::outcome),
                Some(Landing::Failed(error)) => return Err(error),
                Some(landing) => {
                    if let Some(outcome) = self.share(landing, false)? {
                        return Ok(outcome);
                    }
                }
            }
        }
    }
}

impl Cache {
    /// SET NX, whatever it is that stands there.
    fn add_plain(&self, key: &[u8], value: Value<'_>, life: Life) -> Result<bool> {
        let mut keys = KeyList::default();
        keys.push_bytes(key);
        let mut added = Ok(false);
        let mut each = |_, done| added = done;
        let store = &self.shared.store;
        store.add_many(&keys, &[(value, life)], self.budget(), &mut each);
        added
    }
}

/// Somebody else is too slow, and nobody is to load beside it.
pub(super) fn busy(wait: std::time::Duration) -> Error {
    Error::new(
        ErrorKind::Busy,
        format!("somebody else is still loading this key after {wait:?} (option `wait`)"),
    )
}
