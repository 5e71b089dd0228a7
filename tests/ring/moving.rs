//! `incr_version` between two nodes when something goes wrong in the middle: nothing is ever lost.

use std::sync::Arc;
use std::thread;
use std::time::Duration;

use redis_cache::{Cache, Config, Expiry};

use crate::common::fault::{Fate, FaultServer};
use crate::common::server::Server;
use crate::{keys, with};

/// A ring of two nodes that misbehave on demand.
fn ring_of_two(timeout: &str) -> ([FaultServer; 2], Cache) {
    let nodes = [(); 2].map(|()| FaultServer::before(Arc::new(Server::start())));
    let cache = over(&nodes, timeout);
    (nodes, cache)
}

fn over(nodes: &[FaultServer; 2], timeout: &str) -> Cache {
    let config = nodes.iter().fold(Config::new(), |config, node| {
        config.server(&node.url()).unwrap()
    });
    let options = [
        ("timeout", timeout),
        ("connect_timeout", timeout),
        ("breaker_failures", "1000000"),
    ];
    with(config, &options)
}

/// A key that lives on the first node, and its next version on the second.
fn crossing_key(nodes: &[FaultServer; 2], cache: &Cache) -> String {
    let at = |cache: &Cache, key: &String, node: &FaultServer| {
        cache.where_is(key).unwrap().ends_with(&node.name())
    };
    let next = cache.version(2);
    let crosses = |key: &String| at(cache, key, &nodes[0]) && at(&next, key, &nodes[1]);
    keys(100).into_iter().find(crosses).unwrap()
}

#[test]
fn a_fault_at_any_step_loses_nothing() {
    let (nodes, cache) = ring_of_two("20s");
    let hasty = over(&nodes, "200ms");
    let (key, next) = (crossing_key(&nodes, &cache), cache.version(2));
    let steps = [(0, "EVALSHA", 0), (1, "SET", 0), (0, "EVALSHA", 1)];
    for (node, command, skip) in steps {
        for fate in [
            Fate::Reset(0),
            Fate::Stall(0),
            Fate::Answer(b"-ERR no\r\n".to_vec()),
        ] {
            for times in [1, usize::MAX] {
                next.delete(&key).unwrap();
                cache
                    .set_bytes(&key, b"value", Duration::from_secs(100))
                    .unwrap();
                let (mut seen, mut done, fate_now) = (0, 0, fate.clone());
                nodes[node].judge(move |words| {
                    if words[0].eq_ignore_ascii_case(command.as_bytes()) {
                        seen += 1;
                        if seen > skip && done < times {
                            done += 1;
                            return fate_now.clone();
                        }
                    }
                    Fate::Pass
                });
                let outcome = hasty.incr_version(&key, 1);
                nodes[node].heal();
                let (old, new) = (
                    cache.get_bytes(&key).unwrap(),
                    next.get_bytes(&key).unwrap(),
                );
                let what = format!("{command} {skip}, {fate:?}, {times}: {outcome:?}");
                assert!(old.is_some() || new.is_some(), "lost: {what}");
                match outcome {
                    Ok(version) => assert!(
                        version == Some(2) && old.is_none() && new.is_some(),
                        "{what}"
                    ),
                    // It may have been done all the same.
                    Err(_) => {
                        let again = cache.incr_version(&key, 1).unwrap();
                        assert_eq!(again.is_some(), old.is_some(), "{what}");
                        assert_eq!(next.get_bytes(&key).unwrap().unwrap(), b"value", "{what}");
                        assert_eq!(cache.get_bytes(&key).unwrap(), None, "{what}");
                    }
                }
            }
        }
    }
}

#[test]
fn a_counter_that_is_counted_while_it_moves_loses_no_count() {
    let (nodes, cache) = ring_of_two("5s");
    let (key, next) = (crossing_key(&nodes, &cache), cache.version(2));
    for round in 0..20 {
        next.delete(&key).unwrap();
        cache.set_int(&key, 0, Expiry::Never).unwrap();
        let counted = thread::scope(|scope| {
            let counter = scope.spawn(|| {
                let mut counted = 0;
                while cache.incr(&key, 1).unwrap().is_some() {
                    counted += 1;
                }
                counted
            });
            thread::sleep(Duration::from_millis(2));
            while cache.incr_version(&key, 1).is_err() {}
            counter.join().unwrap()
        });
        assert_eq!(next.get_int(&key).unwrap(), Some(counted), "round {round}");
    }
}

#[test]
fn lifetimes_and_odd_values_move_between_nodes() {
    let (nodes, cache) = ring_of_two("5s");
    let (key, next) = (crossing_key(&nodes, &cache), cache.version(2));
    let large: Vec<u8> = (0..3 << 20).map(|index: u32| (index % 251) as u8).collect();
    for value in [&b""[..], b"42", b"\r\n\0\xc1", &large] {
        cache.set_bytes(&key, value, Expiry::Never).unwrap();
        next.set_bytes(&key, b"in the way", Duration::from_secs(5))
            .unwrap();
        assert_eq!(cache.incr_version(&key, 1).unwrap(), Some(2));
        assert_eq!(next.get_bytes(&key).unwrap().unwrap(), value);
        assert_eq!(next.ttl(&key).unwrap(), Some(redis_cache::Ttl::Forever));
        assert_eq!(next.decr_version(&key, 1).unwrap(), Some(1));
        assert_eq!(cache.get_bytes(&key).unwrap().unwrap(), value);
        assert_eq!(next.get_bytes(&key).unwrap(), None);
    }
    assert_eq!(
        next.incr_version(&key, -1).unwrap(),
        None,
        "there is nothing to move"
    );
}
