//! The embedded store behind `memory://`: a [`Store`] with the behaviour of a Redis server and the scripts, inside
//! this process and without a network. It stands on a [`Table`]; values are shared, so that they are copied to
//! their readers while others go on. It is bounded in bytes; what was not used for long goes first, but for locks and
//! leases that are held.

pub(crate) mod leases;
pub(crate) mod shared;
pub(crate) mod table;
#[cfg(test)]
pub(crate) mod tests;
pub(crate) mod timed;

use std::fmt;

use crate::base::budget::Budget;
use crate::base::clocks::wall_us;
use crate::error::{Error, ErrorKind, Result};
use crate::expiry::{Clock, Life};
use crate::store::{
    Access, Change, EachDone, EachHead, EachValue, Head, Hit, KeyList, NodeState, Pttl, ScanStep,
    Sink, Store, Touch, Traffic, Value, Values, Walks, glob, head_of,
};

use self::table::{Entry, Packed, Table};

/// The most slots that one step of a scan looks at, whatever it was asked for: it does so under the lock.
const LONGEST_STEP: usize = 10_000;

/// A store in this process.
pub(crate) struct MemoryStore {
    /// Its title, or `memory://` and the name it is shared under, if any.
    location: String,
    table: Table,
}

impl MemoryStore {
    fn new(name: Option<&str>, title: Option<&str>, limit: usize) -> Self {
        let location = || format!("memory://{}", name.unwrap_or_default());
        let location = title.map_or_else(location, str::to_owned);
        MemoryStore {
            location,
            table: Table::new(limit),
        }
    }

    /// One atomic step.
    fn step<R>(&self, work: impl FnOnce(&Table, u64) -> R) -> R {
        work(&self.table, Clock::own().now_ms())
    }

    /// One atomic step of a command that can fail.
    fn command<R>(
        &self,
        name: &'static str,
        work: impl FnOnce(&Table, u64) -> Result<R>,
    ) -> Result<R> {
        self.step(work)
            .map_err(|error| error.during(name).at_node(&self.location))
    }

    fn value(&self, key: &[u8]) -> Option<Packed> {
        self.step(|table, now| table.find(key, now))
    }

    /// The same, and it is none the more used for that.
    fn peek(&self, key: &[u8]) -> Option<Packed> {
        self.step(|table, now| table.peek(key, now))
    }

    fn must_be_this(&self, node: &str) -> Result<()> {
        if node == self.location {
            return Ok(());
        }
        let text = format!(
            "there is no node {node:?}; the only one is {:?}",
            self.location
        );
        Err(Error::new(ErrorKind::InvalidArgument, text))
    }
}

impl Values for MemoryStore {
    fn get(
        &self,
        key: &[u8],
        _: Access,
        sink: &mut dyn Sink,
        budget: Budget,
    ) -> Result<Option<Clock>> {
        let clock = Clock::own();
        let now = clock.ms_at(budget.now_us());
        let at_once = |entry: &Entry| Hit::of(sink, entry.value(), || entry.packed());
        let Some(hit) = self.table.look(key, now, at_once) else {
            return Ok(None);
        };
        hit.finish(sink)?;
        Ok(Some(clock))
    }

    fn get_many(&self, keys: &KeyList, _: Access, _: Budget, each: &mut EachValue<'_>) {
        for (index, key) in keys.iter() {
            each(index, Ok(self.value(key).as_deref()), Clock::own());
        }
    }

    fn set(&self, key: &[u8], value: Value<'_>, life: Life, _: Budget) -> Result<()> {
        self.command("SET", |table, now| {
            table.set_or_remove(key, value, life, now)
        })
    }

