//! Computing the values of many keys by one call of a function of the caller.

use std::ffi::c_void;

use super::boundary::*;
use super::callbacks::*;
use super::client::*;
use super::many::slices;
use super::operation::*;
use super::results::redis_cache_results;
use super::types::*;
use super::writer::redis_cache_writer;
use super::written::{Content, Renewal, Written};
use crate::herd::{Made, Renew};

/// The values of many keys; for those that are missing, or past their expiry, `fn` computes them in
/// one call, and they are stored for ttl_ms. What others compute already is waited for, as
/// in redis_cache_get_or_set(); `fn` is called again for what they then leave undone.
///
/// OK when each key has a value or has none: one that is known to be absent, or that `fn` has
/// skipped. PARTIAL when some keys could not be asked for or computed. `*out` then tells about each
/// and is freed with redis_cache_results_free(); old values that are served are OK there. When all
/// failed for one reason it is that error and `*out` is NULL: ERR_CALLBACK when `fn` failed, or
/// when it returned 0 and had not made as many values as it was given keys; BUSY when others compute
/// them all and the wait is over. One round trip when all are there, three and `fn`
/// otherwise.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn redis_cache_get_or_set_many(
    cache: *const redis_cache,
    keys: *const redis_cache_slice,
    count: usize,
    ttl_ms: i64,
    r#fn: redis_cache_compute_many_fn,
    user_data: *mut c_void,
    out: *mut *mut redis_cache_results,
) -> redis_cache_status {
    operation_to_the_end(c"get_or_set_many", |call| {
        // SAFETY: the caller keeps the rules of the header.
        let (out, cache, keys) = unsafe {
            (
                self::out("out", out)?,
                call.client_held(cache)?,
                slices("keys", keys, count)?,
            )
        };
        let compute = r#fn.ok_or_else(|| invalid("`fn` is NULL"))?;
        let load = |missing: &[&&[u8]], renew: &mut Renew<'_>| {
            let missing: Vec<redis_cache_slice> =
                missing.iter().map(|key| (**key).into()).collect();
            let mut renew = || renew();
            let mut writer = redis_cache_writer::of_many(missing.len(), Renewal::new(&mut renew));
            // SAFETY: the caller's function, with the data meant for it, during the call.
            let code =
                unsafe { compute(user_data, missing.as_ptr(), missing.len(), &raw mut writer) };
            let written = writer.finish_many(code)?;
            Ok::<_, String>(written.into_iter().map(Made::from).collect())
        };
        let items = cache.load_many_bytes(keys, expiry(ttl_ms), load)?;
        let results = redis_cache_results::of_values(items)?;
        let status = results.status()?;
        out.set(give(results));
        Ok(status)
    })
}

impl From<Written> for Made<Vec<u8>> {
    fn from(written: Written) -> Self {
        match (written.content, written.expiry) {
            (Content::Value(value), None) => Made::Value(value),
            (Content::Value(value), Some(expiry)) => Made::ValueFor(value, expiry),
            (Content::Absent, expiry) => Made::Absent(expiry.unwrap_or_default()),
            (Content::Skipped, _) => Made::Skip,
        }
    }
}
