//! The caller's own functions: what hears of errors, what makes wire keys, what says the credentials, and what opens
//! connections. They are
//! shared by all clones and views of a cache and may be called from any of its threads.

use std::cell::Cell;
#[cfg(feature = "capi")]
use std::ffi::CStr;
use std::fmt;
use std::sync::Arc;

use crate::error::Error;

use super::credentials::Asker;

/// Makes a wire key of prefix, version and the user's key.
pub(crate) type KeyFn = Arc<dyn Fn(&[u8], u64, &[u8]) -> Result<Vec<u8>, String> + Send + Sync>;

/// Finds the user's key in a wire key.
pub(crate) type ReverseKeyFn = Arc<dyn Fn(&[u8]) -> Result<Vec<u8>, String> + Send + Sync>;

/// Hears of every error of the cache.
pub(crate) type ErrorFn = Arc<dyn Fn(&Error) + Send + Sync>;

/// Hears of every operation of C when it is over: its name, the node of its key, its status, and nanoseconds.
#[cfg(feature = "capi")]
pub(crate) type OperationFn = Arc<dyn Fn(&CStr, &str, i32, u64) + Send + Sync>;

type Opened = redis::RedisResult<Box<dyn redis::ConnectionLike + Send>>;

/// Opens connections of the caller's own kind. Deadlines inside them are the caller's affair.
#[derive(Clone)]
pub(crate) struct Connector(Arc<dyn Fn(&redis::ConnectionInfo) -> Opened + Send + Sync>);

impl Connector {
    pub(crate) fn new<C>(
        open: impl Fn(&redis::ConnectionInfo) -> redis::RedisResult<C> + Send + Sync + 'static,
    ) -> Self
    where
        C: redis::ConnectionLike + Send + 'static,
    {
        Connector(Arc::new(move |info| Ok(Box::new(open(info)?))))
    }

    pub(crate) fn open(&self, info: &redis::ConnectionInfo) -> Opened {
        (self.0)(info)
    }
}

impl fmt::Debug for Connector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Connector")
    }
}

/// The functions a cache was configured with.
#[derive(Clone, Default)]
pub(crate) struct Hooks {
    pub(crate) error: Option<ErrorFn>,
    pub(crate) key: Option<KeyFn>,
    pub(crate) reverse_key: Option<ReverseKeyFn>,
    pub(crate) connector: Option<Connector>,
    pub(crate) credentials: Option<Asker>,
    #[cfg(feature = "capi")]
    pub(crate) operation: Option<OperationFn>,
}

impl Hooks {
    /// Whether there is any function of the caller that an operation may run.
    #[cfg(feature = "capi")]
    pub(crate) fn are_any(&self) -> bool {
        self.error.is_some()
            || self.key.is_some()
            || self.reverse_key.is_some()
            || self.credentials.is_some()
            || self.operation.is_some()
    }

    /// Tells the operation hook, but not of what it does itself while it hears of another operation.
    #[cfg(feature = "capi")]
    pub(crate) fn tell_operation(&self, name: &CStr, node: &str, status: i32, nanoseconds: u64) {
        let Some(hook) = &self.operation else { return };
        if let Some(_telling) = Running::begin(Arc::as_ptr(hook).cast::<()>().addr()) {
            hook(name, node, status, nanoseconds);
        }
    }

    /// Tells the error hook, but not of what it causes itself while it hears of another fault.
    pub(crate) fn tell(&self, error: &Error) {
        let Some(hook) = &self.error else { return };
        if let Some(_telling) = Running::begin(Arc::as_ptr(hook).addr()) {
            hook(error);
        }
    }
}

/// How many functions of different caches may run one within the other, on one thread: hooks hear of each other's faults.
const DEEPEST: usize = 8;

thread_local! {
    /// The functions that run on this thread, each known by its address. It has no destructor, so it works while a
    /// thread ends.
    static RUNNING: Cell<([usize; DEEPEST], usize)> = const { Cell::new(([0; DEEPEST], 0)) };
}

/// For as long as this lives, a function runs on this thread that must not run within itself.
pub(super) struct Running;

impl Running {
    /// `None` when it runs already, or too many do.
    pub(super) fn begin(function: usize) -> Option<Running> {
        let (mut functions, depth) = RUNNING.get();
        let (running, free) = functions.split_at_mut(depth.min(DEEPEST));
        if running.contains(&function) {
            return None;
        }
        *free.first_mut()? = function;
        RUNNING.set((functions, depth + 1));
        Some(Running)
    }

    pub(super) fn is(function: usize) -> bool {
        let (functions, depth) = RUNNING.get();
        functions
            .iter()
            .take(depth)
            .any(|running| *running == function)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let (hooks, depth) = RUNNING.get();
        RUNNING.set((hooks, depth.saturating_sub(1)));
    }
}

impl fmt::Debug for Hooks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Hooks")
            .field("error", &self.error.is_some())
            .field("key", &self.key.is_some())
            .field("reverse_key", &self.reverse_key.is_some())
            .field("connector", &self.connector.is_some())
            .field("credentials", &self.credentials.is_some())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::ErrorKind;
    use std::sync::OnceLock;
    use std::sync::atomic::{AtomicU32, Ordering};

    fn hooks(hook: impl Fn(&Error) + Send + Sync + 'static) -> Hooks {
        Hooks {
            error: Some(Arc::new(hook)),
            ..Hooks::default()
        }
    }

    /// It was called again without end, until the stack was used up.
    #[test]
    fn a_hook_hears_of_others_faults_but_not_of_its_own() {
        static FIRST: OnceLock<Hooks> = OnceLock::new();
        static SECOND: OnceLock<Hooks> = OnceLock::new();
        static HEARD: [AtomicU32; 2] = [AtomicU32::new(0), AtomicU32::new(0)];
        let tell = |other: &OnceLock<Hooks>, error: &Error| other.get().unwrap().tell(error);
        let first = FIRST.get_or_init(|| {
            hooks(move |error| {
                HEARD[0].fetch_add(1, Ordering::Relaxed);
                tell(&FIRST, error);
                tell(&SECOND, error);
            })
        });
        SECOND.get_or_init(|| {
            hooks(move |error| {
                HEARD[1].fetch_add(1, Ordering::Relaxed);
                tell(&FIRST, error);
            })
        });
        for times in 1..=2 {
            first.tell(&Error::new(ErrorKind::Io, "refused"));
            let heard = HEARD.each_ref().map(|heard| heard.load(Ordering::Relaxed));
            assert_eq!(heard, [times, times]);
        }
    }

    #[test]
    fn a_hook_that_panics_is_told_of_the_next_fault() {
        let hooks = hooks(|_| panic!("heard"));
        let error = Error::new(ErrorKind::Io, "refused");
        for _ in 0..2 {
            let told = std::panic::AssertUnwindSafe(|| hooks.tell(&error));
            assert!(std::panic::catch_unwind(told).is_err());
        }
    }
}
