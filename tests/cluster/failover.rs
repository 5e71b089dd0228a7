//! Primaries that die or hang under load: a replica is promoted, and the library finds it by itself. What is printed
//! are the times that were measured.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use redis_cache::{Cache, Expiry};

use crate::common::cluster::Cluster;
use crate::common::fixture::unique_name;
use crate::common::{HOLD_UP, eventually};
use crate::{Changing, cache_on};

const KEYS: usize = 300;
const WRITERS: usize = 4;

/// One write, as its caller saw it.
struct Call {
    key: usize,
    began: Instant,
    ended: Instant,
    outcome: Result<(), redis_cache::Error>,
}

/// What the writers did: every call, and the last acknowledged value of every key. Each key has one writer.
#[derive(Default)]
struct Journal {
    calls: Vec<Call>,
    last: HashMap<usize, u64>,
}

/// Writes to all slots until it is told to stop.
fn write(cache: &Cache, writer: usize, over: &AtomicBool) -> Journal {
    let mut journal = Journal::default();
    for round in 0_u64.. {
        if over.load(Ordering::Relaxed) {
            break;
        }
        let key = writer + WRITERS * (round as usize % (KEYS / WRITERS));
        let began = Instant::now();
        let outcome = cache.set(format!("k{key}"), &round, Expiry::Never);
        let ended = Instant::now();
        if outcome.is_ok() {
            journal.last.insert(key, round);
        }
        journal.calls.push(Call {
            key,
            began,
            ended,
            outcome,
        });
        std::thread::sleep(Duration::from_micros(200));
    }
    journal
}

/// Stops the writers, also when the test fails: the scope they run in waits for them.
struct Stopping<'a>(&'a AtomicBool);

impl Drop for Stopping<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Takes a primary away while four threads write, and checks what they saw.
fn lose_a_primary(cluster: &Cluster, budget: Duration, take_away: impl Fn(u16)) {
    let timeout = format!("{}ms", budget.as_millis());
    let options = [("prefix", &*unique_name()), ("timeout", &timeout)];
    let cache = cache_on(cluster, &options);
    let dead = cluster.primaries()[1];
    let ranges = cluster.layout();
    // Other tests move slots: it may have any number of ranges, and the first of them may have no key.
    let lost: Vec<_> = ranges
        .iter()
        .filter(|range| range.primary == dead)
        .collect();
    let is_lost = |key: usize| {
        let slot = cluster.slot(cache.make_key(format!("k{key}")).unwrap());
        lost.iter()
            .any(|range| (range.first..=range.last).contains(&slot))
    };
    let is_lost: Vec<bool> = (0..KEYS).map(is_lost).collect();
    let one = is_lost.iter().position(|lost| *lost).unwrap();
    let over = AtomicBool::new(false);
    let (taken, elected, journals) = std::thread::scope(|scope| {
        let (cache, over) = (&cache, &over);
        let stopping = Stopping(over);
        let writers: Vec<_> = (0..WRITERS)
            .map(|writer| scope.spawn(move || write(cache, writer, over)))
            .collect();
        std::thread::sleep(Duration::from_millis(500));
        let taken = Instant::now();
        take_away(dead);
        let (_, elected) = cluster.wait_for_election(dead, lost[0].first);
        eventually("the new primary serves", || {
            cache.get::<u64>(format!("k{one}")).is_ok()
        });
        std::thread::sleep(Duration::from_secs(4));
        drop(stopping);
        let journals: Vec<Journal> = writers
            .into_iter()
            .map(|writer| writer.join().unwrap())
            .collect();
        (taken, elected, journals)
    });

    let calls = || journals.iter().flat_map(|journal| &journal.calls);
    let failed = |lost: bool| {
        let failed = calls().filter(|call| call.outcome.is_err() && is_lost[call.key] == lost);
        failed.count()
    };
    let to_lost = || calls().filter(|call| is_lost[call.key] && call.outcome.is_ok());
    let first = to_lost()
        .map(|call| call.ended)
        .filter(|ended| *ended > elected)
        .min();
    let healed = first
        .expect("a write after the election")
        .saturating_duration_since(elected);
    let slowest = calls().map(|call| call.ended - call.began).max().unwrap();
    let (mut gone, mut kept) = (0, 0);
    for (key, value) in journals.iter().flat_map(|journal| &journal.last) {
        let stored = cache.get::<u64>(format!("k{key}")).unwrap();
        if stored == Some(*value) {
            kept += 1;
        } else {
            assert!(is_lost[*key], "k{key}: {stored:?} instead of {value}");
            gone += 1;
        }
    }
    println!(
        "budget {budget:?}: elected after {:?}, first write {healed:?} later; {} calls, failed: {} to the lost \
         slots, {} to the others; slowest {slowest:?}; {kept} keys kept, {gone} lost with the primary",
        elected - taken,
        calls().count(),
        failed(true),
        failed(false),
    );
    assert!(healed < Duration::from_secs(3), "{healed:?}");
    let late = calls().filter(|call| call.ended - call.began > budget * 2);
    let late = late.count();
    // A busy machine may hold up a thread, but not many of them and not for long.
    assert!(late * 100 <= calls().count(), "{late} calls took too long");
    assert!(slowest < budget + HOLD_UP, "{slowest:?}");
    for call in calls() {
        let settled = call.began > elected + Duration::from_secs(3);
        assert!(!settled || call.outcome.is_ok(), "{:?}", call.outcome);
    }
}

