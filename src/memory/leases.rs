//! The lease protocol and locks on the embedded store: every step is one step of its table, by the clock of this process.

use crate::base::budget::Budget;
use crate::error::Result;
use crate::expiry::{Clock, Life};
use crate::store::{
    Acquired, Claim, EachAcquired, EachDone, EachStored, KeyList, LATEST_MS, Leases, Sink, Stored,
    Token, Value,
};

use super::{MemoryStore, given};

impl Leases for MemoryStore {
    fn clock(&self, _: &[u8], _: Budget) -> Result<Clock> {
        Ok(Clock::own())
    }

    fn acquire(
        &self,
        key: &[u8],
        claim: Claim,
        sink: &mut dyn Sink,
        _: Budget,
    ) -> Result<(Acquired<()>, Clock)> {
        let answer = self.command("SET", |table, now| table.acquire(key, claim, 0, now))?;
        if let Acquired::Found(value) = &answer {
            sink.begin(value, value.len())?;
        }
        Ok((answer.map(drop), Clock::own()))
    }

    fn acquire_many(
        &self,
        keys: &KeyList,
        claims: &[Claim],
        _: Budget,
        each: &mut EachAcquired<'_>,
    ) {
        for (index, key) in keys.iter() {
            let answer = given(claims, index).and_then(|claim| {
                self.command("SET", |table, now| table.acquire(key, *claim, 0, now))
            });
            let answer = match &answer {
                Ok(answer) => Ok(answer.as_ref().map(|value| &value[..])),
                Err(error) => Err(error.clone()),
            };
            each(index, answer, Clock::own());
        }
    }

    fn fulfill(
        &self,
        key: &[u8],
        token: Token,
        value: Value<'_>,
        life: Life,
        _: Budget,
    ) -> Result<Stored> {
        let done = self.command("SET", |table, now| {
            table.fulfill(key, token, value, life, now)
        })?;
        Ok(if done { Stored::Yes } else { Stored::No })
    }

    fn fulfill_many(
        &self,
        keys: &KeyList,
        tokens: &[Token],
        values: &[(Value<'_>, Life)],
        budget: Budget,
        each: &mut EachStored<'_>,
    ) {
        for (index, key) in keys.iter() {
            let stored = given(tokens, index).and_then(|token| {
                let (value, life) = given(values, index)?;
                self.fulfill(key, *token, *value, *life, budget)
            });
            each(index, stored);
        }
    }

    fn swap(
        &self,
        key: &[u8],
        old: &[u8],
        value: Value<'_>,
        life: Life,
        _: Budget,
    ) -> Result<bool> {
        self.command("SET", |table, now| table.swap(key, old, value, life, now))
    }

    fn swap_many(
        &self,
        keys: &KeyList,
        olds: &[&[u8]],
        values: &[(Value<'_>, Life)],
        budget: Budget,
        each: &mut EachDone<'_>,
    ) {
        for (index, key) in keys.iter() {
            let done = given(olds, index).and_then(|old| {
                let (value, life) = given(values, index)?;
                self.swap(key, old, *value, *life, budget)
            });
            each(index, done);
        }
    }

    fn release(&self, key: &[u8], token: Token, backoff_ms: u64, _: Budget) -> Result<bool> {
        let ms = backoff_ms.min(LATEST_MS);
        Ok(self.step(|table, now| table.release(key, token, ms, now)))
    }

    fn release_many(
        &self,
        keys: &KeyList,
        tokens: &[Token],
        backoff_ms: u64,
        budget: Budget,
        each: &mut EachDone<'_>,
    ) {
        for (index, key) in keys.iter() {
            let token = given(tokens, index);
            each(
                index,
                token.and_then(|token| self.release(key, *token, backoff_ms, budget)),
            );
        }
    }

    fn renew(&self, key: &[u8], token: Token, lease_ms: u64, _: Budget) -> Result<bool> {
        let ms = lease_ms.min(LATEST_MS);
        Ok(self.step(|table, now| table.renew(key, token, ms, now)))
    }

    fn renew_many(
        &self,
        keys: &KeyList,
        tokens: &[Token],
        lease_ms: u64,
        budget: Budget,
        each: &mut EachDone<'_>,
    ) {
        for (index, key) in keys.iter() {
            let token = given(tokens, index);
            each(
                index,
                token.and_then(|token| self.renew(key, *token, lease_ms, budget)),
            );
        }
    }

    fn expire_soft(&self, key: &[u8], _: Budget) -> Result<bool> {
        self.command("SET", |table, now| table.expire_soft(key, now))
    }

    fn lock(&self, key: &[u8], token: Token, ms: u64, _: Budget) -> Result<Option<u64>> {
        let now_us = Clock::own().now_us();
        self.table
            .lock(key, token, ms, now_us)
            .map_err(|error| error.during("SET").at_node(&self.location))
    }

    fn extend_lock(&self, key: &[u8], token: Token, ms: u64, _: Budget) -> Result<bool> {
        Ok(self.step(|table, now| table.extend_lock(key, token, ms, now)))
    }

    fn unlock(&self, key: &[u8], token: Token, _: Budget) -> Result<bool> {
        Ok(self.step(|table, now| table.unlock(key, token, now)))
    }
}
