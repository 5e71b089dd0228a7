//! A ring that gets other servers: how much moves, that nothing is lost, and what a sweep can be told.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::time::{Duration, Instant};

use redis_cache::{Cache, Expiry, Ttl};

use crate::common::fleet::Fleet;
use crate::common::server::Server;
use crate::{cache_on, fill, keys};

/// The cache over these servers of the fleet.
fn over(cache: &Cache, fleet: &Fleet, places: &[usize]) -> Cache {
    let urls = places.iter().map(|place| fleet.servers[*place].tcp());
    cache.with_nodes(urls).unwrap()
}

/// A fleet of four, of which a cache knows three.
fn three_of_four() -> (Fleet, Cache, Cache) {
    let fleet = Fleet::ring(4);
    let four = cache_on(&fleet, &[]);
    let three = over(&four, &fleet, &[0, 1, 2]);
    (fleet, three, four)
}

/// Wire keys on each server with what is left of their lives.
fn everything(fleet: &Fleet) -> BTreeMap<String, (usize, i64)> {
    let mut all = BTreeMap::new();
    for (place, server) in fleet.servers.iter().enumerate() {
        for key in server.run::<Vec<String>>(&["KEYS", "*"]) {
            let pttl = server.run(&["PTTL", &key]);
            let twin = all.insert(key.clone(), (place, pttl));
            assert!(twin.is_none(), "{key} is at two places");
        }
    }
    all
}

#[test]
fn a_fourth_node_takes_its_share_and_nothing_is_lost() {
    const COUNT: usize = 4000;
    let (fleet, three, four) = three_of_four();
    let ttl = |index: usize| Duration::from_secs(1000 + index as u64 % 3000);
    for (index, key) in keys(COUNT).iter().enumerate() {
        match index % 10 {
            0 => three.set_int(key, index as i64, Expiry::Never).unwrap(),
            _ => three.set_bytes(key, key.as_bytes(), ttl(index)).unwrap(),
        }
    }
    three
        .version(7)
        .set_bytes("other version", b"v", Expiry::Never)
        .unwrap();
    let began = Instant::now();
    let before = everything(&fleet);

    let misplaced = four.sweep_all().dry_run(true).rebalance().unwrap();
    assert_eq!(misplaced.changed, 0);
    let (started, mut reports) = (Instant::now(), 0);
    let swept = four.sweep_all().scan_count(200).progress(|seen| {
        reports += 1;
        assert!(seen.changed <= seen.scanned);
        ControlFlow::Continue(())
    });
    let swept = swept.rebalance().unwrap();
    let took = started.elapsed();
    let part = swept.changed as f64 / COUNT as f64;
    println!(
        "{} of {COUNT} entries moved ({:.1} %) in {took:?}",
        swept.changed,
        part * 100.0
    );
    assert_eq!(swept.changed, misplaced.matched);
    assert!((0.20..=0.27).contains(&part), "{part}");
    assert!(reports >= 3 && swept.cursor.is_none());

    let after = everything(&fleet);
    assert_eq!(after.len(), before.len());
    let slack = i64::try_from(began.elapsed().as_millis()).unwrap() + 5;
    for (key, (place, pttl)) in &after {
        let (old_place, old_pttl) = before[key];
        assert!(
            *place == old_place || *place == 3,
            "{key} moved between old nodes"
        );
        if old_pttl < 0 {
            assert_eq!(*pttl, -1, "{key}");
        } else {
            assert!(
                *pttl <= old_pttl && old_pttl - pttl < slack,
                "{key}: {old_pttl} became {pttl}"
            );
        }
    }
    for (index, key) in keys(COUNT).iter().enumerate() {
        match index % 10 {
            0 => assert_eq!(four.get_int(key).unwrap(), Some(index as i64)),
            _ => assert_eq!(
                four.get_bytes(key).unwrap().as_deref(),
                Some(key.as_bytes())
            ),
        }
    }
    assert!(four.version(7).has_key("other version").unwrap());
    assert_eq!(four.rebalance().unwrap(), 0, "there is nothing left to do");
}

#[test]
fn lifetimes_are_kept_to_the_millisecond() {
    let (_fleet, three, four) = three_of_four();
    let moves = |key: &String| three.where_is(key).unwrap() != four.where_is(key).unwrap();
    let key = keys(100).into_iter().find(moves).unwrap();
    three
        .set_bytes(&key, b"v", Duration::from_millis(100_000))
        .unwrap();
    let started = Instant::now();
    let left = |cache: &Cache| match cache.ttl(&key).unwrap() {
        Some(Ttl::Remaining(left)) => left.as_millis(),
        other => panic!("{other:?}"),
    };
    let before = left(&three);
    assert_eq!(four.rebalance().unwrap(), 1);
    let after = left(&four);
    let took = started.elapsed().as_millis();
    assert!(
        after <= before && before - after <= took + 5,
        "{before} became {after} within {took} ms"
    );
}

