//! `get_or_set` in two halves, for programs in which a callback does not fit: begin, and if the lease is yours compute
//! and fulfill it. The same protocol, so both kinds of callers wait for each other.

use std::time::{Duration, Instant};

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::base::backoff::Pause;
use crate::base::moment::Moment;
use crate::cache::Cache;
use crate::config::OnError;
use crate::entry::freshness::{Freshness, cost_of};
use crate::entry::header::Header;
use crate::entry::{self, Look};
use crate::error::{Error, Result};
use crate::expiry::{Clock, Expiry, Life};
use crate::key::WireKey;
use crate::store::{Access, Force, Head, Stored, Value};

use super::held::{Held, is_refusal};
use super::step::{self, Hand, Next, Why, Worth};
use super::weigh::{Weighed, is_the_callers};
use super::{BACKOFF_MS, Bytes, Reader, Typed, lost};

/// What [`Cache::lease`] answers.
#[derive(Debug)]
pub enum Begun<T> {
    /// A fresh value, or `None` where it is known to be absent.
    Fresh(Option<T>),
    /// A value past its expiry. With a lease, the renewal is yours; without, somebody else is at it.
    Stale(Option<T>, Option<Lease>),
    /// Nothing: compute the value and fulfill the lease.
    Yours(Lease),
    /// Somebody else is computing it, and the option `wait` is over.
    Busy,
}

/// The duty to compute a value. Dropped unfulfilled it is given back, which costs a round trip: somebody else may
/// compute then, at once, or in a second when there is a stale value to serve meanwhile.
#[derive(Debug)]
pub struct Lease {
    key: Vec<u8>,
    /// The lease itself, if it is one.
    held: Held<Cache>,
    right: Right,
    clock: Clock,
    began: Moment,
}

/// By what right a lease stores its value.
#[derive(Debug)]
enum Right {
    Lease,
    /// These bytes, in which no lease can stand, are still there.
    Swap(Vec<u8>),
    /// None: the store was away, or refused.
    Nothing,
}

impl Cache {
    /// The value under `key`, or the lease to compute it, or a wait (at most for the option `wait`) for whoever is
    /// computing it. One round trip for a hit, two for a lease.
    ///
    /// With `on_error=miss`, a server that cannot be reached, or refuses, gives a lease whose value will not be stored.
    ///
    /// ```
    /// use redis_cache::{Begun, Cache, Expiry};
    ///
    /// # fn render() -> String { "<h1>".to_owned() }
    /// # fn main() -> redis_cache::Result<()> {
    /// let cache = Cache::open("memory://?prefix=app&stale=10m")?;
    /// let page = match cache.lease::<String>("front")? {
    ///     Begun::Fresh(page) | Begun::Stale(page, None) => page, // or `None`: known to be absent
    ///     Begun::Stale(_, Some(lease)) | Begun::Yours(lease) => {
    ///         let page = render();
    ///         match lease.fulfill(&page, Expiry::Default) {
    ///             Err(lost) if lost.kind() == redis_cache::ErrorKind::Lost => {} // written meanwhile
    ///             stored => stored?,
    ///         }
    ///         Some(page)
    ///     }
    ///     Begun::Busy => None, // somebody else computes it, and `wait` is over
    /// };
    /// assert_eq!(page.as_deref(), Some("<h1>"));
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`ErrorKind::Unsupported`](crate::ErrorKind::Unsupported) with `layout=plain`; with `on_error=raise`, what the server
    /// said, or why it could not be asked.
    pub fn lease<T: DeserializeOwned>(&self, key: impl AsRef<[u8]>) -> Result<Begun<T>> {
        self.begin::<Typed<T>>(key.as_ref())
    }

    /// [`lease`](Cache::lease) for bytes as they are; the same round trips and errors.
    pub fn lease_bytes(&self, key: impl AsRef<[u8]>) -> Result<Begun<Vec<u8>>> {
        self.begin::<Bytes>(key.as_ref())
    }

    fn begin<R: Reader>(&self, key: &[u8]) -> Result<Begun<R::Value>> {
        self.needs_tagged("lease")?;
        let mut place = WireKey::new();
        let key = self.wire_key(key, &mut place)?;
        Beginning::<R> {
            cache: self,
            key,
            old: None,
            is_first: true,
        }
        .run()
    }
}

