//! The lease protocol and locks on the embedded store: every step is one step of its table, by the clock of this process.

use crate::base::budget::Budget;
use crate::error::{Error, ErrorKind, Result};
use crate::expiry::{Clock, Life};
use crate::store::{Acquired, Claim, EachAcquired, EachDone, KeyList, Leases, Sink, Token, Value};

use super::{MemoryStore, joined, locked};

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
        let answer = self.command("SET", |table, now| table.acquire(key, claim, now))?;
        let answer = match answer {
            Acquired::Found(value) => {
                sink.begin(&value, value.len())?;
                Acquired::Found(())
            }
            Acquired::Yours => Acquired::Yours,
            Acquired::Stale => Acquired::Stale,
            Acquired::Held(ms) => Acquired::Held(ms),
        };
        Ok((answer, Clock::own()))
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
                self.command("SET", |table, now| table.acquire(key, *claim, now))
            });
            let answer = match &answer {
                Ok(Acquired::Found(value)) => Ok(Acquired::Found(&value[..])),
                Ok(Acquired::Yours) => Ok(Acquired::Yours),
                Ok(Acquired::Stale) => Ok(Acquired::Stale),
                Ok(Acquired::Held(ms)) => Ok(Acquired::Held(*ms)),
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
    ) -> Result<bool> {
        let value = joined(value);
        self.command("SET", |table, now| {
            table.fulfill(key, token, value, life, now)
        })
    }

    fn fulfill_many(
        &self,
        keys: &KeyList,
        tokens: &[Token],
        values: &[(Value<'_>, Life)],
        budget: Budget,
        each: &mut EachDone<'_>,
    ) {
        for (index, key) in keys.iter() {
            let done = given(tokens, index).and_then(|token| {
                let (value, life) = given(values, index)?;
                self.fulfill(key, *token, *value, *life, budget)
            });
            each(index, done);
        }
    }

    fn release(&self, key: &[u8], token: Token, backoff_ms: u64, _: Budget) -> Result<bool> {
        Ok(self.step(|table, now| table.release(key, token, backoff_ms, now)))
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
        Ok(self.step(|table, now| table.renew(key, token, lease_ms, now)))
    }

    fn expire_soft(&self, key: &[u8], _: Budget) -> Result<bool> {
        self.command("SET", |table, now| table.expire_soft(key, now))
    }

    fn lock(&self, key: &[u8], token: Token, ms: u64, _: Budget) -> Result<Option<u64>> {
        let now_us = Clock::own().now_us();
        locked(&self.table)
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

/// What the caller has for the item at `index`.
fn given<T>(all: &[T], index: usize) -> Result<&T> {
    all.get(index).ok_or_else(|| {
        Error::new(
            ErrorKind::InvalidArgument,
            "there are fewer claims or values than keys",
        )
    })
}