#[test]
fn what_is_at_the_destination_wins_and_other_programs_keep_their_keys() {
    let (fleet, three, four) = three_of_four();
    fill(&three, 400);
    let moves = |key: &String| three.where_is(key).unwrap() != four.where_is(key).unwrap();
    let moving: Vec<_> = keys(400).into_iter().filter(moves).collect();
    for key in moving.iter().take(20) {
        four.set_bytes(key, b"newer", Expiry::Never).unwrap();
    }
    for server in &fleet.servers {
        let _: () = server.run(&["SET", "foreign", "x"]);
        let _: () = server.run(&["SET", "apple:1:k1", "x"]);
        let _: i64 = server.run(&["RPUSH", "app:1:a list", "x"]);
    }
    assert_eq!(four.rebalance().unwrap(), moving.len() as u64);
    for (index, key) in moving.iter().enumerate() {
        let expected = if index < 20 {
            &b"newer"[..]
        } else {
            key.as_bytes()
        };
        assert_eq!(four.get_bytes(key).unwrap().as_deref(), Some(expected));
        assert_eq!(three.get_bytes(key).unwrap(), None, "the old copy is gone");
    }
    for server in &fleet.servers {
        assert_eq!(
            server.run::<i64>(&["EXISTS", "foreign", "apple:1:k1", "app:1:a list"]),
            3
        );
    }
}

#[test]
fn a_sweep_stops_at_its_limit_and_goes_on_later() {
    let (fleet, three, four) = three_of_four();
    fill(&three, 1000);
    let all = four.sweep_all().dry_run(true).rebalance().unwrap().matched;
    let (mut moved, mut cursor) = (0, None::<String>);
    loop {
        let sweep = four.sweep_all().limit(60).batch(25).scan_count(50);
        let sweep = match &cursor {
            Some(cursor) => sweep.resume(cursor),
            None => sweep,
        };
        let swept = sweep.rebalance().unwrap();
        assert!(swept.changed <= 60);
        moved += swept.changed;
        cursor = swept.cursor;
        if cursor.is_none() {
            break;
        }
    }
    assert_eq!(moved, all);
    assert_eq!(everything(&fleet).len(), 1000);
}

#[test]
fn a_node_that_leaves_is_emptied_by_sweeping_the_old_cache_to_the_new_one() {
    let (fleet, three, four) = three_of_four();
    fill(&four, 500);
    let swept = four.sweep_all().rebalance_to(&three).unwrap();
    assert!(swept.changed > 80, "{swept:?}");
    assert_eq!(fleet.servers[3].run::<u64>(&["DBSIZE"]), 0);
    for key in keys(500) {
        assert_eq!(
            three.get_bytes(&key).unwrap().as_deref(),
            Some(key.as_bytes())
        );
    }
}

/// The way for C, which has no second cache to sweep to.
#[test]
fn a_node_that_leaves_is_emptied_by_giving_the_others_all_the_weight() {
    let (fleet, three, four) = three_of_four();
    fill(&four, 500);
    let heavy = |server: &Server| format!("{}?weight=1000000000", server.tcp());
    let urls = fleet.servers[..3].iter().map(heavy);
    let leaving = four
        .with_nodes(urls.chain([fleet.servers[3].tcp()]))
        .unwrap();
    leaving.rebalance().unwrap();
    assert_eq!(fleet.servers[3].run::<u64>(&["DBSIZE"]), 0);
    for key in keys(500) {
        assert_eq!(
            three.get_bytes(&key).unwrap().as_deref(),
            Some(key.as_bytes())
        );
    }
}

#[test]
fn the_same_cache_over_other_nodes_keeps_its_options_and_version() {
    let (fleet, three, four) = three_of_four();
    let five = over(&three.version(5), &fleet, &[1, 2]);
    assert_eq!(five.current_version(), 5);
    assert_eq!(five.make_key("k").unwrap(), b"app:5:k");
    let one = four.with_nodes([fleet.servers[0].tcp()]).unwrap();
    one.set_bytes("k", b"v", Expiry::Default).unwrap();
    assert_eq!(one.rebalance().unwrap(), 0, "one server is no ring");
    assert!(three.with_nodes(["redis://h?prefix=other"]).is_err());
    assert!(three.with_nodes(Vec::<String>::new()).is_err());
    let embedded = three.with_nodes(["memory://"]).unwrap();
    assert_eq!(embedded.rebalance().unwrap(), 0);
}

#[test]
fn writes_during_a_rebalance_are_never_undone() {
    let (_fleet, three, four) = three_of_four();
    fill(&three, 2000);
    std::thread::scope(|scope| {
        let writer = scope.spawn(|| {
            for key in keys(2000).iter().rev() {
                four.set_bytes(key, b"written meanwhile", Expiry::Never)
                    .unwrap();
            }
        });
        while !writer.is_finished() {
            four.rebalance().unwrap();
        }
    });
    four.rebalance().unwrap();
    for key in keys(2000) {
        assert_eq!(
            four.get_bytes(&key).unwrap().unwrap(),
            b"written meanwhile",
            "{key}"
        );
    }
}