    fn set_many(
        &self,
        keys: &KeyList,
        values: &[(Value<'_>, Life)],
        budget: Budget,
        each: &mut EachDone<'_>,
    ) {
        for (index, key) in keys.iter() {
            let done =
                given(values, index).and_then(|(value, life)| self.set(key, *value, *life, budget));
            each(index, done.map(|()| true));
        }
    }

    fn add(&self, key: &[u8], value: Value<'_>, life: Life, _: Budget) -> Result<bool> {
        self.command("SET", |table, now| table.add(key, value, life, now))
    }

    fn add_many(
        &self,
        keys: &KeyList,
        values: &[(Value<'_>, Life)],
        _: Budget,
        each: &mut EachDone<'_>,
    ) {
        for (index, key) in keys.iter() {
            let added = given(values, index).and_then(|(value, life)| {
                self.command("SET", |table, now| table.set_new(key, *value, *life, now))
            });
            each(index, added);
        }
    }

    fn delete(&self, key: &[u8], _: Budget) -> Result<bool> {
        Ok(self.step(|table, now| table.remove(key, now)))
    }

    fn delete_many(&self, keys: &KeyList, budget: Budget, each: &mut EachDone<'_>) {
        for (index, key) in keys.iter() {
            each(index, self.delete(key, budget));
        }
    }

    fn head(&self, key: &[u8], _: Access, _: Budget) -> Result<Option<(Head, Clock)>> {
        let look = |entry: &Entry| head_of(entry.value());
        let head = self.step(|table, now| table.look(key, now, look));
        Ok(head.map(|head| (head, Clock::own())))
    }

    fn ttl(&self, key: &[u8], _: Budget) -> Result<Option<(Pttl, Head, Clock)>> {
        Ok(self.step(|table, now| {
            table.look(key, now, |entry| {
                (entry.pttl(now), head_of(entry.value()), Clock::own())
            })
        }))
    }

    fn touch(&self, key: &[u8], touch: Touch, _: Budget) -> Result<bool> {
        let touch = in_own_time(touch);
        Ok(self.step(|table, now| table.touch(key, touch, now)))
    }

    fn incr(&self, key: &[u8], delta: i64, _: Budget) -> Result<Option<i64>> {
        self.command("INCRBY", |table, now| table.incr(key, delta, now))
    }

    fn incr_or_create(
        &self,
        key: &[u8],
        delta: i64,
        initial: i64,
        life: Life,
        _: Budget,
    ) -> Result<i64> {
        self.command("INCRBY", |table, now| {
            table.incr_or_create(key, delta, initial, life, now)
        })
    }

    fn rename(&self, from: &[u8], to: &[u8], _: Budget) -> Result<bool> {
        self.command("RENAME", |table, now| table.rename(from, to, now))
    }
}

impl Walks for MemoryStore {
    fn nodes(&self, _: Budget) -> Result<Vec<String>> {
        Ok(vec![self.location.clone()])
    }

    fn scan(&self, step: ScanStep<'_>, _: Budget, each: &mut dyn FnMut(&[u8])) -> Result<u64> {
        self.must_be_this(step.node)?;
        let count = usize::try_from(step.count)
            .unwrap_or(usize::MAX)
            .clamp(1, LONGEST_STEP);
        let (keys, next) = self.step(|table, now| table.keys_from(step.cursor, count, now));
        keys.iter()
            .map(Packed::key)
            .filter(|key| glob::matches(step.pattern, key))
            .for_each(each);
        Ok(next)
    }

    fn walked(&self, cursor: u64, at_least: f64) -> f64 {
        self.step(|table, _| table.walked(cursor)).max(at_least)
    }

    fn unlink(&self, node: &str, keys: &KeyList, _: Budget) -> Result<u64> {
        self.must_be_this(node)?;
        let removed = keys
            .iter()
            .filter(|(_, key)| self.step(|table, now| table.remove(key, now)));
        Ok(removed.count() as u64)
    }

    fn heads_at(&self, node: &str, keys: &KeyList, _: Budget, each: &mut EachHead<'_>) {
        let here = self.must_be_this(node);
        for (index, key) in keys.iter() {
            let head = here.clone().map(|()| self.peek(key));
            let head = head
                .as_ref()
                .map(|value| value.as_deref().unwrap_or_default());
            each(index, head.map_err(Clone::clone), Clock::own());
        }
    }

    fn read_at(&self, node: &str, keys: &KeyList, _: Budget, each: &mut EachValue<'_>) {
        let here = self.must_be_this(node);
        for (index, key) in keys.iter() {
            let value = here.clone().map(|()| self.peek(key));
            let value = value.as_ref().map(|value| value.as_deref());
            each(index, value.map_err(Clone::clone), Clock::own());
        }
    }

    fn replace_at(
        &self,
        node: &str,
        keys: &KeyList,
        changes: &[Change<'_>],
        _: Budget,
        each: &mut EachDone<'_>,
    ) {
        let here = self.must_be_this(node);
        for (index, key) in keys.iter() {
            let change = here.clone().and_then(|()| given(changes, index));
            let done = change.and_then(|Change { old, new }| {
                self.command("SET", |table, now| table.replace(key, old, *new, now))
            });
            each(index, done);
        }
    }
}

impl Store for MemoryStore {
    fn flush(&self, _: Budget) -> Result<()> {
        self.table.clear();
        Ok(())
    }

    fn ping(&self, _: Budget) -> Result<()> {
        Ok(())
    }

    fn locate(&self, _: &[u8], _: Budget) -> Result<String> {
        Ok(self.location.clone())
    }

    fn members(&self, _: Budget) -> Result<Vec<NodeState>> {
        Ok(vec![NodeState {
            name: self.location.clone(),
            location: self.location.clone(),
            owns_keys: true,
            is_refusing: false,
            connections_open: 0,
            connections_idle: 0,
        }])
    }

    fn traffic(&self) -> Traffic {
        Traffic::default()
    }

    fn reset_traffic(&self) {}

    fn close(&self) {}
}

/// Without what is stored.
impl fmt::Debug for MemoryStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("MemoryStore").field(&self.location).finish()
    }
}

/// A caller's Unix time is one by the wall clock as it stands now; from here on it is a distance from now.
fn in_own_time(touch: Touch) -> Touch {
    let Touch::At(unix_ms) = touch else {
        return touch;
    };
    let ahead_us = wall_us() - Clock::own().now_us().cast_signed();
    let ahead_ms = (ahead_us + 500).div_euclid(1000);
    Touch::At(unix_ms.saturating_add_signed(ahead_ms.saturating_neg()))
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
