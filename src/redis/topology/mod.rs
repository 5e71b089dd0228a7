//! Which node serves a key, and which nodes there are: the only two questions that tell one server from many, and
//! what to make of a node that failed. Batching, budgets, retries and walks are the same code for every answer.
//! A topology holds no lock while it waits for the network.

pub(crate) mod choice;
pub(crate) mod cluster;
pub(crate) mod directory;
pub(crate) mod evidence;
pub(crate) mod failure;
pub(crate) mod primary;
pub(crate) mod readers;
pub(crate) mod resolver;
pub(crate) mod ring;
pub(crate) mod role;
pub(crate) mod sentinel;
pub(crate) mod shared_tls;
pub(crate) mod single;
pub(crate) mod slots;
#[cfg(test)]
mod tests;

use std::fmt;
use std::sync::Arc;

use crate::base::budget::Budget;
use crate::error::{Error, ErrorKind, Result};
use crate::store::{Access, KeyList};

use super::node::Node;

pub(crate) use failure::{Advice, Failure};

/// Is told of the node to ask for the key at a place.
pub(crate) type EachNode<'a> = dyn FnMut(usize, Result<&Arc<Node>>) + 'a;

/// How the nodes divide the keys.
pub(crate) trait Topology: Send + Sync + fmt::Debug {
    /// The node to ask for `key` now. It may have to look around first, within the budget.
    fn pick(&self, key: &[u8], access: Access, budget: Budget) -> Result<Arc<Node>>;

    /// The same for many keys of one call, at these places of a list: what has to be locked or looked at first is so once, and
    /// no key counts a reference. `each` is told of every place; it asks nobody.
    fn divide(
        &self,
        keys: &KeyList,
        places: &[usize],
        access: Access,
        budget: Budget,
        each: &mut EachNode<'_>,
    ) {
        self.divide_singly(keys, places, access, budget, each);
    }

    /// The same by picking a node for each key.
    fn divide_singly(
        &self,
        keys: &KeyList,
        places: &[usize],
        access: Access,
        budget: Budget,
        each: &mut EachNode<'_>,
    ) {
        for (place, key) in at(keys, places) {
            match self.pick(key, access, budget) {
                Ok(node) => each(place, Ok(&node)),
                Err(error) => each(place, Err(error)),
            }
        }
    }

    /// How much of the budget an attempt at a node may take: less than all where another node could answer as well.
    fn time_for(&self, _node: &Arc<Node>, _access: Access, budget: Budget) -> Budget {
        budget
    }

    /// The node that serves every key, where there is but one: no key need be looked at then.
    fn only(&self) -> Option<&Arc<Node>> {
        None
    }

    /// Whether both keys may stand in one command.
    fn are_together(&self, one: &[u8], other: &[u8], budget: Budget) -> Result<bool> {
        let place = |key| self.pick(key, Access::Write, budget);
        Ok(self.only().is_some() || Arc::ptr_eq(&place(one)?, &place(other)?))
    }

    /// Whether a key that was found on the node of that name belongs on another one. No network.
    fn is_misplaced(&self, _node: &str, _key: &[u8]) -> Result<bool> {
        Ok(false)
    }

    /// The slot of a key, where keys are divided by slots.
    fn slot(&self, _key: &[u8]) -> Option<u16> {
        None
    }

    /// The nodes that own keys and take writes, by stable names, in a stable order.
    fn owners(&self, budget: Budget) -> Result<Vec<Arc<Node>>>;

    /// Every node that is known now, replicas too. No network.
    fn all(&self) -> Vec<Arc<Node>>;

    /// Whether the node of that name owns keys, or may have done so before another one took its place.
    fn knew(&self, name: &str) -> bool {
        self.all().iter().any(|node| node.name() == name)
    }

    /// What a failed attempt means for the call. What is known of the nodes may be renewed on the way.
    fn advise(&self, failure: &Failure<'_>, budget: Budget) -> Advice;

    /// Whether keys of one node may stand together in one command.
    fn takes_many_keys(&self) -> bool {
        true
    }
}

/// The keys at these places, with them.
fn at<'k>(keys: &'k KeyList, places: &'k [usize]) -> impl Iterator<Item = (usize, &'k [u8])> {
    places
        .iter()
        .filter_map(|place| Some((*place, keys.get(*place)?)))
}

/// The owner of that name.
pub(crate) fn named(topology: &dyn Topology, name: &str, budget: Budget) -> Result<Arc<Node>> {
    let nodes = topology.owners(budget)?;
    let node = nodes.into_iter().find(|node| node.name() == name);
    node.ok_or_else(|| unknown(name))
}

/// No node has that name.
pub(crate) fn unknown(name: &str) -> Error {
    let text = format!("no node of this cache is named {name:?}");
    Error::new(ErrorKind::Unavailable, text)
}

/// No node serves the key now.
fn none_for() -> Error {
    Error::new(ErrorKind::Unavailable, "no node serves the key")
}
