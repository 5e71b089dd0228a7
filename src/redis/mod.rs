//! The store behind `redis://`: a [`Fleet`](fleet::Fleet) of nodes, and the scripts that they run. `values`, `leases` and `walks` are
//! what it does, each operation a command that the fleet is asked; the way of a call is fleet, topology, node,
//! connection, wire, and back.

pub(crate) mod command;
pub(crate) mod connection;
pub(crate) mod fleet;
pub(crate) mod leases;
pub(crate) mod migrate;
pub(crate) mod node;
pub(crate) mod store;
#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
pub(crate) mod tests;
pub(crate) mod topology;
pub(crate) mod values;
pub(crate) mod walks;
pub(crate) mod wire;

use std::sync::Arc;

use crate::base::budget::Budget;
use crate::error::Result;
use crate::store::latencies::Gathered;
use crate::store::{Access, Answer, Latency, NodeState, Store, Traffic, Words};

use command::given::Given;
use command::server::Everyone;
use node::Node;
pub(crate) use store::RedisStore;

impl Store for RedisStore {
    fn flush(&self, budget: Budget) -> Result<()> {
        self.fleet.ask_all(budget, Everyone::FlushDb)
    }

    fn ping(&self, budget: Budget) -> Result<()> {
        self.fleet.ask_all(budget, Everyone::Ping)
    }

    fn locate(&self, key: &[u8], budget: Budget) -> Result<String> {
        let node = self.fleet.topology.pick(key, Access::Write, budget)?;
        Ok(node.shown().to_owned())
    }

    fn members(&self, budget: Budget) -> Result<Vec<NodeState>> {
        let owners = self.fleet.topology.owners(budget)?;
        let all = self.fleet.topology.all();
        let others = all
            .iter()
            .filter(|node| !owners.iter().any(|owner| Arc::ptr_eq(owner, node)));
        let state = |node: &Node, owns_keys| node.state(owns_keys);
        let owned = owners.iter().map(|node| state(node, true));
        Ok(owned.chain(others.map(|node| state(node, false))).collect())
    }

    fn ask_member(&self, node: &str, commands: &[Words], budget: Budget) -> Result<Vec<Answer>> {
        let mut given = Given::new(commands)?;
        let node = self.fleet.member(node, budget)?;
        let answers = node.run(0, budget, &mut given);
        answers.map_err(|failed| failed.error)
    }

    fn certificate(&self, node: &str, budget: Budget) -> Result<Option<Vec<u8>>> {
        self.fleet.member(node, budget)?.certificate(budget)
    }

    fn slot(&self, key: &[u8]) -> Option<u16> {
        self.fleet.topology.slot(key)
    }

    fn traffic(&self) -> Traffic {
        let mut sum = Traffic::default();
        for node in self.fleet.topology.all() {
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

    fn latencies(&self) -> Vec<Latency> {
        let mut gathered = Gathered::default();
        for node in self.fleet.topology.all() {
            gathered.add(node.name(), node.latencies());
        }
        gathered.into_latencies()
    }

    fn reset_traffic(&self) {
        let nodes = self.fleet.topology.all();
        nodes.iter().for_each(|node| node.reset_traffic());
    }

    fn close(&self) {
        let nodes = self.fleet.topology.all();
        nodes.iter().for_each(|node| node.close());
    }
}
