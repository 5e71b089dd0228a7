//! Invariants 4 and 6: deletions and loads race, and no read is given what was loaded before a deletion that had
//! returned when the read began; and there is always an answer.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use redis_cache::{Cache, Config, ErrorKind, Expiry};

use crate::common::fixture::{Backend, Fixture};
use crate::common::monitor::Monitor;
use crate::common::server::Server;

/// How a value is taken away.
#[derive(Debug, Clone, Copy)]
enum Removal {
    Delete,
    DeleteMany,
    Pattern,
    Clear,
    Overwrite,
}

/// Two caches that share nothing but the store, as two processes do.
fn two(config: &Config) -> [Cache; 2] {
    [config.connect().unwrap(), config.connect().unwrap()]
}

/// Reads until `reads` are done, beside one thread that changes the truth and then removes the value. Returns how many
/// reads were given what was true no more when they began.
fn race(config: &Config, removal: Removal, reads: u64) -> u64 {
    let caches = two(config);
    let (truth, known) = (AtomicU64::new(1), AtomicU64::new(0));
    let (done, old, removals) = (AtomicU64::new(0), AtomicU64::new(0), AtomicU64::new(0));
    let is_over = AtomicBool::new(false);
    thread::scope(|scope| {
        let readers: Vec<_> = (0..6)
            .map(|number| {
                let cache = &caches[number % 2];
                let (truth, known, done, old) = (&truth, &known, &done, &old);
                scope.spawn(move || {
                    let mut random = fastrand::Rng::with_seed(number as u64);
                    while done.fetch_add(1, Ordering::Relaxed) < reads {
                        let at_least = known.load(Ordering::SeqCst);
                        let value = cache.get_or_set("k", Expiry::Default, || {
                            let seen = truth.load(Ordering::SeqCst);
                            if random.bool() {
                                thread::sleep(Duration::from_micros(random.u64(..300)));
                            }
                            Ok::<_, String>(format!("{seen}"))
                        });
                        let value: u64 = value.unwrap().parse().unwrap();
                        old.fetch_add(u64::from(value < at_least), Ordering::Relaxed);
                    }
                })
            })
            .collect();
        scope.spawn(|| {
            let mut random = fastrand::Rng::new();
            while !is_over.load(Ordering::Relaxed) {
                let now = truth.fetch_add(1, Ordering::SeqCst) + 1;
                let cache = &caches[random.usize(..2)];
                match removal {
                    Removal::Delete => drop(cache.delete("k").unwrap()),
                    Removal::DeleteMany => drop(cache.delete_many(["k", "other"]).unwrap()),
                    Removal::Pattern => drop(cache.delete_pattern("k*").unwrap()),
                    Removal::Clear => drop(cache.clear().unwrap()),
                    Removal::Overwrite => {
                        cache.set("k", &format!("{now}"), Expiry::Default).unwrap();
                    }
                }
                known.store(now, Ordering::SeqCst);
                removals.fetch_add(1, Ordering::Relaxed);
                thread::sleep(Duration::from_micros(random.u64(..500)));
            }
        });
        for reader in readers {
            reader.join().unwrap();
        }
        is_over.store(true, Ordering::Relaxed);
    });
    let old = old.into_inner();
    println!(
        "{removal:?}: {reads} reads, {} removals, {} loads, {old} old values",
        removals.into_inner(),
        caches
            .iter()
            .map(|cache| cache.stats().computes)
            .sum::<u64>()
    );
    old
}

fn no_old_values(backend: Backend, reads: u64) {
    let at = Fixture::new(backend);
    for removal in [
        Removal::Delete,
        Removal::DeleteMany,
        Removal::Pattern,
        Removal::Clear,
        Removal::Overwrite,
    ] {
        assert_eq!(race(&at.config(), removal, reads / 5), 0, "{removal:?}");
    }
}

#[test]
fn invariant_4_no_read_returns_what_was_loaded_before_a_deletion() {
    no_old_values(Backend::Unix, 25_000);
}

#[test]
fn invariant_4_holds_for_the_embedded_store() {
    no_old_values(Backend::Memory, 2_000_000);
}

#[test]
#[ignore = "takes minutes"]
fn long_invariant_4_a_million_reads_and_no_old_value() {
    no_old_values(Backend::Unix, 1_000_000);
}

