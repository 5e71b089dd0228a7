//! How commands reach nodes: the one that serves a key, one by its name, every one, or those of many keys at the same
//! time. Which node that is, and what it means that one failed, are the topology's to say; how long a call goes on is
//! its budget's.

pub(crate) mod asking;
mod counsel;
pub(crate) mod everywhere;
pub(crate) mod many;
pub(crate) mod retry;
mod scatter;
pub(crate) mod scripted;
pub(crate) mod window;

use std::borrow::Cow;
use std::sync::Arc;

use crate::base::budget::Budget;
use crate::config::{Hooks, Location, Options};
use crate::error::{Error, ErrorKind, Result};
use crate::redis::command::Command;
use crate::redis::command::kept::keep;
use crate::redis::node::Node;
use crate::redis::node::exchange::Failed;
use crate::redis::topology::{self, Advice, Failure, Topology, choice};
use crate::store::Access;

use retry::Patience;

/// A node that is asked: borrowed where there is but one, so that no call counts references.
pub(crate) type Picked<'a> = Cow<'a, Arc<Node>>;

/// The nodes of a store, and the ways to ask them.
#[derive(Debug)]
pub(crate) struct Fleet {
    pub(crate) topology: Box<dyn Topology>,
}

impl Fleet {
    /// Checks that the locations can be served; connects to none of them.
    pub(crate) fn new(options: &Options, locations: &[Location], hooks: &Hooks) -> Result<Self> {
        let topology = choice::new(options, locations, hooks)?;
        let caution = topology.all().iter().find_map(|node| node.caution());
        if let (Some(text), Some(hook)) = (caution, &hooks.error) {
            hook(&Error::new(ErrorKind::Config, text));
        }
        Ok(Fleet { topology })
    }

    /// Asks the node that serves `key`: the way of every call that concerns one key. Also says who answered.
    #[inline]
    pub(crate) fn ask<C: Command>(
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
    pub(crate) fn ask_node<C: Command>(
        &self,
        name: &str,
        budget: Budget,
        mut command: C,
    ) -> Result<C::Answer> {
        let pick = || {
            let node = topology::named(&*self.topology, name, budget)?;
            Ok((Cow::Owned(node), budget))
        };
        let answer = self.insist((None, Access::Write), budget, pick, &mut command)?;
        Ok(answer.0)
    }

    /// The node of that name or location, whether keys are its own or not.
    pub(crate) fn member(&self, name: &str, budget: Budget) -> Result<Arc<Node>> {
        let owners = self.topology.owners(budget)?;
        let mut all = owners.into_iter().chain(self.topology.all());
        let found = all.find(|node| node.name() == name || node.shown() == name);
        found.ok_or_else(|| topology::unknown(name))
    }

    /// Asks a node, and does what the topology advises when that comes to nothing. `pick` is asked every time for a
    /// node and the time it may take, because another node may have taken over.
    #[inline]
    fn insist<'a, C: Command>(
        &self,
        whose: (Option<&[u8]>, Access),
        budget: Budget,
        pick: impl Fn() -> Result<(Picked<'a>, Budget)>,
        command: &mut C,
    ) -> Result<(C::Answer, Picked<'a>)> {
        let (node, time) = pick()?;
        match node.run(0, time, command) {
            Ok(answer) => Ok((answer, node)),
            Err(failed) => {
                let go_on = |command: &mut dyn Command<Answer = ()>| {
                    self.go_on(whose, budget.later(), &pick, command, (node, failed))
                };
                let (answer, node) = keep(command, go_on)?;
                Ok((answer?, node))
            }
        }
    }

    /// The same after a first attempt that failed.
    #[cold]
    fn go_on<'a>(
        &self,
        (key, access): (Option<&[u8]>, Access),
        budget: Budget,
        pick: &dyn Fn() -> Result<(Picked<'a>, Budget)>,
        command: &mut dyn Command<Answer = ()>,
        (mut node, mut failed): (Picked<'a>, Failed),
    ) -> Result<Picked<'a>> {
        let mut patience = Patience::new(budget);
        loop {
            let lost = failed.lost;
            let failure = Failure {
                error: &failed.error,
                node: &node,
                access,
                key,
                may_resend: failed.may_resend,
            };
            let outcome = match self.topology.advise(&failure, budget) {
                Advice::Final => return Err(patience.explain(failed.error)),
                Advice::Ask(to_ask) => {
                    patience.redirect(failed.error)?;
                    node = Cow::Owned(to_ask);
                    asking::run(&node, lost, budget, command)
                }
                advice => {
                    match advice {
                        Advice::Later => patience.pause(failed.error)?,
                        _ => patience.redirect(failed.error)?,
                    }
                    let (picked, time) = pick().map_err(|error| patience.explain(error))?;
                    node = picked;
                    node.run(lost, time.later(), command)
                }
            };
            match outcome {
                Ok(()) => return Ok(node),
                Err(again) => failed = again,
            }
        }
    }
}
