//! Walks over the keys of all primaries, also while one of them is lost or slots move.

use std::ops::ControlFlow;

use redis_cache::{Cache, Expiry, Rewrite};

use crate::common::cluster::Cluster;
use crate::common::fixture::unique_name;
use crate::{Changing, cache_on};

const KEYS: usize = 3000;

fn filled(cluster: &Cluster) -> Cache {
    let options = [("prefix", &*unique_name()), ("timeout", "20s")];
    let cache = cache_on(cluster, &options);
    let entries = (0..KEYS).map(|number| (format!("k{number}"), "x"));
    cache.set_many_bytes(entries, Expiry::Never).unwrap();
    cluster.wait_for_replicas();
    cache
}

fn left(cache: &Cache) -> usize {
    cache.keys("*").unwrap().map(Result::unwrap).count()
}

#[test]
fn a_walk_shows_the_keys_of_all_primaries_once() {
    let cluster = Cluster::shared();
    let cache = filled(&cluster);
    let mut keys: Vec<_> = cache.keys("k*").unwrap().map(Result::unwrap).collect();
    keys.sort();
    keys.dedup();
    assert_eq!((keys.len(), left(&cache)), (KEYS, KEYS));
    let mut cursor: Option<String> = None;
    let mut changed = 0;
    loop {
        let sweep = cache.sweep("k*").limit(700);
        let sweep = match cursor.take() {
            Some(cursor) => sweep.resume(cursor),
            None => sweep,
        };
        let swept = sweep.delete().unwrap();
        changed += swept.changed;
        match swept.cursor {
            Some(place) => cursor = Some(place),
            None => break,
        }
    }
    assert_eq!((changed, left(&cache)), (KEYS as u64, 0));
}

#[test]
fn a_sweep_outlasts_the_death_of_a_primary() {
    // The one that is being walked, and one that is not yet.
    for place in [0, 2] {
        let cluster = Changing::cluster();
        let cache = filled(&cluster);
        let dead = cluster.primaries()[place];
        let mut is_killed = false;
        let swept = cache
            .sweep("k*")
            .scan_count(50)
            .progress(|_| {
                if !is_killed {
                    cluster.kill(dead);
                    is_killed = true;
                }
                ControlFlow::Continue(())
            })
            .delete()
            .unwrap();
        // What was removed just before the death may be there again, and is removed again.
        assert!(swept.changed >= KEYS as u64, "{swept:?}");
        assert_eq!(left(&cache), 0, "{swept:?}");
    }
}

#[test]
fn a_cursor_outlives_its_node() {
    let cluster = Changing::cluster();
    let cache = filled(&cluster);
    let swept = cache.sweep("k*").limit(10).delete().unwrap();
    let dead = cluster.primaries()[0];
    assert!(swept.cursor.as_ref().unwrap().ends_with(&dead.to_string()));
    cluster.kill(dead);
    cluster.wait_for_election(dead, 0);
    let rest = cache
        .sweep("k*")
        .resume(swept.cursor.unwrap())
        .delete()
        .unwrap();
    assert_eq!((rest.cursor, left(&cache)), (None, 0));
}

#[test]
fn a_sweep_removes_keys_that_are_on_their_way() {
    let cluster = Changing::cluster();
    let cache = filled(&cluster);
    let slot = cluster.slot(cache.make_key("k0").unwrap());
    let (from, to) = (cluster.owner(slot), cluster.other_owner(slot));
    cache.set("{k0}", "new", Expiry::Never).unwrap();
    cluster.begin_move(slot, to);
    cache.set("{k0}new", "x", Expiry::Never).unwrap();
    assert_eq!(cache.clear().unwrap(), KEYS as u64 + 2);
    assert_eq!(left(&cache), 0);
    cluster.end_move(slot, to);
    cluster.move_slot(slot, from);
}

#[test]
fn entries_are_rewritten_where_their_slot_has_moved_meanwhile() {
    for is_whole_move in [true, false] {
        let cluster = Changing::cluster();
        let options = [("prefix", &*unique_name()), ("timeout", "20s")];
        let cache = cache_on(&cluster, &options);
        let keys: Vec<_> = (0..50).map(|number| format!("{{m}}{number}")).collect();
        let entries = keys.iter().map(|key| (key, "old"));
        cache.set_many_bytes(entries, Expiry::Never).unwrap();
        let slot = cluster.slot(cache.make_key("{m}").unwrap());
        let (from, to) = (cluster.owner(slot), cluster.other_owner(slot));
        let mut calls = 0;
        let swept = cache.sweep("*").batch(10).reinsert_with(|_, value| {
            calls += 1;
            if calls == 15 {
                cluster.begin_move(slot, to);
                cluster.move_keys(slot, to);
                if is_whole_move {
                    cluster.end_move(slot, to);
                }
            }
            Ok::<_, String>(match value {
                b"old" => Rewrite::Replace(b"new".to_vec()),
                _ => Rewrite::Keep,
            })
        });
        assert_eq!(swept.unwrap().changed, 50);
        for value in cache.get_many_bytes(&keys).unwrap() {
            assert_eq!(value.as_deref(), Some(&b"new"[..]));
        }
        if !is_whole_move {
            cluster.end_move(slot, to);
        }
        cluster.move_slot(slot, from);
    }
}
