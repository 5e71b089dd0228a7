//! The client and its operations on one key.

use std::ffi::{c_char, c_void};
use std::ptr::null_mut;

use super::boundary::*;
use super::client::*;
use super::config::redis_cache_config;
use super::operation::*;
use super::types::*;
use crate::cache::Cache;

/// A client from one location, such as "redis://127.0.0.1:6379/1?prefix=app&ttl=5m", or from
/// several: "a,b,c" is a ring of three. OK and `*out`, freed with redis_cache_free(), or
/// ERR_CONFIG. No network: connections are made when they are needed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn redis_cache_open(
    url: *const c_char,
    out: *mut *mut redis_cache,
) -> redis_cache_status {
    guard(|| {
        // SAFETY: the caller keeps the rules of the header.
        let (out, url) = unsafe { (self::out("out", out)?, text("url", url)?) };
        out.set(redis_cache::give(Cache::open(utf8("the location", url)?)?));
        Ok(REDIS_CACHE_OK)
    })
}

/// A client from a configuration, which is checked as a whole here. OK and `*out`, freed with
/// redis_cache_free(), or ERR_CONFIG. No network: connections are made when they are needed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn redis_cache_connect(
    config: *const redis_cache_config,
    out: *mut *mut redis_cache,
) -> redis_cache_status {
    guard(|| {
        // SAFETY: the caller keeps the rules of the header.
        let (out, config) = unsafe { (self::out("out", out)?, borrow("config", config)?) };
        // What hears of faults while the client is made may change the configuration.
        let config = config.config.clone();
        out.set(redis_cache::give(config.connect()?));
        Ok(REDIS_CACHE_OK)
    })
}

/// Another handle of the same client, with the same connections and counters. Free with
/// redis_cache_free(), each on its own. NULL only when `cache` is.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn redis_cache_clone(cache: *const redis_cache) -> *mut redis_cache {
    guard_or(null_mut(), || {
        // SAFETY: the caller keeps the rules of the header.
        let cache = unsafe { borrow("cache", cache)? };
        Ok(redis_cache::give(cache.cache.clone()))
    })
}

/// A view of the same client whose keys carry another version; everything else is shared. Free
/// with redis_cache_free(). NULL only when `cache` is.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn redis_cache_with_version(
    cache: *const redis_cache,
    version: u64,
) -> *mut redis_cache {
    guard_or(null_mut(), || {
        // SAFETY: the caller keeps the rules of the header.
        let cache = unsafe { borrow("cache", cache)? };
        Ok(redis_cache::give(cache.cache.version(version)))
    })
}

/// Frees this handle; NULL is fine. The connections close with the last handle, view or iterator
/// of the client. No other thread may still be in a call on this handle.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn redis_cache_free(cache: *mut redis_cache) {
    // SAFETY: the caller keeps the rules of the header: NULL, or handed out and not freed yet.
    unsafe { take_back(cache) }
}

/// Asks every node whether it is there: OK, or the error of one that is not. One round trip a
/// node.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn redis_cache_ping(cache: *const redis_cache) -> redis_cache_status {
    operation(c"ping", |call| {
        // SAFETY: the caller keeps the rules of the header.
        unsafe { call.client(cache)? }.ping()?;
        Ok(REDIS_CACHE_OK)
    })
}

/// The node that serves the key: OK, and in `*out` its name, or its location as configured but
/// without credentials. Free with redis_cache_bytes_free(). No network, except to learn the slots
/// of a cluster.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn redis_cache_where(
    cache: *const redis_cache,
    key: *const c_char,
    key_len: usize,
    out: *mut redis_cache_bytes,
) -> redis_cache_status {
    // SAFETY: the caller keeps the rules of the header.
    unsafe {
        ask_on_key(c"where", cache, key, key_len, ("out", out), |cache, key| {
            owned(cache.where_is(key)?.into_bytes()).map(Some)
        })
    }
}

