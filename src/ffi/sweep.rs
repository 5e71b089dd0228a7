//! The bounds of a sweep as C gives them, and the sweep that is made of them.

use std::ffi::{c_char, c_void};
use std::mem::size_of;
use std::ops::ControlFlow;
use std::time::Duration;

use crate::error::Result;
use crate::groups::sweep::Sweep;
use crate::groups::swept::{Progress, Swept};

use super::boundary::*;
use super::callbacks::*;
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
///
/// A node that fails does not end it: what is to do on all others is done, and then it is the error of
/// the first of them, whose text names every node that failed, with its reason. A cursor takes what was
/// missed so far along, and the next sweep goes over that in the end.
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

    pub(super) fn delete(self, job: Sweep<'a>, out_deleted: Option<Out<u64>>) -> Result<Status> {
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

#[cfg(test)]
mod tests {
    use std::ffi::CStr;
    use std::ptr::{null, null_mut};

    use super::super::cache::{redis_cache_free, redis_cache_open};
    use super::super::client::redis_cache;
    use super::super::groups::*;
    use super::*;

    /// A ring of which no node can be reached: nobody listens at these ports.
    fn nowhere() -> *mut redis_cache {
        let mut cache = null_mut();
        let url = c"redis://127.0.0.1:1,redis://127.0.0.1:2";
        // SAFETY: a text, and a place on the stack.
        let opened = unsafe { redis_cache_open(url.as_ptr(), &raw mut cache) };
        assert_eq!(opened, REDIS_CACHE_OK);
        cache
    }

    fn assert_names_both() {
        let text = last_text().to_str().unwrap();
        assert!(
            text.starts_with("2 nodes failed: 127.0.0.1:1: SCAN: "),
            "{text}"
        );
        assert!(text.contains("; 127.0.0.1:2: SCAN: "), "{text}");
    }

    #[test]
    fn a_sweep_that_nodes_fail_names_them_all_and_leaves_its_outputs_zeroed() {
        let cache = nowhere();
        let (mut cursor, mut changed) = (redis_cache_bytes::NONE, 7);
        cursor.len = 7;
        let sweep = redis_cache_sweep {
            size: size_of::<redis_cache_sweep>(),
            limit: 0,
            time_ms: 0,
            scan_count: 0,
            batch: 0,
            dry_run: false,
            progress: None,
            user_data: null_mut(),
            cursor: null(),
            out_cursor: &raw mut cursor,
        };
        type Does = unsafe extern "C" fn(
            *const redis_cache,
            *const redis_cache_sweep,
            *mut u64,
        ) -> redis_cache_status;
        for does in [redis_cache_clear as Does, redis_cache_rebalance as Does] {
            // SAFETY: a client that lives, and places on the stack.
            let status = unsafe { does(cache, &raw const sweep, &raw mut changed) };
            assert_eq!(status, REDIS_CACHE_ERR_IO);
            assert_names_both();
            assert_eq!((changed, cursor.len, cursor.data.is_null()), (0, 0, true));
            (changed, cursor.len) = (7, 7);
        }
        // SAFETY: it was handed out and not freed yet.
        unsafe { redis_cache_free(cache) };
    }

    #[test]
    fn an_iteration_that_nodes_fail_names_them_all_until_it_is_freed() {
        let cache = nowhere();
        let mut keys = null_mut();
        let mut key = redis_cache_slice::from(&b""[..]);
        let star: &CStr = c"*";
        // SAFETY: a client and an iterator that live, and places on the stack.
        unsafe {
            let begun = redis_cache_keys_begin(cache, star.as_ptr(), 1, &raw mut keys);
            assert_eq!(begun, REDIS_CACHE_OK);
            redis_cache_free(cache);
            for _ in 0..2 {
                let next = redis_cache_keys_next(keys, &raw mut key);
                assert_eq!(next, REDIS_CACHE_ERR_IO);
                assert_names_both();
            }
            redis_cache_keys_free(keys);
        }
    }
}
