//! Writes and reads of many threads: what a thread has written is read by it, whatever is under way.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use redis_cache::{Cache, Expiry};

use crate::common::server::Server;

#[test]
fn nobody_reads_what_was_before_his_own_write() {
    mixed(4_000, None);
}

#[test]
fn nobody_reads_what_was_before_his_own_write_when_connections_end() {
    mixed(4_000, Some(Duration::from_millis(20)));
}

#[test]
#[ignore = "long: make torture"]
fn long_nobody_reads_what_was_before_his_own_write() {
    mixed(1_250_000, None);
}

/// Each key has one writer, whose numbers grow. Whoever reads sees no number below the last one that was written when he
/// began, of any thread of this process.
fn mixed(rounds: u64, killing: Option<Duration>) {
    let server = Server::start();
    let cache = Cache::open(&format!("{}?near=1m&timeout=20s", server.tcp())).unwrap();
    let written: Vec<AtomicU64> = (0..8).map(|_| AtomicU64::new(0)).collect();
    let is_over = AtomicU64::new(0);
    std::thread::scope(|scope| {
        for thread in 0..8_u64 {
            let (cache, written, is_over) = (&cache, &written, &is_over);
            scope.spawn(move || {
                for round in 1..=rounds {
                    let own = format!("k{thread}");
                    if round % 8 == 0 {
                        // With its connection cut, a write may have been done or not; the next one settles that.
                        if cache.set(&own, &round, Expiry::Default).is_ok() {
                            written[thread as usize].store(round, Ordering::SeqCst);
                        }
                    }
                    let other = (thread + round * 7) % 8;
                    let least = written[other as usize].load(Ordering::SeqCst);
                    if let Ok(seen) = cache.get::<u64>(format!("k{other}")) {
                        assert!(seen.unwrap_or(0) >= least, "{seen:?} after {least}");
                    }
                }
                is_over.fetch_add(1, Ordering::SeqCst);
            });
        }
        if let Some(pause) = killing {
            while is_over.load(Ordering::SeqCst) < 8 && !std::thread::panicking() {
                server.kill_clients();
                std::thread::sleep(pause);
            }
        }
    });
    assert!(cache.stats().near_hits > 0);
}
