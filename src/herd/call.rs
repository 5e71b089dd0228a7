//! The way of one `get_or_set`: look, claim the lease, load, store; or serve what is there, or wait for whoever loads.
//! Of one process a single thread at a time does that for a key (`flight`). No wait goes on beyond its deadline, and a
//! lease is given back however a loader ends.

use std::marker::PhantomData;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::backend::leases::{Acquired, Claim, Token};
use crate::backend::{Sink, Value};
use crate::cache::Cache;
use crate::config::{Layout, OnWaitTimeout};
use crate::entry::{self, Content, Look, Seen};
use crate::error::{Error, ErrorKind, Result};
use crate::expiry::{Clock, Expiry, Life, millis_rounded_up};
use crate::flight::{Flights, Landing, Lead, Part};
use crate::fresh::{Freshness, cost_of};
use crate::header::Header;
use crate::pause::Pause;
use crate::random::draw;

use super::form::Form;
use super::{BACKOFF_MS, Loading, Outcome, Source};

/// A call under way.
pub(super) struct Call<'a, F, L> {
    cache: &'a Cache,
    key: &'a [u8],
    expiry: Expiry,
    /// Whether the caller has a use for "known to be absent".
    may_be_absent: bool,
    load: L,
    began: Instant,
    form: PhantomData<F>,
}

/// What a loader made.
struct Loaded<V> {
    value: Option<V>,
    expiry: Expiry,
    took: Duration,
}

