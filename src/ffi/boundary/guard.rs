//! What stands around every function of the C API: panics and errors become statuses, and their text is kept for
//! the thread. That text is plain memory without a destructor, so it works while a thread ends.

use std::any::Any;
use std::cell::UnsafeCell;
use std::ffi::{CStr, c_char};
use std::fmt::{self, Write};
use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::error::{Error, ErrorKind, Result};
use crate::ffi::types::*;

use super::cancel::PutOff;

/// Runs the body of a C function. Only a negative status leaves a text: being busy is an ordinary outcome.
pub(crate) fn guard(body: impl FnOnce() -> Result<Status>) -> Status {
    caught(body).unwrap_or_else(|error| {
        let status = Status::from(error.kind());
        if (status as i32) < 0 {
            remember(&error);
        }
        status
    })
}

/// The same for a function that runs code of the caller or waits for others: a thread that is cancelled meanwhile ends
/// after it.
pub(crate) fn guard_to_the_end(body: impl FnOnce() -> Result<Status>) -> Status {
    let _until_then = PutOff::begin();
    guard(body)
}

/// The same for a function that does not return a status, and so never leaves a text.
pub(crate) fn guard_or<T>(fallback: T, body: impl FnOnce() -> Result<T>) -> T {
    caught(body).unwrap_or(fallback)
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
pub(crate) fn invalid(text: impl Into<String>) -> Error {
    Error::new(ErrorKind::InvalidArgument, text)
}

/// Bytes a thread's error text takes, with its NUL.
pub(crate) const TEXT_SIZE: usize = 512;

struct ThreadText(UnsafeCell<[u8; TEXT_SIZE]>);

thread_local! {
    static LAST: ThreadText = const { ThreadText(UnsafeCell::new([0; TEXT_SIZE])) };
}

/// Makes `error` the thread's error text.
pub(crate) fn remember(error: &Error) {
    LAST.with(|last| {
        // SAFETY: only this thread comes here, and formatting an error does not lead back here.
        let place = unsafe { &mut *last.0.get() };
        write_text(place, error);
    });
}

/// Runs what may fail in ways of its own, and leaves the thread's error text as it was.
pub(crate) fn keeping_text<T>(work: impl FnOnce() -> T) -> T {
    // SAFETY: only this thread comes here, and nothing else uses the text while it is copied.
    let before = LAST.with(|last| unsafe { *last.0.get() });
    let done = work();
    // SAFETY: as above.
    LAST.with(|last| unsafe { *last.0.get() = before });
    done
}

/// The thread's error text; it stays where it is as long as the thread lives.
pub(crate) fn last_text() -> &'static CStr {
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
        let fits = (0..=most)
            .rev()
            .find(|end| text.is_char_boundary(*end))
            .unwrap_or(0);
        let to = self.place.iter_mut().skip(self.len).take(fits);
        // A NUL inside would end the text for C.
        for (to, byte) in to.zip(text.bytes()) {
            *to = if byte == 0 { b' ' } else { byte };
        }
        self.len += fits;
        if fits < text.len() {
            Err(fmt::Error)
        } else {
            Ok(())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
    fn being_busy_is_no_error() {
        let _ = guard(|| Err(invalid("before")));
        let busy = Error::new(ErrorKind::Busy, "still loading");
        assert_eq!(guard(|| Err(busy)), REDIS_CACHE_BUSY);
        assert_eq!(shown(), "before");
    }

    #[test]
    fn without_a_negative_status_the_last_text_stays() {
        let _ = guard(|| Err(invalid("before")));
        assert_eq!(guard_or(7, || Err(invalid("no status tells of this"))), 7);
        assert_eq!(shown(), "before");
    }

    #[test]
    fn success_leaves_the_last_text_alone() {
        assert_eq!(
            guard(|| Err(invalid("first"))),
            REDIS_CACHE_ERR_INVALID_ARGUMENT
        );
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
}
