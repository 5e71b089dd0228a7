//! Redis Cluster, three primaries with a replica each: keys find their slots, redirections are followed and learnt,
//! slots move and primaries die under load, and nothing that was acknowledged is lost (design, section 9).

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::print_stdout
)]

#[path = "../common/mod.rs"]
mod common;

mod failover;
mod moves;
mod reach;
mod replicas;
mod routing;
mod sweeps;

use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};

use redis_cache::{Cache, Config};

use common::cluster::Cluster;

/// A cache on the cluster, which it is shown by one of its nodes.
fn cache_on(cluster: &Cluster, options: &[(&str, &str)]) -> Cache {
    cache_at(&[Cluster::url(cluster.alive()[0])], options)
}

fn cache_at(seeds: &[String], options: &[(&str, &str)]) -> Cache {
    let add = |config: Config, seed: &String| config.server(seed).unwrap();
    let config = seeds.iter().fold(Config::new(), add);
    let config = config.set("topology", "cluster").unwrap();
    let config = options.iter().fold(config, |config, (name, value)| {
        config.set(name, value).unwrap()
    });
    config.connect().unwrap()
}

/// The cluster of the tests that change it, one of them at a time. It is whole at the beginning of each.
struct Changing {
    cluster: &'static Cluster,
    _turn: MutexGuard<'static, ()>,
}

impl Changing {
    fn cluster() -> Changing {
        static TURN: Mutex<()> = Mutex::new(());
        static CLUSTER: OnceLock<Cluster> = OnceLock::new();
        let turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
        let cluster = CLUSTER.get_or_init(Cluster::start);
        cluster.heal();
        Changing {
            cluster,
            _turn: turn,
        }
    }
}

impl std::ops::Deref for Changing {
    type Target = Cluster;

    fn deref(&self) -> &Cluster {
        self.cluster
    }
}
