//! An operation of C from its beginning to its end: the guard around it, the client during it, and the caller's function
//! that hears of it when it is over.

use std::ffi::{CStr, c_char};
use std::ops::Deref;
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
    let mut call = Call { watched: None };
    let status = guard(|| body(&mut call));
    if let Some(watched) = call.watched {
        tell(&watched, name, status);
    }
    status
}

/// The same for an operation that runs code of the caller or waits for others; see [`guard_to_the_end`].
pub(super) fn operation_to_the_end(
    name: &'static CStr,
    body: impl FnOnce(&mut Call) -> Result<Status>,
) -> Status {
    let _until_then = PutOff::begin();
    operation(name, body)
}

/// What an operation has come to know of itself.
pub(super) struct Call {
    watched: Option<Box<Watched>>,
}

impl Call {
    /// The client that an operation is about.
    ///
    /// # Safety
    /// `cache` is NULL or a handle that lives until the call runs a function of the caller, and that this may free.
    #[inline(always)]
    pub(super) unsafe fn client<'a>(&mut self, cache: *const redis_cache) -> Result<Client<'a>> {
        // SAFETY: as promised by the caller.
        let cache = unsafe { &borrow("cache", cache)?.cache };
        if cache.shared.runs_functions {
            return Ok(self.hold(cache));
        }
        Ok(Client::Lent(cache))
    }

    /// The same for a call that is given a function of the caller.
    ///
    /// # Safety
    /// As for [`client`](Call::client).
    pub(super) unsafe fn client_held<'a>(
        &mut self,
        cache: *const redis_cache,
    ) -> Result<Client<'a>> {
        // SAFETY: as promised by the caller.
        Ok(self.hold(unsafe { &borrow("cache", cache)?.cache }))
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
    ) -> Result<(Client<'a>, &'a [u8])> {
        // SAFETY: as promised by the caller.
        let (cache, key) = unsafe { (self.client(cache)?, bytes("key", key, key_len)?) };
        if self.watched.is_some() {
            self.is_about(key);
        }
        Ok((cache, key))
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
    ) -> Result<(Client<'a>, &'a [u8])> {
        // SAFETY: as promised by the caller.
        let (cache, key) = unsafe { (self.client_held(cache)?, bytes("key", key, key_len)?) };
        self.is_about(key);
        Ok((cache, key))
    }

    #[cold]
    fn hold<'a>(&mut self, cache: &Cache) -> Client<'a> {
        if cache.shared.hooks.operation.is_some() {
            self.watched = Some(Box::new(Watched {
                cache: cache.clone(),
                key: None,
                since: Instant::now(),
                until_then: PutOff::begin(),
            }));
        }
        Client::Held(Box::new(Held {
            cache: cache.clone(),
            until_then: PutOff::begin(),
        }))
    }

    #[cold]
    fn is_about(&mut self, key: &[u8]) {
        if let Some(watched) = &mut self.watched {
            watched.key = Some(key.to_vec());
        }
    }
}

/// A client during a call.
pub(super) enum Client<'a> {
    Lent(&'a Cache),
    Held(Box<Held>),
}

/// When functions of the caller may run, the call has a handle of its own, so that they may free the one it was given, and
/// a cancellation of the thread waits: fields are dropped in their order.
pub(super) struct Held {
    cache: Cache,
    #[allow(dead_code, reason = "it counts that it lives")]
    until_then: PutOff,
}

impl Deref for Client<'_> {
    type Target = Cache;

    #[inline]
    fn deref(&self) -> &Cache {
        match self {
            Client::Lent(cache) => cache,
            Client::Held(held) => &held.cache,
        }
    }
}

/// An operation that the caller's function will hear of.
struct Watched {
    cache: Cache,
    /// The key that it is about, if it is one.
    key: Option<Vec<u8>>,
    since: Instant,
    #[allow(dead_code, reason = "it counts that it lives")]
    until_then: PutOff,
}

#[cold]
fn tell(watched: &Watched, name: &'static CStr, status: Status) {
    let nanoseconds = u64::try_from(watched.since.elapsed().as_nanos()).unwrap_or(u64::MAX);
    let hooks = &watched.cache.shared.hooks;
    // A panic of the function has nowhere else to go.
    keeping_text(|| {
        guard_or((), || {
            let node = watched.node().unwrap_or_default();
            hooks.tell_operation(name, &node, status as i32, nanoseconds);
            Ok(())
        })
    });
}

impl Watched {
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
