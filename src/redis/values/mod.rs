//! Values on servers: every operation is the command, the pipeline or the script that does it in one round trip. What a
//! script decides is decided by the server's clock.

pub(crate) mod many;

use std::collections::BTreeMap;

use crate::base::budget::Budget;
use crate::entry::header::Header;
use crate::error::{Error, ErrorKind, Result};
use crate::expiry::{Clock, Life};
use crate::redis::command::Run;
use crate::redis::command::values::{Add, Get, Look, TimeToLive, Unlink, pack_life, signed};
use crate::redis::connection::replies::Replies;
use crate::redis::connection::reply::{self, Reply};
use crate::redis::connection::resp::Encoder;
use crate::redis::fleet::many::To;
use crate::redis::migrate;
use crate::redis::node::Node;
use crate::redis::store::RedisStore;
use crate::store::{
    Access, EachDone, EachValue, Head, KeyList, LATEST_MS, Pttl, Sink, Touch, Value, Values,
};

const OWNERS: To<'static> = To::Owners(Access::Write);

impl Values for RedisStore {
    fn get(
        &self,
        key: &[u8],
        access: Access,
        sink: &mut dyn Sink,
        budget: Budget,
    ) -> Result<Option<Clock>> {
        let get = Get {
            key,
            sink: &mut *sink,
        };
        let (found, node) = self.fleet.ask((key, access), budget, get)?;
        if node.has_old_clock(budget.started()) {
            after_a_miss(&node, found, sink, budget.later());
        }
        Ok(found.then_some(node.clock()))
    }

    fn get_many(&self, keys: &KeyList, access: Access, budget: Budget, each: &mut EachValue<'_>) {
        let get = many::Get {
            keys,
            touches: true,
            together: self.fleet.topology.takes_many_keys(),
        };
        self.fleet
            .ask_many(To::Owners(access), keys, &get, budget, each);
    }

    fn set(&self, key: &[u8], value: Value<'_>, life: Life, budget: Budget) -> Result<()> {
        if life == Life::Expired {
            return self.delete(key, budget).map(drop);
        }
        self.put(key, value, life, budget)
            .map_err(|error| self.leave_nothing_old(key, error, budget))
    }

