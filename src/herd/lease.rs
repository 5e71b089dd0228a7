//! `get_or_set` in two halves, for programs in which a callback does not fit: begin, and if the lease is yours compute
//! and fulfill it. The same protocol, so both kinds of callers wait for each other.

use std::time::Instant;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::base::backoff::Pause;
use crate::cache::Cache;
use crate::entry::freshness::{Freshness, cost_of};
use crate::entry::header::Header;
use crate::entry::{self, Look, Seen};
use crate::error::Result;
use crate::expiry::{Clock, Expiry, Life};
use crate::herd::{BACKOFF_MS, Bytes, Reader, Typed, lost};
use crate::key::WireKey;
use crate::store::{Acquired, Claim, Head, Token, Value};

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
    cache: Cache,
    key: Vec<u8>,
    /// `None`: no lease can stand in the value that is there, which is of another type.
    token: Option<Token>,
    backoff_ms: u64,
    clock: Clock,
    began: Instant,
    is_over: bool,
}

impl Cache {
    /// The value under `key`, or the lease to compute it, or a wait (at most for the option `wait`) for whoever is
    /// computing it. One round trip for a hit, two for a lease.
    ///
    /// With `on_error=miss`, a server that cannot be reached gives a lease whose value will not be stored.
    ///
    /// # Errors
    /// [`ErrorKind::Unsupported`](crate::ErrorKind::Unsupported) with `layout=plain`.
    pub fn lease<T: DeserializeOwned>(&self, key: impl AsRef<[u8]>) -> Result<Begun<T>> {
        self.begin::<Typed<T>>(key.as_ref())
    }

    /// [`lease`](Cache::lease) for bytes as they are.
    pub fn lease_bytes(&self, key: impl AsRef<[u8]>) -> Result<Begun<Vec<u8>>> {
        self.begin::<Bytes>(key.as_ref())
    }

    fn begin<R: Reader>(&self, key: &[u8]) -> Result<Begun<R::Value>> {
        self.needs_tagged("lease")?;
        let mut place = WireKey::new();
        let key = self.wire_key(key, &mut place)?;
        let mut pause = Pause::until(Instant::now() + self.shared.options.wait);
        let mut is_first = true;
        loop {
            let seen = match self.see::<R>(key) {
                Ok(Some((seen, _))) => self.or_undecodable(seen.map(Some))?,
                Ok(None) => None,
                Err(error) => {
                    self.or_miss(Err(error), ())?;
                    return Ok(Begun::Yours(self.lease_of(key, Some(Token::new()), 0)));
                }
            };
            if std::mem::take(&mut is_first) {
                let is_hit = matches!(seen, Some(Seen::Fresh(_)));
                self.shared.counters.hits.add(is_hit.into());
                self.shared.counters.misses.add((!is_hit).into());
            }
            let answer = match seen {
                Some(Seen::Fresh(content)) => Some(Begun::Fresh(content.value)),
                Some(Seen::Stale {
                    content,
                    leased: true,
                }) => Some(self.stale(content.value, None)),
                Some(Seen::Nothing { leased: true }) => None,
                Some(Seen::Stale { content, .. }) => Some(self.renewal::<R>(key, content.value)?),
                Some(Seen::Nothing { .. }) | None => self.first_load::<R>(key, &mut pause)?,
            };
            match answer {
                Some(answer) => return Ok(answer),
                None if pause.sleep() => {}
                None => return Ok(Begun::Busy),
            }
        }
    }

    /// With a stale value in hand: the lease to renew it comes along if it can be had.
    fn renewal<R: Reader>(&self, key: &[u8], old: Option<R::Value>) -> Result<Begun<R::Value>> {
        let (claim, mut look) = self.claim::<R>();
        match self
            .shared
            .store
            .acquire(key, claim, &mut look, self.budget())
        {
            Ok((Acquired::Yours, clock)) => {
                let lease = self.lease_of(key, Some(claim.token), BACKOFF_MS);
                Ok(self.stale(old, Some(lease.at(clock))))
            }
            Ok((Acquired::Found(()), clock)) => {
                match self.or_undecodable(look.finish(clock).map(Some))? {
                    Some(Seen::Fresh(content)) => Ok(Begun::Fresh(content.value)),
                    _ => Ok(self.stale(old, None)),
                }
            }
            Ok(_) => Ok(self.stale(old, None)),
            Err(error) => self.passed_over(error).map(|()| self.stale(old, None)),
        }
    }