/// A lease that is being begun.
struct Beginning<'a, R: Reader> {
    cache: &'a Cache,
    key: &'a [u8],
    /// The stale value in hand: absent, or a value.
    old: Option<Option<R::Value>>,
    is_first: bool,
}

/// Where it has come to.
enum At<T> {
    Next(Next),
    Done(Begun<T>),
}

impl<R: Reader> Beginning<'_, R> {
    fn run(mut self) -> Result<Begun<R::Value>> {
        let mut pause = Pause::until(Instant::now() + self.cache.shared.options.wait);
        let (mut lapses, mut has_paused) = (None, true);
        let mut at = self.look(Why::First)?;
        loop {
            let next = match at {
                At::Done(begun) => return Ok(begun),
                At::Next(next) => next,
            };
            at = match next {
                Next::Claim(force, seen) => self.claim(force, seen, &mut lapses)?,
                next => {
                    let is_at_once = next == Next::Look && std::mem::take(&mut has_paused);
                    if !is_at_once {
                        if !pause.sleep() {
                            return Ok(Begun::Busy);
                        }
                        has_paused = true;
                    }
                    match next {
                        _ if lapses.is_some_and(|at| at <= Moment::now()) => {
                            At::Next(Next::Claim(Force::No, None))
                        }
                        Next::Look => self.look(Why::Servable)?,
                        _ => self.look(Why::Poll)?,
                    }
                }
            };
        }
    }

    fn look(&mut self, why: Why) -> Result<At<R::Value>> {
        let cache = self.cache;
        let options = &cache.shared.options;
        let mut look = Look::new(options, R::sink(options));
        let store = &cache.shared.store;
        let found = match store.get(self.key, Access::Write, &mut look, cache.budget()) {
            Ok(found) => found,
            Err(error) => return self.failed(error),
        };
        let Weighed { view, value } = match found {
            Some(clock) => cache.weigh(look.finish(why.judge(clock)), true)?,
            None => Weighed::EMPTY,
        };
        let value = (view.worth >= Worth::Stale).then_some(value);
        if std::mem::take(&mut self.is_first) {
            let is_hit = view.worth == Worth::Fresh;
            cache.shared.counters.hits.add(is_hit.into());
            cache.shared.counters.misses.add((!is_hit).into());
        }
        Ok(match (step::looked(why, view), value) {
            (Next::Serve, Some(value)) if view.worth == Worth::Fresh => {
                At::Done(Begun::Fresh(value))
            }
            (Next::Serve, Some(value)) => At::Done(self.stale(value, None)),
            (next, value) => {
                self.old = value;
                At::Next(next)
            }
        })
    }

    fn claim(
        &mut self,
        force: Force,
        seen: Option<u64>,
        lapses: &mut Option<Moment>,
    ) -> Result<At<R::Value>> {
        let (hand, backoff_ms) = match &self.old {
            Some(_) => (Hand::Value, BACKOFF_MS),
            None => (Hand::Nothing, 0),
        };
        let claim = self.cache.new_claim(force, seen);
        let claimed = match self.cache.claim::<R>(self.key, claim, backoff_ms, true) {
            Ok(claimed) => claimed,
            Err(error) => match self.old.take() {
                Some(old) => return Ok(At::Done(self.stale(old, None))),
                None => return Err(error),
            },
        };
        *lapses = claimed.lapses;
        let clock = claimed.clock;
        Ok(At::Done(match step::claimed(hand, claimed.heard) {
            Next::Serve => Begun::Fresh(claimed.found),
            Next::Lead(step::Right::Lease) => {
                let lease = self.lease(claimed.held.owned(), Right::Lease, clock);
                match self.old.take() {
                    Some(old) => self.stale(old, Some(lease)),
                    None => Begun::Yours(lease),
                }
            }
            Next::Lead(step::Right::Swap) => {
                let right = claimed.kept.map_or(Right::Nothing, Right::Swap);
                let held = Held::none(self.cache.clone());
                Begun::Yours(self.lease(held, right, clock))
            }
            Next::Uncached => match claimed.error {
                Some(error) => return self.refused(error),
                None => Begun::Yours(self.unstored()),
            },
            Next::ServeInHand => match self.old.take() {
                Some(old) => self.stale(old, None),
                None => Begun::Yours(self.unstored()),
            },
            next => return Ok(At::Next(next)),
        }))
    }

    /// A look has failed.
    fn failed(&self, error: Error) -> Result<At<R::Value>> {
        self.cache.tell(&error);
        if is_the_callers(&error) {
            return Err(error);
        }
        self.refused(error)
    }

    /// The store is away, or has refused: the caller hears of it, or computes for itself. It was told to the hook.
    fn refused(&self, error: Error) -> Result<At<R::Value>> {
        match self.cache.shared.options.on_error {
            OnError::Raise => Err(error),
            OnError::Miss => Ok(At::Done(Begun::Yours(self.unstored()))),
        }
    }

    fn stale<T>(&self, value: Option<T>, lease: Option<Lease>) -> Begun<T> {
        self.cache.shared.counters.stale_served.add(1);
        Begun::Stale(value, lease)
    }

    /// A lease whose value goes nowhere.
    fn unstored(&self) -> Lease {
        let held = Held::none(self.cache.clone());
        self.lease(held, Right::Nothing, Clock::default())
    }

    fn lease(&self, held: Held<Cache>, right: Right, clock: Clock) -> Lease {
        Lease {
            key: self.key.to_vec(),
            held,
            right,
            clock,
            began: Moment::now(),
        }
    }
}

