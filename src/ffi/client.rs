//! The client as C holds it, and what every operation on one key begins and ends with.

use std::ffi::c_char;
use std::ops::Deref;

use super::boundary::cancel::PutOff;
use super::boundary::*;
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

/// A client during a call. When functions of the caller may run, the call has a handle of its own, so that they may free
/// the one it was given, and a cancellation of the thread waits: fields are dropped in their order.
pub(super) enum Client<'a> {
    Lent(&'a Cache),
    Held(
        Cache,
        #[allow(dead_code, reason = "it counts that it lives")] PutOff,
    ),
}

impl Deref for Client<'_> {
    type Target = Cache;

    #[inline]
    fn deref(&self) -> &Cache {
        match self {
            Client::Lent(cache) => cache,
            Client::Held(cache, _) => cache,
        }
    }
}

/// The client that an operation is about.
///
/// # Safety
/// `cache` is NULL or a handle that lives until the call runs a function of the caller, and that this may free.
#[inline(always)]
pub(super) unsafe fn client<'a>(cache: *const redis_cache) -> Result<Client<'a>> {
    // SAFETY: as promised by the caller.
    let cache = unsafe { &borrow("cache", cache)?.cache };
    if cache.shared.runs_functions {
        return Ok(hold(cache));
    }
    Ok(Client::Lent(cache))
}

/// The same for a call that is given a function of the caller.
///
/// # Safety
/// As for [`client`].
pub(super) unsafe fn client_held<'a>(cache: *const redis_cache) -> Result<Client<'a>> {
    // SAFETY: as promised by the caller.
    Ok(hold(unsafe { &borrow("cache", cache)?.cache }))
}

#[cold]
fn hold<'a>(cache: &Cache) -> Client<'a> {
    Client::Held(cache.clone(), PutOff::begin())
}

/// The client and the bytes of the key that an operation is about.
///
/// # Safety
/// The pointers are as the header asks for, during `'a`.
#[inline(always)]
pub(super) unsafe fn client_and_key<'a>(
    cache: *const redis_cache,
    key: *const c_char,
    key_len: usize,
) -> Result<(Client<'a>, &'a [u8])> {
    // SAFETY: as promised by the caller.
    unsafe { Ok((client(cache)?, bytes("key", key, key_len)?)) }
}

/// Runs an operation on one key whose outcome is a status.
///
/// # Safety
/// The pointers are as the header asks for.
#[inline]
pub(super) unsafe fn on_key(
    cache: *const redis_cache,
    key: *const c_char,
    key_len: usize,
    work: impl FnOnce(&Cache, &[u8]) -> Result<Status>,
) -> Status {
    guard(|| {
        // SAFETY: as promised by the caller.
        let (cache, key) = unsafe { client_and_key(cache, key, key_len)? };
        work(&cache, key)
    })
}

/// Runs an operation on one key that has something to tell: it goes to `place`, the argument of that name, or there is
/// no such key.
///
/// # Safety
/// The pointers are as the header asks for, and all zeroes are a valid `T`.
#[inline]
pub(super) unsafe fn ask_on_key<T>(
    cache: *const redis_cache,
    key: *const c_char,
    key_len: usize,
    (name, place): (&str, *mut T),
    work: impl FnOnce(&Cache, &[u8]) -> Result<Option<T>>,
) -> Status {
    guard(|| {
        // SAFETY: as promised by the caller.
        let (out, (cache, key)) =
            unsafe { (out(name, place)?, client_and_key(cache, key, key_len)?) };
        let Some(answer) = work(&cache, key)? else {
            return Ok(REDIS_CACHE_NOT_FOUND);
        };
        out.set(answer);
        Ok(REDIS_CACHE_OK)
    })
}