impl<'a, F, L> Call<'a, F, L>
where
    F: Form,
    L: FnOnce(&mut Loading<'_>) -> Result<Option<F::Value>>,
{
    pub(super) fn new(
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
    pub(super) fn run(self) -> Result<Outcome<F::Value>> {
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
    fn usable(&self, seen: Result<Seen<F::Value>>) -> Result<Option<Seen<F::Value>>> {
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
        let acquired = self
            .cache
            .shared
            .backend
            .acquire(self.key, claim, &mut look);
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

    /// Claims the lease, and waits for as long as somebody else has it.
    fn lead(self, mut lead: Lead, deadline: Instant) -> Result<Outcome<F::Value>> {
        let mut pause = Pause::until(deadline);
        loop {
            let mut look = self.sink();
            let claim = self.claim(false);
            match self
                .cache
                .shared
                .backend
                .acquire(self.key, claim, &mut look)
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
            // Somebody else loads: look until it is there, or gone.
            loop {
                if !pause.sleep() {
                    lead.land(Landing::Again);
                    return self.wait_is_over();
                }
                match self.cache.see::<F>(self.key) {
                    Ok(Some((Ok(Seen::Nothing { leased: true }), _))) => {}
                    Ok(Some((seen, _))) => match self.usable(seen).map(|seen| self.offer(seen)) {
                        Ok(Some(outcome)) => {
                            lead.land(Landing::Again);
                            return Ok(outcome);
                        }
                        Ok(None) => break,
                        Err(error) => return fail(lead, error),
                    },
                    Ok(None) => break,
                    Err(error) => {
                        self.cache.tell(&error);
                        if error.is_unavailable() {
                            return self.load_uncached(lead);
                        }
                        return fail(lead, error);
                    }
                }
            }
        }
    }

    /// What can be served of it.
    fn offer(&self, seen: Option<Seen<F::Value>>) -> Option<Outcome<F::Value>> {
        match seen? {
            Seen::Fresh(content) => Some(self.serve(content, Source::Fresh)),
            Seen::Stale { content, .. } => Some(self.serve(content, Source::Stale)),
            Seen::Nothing { .. } => None,
        }
    }

    /// A flight landed without a value to hand on.
    fn look_again(&self) -> Result<Option<Outcome<F::Value>>> {
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
    fn unpack(&self, stored: &[u8]) -> Result<Option<Outcome<F::Value>>> {
        let mut look = self.sink();
        look.begin(stored, stored.len())?;
        // Loaded just now: it is fresh by any clock.
        Ok(self.offer(self.usable(look.finish(Clock::DAWN))?))
    }

    /// Loads while the lease is held, and stores.
    fn load_leased(
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
            match cache.shared.backend.fulfill(key, token, value, life) {
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
    fn load_uncached(self, lead: Lead) -> Result<Outcome<F::Value>> {
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

    /// Replaces a value that this caller has no use for, and in which no lease can stand.
    fn replace(self, mut lead: Lead, clock: Clock) -> Result<Outcome<F::Value>> {
        let (cache, key) = (self.cache, self.key);
        let loaded = match self.load(None) {
            Ok(loaded) => loaded,
            Err(error) => return fail(lead, error),
        };
        lead.close();
        let stored = encoded::<F, _>(cache, &loaded, clock, |value, life| {
            cache.shared.backend.set(key, value, life)
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
    fn lead_plain(self, mut lead: Lead) -> Result<Outcome<F::Value>> {
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
            match cache.shared.backend.add(key, value, life) {
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
                    cache.shared.backend.set(key, value, life)
                })?;
                replaced.or_else(|error| cache.passed_over(error))?;
                Ok(loaded.outcome())
            }
            Ok(_) => Ok(loaded.outcome()),
            Err(error) => cache.passed_over(error).map(|()| loaded.outcome()),
        }
    }

    /// Whoever loads the value was too slow.
    fn wait_is_over(self) -> Result<Outcome<F::Value>> {
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

    fn load(self, token: Option<Token>) -> Result<Loaded<F::Value>> {
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

    fn join(&self, flights: &Flights, deadline: Instant) -> Result<Part> {
        self.cache.report(flights.join(self.key, deadline))
    }

    fn sink(&self) -> Look<F::Sink<'a>> {
        let options = &self.cache.shared.options;
        Look::new(options, F::sink(options))
    }

    fn claim(&self, force: bool) -> Claim {
        Claim {
            token: Token::new(),
            lease_ms: millis_rounded_up(self.cache.shared.options.lease),
            force,
        }
    }

    fn is_plain(&self) -> bool {
        self.cache.shared.options.layout == Layout::Plain
    }
}

impl<V> Loaded<V> {
    fn outcome(self) -> Outcome<V> {
        Outcome {
            value: self.value,
            source: Source::Computed,
        }
    }
}

/// Encodes what was loaded, and hands it to `store` together with the life of its key.
fn encoded<F: Form, R>(
    cache: &Cache,
    loaded: &Loaded<F::Value>,
    clock: Clock,
    store: impl FnOnce(Value<'_>, Life) -> R,
) -> Result<R> {
    let options = &cache.shared.options;
    let freshness = Freshness::new(options, cache.life(loaded.expiry));
    entry::with_scratch(|scratch| {
        let (head, body, freshness) = match &loaded.value {
            Some(value) => {
                let (head, body) = cache.report(F::encode(options, value, scratch))?;
                (head, body, freshness)
            }
            None => (Header::ABSENT.encode(), &[][..], freshness.without_stale()),
        };
        let (head, life) = freshness.dress(head, cost_of(loaded.took), clock);
        Ok(store(Value { head: &head, body }, life))
    })
}

/// Header and body in one piece.
fn joined(value: Value<'_>) -> Arc<[u8]> {
    [value.head, value.body].concat().into()
}

/// The error, for the caller and all who wait.
fn fail<T>(lead: Lead, error: Error) -> Result<T> {
    lead.land(Landing::Failed(error.clone()));
    Err(error)
}

/// A lease that is given back when it is dropped: the loader failed, or panicked.
struct Held<'a> {
    cache: &'a Cache,
    key: &'a [u8],
    token: Token,
    backoff_ms: u64,
    is_kept: bool,
}

impl<'a> Held<'a> {
    fn new(cache: &'a Cache, key: &'a [u8], token: Token, backoff_ms: u64) -> Self {
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
        let backend = &self.cache.shared.backend;
        if let Err(error) = backend.release(self.key, self.token, self.backoff_ms) {
            self.cache.tell(&error);
        }
    }
}
