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
        behaviour!(@ near Near $($all)* $($key)*);
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
                    if !Backend::$backend.is_left_out() {
                        super::$case(&Fixture::new(Backend::$backend));
                    }
                }
            )*
        }
    };
}

#[path = "../common/mod.rs"]
mod common;

mod ancestor;
mod codecs;
mod compute;
mod compute_many;
mod connections;
mod counters;
mod fitting;
mod flights;
mod groups;
mod headers;
mod inspect;
mod latencies;
mod leases;
mod locks;
mod many;
mod oversized;
mod own_codecs;
mod plain;
mod statistics;
mod sweeps;
mod time;
mod traffic;
mod typed;
mod untrusted;
mod useless;
mod values;
mod versions;
mod wire;
