//! The store behind `redis://`: the primitives of [`Backend`] as commands, over whatever topology serves them. The
//! way of every call is key, node, pool, connection; this file has the part that all calls share, and the others of
//! this folder have one step of the way each.

pub(crate) mod command;
pub(crate) mod connection;
pub(crate) mod fleet;
pub(crate) mod leases;
pub(crate) mod migrate;
pub(crate) mod node;
#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
pub(crate) mod tests;
pub(crate) mod topology;
pub(crate) mod values;
pub(crate) mod walks;
pub(crate) mod wire;

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

use crate::base::budget::Budget;
use crate::base::moment::Moment;
use crate::config::{Hooks, Location, Options};
use crate::error::{Error, ErrorKind, Meaning, Result};
use crate::expiry::{Clock, Life};
use crate::store::{
    Access, Backend, Change, EachDone, EachValue, Entry, Head, KeyList, Pttl, ScanStep, Sink,
    Touch, Traffic, Value,
};

use command::Command;
use command::script::Scripts;
use node::Node;
use topology::{Advice, Failure, Topology};

/// A node that is asked: borrowed where there is but one, so that no call counts references.
type Picked<'a> = Cow<'a, Arc<Node>>;

/// One Redis, or many that look like one.
#[derive(Debug)]
pub(crate) struct RedisBackend {
    topology: Box<dyn Topology>,
    timeout: Duration,
    scripts: Scripts,
}

impl RedisBackend {
    /// Checks that the locations can be served; connects to none of them.
    pub(crate) fn new(options: &Options, locations: &[Location], hooks: &Hooks) -> Result<Self> {
        let topology = topology::new(options, locations, hooks)?;
        let caution = topology.all().iter().find_map(|node| node.caution());
        if let (Some(text), Some(hook)) = (caution, &hooks.error) {
            hook(&Error::new(ErrorKind::Config, text));
        }
        Ok(RedisBackend {
            topology,
            timeout: options.timeout,
            scripts: Scripts::new(),
        })
    }

    /// The time for one call, beginning now.
    fn budget(&self) -> Budget {
        Budget::new(self.timeout)
    }

    /// Asks the node that serves `key`: the way of every call that concerns one key.
    #[inline]
    fn ask<C: Command>(
        &self,
        key: (&[u8], Access),
        budget: Budget,
        command: C,
    ) -> Result<(C::Answer, Clock)> {
        let (answer, node) = self.ask_of(key, budget, command)?;
        Ok((answer, node.clock()))
    }

    /// The same, and who answered.
    #[inline]
    fn ask_of<C: Command>(
        &self,
        (key, access): (&[u8], Access),
        budget: Budget,
        mut command: C,
    ) -> Result<(C::Answer, Picked<'_>)> {
        let pick = || match self.topology.only() {
            Some(node) => Ok((Cow::Borrowed(node), budget)),
            None => {
                let node = self.topology.pick(key, access, budget)?;
                let time = self.topology.time_for(&node, access, budget);
                Ok((Cow::Owned(node), time))
            }
        };
        self.insist((Some(key), access), budget, pick, &mut command)
    }

    /// Asks the owner of that name.
    fn ask_named<C: Command>(&self, name: &str, mut command: C) -> Result<C::Answer> {
        let budget = self.budget();
        let pick = || {
            let node = topology::named(&*self.topology, name, budget)?;
            Ok((Cow::Owned(node), budget))
        };
        let answer = self.insist((None, Access::Write), budget, pick, &mut command)?;
        Ok(answer.0)
    }

