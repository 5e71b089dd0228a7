//! An operation of C from its beginning to its end: the guard around it, the client during it, and the caller's function
//! that hears of it when it is over.

use std::ffi::{CStr, c_char};
use std::time::{Duration, Instant};

use super::boundary::cancel::PutOff;
use super::boundary::*;
use super::client::redis_cache;
use super::types::*;
use crate::base::budget::Budget;
use crate::cache::Cache;
use crate::error::Result;
use crate::key::WireKey;

/// Runs the body of the operation `name`, as [`guard`] does, and then tells the operation hook.
#[inline]
pub(super) fn operation(
    name: &'static CStr,
    body: impl FnOnce(&mut Call) -> Result<Status>,
) -> Status {
    run(name, false, body)
}

#[inline(always)]
fn run(
    name: &'static CStr,
    is_put_off: bool,
    body: impl FnOnce(&mut Call) -> Result<Status>,
) -> Status {
    let mut call = Call {
        held: None,
        is_put_off,
    };
    let status = guard(|| body(&mut call));
    if let Some(held) = call.held {
        finish(held, name, status);
    }
    status
}

/// The same for an operation that runs code of the caller or waits for others; see [`guard_to_the_end`].
pub(super) fn operation_to_the_end(
    name: &'static CStr,
    body: impl FnOnce(&mut Call) -> Result<Status>,
) -> Status {
    let _until_then = PutOff::begin();
    run(name, true, body)
}

/// What an operation has until it is over.
pub(super) struct Call {
    held: Option<Held>,
    /// A cancellation of the thread waits until it is over, whatever it holds.
    is_put_off: bool,
}

/// When functions of the caller may run, the call has a handle of its own, so that they may free the one it was given, and
/// a cancellation of the thread waits: fields are dropped in their order.
struct Held {
    cache: Cache,
    /// Since when, if the operation hook is to hear of it.
    since: Option<Instant>,
    /// The key that the operation is about, for that hook, if it is one.
    key: Option<Vec<u8>>,
    #[allow(dead_code, reason = "it counts that it lives")]
    until_then: Option<PutOff>,
}

impl Call {
    /// The client that an operation is about.
    ///
    /// # Safety
    /// `cache` is NULL or a handle that lives until the call runs a function of the caller, and that this may free.
    #[inline(always)]
    pub(super) unsafe fn client(&mut self, cache: *const redis_cache) -> Result<&Cache> {
        // SAFETY: as promised by the caller.
        let cache = unsafe { &borrow("cache", cache)?.cache };
        if cache.shared.runs_functions {
            return Ok(&self.hold(cache).cache);
        }
        Ok(cache)
    }

    /// The same for a call that is given a function of the caller.
    ///
    /// # Safety
    /// As for [`client`](Call::client).
    pub(super) unsafe fn client_held(&mut self, cache: *const redis_cache) -> Result<&Cache> {
        // SAFETY: as promised by the caller.
        Ok(&self.hold(unsafe { &borrow("cache", cache)?.cache }).cache)
    }

    /// The client and the bytes of the key that an operation is about.
    ///
    /// # Safety
    /// The pointers are as the header asks for, during `'a`.
    #[inline(always)]
    pub(super) unsafe fn client_and_key<'a>(
        &mut self,
        cache: *const redis_cache,
        key: *const c_char,
        key_len: usize,
    ) -> Result<(&Cache, &'a [u8])> {
        // SAFETY: as promised by the caller.
        let (cache, key) = unsafe { (&borrow("cache", cache)?.cache, bytes("key", key, key_len)) };
        if cache.shared.runs_functions {
            return self.held_and_key(cache, key);
        }
        Ok((cache, key?))
    }

    /// The same for a call that is given a function of the caller.
    ///
    /// # Safety
    /// As for [`client_and_key`](Call::client_and_key).
    pub(super) unsafe fn client_held_and_key<'a>(
        &mut self,
        cache: *const redis_cache,
        key: *const c_char,
        key_len: usize,
    ) -> Result<(&Cache, &'a [u8])> {
        // SAFETY: as promised by the caller.
        let (cache, key) = unsafe { (&borrow("cache", cache)?.cache, bytes("key", key, key_len)) };
        self.held_and_key(cache, key)
    }

    #[inline]
    fn held_and_key<'a>(
        &mut self,
        cache: &Cache,
        key: Result<&'a [u8]>,
    ) -> Result<(&Cache, &'a [u8])> {
        let held = self.hold(cache);
        let key = key?;
        held.key = held.since.map(|_| key.to_vec());
        Ok((&held.cache, key))
    }

    #[inline]
    fn hold(&mut self, cache: &Cache) -> &mut Held {
        self.held.insert(Held {
            cache: cache.clone(),
            since: (cache.shared.hooks.operation.is_some()).then(Instant::now),
            key: None,
            until_then: (!self.is_put_off).then(PutOff::begin),
        })
    }
}

/// The operation is over, and so is its hold on the client. What the caller's functions do then leaves the error text of the
/// call alone, and a panic of theirs has nowhere else to go.
#[inline]
fn finish(held: Held, name: &'static CStr, status: Status) {
    if held.cache.shared.runs_functions {
        tell(held, name, status);
    }
}

#[cold]
fn tell(held: Held, name: &'static CStr, status: Status) {
    let time = held.since.map(|since| since.elapsed());
    keeping_text(|| {
        guard_or((), || {
            if let Some(time) = time {
                let nanoseconds = u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
                let (node, hooks) = (held.node().unwrap_or_default(), &held.cache.shared.hooks);
                hooks.tell_operation(name, &node, status as i32, nanoseconds);
            }
            drop(held);
            Ok(())
        })
    });
}

impl Held {
    /// The node of the key, as far as it is known: nobody is asked.
    fn node(&self) -> Option<String> {
        let mut place = WireKey::new();
        let key = self
            .cache
            .keys
            .wire(self.key.as_deref()?, &mut place)
            .ok()?;
        let nobody = Budget::new(Duration::ZERO);
        self.cache.shared.store.locate(key, nobody).ok()
    }
}
