//! A cache whose primary is found by sentinels: what it costs to find it, what a failover costs, and what reads from
//! replicas may see. That it behaves like any other cache is shown by the behaviour suite.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::print_stdout
)]

mod common;

#[path = "topology_sentinel/failover.rs"]
mod failover;
#[path = "topology_sentinel/load.rs"]
mod load;
#[path = "topology_sentinel/lookup.rs"]
mod lookup;
#[path = "topology_sentinel/replicas.rs"]
mod replicas;
#[cfg(feature = "tls")]
#[path = "topology_sentinel/secured.rs"]
mod secured;
