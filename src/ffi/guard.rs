//! What stands around every function of the C API: panics and errors become statuses, pointers become references
//! or an error that names the argument, outputs are zeroed before anything else can fail. Also the error text of
//! each thread, which is plain memory without a destructor, so that it works while a thread ends.

use std::any::Any;
use std::cell::UnsafeCell;
use std::ffi::{CStr, c_char};
use std::fmt::{self, Write};
use std::mem::size_of;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::ptr::NonNull;

use super::types::*;
use crate::error::{Error, ErrorKind, Result};

/// Runs the body of a C function.
pub(super) fn guard(body: impl FnOnce() -> Result<Status>) -> Status {
    caught(body).unwrap_or_else(|error| {
        remember(&error);
        error.kind().into()
    })
}

/// The same for a function that does not return a status.
pub(super) fn guard_or<T>(fallback: T, body: impl FnOnce() -> Result<T>) -> T {
    caught(body).unwrap_or_else(|error| {
        remember(&error);
        fallback
    })
}

/// What a callback did wrong cannot be blamed on values half changed: everything shared is behind locks that are
/// not poisoned and is left whole by those who hold them, hence `AssertUnwindSafe`.
fn caught<T>(body: impl FnOnce() -> Result<T>) -> Result<T> {
    catch_unwind(AssertUnwindSafe(body)).unwrap_or_else(|panic| Err(panic_error(panic)))
}

fn panic_error(panic: Box<dyn Any + Send>) -> Error {
    let text = match (panic.downcast_ref::<&str>(), panic.downcast_ref::<String>()) {
        (Some(text), _) => (*text).to_owned(),
        (None, Some(text)) => text.clone(),
        (None, None) => "no text".to_owned(),
    };
    // Dropping what somebody threw may panic again.
    std::mem::forget(panic);
    Error::new(ErrorKind::Panic, format!("a defect in redis_cache: {text}"))
}

/// The complaint about an argument.
pub(super) fn invalid(text: impl Into<String>) -> Error {
    Error::new(ErrorKind::InvalidArgument, text)
}

fn is_null(name: &str) -> Error {
    invalid(format!("`{name}` is NULL"))
}

/// A place for one result, zeroed when it is made.
#[derive(Debug)]
pub(super) struct Out<T>(NonNull<T>);

impl<T> Out<T> {
    pub(super) fn set(&self, value: T) {
        // SAFETY: `out` and `optional_out` are only called with pointers that may be written.
        unsafe { self.0.write(value) };
    }
}

/// An output that must be there.
///
/// # Safety
/// `place` is NULL or may be written as long as the result lives, and all zeroes are a valid `T`.
pub(super) unsafe fn out<T>(name: &str, place: *mut T) -> Result<Out<T>> {
    // SAFETY: as promised by the caller.
    unsafe { optional_out(place) }.ok_or_else(|| is_null(name))
}

/// An output that may be left out.
///
/// # Safety
/// As for [`out`].
pub(super) unsafe fn optional_out<T>(place: *mut T) -> Option<Out<T>> {
    let place = NonNull::new(place)?;
    // SAFETY: as promised by the caller.
    unsafe { place.write_bytes(0, 1) };
    Some(Out(place))
}

/// A handle or another object that is only read.
///
/// # Safety
/// `object` is NULL or points to a living `T` that nobody changes during `'a`.
pub(super) unsafe fn borrow<'a, T>(name: &str, object: *const T) -> Result<&'a T> {
    // SAFETY: as promised by the caller.
    unsafe { object.as_ref() }.ok_or_else(|| is_null(name))
}

/// An object that belongs to this thread for now.
///
/// # Safety
/// `object` is NULL or points to a living `T` that nobody else uses during `'a`.
pub(super) unsafe fn borrow_mut<'a, T>(name: &str, object: *mut T) -> Result<&'a mut T> {
    // SAFETY: as promised by the caller.
    unsafe { object.as_mut() }.ok_or_else(|| is_null(name))
}

/// An array: bytes, slices, entries. NULL without a length is an empty one.
///
/// # Safety
/// `data` is NULL or `count` elements stand there that nobody changes during `'a`.
pub(super) unsafe fn array<'a, T>(name: &str, data: *const T, count: usize) -> Result<&'a [T]> {
    if is_empty(name, data, count)? {
        return Ok(&[]);
    }
    // SAFETY: as promised by the caller; the size fits, as just seen.
    Ok(unsafe { std::slice::from_raw_parts(data, count) })
}

fn is_empty<T>(name: &str, data: *const T, count: usize) -> Result<bool> {
    if count > 0 && data.is_null() {
        return Err(invalid(format!("`{name}` is NULL, but its length is {count}")));
    }
    if count > isize::MAX as usize / size_of::<T>() {
        return Err(invalid(format!("the length of `{name}`, {count}, is more than memory can hold")));
    }
    Ok(count == 0)
}

