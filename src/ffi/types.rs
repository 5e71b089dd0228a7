//! The vocabulary of the C API: statuses, owned and borrowed bytes, lifetimes. How they look in memory is part
//! of the ABI: fields are never moved and enumerators never change their value.

use std::ffi::c_char;
use std::mem::ManuallyDrop;
use std::ptr::null_mut;

use crate::error::{Error, ErrorKind, Result};

/// As ttl_ms: the lifetime that is configured as the option `ttl`, 300 seconds unless set.
pub const REDIS_CACHE_TTL_DEFAULT: i64 = i64::MIN;

/// As ttl_ms: no expiry. The same as an answer: the entry has none.
pub const REDIS_CACHE_TTL_FOREVER: i64 = i64::MAX;

/// What a call says. 0 and above are ordinary outcomes, below are errors, whose text
/// redis_cache_last_error() gives. New ones may be added; a value never changes its meaning.
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(clippy::enum_variant_names, reason = "the C names")]
pub enum redis_cache_status {
    /// Done.
    REDIS_CACHE_OK = 0,
    /// There is no such key, or nothing more to iterate.
    REDIS_CACHE_NOT_FOUND = 1,
    /// There is an entry already; it was left alone.
    REDIS_CACHE_EXISTS = 2,
    /// A value past its expiry, served while it is renewed.
    REDIS_CACHE_STALE = 3,
    /// Somebody else is at it, and the time to wait for them is over.
    REDIS_CACHE_BUSY = 4,
    /// The caller's buffer is too small; nothing but the needed length was written.
    REDIS_CACHE_BUFFER_TOO_SMALL = 5,
    /// Some items of a multi-key call failed; the results tell which and why.
    REDIS_CACHE_PARTIAL = 6,
    /// A sweep was ended by its limit, its time or its progress function before it was through.
    REDIS_CACHE_STOPPED = 7,
    /// An argument that can never be right: NULL, an empty key, a key that `key_check` refuses.
    REDIS_CACHE_ERR_INVALID_ARGUMENT = -1,
    /// An option or a location that is unknown, malformed or does not fit another one.
    REDIS_CACHE_ERR_CONFIG = -2,
    /// The connection was refused, reset or closed, TLS failed, or the other side is no Redis.
    REDIS_CACHE_ERR_IO = -3,
    /// No answer within the time budget of the call.
    REDIS_CACHE_ERR_TIMEOUT = -4,
    /// The server wants a password, refuses the one it got, or denies the command.
    REDIS_CACHE_ERR_AUTH = -5,
    /// Any other error reply of the server.
    REDIS_CACHE_ERR_SERVER = -6,
    /// The stored value is not of the type the operation needs, or a counter would overflow.
    REDIS_CACHE_ERR_WRONG_TYPE = -7,
    /// The stored bytes cannot be turned into a value.
    REDIS_CACHE_ERR_DECODE = -8,
    /// The server failed several times in a row and is left alone for a while, or no node serves
    /// the key.
    REDIS_CACHE_ERR_UNAVAILABLE = -9,
    /// The lock or the lease is no longer held.
    REDIS_CACHE_ERR_LOST = -10,
    /// The caller's own function said that it failed.
    REDIS_CACHE_ERR_CALLBACK = -11,
    /// A defect of this library, caught before it could cross into C.
    REDIS_CACHE_ERR_PANIC = -12,
    /// This layout, store or build does not have the operation.
    REDIS_CACHE_ERR_UNSUPPORTED = -13,
    /// Memory of a size that the caller or the server decides could not be had; nothing else was
    /// touched.
    REDIS_CACHE_ERR_NO_MEMORY = -14,
}

pub(super) use redis_cache_status as Status;
pub(super) use redis_cache_status::*;

impl From<ErrorKind> for Status {
    fn from(kind: ErrorKind) -> Self {
        match kind {
            ErrorKind::InvalidArgument => REDIS_CACHE_ERR_INVALID_ARGUMENT,
            ErrorKind::Config => REDIS_CACHE_ERR_CONFIG,
            ErrorKind::Io => REDIS_CACHE_ERR_IO,
            ErrorKind::Timeout => REDIS_CACHE_ERR_TIMEOUT,
            ErrorKind::Auth => REDIS_CACHE_ERR_AUTH,
            ErrorKind::Server => REDIS_CACHE_ERR_SERVER,
            ErrorKind::WrongType => REDIS_CACHE_ERR_WRONG_TYPE,
            ErrorKind::Decode => REDIS_CACHE_ERR_DECODE,
            ErrorKind::Unavailable => REDIS_CACHE_ERR_UNAVAILABLE,
            ErrorKind::Busy => REDIS_CACHE_BUSY,
            ErrorKind::Lost => REDIS_CACHE_ERR_LOST,
            ErrorKind::Callback => REDIS_CACHE_ERR_CALLBACK,
            ErrorKind::Panic => REDIS_CACHE_ERR_PANIC,
            ErrorKind::Unsupported => REDIS_CACHE_ERR_UNSUPPORTED,
            ErrorKind::NoMemory => REDIS_CACHE_ERR_NO_MEMORY,
        }
    }
}