#[test]
fn a_killed_primary_is_replaced_by_its_replica() {
    let cluster = Changing::cluster();
    lose_a_primary(&cluster, Duration::from_secs(1), |port| cluster.kill(port));
}

#[test]
fn a_wide_budget_outlasts_the_election() {
    let cluster = Changing::cluster();
    let options = [("prefix", &*unique_name()), ("timeout", "20s")];
    let cache = cache_on(&cluster, &options);
    cache.set("k", &0, Expiry::Never).unwrap();
    let dead = cluster.owner(cluster.slot(cache.make_key("k").unwrap()));
    let started = Instant::now();
    cluster.kill(dead);
    for number in 1..20 {
        cache.set("k", &number, Expiry::Never).unwrap();
        let many: Vec<String> = (0..30).map(|number| format!("k{number}")).collect();
        cache.get_many::<u32>(&many).unwrap();
    }
    println!("a call outlasted the election: {:?}", started.elapsed());
    assert_ne!(cache.where_is("k").unwrap(), Cluster::url(dead));
    cache.ping().unwrap();
}

#[test]
fn a_primary_that_hangs_is_replaced_by_its_replica() {
    let cluster = Changing::cluster();
    let hung = std::sync::Mutex::new(None);
    lose_a_primary(&cluster, Duration::from_secs(1), |port| {
        cluster.freeze(port);
        *hung.lock().unwrap() = Some(port);
    });
    let hung = hung.lock().unwrap().take().unwrap();
    cluster.thaw(hung);
}

#[test]
fn a_flush_reaches_the_promoted_replica() {
    let cluster = Changing::cluster();
    let options = [("prefix", &*unique_name()), ("timeout", "20s")];
    let cache = cache_on(&cluster, &options);
    let fill = || {
        for number in 0..50 {
            cache
                .set(format!("k{number}"), &number, Expiry::Never)
                .unwrap();
        }
    };
    fill();
    let dead = cluster.primaries()[0];
    cluster.kill(dead);
    cache.flush_db().unwrap();
    cluster.wait_for_election(dead, 0);
    fill();
    cache.flush_db().unwrap();
    assert_eq!(cache.keys("*").unwrap().count(), 0);
    let left: usize = cluster
        .primaries()
        .into_iter()
        .map(|port| cluster.run::<usize>(port, &["DBSIZE"]))
        .sum();
    assert_eq!(left, 0);
}
