//! Parts of a cluster that cannot be reached: they are named, and cost nothing once that is known.

use std::time::{Duration, Instant};

use redis_cache::{Cache, Expiry};

use crate::common::cluster::Cluster;
use crate::common::eventually;
use crate::common::launcher::lacks_tls;
use crate::common::papers::Papers;
use crate::common::server::{Server, free_port};
use crate::{Changing, cache_at, cache_on};

/// What makes a server a node of a cluster whose nodes talk without TLS.
fn node(papers: Option<&std::sync::Arc<Papers>>) -> (Server, u16) {
    let bus = free_port();
    let talk = bus.to_string();
    let options = ["--cluster-enabled", "yes", "--cluster-port", &talk];
    let options = [&options[..], &["--cluster-announce-ip", "127.0.0.1"]].concat();
    let server = match papers {
        Some(papers) => Server::secured(papers, &options),
        None => Server::with(&options),
    };
    (server, bus)
}

/// One by one, for ADDSLOTSRANGE came with 7.0.
fn owns(server: &Server, first: u16, last: u16) {
    let slots: Vec<String> = (first..=last).map(|slot| slot.to_string()).collect();
    let command = ["CLUSTER", "ADDSLOTS"].into_iter();
    let words: Vec<&str> = command.chain(slots.iter().map(String::as_str)).collect();
    let _: () = server.run(&words);
}

fn is_well(server: &Server) -> bool {
    let info: String = server.run(&["CLUSTER", "INFO"]);
    info.contains("cluster_state:ok") && info.contains("cluster_slots_ok:16384")
}

/// Guards: the half of the cluster whose port was given as 0 was left out, and everything said OK.
#[test]
fn a_node_that_serves_tls_only_is_named_by_whoever_asks_without() {
    if lacks_tls() {
        return;
    }
    let (plain, bus) = node(None);
    let (secured, _) = node(Some(&Papers::issue()));
    owns(&plain, 0, 8000);
    owns(&secured, 8001, 16383);
    let (port, bus) = (plain.port().to_string(), bus.to_string());
    let _: () = secured.run(&["CLUSTER", "MEET", "127.0.0.1", &port, &bus]);
    eventually("a whole cluster", || is_well(&plain) && is_well(&secured));
    let id: String = secured.run(&["CLUSTER", "MYID"]);

    let cache = cache_at(&[plain.tcp()], &[("prefix", "app")]);
    let set = |key: &String| cache.set_bytes(key, b"v", Expiry::Never);
    let keys: Vec<String> = (0..12).map(|number| format!("k{number}")).collect();
    let (kept, lost): (Vec<_>, Vec<_>) = keys.iter().partition(|key| set(key).is_ok());
    assert!(!kept.is_empty() && !lost.is_empty());
    for fault in [
        cache.ping().unwrap_err(),
        set(lost[0]).unwrap_err(),
        cache.delete_pattern("*").unwrap_err(),
        cache.flush_db().unwrap_err(),
        cache
            .keys("*")
            .and_then(|keys| keys.collect::<Result<Vec<_>, _>>())
            .unwrap_err(),
    ] {
        let text = fault.to_string();
        assert!(
            text.contains(&id) && text.contains("slots 8001-16383"),
            "{text}"
        );
        assert!(fault.is_unavailable());
    }
}

