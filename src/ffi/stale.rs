//! Values past their expiry: making one so, and reading what could still be served.

use std::ffi::c_char;

use super::boundary::*;
use super::client::*;
use super::operation::*;
use super::types::*;

/// Makes a value stale at once: reads miss it, and redis_cache_get_or_set() serves it, for as long
/// as it had to live, while one caller computes a new one. An invalidation without a herd. Integers
/// and values of other programs, which cannot be stale, are deleted. OK, or NOT_FOUND when there is
/// no fresh value; ERR_UNSUPPORTED with layout=plain. One round trip; where the server is full
/// (ERR_SERVER, a text with "OOM") a second one, which removes the key.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn redis_cache_expire_soft(
    cache: *const redis_cache,
    key: *const c_char,
    key_len: usize,
) -> redis_cache_status {
    // SAFETY: the caller keeps the rules of the header.
    unsafe {
        on_key(c"expire_soft", cache, key, key_len, |cache, key| {
            Ok(found(cache.expire_soft(key)?))
        })
    }
}

/// Reads what redis_cache_get_or_set() could serve without computing: OK and a fresh value in
/// `*out`, STALE and one past its expiry, or NOT_FOUND. ERR_UNSUPPORTED with layout=plain. Free
/// with redis_cache_bytes_free(). One round trip, to the node that takes writes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn redis_cache_get_stale(
    cache: *const redis_cache,
    key: *const c_char,
    key_len: usize,
    out: *mut redis_cache_bytes,
) -> redis_cache_status {
    operation(c"get_stale", |call| {
        // SAFETY: the caller keeps the rules of the header.
        let (out, (cache, key)) = unsafe {
            (
                self::out("out", out)?,
                call.client_and_key(cache, key, key_len)?,
            )
        };
        let outcome = cache.get_stale_bytes(key)?;
        store(outcome.value, outcome.source, &out)
    })
}
