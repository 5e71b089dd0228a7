//! Another node becomes the primary: writes find it, planned or not, and the old one may come back as a replica.

use std::thread;
use std::time::{Duration, Instant};

use redis_cache::{ErrorKind, Expiry};

use crate::cache_on;
use crate::common::fleet::Fleet;
use crate::common::{HOLD_UP, eventually, kind};

/// What the server at `place` has under `k`.
fn stored(fleet: &Fleet, place: usize) -> Vec<u8> {
    let value: Option<Vec<u8>> = fleet.servers[place].run(&["GET", "app:1:k"]);
    value.unwrap_or_default()
}

#[test]
fn writes_follow_a_planned_failover_and_none_fails() {
    let fleet = Fleet::replicated(2);
    let cache = cache_on(&fleet, &[]);
    for place in [1, 2, 0] {
        cache.set_bytes("before", b"v", Expiry::Never).unwrap();
        fleet.promote(place);
        let started = Instant::now();
        cache.set_bytes("k", &[place as u8], Expiry::Never).unwrap();
        println!(
            "a write after a planned failover took {:?}",
            started.elapsed()
        );
        assert_eq!(cache.incr_or_create("n", 1, 1, Expiry::Never).unwrap(), 1);
        assert!(cache.delete("n").unwrap());
        assert!(stored(&fleet, place).ends_with(&[place as u8]));
        assert!(
            cache
                .where_is("k")
                .unwrap()
                .contains(&fleet.servers[place].port().to_string())
        );
        cache.ping().unwrap();
        assert_eq!(cache.stats().errors, 0);
    }
}

#[test]
fn writes_find_the_new_primary_when_the_old_one_died() {
    let mut fleet = Fleet::replicated(2);
    let cache = cache_on(&fleet, &[]);
    cache.set_bytes("k", b"before", Expiry::Never).unwrap();
    fleet.servers[0].stop();
    // Nobody has taken over yet: calls fail, and soon.
    let started = Instant::now();
    for _ in 0..200 {
        let kind = kind(cache.set_bytes("k", b"in vain", Expiry::Never));
        assert!(
            matches!(kind, ErrorKind::Io | ErrorKind::Unavailable),
            "{kind:?}"
        );
    }
    assert!(
        started.elapsed() < Duration::from_secs(10),
        "{:?}",
        started.elapsed()
    );
    fleet.promote(2);
    let started = Instant::now();
    eventually("a write succeeds", || {
        cache.set_bytes("k", b"after", Expiry::Never).is_ok()
    });
    println!("writes went on {:?} after the promotion", started.elapsed());
    assert_eq!(cache.get_bytes("k").unwrap().unwrap(), b"after");
    for index in 0..100 {
        cache
            .set_int(format!("n{index}"), index, Expiry::Never)
            .unwrap();
    }

    // The old one comes back, first by itself and then as a replica.
    fleet.servers[0].start_again();
    thread::sleep(Duration::from_millis(200));
    cache.set_bytes("k", b"still there", Expiry::Never).unwrap();
    assert!(stored(&fleet, 2).ends_with(b"still there"));
    fleet.promote(2);
    fleet.await_replicas(2, 2);
    cache.set_bytes("k", b"and there", Expiry::Never).unwrap();
    eventually("the old primary follows", || {
        stored(&fleet, 0).ends_with(b"and there")
    });
}

#[test]
fn a_process_that_starts_after_the_failover_finds_the_primary_too() {
    let fleet = Fleet::replicated(2);
    fleet.promote(1);
    let cache = cache_on(&fleet, &[]);
    cache.set_bytes("k", b"v", Expiry::Never).unwrap();
    let entries = (0..500).map(|index| (format!("k{index}"), b"v"));
    let fresh = cache_on(&fleet, &[]);
    fresh.set_many_bytes(entries, Expiry::Never).unwrap();
    assert_eq!(fleet.servers[1].run::<u64>(&["DBSIZE"]), 501);
    assert_eq!(cache_on(&fleet, &[]).clear().unwrap(), 501);
}

