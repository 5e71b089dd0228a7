//! A command to every node that owns keys.

use std::sync::Arc;

use crate::base::budget::Budget;
use crate::error::Result;
use crate::redis::command::Command;
use crate::redis::node::Node;
use crate::redis::topology::{Advice, Failure};
use crate::store::Access;

use super::retry::Patience;
use super::{Fleet, together};

impl Fleet {
    /// Asks every node that owns keys, all at the same time and whatever some of them say; the first error is returned.
    pub(crate) fn ask_all<C: Command<Answer = ()> + Clone>(
        &self,
        budget: Budget,
        command: C,
    ) -> Result<()> {
        let mut patience = Patience::new(budget);
        let mut first = Ok(());
        let mut done: Vec<Arc<Node>> = Vec::new();
        loop {
            let owners = self.topology.owners(budget);
            let mut nodes = owners.map_err(|error| patience.explain(error))?;
            nodes.retain(|node| !done.iter().any(|done| Arc::ptr_eq(done, node)));
            let answers = together::ask(&nodes, budget, &command);
            let (mut postponed, mut wait) = (None, false);
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
                    Advice::Later => wait = true,
                    Advice::Again => {}
                    Advice::Final | Advice::Ask(_) => {
                        first = first.and(Err(patience.explain(failed.error)));
                        done.push(node);
                        continue;
                    }
                }
                postponed = Some(failed.error);
            }
            let Some(said) = postponed else {
                return first;
            };
            match wait {
                true => patience.pause(said)?,
                false => patience.redirect(said)?,
            }
        }
    }
}
