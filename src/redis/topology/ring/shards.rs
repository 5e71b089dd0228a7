//! Several servers that each own a part of the keys, as a ring divides them. A node that fails keeps its part: were
//! its keys written elsewhere meanwhile, their old values would be read again as soon as it is back.

use std::sync::Arc;

use crate::base::budget::Budget;
use crate::config::{Hooks, Location, Options};
use crate::error::Result;
use crate::redis::node::Node;
use crate::redis::topology::shared_tls::SharedTls;
use crate::redis::topology::{Advice, EachNode, Failure, Topology, at, none_for};
use crate::store::{Access, KeyList};

use super::Ring;
use super::member::Member;

/// The nodes in the order of their locations, and the ring over them.
#[derive(Debug)]
pub(crate) struct Shards {
    ring: Ring,
    nodes: Vec<Arc<Node>>,
}

impl Shards {
    pub(crate) fn new(options: &Options, locations: &[Location], hooks: &Hooks) -> Result<Self> {
        let names: Vec<_> = locations.iter().map(Location::node_name).collect();
        let members: Vec<_> = locations
            .iter()
            .zip(&names)
            .map(|(location, name)| Member {
                name,
                is_named: location.name.is_some(),
                weight: location.weight,
                address: &location.address,
                db: location.db.unwrap_or(options.db),
                spelled: &location.spelled,
            })
            .collect();
        let tls = SharedTls::read(locations, hooks)?;
        let nodes = locations
            .iter()
            .map(|location| Ok(Arc::new(tls.node(location, options, hooks)?)));
        Ok(Shards {
            ring: Ring::new(options.ring, &members)?,
            nodes: nodes.collect::<Result<_>>()?,
        })
    }

    fn owner(&self, key: &[u8]) -> Result<&Arc<Node>> {
        let node = self.nodes.get(self.ring.place(key));
        node.ok_or_else(none_for)
    }
}

impl Topology for Shards {
    fn pick(&self, key: &[u8], _access: Access, _budget: Budget) -> Result<Arc<Node>> {
        self.owner(key).cloned()
    }

    fn divide(
        &self,
        keys: &KeyList,
        places: &[usize],
        _access: Access,
        _budget: Budget,
        each: &mut EachNode<'_>,
    ) {
        at(keys, places).for_each(|(place, key)| each(place, self.owner(key)));
    }

    fn is_misplaced(&self, node: &str, key: &[u8]) -> Result<bool> {
        Ok(self.owner(key)?.name() != node)
    }

    fn owners(&self, _budget: Budget) -> Result<Vec<Arc<Node>>> {
        Ok(self.all())
    }

    fn all(&self) -> Vec<Arc<Node>> {
        self.nodes.clone()
    }

    fn advise(&self, failure: &Failure<'_>, _budget: Budget) -> Advice {
        failure.advise_alone()
    }
}
