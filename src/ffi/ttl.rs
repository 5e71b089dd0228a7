//! How long entries live: `ttl_ms` and its two sentinels, and the calls that move or tell a lifetime.

use std::ffi::c_char;
use std::time::Duration;

use super::cache::redis_cache;
use super::guard::*;
use super::pointers::*;
use super::types::*;
use crate::expiry::{Expiry, Ttl, millis_rounded_up};

/// What `ttl_ms` means.
pub(super) fn expiry(ttl_ms: i64) -> Expiry {
    match ttl_ms {
        REDIS_CACHE_TTL_DEFAULT => Expiry::Default,
        REDIS_CACHE_TTL_FOREVER => Expiry::Never,
        ms => Expiry::After(Duration::from_millis(u64::try_from(ms).unwrap_or(0))),
    }
}

fn ttl_ms(ttl: Ttl) -> i64 {
    match ttl {
        Ttl::Forever => REDIS_CACHE_TTL_FOREVER,
        Ttl::Remaining(time) => {
            i64::try_from(millis_rounded_up(time)).unwrap_or(REDIS_CACHE_TTL_FOREVER)
        }
    }
}

pub(super) fn found(found: bool) -> Status {
    if found {
        REDIS_CACHE_OK
    } else {
        REDIS_CACHE_NOT_FOUND
    }
}

/// Gives the entry a new lifetime from now on; one that has already passed removes it. OK or
/// NOT_FOUND, which always means that there is no such key. One round trip.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn redis_cache_touch(
    cache: *const redis_cache,
    key: *const c_char,
    key_len: usize,
    ttl_ms: i64,
) -> redis_cache_status {
    guard(|| {
        // SAFETY: the caller keeps the rules of the header.
        let (cache, key) = unsafe { (borrow("cache", cache)?, bytes("key", key, key_len)?) };
        Ok(found(cache.cache.touch(key, expiry(ttl_ms))?))
    })
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
    guard(|| {
        // SAFETY: the caller keeps the rules of the header.
        let (cache, key) = unsafe { (borrow("cache", cache)?, bytes("key", key, key_len)?) };
        Ok(found(cache.cache.expire_at(key, unix_ms)?))
    })
}

/// Takes the expiry away. OK, also when the entry had none, or NOT_FOUND. One round trip.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn redis_cache_persist(
    cache: *const redis_cache,
    key: *const c_char,
    key_len: usize,
) -> redis_cache_status {
    guard(|| {
        // SAFETY: the caller keeps the rules of the header.
        let (cache, key) = unsafe { (borrow("cache", cache)?, bytes("key", key, key_len)?) };
        Ok(found(cache.cache.persist(key)?))
    })
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
    guard(|| {
        // SAFETY: the caller keeps the rules of the header.
        let (out, cache, key) = unsafe {
            (
                out("out_ms", out_ms)?,
                borrow("cache", cache)?,
                bytes("key", key, key_len)?,
            )
        };
        let Some(left) = cache.cache.ttl(key)? else {
            return Ok(REDIS_CACHE_NOT_FOUND);
        };
        out.set(ttl_ms(left));
        Ok(REDIS_CACHE_OK)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_lifetimes_are_special_and_the_rest_are_milliseconds() {
        assert_eq!(expiry(REDIS_CACHE_TTL_DEFAULT), Expiry::Default);
        assert_eq!(expiry(REDIS_CACHE_TTL_FOREVER), Expiry::Never);
        assert_eq!(expiry(1), Expiry::After(Duration::from_millis(1)));
        assert_eq!(
            expiry(i64::MAX - 1),
            Expiry::After(Duration::from_millis(i64::MAX as u64 - 1))
        );
        for passed in [0, -1, i64::MIN + 1] {
            assert_eq!(expiry(passed), Expiry::After(Duration::ZERO));
        }
    }

    #[test]
    fn what_is_left_is_told_in_milliseconds() {
        assert_eq!(ttl_ms(Ttl::Forever), REDIS_CACHE_TTL_FOREVER);
        assert_eq!(ttl_ms(Ttl::Remaining(Duration::from_millis(1500))), 1500);
        assert_eq!(
            ttl_ms(Ttl::Remaining(Duration::MAX)),
            REDIS_CACHE_TTL_FOREVER
        );
    }
}