/// Memory of the caller to be filled. NULL without a length is none.
///
/// # Safety
/// `data` is NULL or `count` bytes may be written there, by nobody else during `'a`.
pub(super) unsafe fn buffer<'a>(name: &str, data: *mut u8, count: usize) -> Result<&'a mut [u8]> {
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
pub(super) unsafe fn bytes<'a>(name: &str, data: *const c_char, len: usize) -> Result<&'a [u8]> {
    // SAFETY: as promised by the caller.
    unsafe { array(name, data.cast(), len) }
}

/// A NUL-terminated text.
///
/// # Safety
/// `text` is NULL or a NUL-terminated string that nobody changes during `'a`.
pub(super) unsafe fn text<'a>(name: &str, text: *const c_char) -> Result<&'a CStr> {
    if text.is_null() {
        return Err(is_null(name));
    }
    // SAFETY: as promised by the caller.
    Ok(unsafe { CStr::from_ptr(text) })
}

/// Hands an object to C.
pub(super) fn give<T>(object: T) -> *mut T {
    Box::into_raw(Box::new(object))
}

/// Takes an object back from C, to drop it. NULL is nothing.
///
/// # Safety
/// `object` is NULL or came from [`give`] and was not taken back yet.
pub(super) unsafe fn take_back<T>(object: *mut T) {
    if !object.is_null() {
        // SAFETY: as promised by the caller.
        let object = unsafe { Box::from_raw(object) };
        guard_or((), || {
            drop(object);
            Ok(())
        });
    }
}

/// Bytes a thread's error text takes, with its NUL.
pub(super) const TEXT_SIZE: usize = 512;

struct ThreadText(UnsafeCell<[u8; TEXT_SIZE]>);

thread_local! {
    static LAST: ThreadText = const { ThreadText(UnsafeCell::new([0; TEXT_SIZE])) };
}

/// Makes `error` the thread's error text.
pub(super) fn remember(error: &Error) {
    LAST.with(|last| {
        // SAFETY: only this thread comes here, and formatting an error does not lead back here.
        let place = unsafe { &mut *last.0.get() };
        write_text(place, error);
    });
}

/// The thread's error text; it stays where it is as long as the thread lives.
pub(super) fn last_text() -> &'static CStr {
    let start = LAST.with(|last| last.0.get().cast::<c_char>());
    // SAFETY: `write_text` always leaves a NUL; the memory lives as long as the thread, and the reference is not
    // given to another one.
    unsafe { CStr::from_ptr(start) }
}

/// Writes as much of `message` as fits and a NUL.
fn write_text(place: &mut [u8], message: &dyn fmt::Display) {
    let mut cursor = Truncating { place, len: 0 };
    // An error only says that the text was cut.
    let _ = write!(cursor, "{message}");
    let len = cursor.len;
    if let Some(end) = place.get_mut(len) {
        *end = 0;
    }
}

struct Truncating<'a> {
    place: &'a mut [u8],
    len: usize,
}

impl Write for Truncating<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let room = self.place.len().saturating_sub(self.len + 1);
        let most = room.min(text.len());
        let fits = (0..=most).rev().find(|end| text.is_char_boundary(*end)).unwrap_or(0);
        let to = self.place.iter_mut().skip(self.len).take(fits);
        // A NUL inside would end the text for C.
        for (to, byte) in to.zip(text.bytes()) {
            *to = if byte == 0 { b' ' } else { byte };
        }
        self.len += fits;
        if fits < text.len() { Err(fmt::Error) } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::ptr::null_mut;

    fn shown() -> String {
        last_text().to_str().unwrap().to_owned()
    }

    #[test]
    fn a_panic_becomes_a_status_and_a_text() {
        let status = guard(|| panic!("five is {}", 5));
        assert_eq!(status, REDIS_CACHE_ERR_PANIC);
        assert!(shown().ends_with("five is 5"), "{}", shown());
        assert_eq!(guard(|| std::panic::panic_any(7_u8)), REDIS_CACHE_ERR_PANIC);
    }

    #[test]
    fn a_payload_that_panics_when_dropped_stays_inside() {
        struct Bomb;
        impl Drop for Bomb {
            fn drop(&mut self) {
                panic!("again");
            }
        }
        assert_eq!(guard(|| std::panic::panic_any(Bomb)), REDIS_CACHE_ERR_PANIC);
    }

    #[test]
    fn success_leaves_the_last_text_alone() {
        assert_eq!(guard(|| Err(invalid("first"))), REDIS_CACHE_ERR_INVALID_ARGUMENT);
        assert_eq!(guard(|| Ok(REDIS_CACHE_NOT_FOUND)), REDIS_CACHE_NOT_FOUND);
        assert_eq!(shown(), "first");
    }

    #[test]
    fn a_long_text_is_cut_between_characters() {
        let _ = guard(|| Err(invalid("é".repeat(400))));
        assert_eq!(shown(), "é".repeat(255));
        let _ = guard(|| Err(invalid(format!("a{}", "é".repeat(400)))));
        assert_eq!(shown().len(), 511);
        let _ = guard(|| Err(invalid("short\0tail")));
        assert_eq!(shown(), "short tail");
    }

    #[test]
    fn every_thread_has_its_own_text() {
        let _ = guard(|| Err(invalid("mine")));
        let other = std::thread::spawn(shown).join().unwrap();
        assert_eq!((other.as_str(), shown().as_str()), ("", "mine"));
    }

    #[test]
    fn outputs_are_zeroed_before_anything_can_fail() {
        let mut place = redis_cache_slice { data: c"old".as_ptr(), len: 3 };
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
        let error = unsafe { bytes("key", std::ptr::null(), 3) }.unwrap_err();
        assert_eq!(error.to_string(), "`key` is NULL, but its length is 3");
        // SAFETY: NULL is allowed.
        assert_eq!(unsafe { bytes("key", std::ptr::null(), 0) }.unwrap(), b"");
        // SAFETY: the length is refused before the pointer is used.
        let error = unsafe { bytes("key", c"x".as_ptr(), usize::MAX) }.unwrap_err();
        assert!(error.to_string().contains("more than memory can hold"));
    }
}
