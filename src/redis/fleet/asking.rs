//! A command for a slot that is on its way to another node of a cluster: the new node takes it when ASKING stands in
//! front (<https://redis.io/docs/latest/operate/oss_and_stack/reference/cluster-spec/#ask-redirection>). That counts
//! for one command only, so a pipeline goes as a transaction, for which it counts as a whole.

use std::cell::Cell;

use crate::base::budget::Budget;
use crate::error::Error;
use crate::redis::command::Command;
use crate::redis::command::verb::Verb;
use crate::redis::connection::replies::Replies;
use crate::redis::connection::reply::Reply;
use crate::redis::connection::resp::Encoder;
use crate::redis::node::Node;
use crate::redis::node::exchange::Failed;

/// [`Node::run`] on the node that the slot moves to.
#[cold]
pub(crate) fn run(
    node: &Node,
    lost: u32,
    budget: Budget,
    command: &mut dyn Command<Answer = ()>,
) -> Result<(), Failed> {
    node.run(
        lost,
        budget,
        &mut Asking {
            command,
            count: Cell::new(0),
        },
    )
}

struct Asking<'c> {
    command: &'c mut dyn Command<Answer = ()>,
    count: Cell<usize>,
}

impl Command for Asking<'_> {
    type Answer = ();

    fn verb(&self) -> Verb {
        self.command.verb()
    }

    fn pack(&self, to: &mut Encoder<'_>) {
        to.command(1).arg(b"ASKING").command(1).arg(b"MULTI");
        let before = to.commands();
        self.command.pack(to);
        self.count.set(to.commands() - before);
        to.command(1).arg(b"EXEC");
    }

    fn read(&mut self, from: &mut Replies<'_>) -> Reply<()> {
        let mut refusal = None;
        for _ in 0..2 + self.count.get() {
            refusal = refusal.or(from.skip()?);
        }
        // The replies stand in the array one after the other, as they would outside of it.
        match from.array()? {
            Ok(_) => self.command.read(from),
            Err(aborted) => Ok(Err(refusal.unwrap_or(aborted))),
        }
    }

    fn reword(&mut self, refusal: &Error) -> bool {
        self.command.reword(refusal)
    }

    fn complaint(&self) -> Option<&Error> {
        self.command.complaint()
    }
}
