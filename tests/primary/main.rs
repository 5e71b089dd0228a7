//! A primary with replicas: who is read from and written to, what a dead or hanging replica costs, and how writes find
//! another primary.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::print_stdout
)]

#[path = "../common/mod.rs"]
mod common;

mod evidence;
mod failover;
mod reading;

use redis_cache::{Cache, Config};

use crate::common::fleet::Fleet;

/// A cache over the fleet with a prefix, and with options.
fn cache_on(fleet: &Fleet, options: &[(&str, &str)]) -> Cache {
    let config = fleet.config().set("prefix", "app").unwrap();
    let set = |config: Config, (name, value): &(&str, &str)| config.set(name, value).unwrap();
    options.iter().fold(config, set).connect().unwrap()
}

/// How often each server was asked for a value.
fn reads(fleet: &Fleet) -> Vec<u64> {
    let asked = |command| {
        fleet
            .servers
            .iter()
            .map(move |server| server.calls(command))
    };
    asked("get")
        .zip(asked("mget"))
        .map(|(get, mget)| get + mget)
        .collect()
}