#[test]
fn a_primary_that_hangs_costs_one_budget_and_then_the_new_one_is_found() {
    let fleet = Fleet::replicated(2);
    let cache = cache_on(&fleet, &[("timeout", "300ms")]);
    cache.set_bytes("k", b"before", Expiry::Never).unwrap();
    fleet.servers[0].freeze();
    let _: String = fleet.servers[1].run(&["REPLICAOF", "NO", "ONE"]);
    let port = fleet.servers[1].port().to_string();
    let _: String = fleet.servers[2].run(&["REPLICAOF", "127.0.0.1", &port]);
    let mut lost = 0;
    eventually("the new primary is found", || {
        let started = Instant::now();
        let wrote = cache.set_bytes("k", b"after", Expiry::Never);
        let took = started.elapsed();
        assert!(took < Duration::from_millis(300) + HOLD_UP, "{took:?}");
        lost += u32::from(wrote.is_err());
        wrote.is_ok()
    });
    fleet.servers[0].thaw();
    println!("a primary that hangs: {lost} writes failed before the new one was found");
    // One, unless the machine is so busy that the others do not answer either.
    assert!((1..=5).contains(&lost), "{lost}");
    assert!(stored(&fleet, 1).ends_with(b"after"));
}

#[test]
fn a_failover_under_load_loses_no_acknowledged_write() {
    let fleet = Fleet::replicated(2);
    let cache = cache_on(&fleet, &[("timeout", "5s")]);
    let slowest = thread::scope(|scope| {
        let writers: Vec<_> = (0..4)
            .map(|writer| {
                let cache = &cache;
                scope.spawn(move || {
                    let (mut slowest, until) =
                        (Duration::ZERO, Instant::now() + Duration::from_secs(1));
                    let mut index = 0;
                    while Instant::now() < until {
                        let started = Instant::now();
                        cache
                            .set_int(format!("w{writer}-{index}"), index, Expiry::Never)
                            .unwrap();
                        slowest = slowest.max(started.elapsed());
                        index += 1;
                    }
                    (slowest, index)
                })
            })
            .collect();
        thread::sleep(Duration::from_millis(300));
        // In good order: the old primary takes no more writes, and the new one has all there were.
        let _: String = fleet.servers[0].run(&["CLIENT", "PAUSE", "5000", "WRITE"]);
        let offset = |place: usize, name: &str| {
            let info: String = fleet.servers[place].run(&["INFO", "replication"]);
            let line = info
                .lines()
                .find_map(|line| line.strip_prefix(name).map(str::to_owned));
            line.unwrap().trim().to_owned()
        };
        eventually("the replica has everything", || {
            offset(0, "master_repl_offset:") == offset(1, "slave_repl_offset:")
        });
        fleet.promote(1);
        let _: String = fleet.servers[0].run(&["CLIENT", "UNPAUSE"]);
        let done: Vec<_> = writers
            .into_iter()
            .map(|writer| writer.join().unwrap())
            .collect();
        for (writer, (_, count)) in done.iter().enumerate() {
            for index in 0..*count {
                assert_eq!(
                    cache.get_int(format!("w{writer}-{index}")).unwrap(),
                    Some(index)
                );
            }
        }
        done.into_iter().map(|(slowest, _)| slowest).max()
    });
    println!(
        "a failover under load: slowest write {slowest:?}, errors {}",
        cache.stats().errors
    );
    assert_eq!(cache.stats().errors, 0);
}

#[test]
fn a_sweep_goes_on_after_a_failover() {
    let fleet = Fleet::replicated(2);
    let cache = cache_on(&fleet, &[]);
    let entries = (0..2000).map(|index| (format!("k{index}"), b"v"));
    cache.set_many_bytes(entries, Expiry::Never).unwrap();
    eventually("the replicas have them", || {
        fleet
            .servers
            .iter()
            .all(|server| server.run::<u64>(&["DBSIZE"]) == 2000)
    });
    let swept = cache
        .sweep_all()
        .limit(500)
        .scan_count(100)
        .delete()
        .unwrap();
    let cursor = swept.cursor.unwrap();
    eventually("the replicas follow", || {
        fleet.servers[1].run::<u64>(&["DBSIZE"]) == 1500
    });
    fleet.promote(1);
    let mut is_promoted_again = false;
    let rest = cache.sweep_all().scan_count(100).progress(|_| {
        if !is_promoted_again {
            is_promoted_again = true;
            eventually("the others follow", || {
                fleet.servers[2].run::<u64>(&["DBSIZE"]) == fleet.servers[1].run::<u64>(&["DBSIZE"])
            });
            fleet.promote(2);
        }
        std::ops::ControlFlow::Continue(())
    });
    let rest = rest.resume(cursor).delete().unwrap();
    assert_eq!(rest.changed, 1500);
    assert_eq!(fleet.servers[2].run::<u64>(&["DBSIZE"]), 0);
}