/// Bytes that belong to the caller. A NUL stands behind the last one, so that text can be used as
/// it is; `data` is not NULL when the call succeeded, also for an empty value. Free with
/// redis_cache_bytes_free(); leave `reserved` alone.
#[repr(C)]
#[derive(Debug)]
pub struct redis_cache_bytes {
    /// The first of them.
    pub data: *mut c_char,
    /// How many there are, without the NUL.
    pub len: usize,
    /// The library's own.
    pub reserved: usize,
}

impl redis_cache_bytes {
    pub(super) const NONE: Self = Self {
        data: null_mut(),
        len: 0,
        reserved: 0,
    };

    /// Takes the memory back from C. The length is not asked for: callers may have changed it.
    ///
    /// # Safety
    /// `data` and `reserved` are as [`TryFrom<Vec<u8>>`] made them, or NULL and 0.
    pub(super) unsafe fn release(self) {
        if !self.data.is_null() {
            // SAFETY: pointer and capacity came from a Vec<u8> that was not dropped.
            drop(unsafe { Vec::<u8>::from_raw_parts(self.data.cast(), 0, self.reserved) });
        }
    }
}

impl TryFrom<Vec<u8>> for redis_cache_bytes {
    type Error = Error;

    /// Adds the NUL, which may take a copy of it all.
    fn try_from(mut bytes: Vec<u8>) -> Result<Self> {
        let len = bytes.len();
        if bytes.try_reserve_exact(1).is_err() {
            return Err(Error::no_memory("a value", len));
        }
        let mut bytes = ManuallyDrop::new(bytes);
        bytes.push(0);
        Ok(Self {
            data: bytes.as_mut_ptr().cast(),
            len,
            reserved: bytes.capacity(),
        })
    }
}

/// Bytes that belong to somebody else; no NUL follows them.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct redis_cache_slice {
    /// The first of them; may be NULL when there are none.
    pub data: *const c_char,
    /// How many there are.
    pub len: usize,
}

impl From<&[u8]> for redis_cache_slice {
    fn from(bytes: &[u8]) -> Self {
        let data = if bytes.is_empty() {
            c"".as_ptr()
        } else {
            bytes.as_ptr().cast()
        };
        Self {
            data,
            len: bytes.len(),
        }
    }
}

/// A key and its value, for redis_cache_set_many().
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct redis_cache_entry {
    /// The key; not empty.
    pub key: redis_cache_slice,
    /// The value; any bytes, none at all included.
    pub value: redis_cache_slice,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn owned_bytes_end_in_a_nul_and_are_never_null() {
        for text in [&b""[..], b"x", b"with\0nul"] {
            let bytes = redis_cache_bytes::try_from(text.to_vec()).unwrap();
            assert!(!bytes.data.is_null());
            assert_eq!(bytes.len, text.len());
            // SAFETY: len bytes and a NUL are there.
            let seen =
                unsafe { std::slice::from_raw_parts(bytes.data.cast::<u8>(), bytes.len + 1) };
            assert_eq!(seen, [text, b"\0"].concat());
            // SAFETY: just made from a Vec.
            unsafe { bytes.release() };
        }
    }

    #[test]
    fn spare_room_is_used_for_the_nul() {
        let mut value = Vec::with_capacity(64);
        value.extend_from_slice(b"value");
        let place = value.as_ptr();
        let bytes = redis_cache_bytes::try_from(value).unwrap();
        assert_eq!(
            (bytes.data.cast_const().cast(), bytes.reserved),
            (place, 64)
        );
        // SAFETY: just made from a Vec.
        unsafe { bytes.release() };
    }

    #[test]
    fn every_kind_of_error_has_its_own_status() {
        assert_eq!(Status::from(ErrorKind::InvalidArgument) as i32, -1);
        assert_eq!(Status::from(ErrorKind::Timeout) as i32, -4);
        assert_eq!(Status::from(ErrorKind::Lost) as i32, -10);
        assert_eq!(Status::from(ErrorKind::Unsupported) as i32, -13);
        assert_eq!(Status::from(ErrorKind::NoMemory) as i32, -14);
    }
}
