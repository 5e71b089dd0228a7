//! Groups of keys: sweeps with their limits and their progress function, the iterator over keys, and what
//! concerns the key itself rather than its value.

use std::ffi::{c_char, c_void};
use std::mem::size_of;
use std::ops::ControlFlow;
use std::time::Duration;

use crate::error::{Error, Result};
use crate::groups::keys::Keys;
use crate::groups::sweep::{Progress, Sweep, Swept};

use super::boundary::*;
use super::callbacks::*;
use super::client::*;
use super::types::*;

/// Bounds of a sweep over keys, and who hears of its progress. Set `size` to
/// sizeof(redis_cache_sweep); zero in any other field means the default.
///
/// A sweep that its limit, its time or its progress function ends says STOPPED and stores in
/// `*out_cursor` where to go on: pass its text as `cursor` of the next one, then free it. To the end
/// in steps:
///
/// ```c
///     redis_cache_bytes at = {0}, next;
///     redis_cache_sweep sweep = {0};
///     redis_cache_status status;
///     sweep.size = sizeof sweep;
///     sweep.limit = 1000;
///     sweep.out_cursor = &next;
///     do {
///         sweep.cursor = at.data;
///         status = redis_cache_clear(cache, &sweep, NULL);
///         redis_cache_bytes_free(&at);
///         at = next;
///     } while (status == REDIS_CACHE_STOPPED);
/// ```
///
/// In the end there is nothing left to free, for `next` is zeroed unless it is STOPPED.
#[repr(C)]
#[derive(Debug)]
pub struct redis_cache_sweep {
    /// sizeof(redis_cache_sweep).
    pub size: usize,
    /// How many keys to change at most; 0: all.
    pub limit: u64,
    /// How long to work, in milliseconds; 0: until done.
    pub time_ms: u32,
    /// COUNT of every SCAN; 0: the option `scan_count`.
    pub scan_count: u32,
    /// How many keys go into one batch of changes; 0: the library chooses.
    pub batch: u32,
    /// Only count; change nothing.
    pub dry_run: bool,
    /// Hears how far it is and may end it; NULL: nobody.
    pub progress: redis_cache_progress_fn,
    /// What `progress` gets.
    pub user_data: *mut c_void,
    /// Where to go on, as another sweep of the same keys has said; NULL: at the start.
    pub cursor: *const c_char,
    /// Where to store where to go on, zeroed unless STOPPED; NULL: nowhere. It is overwritten,
    /// not freed. Free with redis_cache_bytes_free().
    pub out_cursor: *mut redis_cache_bytes,
}

/// The sweep of the caller, with its outputs taken apart.
pub(super) struct Plan<'a> {
    sweep: Option<&'a redis_cache_sweep>,
    out_cursor: Option<Out<redis_cache_bytes>>,
    cursor: Option<String>,
}

