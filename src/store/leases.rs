//! The steps of the lease protocol and of locks, each of which a store does in one piece. One string holds value,
//! freshness and lease, so whatever removes or replaces the value also revokes the lease. A step that finds a foreign
//! token changes no byte. On servers they are scripts (`redis::script`); those of leases may all be sent again, those of
//! locks never are.

use std::cell::Cell;
use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;
use std::time::{Duration, Instant};

use crate::base::budget::Budget;
use crate::error::Result;
use crate::expiry::{Clock, Life, millis_rounded_up};

use super::{EachDone, KeyList, Sink, Value};

/// Who holds a lease or a lock: 8 random bytes, never all zero.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Token([u8; 8]);

impl Token {
    /// One that nobody else has: not another thread, not another process, not a forked child.
    pub(crate) fn new() -> Self {
        thread_local! {
            static STATE: RandomState = RandomState::new();
            static DRAWN: Cell<u64> = const { Cell::new(0) };
        }
        let drawn = DRAWN.with(|drawn| drawn.replace(drawn.get().wrapping_add(1)));
        let seed = (drawn, std::process::id(), Instant::now());
        let number = STATE.with(|state| state.hash_one(seed)).max(1);
        Token(number.to_le_bytes())
    }

    #[cfg(test)]
    pub(crate) fn of(bytes: [u8; 8]) -> Self {
        Token(bytes)
    }

    pub(crate) fn bytes(&self) -> &[u8; 8] {
        &self.0
    }
}

/// A wish to load a value.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Claim {
    pub(crate) token: Token,
    pub(crate) lease_ms: u64,
    /// Also while the value is still fresh.
    pub(crate) force: bool,
}

impl Claim {
    /// One of a fresh token, for as long as the option `lease` says.
    pub(crate) fn new(lease: Duration, force: bool) -> Self {
        Claim {
            token: Token::new(),
            lease_ms: millis_rounded_up(lease),
            force,
        }
    }
}

/// What a store says to a [`Claim`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Acquired<V> {
    /// The lease is yours: load, and store.
    Yours,
    /// Somebody else loads; what is there may be served meanwhile.
    Stale,
    /// There is a value: a fresh one, or one that no lease can stand in.
    Found(V),
    /// Somebody else loads, for so many milliseconds yet, and nothing can be served.
    Held(u64),
}

/// Is told of item `index` what the store says to its claim, with the stored value where one was found.
pub(crate) type EachAcquired<'a> = dyn FnMut(usize, Result<Acquired<&[u8]>>, Clock) + 'a;

/// Leases on single keys, and locks. One round trip a call (a second where a server does not know a script yet);
/// none for `memory://`. Every item of a [`KeyList`] that is not a fault is reported exactly once, in any order.
pub(crate) trait Leases {
    /// The clock of the node that takes writes for `key`. Network only when that node was never asked anything.
    fn clock(&self, key: &[u8], budget: Budget) -> Result<Clock>;

    /// ACQUIRE. The sink has the value where the answer is [`Acquired::Found`].
    fn acquire(
        &self,
        key: &[u8],
        claim: Claim,
        sink: &mut dyn Sink,
        budget: Budget,
    ) -> Result<(Acquired<()>, Clock)>;

    /// ACQUIRE of many, one pipeline a node. `claims` is as long as `keys`.
    fn acquire_many(
        &self,
        keys: &KeyList,
        claims: &[Claim],
        budget: Budget,
        each: &mut EachAcquired<'_>,
    );

    /// STORE: stores a value if the lease is still held; [`Life::Expired`] removes the key instead. False: the lease
    /// was lost, and nothing was stored. (When the answer to a first attempt never came, "lost" is taken as stored.)
    fn fulfill(
        &self,
        key: &[u8],
        token: Token,
        value: Value<'_>,
        life: Life,
        budget: Budget,
    ) -> Result<bool>;

    /// STORE of many, one pipeline a node. All slices are as long as `keys`.
    fn fulfill_many(
        &self,
        keys: &KeyList,
        tokens: &[Token],
        values: &[(Value<'_>, Life)],
        budget: Budget,
        each: &mut EachDone<'_>,
    );

    /// RELEASE: gives the lease back after a failed load. A placeholder is removed unless `backoff_ms` keeps others
    /// away; a stale value is not loaded again for so long. False: the lease was not held.
    fn release(&self, key: &[u8], token: Token, backoff_ms: u64, budget: Budget) -> Result<bool>;

    /// RELEASE of many, one pipeline a node. `tokens` is as long as `keys`.
    fn release_many(
        &self,
        keys: &KeyList,
        tokens: &[Token],
        backoff_ms: u64,
        budget: Budget,
        each: &mut EachDone<'_>,
    );

    /// RENEW: the lease lasts so long from now. False: it was lost.
    fn renew(&self, key: &[u8], token: Token, lease_ms: u64, budget: Budget) -> Result<bool>;

    /// EXPIRE_SOFT: a value becomes stale at once and may be served as long as its key lives. False: there was none.
    fn expire_soft(&self, key: &[u8], budget: Budget) -> Result<bool>;

    /// Takes a lock that nobody holds: its fencing number. `None`: somebody holds it.
    fn lock(&self, key: &[u8], token: Token, ms: u64, budget: Budget) -> Result<Option<u64>>;

    /// Lets a lock last so long from now. False: it is not held by this token.
    fn extend_lock(&self, key: &[u8], token: Token, ms: u64, budget: Budget) -> Result<bool>;

    /// Gives a lock back. False: it was not held by this token.
    fn unlock(&self, key: &[u8], token: Token, budget: Budget) -> Result<bool>;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_differ_also_between_threads() {
        let some = || (0..1000).map(|_| *Token::new().bytes()).collect::<Vec<_>>();
        let (here, there) = (some(), std::thread::spawn(some).join().unwrap());
        let distinct: std::collections::BTreeSet<_> = here.iter().chain(&there).collect();
        assert_eq!(distinct.len(), 2000);
        assert!(!distinct.contains(&[0; 8]));
    }
}