/// Reads a value: OK and `*out`, freed with redis_cache_bytes_free(), or NOT_FOUND. One round
/// trip.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn redis_cache_get(
    cache: *const redis_cache,
    key: *const c_char,
    key_len: usize,
    out: *mut redis_cache_bytes,
) -> redis_cache_status {
    // SAFETY: the caller keeps the rules of the header.
    unsafe {
        ask_on_key(c"get", cache, key, key_len, ("out", out), |cache, key| {
            cache.get_bytes(key)?.map(owned).transpose()
        })
    }
}

/// Reads a value into memory of the caller; no NUL is added, and nothing is
/// allocated unless the value is compressed or has an expiry of its own (`stale`, get_or_set). OK
/// and `*out_len` bytes in `buf`; NOT_FOUND; BUFFER_TOO_SMALL when the value is longer than `cap`:
/// then `*out_len` is its length and `buf` is left alone. With cap 0, buf may be NULL, to ask for
/// the length only. One round trip.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn redis_cache_get_into(
    cache: *const redis_cache,
    key: *const c_char,
    key_len: usize,
    buf: *mut c_void,
    cap: usize,
    out_len: *mut usize,
) -> redis_cache_status {
    operation(c"get_into", |call| {
        // SAFETY: the caller keeps the rules of the header.
        let (out, (cache, key), buf) = unsafe {
            (
                out("out_len", out_len)?,
                call.client_and_key(cache, key, key_len)?,
                buffer("buf", buf.cast(), cap)?,
            )
        };
        let Some(len) = cache.get_into(key, buf)? else {
            return Ok(REDIS_CACHE_NOT_FOUND);
        };
        out.set(len);
        Ok(if len > cap {
            REDIS_CACHE_BUFFER_TOO_SMALL
        } else {
            REDIS_CACHE_OK
        })
    })
}

/// Writes a value, in place of what was there. A lifetime that has passed removes the key
/// instead. OK. One round trip; where the server is full (ERR_SERVER, a text with "OOM") a second
/// one, which removes the key: what was to be written over is not found then, and never an old
/// value.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn redis_cache_set(
    cache: *const redis_cache,
    key: *const c_char,
    key_len: usize,
    value: *const c_void,
    value_len: usize,
    ttl_ms: i64,
) -> redis_cache_status {
    // SAFETY: the caller keeps the rules of the header.
    unsafe {
        on_key(c"set", cache, key, key_len, |cache, key| {
            let value = bytes("value", value.cast(), value_len)?;
            cache.set_bytes(key, value, expiry(ttl_ms))?;
            Ok(REDIS_CACHE_OK)
        })
    }
}

/// Writes a value unless redis_cache_has_key() finds one: OK or EXISTS. With a lifetime that has passed it says the
/// same and stores nothing. One round trip.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn redis_cache_add(
    cache: *const redis_cache,
    key: *const c_char,
    key_len: usize,
    value: *const c_void,
    value_len: usize,
    ttl_ms: i64,
) -> redis_cache_status {
    // SAFETY: the caller keeps the rules of the header.
    unsafe {
        on_key(c"add", cache, key, key_len, |cache, key| {
            let value = bytes("value", value.cast(), value_len)?;
            let added = cache.add_bytes(key, value, expiry(ttl_ms))?;
            Ok(if added {
                REDIS_CACHE_OK
            } else {
                REDIS_CACHE_EXISTS
            })
        })
    }
}

/// Deletes an entry: OK or NOT_FOUND. One round trip.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn redis_cache_delete(
    cache: *const redis_cache,
    key: *const c_char,
    key_len: usize,
) -> redis_cache_status {
    // SAFETY: the caller keeps the rules of the header.
    unsafe {
        on_key(c"delete", cache, key, key_len, |cache, key| {
            Ok(found(cache.delete(key)?))
        })
    }
}

/// Whether there is a value: OK or NOT_FOUND. Its header alone is looked at: one that cannot be
/// read, or of another data type, is there too; one that is known to be absent, only leased or
/// soft-expired is not. One round trip.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn redis_cache_has_key(
    cache: *const redis_cache,
    key: *const c_char,
    key_len: usize,
) -> redis_cache_status {
    // SAFETY: the caller keeps the rules of the header.
    unsafe {
        on_key(c"has_key", cache, key, key_len, |cache, key| {
            Ok(found(cache.has_key(key)?))
        })
    }
}
