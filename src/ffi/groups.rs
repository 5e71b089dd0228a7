//! Groups of keys: sweeps, the iterator over keys, and what concerns the key itself rather than its value.

use std::ffi::c_char;

use crate::error::Error;
use crate::groups::keys::Keys;
use crate::groups::sweep::Sweep;

use super::boundary::*;
use super::client::*;
use super::operation::*;
use super::sweep::{Plan, redis_cache_sweep};
use super::types::*;

/// Deletes the keys of this version that match a glob: `*`, `?`, `[a-z]`, `\` before what is not
/// special. OK, or STOPPED when `sweep` ended it; `*out_deleted`, unless it is NULL, is how many
/// were deleted (or would be, in a dry run). With NULL as `sweep` it runs to the end. It walks
/// over the keys of every node in small steps and never blocks a server; keys written meanwhile
/// may be missed. Round trips: one for every `scan_count` keys of the database, and one a batch.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn redis_cache_delete_pattern(
    cache: *const redis_cache,
    pattern: *const c_char,
    pattern_len: usize,
    sweep: *const redis_cache_sweep,
    out_deleted: *mut u64,
) -> redis_cache_status {
    operation_to_the_end(c"delete_pattern", |call| {
        // SAFETY: the caller keeps the rules of the header.
        let (out, plan, cache, pattern) = unsafe {
            let out = optional_out(out_deleted);
            (
                out,
                Plan::read(sweep)?,
                call.client_held(cache)?,
                bytes("pattern", pattern, pattern_len)?,
            )
        };
        plan.delete(cache.sweep(pattern), out)
    })
}

/// Deletes the keys of this cache in all versions, and of nobody else: those with its prefix.
/// (A prefix that itself looks like "other:1:" lies inside "other".) Under a key function it is
/// the keys of this version. Otherwise as redis_cache_delete_pattern().
#[unsafe(no_mangle)]
pub unsafe extern "C" fn redis_cache_clear(
    cache: *const redis_cache,
    sweep: *const redis_cache_sweep,
    out_deleted: *mut u64,
) -> redis_cache_status {
    operation_to_the_end(c"clear", |call| {
        // SAFETY: the caller keeps the rules of the header.
        let (out, plan, cache) = unsafe {
            let out = optional_out(out_deleted);
            (out, Plan::read(sweep)?, call.client_held(cache)?)
        };
        plan.delete(cache.sweep_all(), out)
    })
}

/// Deletes the keys of this cache in one version. Otherwise as redis_cache_delete_pattern().
#[unsafe(no_mangle)]
pub unsafe extern "C" fn redis_cache_clear_version(
    cache: *const redis_cache,
    version: u64,
    sweep: *const redis_cache_sweep,
    out_deleted: *mut u64,
) -> redis_cache_status {
    operation_to_the_end(c"clear_version", |call| {
        // SAFETY: the caller keeps the rules of the header.
        let (out, plan, cache) = unsafe {
            let out = optional_out(out_deleted);
            (out, Plan::read(sweep)?, call.client_held(cache)?)
        };
        plan.delete(cache.sweep_version(version), out)
    })
}

/// Empties the whole database of every node, the keys of other programs included. OK. One round
/// trip a node.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn redis_cache_flush_db(cache: *const redis_cache) -> redis_cache_status {
    operation(c"flush_db", |call| {
        // SAFETY: the caller keeps the rules of the header.
        unsafe { call.client(cache)? }.flush_db()?;
        Ok(REDIS_CACHE_OK)
    })
}

/// An iteration over keys. Freed with redis_cache_keys_free(). One thread at a time; the client
/// it came from may be freed before.
#[derive(Debug)]
pub struct redis_cache_keys {
    keys: Keys,
    current: Vec<u8>,
    /// What ended the iteration before its end.
    fault: Option<Error>,
}

/// Begins to iterate over the keys of this version that match a glob (see
/// redis_cache_delete_pattern). OK and `*out`, freed with redis_cache_keys_free(). No network
/// before the first key is asked for.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn redis_cache_keys_begin(
    cache: *const redis_cache,
    pattern: *const c_char,
    pattern_len: usize,
    out: *mut *mut redis_cache_keys,
) -> redis_cache_status {
    operation(c"keys_begin", |call| {
        // SAFETY: the caller keeps the rules of the header.
        let (out, cache, pattern) = unsafe {
            let out = self::out("out", out)?;
            (
                out,
                call.client(cache)?,
                bytes("pattern", pattern, pattern_len)?,
            )
        };
        out.set(give(redis_cache_keys {
            keys: cache.keys(pattern)?,
            current: Vec::new(),
            fault: None,
        }));
        Ok(REDIS_CACHE_OK)
    })
}

