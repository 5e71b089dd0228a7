//! Reads from replicas, when they are asked for.

use std::time::Duration;

use redis_cache::{Cache, Config, Expiry};

use crate::common::eventually;
use crate::common::sentinel::Watched;

/// However busy the machine is, what is left when two replicas took their parts of the time is enough.
fn cache(watched: &Watched, read_from: &str) -> Cache {
    let options = [
        ("read_from", read_from),
        ("timeout", "8s"),
        ("connect_timeout", "2s"),
        ("breaker_failures", "2"),
    ];
    let set = |config: Config, (name, value)| config.set(name, value).unwrap();
    options
        .into_iter()
        .fold(watched.config(), set)
        .connect()
        .unwrap()
}

/// Writes a value and waits until all replicas have it.
fn write(watched: &Watched, cache: &Cache, value: i64) {
    cache.set("k", &value, Expiry::Never).unwrap();
    for server in &watched.servers()[1..] {
        eventually("a replica has it", || {
            server.run::<Option<i64>>(&["GET", ":1:k"]) == Some(value)
        });
    }
}

fn reads(watched: &Watched) -> Vec<u64> {
    let count = |command| {
        watched
            .servers()
            .iter()
            .map(move |server| server.calls(command))
    };
    count("get")
        .zip(count("mget"))
        .map(|(get, mget)| get + mget)
        .collect()
}

#[test]
fn reads_go_where_read_from_says_and_writes_to_the_primary() {
    let watched = Watched::start();
    for (read_from, is_read) in [
        ("primary", [true, false, false]),
        ("replica", [false, true, true]),
        ("any", [true, true, true]),
    ] {
        let cache = cache(&watched, read_from);
        write(&watched, &cache, 7);
        let before = reads(&watched);
        for _ in 0..50 {
            assert_eq!(cache.get::<i64>("k").unwrap(), Some(7));
            assert_eq!(
                cache.get_many::<i64>(["k", "none"]).unwrap(),
                [Some(7), None]
            );
            assert!(cache.has_key("k").unwrap());
        }
        let after = reads(&watched);
        let grew: Vec<bool> = before.iter().zip(&after).map(|(a, b)| b > a).collect();
        assert_eq!(grew, is_read, "{read_from}: {before:?} {after:?}");
    }
}

#[test]
fn a_read_of_many_keys_goes_to_one_replica() {
    let watched = Watched::shared();
    let cache = cache(&watched, "replica");
    cache.get_bytes("k").unwrap();
    let before = reads(&watched);
    let keys: Vec<String> = (0..100).map(|number| number.to_string()).collect();
    cache.get_many_bytes(&keys).unwrap();
    let after = reads(&watched);
    assert_eq!(
        after.iter().sum::<u64>() - before.iter().sum::<u64>(),
        1,
        "{before:?} {after:?}"
    );
}

#[test]
fn replicas_that_hang_fail_no_read_while_another_server_lives() {
    let watched = Watched::start();
    let cache = cache(&watched, "replica");
    write(&watched, &cache, 1);
    for hanging in &watched.servers()[1..] {
        hanging.freeze();
        // Half of the budget is left for another server: no read fails.
        for _ in 0..300 {
            assert_eq!(cache.get::<i64>("k").unwrap(), Some(1));
            std::thread::sleep(Duration::from_millis(2));
        }
    }
    assert_eq!(cache.stats().errors, 0);
}

#[test]
fn dead_replicas_fail_no_read_while_another_server_lives() {
    let mut watched = Watched::start();
    for read_from in ["replica", "any"] {
        let cache = cache(&watched, read_from);
        write(&watched, &cache, 1);
        for dead in [1, 2] {
            watched.servers_mut()[dead].stop();
            for _ in 0..300 {
                assert_eq!(cache.get::<i64>("k").unwrap(), Some(1), "{read_from}");
                std::thread::sleep(Duration::from_millis(2));
            }
        }
        assert_eq!(cache.stats().errors, 0);
        for dead in [1, 2] {
            watched.servers_mut()[dead].start_again();
        }
        write(&watched, &cache, 2);
        eventually("a replica is read from again", || {
            let before = reads(&watched);
            for _ in 0..20 {
                assert_eq!(cache.get::<i64>("k").unwrap(), Some(2));
            }
            let after = reads(&watched);
            after[1] > before[1] && after[2] > before[2]
        });
    }
}
