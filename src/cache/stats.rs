//! Counters of one cache, all its views and clones together. Counting is one relaxed atomic add; a snapshot reads
//! them one after another and is exact only when no call is under way.

use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;

use crate::error::Result;
use crate::store::{Latency, Traffic};

/// A snapshot of a cache's counters since it was opened or its counters were reset. The two `connections_` figures
/// and `near_untracked` are gauges.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Stats {
    /// Reads that found a value, one per key.
    pub hits: u64,
    /// Reads that found none, one per key.
    pub misses: u64,
    /// Hits served by the near cache, without the network.
    pub near_hits: u64,
    /// Values served after their expiry, while one caller renewed them.
    pub stale_served: u64,
    /// Values written, one per key.
    pub sets: u64,
    /// Keys that were removed.
    pub deletes: u64,
    /// Loader calls of `get_or_set`.
    pub computes: u64,
    /// Faults, also those that `on_error=miss` hid.
    pub errors: u64,
    /// Stored values that could not be decoded.
    pub decode_errors: u64,
    /// Calls refused at once because their node failed too often.
    pub refused: u64,
    /// Commands sent a second time on a fresh connection.
    pub retries: u64,
    /// Open connections now.
    pub connections_open: u64,
    /// Open connections that no call is using now.
    pub connections_idle: u64,
    /// Bytes read from servers.
    pub bytes_read: u64,
    /// Bytes written to servers.
    pub bytes_written: u64,
    /// Nodes that refuse to announce changes now, so that what is kept near of them lives by the clock, or is not kept.
    pub near_untracked: u64,
    /// How long each operation took at each node; none without the option `latencies`.
    pub latencies: Vec<Latency>,
}

#[derive(Debug, Default)]
pub(crate) struct Counters {
    pub(crate) hits: Counter,
    pub(crate) misses: Counter,
    pub(crate) stale_served: Counter,
    pub(crate) sets: Counter,
    pub(crate) deletes: Counter,
    pub(crate) computes: Counter,
    pub(crate) errors: Counter,
    pub(crate) decode_errors: Counter,
}

#[derive(Debug, Default)]
pub(crate) struct Counter(AtomicU64);

impl Counter {
    #[inline]
    pub(crate) fn add(&self, count: u64) {
        self.0.fetch_add(count, Relaxed);
    }

    fn get(&self) -> u64 {
        self.0.load(Relaxed)
    }
}

/// How the reads of one call came out, to be counted together.
#[derive(Debug, Default)]
pub(crate) struct Reads {
    hits: u64,
    misses: u64,
}

impl Reads {
    #[inline]
    pub(crate) fn count<T>(&mut self, read: &Result<Option<T>>) {
        match read {
            Ok(Some(_)) => self.hits += 1,
            Ok(None) => self.misses += 1,
            Err(_) => {}
        }
    }
}

impl Counters {
    pub(crate) fn add(&self, reads: Reads) {
        self.hits.add(reads.hits);
        self.misses.add(reads.misses);
    }

    pub(crate) fn snapshot(&self, traffic: Traffic, latencies: Vec<Latency>) -> Stats {
        Stats {
            hits: self.hits.get(),
            misses: self.misses.get(),
            near_hits: traffic.near_hits,
            stale_served: self.stale_served.get(),
            sets: self.sets.get(),
            deletes: self.deletes.get(),
            computes: self.computes.get(),
            errors: self.errors.get(),
            decode_errors: self.decode_errors.get(),
            refused: traffic.refused,
            retries: traffic.retries,
            connections_open: traffic.connections_open,
            connections_idle: traffic.connections_idle,
            bytes_read: traffic.bytes_read,
            bytes_written: traffic.bytes_written,
            near_untracked: traffic.near_untracked,
            latencies,
        }
    }

    pub(crate) fn reset(&self) {
        let Counters {
            hits,
            misses,
            stale_served,
            sets,
            deletes,
            computes,
            errors,
            decode_errors,
        } = self;
        for counter in [
            hits,
            misses,
            stale_served,
            sets,
            deletes,
            computes,
            errors,
            decode_errors,
        ] {
            counter.0.store(0, Relaxed);
        }
    }
}
