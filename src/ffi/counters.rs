//! Integers: values that are stored as their decimal digits and that the server itself can add to.

use std::ffi::c_char;

use super::boundary::*;
use super::client::*;
use super::types::*;

/// Writes an integer, as its decimal digits, so that redis_cache_incr() works on it. OK. One
/// round trip; where the server is full, as redis_cache_set().
#[unsafe(no_mangle)]
pub unsafe extern "C" fn redis_cache_set_int(
    cache: *const redis_cache,
    key: *const c_char,
    key_len: usize,
    value: i64,
    ttl_ms: i64,
) -> redis_cache_status {
    // SAFETY: the caller keeps the rules of the header.
    unsafe {
        on_key(c"set_int", cache, key, key_len, |cache, key| {
            cache.set_int(key, value, expiry(ttl_ms))?;
            Ok(REDIS_CACHE_OK)
        })
    }
}

/// Reads an integer: OK and `*out`, NOT_FOUND, or ERR_WRONG_TYPE for anything else. One round
/// trip.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn redis_cache_get_int(
    cache: *const redis_cache,
    key: *const c_char,
    key_len: usize,
    out: *mut i64,
) -> redis_cache_status {
    // SAFETY: the caller keeps the rules of the header.
    unsafe {
        ask_on_key(
            c"get_int",
            cache,
            key,
            key_len,
            ("out", out),
            |cache, key| cache.get_int(key),
        )
    }
}

/// Adds `delta` to an integer and keeps its lifetime: OK and the new value in `*out`; NOT_FOUND
/// when there is none; ERR_WRONG_TYPE when it is no integer, or would overflow. One round trip.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn redis_cache_incr(
    cache: *const redis_cache,
    key: *const c_char,
    key_len: usize,
    delta: i64,
    out: *mut i64,
) -> redis_cache_status {
    // SAFETY: the caller keeps the rules of the header.
    unsafe {
        ask_on_key(c"incr", cache, key, key_len, ("out", out), |cache, key| {
            cache.incr(key, delta)
        })
    }
}

/// Subtracts `delta`, otherwise as redis_cache_incr(). INT64_MIN, which cannot be negated, is
/// ERR_INVALID_ARGUMENT.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn redis_cache_decr(
    cache: *const redis_cache,
    key: *const c_char,
    key_len: usize,
    delta: i64,
    out: *mut i64,
) -> redis_cache_status {
    // SAFETY: the caller keeps the rules of the header.
    unsafe {
        ask_on_key(c"decr", cache, key, key_len, ("out", out), |cache, key| {
            cache.decr(key, delta)
        })
    }
}

/// Adds `delta` to an integer, or creates it as `initial`, which then is the answer and lives for
/// ttl_ms; one that exists keeps its lifetime. OK and `*out`, or ERR_WRONG_TYPE. One round trip.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn redis_cache_incr_or_create(
    cache: *const redis_cache,
    key: *const c_char,
    key_len: usize,
    delta: i64,
    initial: i64,
    ttl_ms: i64,
    out: *mut i64,
) -> redis_cache_status {
    // SAFETY: the caller keeps the rules of the header.
    unsafe {
        ask_on_key(
            c"incr_or_create",
            cache,
            key,
            key_len,
            ("out", out),
            |cache, key| {
                cache
                    .incr_or_create(key, delta, initial, expiry(ttl_ms))
                    .map(Some)
            },
        )
    }
}
