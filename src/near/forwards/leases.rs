//! Leases and locks: whoever takes one, or stores by one, has written.

use crate::base::budget::Budget;
use crate::error::Result;
use crate::expiry::{Clock, Life};
use crate::store::{
    Acquired, Claim, EachAcquired, EachDone, EachStored, KeyList, Leases, Sink, Stored, Token,
    Value,
};

use super::super::NearStore;

impl Leases for NearStore {
    fn clock(&self, key: &[u8], budget: Budget) -> Result<Clock> {
        self.far.clock(key, budget)
    }

    fn acquire(
        &self,
        key: &[u8],
        claim: Claim,
        sink: &mut dyn Sink,
        budget: Budget,
    ) -> Result<(Acquired<()>, Clock)> {
        self.wrote(key, self.far.acquire(key, claim, sink, budget))
    }

    fn acquire_many(
        &self,
        keys: &KeyList,
        claims: &[Claim],
        budget: Budget,
        each: &mut EachAcquired<'_>,
    ) {
        let mut told = |item: usize, done: Result<Acquired<&[u8]>>, clock: Clock| {
            self.forget_item(keys, item);
            each(item, done, clock);
        };
        self.far.acquire_many(keys, claims, budget, &mut told);
    }

    fn fulfill(
        &self,
        key: &[u8],
        token: Token,
        value: Value<'_>,
        life: Life,
        budget: Budget,
    ) -> Result<Stored> {
        self.wrote(key, self.far.fulfill(key, token, value, life, budget))
    }

    fn fulfill_many(
        &self,
        keys: &KeyList,
        tokens: &[Token],
        values: &[(Value<'_>, Life)],
        budget: Budget,
        each: &mut EachStored<'_>,
    ) {
        let mut each = self.wrote_each(keys, each);
        self.far
            .fulfill_many(keys, tokens, values, budget, &mut each);
    }

    fn swap(
        &self,
        key: &[u8],
        old: &[u8],
        value: Value<'_>,
        life: Life,
        budget: Budget,
    ) -> Result<bool> {
        self.wrote(key, self.far.swap(key, old, value, life, budget))
    }

    fn swap_many(
        &self,
        keys: &KeyList,
        olds: &[&[u8]],
        values: &[(Value<'_>, Life)],
        budget: Budget,
        each: &mut EachDone<'_>,
    ) {
        let mut each = self.wrote_each(keys, each);
        self.far.swap_many(keys, olds, values, budget, &mut each);
    }

    fn release(&self, key: &[u8], token: Token, backoff_ms: u64, budget: Budget) -> Result<bool> {
        self.wrote(key, self.far.release(key, token, backoff_ms, budget))
    }

    fn release_many(
        &self,
        keys: &KeyList,
        tokens: &[Token],
        backoff_ms: u64,
        budget: Budget,
        each: &mut EachDone<'_>,
    ) {
        let mut each = self.wrote_each(keys, each);
        self.far
            .release_many(keys, tokens, backoff_ms, budget, &mut each);
    }

    fn renew(&self, key: &[u8], token: Token, lease_ms: u64, budget: Budget) -> Result<bool> {
        self.wrote(key, self.far.renew(key, token, lease_ms, budget))
    }

    fn renew_many(
        &self,
        keys: &KeyList,
        tokens: &[Token],
        lease_ms: u64,
        budget: Budget,
        each: &mut EachDone<'_>,
    ) {
        let mut each = self.wrote_each(keys, each);
        self.far
            .renew_many(keys, tokens, lease_ms, budget, &mut each);
    }

    fn expire_soft(&self, key: &[u8], budget: Budget) -> Result<bool> {
        self.wrote(key, self.far.expire_soft(key, budget))
    }

    fn lock(&self, key: &[u8], token: Token, ms: u64, budget: Budget) -> Result<Option<u64>> {
        self.wrote(key, self.far.lock(key, token, ms, budget))
    }

    fn extend_lock(&self, key: &[u8], token: Token, ms: u64, budget: Budget) -> Result<bool> {
        self.wrote(key, self.far.extend_lock(key, token, ms, budget))
    }

    fn unlock(&self, key: &[u8], token: Token, budget: Budget) -> Result<bool> {
        self.wrote(key, self.far.unlock(key, token, budget))
    }
}
