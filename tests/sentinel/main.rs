//! A cache whose primary is found by sentinels: what it costs to find it, what a failover costs, and what reads from
//! replicas may see. That it behaves like any other cache is shown by the behaviour suite.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::print_stdout
)]

#[path = "../common/mod.rs"]
mod common;

mod failover;
mod load;
mod lookup;
mod replicas;
#[cfg(feature = "tls")]
mod secured;
