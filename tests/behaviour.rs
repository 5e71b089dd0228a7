//! One behaviour, many stores: every case runs over the embedded store, over Redis by TCP and by Unix socket, in
//! both protocol versions, with the `redis` crate's parser, over a connection of the `redis` crate, and found by sentinels. A failing
//! test is called `<theme>::<store>::<what should have happened>`.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

/// Every case listed becomes one test for each kind of store, named `<store>::<case>`; `servers` are for what only
/// a server has, or can show.
macro_rules! behaviour {
    (stores: [$($all:ident),* $(,)?], servers: [$($server:ident),* $(,)?] $(,)?) => {
        behaviour!(@ memory Memory $($all)*);
        behaviour!(@ tcp Tcp $($all)* $($server)*);
        behaviour!(@ unix Unix $($all)* $($server)*);
        behaviour!(@ resp2 Resp2 $($all)* $($server)*);
        behaviour!(@ resp3 Resp3 $($all)* $($server)*);
        behaviour!(@ redis_parser RedisParser $($all)* $($server)*);
        behaviour!(@ connector Connector $($all)* $($server)*);
        behaviour!(@ sentinel Sentinel $($all)* $($server)*);
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

#[path = "behaviour/compute.rs"]
mod compute;
#[path = "behaviour/connections.rs"]
mod connections;
#[path = "behaviour/counters.rs"]
mod counters;
#[path = "behaviour/flights.rs"]
mod flights;
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
#[path = "behaviour/typed.rs"]
mod typed;
#[path = "behaviour/values.rs"]
mod values;
#[path = "behaviour/versions.rs"]
mod versions;
#[path = "behaviour/wire.rs"]
mod wire;
