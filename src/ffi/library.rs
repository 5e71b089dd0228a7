//! What concerns the library as a whole: its version, the names of statuses, the thread's error text and the
//! memory it hands out.

use std::ffi::{CStr, c_char};
use std::mem;

use super::boundary::{guard_or, last_text};
use super::types::*;

/// The version of the library that is running, such as "0.1.0"; lives for ever. The macro
/// REDIS_CACHE_VERSION is the one that was compiled against.
#[unsafe(no_mangle)]
pub extern "C" fn redis_cache_version() -> *const c_char {
    concat!(env!("CARGO_PKG_VERSION"), "\0").as_ptr().cast()
}

/// The same as a number that grows: major * 1000000 + minor * 1000 + patch, as in the macro
/// REDIS_CACHE_VERSION_NUMBER.
#[unsafe(no_mangle)]
pub extern "C" fn redis_cache_version_number() -> u32 {
    const NUMBER: u32 = number(env!("CARGO_PKG_VERSION_MAJOR")) * 1_000_000
        + number(env!("CARGO_PKG_VERSION_MINOR")) * 1000
        + number(env!("CARGO_PKG_VERSION_PATCH"));
    NUMBER
}

const fn number(digits: &str) -> u32 {
    match u32::from_str_radix(digits, 10) {
        Ok(number) => number,
        Err(_) => panic!("Cargo only has versions made of numbers"),
    }
}

/// The enumerator's name, such as "REDIS_CACHE_NOT_FOUND", and "unknown status" for any other
/// number; lives for ever, never NULL.
#[unsafe(no_mangle)]
pub extern "C" fn redis_cache_status_name(status: i32) -> *const c_char {
    status_name(status).as_ptr()
}

fn status_name(status: i32) -> &'static CStr {
    match status {
        0 => c"REDIS_CACHE_OK",
        1 => c"REDIS_CACHE_NOT_FOUND",
        2 => c"REDIS_CACHE_EXISTS",
        3 => c"REDIS_CACHE_STALE",
        4 => c"REDIS_CACHE_BUSY",
        5 => c"REDIS_CACHE_BUFFER_TOO_SMALL",
        6 => c"REDIS_CACHE_PARTIAL",
        7 => c"REDIS_CACHE_STOPPED",
        -1 => c"REDIS_CACHE_ERR_INVALID_ARGUMENT",
        -2 => c"REDIS_CACHE_ERR_CONFIG",
        -3 => c"REDIS_CACHE_ERR_IO",
        -4 => c"REDIS_CACHE_ERR_TIMEOUT",
        -5 => c"REDIS_CACHE_ERR_AUTH",
        -6 => c"REDIS_CACHE_ERR_SERVER",
        -7 => c"REDIS_CACHE_ERR_WRONG_TYPE",
        -8 => c"REDIS_CACHE_ERR_DECODE",
        -9 => c"REDIS_CACHE_ERR_UNAVAILABLE",
        -10 => c"REDIS_CACHE_ERR_LOST",
        -11 => c"REDIS_CACHE_ERR_CALLBACK",
        -12 => c"REDIS_CACHE_ERR_PANIC",
        -13 => c"REDIS_CACHE_ERR_UNSUPPORTED",
        _ => c"unknown status",
    }
}

/// What the last failing call on this thread said; "" when none failed yet, never NULL. It lives
/// until the next failing call on this thread, or until the thread ends.
#[unsafe(no_mangle)]
pub extern "C" fn redis_cache_last_error() -> *const c_char {
    last_text().as_ptr()
}

/// Copies this thread's error text into `buf`, cut to `cap` bytes with its NUL, and returns the
/// length of the whole text without the NUL: as strlcpy() does, so a result of `cap` or more says
/// that it was cut. With cap 0 nothing is written and buf may be NULL. 512 bytes are always enough.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn redis_cache_last_error_copy(buf: *mut c_char, cap: usize) -> usize {
    let text = last_text().to_bytes();
    if cap > 0 && !buf.is_null() {
        let fits = text.len().min(cap - 1);
        // SAFETY: `cap` bytes may be written at `buf`, and they are the caller's, not this thread's text.
        unsafe {
            buf.copy_from_nonoverlapping(text.as_ptr().cast(), fits);
            buf.add(fits).write(0);
        }
    }
    text.len()
}

/// Frees what a call stored in `bytes` and zeroes it, so that a second time does no harm. NULL
/// is fine, and so is a struct that a failed call left zeroed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn redis_cache_bytes_free(bytes: *mut redis_cache_bytes) {
    guard_or((), || {
        // SAFETY: the caller keeps the rules of the header: NULL, zeroes, or what a call stored there.
        unsafe {
            if let Some(bytes) = bytes.as_mut() {
                mem::replace(bytes, redis_cache_bytes::NONE).release();
            }
        }
        Ok(())
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ffi::boundary::{guard, invalid};
    use std::ptr::null_mut;

    #[test]
    fn the_error_text_is_copied_as_strlcpy_would() {
        let _ = guard(|| Err(invalid("four")));
        let mut buf = [b'x' as c_char; 8];
        // SAFETY: the capacities are those of `buf`, or 0.
        unsafe {
            assert_eq!(redis_cache_last_error_copy(null_mut(), 0), 4);
            assert_eq!(redis_cache_last_error_copy(buf.as_mut_ptr(), 0), 4);
            assert_eq!(buf[0], b'x' as c_char);
            assert_eq!(redis_cache_last_error_copy(buf.as_mut_ptr(), 3), 4);
            assert_eq!(CStr::from_ptr(buf.as_ptr()), c"fo");
            assert_eq!(redis_cache_last_error_copy(buf.as_mut_ptr(), buf.len()), 4);
            assert_eq!(CStr::from_ptr(buf.as_ptr()), c"four");
        }
    }

    #[test]
    fn bytes_can_be_freed_twice() {
        let mut bytes = redis_cache_bytes::from(b"value".to_vec());
        // SAFETY: made by the library, zeroed by the first call.
        unsafe {
            redis_cache_bytes_free(&raw mut bytes);
            assert!(bytes.data.is_null());
            assert_eq!((bytes.len, bytes.reserved), (0, 0));
            redis_cache_bytes_free(&raw mut bytes);
            redis_cache_bytes_free(null_mut());
        }
    }

    #[test]
    fn statuses_have_the_names_of_their_enumerators() {
        for status in -13..=7 {
            let name = status_name(status).to_str().unwrap();
            assert!(name.starts_with("REDIS_CACHE_"), "{status}");
            assert_eq!(name.contains("_ERR_"), status < 0, "{status}");
        }
        assert_eq!(
            status_name(REDIS_CACHE_ERR_UNSUPPORTED as i32),
            c"REDIS_CACHE_ERR_UNSUPPORTED"
        );
        assert_eq!(status_name(8), c"unknown status");
        assert_eq!(status_name(i32::MIN), c"unknown status");
    }

    #[test]
    fn the_version_is_that_of_the_package() {
        // SAFETY: a constant text.
        let text = unsafe { CStr::from_ptr(redis_cache_version()) };
        assert_eq!(text.to_str().unwrap(), env!("CARGO_PKG_VERSION"));
        assert!(redis_cache_version_number() >= 1000);
    }
}