/// Guards: slots that no node has were nobody's fault, and everything said OK.
#[test]
fn slots_without_an_owner_are_named_by_whoever_asks_the_whole_cluster() {
    let options = [
        "--cluster-enabled",
        "yes",
        "--cluster-require-full-coverage",
        "no",
    ];
    let server = Server::with(&options);
    owns(&server, 0, 8000);
    owns(&server, 8002, 9000);
    eventually("a cluster that serves a part", || {
        let info: String = server.run(&["CLUSTER", "INFO"]);
        info.contains("cluster_state:ok")
    });
    let cache = cache_at(&[server.tcp()], &[("prefix", "app")]);
    let keys: Vec<String> = (0..60).map(|number| format!("k{number}")).collect();
    let set = |key: &&String| cache.set_bytes(key, b"v", Expiry::Never).is_ok();
    let kept = keys.iter().filter(set).count();
    assert!((1..60).contains(&kept), "{kept}");
    let named = |error: redis_cache::Error| {
        let expected = "slots 8001, 9001-16383 are owned by no node of the cluster";
        assert!(error.to_string().contains(expected), "{error}");
        assert!(error.is_unavailable(), "{error:?}");
    };
    let items: Vec<_> = cache.keys("*").unwrap().collect();
    assert_eq!(items.len(), kept + 1);
    named(items.into_iter().last().unwrap().unwrap_err());
    named(cache.ping().unwrap_err());
    let error = cache.sweep("*").delete().unwrap_err();
    assert_eq!(error.swept().unwrap().changed, kept as u64);
    named(error);
    named(cache.reinsert_keys().unwrap_err());
    named(cache.flush_db().unwrap_err());
    // The cluster is asked anew.
    owns(&server, 8001, 8001);
    owns(&server, 9001, 16383);
    eventually("a whole cluster", || cache.ping().is_ok());
    assert_eq!(cache.clear().unwrap(), 0);
}

/// Guards: nodes that were met later read the file anew, and were left out when that failed.
#[test]
fn the_files_of_tls_are_read_once_for_all_nodes() {
    if lacks_tls() {
        return;
    }
    let papers = Papers::issue();
    let (server, _) = node(Some(&papers));
    owns(&server, 0, 16383);
    eventually("a whole cluster", || is_well(&server));
    let copy = std::env::temp_dir().join(format!("rct-ca-{}.crt", server.port()));
    std::fs::copy(papers.ca(), &copy).unwrap();
    // The cluster knows it by another name than the configuration, so it is a node that is met later.
    let seed = format!(
        "rediss://localhost:{}?tls_ca={}",
        server.port(),
        copy.display()
    );
    let cache: Cache = cache_at(&[seed], &[]);
    std::fs::write(&copy, "-----BEGIN CERTIFICATE-----\nMIIB").unwrap();
    let wrote = cache.set_bytes("k", b"v", Expiry::Never);
    let reached = cache.ping();
    std::fs::remove_file(&copy).unwrap();
    wrote.unwrap();
    reached.unwrap();
    assert!(cache.where_is("k").unwrap().contains(&server.address()));
}

/// Guards: every call to such a node spent its whole budget, although it was not even asked.
#[test]
fn a_dead_primary_whose_replica_is_dead_too_costs_no_time() {
    let cluster = Changing::cluster();
    let cache = cache_on(&cluster, &[("timeout", "5s")]);
    let dead = cluster.owner(cluster.slot(cache.make_key("k").unwrap()));
    let ranges = cluster.layout();
    let range = ranges.iter().find(|range| range.primary == dead).unwrap();
    cache.set_bytes("k", b"v", Expiry::Never).unwrap();
    range.replicas.iter().for_each(|port| cluster.kill(*port));
    cluster.kill(dead);
    eventually("calls that cost next to nothing", || {
        let started = Instant::now();
        let error = cache.set_bytes("k", b"v", Expiry::Never).unwrap_err();
        error.is_unavailable() && started.elapsed() < Duration::from_millis(250)
    });
    let started = Instant::now();
    for _ in 0..20 {
        let error = cache.get_bytes("k").unwrap_err();
        assert!(error.is_unavailable(), "{error}");
    }
    assert!(
        started.elapsed() < Duration::from_secs(20),
        "{:?}",
        started.elapsed()
    );
    let error = cache.ping().unwrap_err();
    let name = Cluster::url(dead).replace("redis://", "");
    assert!(error.to_string().contains(&name), "{error}");
}
