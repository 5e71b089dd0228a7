//! The near cache, seen from C.

use super::boundary::*;
use super::client::*;

/// Forgets what the near cache of this client holds, so that the next reads ask the server. A
/// client whose option `near` is 0 has none, and there is nothing to forget. NULL does nothing. No
/// network.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn redis_cache_near_clear(cache: *const redis_cache) {
    guard_or((), || {
        // SAFETY: the caller keeps the rules of the header.
        let cache = unsafe { borrow("cache", cache)? };
        cache.cache.near_clear();
        Ok(())
    });
}
