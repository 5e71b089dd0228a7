//! Sweeps over a ring of which some nodes are down: what is to do on the others is done, and all that failed are named.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::time::Duration;

use redis_cache::{Cache, Error, Rewrite};

use crate::common::eventually;
use crate::common::fleet::Fleet;
use crate::{cache_on, fill, keys};

const KEYS: usize = 400;
const DEAD: [usize; 2] = [0, 2];

/// Four servers with keys, of which two are down.
fn half_dead() -> (Fleet, Cache) {
    let mut fleet = Fleet::ring(4);
    let cache = cache_on(&fleet, &[("breaker_backoff_max", "100ms")]);
    fill(&cache, KEYS);
    DEAD.into_iter()
        .for_each(|place| fleet.servers[place].stop());
    (fleet, cache)
}

/// The dead come back, without what they had in memory.
fn back(fleet: &mut Fleet, cache: &Cache) {
    for place in DEAD {
        fleet.servers[place].start_again();
    }
    eventually("all nodes are well", || cache.ping().is_ok());
}

fn size(fleet: &Fleet, place: usize) -> u64 {
    fleet.servers[place].run(&["DBSIZE"])
}

fn alive(fleet: &Fleet) -> u64 {
    size(fleet, 1) + size(fleet, 3)
}

fn assert_names(error: &Error, fleet: &Fleet) {
    let text = error.to_string();
    for (place, server) in fleet.servers.iter().enumerate() {
        let is_named = text.contains(&format!(":{}: ", server.port()));
        assert_eq!(is_named, DEAD.contains(&place), "{text}");
    }
    assert!(text.starts_with("2 nodes failed: "), "{text}");
    assert!(error.is_unavailable(), "{error:?}");
}

#[test]
fn a_listing_shows_the_keys_of_all_nodes_that_can_be_reached_and_names_the_others() {
    let (fleet, cache) = half_dead();
    let items: Vec<_> = cache.keys("*").unwrap().collect();
    let (last, others) = items.split_last().unwrap();
    assert_eq!(others.len() as u64, alive(&fleet));
    assert!(others.iter().all(Result::is_ok));
    assert_names(last.as_ref().unwrap_err(), &fleet);
}

#[test]
fn every_sweep_reaches_the_others_and_names_all_that_failed() {
    let (fleet, cache) = half_dead();
    let there = alive(&fleet);
    let error = cache.sweep("*").dry_run(true).delete().unwrap_err();
    assert_names(&error, &fleet);
    assert_eq!(error.swept().unwrap().matched, there);
    assert_names(&cache.reinsert_keys().unwrap_err(), &fleet);
    assert_names(&cache.rebalance().unwrap_err(), &fleet);
    assert_eq!(alive(&fleet), there);
    let error = cache.sweep("*").delete().unwrap_err();
    assert_names(&error, &fleet);
    assert_eq!((error.swept().unwrap().changed, alive(&fleet)), (there, 0));
    for error in [
        cache.delete_pattern("*").unwrap_err(),
        cache.clear().unwrap_err(),
        cache.clear_version(1).unwrap_err(),
    ] {
        assert_names(&error, &fleet);
    }
    assert!(cache.ping().unwrap_err().swept().is_none());
}

#[test]
fn who_goes_on_makes_up_for_what_was_missed_and_nothing_else() {
    let (mut fleet, cache) = half_dead();
    let error = cache.sweep("*").delete().unwrap_err();
    let cursor = error.swept().unwrap().cursor.clone().unwrap();
    // They are still away: it is all the same again.
    let again = cache.sweep("*").resume(&cursor).delete().unwrap_err();
    assert_names(&again, &fleet);
    assert_eq!(again.swept().unwrap().scanned, 0);
    assert_eq!(again.swept().unwrap().cursor.as_ref(), Some(&cursor));
    back(&mut fleet, &cache);
    fill(&cache, KEYS);
    let swept = cache.sweep("*").resume(cursor).delete().unwrap();
    assert_eq!(swept.cursor, None);
    assert_eq!(swept.changed, KEYS as u64 - alive(&fleet));
    assert_eq!((size(&fleet, 0), size(&fleet, 2)), (0, 0));
    assert!(alive(&fleet) > 0);
}

