//! Which node is asked for a key, and how a cache gets to know the nodes.

use std::net::TcpListener;
use std::time::{Duration, Instant};

use redis_cache::{ErrorKind, Expiry};

use crate::common::cluster::{Cluster, connect};
use crate::common::fixture::unique_name;
use crate::common::server::{Server, free_port};
use crate::common::{HOLD_UP, fault};
use crate::{cache_at, cache_on};

#[test]
fn every_key_is_stored_where_the_cluster_wants_it() {
    let cluster = Cluster::shared();
    let cache = cache_on(&cluster, &[("prefix", &unique_name())]);
    let ranges = cluster.layout();
    let mut seen = [false; 3];
    for number in 0..200 {
        let key = format!("k{number}");
        cache
            .set_bytes(&key, key.as_bytes(), Expiry::Default)
            .unwrap();
        let wire_key = cache.make_key(&key).unwrap();
        let slot = cluster.slot(&wire_key);
        let owner = ranges
            .iter()
            .position(|range| range.first <= slot && slot <= range.last)
            .unwrap();
        seen[owner] = true;
        assert_eq!(
            cache.where_is(&key).unwrap(),
            Cluster::url(ranges[owner].primary)
        );
        assert!(cluster.run::<bool>(
            ranges[owner].primary,
            &["EXISTS", std::str::from_utf8(&wire_key).unwrap()]
        ));
        assert_eq!(cache.get_bytes(&key).unwrap().unwrap(), key.as_bytes());
    }
    assert_eq!(seen, [true; 3]);
}

#[test]
fn keys_with_one_hash_tag_are_on_one_node() {
    let cluster = Cluster::shared();
    let cache = cache_on(&cluster, &[("prefix", &unique_name())]);
    for user in 0..50 {
        let at = |what: &str| {
            let key = format!("{{user{user}}}.{what}");
            cluster.slot(cache.make_key(key).unwrap())
        };
        assert_eq!(at("name"), at("mail"));
        assert_eq!(at("name"), cluster.slot(format!("user{user}")));
        // A version moves within its slot.
        let key = format!("{{user{user}}}.name");
        cache.set(&key, "x", Expiry::Default).unwrap();
        assert_eq!(cache.incr_version(&key, 1).unwrap(), Some(2));
        let moved: Option<String> = cache.version(2).get(&key).unwrap();
        assert_eq!(moved.as_deref(), Some("x"));
    }
}

#[test]
fn many_keys_are_one_round_trip_a_node() {
    let cluster = Cluster::shared();
    let cache = cache_on(&cluster, &[("prefix", &unique_name())]);
    let keys: Vec<String> = (0..100).map(|number| format!("k{number}")).collect();
    let entries = keys.iter().map(|key| (key.clone(), key.clone()));
    cache.set_many_bytes(entries, Expiry::Default).unwrap();
    let primaries = cluster.primaries();
    assert_eq!(primaries.len(), 3);
    let mut raw: Vec<_> = primaries
        .iter()
        .map(|port| connect(*port).unwrap())
        .collect();
    let mut reads = || -> Vec<u64> {
        let count = |raw: &mut redis::Connection| {
            let info: String = redis::cmd("INFO").arg("stats").query(raw).unwrap();
            let name = "total_reads_processed:";
            let line = info.lines().find_map(|line| line.strip_prefix(name));
            line.unwrap().parse().unwrap()
        };
        raw.iter_mut().map(count).collect()
    };
    // Replicas and other tests are read from as well: the fewest of several attempts are our own.
    let mut fewest = [u64::MAX; 3];
    for _ in 0..500 {
        if fewest == [1; 3] {
            break;
        }
        let before = reads();
        assert_eq!(cache.get_many_bytes(&keys).unwrap().len(), 100);
        for (place, after) in reads().into_iter().enumerate() {
            // One is the question itself.
            fewest[place] = fewest[place].min(after - before[place] - 1);
        }
    }
    assert_eq!(fewest, [1; 3]);
}

