//! What a writer is for, and what was made through it.

use std::ptr::NonNull;

use crate::error::{Error, ErrorKind, Result};
use crate::expiry::Expiry;

/// What is being made.
#[derive(Debug, Clone, Copy)]
pub(super) enum Purpose {
    Key,
    /// A user and a password.
    Credentials,
    /// What takes the place of a value.
    Rewrite,
    Value,
    /// One for each of so many keys.
    Values(usize),
}

impl Purpose {
    pub(super) fn wanted(self) -> usize {
        match self {
            Purpose::Key | Purpose::Rewrite | Purpose::Value => 1,
            Purpose::Credentials => 2,
            Purpose::Values(count) => count,
        }
    }

    pub(super) fn is_many(self) -> bool {
        matches!(self, Purpose::Values(_))
    }

    pub(super) fn has_parts(self) -> bool {
        self.is_many() || matches!(self, Purpose::Credentials)
    }

    pub(super) fn is_stored(self) -> bool {
        matches!(self, Purpose::Value | Purpose::Values(_))
    }

    /// The error for something that has no meaning here.
    pub(super) fn refusal(self, otherwise: &str) -> Error {
        let text = match self {
            Purpose::Key => "a key that is being made is never stored, absent, skipped or leased",
            Purpose::Credentials => {
                "credentials are a user, redis_cache_writer_next(), and a password, and nothing else"
            }
            Purpose::Rewrite => {
                "a value that is rewritten keeps its lifetime: return 1 to keep it, 2 to delete it"
            }
            Purpose::Value | Purpose::Values(_) => otherwise,
        };
        Error::new(ErrorKind::Unsupported, text)
    }
}

/// One thing that was made.
#[derive(Debug)]
pub(super) struct Written {
    pub(super) content: Content,
    pub(super) expiry: Option<Expiry>,
}

#[derive(Debug)]
pub(super) enum Content {
    Value(Vec<u8>),
    /// "Known to be absent".
    Absent,
    Skipped,
}

impl Default for Written {
    fn default() -> Self {
        Written {
            content: Content::Value(Vec::new()),
            expiry: None,
        }
    }
}

impl Written {
    /// The value, unless there is none.
    pub(super) fn into_value(self) -> Option<Vec<u8>> {
        match self.content {
            Content::Value(value) => Some(value),
            Content::Absent | Content::Skipped => None,
        }
    }
}

/// How to renew the leases under which something is made. It must not be used after what it was made from is gone.
#[derive(Debug, Clone, Copy)]
pub(super) struct Renewal {
    renew: NonNull<()>,
    call: unsafe fn(NonNull<()>) -> Result<()>,
}

impl Renewal {
    pub(super) fn new<F: FnMut() -> Result<()>>(renew: &mut F) -> Self {
        /// # Safety
        /// `renew` is an `F` that lives and that nobody else uses now.
        unsafe fn call<F: FnMut() -> Result<()>>(renew: NonNull<()>) -> Result<()> {
            // SAFETY: as promised by the caller.
            unsafe { renew.cast::<F>().as_mut()() }
        }
        Renewal {
            renew: NonNull::from(renew).cast(),
            call: call::<F>,
        }
    }

    /// # Safety
    /// What it was made from lives, and nobody else uses it now.
    pub(super) unsafe fn call(self) -> Result<()> {
        // SAFETY: as promised by the caller.
        unsafe { (self.call)(self.renew) }
    }
}
