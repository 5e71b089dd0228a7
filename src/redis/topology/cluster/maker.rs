//! How the nodes of a cluster are made: like the configured ones, with their credentials and their TLS. One that cannot
//! be made is a node all the same, and says why it cannot be reached: its slots are part of the cluster.

use std::sync::Arc;

use crate::config::{Address, AddressMap, Hooks, Location, Options};
use crate::error::{Error, ErrorKind, Result};

use super::super::super::node::Node;
use super::super::shared_tls::SharedTls;
use super::super::slots::Place;
use super::member::{Member, Role};

/// Makes nodes as the configuration wants them.
pub(crate) struct Maker {
    options: Options,
    hooks: Hooks,
    locations: Vec<Location>,
    tls: SharedTls,
}

impl Maker {
    pub(crate) fn new(options: &Options, locations: &[Location], hooks: &Hooks) -> Result<Self> {
        Ok(Maker {
            options: options.clone(),
            hooks: hooks.clone(),
            locations: locations.to_vec(),
            tls: SharedTls::read(locations, hooks)?,
        })
    }

    /// Where announced addresses really are.
    pub(crate) fn address_map(&self) -> &AddressMap {
        &self.options.address_map
    }

    /// The nodes that the configuration names.
    pub(crate) fn seeds(&self) -> Result<Vec<Arc<Member>>> {
        let make = |location: &Location| {
            let node = self.node(location)?;
            Ok(Member::new(node, Role::Primary))
        };
        self.locations.iter().map(make).collect()
    }

    /// A node as it is configured; one that is not gets the credentials and the TLS options of the first location.
    pub(crate) fn make(&self, address: &Address, role: Role) -> Result<Arc<Member>> {
        let name = address.to_string();
        let same = |location: &&Location| location.address.to_string() == name;
        let location = match self.locations.iter().find(same) {
            Some(location) => location.clone(),
            None => self.found(address.clone(), name)?,
        };
        let node = self.node(&location)?;
        let node = match role {
            Role::Primary => node,
            Role::Replica => node.for_replica_reads(),
        };
        Ok(Member::new(node, role))
    }

    /// A node at `place` that nobody can connect to, for that reason. It owns `slots` as far as is known.
    pub(crate) fn out_of_reach(
        &self,
        place: &Place,
        slots: (usize, usize),
        why: &str,
    ) -> Result<Arc<Member>> {
        let name = place.shown();
        let (host, port) = (name.clone(), place.port);
        let location = Location {
            tls: false,
            name: Some(name.clone()),
            ..self.found(Address::Tcp { host, port }, name)?
        };
        let text = match slots {
            (first, last) if first == last => format!("slot {first} is"),
            (first, last) => format!("slots {first}-{last} are"),
        };
        let text = format!("{text} owned by a node that cannot be reached, because {why}");
        let node = Node::new(&location, &self.options, &self.hooks)?;
        let node = node.out_of_reach(Error::new(ErrorKind::Unavailable, text));
        Ok(Member::new(node, Role::Primary))
    }

    /// The location of a node that is not configured.
    fn found(&self, address: Address, name: String) -> Result<Location> {
        let first = self.locations.first();
        let like = first.ok_or_else(super::super::none_for)?.clone();
        let scheme = if like.tls { "rediss" } else { "redis" };
        Ok(Location {
            address,
            name: None,
            shown: format!("{scheme}://{name}"),
            ..like
        })
    }

    fn node(&self, location: &Location) -> Result<Node> {
        self.tls.node(location, &self.options, &self.hooks)
    }
}
