//! Locks that processes share, with fencing tokens.

use std::ffi::c_char;

use crate::cache::lock::Lock;

use super::boundary::*;
use super::client::*;
use super::operation::*;
use super::types::*;

/// A lock that is held. It ends with redis_cache_lock_release(), which frees it, and on its own
/// after its lifetime, when it is still to be released. One thread at a time; the client it came
/// from may be freed before.
#[derive(Debug)]
pub struct redis_cache_lock {
    lock: Lock,
}

/// Takes the lock `name` for ttl_ms, waiting for it at most for wait_ms; 0 and less is one try. OK
/// and `*out`, ended by redis_cache_lock_release(), or BUSY when somebody else had it all that time.
/// The lifetime must end and be above 0: ERR_INVALID_ARGUMENT otherwise, also for
/// REDIS_CACHE_TTL_DEFAULT and REDIS_CACHE_TTL_FOREVER, and for an empty name. The lock is a key of
/// its own, "prefix:lock:name": neither versions nor redis_cache_clear() touch it. After an error
/// the lock may be held by nobody for ttl_ms: the server may have given it, and the answer got
/// lost; with on_error=miss that is BUSY too. One round trip a try; tries come 4 to 50 ms apart.
///
/// A holder may be slower than its lock: guard what must not be done twice with
/// redis_cache_lock_token().
#[unsafe(no_mangle)]
pub unsafe extern "C" fn redis_cache_lock_acquire(
    cache: *const redis_cache,
    name: *const c_char,
    name_len: usize,
    ttl_ms: i64,
    wait_ms: i64,
    out: *mut *mut redis_cache_lock,
) -> redis_cache_status {
    operation_to_the_end(c"lock_acquire", |call| {
        // SAFETY: the caller keeps the rules of the header.
        let (out, cache, name) = unsafe {
            (
                self::out("out", out)?,
                call.client(cache)?,
                bytes("name", name, name_len)?,
            )
        };
        let lock = cache.lock(name, millis(ttl_ms), millis(wait_ms))?;
        let Some(lock) = lock else {
            return Ok(REDIS_CACHE_BUSY);
        };
        out.set(give(redis_cache_lock { lock }));
        Ok(REDIS_CACHE_OK)
    })
}

/// Lets the lock last for ttl_ms from now; the lifetime is as in redis_cache_lock_acquire(). OK, or
/// ERR_LOST when it ran out and may be somebody else's, after which it is still to be released. One
/// round trip.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn redis_cache_lock_extend(
    lock: *mut redis_cache_lock,
    ttl_ms: i64,
) -> redis_cache_status {
    guard_to_the_end(|| {
        // SAFETY: the caller keeps the rules of the header.
        unsafe { borrow("lock", lock)? }
            .lock
            .extend(millis(ttl_ms))?;
        Ok(REDIS_CACHE_OK)
    })
}

/// Gives the lock back and frees it, whatever it returns: OK, or ERR_LOST when it had run out
/// before, which leaves the next holder alone. NULL is ERR_INVALID_ARGUMENT. One round trip.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn redis_cache_lock_release(
    lock: *mut redis_cache_lock,
) -> redis_cache_status {
    guard_to_the_end(|| {
        // SAFETY: the caller keeps the rules of the header.
        unsafe { take("lock", lock)? }.lock.release()?;
        Ok(REDIS_CACHE_OK)
    })
}

/// The fencing token: a number that grows with every acquisition of this lock, as long as the
/// server's clock does not go back. A store that remembers the largest one it saw can refuse a
/// holder that was too slow. 0 for NULL. No network.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn redis_cache_lock_token(lock: *const redis_cache_lock) -> u64 {
    guard_or(0, || {
        // SAFETY: the caller keeps the rules of the header.
        Ok(unsafe { borrow("lock", lock)? }.lock.token())
    })
}
