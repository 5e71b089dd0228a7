//! The steps that are not reads of values: each is the servers' affair, and what it writes is forgotten here before
//! anybody hears that it is done.

mod leases;
mod values;
mod walks;

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use crate::base::budget::Budget;
use crate::error::Result;
use crate::redis::node::Node;
use crate::store::{Answer, KeyList, Latency, NodeState, Store, Traffic, Words};

use super::NearStore;

impl NearStore {
    /// The key is forgotten whatever came of it: what is not known may have been done.
    fn wrote<R>(&self, key: &[u8], done: R) -> R {
        self.forget(key);
        done
    }

    /// The same for each item of many, before it is told of.
    fn wrote_each<R>(
        &self,
        keys: &KeyList,
        each: &mut dyn FnMut(usize, R),
    ) -> impl FnMut(usize, R) {
        |item, done| {
            self.forget_item(keys, item);
            each(item, done);
        }
    }

    fn forget_item(&self, keys: &KeyList, item: usize) {
        if let Some(key) = keys.get(item) {
            self.forget(key);
        }
    }

    fn wrote_all<R>(&self, keys: &KeyList, done: R) -> R {
        keys.iter().for_each(|(_, key)| self.forget(key));
        done
    }
}

impl Store for NearStore {
    fn flush(&self, budget: Budget) -> Result<()> {
        let done = self.far.flush(budget);
        self.near_clear();
        done
    }

    fn ping(&self, budget: Budget) -> Result<()> {
        self.far.ping(budget)
    }

    fn locate(&self, key: &[u8], budget: Budget) -> Result<String> {
        self.far.locate(key, budget)
    }

    fn members(&self, budget: Budget) -> Result<Vec<NodeState>> {
        self.far.members(budget)
    }

    fn ask_member(&self, node: &str, commands: &[Words], budget: Budget) -> Result<Vec<Answer>> {
        self.far.ask_member(node, commands, budget)
    }

    fn certificate(&self, node: &str, budget: Budget) -> Result<Option<Vec<u8>>> {
        self.far.certificate(node, budget)
    }

    fn slot(&self, key: &[u8]) -> Option<u16> {
        self.far.slot(key)
    }

    fn traffic(&self) -> Traffic {
        let nodes = self.far.all_nodes();
        let is_untracked = |node: &&Arc<Node>| node.tracked().untracked().is_some();
        Traffic {
            near_hits: self.hits.load(Relaxed),
            near_untracked: nodes.iter().filter(is_untracked).count() as u64,
            ..self.far.traffic()
        }
    }

    fn latencies(&self) -> Vec<Latency> {
        self.far.latencies()
    }

    fn reset_traffic(&self) {
        self.hits.store(0, Relaxed);
        self.far.reset_traffic();
    }

    fn near_clear(&self) {
        self.near().forget_all();
    }

    fn close(&self) {
        for node in self.far.all_nodes() {
            node.tracked().close(&self.hearing(&node));
        }
        self.far.close();
    }
}
