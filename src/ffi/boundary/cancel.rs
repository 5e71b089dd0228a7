//! `pthread_cancel`: a thread that is cancelled while it runs a function of the caller, or waits for others, ends when the
//! call is over. Unwinding it in the middle would strand those who wait for its load.
//! <https://man7.org/linux/man-pages/man3/pthread_setcancelstate.3.html>

#[cfg(not(target_os = "android"))]
use std::ffi::c_int;

/// For as long as this lives, a cancellation of the thread is put off.
#[derive(Debug)]
pub(crate) struct PutOff {
    #[cfg(not(target_os = "android"))]
    before: c_int,
}

/// Android's threads cannot be cancelled.
#[cfg(target_os = "android")]
impl PutOff {
    pub(crate) fn begin() -> Self {
        PutOff {}
    }
}

#[cfg(not(target_os = "android"))]
const DISABLE: c_int = if cfg!(target_vendor = "apple") { 0 } else { 1 };

#[cfg(not(target_os = "android"))]
unsafe extern "C" {
    fn pthread_setcancelstate(state: c_int, before: *mut c_int) -> c_int;
}

#[cfg(not(target_os = "android"))]
impl PutOff {
    #[inline]
    pub(crate) fn begin() -> Self {
        let mut before = DISABLE;
        // SAFETY: the state is one of the two there are, and `before` is ours to write to.
        unsafe { pthread_setcancelstate(DISABLE, &raw mut before) };
        PutOff { before }
    }
}

#[cfg(not(target_os = "android"))]
impl Drop for PutOff {
    #[inline]
    fn drop(&mut self) {
        let mut unused = DISABLE;
        // SAFETY: `before` is a state that the function itself has told.
        unsafe { pthread_setcancelstate(self.before, &raw mut unused) };
    }
}
