//! The lease protocol and locks on servers: every step is a script on one key, so it goes wherever a write to that key
//! goes. What they decide is decided by the server's clock alone.

use crate::base::budget::Budget;
use crate::error::Result;
use crate::expiry::{Clock, Life};
use crate::redis::command::script::Script;
use crate::redis::command::values::{pack_entry_life, signed};
use crate::redis::connection::replies::Replies;
use crate::redis::connection::reply::{self, Reply};
use crate::redis::connection::resp::{Encoder, Token as Word};
use crate::redis::fleet::many::To;
use crate::redis::fleet::scripted;
use crate::redis::node::time::Time;
use crate::redis::values::many;
use crate::store::{
    Access, Acquired, Claim, EachAcquired, EachDone, EachStored, Force, KeyList, LATEST_MS, Leases,
    Sink, Stored, Token, Value,
};

use super::store::RedisStore;

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
        let (answer, node) = self.run(script, &[key], budget, 5, pack, read)?;
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
        self.step(&self.scripts.store, key, 3, budget, pack, stored)
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
        self.step(&self.scripts.swap, key, 3, budget, pack, |from| from.flag())
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
        self.step(&self.scripts.release, key, 2, budget, pack, |from| {
            from.done_once()
        })
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
        self.step(&self.scripts.renew, key, 2, budget, pack, |from| {
            from.flag()
        })
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
        self.step(
            &self.scripts.expire_soft,
            key,
            0,
            budget,
            |_| {},
            |from| from.done_once(),
        )
    }

    fn lock(&self, key: &[u8], token: Token, ms: u64, budget: Budget) -> Result<Option<u64>> {
        let pack = |to: &mut Encoder<'_>| pack_token(to, token, ms);
        let number = self.step(&self.scripts.lock, key, 2, budget, pack, |from| from.int())?;
        Ok(u64::try_from(number).ok().filter(|number| *number > 0))
    }

    fn extend_lock(&self, key: &[u8], token: Token, ms: u64, budget: Budget) -> Result<bool> {
        let pack = |to: &mut Encoder<'_>| pack_token(to, token, ms);
        self.step(&self.scripts.extend, key, 2, budget, pack, |from| {
            from.flag()
        })
    }

    fn unlock(&self, key: &[u8], token: Token, budget: Budget) -> Result<bool> {
        let pack = |to: &mut Encoder<'_>| {
            to.arg(token.bytes());
        };
        self.step(&self.scripts.unlock, key, 1, budget, pack, |from| {
            from.flag()
        })
    }
}

impl RedisStore {
    fn step<R>(
        &self,
        script: &Script,
        key: &[u8],
        args: usize,
        budget: Budget,
        pack: impl Fn(&mut Encoder<'_>),
        read: impl FnMut(&mut Replies<'_>) -> Reply<R>,
    ) -> Result<R> {
        let (answer, _) = self.run(script, &[key], budget, args, pack, read)?;
        Ok(answer)
    }
}

fn pack_claim(to: &mut Encoder<'_>, claim: Claim) {
    let (token, former) = claim.attempt(to.lost());
    let force = match claim.force {
        Force::No => b"0",
        Force::Early => b"1",
        Force::Useless => b"2",
    };
    to.arg(token.bytes())
        .int(signed(claim.lease_ms.min(LATEST_MS)))
        .arg(force);
    match claim.seen {
        Some(soft_expire) => to.arg(&soft_expire.to_le_bytes()),
        None => to.arg(b""),
    };
    match former {
        Some(former) => to.arg(former.bytes()),
        None => to.arg(b""),
    };
}

fn pack_store(to: &mut Encoder<'_>, token: Token, value: Value<'_>, life: Life) {
    let to = to.arg(token.bytes()).joined(value.head, value.body);
    pack_entry_life(to, life);
}

fn pack_swap(to: &mut Encoder<'_>, old: &[u8], value: Value<'_>, life: Life) {
    let to = to.arg(old).joined(value.head, value.body);
    pack_entry_life(to, life);
}

fn pack_token(to: &mut Encoder<'_>, token: Token, ms: u64) {
    to.arg(token.bytes()).int(signed(ms.min(LATEST_MS)));
}

/// The answer of ACQUIRE, up to the value that follows [`Acquired::Found`].
fn claimed(from: &mut Replies<'_>, claim: Claim) -> Reply<Acquired<()>> {
    let odd = || Err(reply::unexpected("an answer to a claim"));
    let len = match from.array()? {
        Ok(len) => len,
        Err(refusal) => return Ok(Err(refusal)),
    };
    let code = match from.int()? {
        Ok(code) => code,
        Err(_) => return odd(),
    };
    Ok(Ok(match (code, len) {
        (1, 1) => Acquired::Yours(claim.attempt(from.lost()).0),
        (2, 1) => Acquired::Stale,
        (3, 2) => Acquired::Found(()),
        (4, 2) => match from.int()? {
            Ok(ms) => Acquired::Held(u64::try_from(ms).unwrap_or_default()),
            Err(_) => return odd(),
        },
        _ => return odd(),
    }))
}

/// The answer of STORE.
fn stored(from: &mut Replies<'_>) -> Reply<Stored> {
    let is_repeated = from.is_repeated();
    Ok(from.flag()?.map(|done| match (done, is_repeated) {
        (true, _) => Stored::Yes,
        (false, true) => Stored::Perhaps,
        (false, false) => Stored::No,
    }))
}

struct Acquire<'a> {
    script: &'a Script,
    claims: &'a [Claim],
}

impl scripted::Step for Acquire<'_> {
    type Answer<'a> = Acquired<&'a [u8]>;
    const ARGS: usize = 5;

