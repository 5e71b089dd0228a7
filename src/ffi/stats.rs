//! The counters of a client.

use std::mem::size_of;

use super::boundary::*;
use super::client::*;
use super::types::*;

/// What a client and its views have done since it was made, or since redis_cache_stats_reset().
/// Later versions add fields at the end.
#[repr(C)]
#[derive(Debug, Clone, Copy, Default)]
pub struct redis_cache_stats {
    /// Keys that were asked for and found fresh.
    pub hits: u64,
    /// Keys that were asked for and not found.
    pub misses: u64,
    /// Hits that were served by this process, without the server.
    pub near_hits: u64,
    /// Values served past their expiry.
    pub stale_served: u64,
    /// Values written.
    pub sets: u64,
    /// Keys deleted.
    pub deletes: u64,
    /// Calls of a function that computes a value.
    pub computes: u64,
    /// Faults, those included that `on_error=miss` turned into a miss.
    pub errors: u64,
    /// Stored values that could not be decoded.
    pub decode_errors: u64,
    /// Calls refused at once because the server had failed several times in a row.
    pub refused: u64,
    /// Commands sent again after a lost connection.
    pub retries: u64,
    /// Connections that are open now; a reset leaves it alone.
    pub connections_open: u64,
    /// Those of them that nobody uses now; a reset leaves it alone.
    pub connections_idle: u64,
    /// Bytes received.
    pub bytes_read: u64,
    /// Bytes sent.
    pub bytes_written: u64,
    /// Servers that refuse to announce changes now: what is kept near of them lives by the clock,
    /// or is not kept (the option `near_untracked`). A reset leaves it alone.
    pub near_untracked: u64,
}

/// Reads the counters. `out_size` is sizeof(redis_cache_stats): a program that was compiled
/// against fewer fields gets those, one compiled against more finds 0 in what this library does
/// not know. OK. No network.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn redis_cache_stats_read(
    cache: *const redis_cache,
    out: *mut redis_cache_stats,
    out_size: usize,
) -> redis_cache_status {
    guard(|| {
        if !out.is_null() {
            // SAFETY: the caller says that this many bytes are there.
            unsafe { out.cast::<u8>().write_bytes(0, out_size) };
        }
        // SAFETY: the caller keeps the rules of the header.
        let cache = unsafe { borrow("cache", cache)? };
        if out.is_null() {
            return Err(invalid("`out` is NULL"));
        }
        if out_size == 0 || !out_size.is_multiple_of(size_of::<u64>()) {
            return Err(invalid(format!(
                "`out_size` is {out_size}; it must be sizeof(redis_cache_stats), {} here",
                size_of::<redis_cache_stats>()
            )));
        }
        let stats = redis_cache_stats::from(cache.cache.stats());
        let known = out_size.min(size_of::<redis_cache_stats>());
        // SAFETY: plain numbers, and no more bytes than both sides have.
        unsafe {
            out.cast::<u8>()
                .copy_from_nonoverlapping((&raw const stats).cast(), known)
        };
        Ok(REDIS_CACHE_OK)
    })
}

/// The counters as text for Prometheus (format 0.0.4), each with its help and type: OK and `*out`,
/// freed with redis_cache_bytes_free(). Names are "redis_cache_", the field, and "_total" but for
/// connections and near_untracked, which are gauges. With the option `latencies` there is a
/// histogram too, "redis_cache_operation_duration_seconds", and beside it
/// "redis_cache_operation_errors_total", each with the labels "operation" and "node". A program
/// with several clients adds labels of its own. No network.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn redis_cache_stats_prometheus(
    cache: *const redis_cache,
    out: *mut redis_cache_bytes,
) -> redis_cache_status {
    guard(|| {
        // SAFETY: the caller keeps the rules of the header.
        let (out, cache) = unsafe { (self::out("out", out)?, borrow("cache", cache)?) };
        out.set(owned(cache.cache.stats().to_prometheus().into_bytes())?);
        Ok(REDIS_CACHE_OK)
    })
}

/// Sets the counters to zero, for all views of the client. NULL does nothing. No network.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn redis_cache_stats_reset(cache: *const redis_cache) {
    guard_or((), || {
        // SAFETY: the caller keeps the rules of the header.
        unsafe { borrow("cache", cache)? }.cache.reset_stats();
        Ok(())
    });
}

impl From<crate::cache::stats::Stats> for redis_cache_stats {
    fn from(stats: crate::cache::stats::Stats) -> Self {
        Self {
            hits: stats.hits,
            misses: stats.misses,
            near_hits: stats.near_hits,
            stale_served: stats.stale_served,
            sets: stats.sets,
            deletes: stats.deletes,
            computes: stats.computes,
            errors: stats.errors,
            decode_errors: stats.decode_errors,
            refused: stats.refused,
            retries: stats.retries,
            connections_open: stats.connections_open,
            connections_idle: stats.connections_idle,
            bytes_read: stats.bytes_read,
            bytes_written: stats.bytes_written,
            near_untracked: stats.near_untracked,
        }
    }
}
