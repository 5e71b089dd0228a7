//! The lease protocol and locks on servers: every step is a script on one key, so it goes wherever a write to that key
//! goes. What they decide is decided by the server's clock alone.

pub(crate) mod steps;

use crate::base::budget::Budget;
use crate::error::Result;
use crate::expiry::{Clock, Life};
use crate::redis::command::Run;
use crate::redis::connection::replies::Replies;
use crate::redis::connection::reply;
use crate::redis::connection::resp::Encoder;
use crate::redis::fleet::many::To;
use crate::redis::node::time::Time;
use crate::redis::values::many;
use crate::store::{
    Access, Acquired, Claim, EachAcquired, EachDone, EachStored, KeyList, Leases, Sink, Stored,
    Token, Value,
};

use steps::{
    Acquire, Fulfill, Owned, Swap, claimed, pack_claim, pack_store, pack_swap, pack_token, stored,
};

use super::store::RedisStore;

const OWNERS: To<'static> = To::Owners(Access::Write);

impl Leases for RedisStore {
    fn clock(&self, key: &[u8], budget: Budget) -> Result<Clock> {
        let node = self.fleet.topology.pick(key, Access::Write, budget)?;
        if let Some(clock) = node.known_clock() {
            return Ok(clock);
        }
        // The greeting of the connection that this opens asks for the time.
        let (_, node) = self
            .fleet
            .ask((key, Access::Write), budget, Time::default())?;
        Ok(node.clock())
    }

    fn acquire(
        &self,
        key: &[u8],
        claim: Claim,
        sink: &mut dyn Sink,
        budget: Budget,
    ) -> Result<(Acquired<()>, Clock)> {
        let pack = |to: &mut Encoder<'_>| pack_claim(to, claim);
        let read = |from: &mut Replies<'_>| {
            match claimed(from, claim)? {
                // What was found is read by its own rules.
                Ok(Acquired::Found(())) => match from.value(sink)? {
                    Ok(true) => Ok(Ok(Acquired::Found(()))),
                    Ok(false) => Err(reply::unexpected("a value")),
                    Err(refused) => Ok(Err(refused)),
                },
                answer => Ok(answer),
            }
        };
        let script = &self.scripts.acquire;
        let (answer, node) = self.run_by(Run::new(script, &[key], 5, pack, read), budget)?;
        if answer == Acquired::Found(()) {
            // It is fresh by the server's clock, which is the one that counts.
            match sink.fresh_until_ms() {
                0 => {}
                until => node.contradicted(until, budget),
            }
        }
        Ok((answer, node.clock()))
    }

    fn acquire_many(
        &self,
        keys: &KeyList,
        claims: &[Claim],
        budget: Budget,
        each: &mut EachAcquired<'_>,
    ) {
        let script = &self.scripts.acquire;
        let step = Acquire { script, claims };
        self.fleet.run_many(OWNERS, keys, &step, budget, each);
    }

    fn fulfill(
        &self,
        key: &[u8],
        token: Token,
        value: Value<'_>,
        life: Life,
        budget: Budget,
    ) -> Result<Stored> {
        let pack = |to: &mut Encoder<'_>| pack_store(to, token, value, life);
        self.run(
            Run::new(&self.scripts.store, &[key], 3, pack, stored).with(value),
            budget,
        )
    }

    fn fulfill_many(
        &self,
        keys: &KeyList,
        tokens: &[Token],
        values: &[(Value<'_>, Life)],
        budget: Budget,
        each: &mut EachStored<'_>,
    ) {
        let script = &self.scripts.store;
        let step = Fulfill {
            script,
            tokens,
            values,
        };
        self.fleet
            .run_many(OWNERS, keys, &step, budget, |item, stored, _| {
                each(item, stored);
            });
    }

    fn swap(
        &self,
        key: &[u8],
        old: &[u8],
        value: Value<'_>,
        life: Life,
        budget: Budget,
    ) -> Result<bool> {
        let pack = |to: &mut Encoder<'_>| pack_swap(to, old, value, life);
        self.run(
            Run::new(&self.scripts.swap, &[key], 3, pack, |from| from.flag()).with(value),
            budget,
        )
    }

    fn swap_many(
        &self,
        keys: &KeyList,
        olds: &[&[u8]],
        values: &[(Value<'_>, Life)],
        budget: Budget,
        each: &mut EachDone<'_>,
    ) {
        let script = &self.scripts.swap;
        let step = Swap {
            script,
            olds,
            values,
        };
        self.fleet
            .run_many(OWNERS, keys, &step, budget, many::done(each));
    }

    fn release(&self, key: &[u8], token: Token, backoff_ms: u64, budget: Budget) -> Result<bool> {
        let pack = |to: &mut Encoder<'_>| pack_token(to, token, backoff_ms);
        self.run(
            Run::new(&self.scripts.release, &[key], 2, pack, |from| {
                from.done_once()
            }),
            budget,
        )
    }

    fn release_many(
        &self,
        keys: &KeyList,
        tokens: &[Token],
        backoff_ms: u64,
        budget: Budget,
        each: &mut EachDone<'_>,
    ) {
        let step = Owned {
            script: &self.scripts.release,
            tokens,
            ms: backoff_ms,
            read: |from| from.done_once(),
        };
        self.fleet
            .run_many(OWNERS, keys, &step, budget, many::done(each));
    }

    fn renew(&self, key: &[u8], token: Token, lease_ms: u64, budget: Budget) -> Result<bool> {
        let pack = |to: &mut Encoder<'_>| pack_token(to, token, lease_ms);
        self.run(
            Run::new(&self.scripts.renew, &[key], 2, pack, |from| from.flag()),
            budget,
        )
    }

    fn renew_many(
        &self,
        keys: &KeyList,
        tokens: &[Token],
        lease_ms: u64,
        budget: Budget,
        each: &mut EachDone<'_>,
    ) {
        let step = Owned {
            script: &self.scripts.renew,
            tokens,
            ms: lease_ms,
            read: |from| from.flag(),
        };
        self.fleet
            .run_many(OWNERS, keys, &step, budget, many::done(each));
    }

    fn expire_soft(&self, key: &[u8], budget: Budget) -> Result<bool> {
        let script = &self.scripts.expire_soft;
        self.run(
            Run::new(script, &[key], 0, |_| {}, |from| from.done_once()),
            budget,
        )
        .map_err(|error| self.leave_nothing_old(key, error, budget))
    }

    fn lock(&self, key: &[u8], token: Token, ms: u64, budget: Budget) -> Result<Option<u64>> {
        let pack = |to: &mut Encoder<'_>| pack_token(to, token, ms);
        let number = self.run(
            Run::new(&self.scripts.lock, &[key], 2, pack, |from| from.int()),
            budget,
        )?;
        Ok(u64::try_from(number).ok().filter(|number| *number > 0))
    }

    fn extend_lock(&self, key: &[u8], token: Token, ms: u64, budget: Budget) -> Result<bool> {
        let pack = |to: &mut Encoder<'_>| pack_token(to, token, ms);
        self.run(
            Run::new(&self.scripts.extend, &[key], 2, pack, |from| from.flag()),
            budget,
        )
    }

    fn unlock(&self, key: &[u8], token: Token, budget: Budget) -> Result<bool> {
        let pack = |to: &mut Encoder<'_>| {
            to.arg(token.bytes());
        };
        self.run(
            Run::new(&self.scripts.unlock, &[key], 1, pack, |from| from.flag()),
            budget,
        )
    }
}
