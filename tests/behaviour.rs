//! One behaviour, many stores: every case runs over the embedded store, over Redis by TCP and by Unix socket, in
//! both protocol versions, with the `redis` crate's parser and over a connection of the `redis` crate. A failing
//! test is called `<theme>::<store>::<what should have happened>`.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

mod common;

#[path = "behaviour/compute.rs"]
mod compute;
#[path = "behaviour/counters.rs"]
mod counters;
#[path = "behaviour/groups.rs"]
mod groups;
#[path = "behaviour/many.rs"]
mod many;
#[path = "behaviour/statistics.rs"]
mod statistics;
#[path = "behaviour/sweeps.rs"]
mod sweeps;
#[path = "behaviour/time.rs"]
mod time;
#[path = "behaviour/traffic.rs"]
mod traffic;
#[path = "behaviour/values.rs"]
mod values;
#[path = "behaviour/versions.rs"]
mod versions;
#[path = "behaviour/wire.rs"]
mod wire;