/// A sweep that stops by its own bounds takes what it missed along, until only that is left.
#[test]
fn a_sweep_in_steps_comes_to_its_end_and_names_what_it_missed() {
    let (mut fleet, cache) = half_dead();
    let there = alive(&fleet);
    let (mut cursor, mut changed, mut steps) = (None::<String>, 0, 0);
    let error = loop {
        let sweep = cache.sweep("*").limit(50).scan_count(20);
        let sweep = match cursor.take() {
            Some(cursor) => sweep.resume(cursor),
            None => sweep,
        };
        steps += 1;
        match sweep.delete() {
            Ok(swept) => {
                changed += swept.changed;
                cursor = swept.cursor;
                assert!(cursor.is_some() && steps < 100);
            }
            Err(error) => break error,
        }
    };
    assert_names(&error, &fleet);
    changed += error.swept().unwrap().changed;
    assert_eq!((changed, alive(&fleet)), (there, 0));
    back(&mut fleet, &cache);
    let cursor = error.swept().unwrap().cursor.clone().unwrap();
    assert_eq!(
        cache.sweep("*").resume(cursor).delete().unwrap().cursor,
        None
    );
}

/// A function that adds to every value shows when an entry is met twice.
#[test]
fn a_node_that_is_lost_in_the_middle_is_gone_on_with_where_it_was_lost() {
    let fleet = Fleet::ring(3);
    let cache = cache_on(
        &fleet,
        &[("timeout", "1s"), ("breaker_failures", "1000000")],
    );
    let options = (Duration::from_secs(3600), keys(KEYS));
    for key in &options.1 {
        cache.set_bytes(key, b"v", options.0).unwrap();
    }
    let mut shown = 0;
    let plus =
        |_: &[u8], value: &[u8]| Ok::<_, String>(Rewrite::Replace([value, &b"+"[..]].concat()));
    let error = cache
        .sweep("*")
        .scan_count(30)
        .progress(|_| {
            shown += 1;
            if shown == 2 {
                fleet.servers[0].freeze();
                fleet.servers[1].freeze();
            }
            ControlFlow::Continue(())
        })
        .reinsert_with(plus)
        .unwrap_err();
    fleet.servers[0].thaw();
    fleet.servers[1].thaw();
    assert!(error.is_timeout(), "{error}");
    let cursor = error.swept().unwrap().cursor.clone().unwrap();
    let swept = cache.sweep("*").resume(cursor).reinsert_with(plus).unwrap();
    assert_eq!(
        swept.changed + error.swept().unwrap().changed,
        KEYS as u64,
        "{error}: {swept:?}"
    );
    let mut values: BTreeMap<Vec<u8>, usize> = BTreeMap::new();
    for value in cache.get_many_bytes(&options.1).unwrap() {
        *values.entry(value.unwrap()).or_default() += 1;
    }
    assert_eq!(values, BTreeMap::from([(b"v+".to_vec(), KEYS)]));
}

/// Entries for a node that is down stay where they are, and the others move.
#[test]
fn a_rebalance_names_whoever_could_not_take_its_entries() {
    let mut fleet = Fleet::ring(4);
    let four = cache_on(&fleet, &[]);
    let urls = (0..3).map(|place| fleet.servers[place].tcp());
    let three = four.with_nodes(urls).unwrap();
    fill(&three, KEYS);
    fleet.servers[3].stop();
    let error = three.sweep_all().rebalance_to(&four).unwrap_err();
    let port = fleet.servers[3].port().to_string();
    assert!(error.to_string().contains(&port), "{error}");
    assert!(error.is_unavailable());
    fleet.servers[3].start_again();
    eventually("the fourth is well", || four.ping().is_ok());
    let cursor = error.swept().unwrap().cursor.clone().unwrap();
    let moved = three
        .sweep_all()
        .resume(cursor)
        .rebalance_to(&four)
        .unwrap();
    assert_eq!((moved.cursor, moved.changed), (None, size(&fleet, 3)));
    let found = four.get_many_bytes(keys(KEYS)).unwrap();
    assert!(found.iter().all(Option::is_some));
}
