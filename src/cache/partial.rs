//! What comes of a call on many keys of which some fail.

use std::fmt;

use crate::error::{Error, Result};

/// What became of every item of a multi-key call of which at least one failed. Converts into the [`Error`] that
/// came first, so `?` works in functions that return [`Result`].
#[derive(Debug, Clone)]
pub struct Partial<T> {
    /// One result per item, in the caller's order. Only the error, when there was no memory for so many.
    pub items: Vec<Result<T>>,
}

/// What reading many keys comes to: one value or nothing per key, or what was found beside what failed.
pub type Many<T> = Result<Vec<Option<T>>, Partial<Option<T>>>;

impl<T> Partial<T> {
    /// The first failure.
    pub fn cause(&self) -> Option<&Error> {
        self.items.iter().find_map(|item| item.as_ref().err())
    }

    /// One cause before there was any item.
    pub(crate) fn of(error: Error) -> Partial<T> {
        Partial {
            items: vec![Err(error)],
        }
    }

    pub(crate) fn unless_whole(items: Vec<Result<T>>) -> Result<Vec<T>, Partial<T>> {
        if items.iter().any(|item| item.is_err()) {
            return Err(Partial { items });
        }
        Ok(items.into_iter().flatten().collect())
    }
}

impl<T> fmt::Display for Partial<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let failed = self.items.iter().filter(|item| item.is_err()).count();
        write!(f, "{failed} of {} keys failed", self.items.len())?;
        self.cause()
            .map_or(Ok(()), |cause| write!(f, ", the first with: {cause}"))
    }
}

impl<T: fmt::Debug> std::error::Error for Partial<T> {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.cause()
            .map(|cause| cause as &(dyn std::error::Error + 'static))
    }
}

impl<T> From<Partial<T>> for Error {
    fn from(partial: Partial<T>) -> Error {
        let cause = partial.items.into_iter().find_map(|item| item.err());
        cause.unwrap_or_else(|| {
            Error::new(
                crate::error::ErrorKind::Server,
                "no item of the call failed",
            )
        })
    }
}