    /// Asks a node, and does what the topology advises when that comes to nothing. `pick` is asked every time for a
    /// node and the time it may take, because another node may have taken over.
    #[inline]
    fn insist<'a, C: Command>(
        &self,
        (key, access): (Option<&[u8]>, Access),
        budget: Budget,
        pick: impl Fn() -> Result<(Picked<'a>, Budget)>,
        command: &mut C,
    ) -> Result<(C::Answer, Picked<'a>)> {
        let mut patience = Patience::new(budget);
        let mut to_ask: Option<Arc<Node>> = None;
        let mut lost = 0;
        loop {
            let (node, outcome) = match to_ask.take() {
                None => {
                    let (node, time) = pick().map_err(|error| patience.explain(error))?;
                    let outcome = node.run(lost, time, command);
                    (node, outcome)
                }
                Some(node) => {
                    let outcome = fleet::asking::run(&node, lost, budget, command);
                    (Cow::Owned(node), outcome)
                }
            };
            let failed = match outcome {
                Ok(answer) => return Ok((answer, node)),
                Err(failed) => failed,
            };
            lost = failed.lost;
            let failure = Failure {
                error: &failed.error,
                node: &node,
                access,
                key,
                may_resend: failed.may_resend,
            };
            match self.topology.advise(&failure, budget) {
                Advice::Final => return Err(patience.explain(failed.error)),
                Advice::Later => patience.pause(failed.error)?,
                Advice::Again => patience.redirect(failed.error)?,
                Advice::Ask(node) => {
                    patience.redirect(failed.error)?;
                    to_ask = Some(node);
                }
            }
        }
    }
}

/// How long a call goes on after a node failed it: within its budget, with a pause of 5 ms, doubling to 50 ms. A few
/// turns to other nodes cost no pause; a server that says "not now" is borne with for a moment only.
struct Patience {
    budget: Budget,
    next: Duration,
    redirects: u32,
    /// When a server first said "not now".
    put_off: Option<Moment>,
    said: Option<Error>,
}

impl Patience {
    const LONGEST: Duration = Duration::from_millis(50);
    const AT_ONCE: u32 = 5;
    const NOT_NOW: Duration = Duration::from_millis(100);

    fn new(budget: Budget) -> Self {
        Patience {
            budget,
            next: Duration::from_millis(5),
            redirects: 0,
            put_off: None,
            said: None,
        }
    }

    /// Whether it is worth while to wait after `error`: a server that is not able to serve for longer than that is not
    /// waited for.
    #[cold]
    fn bears(&mut self, error: &Error) -> bool {
        !error.meaning().passes() || !self.time_for_not_now().is_zero()
    }

    fn time_for_not_now(&mut self) -> Duration {
        let now = Moment::now();
        let since = *self.put_off.get_or_insert(now);
        Self::NOT_NOW.saturating_sub(now.since(since))
    }

    /// Sleeps, after the server said `error`; fails with it when the budget would not outlast that.
    #[cold]
    fn pause(&mut self, error: Error) -> Result<()> {
        let mut pause = self.next;
        if error.meaning().passes() {
            pause = pause.min(self.time_for_not_now());
        }
        if pause.is_zero() || self.budget.left().is_none_or(|left| left <= pause) {
            return Err(self.explain(error));
        }
        std::thread::sleep(pause);
        self.next = (self.next * 2).min(Self::LONGEST);
        self.said = Some(error);
        Ok(())
    }

    /// Another node is to be asked after `error`: at once, but for those who are sent round and round, who pause.
    #[cold]
    fn redirect(&mut self, error: Error) -> Result<()> {
        self.redirects += 1;
        if self.redirects > Self::AT_ONCE {
            return self.pause(error);
        }
        if self.budget.left().is_none() {
            return Err(self.explain(error));
        }
        self.said = Some(error);
        Ok(())
    }

    /// What to tell the caller. When the budget ends in the middle of another attempt, what the server said before tells
    /// more; and who was sent from node to node wants to hear what is wrong, not where to go.
    fn explain(&self, error: Error) -> Error {
        let error = match &self.said {
            Some(said) if error.is_timeout() => said.clone(),
            _ => error,
        };
        match error.meaning() {
            Meaning::Elsewhere if self.said.is_some() => topology::slots::nowhere(&error),
            _ => error,
        }
    }
}

impl Backend for RedisBackend {
    fn get(&self, key: &[u8], access: Access, sink: &mut dyn Sink) -> Result<Option<Clock>> {
        values::one::get(self, key, access, sink)
    }

    fn get_many(&self, keys: &KeyList, access: Access, each: &mut EachValue<'_>) {
        values::many::get(self, keys, access, each);
    }

