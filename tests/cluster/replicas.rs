//! Reads from replicas, for those who ask for it.

use std::time::{Duration, Instant};

use redis_cache::{Cache, Expiry};

use crate::common::cluster::Cluster;
use crate::common::eventually;
use crate::common::fixture::unique_name;
use crate::{Changing, cache_on};

const KEYS: usize = 60;

/// A cache with values under `k0`, `k1` .. that the replicas have as well.
fn filled(cluster: &Cluster, read_from: &str) -> Cache {
    let options = [
        ("prefix", &*unique_name()),
        ("read_from", read_from),
        ("timeout", "20s"),
    ];
    let cache = cache_on(cluster, &options);
    let entries = (0..KEYS).map(|number| (format!("k{number}"), "x"));
    cache.set_many_bytes(entries, Expiry::Never).unwrap();
    eventually("replicas in step", || {
        (0..KEYS).all(|number| cache.get_bytes(format!("k{number}")).unwrap().is_some())
    });
    cache
}

/// How many GETs and MGETs primaries and replicas answer meanwhile.
fn reads(cluster: &Cluster, call: impl FnOnce()) -> (u64, u64) {
    let count = |port: &u16| cluster.calls(*port, "get") + cluster.calls(*port, "mget");
    let primaries = || cluster.primaries().iter().map(count).sum::<u64>();
    let replicas = || cluster.replicas().iter().map(count).sum::<u64>();
    let before = (primaries(), replicas());
    call();
    (primaries() - before.0, replicas() - before.1)
}

fn read_all(cache: &Cache) {
    for number in 0..KEYS {
        let key = format!("k{number}");
        assert_eq!(cache.get_bytes(&key).unwrap().as_deref(), Some(&b"x"[..]));
    }
}

#[test]
fn plain_reads_go_where_they_are_told() {
    let cluster = Changing::cluster();
    let all = KEYS as u64;
    let cache = filled(&cluster, "primary");
    assert_eq!(reads(&cluster, || read_all(&cache)), (all, 0));
    let cache = filled(&cluster, "replica");
    assert_eq!(reads(&cluster, || read_all(&cache)), (0, all));
    let keys: Vec<String> = (0..KEYS).map(|number| format!("k{number}")).collect();
    let many = reads(&cluster, || {
        assert_eq!(
            cache
                .get_many_bytes(&keys)
                .unwrap()
                .iter()
                .flatten()
                .count(),
            KEYS
        );
    });
    assert_eq!(many, (0, all));
    let cache = filled(&cluster, "any");
    let (primaries, replicas) = reads(&cluster, || {
        read_all(&cache);
        read_all(&cache);
    });
    assert_eq!(primaries + replicas, 2 * all);
    assert!(
        primaries >= all / 4 && replicas >= all / 4,
        "{primaries} {replicas}"
    );
}

#[test]
fn everything_else_goes_to_the_primary() {
    let cluster = Changing::cluster();
    let cache = filled(&cluster, "replica");
    for number in 0..KEYS {
        let key = format!("n{number}");
        // Each of these must see the one before it.
        cache.set_int(&key, 1, Expiry::Default).unwrap();
        assert_eq!(cache.incr(&key, 1).unwrap(), Some(2));
        assert!(!cache.add(&key, "x", Expiry::Default).unwrap());
        assert!(cache.ttl(&key).unwrap().is_some());
        assert!(cache.touch(&key, Duration::from_secs(9)).unwrap());
        assert!(cache.delete(&key).unwrap());
    }
    assert_eq!(cache.keys("k*").unwrap().count(), KEYS);
}

#[test]
fn a_dead_replica_fails_no_read() {
    let cluster = Changing::cluster();
    for read_from in ["replica", "any"] {
        let cache = filled(&cluster, read_from);
        let dead = cluster.replicas();
        cluster.kill(dead[0]);
        let mut slowest = Duration::ZERO;
        for _ in 0..5 {
            let started = Instant::now();
            read_all(&cache);
            slowest = slowest.max(started.elapsed());
        }
        println!(
            "read_from={read_from}: {KEYS} reads took {slowest:?} at most, with a dead replica"
        );
        cluster.heal();
        // And it is read from again.
        eventually("the replica is back", || {
            let before = cluster.calls(dead[0], "get");
            read_all(&cache);
            cluster.calls(dead[0], "get") > before
        });
    }
}

#[test]
fn reads_go_on_while_a_primary_is_dead() {
    let cluster = Changing::cluster();
    let cache = filled(&cluster, "any");
    let dead = cluster.primaries()[2];
    let slot = cluster
        .layout()
        .into_iter()
        .find(|range| range.primary == dead);
    cluster.kill(dead);
    let started = Instant::now();
    let mut slowest = Duration::ZERO;
    while started.elapsed() < Duration::from_secs(1) {
        let began = Instant::now();
        read_all(&cache);
        slowest = slowest.max(began.elapsed());
    }
    cluster.wait_for_election(dead, slot.unwrap().first);
    read_all(&cache);
    println!("{KEYS} reads took {slowest:?} at most, with a dead primary");
}

#[test]
fn a_slot_that_moved_is_read_from_its_new_replica() {
    let cluster = Changing::cluster();
    let cache = filled(&cluster, "replica");
    let slot = cluster.slot(cache.make_key("k0").unwrap());
    let (from, to) = (cluster.owner(slot), cluster.other_owner(slot));
    cluster.move_slot(slot, to);
    eventually("it is read where it is now", || {
        cache.get_bytes("k0").unwrap().is_some()
    });
    let new = cluster
        .layout()
        .into_iter()
        .find(|range| range.primary == to);
    let replica = new.unwrap().replicas[0];
    let before = cluster.calls(replica, "get");
    eventually("the new replica is asked", || {
        cache.get_bytes("k0").unwrap().is_some() && cluster.calls(replica, "get") > before
    });
    cluster.move_slot(slot, from);
}