#[test]
fn a_seed_that_is_down_does_not_matter() {
    let cluster = Cluster::shared();
    let seeds = [
        Cluster::url(free_port()),
        Cluster::url(cluster.alive()[0]),
        Cluster::url(free_port()),
    ];
    for _ in 0..5 {
        let cache = cache_at(&seeds, &[("prefix", &unique_name())]);
        cache.set("k", &1, Expiry::Default).unwrap();
        assert_eq!(cache.get::<u32>("k").unwrap(), Some(1));
    }
}

#[test]
fn a_seed_that_never_answers_leaves_time_for_the_others() {
    let cluster = Cluster::shared();
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = silent.local_addr().unwrap().port();
    let seeds = [Cluster::url(port), Cluster::url(cluster.alive()[0])];
    for _ in 0..5 {
        let cache = cache_at(&seeds, &[("prefix", &unique_name())]);
        cache.set("k", &1, Expiry::Default).unwrap();
        assert_eq!(cache.get::<u32>("k").unwrap(), Some(1));
    }
}

#[test]
fn without_a_live_seed_calls_fail_within_their_budget() {
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let silent = Cluster::url(silent.local_addr().unwrap().port());
    let dead = Cluster::url(free_port());
    let cache = cache_at(std::slice::from_ref(&dead), &[]);
    assert_eq!(fault(cache.get_bytes("k")).kind(), ErrorKind::Io);
    let cache = cache_at(&[dead, silent], &[("timeout", "300ms")]);
    let started = Instant::now();
    assert!(fault(cache.get_bytes("k")).is_unavailable());
    assert!(started.elapsed() < Duration::from_millis(300) + HOLD_UP);
}

#[test]
fn a_server_outside_of_any_cluster_is_a_configuration_error() {
    let server = Server::shared();
    let cache = cache_at(&[server.tcp()], &[]);
    let error = fault(cache.get_bytes("k"));
    assert_eq!(error.kind(), ErrorKind::Config);
    assert!(error.to_string().contains("topology=single"), "{error}");
}

#[test]
fn a_seed_may_be_a_unix_socket() {
    let cluster = Cluster::shared();
    let socket = cluster.socket(cluster.alive()[1]);
    let seed = format!("unix://{}", socket.display());
    let cache = cache_at(&[seed], &[("prefix", &unique_name())]);
    for number in 0..20 {
        cache
            .set(format!("k{number}"), &number, Expiry::Default)
            .unwrap();
    }
    assert!(
        cache
            .where_is("k1")
            .unwrap()
            .starts_with("redis://127.0.0.1:")
    );
}

#[test]
fn every_dialect_reads_the_map() {
    let cluster = Cluster::shared();
    for dialect in [("protocol", "2"), ("protocol", "3"), ("parser", "redis")] {
        let cache = cache_on(&cluster, &[dialect, ("prefix", &unique_name())]);
        let keys: Vec<String> = (0..50).map(|number| format!("k{number}")).collect();
        let entries = keys.iter().map(|key| (key.clone(), "x"));
        cache.set_many_bytes(entries, Expiry::Default).unwrap();
        assert_eq!(cache.delete_many(&keys).unwrap(), 50, "{dialect:?}");
    }
}

#[test]
fn a_connector_is_shown_the_nodes_that_were_found() {
    let cluster = Cluster::shared();
    let seen = std::sync::Arc::new(std::sync::Mutex::new(Vec::new()));
    let told = std::sync::Arc::clone(&seen);
    let config = redis_cache::Config::new()
        .server(&Cluster::url(cluster.alive()[0]))
        .unwrap();
    let config = config.set("topology", "cluster").unwrap();
    let config = config.set("read_from", "replica").unwrap();
    let config = config.set("prefix", &unique_name()).unwrap();
    let cache = config
        .connector(move |info| {
            told.lock().unwrap().push(info.addr().to_string());
            redis::Client::open(info.clone())?.get_connection()
        })
        .connect()
        .unwrap();
    for number in 0..50 {
        cache
            .set(format!("k{number}"), &number, Expiry::Default)
            .unwrap();
        let _ = cache.get::<u32>(format!("k{number}")).unwrap();
    }
    let seen = seen.lock().unwrap();
    for port in cluster.alive() {
        let name = format!("127.0.0.1:{port}");
        assert!(seen.contains(&name), "{name} of {seen:?}");
    }
}
