//! Computing a value that is missing by a function of the caller, and the writer through which such a function
//! hands over what it made. Key functions write through one too.

use std::ffi::{c_char, c_void};
use std::mem;

use super::cache::redis_cache;
use super::guard::*;
use super::pointers::*;
use super::ttl::expiry;
use super::types::*;
use crate::error::{Error, ErrorKind};
use crate::expiry::Expiry;
use crate::herd::{Loading, Source};

/// Takes what a function of the caller makes. It lives until that function returns, and belongs
/// to its thread.
#[derive(Debug, Default)]
pub struct redis_cache_writer {
    written: Written,
    fault: Option<String>,
    stores_nothing: bool,
}

/// What a function left in its writer.
#[derive(Debug, Default)]
pub(super) struct Written {
    pub(super) value: Vec<u8>,
    pub(super) expiry: Option<Expiry>,
}

impl redis_cache_writer {
    /// For a function that makes a key, which has no lifetime.
    pub(super) fn for_key() -> Self {
        Self {
            stores_nothing: true,
            ..Self::default()
        }
    }

    /// What was written when the function returned `code`, or why there is nothing.
    pub(super) fn finish(&mut self, function: &str, code: i32) -> Result<Written, String> {
        match (code, self.fault.take()) {
            (0, _) => Ok(mem::take(&mut self.written)),
            (_, Some(text)) => Err(text),
            (code, None) => Err(format!("the {function} function returned {code}")),
        }
    }
}

/// The value of `key`, and when there is none (or it is due to be renewed) what `fn` computes,
/// which is then stored for ttl_ms. However many threads and processes ask at once, one computes
/// and the others get its result: they wait for it, at most as long as the option `wait`, or are
/// served the old value while there is one.
///
/// OK: `*out` is the value. STALE: it is one past its expiry, as the options allow. BUSY: somebody
/// else computes and the wait is over. ERR_CALLBACK: `fn` failed, with the text of
/// redis_cache_writer_fail(). A server that cannot be reached does not keep `fn` from running.
/// Free with redis_cache_bytes_free(). One round trip on a hit, three and `fn` otherwise.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn redis_cache_get_or_set(
    cache: *const redis_cache,
    key: *const c_char,
    key_len: usize,
    ttl_ms: i64,
    r#fn: redis_cache_compute_fn,
    user_data: *mut c_void,
    out: *mut redis_cache_bytes,
) -> redis_cache_status {
    guard(|| {
        // SAFETY: the caller keeps the rules of the header.
        let (out, cache, key) = unsafe {
            (
                self::out("out", out)?,
                borrow("cache", cache)?,
                bytes("key", key, key_len)?,
            )
        };
        let compute = r#fn.ok_or_else(|| invalid("`fn` is NULL"))?;
        let outcome = cache.cache.get_or_set_bytes_with(
            key,
            expiry(ttl_ms),
            |loading: &mut Loading<'_>| {
                let mut writer = redis_cache_writer::default();
                // SAFETY: the caller's function, with the data meant for it, during the call.
                let code = unsafe { compute(user_data, &raw mut writer) };
                let written = writer.finish("compute", code)?;
                if let Some(expiry) = written.expiry {
                    loading.set_ttl(expiry);
                }
                Ok::<_, String>(Some(written.value))
            },
        )?;
        let Some(value) = outcome.value else {
            return Ok(REDIS_CACHE_NOT_FOUND);
        };
        out.set(value.into());
        Ok(match outcome.source {
            Source::Stale => REDIS_CACHE_STALE,
            Source::Fresh | Source::Computed => REDIS_CACHE_OK,
        })
    })
}

/// Appends `len` bytes to what is being made. OK.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn redis_cache_writer_append(
    out: *mut redis_cache_writer,
    data: *const c_void,
    len: usize,
) -> redis_cache_status {
    guard(|| {
        // SAFETY: the caller keeps the rules of the header.
        let (out, data) = unsafe { (borrow_mut("out", out)?, bytes("data", data.cast(), len)?) };
        out.written.value.extend_from_slice(data);
        Ok(REDIS_CACHE_OK)
    })
}

/// Says why the function is about to fail: the text of the ERR_CALLBACK that follows. It is
/// copied. A NULL text is no reason; a NULL writer does nothing.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn redis_cache_writer_fail(
    out: *mut redis_cache_writer,
    text: *const c_char,
) {
    guard_or((), || {
        // SAFETY: the caller keeps the rules of the header.
        let (out, text) = unsafe { (borrow_mut("out", out)?, self::text("text", text)?) };
        out.fault = Some(text.to_string_lossy().into_owned());
        Ok(())
    });
}

/// The value is to live for ttl_ms, whatever the call that computes it said. OK, or
/// ERR_UNSUPPORTED in a function that makes a key.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn redis_cache_writer_set_ttl(
    out: *mut redis_cache_writer,
    ttl_ms: i64,
) -> redis_cache_status {
    guard(|| {
        // SAFETY: the caller keeps the rules of the header.
        let out = unsafe { borrow_mut("out", out)? };
        if out.stores_nothing {
            return Err(Error::new(
                ErrorKind::Unsupported,
                "a key that is being made has no lifetime",
            ));
        }
        out.written.expiry = Some(expiry(ttl_ms));
        Ok(REDIS_CACHE_OK)
    })
}