impl<'a> Plan<'a> {
    /// Copies the old cursor before the place of the new one is zeroed: they may be the same.
    ///
    /// # Safety
    /// `sweep` is as the header asks for.
    pub(super) unsafe fn read(sweep: *const redis_cache_sweep) -> Result<Plan<'a>> {
        if sweep.is_null() {
            return Ok(Plan {
                sweep: None,
                out_cursor: None,
                cursor: None,
            });
        }
        // SAFETY: the size is there, whatever else the caller's version of the struct has.
        let size = unsafe { (&raw const (*sweep).size).read() };
        if size != size_of::<redis_cache_sweep>() {
            return Err(invalid(format!(
                "`size` of the sweep is {size}; it must be sizeof(redis_cache_sweep), {} here",
                size_of::<redis_cache_sweep>()
            )));
        }
        // SAFETY: the caller keeps the rules of the header, and it is this struct, as just seen.
        let (sweep, out_cursor) = unsafe { (&*sweep, optional_out((*sweep).out_cursor)) };
        let cursor = if sweep.cursor.is_null() {
            None
        } else {
            // SAFETY: the caller keeps the rules of the header.
            Some(
                unsafe { text("cursor", sweep.cursor)? }
                    .to_string_lossy()
                    .into_owned(),
            )
        };
        Ok(Plan {
            sweep: Some(sweep),
            out_cursor,
            cursor: cursor.filter(|cursor| !cursor.is_empty()),
        })
    }

    fn bound(&self, mut job: Sweep<'a>) -> Sweep<'a> {
        let Some(sweep) = self.sweep else {
            return job;
        };
        if sweep.limit != 0 {
            job = job.limit(sweep.limit);
        }
        if sweep.time_ms != 0 {
            job = job.time(Duration::from_millis(sweep.time_ms.into()));
        }
        if sweep.scan_count != 0 {
            job = job.scan_count(sweep.scan_count);
        }
        if sweep.batch != 0 {
            job = job.batch(sweep.batch);
        }
        if let Some(cursor) = &self.cursor {
            job = job.resume(cursor);
        }
        let user_data = sweep.user_data;
        if let Some(progress) = sweep.progress {
            job = job.progress(move |seen: Progress| {
                // SAFETY: the caller's function, with the data meant for it, during the call.
                let code = unsafe {
                    progress(
                        user_data,
                        seen.scanned,
                        seen.matched,
                        seen.changed,
                        seen.fraction,
                    )
                };
                if code == 0 {
                    ControlFlow::Continue(())
                } else {
                    ControlFlow::Break(())
                }
            });
        }
        job.dry_run(sweep.dry_run)
    }

    fn delete(self, job: Sweep<'a>, out_deleted: Option<Out<u64>>) -> Result<Status> {
        self.run(job, Sweep::delete, out_deleted)
    }

    pub(super) fn run(
        self,
        job: Sweep<'a>,
        work: impl FnOnce(Sweep<'a>) -> Result<Swept>,
        out_changed: Option<Out<u64>>,
    ) -> Result<Status> {
        let dry_run = self.sweep.is_some_and(|sweep| sweep.dry_run);
        let swept = work(self.bound(job))?;
        if let Some(out) = out_changed {
            out.set(if dry_run {
                swept.matched
            } else {
                swept.changed
            });
        }
        let Some(cursor) = swept.cursor else {
            return Ok(REDIS_CACHE_OK);
        };
        if let Some(out) = self.out_cursor {
            out.set(owned(cursor.into_bytes())?);
        }
        Ok(REDIS_CACHE_STOPPED)
    }
}

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
    guard_to_the_end(|| {
        // SAFETY: the caller keeps the rules of the header.
        let (out, plan, cache, pattern) = unsafe {
            let out = optional_out(out_deleted);
            (
                out,
                Plan::read(sweep)?,
                client_held(cache)?,
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
    guard_to_the_end(|| {
        // SAFETY: the caller keeps the rules of the header.
        let (out, plan, cache) = unsafe {
            let out = optional_out(out_deleted);
            (out, Plan::read(sweep)?, client_held(cache)?)
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
    guard_to_the_end(|| {
        // SAFETY: the caller keeps the rules of the header.
        let (out, plan, cache) = unsafe {
            let out = optional_out(out_deleted);
            (out, Plan::read(sweep)?, client_held(cache)?)
        };
        plan.delete(cache.sweep_version(version), out)
    })
}

/// Empties the whole database of every node, the keys of other programs included. OK. One round
/// trip a node.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn redis_cache_flush_db(cache: *const redis_cache) -> redis_cache_status {
    guard(|| {
        // SAFETY: the caller keeps the rules of the header.
        unsafe { client(cache)? }.flush_db()?;
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
    guard(|| {
        // SAFETY: the caller keeps the rules of the header.
        let (out, cache, pattern) = unsafe {
            let out = self::out("out", out)?;
            (out, client(cache)?, bytes("pattern", pattern, pattern_len)?)
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
/// the end. An error ends the iteration before its end, and is said again until it is freed. Keys
/// come without prefix and version, but as on the wire under a key function; those for which
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
    guard_to_the_end(|| {
        // SAFETY: the caller keeps the rules of the header.
        let (out, plan, cache) = unsafe {
            let out = optional_out(out_moved);
            (out, Plan::read(sweep)?, client_held(cache)?)
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
        ask_on_key(cache, key, key_len, ("out", out), |cache, key| {
            owned(cache.make_key(key)?).map(Some)
        })
    }
}
