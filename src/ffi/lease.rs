//! `get_or_set` without a callback: the duty to compute a value as an object.

use std::ffi::{c_char, c_void};

use crate::herd::Source;
use crate::herd::lease::{Begun, Lease};

use super::boundary::*;
use super::client::*;
use super::operation::*;
use super::types::*;

/// The duty to compute a value, for as long as the option `lease`. It ends, whatever they return,
/// with redis_cache_lease_fulfill(), redis_cache_lease_fulfill_absent() or
/// redis_cache_lease_abandon(), which free it. One thread at a time; the client it came from may be
/// freed before.
#[derive(Debug)]
pub struct redis_cache_lease {
    lease: Lease,
}

/// The value of `key`, or the lease to compute it: redis_cache_get_or_set() in two halves, for
/// languages in which a callback does not fit. Both kinds of callers wait for each other.
///
/// OK: `*out` is a fresh value, and there is no lease. STALE: it is one past its expiry, and
/// `*out_lease` is not NULL when its renewal is yours. NOT_FOUND with a lease: compute the value and
/// fulfill it. NOT_FOUND without one: the value is known to be absent. BUSY: somebody else computes
/// it, and the option `wait` is over. ERR_UNSUPPORTED with layout=plain. With on_error=miss a server
/// that cannot be reached, or refuses, gives a lease whose value is not stored. Free `*out` with
/// redis_cache_bytes_free(). One round trip on a hit, two for a lease; a fresh value is not renewed
/// early.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn redis_cache_lease_begin(
    cache: *const redis_cache,
    key: *const c_char,
    key_len: usize,
    out: *mut redis_cache_bytes,
    out_lease: *mut *mut redis_cache_lease,
) -> redis_cache_status {
    operation_to_the_end(c"lease_begin", |call| {
        // SAFETY: the caller keeps the rules of the header.
        let (out, out_lease) =
            unsafe { (self::out("out", out), self::out("out_lease", out_lease)) };
        let (out, out_lease) = (out?, out_lease?);
        // SAFETY: the caller keeps the rules of the header.
        let (cache, key) = unsafe { call.client_and_key(cache, key, key_len)? };
        let (value, source, lease) = match cache.lease_bytes(key)? {
            Begun::Fresh(value) => (value, Source::Fresh, None),
            Begun::Stale(value, lease) => (value, Source::Stale, lease),
            Begun::Yours(lease) => (None, Source::Computed, Some(lease)),
            Begun::Busy => return Ok(REDIS_CACHE_BUSY),
        };
        let status = store(value, source, &out)?;
        if let Some(lease) = lease {
            out_lease.set(give(redis_cache_lease { lease }));
        }
        Ok(status)
    })
}

/// Stores the value that was computed, for ttl_ms, and ends the lease. OK, or ERR_LOST when the key
/// was deleted or written meanwhile, or the lease ran out and somebody else has it: then nothing
/// was stored. NULL is ERR_INVALID_ARGUMENT. One round trip.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn redis_cache_lease_fulfill(
    lease: *mut redis_cache_lease,
    value: *const c_void,
    value_len: usize,
    ttl_ms: i64,
) -> redis_cache_status {
    guard_to_the_end(|| {
        // SAFETY: the caller keeps the rules of the header. The lease is taken first, so that it ends in any case.
        let (lease, value) = unsafe {
            let lease = take("lease", lease)?;
            (lease, bytes("value", value.cast(), value_len)?)
        };
        lease.lease.fulfill_bytes(value, expiry(ttl_ms))?;
        Ok(REDIS_CACHE_OK)
    })
}

/// Stores that there is no value, for ttl_ms, and ends the lease: see
/// redis_cache_writer_set_absent(). Otherwise as redis_cache_lease_fulfill().
#[unsafe(no_mangle)]
pub unsafe extern "C" fn redis_cache_lease_fulfill_absent(
    lease: *mut redis_cache_lease,
    ttl_ms: i64,
) -> redis_cache_status {
    guard_to_the_end(|| {
        // SAFETY: the caller keeps the rules of the header.
        let lease = unsafe { take("lease", lease)? };
        lease.lease.fulfill_absent(expiry(ttl_ms))?;
        Ok(REDIS_CACHE_OK)
    })
}

/// The computation goes on: the lease lasts for another `lease` (an option). OK, or ERR_LOST, after
/// which the lease is still to be ended. One round trip.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn redis_cache_lease_renew(
    lease: *mut redis_cache_lease,
) -> redis_cache_status {
    guard_to_the_end(|| {
        // SAFETY: the caller keeps the rules of the header.
        unsafe { borrow("lease", lease)? }.lease.renew()?;
        Ok(REDIS_CACHE_OK)
    })
}

/// Ends the lease without a value: somebody else may compute it, at once, or in a second when there
/// is an old value to serve meanwhile. NULL is fine. One round trip.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn redis_cache_lease_abandon(lease: *mut redis_cache_lease) {
    // SAFETY: the caller keeps the rules of the header: NULL, or handed out and not ended yet.
    unsafe { take_back(lease) }
}