    /// With nothing in hand: the lease, or `None` while somebody else has it.
    fn first_load<R: Reader>(
        &self,
        key: &[u8],
        pause: &mut Pause,
    ) -> Result<Option<Begun<R::Value>>> {
        let (claim, mut look) = self.claim::<R>();
        let answer = match self
            .shared
            .store
            .acquire(key, claim, &mut look, self.budget())
        {
            Ok((Acquired::Yours, clock)) => {
                let lease = self.lease_of(key, Some(claim.token), 0);
                Begun::Yours(lease.at(clock))
            }
            Ok((Acquired::Found(()), clock)) => {
                match self.or_undecodable(look.finish(clock).map(Some))? {
                    Some(Seen::Fresh(content)) => Begun::Fresh(content.value),
                    Some(Seen::Stale { content, .. }) => self.stale(content.value, None),
                    Some(Seen::Nothing { .. }) | None => Begun::Yours(self.lease_of(key, None, 0)),
                }
            }
            Ok((Acquired::Stale, _)) => {
                pause.skip();
                return Ok(None);
            }
            Ok((Acquired::Held(_), _)) => return Ok(None),
            Err(error) => {
                self.or_miss(Err(error), ())?;
                Begun::Yours(self.lease_of(key, Some(claim.token), 0))
            }
        };
        Ok(Some(answer))
    }

    fn claim<R: Reader>(&self) -> (Claim, Look<R::Sink<'_>>) {
        let options = &self.shared.options;
        let claim = Claim::new(options.lease, false);
        (claim, Look::new(options, R::sink(options)))
    }

    fn stale<T>(&self, value: Option<T>, lease: Option<Lease>) -> Begun<T> {
        self.shared.counters.stale_served.add(1);
        Begun::Stale(value, lease)
    }

    fn lease_of(&self, key: &[u8], token: Option<Token>, backoff_ms: u64) -> Lease {
        Lease {
            cache: self.clone(),
            key: key.to_vec(),
            token,
            backoff_ms,
            clock: Clock::default(),
            began: Instant::now(),
            is_over: false,
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
            let head = entry::encode(&self.cache.shared.options, value, body);
            let head = self.cache.report(head)?;
            self.store(head, body, expiry)
        })
    }

    /// [`fulfill`](Lease::fulfill) with bytes as they are.
    pub fn fulfill_bytes(self, value: &[u8], expiry: impl Into<Expiry>) -> Result<()> {
        let mut scratch = Vec::new();
        let cache = self.cache.clone();
        let encoded = entry::encode_bytes(&cache.shared.options, value, &mut scratch);
        let (head, body) = cache.report(encoded)?;
        self.store(head, body, expiry.into())
    }

    /// Stores that there is no value: "known to be absent".
    pub fn fulfill_absent(self, expiry: impl Into<Expiry>) -> Result<()> {
        self.store(Header::ABSENT.encode(), &[], expiry.into())
    }

    /// The computation goes on: the lease lasts for another `lease`. One round trip.
    ///
    /// # Errors
    /// [`ErrorKind::Lost`](crate::ErrorKind::Lost), as [`fulfill`](Lease::fulfill).
    pub fn renew(&self) -> Result<()> {
        self.token
            .map_or(Ok(()), |token| self.cache.renew_lease(&self.key, token))
    }

    /// On a node with this clock.
    fn at(mut self, clock: Clock) -> Self {
        self.clock = clock;
        self
    }

    fn store(mut self, head: Head, body: &[u8], expiry: Expiry) -> Result<()> {
        let cache = self.cache.clone();
        let freshness = Freshness::new(&cache.shared.options, cache.life(expiry));
        let (head, life) = freshness.dress(head, cost_of(self.began.elapsed()), self.clock);
        self.is_over = true;
        if self.put(Value { head: &head, body }, life)? {
            cache.shared.counters.sets.add(1);
            return Ok(());
        }
        cache.report(Err(lost()))
    }

    fn put(&self, value: Value<'_>, life: Life) -> Result<bool> {
        let store = &self.cache.shared.store;
        let budget = self.cache.budget();
        let stored = match self.token {
            Some(token) => store.fulfill(&self.key, token, value, life, budget),
            None => store.set(&self.key, value, life, budget).map(|()| true),
        };
        self.cache.or_miss(stored, true)
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        let Some(token) = self.token.filter(|_| !self.is_over) else {
            return;
        };
        let store = &self.cache.shared.store;
        if let Err(error) = store.release(&self.key, token, self.backoff_ms, self.cache.budget()) {
            self.cache.tell(&error);
        }
    }
}
