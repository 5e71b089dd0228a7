//! The store behind `redis://`: the primitives of [`Backend`] as commands, over whatever topology serves them. The
//! way of every call is key, node, pool, connection; this file has the part that all calls share, and the others of
//! this folder have one step of the way each.

mod breaker;
mod budget;
mod call;
mod clock;
mod connection;
mod foreign;
mod handshake;
mod login;
mod many;
mod node;
mod one;
mod pool;
mod reply;
mod resp;
mod scatter;
mod script;
#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;
mod topology;
mod walk;
mod wire;

use std::time::Duration;

use crate::backend::{
    Access, Backend, EachDone, EachValue, Head, KeyList, Pttl, ScanStep, Sink, Touch, Traffic,
    Value,
};
use crate::config::{Hooks, Location, Options};
use crate::error::{Error, ErrorKind, Result};
use crate::expiry::{Clock, Life};

use budget::Budget;
use call::Verb;
use connection::Connection;
use node::Node;
use reply::Reply;
use resp::Encoder;
use script::Scripts;
use topology::{Topology, Verdict};

/// One Redis, or many that look like one.
#[derive(Debug)]
pub(crate) struct RedisBackend {
    topology: Topology,
    timeout: Duration,
    scripts: Scripts,
}

impl RedisBackend {
    /// Checks that the locations can be served; connects to none of them.
    pub(crate) fn new(options: &Options, locations: &[Location], hooks: &Hooks) -> Result<Self> {
        let topology = Topology::new(options, locations, hooks)?;
        let caution = topology.nodes()?.iter().find_map(|node| node.caution());
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
    fn ask<R>(
        &self,
        verb: Verb,
        (key, access): (&[u8], Access),
        budget: Budget,
        pack: impl Fn(&mut Encoder<'_>),
        read: impl FnMut(&mut Connection, Budget) -> Reply<R>,
    ) -> Result<(R, Clock)> {
        self.insist(budget, || self.topology.pick(key, access), verb, pack, read)
    }

    /// Asks a node, and asks again as long as it says "not now" and there is time. `pick` is asked every time,
    /// because another node may have taken over.
    fn insist<R>(
        &self,
        budget: Budget,
        pick: impl Fn() -> Result<std::sync::Arc<Node>>,
        verb: Verb,
        pack: impl Fn(&mut Encoder<'_>),
        mut read: impl FnMut(&mut Connection, Budget) -> Reply<R>,
    ) -> Result<(R, Clock)> {
        let mut patience = Patience::new(budget);
        loop {
            let node = pick()?;
            match node.run(verb, budget, &pack, &mut read) {
                Ok(answer) => return Ok((answer, node.clock())),
                Err(error) if self.may_pass(&error) => patience.pause(error)?,
                Err(error) => return Err(patience.explain(error)),
            }
        }
    }

    /// Whether the server may take the command after a pause.
    fn may_pass(&self, error: &Error) -> bool {
        self.topology.judge(error) == Verdict::Later
    }
}

/// The pauses between attempts at a server that says "not now": 5 ms, doubling to 50 ms, within the budget.
struct Patience {
    budget: Budget,
    next: Duration,
    said: Option<Error>,
}

impl Patience {
    const LONGEST: Duration = Duration::from_millis(50);

    fn new(budget: Budget) -> Self {
        Patience {
            budget,
            next: Duration::from_millis(5),
            said: None,
        }
    }

    /// Sleeps, after the server said `error`; fails with it when the budget would not outlast that.
    fn pause(&mut self, error: Error) -> Result<()> {
        if self.budget.left().is_none_or(|left| left <= self.next) {
            return Err(error);
        }
        std::thread::sleep(self.next);
        self.next = (self.next * 2).min(Self::LONGEST);
        self.said = Some(error);
        Ok(())
    }

    /// When the budget ends in the middle of another attempt, what the server said before tells more.
    fn explain(&self, error: Error) -> Error {
        match &self.said {
            Some(said) if error.is_timeout() => said.clone(),
            _ => error,
        }
    }
}

impl Backend for RedisBackend {
    fn get(&self, key: &[u8], access: Access, sink: &mut dyn Sink) -> Result<Option<Clock>> {
        one::get(self, key, access, sink)
    }

    fn get_many(&self, keys: &KeyList, access: Access, each: &mut EachValue<'_>) {
        many::get(self, keys, access, each);
    }

    fn set(&self, key: &[u8], value: Value<'_>, life: Life) -> Result<()> {
        one::set(self, key, value, life)
    }

    fn set_many(&self, keys: &KeyList, values: &[Value<'_>], life: Life, each: &mut EachDone<'_>) {
        many::set(self, keys, values, life, each);
    }

    fn add(&self, key: &[u8], value: Value<'_>, life: Life) -> Result<bool> {
        one::add(self, key, value, life)
    }

    fn delete(&self, key: &[u8]) -> Result<bool> {
        one::delete(self, key, self.budget())
    }

    fn delete_many(&self, keys: &KeyList, each: &mut EachDone<'_>) {
        many::delete(self, keys, each);
    }

    fn head(&self, key: &[u8], access: Access) -> Result<Option<(Head, Clock)>> {
        one::head(self, key, access, self.budget())
    }

    fn ttl(&self, key: &[u8]) -> Result<Option<(Pttl, Head, Clock)>> {
        one::ttl(self, key)
    }

    fn touch(&self, key: &[u8], touch: Touch) -> Result<bool> {
        one::touch(self, key, touch)
    }

    fn incr(&self, key: &[u8], delta: i64) -> Result<Option<i64>> {
        one::incr(self, key, delta)
    }

    fn incr_or_create(&self, key: &[u8], delta: i64, initial: i64, life: Life) -> Result<i64> {
        one::incr_or_create(self, key, delta, initial, life)
    }

    fn rename(&self, from: &[u8], to: &[u8]) -> Result<bool> {
        one::rename(self, from, to)
    }

    fn nodes(&self) -> Result<Vec<String>> {
        Ok(self
            .topology
            .nodes()?
            .iter()
            .map(|node| node.name().to_owned())
            .collect())
    }

    fn scan(&self, step: ScanStep<'_>, each: &mut dyn FnMut(&[u8])) -> Result<u64> {
        walk::scan(self, step, each)
    }

    fn walked(&self, cursor: u64) -> f64 {
        walk::walked(cursor)
    }

    fn unlink(&self, node: &str, keys: &KeyList) -> Result<u64> {
        walk::unlink(self, node, keys)
    }

    fn flush(&self) -> Result<()> {
        walk::flush(self)
    }

    fn ping(&self) -> Result<()> {
        walk::ping(self)
    }

    fn locate(&self, key: &[u8]) -> Result<String> {
        Ok(self.topology.pick(key, Access::Write)?.shown().to_owned())
    }

    fn traffic(&self) -> Traffic {
        let mut sum = Traffic::default();
        for node in self.topology.nodes().unwrap_or_default() {
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
            .nodes()
            .unwrap_or_default()
            .iter()
            .for_each(|node| node.reset_traffic());
    }

    fn close(&self) {
        self.topology
            .nodes()
            .unwrap_or_default()
            .iter()
            .for_each(|node| node.close());
    }
}
