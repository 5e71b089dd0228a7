//! Walks over the keys of servers. On a ring a key that a walk has found is looked for on the node of the walk, whatever
//! the ring thinks of it; the slots of a cluster move, and its keys are looked for where they are by now.

pub(crate) mod rewrite;

use crate::base::budget::Budget;
use crate::entry::header::without_lease;
use crate::error::Result;
use crate::redis::command::server::{Page, Scan, UnlinkAll};
use crate::redis::fleet::many::To;
use crate::redis::migrate;
use crate::redis::store::RedisStore;
use crate::redis::values::many;
use crate::store::{
    Access, Change, EachDone, EachHead, EachValue, Entry, HEAD_LEN, KeyList, ScanStep, Store,
    Values, Walks,
};

impl Walks for RedisStore {
    fn nodes(&self, budget: Budget) -> Result<Vec<String>> {
        let owners = self.fleet.topology.owners(budget)?;
        Ok(owners.iter().map(|node| node.name().to_owned()).collect())
    }

    fn knows(&self, node: &str) -> bool {
        self.fleet.topology.knew(node)
    }

    fn scan(&self, step: ScanStep<'_>, budget: Budget, each: &mut dyn FnMut(&[u8])) -> Result<u64> {
        let mut page = Page::default();
        let scan = Scan {
            step,
            page: &mut page,
        };
        let cursor = self.fleet.ask_node(step.node, budget, scan)?;
        page.each(each);
        Ok(cursor)
    }

    /// A cursor counts in its reversed bits (dictScan in Redis' `dict.c`), so read backwards it is the part of the table
    /// that has been seen, whatever the table's size.
    fn walked(&self, cursor: u64, at_least: f64) -> f64 {
        walked(cursor, !self.fleet.topology.takes_many_keys(), at_least)
    }

    fn unlink(&self, node: &str, keys: &KeyList, budget: Budget) -> Result<u64> {
        if !self.fleet.topology.takes_many_keys() {
            return self.unlink_each(keys, budget);
        }
        let keys: Vec<&[u8]> = keys.iter().map(|(_, key)| key).collect();
        if keys.is_empty() {
            return Ok(0);
        }
        self.fleet.ask_node(node, budget, UnlinkAll::new(&keys))
    }

    fn heads_at(&self, node: &str, keys: &KeyList, budget: Budget, each: &mut EachHead<'_>) {
        let heads = many::Heads { keys };
        self.fleet
            .ask_many(self.walker(node), keys, &heads, budget, each);
    }

    fn read_at(&self, node: &str, keys: &KeyList, budget: Budget, each: &mut EachValue<'_>) {
        let get = many::Get {
            keys,
            touches: false,
            together: self.fleet.topology.takes_many_keys(),
        };
        self.fleet
            .ask_many(self.walker(node), keys, &get, budget, each);
    }

    fn replace_at(
        &self,
        node: &str,
        keys: &KeyList,
        changes: &[Change<'_>],
        budget: Budget,
        each: &mut EachDone<'_>,
    ) {
        let replace = rewrite::Replace::new(&self.scripts.replace, changes);
        let to = self.walker(node);
        self.fleet
            .run_many(to, keys, &replace, budget, many::done(each));
    }

    fn is_misplaced(&self, node: &str, key: &[u8]) -> Result<bool> {
        self.fleet.topology.is_misplaced(node, key)
    }

    fn export(
        &self,
        node: &str,
        keys: &KeyList,
        to: &dyn Store,
        budget: &dyn Fn() -> Budget,
    ) -> Result<u64> {
        migrate::export(self, node, keys, to, budget)
    }

    fn import(&self, keys: &KeyList, entries: &[Entry], budget: Budget, each: &mut EachDone<'_>) {
        let mut heads = vec![[0; HEAD_LEN]; entries.len()];
        let values: Vec<_> = entries
            .iter()
            .zip(&mut heads)
            .map(|(entry, head)| (without_lease(&entry.bytes, head), entry.life()))
            .collect();
        let add = many::Add(many::Set::new(keys, &values));
        let owners = To::Owners(Access::Write);
        self.fleet
            .ask_many(owners, keys, &add, budget, many::done(each));
    }
}

impl RedisStore {
    /// Who is asked for keys that a walk has found on `node`.
    fn walker<'a>(&self, node: &'a str) -> To<'a> {
        match self.fleet.topology.takes_many_keys() {
            true => To::Node(node),
            false => To::Owners(Access::Write),
        }
    }

    /// Key by key, each where it is by now: keys of a cluster move.
    fn unlink_each(&self, keys: &KeyList, budget: Budget) -> Result<u64> {
        let (mut removed, mut fault) = (0, None);
        self.delete_many(keys, budget, &mut |_, existed| match existed {
            Ok(existed) => removed += u64::from(existed),
            Err(error) => fault = Some(error),
        });
        fault.map_or(Ok(removed), Err)
    }
}

/// Of two readings the lesser that does not go back: the right one never does, so what is said is never beyond it.
fn walked(cursor: u64, is_cluster: bool, at_least: f64) -> f64 {
    let by_slots = is_cluster.then(|| walked_by_slots(cursor));
    let places = [Some(walked_by_buckets(cursor)), by_slots];
    let ahead = places
        .into_iter()
        .flatten()
        .filter(|place| *place >= at_least);
    ahead.min_by(f64::total_cmp).unwrap_or(at_least)
}

/// A cursor counts the buckets of a table with its bits in reverse order
/// (<https://redis.io/docs/latest/commands/scan/#scan-guarantees>, `dictScan` of Redis).
fn walked_by_buckets(cursor: u64) -> f64 {
    cursor.reverse_bits() as f64 / u64::MAX as f64
}

/// From Redis 7.4 and Valkey 8 on a node of a cluster has a table for each slot, and a cursor the slot in its last 14 bits.
fn walked_by_slots(cursor: u64) -> f64 {
    const SLOTS: u64 = 1 << 14;
    ((cursor % SLOTS) as f64 + walked_by_buckets(cursor / SLOTS)) / SLOTS as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Guards: from Valkey 8 on cursors in a cluster name the slot, and progress went back from 0.243 to 0.235.
    #[test]
    fn progress_grows_by_slots_and_by_buckets_and_never_beyond_the_truth() {
        let by_slots = [
            (5461, 0),
            (5461, 4),
            (5461, 2),
            (5470, 0),
            (9000, 1),
            (10922, 0),
        ];
        let cursors = by_slots.map(|(slot, within)| (within << 14) + slot);
        let said = said(&cursors);
        assert!(said.is_sorted(), "{said:?}");
        for (said, cursor) in said.into_iter().zip(cursors) {
            assert!(said <= walked_by_slots(cursor), "{said} at {cursor}");
        }
        let cursors = [4, 2, 6, 1, 5, 3, 7].map(|bucket: u64| bucket << 10);
        let said = self::said(&cursors);
        assert!(
            said.is_sorted() && said.iter().all(|said| *said <= 1.0),
            "{said:?}"
        );
    }

    fn said(cursors: &[u64]) -> Vec<f64> {
        let mut last = 0.0;
        let next = |cursor: &u64| {
            last = walked(*cursor, true, last);
            last
        };
        cursors.iter().map(next).collect()
    }
}
