//! The steps of the lease protocol and of locks, each of which a store does in one piece. One string holds value,
//! freshness and lease, so whatever removes or replaces the value also revokes the lease. A step that finds a foreign
//! token changes no byte, and nothing is stored without a comparison. On servers they are scripts
//! (`redis::command::script`), each of which says whether it may be sent again.

use std::cell::Cell;
use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;
use std::time::{Duration, Instant};

use crate::base::budget::Budget;
use crate::error::Result;
use crate::expiry::{Clock, Life, millis_rounded_up};

use super::{EachDone, KeyList, Sink, Value};

/// Beyond this the scripts' numbers, which are doubles, would lose milliseconds.
pub(crate) const LATEST_MS: u64 = (1 << 52) - 1;

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

    /// The token of the attempt that follows so many of which nothing was heard: another one for each of them, so that one
    /// that arrives late is not taken for its repetition.
    fn nth(self, lost: u32) -> Self {
        // Odd, so its multiples below 2^64 all differ.
        const STEP: u64 = 0x9E37_79B9_7F4A_7C15;
        let own = u64::from_le_bytes(self.0);
        let number = match own.wrapping_add(STEP.wrapping_mul(lost.into())) {
            0 => own.wrapping_add(STEP << 32),
            number => number,
        };
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

/// What a claim may disregard.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Force {
    /// Nothing: a fresh value is handed out.
    No,
    /// That the value is still fresh: it is in hand, and renewed early.
    Early,
    /// What is there: it is of no use to the caller, who has nothing in hand. No back-off binds him.
    Useless,
}

/// A wish to load a value.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Claim {
    pub(crate) token: Token,
    pub(crate) lease_ms: u64,
    pub(crate) force: Force,
    /// The soft expiry of what was looked at: over anything else nothing is forced. `None`: whatever is there.
    pub(crate) seen: Option<u64>,
}

impl Claim {
    /// One of a fresh token, for as long as the option `lease` says.
    pub(crate) fn new(lease: Duration, force: Force, seen: Option<u64>) -> Self {
        Claim {
            token: Token::new(),
            lease_ms: millis_rounded_up(lease).min(LATEST_MS),
            force,
            seen,
        }
    }

    /// The token of the attempt that follows `lost` of which nothing was heard, and that of the one before. Whichever
    /// arrives last, only the one that was answered holds the lease.
    pub(crate) fn attempt(&self, lost: u32) -> (Token, Option<Token>) {
        let former = lost.checked_sub(1).map(|before| self.token.nth(before));
        (self.token.nth(lost), former)
    }
}

/// What a store says to a [`Claim`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Acquired<V> {
    /// The lease is yours: load, and store. It is held under this token, which is the claim's own unless that was sent
    /// again.
    Yours(Token),
    /// Somebody else loads; what is there may be served meanwhile.
    Stale,
    /// There is a value: a fresh one, or one that no lease can stand in.
    Found(V),
    /// Somebody else loads, for so many milliseconds yet, and nothing can be served.
    Held(u64),
}

impl<V> Acquired<V> {
    pub(crate) fn as_ref(&self) -> Acquired<&V> {
        match self {
            Acquired::Yours(token) => Acquired::Yours(*token),
            Acquired::Stale => Acquired::Stale,
            Acquired::Found(value) => Acquired::Found(value),
            Acquired::Held(ms) => Acquired::Held(*ms),
        }
    }

    /// The same with another value.
    pub(crate) fn map<W>(self, change: impl FnOnce(V) -> W) -> Acquired<W> {
        match self {
            Acquired::Yours(token) => Acquired::Yours(token),
            Acquired::Stale => Acquired::Stale,
            Acquired::Found(value) => Acquired::Found(change(value)),
            Acquired::Held(ms) => Acquired::Held(ms),
        }
    }
}

/// What became of a value that was to be stored under a lease.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stored {
    Yes,
    /// The lease is lost; but this was sent again after an attempt of which nothing was heard, and that one may have stored
    /// the value and ended the lease.
    Perhaps,
    /// The lease was lost, and nothing was stored.
    No,
}

/// Is told of item `index` what became of its value.
pub(crate) type EachStored<'a> = dyn FnMut(usize, Result<Stored>) + 'a;

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

    /// STORE: stores a value if the lease is still held; [`Life::Expired`] removes the key instead.
    fn fulfill(
        &self,
        key: &[u8],
        token: Token,
        value: Value<'_>,
        life: Life,
        budget: Budget,
    ) -> Result<Stored>;

    /// STORE of many, one pipeline a node. All slices are as long as `keys`.
    fn fulfill_many(
        &self,
        keys: &KeyList,
        tokens: &[Token],
        values: &[(Value<'_>, Life)],
        budget: Budget,
        each: &mut EachStored<'_>,
    );

    /// SWAP: stores a value in the place of `old`, all of which is compared; [`Life::Expired`] removes the key instead.
    /// False: somebody wrote or removed it, and that stays. Never sent again: after an error it may have been stored.
    fn swap(
        &self,
        key: &[u8],
        old: &[u8],
        value: Value<'_>,
        life: Life,
        budget: Budget,
    ) -> Result<bool>;

    /// SWAP of many, one pipeline a node. All slices are as long as `keys`.
    fn swap_many(
        &self,
        keys: &KeyList,
        olds: &[&[u8]],
        values: &[(Value<'_>, Life)],
        budget: Budget,
        each: &mut EachDone<'_>,
    );

    /// RELEASE: gives the lease back after a failed load. A value that can be served is not loaded again for `backoff_ms`;
    /// anything else is removed. False: the lease was not held.
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

    /// RENEW of many, one pipeline a node. `tokens` is as long as `keys`.
    fn renew_many(
        &self,
        keys: &KeyList,
        tokens: &[Token],
        lease_ms: u64,
        budget: Budget,
        each: &mut EachDone<'_>,
    );

    /// EXPIRE_SOFT: a value becomes stale at once and may be served for as long as it could have been. False: there was
    /// none. Where the store is full (OOM) the key is removed, in a second round trip, before that is told.
    fn expire_soft(&self, key: &[u8], budget: Budget) -> Result<bool>;

    /// Takes a lock that nobody else holds: its fencing number, another one each time. `None`: somebody holds it.
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

    #[test]
    fn attempts_at_one_claim_have_different_tokens() {
        let zero_next = Token::of(0u64.wrapping_sub(0x9E37_79B9_7F4A_7C15).to_le_bytes());
        for token in [Token::new(), Token::of(*b"my token"), zero_next] {
            assert_eq!(token.nth(0), token);
            let all = (0..1000).map(|lost| *token.nth(lost).bytes());
            let distinct: std::collections::BTreeSet<_> = all.collect();
            assert_eq!(distinct.len(), 1000);
            assert!(!distinct.contains(&[0; 8]));
        }
    }
}
