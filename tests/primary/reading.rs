//! `read_from`: where plain reads go, and where they go when that fails.

use std::time::{Duration, Instant};

use redis_cache::{Config, ErrorKind, Expiry};

use crate::common::fleet::Fleet;
use crate::common::server::Server;
use crate::common::{eventually, kind};
use crate::{cache_on, reads};

fn await_everywhere(fleet: &Fleet, key: &str) {
    let has_it = |server: &Server| server.run::<bool>(&["EXISTS", key]);
    eventually("all have it", || fleet.servers.iter().all(has_it));
}

#[test]
fn reads_go_where_read_from_says_and_everything_else_to_the_primary() {
    let fleet = Fleet::replicated(2);
    let cases = [
        ("primary", [true, false, false]),
        ("replica", [false, true, true]),
        ("any", [true; 3]),
    ];
    cache_on(&fleet, &[])
        .set_bytes("k", b"v", Expiry::Never)
        .unwrap();
    await_everywhere(&fleet, "app:1:k");
    for (read_from, expected) in cases {
        let cache = cache_on(&fleet, &[("read_from", read_from)]);
        let before = reads(&fleet);
        for _ in 0..100 {
            assert_eq!(cache.get_bytes("k").unwrap().unwrap(), b"v");
            assert_eq!(
                cache.get_many_bytes(["k", "absent"]).unwrap(),
                [Some(b"v".to_vec()), None]
            );
            assert!(cache.has_key("k").unwrap());
        }
        let asked: Vec<u64> = reads(&fleet)
            .iter()
            .zip(before)
            .map(|(now, then)| now - then)
            .collect();
        println!("read_from={read_from}: {asked:?}");
        for (count, is_expected) in asked.iter().zip(expected) {
            assert_eq!(*count > 30, is_expected, "{read_from}: {asked:?}");
        }

        let before = reads(&fleet)[1..].to_vec();
        cache.set_int("n", 1, Expiry::Never).unwrap();
        assert_eq!(cache.incr("n", 1).unwrap(), Some(2));
        assert!(!cache.add_bytes("n", b"", Expiry::Never).unwrap());
        assert!(cache.ttl("n").unwrap().is_some());
        assert!(cache.touch("n", Duration::from_secs(9)).unwrap());
        assert_eq!(cache.incr_version("n", 1).unwrap(), Some(2));
        assert_eq!(cache.clear_version(2).unwrap(), 1);
        assert_eq!(reads(&fleet)[1..], before, "{read_from}");
    }
    let replica = cache_on(&fleet, &[("read_from", "replica")]);
    let primary = format!("{}", fleet.servers[0].port());
    assert!(
        replica.where_is("k").unwrap().contains(&primary),
        "where writes go"
    );
}

#[test]
fn defect_7_the_primary_is_known_by_its_address_however_it_is_spelled() {
    let fleet = Fleet::replicated(1);
    let (first, second) = (fleet.servers[0].port(), fleet.servers[1].port());
    for spelled in [
        format!("127.0.0.1:{first}"),
        format!("redis://127.0.0.1:{first}"),
        format!("redis://127.0.0.1:{first}/0"),
        "writer".to_owned(),
    ] {
        let config = Config::new()
            .server(&format!("redis://127.0.0.1:{second}"))
            .unwrap()
            .server(&format!("redis://127.0.0.1:{first}?name=writer"))
            .unwrap();
        let cache = config.set("primary", &spelled).unwrap().connect().unwrap();
        for _ in 0..20 {
            cache
                .set_bytes("k", spelled.as_bytes(), Expiry::Never)
                .unwrap();
            assert_eq!(cache.get_bytes("k").unwrap().unwrap(), spelled.as_bytes());
        }
    }
    let error = fleet
        .config()
        .primary("redis://u:secret@nowhere:1")
        .connect()
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Config);
    assert!(!error.to_string().contains("secret"), "{error}");
}

