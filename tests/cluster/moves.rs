//! Slots on their way from one primary to another: MOVED is learnt, ASK is followed once and not learnt, and callers
//! notice nothing of either.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use redis_cache::{Cache, Error, Expiry};

use crate::common::cluster::Cluster;
use crate::common::fixture::unique_name;
use crate::{Changing, cache_on};

/// The slot of a key, who has it, and who is to have it.
fn route(cluster: &Cluster, cache: &Cache, key: &str) -> (u16, u16, u16) {
    let slot = cluster.slot(cache.make_key(key).unwrap());
    (slot, cluster.owner(slot), cluster.other_owner(slot))
}

#[test]
fn a_slot_that_moved_is_found_and_learnt() {
    let cluster = Changing::cluster();
    let cache = cache_on(&cluster, &[("prefix", &unique_name())]);
    cache.set("k", "x", Expiry::Default).unwrap();
    let (slot, from, to) = route(&cluster, &cache, "k");
    cluster.move_slot(slot, to);
    let before = cluster.errors(from, "MOVED");
    for _ in 0..5 {
        assert_eq!(cache.get::<String>("k").unwrap().as_deref(), Some("x"));
    }
    assert_eq!(cluster.errors(from, "MOVED"), before + 1);
    assert_eq!(cache.where_is("k").unwrap(), Cluster::url(to));
    cluster.move_slot(slot, from);
    assert_eq!(cache.incr("n", 1).unwrap(), None);
    assert_eq!(cache.get::<String>("k").unwrap().as_deref(), Some("x"));
}

#[test]
fn a_slot_on_its_way_is_asked_for_once_and_not_learnt() {
    let cluster = Changing::cluster();
    let cache = cache_on(&cluster, &[("prefix", &unique_name())]);
    cache.set("{k}there", "x", Expiry::Default).unwrap();
    let (slot, from, to) = route(&cluster, &cache, "{k}");
    cluster.begin_move(slot, to);
    let counts = || {
        (
            cluster.errors(from, "ASK"),
            cluster.calls(to, "asking"),
            cluster.calls(from, "get"),
        )
    };
    let before = counts();
    assert_eq!(cache.get::<String>("{k}absent").unwrap(), None);
    assert_eq!(counts(), (before.0 + 1, before.1 + 1, before.2));
    cache.set("{k}new", "y", Expiry::Default).unwrap();
    assert_eq!(counts(), (before.0 + 2, before.1 + 2, before.2));
    let new: Option<String> = cache.get("{k}new").unwrap();
    assert_eq!(new.as_deref(), Some("y"));
    assert_eq!(counts(), (before.0 + 3, before.1 + 3, before.2));
    // What is still there is still asked for there.
    let there: Option<String> = cache.get("{k}there").unwrap();
    assert_eq!(there.as_deref(), Some("x"));
    assert_eq!(counts(), (before.0 + 3, before.1 + 3, before.2 + 1));
    assert_eq!(cache.where_is("{k}").unwrap(), Cluster::url(from));
    cluster.move_keys(slot, to);
    cluster.end_move(slot, to);
    let new: Option<String> = cache.get("{k}new").unwrap();
    assert_eq!(new.as_deref(), Some("y"));
    cluster.move_slot(slot, from);
}

#[test]
fn every_operation_works_on_a_slot_on_its_way() {
    let cluster = Changing::cluster();
    for dialect in [("protocol", "3"), ("protocol", "2"), ("parser", "redis")] {
        work_on_a_slot_on_its_way(&cluster, dialect);
    }
}

fn work_on_a_slot_on_its_way(cluster: &Cluster, dialect: (&str, &str)) {
    let cache = cache_on(cluster, &[dialect, ("prefix", &unique_name())]);
    let (slot, from, to) = route(cluster, &cache, "{k}");
    let name = |number: u32| format!("{{k}}{number}");
    let entries = (0..20).map(|number| (name(number), "x"));
    cache.set_many_bytes(entries, Expiry::Default).unwrap();
    cluster.begin_move(slot, to);
    // Half of the keys are there, half are here.
    for number in 0..10 {
        let key = String::from_utf8(cache.make_key(name(number)).unwrap()).unwrap();
        let port = to.to_string();
        let _: String = cluster.run(from, &["MIGRATE", "127.0.0.1", &port, &key, "0", "5000"]);
    }
    let keys: Vec<String> = (0..22).map(name).collect();
    let many = cache.get_many_bytes(&keys).unwrap();
    assert_eq!(many.iter().flatten().count(), 20);
    for number in [3, 13] {
        let key = name(number);
        assert!(cache.has_key(&key).unwrap());
        assert!(cache.touch(&key, Duration::from_secs(60)).unwrap());
        assert!(cache.ttl(&key).unwrap().is_some());
        assert!(!cache.add(&key, "y", Expiry::Default).unwrap());
        assert!(cache.delete(&key).unwrap());
        assert!(cache.add(&key, "y", Expiry::Default).unwrap());
        assert!(!cache.add(&key, "z", Expiry::Default).unwrap());
        assert_eq!(cache.get::<String>(&key).unwrap().as_deref(), Some("y"));
    }
    assert_eq!(
        cache.incr_or_create("{k}n", 1, 7, Expiry::Default).unwrap(),
        7
    );
    assert_eq!(cache.incr("{k}n", 1).unwrap(), Some(8));
    let loaded: String = cache
        .get_or_set("{k}loaded", Expiry::Default, || {
            Ok::<_, std::fmt::Error>("v".to_owned())
        })
        .unwrap();
    assert_eq!(loaded, "v");
    for number in [4, 14] {
        assert_eq!(cache.incr_version(name(number), 1).unwrap(), Some(2));
        assert!(cache.version(2).has_key(name(number)).unwrap());
    }
    assert_eq!(cache.delete_many(&keys).unwrap(), 18);
    cluster.move_keys(slot, to);
    cluster.end_move(slot, to);
    assert_eq!(cache.get_int("{k}n").unwrap(), Some(8));
    cluster.move_slot(slot, from);
}

