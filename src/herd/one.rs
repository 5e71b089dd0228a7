//! The way of one `get_or_set`: look, claim the lease, load, store; or serve what is there, or wait for whoever loads.
//! What is done next is said by `herd::step`. Of one process a single thread at a time goes that way for a key
//! (`base::flight`); what that one does stands in `herd::lead`.

use std::marker::PhantomData;
use std::time::Instant;

use crate::base::backoff::Pause;
use crate::base::flight::{Flights, Landing, Part};
use crate::base::moment::Moment;
use crate::base::random::draw;
use crate::cache::Cache;
use crate::config::Layout;
use crate::entry::header::Header;
use crate::entry::{Judge, Look, Sight};
use crate::error::{Error, ErrorKind, Result};
use crate::expiry::Expiry;
use crate::store::{Access, Force};

use super::claim::Claimed;
use super::form::Form;
use super::product::unpacked;
use super::step::{self, Hand, Next, Right, Why, Worth};
use super::weigh::{Weighed, is_the_callers};
use super::{BACKOFF_MS, Loading, Outcome, Source};

/// A call under way.
pub(crate) struct Call<'a, F, L> {
    pub(crate) cache: &'a Cache,
    pub(crate) key: &'a [u8],
    pub(crate) expiry: Expiry,
    /// Whether the caller has a use for "known to be absent".
    pub(crate) may_be_absent: bool,
    pub(crate) load: L,
    pub(crate) began: Moment,
    pub(crate) form: PhantomData<F>,
}

/// How a caller with nothing in hand begins.
#[derive(Debug, Clone, Copy)]
enum Start {
    Claim(Force, Option<u64>),
    /// The store did not answer, or refused.
    Away {
        is_silent: bool,
    },
}