/// Section 9: a dead replica costs one breaker trip and no failed read.
#[test]
fn defect_8_a_dead_replica_fails_no_read() {
    let mut fleet = Fleet::replicated(2);
    for read_from in ["replica", "any"] {
        let cache = cache_on(&fleet, &[("read_from", read_from)]);
        cache.set_bytes("k", b"v", Expiry::Never).unwrap();
        await_everywhere(&fleet, "app:1:k");
        fleet.servers[2].stop();
        let mut slowest = Duration::ZERO;
        for _ in 0..1000 {
            let started = Instant::now();
            assert_eq!(cache.get_bytes("k").unwrap().unwrap(), b"v");
            assert_eq!(
                cache.get_many_bytes(["k"]).unwrap()[0].as_deref(),
                Some(&b"v"[..])
            );
            slowest = slowest.max(started.elapsed());
        }
        let stats = cache.stats();
        println!("a dead replica, {read_from}: slowest of 2000 reads {slowest:?}, {stats:?}");
        assert_eq!((stats.errors, stats.misses), (0, 0));
        fleet.servers[2].start_again();
        fleet.await_replicas(0, 2);
    }
}

/// It takes a part of the time only, also when a connection to it has to be opened first.
#[test]
fn a_replica_that_hangs_fails_no_read_either() {
    const TIMEOUT: Duration = Duration::from_secs(6);
    let fleet = Fleet::replicated(2);
    let options = [
        ("read_from", "replica"),
        ("timeout", "6s"),
        ("breaker_failures", "2"),
    ];
    let cache = cache_on(&fleet, &options);
    cache.set_bytes("k", b"v", Expiry::Never).unwrap();
    await_everywhere(&fleet, "app:1:k");
    fleet.servers[1].freeze();
    let mut slow = 0;
    for _ in 0..300 {
        let started = Instant::now();
        assert_eq!(cache.get_bytes("k").unwrap().unwrap(), b"v");
        assert_eq!(
            cache.get_many_bytes(["k"]).unwrap()[0].as_deref(),
            Some(&b"v"[..])
        );
        slow += u32::from(started.elapsed() > TIMEOUT / 4);
    }
    println!("a replica that hangs: {slow} of 300 pairs of reads waited for it");
    assert_eq!(cache.stats().errors, 0);
    assert!(slow < 30, "{slow}");
    fleet.servers[1].thaw();
}

#[test]
fn the_first_call_of_all_may_meet_a_replica_that_hangs() {
    let fleet = Fleet::replicated(2);
    cache_on(&fleet, &[])
        .set_bytes("k", b"v", Expiry::Never)
        .unwrap();
    await_everywhere(&fleet, "app:1:k");
    fleet.servers[1].freeze();
    for turn in 0..8 {
        let read_from = ["replica", "any"][turn % 2];
        let cache = cache_on(&fleet, &[("read_from", read_from), ("timeout", "6s")]);
        let read = cache.get_many_bytes(["k"]);
        assert_eq!(read.unwrap()[0].as_deref(), Some(&b"v"[..]), "{read_from}");
    }
    fleet.servers[1].thaw();
}

#[test]
fn without_replicas_the_primary_is_read_from_and_without_it_nothing_hangs() {
    let mut fleet = Fleet::replicated(2);
    let cache = cache_on(&fleet, &[("read_from", "replica")]);
    cache.set_bytes("k", b"v", Expiry::Never).unwrap();
    fleet.servers[1].stop();
    fleet.servers[2].stop();
    for _ in 0..100 {
        assert_eq!(cache.get_bytes("k").unwrap().unwrap(), b"v");
    }
    fleet.servers[0].stop();
    let started = Instant::now();
    for _ in 0..100 {
        assert!(matches!(
            kind(cache.get_bytes("k")),
            ErrorKind::Io | ErrorKind::Unavailable
        ));
    }
    assert!(started.elapsed() < Duration::from_secs(10));
    for server in &mut fleet.servers {
        server.start_again();
    }
    eventually("it is back", || cache.get_bytes("k").is_ok());
}

#[test]
fn keys_of_one_call_stay_at_one_replica() {
    let fleet = Fleet::replicated(2);
    let cache = cache_on(&fleet, &[("read_from", "replica")]);
    let before = reads(&fleet);
    for _ in 0..20 {
        let keys = (0..50).map(|index| format!("k{index}"));
        cache.get_many_bytes(keys).unwrap();
    }
    let asked: u64 = reads(&fleet).iter().sum::<u64>() - before.iter().sum::<u64>();
    assert_eq!(asked, 20, "one MGET a call");
}