    fn set_many(
        &self,
        keys: &KeyList,
        values: &[(Value<'_>, Life)],
        budget: Budget,
        each: &mut EachDone<'_>,
    ) {
        if let Some((_, Life::Expired)) = values.first() {
            return self.delete_many(keys, budget, each);
        }
        let set = many::Set::new(keys, values);
        let mut refused: Vec<(usize, Error)> = Vec::new();
        self.fleet
            .ask_many(OWNERS, keys, &set, budget, |item, done, _| match done {
                Err(error) if error.says_full() => refused.push((item, error)),
                done => each(item, done),
            });
        if !refused.is_empty() {
            self.leave_none_old(keys, refused, budget, each);
        }
    }

    /// A script follows only when what is in its way is not a live value.
    fn add(&self, key: &[u8], value: Value<'_>, life: Life, budget: Budget) -> Result<bool> {
        if life == Life::Expired {
            let there = self.head(key, Access::Write, budget)?;
            return Ok(there.is_none_or(|(head, clock)| !is_live(&head, clock)));
        }
        let add = Add { key, value, life };
        let (there, node) = self.fleet.ask((key, Access::Write), budget, add)?;
        let Some(head) = there else { return Ok(true) };
        if is_live(&head, node.clock()) {
            return Ok(false);
        }
        let pack = |to: &mut Encoder<'_>| pack_life(to.joined(value.head, value.body), life);
        let script = &self.scripts.add;
        self.run(
            Run::new(script, &[key], 2, pack, |from| from.flag()).with(value),
            budget.later(),
        )
    }

    fn add_many(
        &self,
        keys: &KeyList,
        values: &[(Value<'_>, Life)],
        budget: Budget,
        each: &mut EachDone<'_>,
    ) {
        let is_over = |item: &usize| matches!(values.get(*item), Some((_, Life::Expired)));
        let (over, items): (Vec<_>, Vec<_>) = keys.places().into_iter().partition(is_over);
        over.into_iter().for_each(|item| each(item, Ok(true)));
        let add = many::Add(many::Set::new(keys, values));
        self.fleet
            .ask_some(OWNERS, keys, items, &add, budget, many::done(each));
    }

    fn delete(&self, key: &[u8], budget: Budget) -> Result<bool> {
        let (existed, _) = self
            .fleet
            .ask((key, Access::Write), budget, Unlink { key })?;
        Ok(existed)
    }

    fn delete_many(&self, keys: &KeyList, budget: Budget, each: &mut EachDone<'_>) {
        let delete = many::Delete { keys };
        self.fleet
            .ask_many(OWNERS, keys, &delete, budget, many::done(each));
    }

    fn head(&self, key: &[u8], access: Access, budget: Budget) -> Result<Option<(Head, Clock)>> {
        let (head, node) = self.fleet.ask((key, access), budget, Look { key })?;
        Ok(head.map(|head| (head, node.clock())))
    }

    fn ttl(&self, key: &[u8], budget: Budget) -> Result<Option<(Pttl, Head, Clock)>> {
        let look = TimeToLive { key };
        let ((ttl, head), node) = self.fleet.ask((key, Access::Write), budget, look)?;
        // -2 is no key, -1 no expiry (<https://redis.io/docs/latest/commands/pttl/>).
        Ok(match ttl {
            -2 => None,
            ms => Some((
                u64::try_from(ms).map_or(Pttl::Forever, Pttl::Millis),
                head,
                node.clock(),
            )),
        })
    }

    fn touch(&self, key: &[u8], touch: Touch, budget: Budget) -> Result<bool> {
        let (how, ms): (&[u8], u64) = match touch {
            Touch::In(ms) => (b"r", ms),
            Touch::At(ms) => (b"a", ms),
            Touch::Persist => (b"p", 0),
        };
        let pack = |to: &mut Encoder<'_>| {
            to.arg(how).int(signed(ms.min(LATEST_MS)));
        };
        let script = &self.scripts.touch;
        self.run(
            Run::new(script, &[key], 2, pack, |from| from.flag()),
            budget,
        )
    }

    fn incr(&self, key: &[u8], delta: i64, budget: Budget) -> Result<Option<i64>> {
        let pack = |to: &mut Encoder<'_>| {
            to.int(delta);
        };
        let keys = [key];
        let incr = Run::new(&self.scripts.incr, &keys, 1, pack, incremented);
        // By itself, and not as the other scripts: it is what counters do all day.
        Ok(self.fleet.ask((key, Access::Write), budget, incr)?.0)
    }

    fn incr_or_create(
        &self,
        key: &[u8],
        delta: i64,
        initial: i64,
        life: Life,
        budget: Budget,
    ) -> Result<i64> {
        if life == Life::Expired {
            return Ok(self.incr(key, delta, budget)?.unwrap_or(initial));
        }
        let pack = |to: &mut Encoder<'_>| pack_life(to.int(delta).int(initial), life);
        let script = &self.scripts.incr_or_create;
        let value = self.run(Run::new(script, &[key], 3, pack, incremented), budget)?;
        value.ok_or_else(|| reply::unexpected("a counter"))
    }

    /// One script where both keys are together, else a move between nodes.
    fn rename(&self, from: &[u8], to: &[u8], budget: Budget) -> Result<bool> {
        if !self.fleet.topology.are_together(from, to, budget)? {
            return migrate::rename(self, from, to, budget);
        }
        let script = &self.scripts.rename;
        match self.run(
            Run::new(script, &[from, to], 0, |_| {}, |from| from.flag()),
            budget,
        ) {
            // The slot of both keys is on its way to another node, and one of them is there already.
            Err(error) if error.code() == Some("TRYAGAIN") => {
                migrate::rename(self, from, to, budget)
            }
            outcome => outcome,
        }
    }
}

impl RedisStore {
    /// What a caller wanted to write over is not to be read any more, although a full server took nothing in its place:
    /// a miss, never an old value. What another client has stored in between goes too.
    #[cold]
    pub(crate) fn leave_nothing_old(&self, key: &[u8], refusal: Error, budget: Budget) -> Error {
        if !refusal.says_full() {
            return refusal;
        }
        match self.delete(key, budget.later()) {
            Ok(_) => refusal,
            Err(error) => still_there(refusal, &error),
        }
    }

    /// The same for the keys that a full server has refused, of whom `each` is told then.
    #[cold]
    fn leave_none_old(
        &self,
        keys: &KeyList,
        refused: Vec<(usize, Error)>,
        budget: Budget,
        each: &mut EachDone<'_>,
    ) {
        let items = refused.iter().map(|(item, _)| *item).collect();
        let mut refused: BTreeMap<usize, Error> = refused.into_iter().collect();
        let delete = many::Delete { keys };
        self.fleet
            .ask_some(OWNERS, keys, items, &delete, budget, |item, done, _| {
                let Some(refusal) = refused.remove(&item) else {
                    return;
                };
                let refusal = match done {
                    Ok(_) => refusal,
                    Err(error) => still_there(refusal, &error),
                };
                each(item, Err(refusal));
            });
    }
}

/// A full server has refused a value, and what became of the old one is not known.
fn still_there(refusal: Error, why: &Error) -> Error {
    let text = format!(
        "{}; and the old value may still be there: {why}",
        refusal.text()
    );
    refusal.with_text(text)
}

/// What is over by its header is a miss too. A hit never asks for the time.
#[cold]
fn after_a_miss(node: &Node, found: bool, sink: &dyn Sink, budget: Budget) {
    let fresh_until = sink.fresh_until_ms();
    if !found || (fresh_until != 0 && fresh_until <= node.clock().now_ms()) {
        node.refresh_clock(budget);
    }
}

/// Whether a plain read would see a value behind this head. No head at all is a foreign value, perhaps an empty one.
fn is_live(head: &Head, clock: Clock) -> bool {
    Header::parse(head).is_none_or(|header| header.is_live(|| clock.now_ms()))
}

/// The answer of the incrementing scripts: {0}, {1, value}, {2} or {3}.
fn incremented(from: &mut Replies<'_>) -> Reply<Option<i64>> {
    if let Err(refusal) = from.array()? {
        return Ok(Err(refusal));
    }
    let wrong = |text| Ok(Err(Error::new(ErrorKind::WrongType, text)));
    match from.int()? {
        Ok(0) => Ok(Ok(None)),
        Ok(1) => Ok(Ok(Some(from.digits()?))),
        Ok(2) => wrong("the value is not an integer"),
        Ok(3) => wrong("the counter would overflow"),
        _ => Err(reply::unexpected("an answer of the script")),
    }
}
