//! Many keys in one call.

use super::boundary::*;
use super::client::*;
use super::operation::*;
use super::results::redis_cache_results;
use super::types::*;
use crate::error::Result;

/// Reads many values: every node is asked only for its own keys, all of them at once. OK when
/// each key was found or not found, PARTIAL when some could not be asked for; `*out` then tells
/// about each and is freed with redis_cache_results_free(). When all failed for one reason it is
/// that error and `*out` is NULL. One round trip.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn redis_cache_get_many(
    cache: *const redis_cache,
    keys: *const redis_cache_slice,
    count: usize,
    out: *mut *mut redis_cache_results,
) -> redis_cache_status {
    operation(c"get_many", |call| {
        // SAFETY: the caller keeps the rules of the header.
        let (out, cache, keys) = unsafe {
            (
                self::out("out", out)?,
                call.client(cache)?,
                slices("keys", keys, count)?,
            )
        };
        let mut results = redis_cache_results::of(count)?;
        cache.get_many_with(keys, &mut results)?;
        let status = results.status()?;
        out.set(give(results));
        Ok(status)
    })
}

/// Writes many values, each in place of what was there. OK, or PARTIAL when some failed; `*out`,
/// unless `out` is NULL, then has an item for each entry, OK or its error, and is freed with
/// redis_cache_results_free(). When all failed for one reason it is that error. One round trip; a
/// second one removes the keys that a full server has refused, as redis_cache_set() does.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn redis_cache_set_many(
    cache: *const redis_cache,
    entries: *const redis_cache_entry,
    count: usize,
    ttl_ms: i64,
    out: *mut *mut redis_cache_results,
) -> redis_cache_status {
    operation(c"set_many", |call| {
        // SAFETY: the caller keeps the rules of the header.
        let (out, cache, entries) = unsafe {
            let out = optional_out(out);
            (out, call.client(cache)?, array("entries", entries, count)?)
        };
        for entry in entries {
            // SAFETY: as above.
            unsafe {
                (
                    slice("a key in `entries`", &entry.key)?,
                    slice("a value in `entries`", &entry.value)?,
                )
            };
        }
        // SAFETY: as above; each of them was looked at.
        let pairs = entries
            .iter()
            .map(|entry| unsafe { (known(&entry.key), known(&entry.value)) });
        let mut results = redis_cache_results::of(count)?;
        cache.set_many_with(pairs, expiry(ttl_ms), &mut |index, answer| {
            results.done(index, answer);
        })?;
        let status = results.status()?;
        if let Some(out) = out {
            out.set(give(results));
        }
        Ok(status)
    })
}

/// Deletes many entries. OK, or PARTIAL when some keys could not be asked for; `*out_deleted`,
/// unless it is NULL, is how many there were. When all failed for one reason it is that error.
/// One round trip.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn redis_cache_delete_many(
    cache: *const redis_cache,
    keys: *const redis_cache_slice,
    count: usize,
    out_deleted: *mut u64,
) -> redis_cache_status {
    operation(c"delete_many", |call| {
        // SAFETY: the caller keeps the rules of the header.
        let (out, cache, keys) = unsafe {
            let out = optional_out(out_deleted);
            (out, call.client(cache)?, slices("keys", keys, count)?)
        };
        let mut results = redis_cache_results::of(count)?;
        let mut deleted = 0;
        cache.delete_many_with(keys, &mut |index, answer| {
            deleted += u64::from(matches!(answer, Ok(true)));
            results.done(index, answer.map(drop));
        })?;
        let status = results.status()?;
        if let Some(out) = out {
            out.set(deleted);
        }
        Ok(status)
    })
}

/// # Safety
/// As for [`array`].
unsafe fn slice<'a>(name: &str, slice: &redis_cache_slice) -> Result<&'a [u8]> {
    // SAFETY: as promised by the caller.
    unsafe { bytes(name, slice.data, slice.len) }
}

/// A slice that was looked at before; what is NULL is empty.
///
/// # Safety
/// As for [`array`], and [`slice`] had nothing to say against it.
unsafe fn known<'a>(slice: &redis_cache_slice) -> &'a [u8] {
    if slice.data.is_null() {
        return &[];
    }
    // SAFETY: as promised by the caller; the size fits, as was seen then.
    unsafe { std::slice::from_raw_parts(slice.data.cast(), slice.len) }
}

/// All keys of a call, each looked at before the first is used.
///
/// # Safety
/// As for [`array`], for the array and for each slice in it.
pub(super) unsafe fn slices<'a>(
    name: &str,
    keys: *const redis_cache_slice,
    count: usize,
) -> Result<impl ExactSizeIterator<Item = &'a [u8]>> {
    // SAFETY: as promised by the caller.
    let keys: &'a [redis_cache_slice] = unsafe { array(name, keys, count)? };
    let is_sound = |key: &redis_cache_slice| is_array(key.data, key.len);
    if !keys.iter().fold(true, |all, key| all & is_sound(key)) {
        for key in keys {
            // SAFETY: as promised by the caller.
            unsafe { slice("a key in `keys`", key)? };
        }
    }
    // SAFETY: as promised by the caller; each of them was looked at.
    Ok(keys.iter().map(|key| unsafe { known(key) }))
}