    fn script(&self) -> &Script {
        self.script
    }

    fn pack_args(&self, to: &mut Encoder<'_>, item: usize) {
        if let Some(claim) = self.claims.get(item) {
            pack_claim(to, *claim);
        }
    }

    fn read(
        &self,
        from: &mut Replies<'_>,
        item: usize,
        mut tell: impl FnMut(Acquired<&[u8]>),
    ) -> Reply<()> {
        let Some(claim) = self.claims.get(item) else {
            return Err(reply::unexpected("no answer"));
        };
        let answer = match claimed(from, *claim)? {
            Ok(Acquired::Found(())) => match from.next()? {
                Word::Bulk(value) => Acquired::Found(value),
                _ => return Err(reply::unexpected("a value")),
            },
            Ok(answer) => answer.map(|()| &[][..]),
            Err(refusal) => return Ok(Err(refusal)),
        };
        tell(answer);
        Ok(Ok(()))
    }
}

struct Fulfill<'a> {
    script: &'a Script,
    tokens: &'a [Token],
    values: &'a [(Value<'a>, Life)],
}

impl scripted::Step for Fulfill<'_> {
    type Answer<'a> = Stored;
    const ARGS: usize = 3;

    fn script(&self) -> &Script {
        self.script
    }

    fn pack_args(&self, to: &mut Encoder<'_>, item: usize) {
        if let (Some(token), Some((value, life))) = (self.tokens.get(item), self.values.get(item)) {
            pack_store(to, *token, *value, *life);
        }
    }

    fn size(&self, item: usize) -> usize {
        self.values.get(item).map_or(0, |(value, _)| value.len())
    }

    fn read(&self, from: &mut Replies<'_>, _: usize, tell: impl FnMut(Stored)) -> Reply<()> {
        Ok(stored(from)?.map(tell))
    }
}

struct Swap<'a> {
    script: &'a Script,
    olds: &'a [&'a [u8]],
    values: &'a [(Value<'a>, Life)],
}

impl scripted::Step for Swap<'_> {
    type Answer<'a> = bool;
    const ARGS: usize = 3;

    fn script(&self) -> &Script {
        self.script
    }

    fn pack_args(&self, to: &mut Encoder<'_>, item: usize) {
        if let (Some(old), Some((value, life))) = (self.olds.get(item), self.values.get(item)) {
            pack_swap(to, old, *value, *life);
        }
    }

    fn size(&self, item: usize) -> usize {
        let old = self.olds.get(item).map_or(0, |old| old.len());
        old + self.values.get(item).map_or(0, |(value, _)| value.len())
    }

    fn read(&self, from: &mut Replies<'_>, _: usize, tell: impl FnMut(bool)) -> Reply<()> {
        Ok(from.flag()?.map(tell))
    }
}

/// A step of the holder of a lease: RELEASE, RENEW.
struct Owned<'a> {
    script: &'a Script,
    tokens: &'a [Token],
    ms: u64,
    read: fn(&mut Replies<'_>) -> Reply<bool>,
}

impl scripted::Step for Owned<'_> {
    type Answer<'a> = bool;
    const ARGS: usize = 2;

    fn script(&self) -> &Script {
        self.script
    }

    fn pack_args(&self, to: &mut Encoder<'_>, item: usize) {
        if let Some(token) = self.tokens.get(item) {
            pack_token(to, *token, self.ms);
        }
    }

    fn read(&self, from: &mut Replies<'_>, _: usize, tell: impl FnMut(bool)) -> Reply<()> {
        Ok((self.read)(from)?.map(tell))
    }
}

const OWNERS: To<'static> = To::Owners(Access::Write);