/// What a writer did: its last acknowledged value of every key, its counter, and what went wrong.
#[derive(Default)]
struct Written {
    last: HashMap<String, u64>,
    counted: i64,
    calls: u64,
    failed: Vec<String>,
    slowest: Duration,
}

impl Written {
    /// Makes a call and remembers how it went.
    fn did<T>(&mut self, what: &str, call: impl FnOnce() -> Result<T, Error>) -> Option<T> {
        let started = Instant::now();
        let outcome = call();
        self.slowest = self.slowest.max(started.elapsed());
        self.calls += 1;
        outcome
            .map_err(|error| self.failed.push(format!("{what}: {error}")))
            .ok()
    }
}

#[test]
fn slots_that_move_under_load_fail_no_call_and_lose_no_write() {
    const WRITERS: usize = 4;
    const MOVES: usize = 60;
    let cluster = Changing::cluster();
    let prefix = unique_name();
    let cache = cache_on(&cluster, &[("prefix", &prefix), ("timeout", "5s")]);
    let over = AtomicBool::new(false);
    let counter = |writer: usize| format!("counter{writer}");
    let name = |writer: usize, number: u64| format!("{{{}}}:{writer}:{number}", number % 40);
    for writer in 0..WRITERS {
        cache.set_int(counter(writer), 0, Expiry::Never).unwrap();
    }
    let options = [
        ("prefix", &*prefix),
        ("timeout", "5s"),
        ("read_from", "any"),
    ];
    let from_any = cache_on(&cluster, &options);
    let write = |writer: usize| {
        let mut written = Written::default();
        let keys: Vec<String> = (0..30).map(|number| name(writer, number)).collect();
        for round in 1.. {
            if over.load(Ordering::Relaxed) {
                break;
            }
            let key = name(writer, round % 200);
            if written
                .did("set", || cache.set(&key, &round, Expiry::Never))
                .is_some()
            {
                written.last.insert(key.clone(), round);
            }
            if let Some(value) = written.did("get", || cache.get::<u64>(&key)) {
                assert_eq!(value, Some(round), "{key} right after it was written");
            }
            let counted = written.did("incr", || cache.incr(counter(writer), 1));
            written.counted += i64::from(counted.is_some());
            let many = || cache.get_many::<u64>(&keys).map_err(Error::from);
            written.did("get_many", many);
            // A replica may lag behind, but it fails no read.
            written.did("get from any", || from_any.get::<u64>(&key));
        }
        written
    };
    let written: Vec<Written> = std::thread::scope(|scope| {
        let write = &write;
        let writers: Vec<_> = (0..WRITERS)
            .map(|writer| scope.spawn(move || write(writer)))
            .collect();
        let primaries = cluster.primaries();
        for number in 0..MOVES {
            let key = match number % 10 {
                0 => cache.make_key(counter(number / 10 % WRITERS)).unwrap(),
                _ => cache.make_key(name(0, number as u64)).unwrap(),
            };
            let slot = cluster.slot(key);
            let from = cluster.owner(slot);
            let place = primaries.iter().position(|port| *port == from).unwrap();
            cluster.move_slot(slot, primaries[(place + 1) % primaries.len()]);
        }
        over.store(true, Ordering::Relaxed);
        let join = |writer: std::thread::ScopedJoinHandle<'_, Written>| writer.join().unwrap();
        writers.into_iter().map(join).collect()
    });
    let calls: u64 = written.iter().map(|written| written.calls).sum();
    let slowest = written.iter().map(|written| written.slowest).max().unwrap();
    let failed: Vec<_> = written.iter().flat_map(|written| &written.failed).collect();
    println!(
        "{MOVES} moves, {calls} calls, {} failed, slowest {slowest:?}",
        failed.len()
    );
    assert!(failed.is_empty(), "{failed:?}");
    for (writer, written) in written.iter().enumerate() {
        for (key, value) in &written.last {
            assert_eq!(cache.get::<u64>(key).unwrap(), Some(*value), "{key}");
        }
        let counted = cache.get_int(counter(writer)).unwrap();
        assert_eq!(counted, Some(written.counted));
    }
}
