//! A command for a slot that is on its way to another node of a cluster: the new node takes it when ASKING stands in
//! front (<https://redis.io/docs/latest/operate/oss_and_stack/reference/cluster-spec/#ask-redirection>). That counts
//! for one command only, so a pipeline goes as a transaction, for which it counts as a whole.

use std::cell::Cell;

use super::budget::Budget;
use super::call::{Failed, Verb};
use super::connection::Connection;
use super::node::Node;
use super::reply::{self, Reply};
use super::resp::Encoder;

/// [`Node::run`] on the node that the slot moves to.
#[cold]
pub(super) fn run<R>(
    node: &Node,
    verb: Verb,
    budget: Budget,
    pack: &dyn Fn(&mut Encoder<'_>),
    read: &mut dyn FnMut(&mut Connection, Budget) -> Reply<R>,
) -> Result<R, Failed> {
    let count = Cell::new(0);
    let pack = |to: &mut Encoder<'_>| {
        to.command(1).arg(b"ASKING").command(1).arg(b"MULTI");
        let before = to.commands();
        pack(to);
        count.set(to.commands() - before);
        to.command(1).arg(b"EXEC");
    };
    let read = |from: &mut Connection, budget: Budget| {
        let mut refusal = None;
        for _ in 0..2 + count.get() {
            refusal = refusal.or(from.skip(budget)?);
        }
        // The replies stand in the array one after the other, as they would outside of it.
        match reply::array(from, budget)? {
            Ok(_) => read(from, budget),
            Err(aborted) => Ok(Err(refusal.unwrap_or(aborted))),
        }
    };
    node.run(verb, budget, pack, read)
}
