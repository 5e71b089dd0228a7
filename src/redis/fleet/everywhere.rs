//! A command to every node that owns keys.

use std::sync::Arc;

use crate::base::budget::Budget;
use crate::error::{Error, Result};
use crate::redis::command::Command;
use crate::redis::node::Node;
use crate::redis::node::exchange::Failed;
use crate::redis::topology::{Advice, Failure};
use crate::store::Access;

use super::Fleet;
use super::retry::Patience;
use crate::redis::node::together;

/// Of each node, whether it did what was asked.
type Ends = Vec<Result<(), Failed>>;

impl Fleet {
    /// Asks every node that owns keys, all at the same time and whatever some of them say. What could not be done is
    /// told of every node.
    pub(crate) fn ask_all<C: Command<Answer = ()> + Clone>(
        &self,
        budget: Budget,
        command: C,
    ) -> Result<()> {
        self.all_do(budget, &|nodes| together::ask(nodes, budget, &command))
    }

    fn all_do(&self, budget: Budget, ask: &dyn Fn(&[Arc<Node>]) -> Ends) -> Result<()> {
        let mut patience = Patience::new(budget);
        let mut done: Vec<Arc<Node>> = Vec::new();
        let mut faults: Vec<Error> = Vec::new();
        loop {
            let mut nodes = match self.topology.owners(budget) {
                Ok(nodes) => nodes,
                Err(error) => {
                    faults.push(patience.explain(error));
                    return Error::of_nodes(&faults).map_or(Ok(()), Err);
                }
            };
            nodes.retain(|node| !done.iter().any(|done| Arc::ptr_eq(done, node)));
            let answers = ask(&nodes);
            let (mut postponed, mut wait) = (Vec::new(), false);
            for (node, answer) in nodes.into_iter().zip(answers) {
                let Err(failed) = answer else {
                    done.push(node);
                    continue;
                };
                let failure = Failure {
                    error: &failed.error,
                    node: &node,
                    access: Access::Write,
                    key: None,
                    may_resend: failed.may_resend,
                };
                match self.topology.advise(&failure, budget) {
                    Advice::Later if patience.bears(&failed.error) => wait = true,
                    Advice::Again => {}
                    Advice::Final | Advice::Later | Advice::Ask(_) => {
                        faults.push(patience.explain(failed.error));
                        done.push(node);
                        continue;
                    }
                }
                postponed.push(failed.error);
            }
            let Some(said) = postponed.last().cloned() else {
                return Error::of_nodes(&faults).map_or(Ok(()), Err);
            };
            let goes_on = match wait {
                true => patience.pause(said),
                false => patience.redirect(said),
            };
            if goes_on.is_err() {
                faults.extend(postponed.into_iter().map(|error| patience.explain(error)));
                return Error::of_nodes(&faults).map_or(Ok(()), Err);
            }
        }
    }
}
