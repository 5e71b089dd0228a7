//! Computing a value that is missing by a function of the caller.

use std::ffi::{c_char, c_void};

use super::boundary::*;
use super::callbacks::*;
use super::client::*;
use super::operation::*;
use super::types::*;
use super::writer::redis_cache_writer;
use super::written::Renewal;
use crate::herd::Loading;

/// The value of `key`, and when there is none (or it is due to be renewed) what `fn` computes,
/// which is then stored for ttl_ms. However many threads and processes ask at once, one computes
/// and the others get its result: they wait for it, at most as long as the option `wait`, or are
/// served the old value while there is one.
///
/// OK: `*out` is the value. STALE: it is one past its expiry, as the option `stale` allows.
/// NOT_FOUND: `fn`, or another one before it, has said that it is known to be absent. BUSY:
/// somebody else computes and the wait is over. ERR_CALLBACK: `fn` failed, with the text of
/// redis_cache_writer_fail(), and there is no old value to serve. ERR_INVALID_ARGUMENT: `fn` asks
/// for the very key it computes; any other key is fine. A server that cannot be reached does not
/// keep `fn` from running. Free with redis_cache_bytes_free(). One round trip on a hit, three and
/// `fn` otherwise.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn redis_cache_get_or_set(
    cache: *const redis_cache,
    key: *const c_char,
    key_len: usize,
    ttl_ms: i64,
    r#fn: redis_cache_compute_fn,
    user_data: *mut c_void,
    out: *mut redis_cache_bytes,
) -> redis_cache_status {
    operation_to_the_end(c"get_or_set", |call| {
        // SAFETY: the caller keeps the rules of the header.
        let (out, (cache, key)) = unsafe {
            (
                self::out("out", out)?,
                call.client_held_and_key(cache, key, key_len)?,
            )
        };
        let compute = r#fn.ok_or_else(|| invalid("`fn` is NULL"))?;
        let load = |loading: &mut Loading<'_>| {
            let mut renew = || loading.renew();
            let mut writer = redis_cache_writer::of_value(Renewal::new(&mut renew));
            // SAFETY: the caller's function, with the data meant for it, during the call.
            let code = unsafe { compute(user_data, &raw mut writer) };
            let written = writer.finish("compute", code)?;
            if let Some(expiry) = written.expiry {
                loading.set_ttl(expiry);
            }
            Ok::<_, String>(written.into_value())
        };
        let outcome = cache.get_or_set_bytes_with(key, expiry(ttl_ms), load)?;
        store(outcome.value, outcome.source, &out)
    })
}
