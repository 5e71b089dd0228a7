//! The store itself: a fleet of nodes, and the scripts that they run.

use std::sync::Arc;

use crate::base::budget::Budget;
use crate::config::{Hooks, Location, Options};
use crate::error::Result;
use crate::expiry::Life;
use crate::store::{Access, Value};

use super::command::kept::keep;
use super::command::script::Scripts;
use super::command::values::Set;
use super::command::{Command, Run};
use super::connection::replies::Replies;
use super::connection::reply::Reply;
use super::connection::resp::Encoder;
use super::fleet::{Fleet, Picked};
use super::node::Node;

/// One Redis, or many that look like one.
#[derive(Debug)]
pub(crate) struct RedisStore {
    pub(super) fleet: Fleet,
    pub(super) scripts: Scripts,
}

impl RedisStore {
    /// Checks that the locations can be served; connects to none of them.
    pub(crate) fn new(options: &Options, locations: &[Location], hooks: &Hooks) -> Result<Self> {
        Ok(RedisStore {
            fleet: Fleet::new(options, locations, hooks)?,
            scripts: Scripts::new(),
        })
    }

    /// The node that takes writes for `key`.
    #[inline]
    pub(crate) fn owner(&self, key: &[u8], budget: Budget) -> Result<Picked<'_>> {
        match self.fleet.topology.only() {
            Some(node) => Ok(Picked::Borrowed(node)),
            None => (self.fleet.topology.pick(key, Access::Write, budget)).map(Picked::Owned),
        }
    }

    /// Every node that is known now.
    pub(crate) fn all_nodes(&self) -> Vec<Arc<Node>> {
        self.fleet.topology.all()
    }

    /// SET, and nothing but SET, whatever comes of it.
    #[inline]
    pub(super) fn put(
        &self,
        key: &[u8],
        value: Value<'_>,
        life: Life,
        budget: Budget,
    ) -> Result<()> {
        let set = Set { key, value, life };
        self.fleet.ask((key, Access::Write), budget, set)?;
        Ok(())
    }

    /// Runs a script where its first key is.
    pub(super) fn run<R>(
        &self,
        run: Run<'_, impl Fn(&mut Encoder<'_>), impl FnMut(&mut Replies<'_>) -> Reply<R>>,
        budget: Budget,
    ) -> Result<R> {
        Ok(self.run_by(run, budget)?.0)
    }

    /// The same; also says who answered. All kinds of answers share one way there, which costs a few dozen instructions and
    /// saves three kilobytes each.
    pub(super) fn run_by<R>(
        &self,
        mut run: Run<'_, impl Fn(&mut Encoder<'_>), impl FnMut(&mut Replies<'_>) -> Reply<R>>,
        budget: Budget,
    ) -> Result<(R, Picked<'_>)> {
        let key = run.keys.first().copied().unwrap_or_default();
        let ask = |script: &mut dyn Command<Answer = ()>| {
            self.fleet.ask((key, Access::Write), budget, script)
        };
        let (answer, ((), node)) = keep(&mut run, ask)?;
        Ok((answer?, node))
    }
}
