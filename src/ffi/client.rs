//! The client as C holds it, and what every operation on one key begins and ends with.

use std::ffi::{CStr, c_char};

use super::boundary::*;
use super::operation::*;
use super::types::*;
use crate::cache::Cache;
use crate::error::Result;

/// A client. Any number of threads may use one at once, and after fork() the child may go on
/// using it. Freed with redis_cache_free().
#[derive(Debug)]
pub struct redis_cache {
    pub(super) cache: Cache,
}

impl redis_cache {
    pub(super) fn give(cache: Cache) -> *mut redis_cache {
        give(redis_cache { cache })
    }
}

/// Runs an operation on one key whose outcome is a status.
///
/// # Safety
/// The pointers are as the header asks for.
#[inline]
pub(super) unsafe fn on_key(
    name: &'static CStr,
    cache: *const redis_cache,
    key: *const c_char,
    key_len: usize,
    work: impl FnOnce(&Cache, &[u8]) -> Result<Status>,
) -> Status {
    operation(name, |call| {
        // SAFETY: as promised by the caller.
        let (cache, key) = unsafe { call.client_and_key(cache, key, key_len)? };
        work(cache, key)
    })
}

/// Runs an operation on one key that has something to tell: it goes to `place`, the argument of that name, or there is
/// no such key.
///
/// # Safety
/// The pointers are as the header asks for, and all zeroes are a valid `T`.
#[inline]
pub(super) unsafe fn ask_on_key<T>(
    name: &'static CStr,
    cache: *const redis_cache,
    key: *const c_char,
    key_len: usize,
    (argument, place): (&str, *mut T),
    work: impl FnOnce(&Cache, &[u8]) -> Result<Option<T>>,
) -> Status {
    operation(name, |call| {
        // SAFETY: as promised by the caller.
        let (out, (cache, key)) = unsafe {
            (
                out(argument, place)?,
                call.client_and_key(cache, key, key_len)?,
            )
        };
        let Some(answer) = work(cache, key)? else {
            return Ok(REDIS_CACHE_NOT_FOUND);
        };
        out.set(answer);
        Ok(REDIS_CACHE_OK)
    })
}