/// The next key: OK and `*out`, which lives until the next call on this iterator; NOT_FOUND at
/// the end. Nodes that fail are passed over: when the keys of all others have come, it is an error
/// that names them, with their reasons, and is said again until the iterator is freed. Keys come
/// without prefix and version, but as on the wire under a key function; those for which
/// redis_cache_has_key() says OK, and no locks. One may come twice while the server rehashes its
/// keys, as with SCAN. Two round trips for every `scan_count` keys of the database, one with
/// `layout=plain`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn redis_cache_keys_next(
    keys: *mut redis_cache_keys,
    out: *mut redis_cache_slice,
) -> redis_cache_status {
    guard_to_the_end(|| {
        // SAFETY: the caller keeps the rules of the header.
        let (out, keys) = unsafe { (self::out("out", out)?, borrow_mut("keys", keys)?) };
        if let Some(fault) = &keys.fault {
            return Err(fault.clone());
        }
        let Some(key) = keys.keys.next() else {
            return Ok(REDIS_CACHE_NOT_FOUND);
        };
        keys.current = key.inspect_err(|fault| keys.fault = Some(fault.clone()))?;
        out.set(keys.current.as_slice().into());
        Ok(REDIS_CACHE_OK)
    })
}

/// Ends the iteration, at any point; NULL is fine.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn redis_cache_keys_free(keys: *mut redis_cache_keys) {
    // SAFETY: the caller keeps the rules of the header: NULL, or handed out and not freed yet.
    unsafe { take_back(keys) }
}

/// Moves an entry, with its lifetime, to this view's version plus `delta`, which may be negative;
/// an entry already there is replaced. OK and the new version in `*out_version`; NOT_FOUND;
/// ERR_INVALID_ARGUMENT for a version below 0. One round trip when both keys are on one node, up
/// to four otherwise.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn redis_cache_incr_version(
    cache: *const redis_cache,
    key: *const c_char,
    key_len: usize,
    delta: i64,
    out_version: *mut u64,
) -> redis_cache_status {
    // SAFETY: the caller keeps the rules of the header.
    unsafe {
        ask_on_key(
            c"incr_version",
            cache,
            key,
            key_len,
            ("out_version", out_version),
            |cache, key| cache.incr_version(key, delta),
        )
    }
}

/// Moves the entries of this cache that lie on another node than the ring places them, in all
/// versions: what is left to do after a server was added. OK, or STOPPED when `sweep` ended it;
/// `*out_moved`, unless it is NULL, is how many left their node (or would, in a dry run). Each is
/// copied with its lifetime and removed where it was only then, if nobody wrote it meanwhile;
/// what is at the destination already wins. Run it when every program uses the new servers. It
/// walks over the servers of this cache; to empty one that is to leave, give all the others a
/// weight of 1000000000 and run this, then leave it out: without it they share the keys alike.
/// Round trips: one for every `scan_count` keys, and four for every 256 that move.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn redis_cache_rebalance(
    cache: *const redis_cache,
    sweep: *const redis_cache_sweep,
    out_moved: *mut u64,
) -> redis_cache_status {
    operation_to_the_end(c"rebalance", |call| {
        // SAFETY: the caller keeps the rules of the header.
        let (out, plan, cache) = unsafe {
            let out = optional_out(out_moved);
            (out, Plan::read(sweep)?, call.client_held(cache)?)
        };
        plan.run(cache.sweep_all(), Sweep::rebalance, out)
    })
}

/// The key as it stands on the wire: OK and `*out`, freed with redis_cache_bytes_free(). No
/// network.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn redis_cache_make_key(
    cache: *const redis_cache,
    key: *const c_char,
    key_len: usize,
    out: *mut redis_cache_bytes,
) -> redis_cache_status {
    // SAFETY: the caller keeps the rules of the header.
    unsafe {
        ask_on_key(
            c"make_key",
            cache,
            key,
            key_len,
            ("out", out),
            |cache, key| owned(cache.make_key(key)?).map(Some),
        )
    }
}
