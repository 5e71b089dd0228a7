//! One behaviour, many stores: every case runs over the embedded store, over Redis by TCP and by Unix socket, in
//! both protocol versions, with the `redis` crate's parser, over a connection of the `redis` crate, with TLS, found by
//! sentinels, over a primary with replicas, over a ring of three and over a Redis Cluster. A failing test is called
//! `<theme>::<store>::<what should have happened>`.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

/// Every case listed becomes one test for each kind of store, named `<store>::<case>`. `keys` look behind the library
/// at single keys, which servers have; `servers` look at the one server that has them all.
macro_rules! behaviour {
    (stores: [$($all:ident),* $(,)?], servers: [$($server:ident),* $(,)?] $(,)?) => {
        behaviour!(stores: [$($all),*], keys: [], servers: [$($server),*]);
    };
    (
        stores: [$($all:ident),* $(,)?],
        keys: [$($key:ident),* $(,)?],
        servers: [$($server:ident),* $(,)?] $(,)?
    ) => {
        behaviour!(@ memory Memory $($all)*);
        behaviour!(@ tcp Tcp $($all)* $($key)* $($server)*);
        behaviour!(@ unix Unix $($all)* $($key)* $($server)*);
        behaviour!(@ resp2 Resp2 $($all)* $($key)* $($server)*);
        behaviour!(@ resp3 Resp3 $($all)* $($key)* $($server)*);
        behaviour!(@ redis_parser RedisParser $($all)* $($key)* $($server)*);
        behaviour!(@ connector Connector $($all)* $($key)* $($server)*);
        #[cfg(feature = "tls")]
        behaviour!(@ tls Tls $($all)* $($key)* $($server)*);
        behaviour!(@ sentinel Sentinel $($all)* $($key)* $($server)*);
        behaviour!(@ primary Primary $($all)* $($key)* $($server)*);
        behaviour!(@ ring Ring $($all)* $($key)*);
        behaviour!(@ cluster Cluster $($all)* $($key)*);
    };
    (@ $module:ident $backend:ident $($case:ident)*) => {
        mod $module {
            $(
                #[test]
                fn $case() {
                    use crate::common::fixture::{Backend, Fixture};
                    super::$case(&Fixture::new(Backend::$backend));
                }
            )*
        }
    };
}

mod common;

#[path = "behaviour/ancestor.rs"]
mod ancestor;
#[path = "behaviour/codecs.rs"]
mod codecs;
#[path = "behaviour/compute.rs"]
mod compute;
#[path = "behaviour/compute_many.rs"]
mod compute_many;
#[path = "behaviour/connections.rs"]
mod connections;
#[path = "behaviour/counters.rs"]
mod counters;
#[path = "behaviour/flights.rs"]
mod flights;
#[path = "behaviour/groups.rs"]
mod groups;
#[path = "behaviour/leases.rs"]
mod leases;
#[path = "behaviour/locks.rs"]
mod locks;
#[path = "behaviour/many.rs"]
mod many;
#[path = "behaviour/own_codecs.rs"]
mod own_codecs;
#[path = "behaviour/plain.rs"]
mod plain;
#[path = "behaviour/statistics.rs"]
mod statistics;
#[path = "behaviour/sweeps.rs"]
mod sweeps;
#[path = "behaviour/time.rs"]
mod time;
#[path = "behaviour/traffic.rs"]
mod traffic;
#[path = "behaviour/typed.rs"]
mod typed;
#[path = "behaviour/values.rs"]
mod values;
#[path = "behaviour/versions.rs"]
mod versions;
#[path = "behaviour/wire.rs"]
mod wire;
