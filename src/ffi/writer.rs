//! The writer, through which a function of the caller hands over what it made: a value, the values of many keys, a
//! key. What each of them may be said to be is decided here, so that a value never ends up under another's key.

use std::ffi::{c_char, c_void};
use std::mem;

use zeroize::{Zeroize, Zeroizing};

use super::boundary::*;
use super::types::*;
use super::written::{Content, Purpose, Renewal, Written};
use crate::config::Secrets;
use crate::error::{Error, Result};

/// Takes what a function of the caller makes. It lives until that function returns, and belongs
/// to its thread.
#[derive(Debug)]
pub struct redis_cache_writer {
    purpose: Purpose,
    /// Values of many that are whole.
    made: Vec<Written>,
    current: Written,
    /// Whether anything was said of the current one.
    is_begun: bool,
    /// Whether anything was said of one that nobody asked for.
    is_overfull: bool,
    /// Of credentials: what was written first was ended, so it is the user.
    has_user: bool,
    fault: Option<String>,
    renewal: Option<Renewal>,
}

impl redis_cache_writer {
    fn new(purpose: Purpose, renewal: Option<Renewal>) -> Self {
        redis_cache_writer {
            purpose,
            made: Vec::new(),
            current: Written::default(),
            is_begun: false,
            is_overfull: false,
            has_user: false,
            fault: None,
            renewal,
        }
    }

    /// For a function that makes a key.
    pub(super) fn of_key() -> Self {
        Self::new(Purpose::Key, None)
    }

    /// For a function that says who logs in.
    pub(super) fn of_credentials() -> Self {
        Self::new(Purpose::Credentials, None)
    }

    /// For a function that makes what takes the place of a value.
    pub(super) fn of_rewrite() -> Self {
        Self::new(Purpose::Rewrite, None)
    }

    /// For a function that makes one value, during which `renewal` may be used.
    pub(super) fn of_value(renewal: Renewal) -> Self {
        Self::new(Purpose::Value, Some(renewal))
    }

    /// For a function that makes the values of `count` keys, during which `renewal` may be used.
    pub(super) fn of_many(count: usize, renewal: Renewal) -> Self {
        Self::new(Purpose::Values(count), Some(renewal))
    }

    /// What was written when the function returned `code`, or why there is nothing.
    pub(super) fn finish(mut self, function: &str, code: i32) -> Result<Written, String> {
        self.judge(function, code)?;
        Ok(self.current)
    }

    /// The same for the values of many.
    pub(super) fn finish_many(mut self, code: i32) -> Result<Vec<Written>, String> {
        self.judge("compute", code)?;
        if self.is_begun {
            self.made.push(self.current);
        }
        let (made, wanted) = (self.made.len(), self.purpose.wanted());
        if made == wanted && !self.is_overfull {
            return Ok(self.made);
        }
        let more = if self.is_overfull { "more than " } else { "" };
        Err(format!(
            "the compute function was given {wanted} keys and made {more}{made} values: each is appended (or skipped, \
             or said to be absent) and ended by redis_cache_writer_next()"
        ))
    }

    /// User and password, of which the latter may stand alone. All that was written is overwritten.
    pub(super) fn finish_credentials(mut self, code: i32) -> Result<Option<Secrets>, String> {
        let mut parts: Vec<Zeroizing<Vec<u8>>> = Vec::with_capacity(2);
        let written = mem::take(&mut self.made).into_iter();
        let last = mem::take(&mut self.current);
        let last = Some(last).filter(|_| self.is_begun);
        for part in written.chain(last) {
            parts.push(Zeroizing::new(part.into_value().unwrap_or_default()));
        }
        self.judge("credentials", code)?;
        if self.is_overfull {
            return Err("the credentials function said more than a user and a password".to_owned());
        }
        let mut parts = parts.iter_mut().map(|part| mem::take(&mut **part));
        let (user, password) = match (parts.next(), parts.next(), self.has_user) {
            (Some(user), password, true) => (user, password),
            (password, _, _) => (Vec::new(), password),
        };
        Ok(Secrets::new(user, password))
    }

    fn judge(&mut self, function: &str, code: i32) -> Result<(), String> {
        match (code, self.fault.take()) {
            (0, _) => Ok(()),
            (_, Some(text)) => Err(text),
            (code, None) => Err(format!("the {function} function returned {code}")),
        }
    }

    /// What is being made now.
    fn current(&mut self) -> Result<&mut Written> {
        if self.made.len() == self.purpose.wanted() {
            self.is_overfull = true;
            return Err(invalid(format!(
                "there are only {} keys to make values for, and they have them",
                self.made.len()
            )));
        }
        self.is_begun = true;
        Ok(&mut self.current)
    }

    /// What is being made now, where something new is said: of many, one that was skipped or said to be absent needs
    /// nothing more, so this is about the next.
    fn begin(&mut self) -> Result<&mut Written> {
        let is_whole = !matches!(self.current.content, Content::Value(_));
        if self.purpose.is_many() && is_whole {
            self.made.push(mem::take(&mut self.current));
            self.is_begun = false;
        }
        self.current()
    }

    /// Refuses what has no meaning for what is being made.
    fn needs(&self, fits: bool, otherwise: &str) -> Result<()> {
        match fits {
            true => Ok(()),
            false => Err(self.purpose.refusal(otherwise)),
        }
    }
}

