//! How long entries live: the calls that move or tell a lifetime.

use std::ffi::c_char;

use super::boundary::*;
use super::client::*;
use super::types::*;

/// Gives the entry a new lifetime from now on; one that has already passed removes it. OK or
/// NOT_FOUND, which always means that there is no such key. One round trip.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn redis_cache_touch(
    cache: *const redis_cache,
    key: *const c_char,
    key_len: usize,
    ttl_ms: i64,
) -> redis_cache_status {
    // SAFETY: the caller keeps the rules of the header.
    unsafe {
        on_key(c"touch", cache, key, key_len, |cache, key| {
            Ok(found(cache.touch(key, expiry(ttl_ms))?))
        })
    }
}

/// The same as redis_cache_touch(), by the name that Redis has for it.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn redis_cache_expire(
    cache: *const redis_cache,
    key: *const c_char,
    key_len: usize,
    ttl_ms: i64,
) -> redis_cache_status {
    // SAFETY: the same contract.
    unsafe { redis_cache_touch(cache, key, key_len, ttl_ms) }
}

/// Lets the entry expire at a time of the server's clock, in Unix milliseconds; one that has
/// passed removes it, and no value is special. OK or NOT_FOUND. One round trip.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn redis_cache_expire_at(
    cache: *const redis_cache,
    key: *const c_char,
    key_len: usize,
    unix_ms: i64,
) -> redis_cache_status {
    // SAFETY: the caller keeps the rules of the header.
    unsafe {
        on_key(c"expire_at", cache, key, key_len, |cache, key| {
            Ok(found(cache.expire_at(key, unix_ms)?))
        })
    }
}

/// Takes the expiry away. OK, also when the entry had none, or NOT_FOUND. One round trip.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn redis_cache_persist(
    cache: *const redis_cache,
    key: *const c_char,
    key_len: usize,
) -> redis_cache_status {
    // SAFETY: the caller keeps the rules of the header.
    unsafe {
        on_key(c"persist", cache, key, key_len, |cache, key| {
            Ok(found(cache.persist(key)?))
        })
    }
}

/// How many milliseconds the entry has left: OK and `*out_ms`, REDIS_CACHE_TTL_FOREVER for one
/// without an expiry; NOT_FOUND. One round trip.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn redis_cache_ttl(
    cache: *const redis_cache,
    key: *const c_char,
    key_len: usize,
    out_ms: *mut i64,
) -> redis_cache_status {
    // SAFETY: the caller keeps the rules of the header.
    unsafe {
        ask_on_key(
            c"ttl",
            cache,
            key,
            key_len,
            ("out_ms", out_ms),
            |cache, key| Ok(cache.ttl(key)?.map(ttl_ms)),
        )
    }
}
