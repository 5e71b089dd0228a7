//! The words of `get_or_set`: what a call answers, and what its parts have in common.

use crate::error::{Error, ErrorKind};

/// After a failed load nobody tries again for so long, while there is a stale value to serve.
pub(crate) const BACKOFF_MS: u64 = 1000;

/// The error of a caller's loader: anything that is an error, or a text.
pub(crate) type LoadError = Box<dyn std::error::Error + Send + Sync>;

/// Where the value of an [`Outcome`] comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Source {
    /// The cache, before its expiry; or another caller who computed it just now.
    Fresh,
    /// The cache, past its expiry and within the option `stale`: somebody is renewing it, or that failed.
    Stale,
    /// This call's own loader.
    Computed,
}

/// What [`get_or_set_with`](crate::Cache::get_or_set_with) answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome<T> {
    /// The value; `None` when it is known to be absent.
    pub value: Option<T>,
    /// How fresh that is.
    pub source: Source,
}

/// The lease is somebody else's now, or nobody's.
pub(crate) fn lost() -> Error {
    Error::new(
        ErrorKind::Lost,
        "the lease is no longer held: the key was deleted or written, or the lease ran out",
    )
}