/// Invariant 6: whatever others do to the key, and though loaders fail, there is a value or the loader's error.
#[test]
fn invariant_6_there_is_always_an_answer() {
    for backend in [Backend::Memory, Backend::Tcp] {
        let at = Fixture::new(backend);
        let config = at
            .config()
            .set("stale", "20ms")
            .and_then(|config| config.set("lease", "50ms"))
            .unwrap();
        let caches = two(&config);
        let ends = Instant::now() + Duration::from_secs(3);
        let (values, errors) = (AtomicU64::new(0), AtomicU64::new(0));
        thread::scope(|scope| {
            for number in 0..6 {
                let (cache, values, errors) = (&caches[number % 2], &values, &errors);
                scope.spawn(move || {
                    let mut random = fastrand::Rng::with_seed(number as u64);
                    while Instant::now() < ends {
                        let life = Duration::from_millis(random.u64(1..30));
                        let fails = random.f64() < 0.2;
                        let value = cache.get_or_set("k", life, || {
                            if fails {
                                Err("no")
                            } else {
                                Ok("value".to_owned())
                            }
                        });
                        match value {
                            Ok(value) => {
                                assert_eq!(value, "value");
                                values.fetch_add(1, Ordering::Relaxed);
                            }
                            Err(error) => {
                                assert_eq!(error.kind(), ErrorKind::Callback, "{error}");
                                errors.fetch_add(1, Ordering::Relaxed);
                            }
                        }
                    }
                });
            }
            scope.spawn(|| {
                let mut random = fastrand::Rng::new();
                while Instant::now() < ends {
                    let cache = &caches[0];
                    match random.u32(..5) {
                        0 => drop(cache.delete("k").unwrap()),
                        1 => drop(cache.expire_soft("k").unwrap()),
                        2 => drop(cache.touch("k", Duration::from_millis(5)).unwrap()),
                        3 => drop(cache.clear_version(1).unwrap()),
                        _ => drop(cache.expire_at("k", 0).unwrap()),
                    }
                    thread::sleep(Duration::from_millis(1));
                }
            });
        });
        let (values, errors) = (values.into_inner(), errors.into_inner());
        println!("{backend:?}: {values} values, {errors} errors of loaders, nothing else");
        assert!(values > 100 && errors > 0);
    }
}

/// Four clients keep a value that lives for 60 ms and takes 20 ms to load; a fifth changes the row and deletes the key.
/// Returns how many reads were given the old row after a deletion had returned.
fn old_rows(config: &Config, deletions: u64) -> u64 {
    let caches: Vec<Cache> = (0..4).map(|_| config.connect().unwrap()).collect();
    let other = config.connect().unwrap();
    let (truth, known, old) = (AtomicU64::new(1), AtomicU64::new(1), AtomicU64::new(0));
    let is_over = AtomicBool::new(false);
    let (truth, known, old, is_over) = (&truth, &known, &old, &is_over);
    thread::scope(|scope| {
        for cache in &caches {
            scope.spawn(move || {
                while !is_over.load(Ordering::Relaxed) {
                    let at_least = known.load(Ordering::SeqCst);
                    let value = cache.get_or_set("row", Duration::from_millis(60), || {
                        let seen = truth.load(Ordering::SeqCst);
                        thread::sleep(Duration::from_millis(20));
                        Ok::<_, String>(seen)
                    });
                    old.fetch_add(u64::from(value.unwrap() < at_least), Ordering::Relaxed);
                }
            });
        }
        let mut random = fastrand::Rng::new();
        for _ in 0..deletions {
            thread::sleep(Duration::from_millis(random.u64(20..120)));
            let now = truth.fetch_add(1, Ordering::SeqCst) + 1;
            other.delete("row").unwrap();
            known.store(now, Ordering::SeqCst);
        }
        thread::sleep(Duration::from_millis(150));
        is_over.store(true, Ordering::Relaxed);
    });
    let loads: u64 = caches.iter().map(|cache| cache.stats().computes).sum();
    let old = old.load(Ordering::Relaxed);
    println!("{deletions} deletions, {loads} loads, {old} old rows");
    old
}

/// The old row came back after every eighth deletion: what ACQUIRE called fresh was over by the client's clock, and was
/// written over by a plain SET.
fn no_old_rows(deletions: u64) {
    let server = Server::start();
    for stale in ["0s", "100ms"] {
        let url = format!("{}?prefix=rows&timeout=20s&stale={stale}", server.unix());
        let config = Config::new().server(&url).unwrap();
        let mut monitor = Monitor::of(&server);
        assert_eq!(old_rows(&config, deletions), 0, "stale={stale}");
        let names = monitor.names(&server).into_iter();
        let odd = |name: &String| !["EVAL", "EVALSHA", "GET", "UNLINK"].contains(&&name[..]);
        assert_eq!(names.filter(odd).collect::<Vec<_>>(), Vec::<String>::new());
    }
}

#[test]
fn an_old_row_does_not_come_back_after_a_deletion() {
    no_old_rows(25);
}

#[test]
#[ignore = "takes minutes"]
fn long_an_old_row_does_not_come_back_after_a_thousand_deletions() {
    no_old_rows(500);
}
