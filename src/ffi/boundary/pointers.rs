//! Pointers from C become references, or an error that names the argument. Outputs are zeroed before anything else
//! can fail. What is promised for every pointer stands in the header's rules; nothing here looks at it twice.

use std::ffi::{CStr, c_char};
use std::mem::size_of;
use std::ptr::NonNull;

use crate::error::{Error, Result};

use super::cancel::PutOff;
use super::guard::{guard_or, invalid};

#[cold]
fn is_null(name: &str) -> Error {
    invalid(format!("`{name}` is NULL"))
}

/// A place for one result, zeroed when it is made.
#[derive(Debug)]
pub(crate) struct Out<T>(NonNull<T>);

impl<T> Out<T> {
    pub(crate) fn set(&self, value: T) {
        // SAFETY: `out` and `optional_out` are only called with pointers that may be written.
        unsafe { self.0.write(value) };
    }
}

/// An output that must be there.
///
/// # Safety
/// `place` is NULL or may be written as long as the result lives, and all zeroes are a valid `T`.
#[inline]
pub(crate) unsafe fn out<T>(name: &str, place: *mut T) -> Result<Out<T>> {
    // SAFETY: as promised by the caller.
    unsafe { optional_out(place) }.ok_or_else(|| is_null(name))
}

/// An output that may be left out.
///
/// # Safety
/// As for [`out`].
#[inline]
pub(crate) unsafe fn optional_out<T>(place: *mut T) -> Option<Out<T>> {
    let place = NonNull::new(place)?;
    // SAFETY: as promised by the caller.
    unsafe { place.write_bytes(0, 1) };
    Some(Out(place))
}

/// A handle or another object that is only read.
///
/// # Safety
/// `object` is NULL or points to a living `T` that nobody changes during `'a`.
#[inline]
pub(crate) unsafe fn borrow<'a, T>(name: &str, object: *const T) -> Result<&'a T> {
    // SAFETY: as promised by the caller.
    unsafe { object.as_ref() }.ok_or_else(|| is_null(name))
}

/// An object that belongs to this thread for now.
///
/// # Safety
/// `object` is NULL or points to a living `T` that nobody else uses during `'a`.
pub(crate) unsafe fn borrow_mut<'a, T>(name: &str, object: *mut T) -> Result<&'a mut T> {
    // SAFETY: as promised by the caller.
    unsafe { object.as_mut() }.ok_or_else(|| is_null(name))
}

/// An array: bytes, slices, entries. NULL without a length is an empty one.
///
/// # Safety
/// `data` is NULL or `count` elements stand there that nobody changes during `'a`.
#[inline]
pub(crate) unsafe fn array<'a, T>(name: &str, data: *const T, count: usize) -> Result<&'a [T]> {
    if is_empty(name, data, count)? {
        return Ok(&[]);
    }
    // SAFETY: as promised by the caller; the size fits, as just seen.
    Ok(unsafe { std::slice::from_raw_parts(data, count) })
}

#[inline]
fn is_empty<T>(name: &str, data: *const T, count: usize) -> Result<bool> {
    if count == 0 {
        return Ok(true);
    }
    if !is_array(data, count) {
        return Err(no_array(name, data.is_null(), count));
    }
    Ok(false)
}

/// Whether that may be an array. (Without a branch: many are asked about one after the other.)
#[inline]
pub(crate) fn is_array<T>(data: *const T, count: usize) -> bool {
    (count == 0) | (!data.is_null() & (count <= isize::MAX as usize / size_of::<T>()))
}

#[cold]
fn no_array(name: &str, is_null: bool, count: usize) -> Error {
    invalid(if is_null {
        format!("`{name}` is NULL, but its length is {count}")
    } else {
        format!("the length of `{name}`, {count}, is more than memory can hold")
    })
}

/// Memory of the caller to be filled. NULL without a length is none.
///
/// # Safety
/// `data` is NULL or `count` bytes may be written there, by nobody else during `'a`.
#[inline]
pub(crate) unsafe fn buffer<'a>(name: &str, data: *mut u8, count: usize) -> Result<&'a mut [u8]> {
    if is_empty(name, data, count)? {
        return Ok(&mut []);
    }
    // SAFETY: as promised by the caller; the size fits, as just seen.
    Ok(unsafe { std::slice::from_raw_parts_mut(data, count) })
}

/// Bytes that C calls `char`.
///
/// # Safety
/// As for [`array`].
#[inline]
pub(crate) unsafe fn bytes<'a>(name: &str, data: *const c_char, len: usize) -> Result<&'a [u8]> {
    // SAFETY: as promised by the caller.
    unsafe { array(name, data.cast(), len) }
}

/// A NUL-terminated text.
///
/// # Safety
/// `text` is NULL or a NUL-terminated string that nobody changes during `'a`.
pub(crate) unsafe fn text<'a>(name: &str, text: *const c_char) -> Result<&'a CStr> {
    if text.is_null() {
        return Err(is_null(name));
    }
    // SAFETY: as promised by the caller.
    Ok(unsafe { CStr::from_ptr(text) })
}

/// Hands an object to C.
pub(crate) fn give<T>(object: T) -> *mut T {
    Box::into_raw(Box::new(object))
}

/// Takes an object back from C that must be there.
///
/// # Safety
/// `object` is NULL or came from [`give`] and was not taken back yet.
pub(crate) unsafe fn take<T>(name: &str, object: *mut T) -> Result<Box<T>> {
    if object.is_null() {
        return Err(is_null(name));
    }
    // SAFETY: as promised by the caller.
    Ok(unsafe { Box::from_raw(object) })
}

/// Takes an object back from C, to drop it. NULL is nothing. That may run functions of the caller, so a cancellation waits.
///
/// # Safety
/// `object` is NULL or came from [`give`] and was not taken back yet.
pub(crate) unsafe fn take_back<T>(object: *mut T) {
    if !object.is_null() {
        // SAFETY: as promised by the caller.
        let object = unsafe { Box::from_raw(object) };
        let _until_then = PutOff::begin();
        guard_or((), || {
            drop(object);
            Ok(())
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ffi::types::redis_cache_slice;
    use std::ptr::{null, null_mut};

    #[test]
    fn outputs_are_zeroed_before_anything_can_fail() {
        let mut place = redis_cache_slice {
            data: c"old".as_ptr(),
            len: 3,
        };
        // SAFETY: a place on the stack.
        let made = unsafe { out("out", &raw mut place) };
        assert!(made.is_ok());
        assert!(place.data.is_null());
        assert_eq!(place.len, 0);
    }

    #[test]
    fn missing_pointers_are_named() {
        // SAFETY: NULL is allowed.
        let error = unsafe { out::<u64>("out_len", null_mut()) }.unwrap_err();
        assert_eq!(error.to_string(), "`out_len` is NULL");
        // SAFETY: NULL is allowed.
        let error = unsafe { bytes("key", null(), 3) }.unwrap_err();
        assert_eq!(error.to_string(), "`key` is NULL, but its length is 3");
        // SAFETY: NULL is allowed.
        assert_eq!(unsafe { bytes("key", null(), 0) }.unwrap(), b"");
        // SAFETY: the length is refused before the pointer is used.
        let error = unsafe { bytes("key", c"x".as_ptr(), usize::MAX) }.unwrap_err();
        assert!(error.to_string().contains("more than memory can hold"));
    }
}
