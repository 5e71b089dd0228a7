//! Rings of real servers: who gets which command, what one failing node costs the others, entries that move, and the
//! defects of the ancestor that have to do with several servers (design, section 11).

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::print_stdout
)]

#[path = "../common/mod.rs"]
mod common;

mod ancestor;
mod failing;
mod hole;
mod latencies;
mod moving;
mod rebalance;
mod sweeps;

use redis_cache::{Cache, Config, Expiry};

use crate::common::fleet::Fleet;

/// A cache over the fleet with a prefix, and with options.
fn cache_on(fleet: &Fleet, options: &[(&str, &str)]) -> Cache {
    with(fleet.config(), options)
}

fn with(config: Config, options: &[(&str, &str)]) -> Cache {
    let config = config.set("prefix", "app").unwrap();
    let set = |config: Config, (name, value): &(&str, &str)| config.set(name, value).unwrap();
    options.iter().fold(config, set).connect().unwrap()
}

/// Stores `k0`, `k1`, ... with their own names as values.
fn fill(cache: &Cache, count: usize) {
    let entries = keys(count).into_iter().map(|key| (key.clone(), key));
    cache.set_many_bytes(entries, Expiry::Never).unwrap();
}

fn keys(count: usize) -> Vec<String> {
    (0..count).map(|index| format!("k{index}")).collect()
}

/// Some of the keys that live on the server at `place`.
fn keys_on(cache: &Cache, fleet: &Fleet, place: usize) -> Vec<String> {
    let port = format!(":{}", fleet.servers[place].port());
    let lives_there = |key: &String| cache.where_is(key).unwrap().ends_with(&port);
    keys(200).into_iter().filter(lives_there).collect()
}