impl<'a, F, L> Call<'a, F, L>
where
    F: Form,
    L: FnOnce(&mut Loading<'_>) -> Result<Option<F::Value>>,
{
    /// The first look decides: a hit ends here.
    pub(crate) fn run(mut self) -> Result<Outcome<F::Value>> {
        let cache = self.cache;
        let counters = &cache.shared.counters;
        let flights = match self.is_plain() {
            true => cache.shared.flights.closed(),
            false => 0,
        };
        let budget = cache.budget_at_once();
        self.began = budget.started();
        let mut look = self.sink();
        let store = &cache.shared.store;
        let clock = match store.first_look(self.key, &mut look, budget) {
            Ok(Some(clock)) => clock,
            Ok(None) => {
                counters.misses.add(1);
                let seen = Some(flights);
                return self.miss(Start::Claim(Force::No, None), seen);
            }
            Err(error) if is_the_callers(&error) => return cache.report(Err(error)),
            Err(error) => {
                let start = self.failed(error)?;
                return self.miss(start, None);
            }
        };
        let sight = look.finish(Judge::Clock(clock));
        let (header, now_ms) = (sight.header, sight.now_ms);
        let mut seen = self.weigh(sight)?;
        if seen.view.worth == Worth::Fresh && self.is_due(header, now_ms) {
            seen.view.worth = Worth::Due;
        }
        let (source, counter) = match seen.view.worth {
            Worth::Fresh | Worth::Due => (Source::Fresh, &counters.hits),
            _ => (Source::Stale, &counters.misses),
        };
        counter.add(1);
        match step::looked(Why::First, seen.view) {
            Next::Claim(force, soft) if seen.view.worth >= Worth::Stale => {
                if !clock.is_known() {
                    // Nothing can be said about a lease.
                    return Ok(self.serve(seen.value, source));
                }
                self.renew(seen.value, source, force, soft)
            }
            Next::Claim(force, soft) => self.miss(Start::Claim(force, soft), None),
            _ => Ok(self.serve(seen.value, source)),
        }
    }

    #[inline]
    pub(crate) fn weigh(&self, sight: Sight<F::Value>) -> Result<Weighed<F::Value>> {
        self.cache.weigh(sight, self.may_be_absent)
    }

    pub(crate) fn serve(&self, value: Option<F::Value>, source: Source) -> Outcome<F::Value> {
        if source == Source::Stale {
            self.cache.shared.counters.stale_served.add(1);
        }
        Outcome { value, source }
    }

    #[inline]
    fn is_due(&self, header: Option<Header>, now_ms: u64) -> bool {
        let Some(header) = header.filter(|header| header.lease.is_some()) else {
            return false;
        };
        let (life, beta) = (
            self.cache.whole_life(self.expiry),
            self.cache.shared.options.early,
        );
        header.is_due(now_ms, life, beta, || 1.0 - draw(|rng| rng.f64()))
    }

    /// With a value in hand: loads a new one if the lease can be had, else serves what is in hand.
    fn renew(
        self,
        value: Option<F::Value>,
        source: Source,
        force: Force,
        soft: Option<u64>,
    ) -> Result<Outcome<F::Value>> {
        let Ok(claimed) = self.claim(force, soft, BACKOFF_MS) else {
            return Ok(self.serve(value, source));
        };
        match step::claimed(Hand::Value, claimed.heard) {
            Next::Serve => Ok(self.serve(claimed.found, Source::Fresh)),
            Next::Lead(Right::Lease) => {
                let cache = self.cache;
                let Claimed { held, clock, .. } = claimed;
                match self.load_leased(held, clock, None) {
                    Err(error) if error.kind() == ErrorKind::Callback => {
                        if source == Source::Stale {
                            cache.shared.counters.stale_served.add(1);
                        }
                        Ok(Outcome { value, source })
                    }
                    done => done,
                }
            }
            _ => Ok(self.serve(value, source)),
        }
    }

    /// With nothing in hand: leads the flight of this process, or waits for it. `flights`: as many were closed when the
    /// key was seen to be missing.
    fn miss(self, mut start: Start, flights: Option<u64>) -> Result<Outcome<F::Value>> {
        let shared = &self.cache.shared;
        let deadline = self.began.after(shared.options.wait);
        loop {
            let follow = match self.join(&shared.flights)? {
                Part::Lead(lead) => {
                    return match start {
                        Start::Away { is_silent } => self.load_uncached(lead, is_silent),
                        Start::Claim(..) if self.is_plain() => {
                            let is_missing = flights == Some(shared.flights.closed());
                            self.lead_plain(lead, is_missing)
                        }
                        Start::Claim(force, soft) => {
                            let left = deadline.since(Moment::now());
                            let pause = Pause::until(Instant::now() + left);
                            self.lead(lead, pause, Next::Claim(force, soft))
                        }
                    };
                }
                Part::Follow(follow) => follow,
            };
            let is_away = matches!(start, Start::Away { is_silent: true });
            let mine = match follow.wait(deadline) {
                None => return self.wait_is_over(),
                Some(Landing::Failed(error)) => return Err(error),
                Some(landing) => self.share(landing, is_away)?,
            };
            if let Some(outcome) = mine {
                return Ok(outcome);
            }
            let seen = match self.look(Why::Poll) {
                Ok(Some(seen)) => seen,
                Ok(None) => {
                    start = Start::Claim(Force::No, None);
                    continue;
                }
                Err(error) => {
                    start = self.failed(error)?;
                    continue;
                }
            };
            start = match step::looked(Why::Poll, seen.view) {
                Next::Serve => return Ok(self.offer(seen)),
                Next::Claim(force, soft) => Start::Claim(force, soft),
                _ => Start::Claim(Force::No, None),
            };
        }
    }

    /// The value that another thread of this process loaded, if it is for this caller.
    pub(crate) fn share(
        &self,
        landing: Landing,
        is_away: bool,
    ) -> Result<Option<Outcome<F::Value>>> {
        let Landing::Made { product, before } = landing else {
            return Ok(None);
        };
        let is_mine = is_away || before.is_none_or(|since| self.began <= since);
        if !is_mine {
            return Ok(None);
        }
        let sight = Sight {
            seen: unpacked::<F>(self.options(), &product),
            header: None,
            now_ms: 0,
        };
        let seen = self.weigh(sight)?;
        Ok((seen.view.worth == Worth::Fresh).then(|| self.serve(seen.value, Source::Fresh)))
    }

    /// What was seen is served.
    pub(crate) fn offer(&self, seen: Weighed<F::Value>) -> Outcome<F::Value> {
        let source = match seen.view.worth {
            Worth::Fresh | Worth::Due => Source::Fresh,
            _ => Source::Stale,
        };
        self.serve(seen.value, source)
    }

    /// Looks again. `None`: there is no such key. The error of a value that cannot be decoded is its caller's.
    pub(crate) fn look(&self, why: Why) -> Result<Option<Weighed<F::Value>>> {
        let mut look = self.sink();
        let (cache, store) = (self.cache, &self.cache.shared.store);
        let found = store.get(self.key, Access::Write, &mut look, cache.budget())?;
        let Some(clock) = found else {
            return Ok(None);
        };
        self.weigh(look.finish(why.judge(clock))).map(Some)
    }

    /// A look has failed: the value is loaded all the same, unless the caller is to hear of it.
    fn failed(&self, error: Error) -> Result<Start> {
        if is_the_callers(&error) {
            return Err(error);
        }
        self.cache.tell(&error);
        let is_silent = error.code().is_none();
        Ok(Start::Away { is_silent })
    }

    pub(crate) fn join(&self, flights: &Flights) -> Result<Part> {
        self.cache.report(flights.join(self.key))
    }

    pub(crate) fn options(&self) -> &'a crate::config::Options {
        &self.cache.shared.options
    }

    pub(crate) fn sink(&self) -> Look<F::Sink<'a>> {
        Look::new(self.options(), F::sink(self.options()))
    }

    fn is_plain(&self) -> bool {
        self.options().layout == Layout::Plain
    }
}