impl Lease {
    /// Stores the value. One round trip.
    ///
    /// # Errors
    /// [`ErrorKind::Lost`](crate::ErrorKind::Lost): the key was deleted or written meanwhile, or the lease ran out and
    /// somebody else has it; nothing was stored.
    pub fn fulfill<T: Serialize + ?Sized>(
        self,
        value: &T,
        expiry: impl Into<Expiry>,
    ) -> Result<()> {
        let expiry = expiry.into();
        entry::with_scratch(|body| {
            let cache = self.held.cache();
            let head = cache.report(entry::encode(&cache.shared.options, value, body))?;
            self.store(head, body, expiry)
        })
    }

    /// [`fulfill`](Lease::fulfill) with bytes as they are. One round trip; the same errors.
    pub fn fulfill_bytes(self, value: &[u8], expiry: impl Into<Expiry>) -> Result<()> {
        let mut scratch = Vec::new();
        let cache = self.held.cache();
        let encoded = entry::encode_bytes(&cache.shared.options, value, &mut scratch);
        let (head, body) = cache.report(encoded)?;
        self.store(head, body, expiry.into())
    }

    /// Stores that there is no value: "known to be absent", for as long as `expiry` says. One round trip; errors as
    /// [`fulfill`](Lease::fulfill).
    pub fn fulfill_absent(self, expiry: impl Into<Expiry>) -> Result<()> {
        self.store(Header::ABSENT.encode(), &[], expiry.into())
    }

    /// The computation goes on: the lease lasts for another `lease`. One round trip.
    ///
    /// # Errors
    /// [`ErrorKind::Lost`](crate::ErrorKind::Lost), as [`fulfill`](Lease::fulfill).
    pub fn renew(&self) -> Result<()> {
        self.held.renew()
    }

    fn store(mut self, head: Head, body: &[u8], expiry: Expiry) -> Result<()> {
        let cache = self.held.cache().clone();
        let freshness = Freshness::new(&cache.shared.options, cache.life(expiry));
        let took: Duration = Moment::now().since(self.began);
        let (head, life) = freshness.dress(head, cost_of(took), self.clock);
        let stored = self.put(&cache, Value { head: &head, body }, life);
        if stored.as_ref().is_err_and(is_refusal) {
            self.held.refused(0);
        }
        match cache.or_miss(stored, Stored::Perhaps)? {
            Stored::Yes => cache.shared.counters.sets.add(1),
            // It was sent again, and may have been stored by the first attempt.
            Stored::Perhaps => {}
            Stored::No => return cache.report(Err(lost())),
        }
        Ok(())
    }

    fn put(&mut self, cache: &Cache, value: Value<'_>, life: Life) -> Result<Stored> {
        let store = &cache.shared.store;
        let (key, budget) = (&self.key, cache.budget());
        match (&self.right, self.held.end(0)) {
            (Right::Lease, Some(token)) => store.fulfill(key, token, value, life, budget),
            (Right::Swap(old), _) => {
                let swapped = store.swap(key, old, value, life, budget)?;
                Ok(if swapped { Stored::Yes } else { Stored::No })
            }
            _ => Ok(Stored::Perhaps),
        }
    }
}
