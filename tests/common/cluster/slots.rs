//! Who has which slots, and how they go to others.

use std::time::{Duration, Instant};

use super::{Cluster, NODE_TIMEOUT, connect, run};
use crate::common::{PATIENCE, eventually};

/// As the cluster specification has it.
pub(crate) const SLOTS: u16 = 16384;

/// A range of slots and who has it, by their ports.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Range {
    pub(crate) first: u16,
    pub(crate) last: u16,
    pub(crate) primary: u16,
    pub(crate) replicas: Vec<u16>,
}

impl Cluster {
    /// Who has which slots, as the node at `port` says.
    pub(crate) fn ranges(&self, port: u16) -> Vec<Range> {
        self.try_ranges(port).expect("CLUSTER SLOTS")
    }

    pub(super) fn try_ranges(&self, port: u16) -> redis::RedisResult<Vec<Range>> {
        type Place = (String, u16);
        let mut ranges = Vec::new();
        for range in run::<Vec<Vec<redis::Value>>>(port, &["CLUSTER", "SLOTS"])? {
            let mut parts = range.into_iter();
            let mut number = || redis::from_redis_value(parts.next().unwrap_or(redis::Value::Nil));
            let (first, last) = (number()?, number()?);
            let mut ports = Vec::new();
            for node in parts {
                let redis::Value::Array(node) = node else {
                    continue;
                };
                let place: Place =
                    redis::from_redis_value(redis::Value::Array(node[..2].to_vec()))?;
                ports.push(place.1);
            }
            ranges.push(Range {
                first,
                last,
                primary: ports.remove(0),
                replicas: ports,
            });
        }
        ranges.sort_by_key(|range| range.first);
        Ok(ranges)
    }

    /// As the first live node that can tell says.
    pub(crate) fn layout(&self) -> Vec<Range> {
        let alive = self.alive();
        let mut told = alive.iter().filter_map(|port| self.try_ranges(*port).ok());
        told.find(|ranges| !ranges.is_empty()).expect("a live node")
    }

    /// The ports of the primaries, in the order of their slots.
    pub(crate) fn primaries(&self) -> Vec<u16> {
        let mut seen = Vec::new();
        for range in self.layout() {
            if !seen.contains(&range.primary) {
                seen.push(range.primary);
            }
        }
        seen
    }

    /// The port of the primary that has a slot.
    pub(crate) fn owner(&self, slot: u16) -> u16 {
        let ranges = self.layout();
        let has = |range: &&Range| (range.first..=range.last).contains(&slot);
        ranges.iter().find(has).expect("an owner").primary
    }

    /// The port of a primary that does not have a slot.
    pub(crate) fn other_owner(&self, slot: u16) -> u16 {
        let from = self.owner(slot);
        let mut others = self.primaries().into_iter().filter(|port| *port != from);
        others.next().expect("another primary")
    }

    /// The slot of a key, as Redis counts it.
    pub(crate) fn slot(&self, key: impl redis::ToRedisArgs) -> u16 {
        let mut raw = connect(self.alive()[0]).expect("a raw connection");
        let mut command = redis::cmd("CLUSTER");
        command.arg("KEYSLOT").arg(key);
        command.query(&mut raw).expect("CLUSTER KEYSLOT")
    }

    /// The ports of the replicas.
    pub(crate) fn replicas(&self) -> Vec<u16> {
        let ranges = self.layout().into_iter();
        let mut replicas: Vec<u16> = ranges.flat_map(|range| range.replicas).collect();
        replicas.sort();
        replicas.dedup();
        replicas
    }

    /// Waits until the slots of a dead primary belong to another one; returns which, and when that was.
    pub(crate) fn wait_for_election(&self, dead: u16, slot: u16) -> (u16, Instant) {
        let started = Instant::now();
        loop {
            for port in self.alive() {
                let owner = |range: &Range| (range.first..=range.last).contains(&slot);
                let ranges = self.try_ranges(port).unwrap_or_default();
                let owner = ranges.iter().find(|range| owner(range));
                if let Some(owner) = owner.filter(|owner| owner.primary != dead) {
                    return (owner.primary, Instant::now());
                }
            }
            assert!(
                started.elapsed() < NODE_TIMEOUT + PATIENCE,
                "no replica of {dead} was promoted"
            );
            std::thread::sleep(Duration::from_millis(2));
        }
    }

    /// Ends what a test left in the middle: a slot that is on its way to a node is not learnt by it.
    pub(super) fn settle_moves(&self) {
        for port in self.alive() {
            let nodes: String = self.run(port, &["CLUSTER", "NODES"]);
            let open = nodes.split('[').skip(1);
            for slot in open.filter_map(|part| part.split('-').next()) {
                let _: () = self.run(port, &["CLUSTER", "SETSLOT", slot, "STABLE"]);
            }
        }
    }

    /// Begins to move a slot: from now on the old owner answers ASK for keys that it does not have.
    pub(crate) fn begin_move(&self, slot: u16, to: u16) {
        let from = self.owner(slot);
        let slot = slot.to_string();
        let _: () = self.run(
            to,
            &["CLUSTER", "SETSLOT", &slot, "IMPORTING", &self.id(from)],
        );
        let _: () = self.run(
            from,
            &["CLUSTER", "SETSLOT", &slot, "MIGRATING", &self.id(to)],
        );
    }

    /// Moves the keys of a slot whose move has begun.
    pub(crate) fn move_keys(&self, slot: u16, to: u16) {
        let (from, to) = (self.owner(slot), to.to_string());
        let slot = slot.to_string();
        loop {
            let keys: Vec<String> = self.run(from, &["CLUSTER", "GETKEYSINSLOT", &slot, "100"]);
            if keys.is_empty() {
                return;
            }
            let mut command = vec!["MIGRATE", "127.0.0.1", &to, "", "0", "5000", "KEYS"];
            command.extend(keys.iter().map(String::as_str));
            let _: String = self.run(from, &command);
        }
    }

    /// Ends a move, the new owner first, so that no node is left without one; then waits until all nodes know.
    pub(crate) fn end_move(&self, slot: u16, to: u16) {
        let (id, number) = (self.id(to), slot.to_string());
        let mut primaries = self.primaries();
        primaries.sort_by_key(|port| *port != to);
        for port in primaries {
            let _: () = self.run(port, &["CLUSTER", "SETSLOT", &number, "NODE", &id]);
        }
        let knows = |port| {
            let ranges = self.try_ranges(port).unwrap_or_default();
            let has = |range: &Range| (range.first..=range.last).contains(&slot);
            ranges.iter().any(|range| range.primary == to && has(range))
        };
        eventually("a slot at its new owner", || {
            self.alive().into_iter().all(knows)
        });
    }

    /// Moves a slot with all its keys.
    pub(crate) fn move_slot(&self, slot: u16, to: u16) {
        self.begin_move(slot, to);
        self.move_keys(slot, to);
        self.end_move(slot, to);
    }
}

impl Range {
    pub(super) fn len(&self) -> usize {
        usize::from(self.last - self.first) + 1
    }
}
