//! Walks, which pass by what is kept: what they change is forgotten.

use crate::base::budget::Budget;
use crate::error::Result;
use crate::store::{Change, EachDone, EachHead, EachValue, Entry, KeyList, ScanStep, Store, Walks};

use super::super::NearStore;

impl Walks for NearStore {
    fn nodes(&self, budget: Budget) -> Result<Vec<String>> {
        self.far.nodes(budget)
    }

    fn knows(&self, node: &str) -> bool {
        self.far.knows(node)
    }

    fn scan(&self, step: ScanStep<'_>, budget: Budget, each: &mut dyn FnMut(&[u8])) -> Result<u64> {
        self.far.scan(step, budget, each)
    }

    fn walked(&self, cursor: u64, at_least: f64) -> f64 {
        self.far.walked(cursor, at_least)
    }

    fn unlink(&self, node: &str, keys: &KeyList, budget: Budget) -> Result<u64> {
        self.wrote_all(keys, self.far.unlink(node, keys, budget))
    }

    fn heads_at(&self, node: &str, keys: &KeyList, budget: Budget, each: &mut EachHead<'_>) {
        self.far.heads_at(node, keys, budget, each);
    }

    fn read_at(&self, node: &str, keys: &KeyList, budget: Budget, each: &mut EachValue<'_>) {
        self.far.read_at(node, keys, budget, each);
    }

    fn replace_at(
        &self,
        node: &str,
        keys: &KeyList,
        changes: &[Change<'_>],
        budget: Budget,
        each: &mut EachDone<'_>,
    ) {
        let mut each = self.wrote_each(keys, each);
        self.far.replace_at(node, keys, changes, budget, &mut each);
    }

    fn is_misplaced(&self, node: &str, key: &[u8]) -> Result<bool> {
        self.far.is_misplaced(node, key)
    }

    fn export(
        &self,
        node: &str,
        keys: &KeyList,
        to: &dyn Store,
        budget: &dyn Fn() -> Budget,
    ) -> Result<u64> {
        self.wrote_all(keys, self.far.export(node, keys, to, budget))
    }

    fn import(&self, keys: &KeyList, entries: &[Entry], budget: Budget, each: &mut EachDone<'_>) {
        let mut each = self.wrote_each(keys, each);
        self.far.import(keys, entries, budget, &mut each);
    }
}