    fn set(&self, key: &[u8], value: Value<'_>, life: Life) -> Result<()> {
        values::one::set(self, key, value, life)
    }

    fn set_many(&self, keys: &KeyList, values: &[(Value<'_>, Life)], each: &mut EachDone<'_>) {
        values::many::set(self, keys, values, each);
    }

    fn add(&self, key: &[u8], value: Value<'_>, life: Life) -> Result<bool> {
        values::one::add(self, key, value, life)
    }

    fn delete(&self, key: &[u8]) -> Result<bool> {
        values::one::delete(self, key, self.budget())
    }

    fn delete_many(&self, keys: &KeyList, each: &mut EachDone<'_>) {
        values::many::delete(self, keys, each);
    }

    fn head(&self, key: &[u8], access: Access) -> Result<Option<(Head, Clock)>> {
        values::one::head(self, key, access, self.budget())
    }

    fn ttl(&self, key: &[u8]) -> Result<Option<(Pttl, Head, Clock)>> {
        values::one::ttl(self, key)
    }

    fn touch(&self, key: &[u8], touch: Touch) -> Result<bool> {
        values::one::touch(self, key, touch)
    }

    fn incr(&self, key: &[u8], delta: i64) -> Result<Option<i64>> {
        values::one::incr(self, key, delta)
    }

    fn incr_or_create(&self, key: &[u8], delta: i64, initial: i64, life: Life) -> Result<i64> {
        values::one::incr_or_create(self, key, delta, initial, life)
    }

    fn rename(&self, from: &[u8], to: &[u8]) -> Result<bool> {
        values::one::rename(self, from, to)
    }

    fn nodes(&self) -> Result<Vec<String>> {
        Ok(self
            .topology
            .owners(self.budget())?
            .iter()
            .map(|node| node.name().to_owned())
            .collect())
    }

    fn knows(&self, node: &str) -> bool {
        self.topology.knew(node)
    }

    fn scan(&self, step: ScanStep<'_>, each: &mut dyn FnMut(&[u8])) -> Result<u64> {
        walks::scan(self, step, each)
    }

    fn walked(&self, cursor: u64) -> f64 {
        walks::walked(cursor)
    }

    fn unlink(&self, node: &str, keys: &KeyList) -> Result<u64> {
        walks::unlink(self, node, keys)
    }

    fn read_at(&self, node: &str, keys: &KeyList, each: &mut EachValue<'_>) {
        walks::rewrite::read(self, node, keys, each);
    }

    fn replace_at(
        &self,
        node: &str,
        keys: &KeyList,
        changes: &[Change<'_>],
        each: &mut EachDone<'_>,
    ) {
        walks::rewrite::replace(self, node, keys, changes, each);
    }

    fn is_misplaced(&self, node: &str, key: &[u8]) -> Result<bool> {
        self.topology.is_misplaced(node, key)
    }

    fn export(&self, node: &str, keys: &KeyList, to: &dyn Backend) -> Result<u64> {
        migrate::export(self, node, keys, to)
    }

    fn import(&self, keys: &KeyList, entries: &[Entry], each: &mut EachDone<'_>) {
        migrate::import(self, keys, entries, each);
    }

    fn flush(&self) -> Result<()> {
        walks::flush(self)
    }

    fn ping(&self) -> Result<()> {
        walks::ping(self)
    }

    fn locate(&self, key: &[u8]) -> Result<String> {
        Ok(self
            .topology
            .pick(key, Access::Write, self.budget())?
            .shown()
            .to_owned())
    }

    fn traffic(&self) -> Traffic {
        let mut sum = Traffic::default();
        for node in self.topology.all() {
            let part = node.traffic();
            sum.refused += part.refused;
            sum.retries += part.retries;
            sum.connections_open += part.connections_open;
            sum.connections_idle += part.connections_idle;
            sum.bytes_read += part.bytes_read;
            sum.bytes_written += part.bytes_written;
        }
        sum
    }

    fn reset_traffic(&self) {
        self.topology
            .all()
            .iter()
            .for_each(|node| node.reset_traffic());
    }

    fn close(&self) {
        self.topology.all().iter().for_each(|node| node.close());
    }
}