/// Appends `len` bytes to what is being made. OK, or ERR_INVALID_ARGUMENT when there is nothing
/// more to be made, or the only value was said to be absent, or ERR_NO_MEMORY.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn redis_cache_writer_append(
    out: *mut redis_cache_writer,
    data: *const c_void,
    len: usize,
) -> redis_cache_status {
    guard(|| {
        // SAFETY: the caller keeps the rules of the header.
        let (out, data) = unsafe { (borrow_mut("out", out)?, bytes("data", data.cast(), len)?) };
        let is_secret = matches!(out.purpose, Purpose::Credentials);
        let Content::Value(value) = &mut out.begin()?.content else {
            return Err(invalid(
                "this value was said to be absent: nothing can be appended to it",
            ));
        };
        if is_secret {
            append_secret(value, data)?;
            return Ok(REDIS_CACHE_OK);
        }
        value
            .try_reserve(data.len())
            .or_else(|_| value.try_reserve_exact(data.len()))
            .map_err(|_| no_memory(value, data))?;
        value.extend_from_slice(data);
        Ok(REDIS_CACHE_OK)
    })
}

/// Growing leaves no copy behind.
fn append_secret(secret: &mut Vec<u8>, data: &[u8]) -> Result<()> {
    if secret.capacity() - secret.len() < data.len() {
        let mut room = Vec::new();
        room.try_reserve(secret.len().saturating_add(data.len()).max(128))
            .map_err(|_| no_memory(secret, data))?;
        room.extend_from_slice(secret);
        secret.zeroize();
        *secret = room;
    }
    secret.extend_from_slice(data);
    Ok(())
}

fn no_memory(value: &[u8], data: &[u8]) -> Error {
    Error::no_memory("a value", value.len().saturating_add(data.len()))
}

/// Ends one value of many; what follows belongs to the next key. Of credentials it ends the user. The last value needs none, but
/// takes one; so does a key that was skipped or said to be absent, which ends with whatever is said
/// of the next. A value to which nothing was appended is empty. OK, ERR_INVALID_ARGUMENT when every
/// key has its value, or ERR_UNSUPPORTED in a function that makes one thing.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn redis_cache_writer_next(
    out: *mut redis_cache_writer,
) -> redis_cache_status {
    guard(|| {
        // SAFETY: the caller keeps the rules of the header.
        let out = unsafe { borrow_mut("out", out)? };
        out.needs(out.purpose.has_parts(), "there is only one value to make")?;
        out.has_user = true;
        let done = mem::take(out.current()?);
        out.made.push(done);
        out.is_begun = false;
        Ok(REDIS_CACHE_OK)
    })
}

/// There is no value for this key of many: its item is NOT_FOUND and nothing is stored. What was
/// appended to it is dropped. OK, ERR_INVALID_ARGUMENT when every key has its value, or
/// ERR_UNSUPPORTED in a function that makes one thing (redis_cache_writer_set_absent() may be
/// what is meant).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn redis_cache_writer_skip(
    out: *mut redis_cache_writer,
) -> redis_cache_status {
    guard(|| {
        // SAFETY: the caller keeps the rules of the header.
        let out = unsafe { borrow_mut("out", out)? };
        out.needs(
            out.purpose.is_many(),
            "only one key of many can be skipped: say set_absent, or fail",
        )?;
        out.begin()?.content = Content::Skipped;
        Ok(REDIS_CACHE_OK)
    })
}

/// There is no value, and that is worth remembering: stores "known to be absent" for ttl_ms. Until
/// then reads and redis_cache_get_or_set() say NOT_FOUND without computing, and redis_cache_add()
/// succeeds. What was appended is dropped. OK, ERR_INVALID_ARGUMENT when every key has its value,
/// or ERR_UNSUPPORTED in a function that makes a key or rewrites a value.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn redis_cache_writer_set_absent(
    out: *mut redis_cache_writer,
    ttl_ms: i64,
) -> redis_cache_status {
    guard(|| {
        // SAFETY: the caller keeps the rules of the header.
        let out = unsafe { borrow_mut("out", out)? };
        out.needs(out.purpose.is_stored(), "")?;
        *out.begin()? = Written {
            content: Content::Absent,
            expiry: Some(expiry(ttl_ms)),
        };
        Ok(REDIS_CACHE_OK)
    })
}

/// The computation goes on: nobody else is to begin the same one for another `lease` (an option).
/// OK; ERR_LOST when the key was deleted or written, or somebody else has the lease: what is made
/// will go to this call only; ERR_UNSUPPORTED in a function that makes a key or rewrites a value.
/// One round trip for each key that is being computed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn redis_cache_writer_renew(
    out: *mut redis_cache_writer,
) -> redis_cache_status {
    guard(|| {
        // SAFETY: the caller keeps the rules of the header.
        let out = unsafe { borrow_mut("out", out)? };
        out.needs(out.purpose.is_stored(), "")?;
        if let Some(renewal) = out.renewal {
            // SAFETY: the call that made this writer keeps it until the function of the caller returns.
            unsafe { renewal.call()? };
        }
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

/// The value is to live for ttl_ms, whatever the call that computes it said. OK,
/// ERR_INVALID_ARGUMENT when every key has its value, or ERR_UNSUPPORTED in a function that makes
/// a key or rewrites a value.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn redis_cache_writer_set_ttl(
    out: *mut redis_cache_writer,
    ttl_ms: i64,
) -> redis_cache_status {
    guard(|| {
        // SAFETY: the caller keeps the rules of the header.
        let out = unsafe { borrow_mut("out", out)? };
        out.needs(out.purpose.is_stored(), "")?;
        out.begin()?.expiry = Some(expiry(ttl_ms));
        Ok(REDIS_CACHE_OK)
    })
}
