//! What concerns the servers together: their clocks, how keys are divided among them, and whether they tell of changes.

use std::collections::BTreeMap;
use std::time::Duration;

use redis_cache::{Cache, NodeState, Result};

use super::Findings;
use super::server::Offset;
use crate::nodes::Info;
use crate::target::Target;

/// A clock that is this far off misleads whoever reads its times.
const FAR_OFF_MS: i64 = 1000;
/// Keys that are placed to see how they divide.
const PLACED: usize = 10_000;

/// Freshness is judged by each server's own clock, so an offset does no harm; clocks that differ among themselves do when
/// entries move.
pub(super) fn clocks(offsets: &[Offset], findings: &mut Findings) {
    for Offset { node, ms } in offsets {
        let text = format!("{ms:+} ms against this machine");
        match ms.abs() > FAR_OFF_MS {
            true => findings.warn(node, "clock", text, "run NTP on both; entries are judged by the server's clock, so nothing is served too long meanwhile"),
            false => findings.good(node, "clock", text),
        }
    }
    let all = || offsets.iter().map(|offset| offset.ms);
    if let (Some(least), Some(most)) = (all().min(), all().max())
        && most - least > FAR_OFF_MS
    {
        findings.warn(
            "all",
            "clock",
            format!("the servers' clocks are {} ms apart", most - least),
            "an entry that moves to another server ends early or late by that: run NTP there",
        );
    }
}

/// How the ring, or the cluster, divides keys that nobody has stored.
pub(super) fn balance(cache: &Cache, nodes: &[NodeState], findings: &mut Findings) {
    let owners = nodes.iter().filter(|node| node.owns_keys).count();
    if owners < 2 {
        return;
    }
    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    for number in 0..PLACED {
        match cache.where_is(format!("balance {number}")) {
            Ok(node) => *counts.entry(node).or_default() += 1,
            Err(error) => {
                return findings.broken(
                    "all",
                    "balance",
                    error.to_string(),
                    "some keys have no server: CLUSTER INFO tells of slots without one",
                );
            }
        }
    }
    let most = counts.values().max().copied().unwrap_or_default();
    let ratio = most as f64 * owners as f64 / PLACED as f64;
    let shares: Vec<String> = counts
        .iter()
        .map(|(node, count)| format!("{node} {:.1} %", *count as f64 * 100.0 / PLACED as f64))
        .collect();
    let text = format!(
        "the fullest has {ratio:.2} times its share ({})",
        shares.join(", ")
    );
    match ratio > 1.25 {
        true => findings.note("all", "balance", text, "as it should be if weights or slots are meant to differ; else ring=redis_cache divides evenly, and `redis-cli --cluster rebalance` does"),
        false => findings.good("all", "balance", text),
    }
    let keys = nodes
        .iter()
        .filter(|node| node.owns_keys)
        .map(|node| Info::of(cache, &node.name).map(|info| info.keys()));
    let Ok(keys) = keys.collect::<Result<Vec<u64>, _>>() else {
        return;
    };
    let (sum, most) = (
        keys.iter().sum::<u64>(),
        keys.iter().max().copied().unwrap_or_default(),
    );
    let stored = most as f64 * keys.len() as f64 / sum.max(1) as f64;
    if sum > 1000 && stored > ratio * 1.5 {
        findings.warn(
            "all",
            "balance",
            format!("of the keys that are stored, the fullest has {stored:.2} times its share"),
            "after servers were added: redis-cache rebalance --dry-run",
        );
    }
}

/// Found out by a near cache: a second read that does not go to the server was promised to be told of changes. A key of its
/// own is stored for that, and removed.
pub(super) fn tracking(target: &Target, nodes: &[NodeState], findings: &mut Findings) {
    let Ok(cache) = target.open_with(&[("near", "1m"), ("near_untracked", "off")]) else {
        return;
    };
    for node in nodes.iter().filter(|node| node.owns_keys) {
        let name = node.name.as_str();
        let is_there = |key: &String| {
            let place = cache.where_is(key);
            place.is_ok_and(|place| place == node.location || place == node.name)
        };
        let mut keys = (0..1000).map(|number| format!("redis-cache doctor {number}"));
        let Some(key) = keys.find(is_there) else {
            continue;
        };
        let is_told = second_read_is_near(&cache, &key);
        let removed = cache.delete(&key);
        match is_told.and_then(|is_told| removed.map(|_| is_told)) {
            Ok(true) => findings.good(name, "tracking", "it tells of changes: a near cache (option `near`) can be used"),
            Ok(false) => findings.note(
                name,
                "tracking",
                "it does not tell of changes (CLIENT TRACKING)",
                "a near cache keeps values for 1 s at most there; it takes +client|tracking and RESP3",
            ),
            Err(error) => findings.note(name, "tracking", error.to_string(), "it could not be tried whether a near cache (option `near`) works"),
        }
    }
}

fn second_read_is_near(cache: &Cache, key: &str) -> Result<bool> {
    cache.set_bytes(key, b"1", Duration::from_secs(60))?;
    cache.get_bytes(key)?;
    let before = cache.stats().near_hits;
    cache.get_bytes(key)?;
    Ok(cache.stats().near_hits > before)
}
