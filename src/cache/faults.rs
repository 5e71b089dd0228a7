//! What a fault means to the caller, to the counters and to the error hook. The hook may call the same cache, so it hears
//! of faults when the store has returned and all connections are back in their pools: a call on many keys, which is told
//! of faults while others of its exchanges are under way, gathers them in [`Faults`] and tells of them in the end.

use std::sync::atomic::Ordering;

use crate::cache::Cache;
use crate::config::{OnDecodeError, OnError};
use crate::error::{Error, ErrorKind, Result};

impl Cache {
    /// Counts a fault, tells the hook, and answers with `miss` where `on_error=miss` covers it.
    #[inline]
    pub(crate) fn or_miss<T>(&self, result: Result<T>, miss: T) -> Result<T> {
        match result {
            Err(error) if self.hides(&error) => Ok(miss),
            other => other,
        }
    }

    /// Counts a fault and tells the hook; whether `on_error` turns it into a miss.
    #[cold]
    fn hides(&self, error: &Error) -> bool {
        self.tell(error);
        self.is_a_miss(error)
    }

    fn is_a_miss(&self, error: &Error) -> bool {
        self.shared.options.on_error == OnError::Miss && error.is_unavailable()
    }

    /// Applies `on_decode_error` to a decoded read that failed.
    #[inline]
    pub(crate) fn or_undecodable<T>(&self, read: Result<Option<T>>) -> Result<Option<T>> {
        match read {
            Err(error) if self.hides_undecodable(&error) => Ok(None),
            other => other,
        }
    }

    /// Counts and tells what a read that failed deserves; whether `on_decode_error` turns it into a miss.
    #[cold]
    fn hides_undecodable(&self, error: &Error) -> bool {
        let (is_hidden, is_told) = self.judge_undecodable(error);
        if is_told {
            self.tell(error);
        }
        is_hidden
    }

    /// Whether `on_decode_error` turns a read that failed into a miss, and whether the hook hears of it: of those that are
    /// hidden only once.
    fn judge_undecodable(&self, error: &Error) -> (bool, bool) {
        let is_undecodable = error.kind() == ErrorKind::Decode;
        self.shared
            .counters
            .decode_errors
            .add(is_undecodable.into());
        if !is_undecodable || self.shared.options.on_decode_error == OnDecodeError::Error {
            return (false, true);
        }
        (true, !self.shared.decode_told.swap(true, Ordering::Relaxed))
    }

    /// Counts a fault and tells the hook.
    #[inline]
    pub(crate) fn report<T>(&self, result: Result<T>) -> Result<T> {
        if let Err(error) = &result {
            self.tell(error);
        }
        result
    }

    /// Counts a fault and tells the hook, unless that causes it itself right now.
    #[cold]
    pub(crate) fn tell(&self, error: &Error) {
        self.shared.counters.errors.add(1);
        #[cfg(feature = "tracing")]
        tracing::event!(
            target: "redis_cache::fault",
            tracing::Level::WARN,
            {
                "db.system.name" = "redis",
                "db.operation.name" = error.command(),
                "db.response.status_code" = error.code(),
                "error.type" = ?error.kind(),
            },
            "{error}"
        );
        self.shared.hooks.tell(error);
    }
}

/// Faults of a call on many keys: judged as they come, told when the store has returned.
pub(crate) struct Faults<'a> {
    cache: &'a Cache,
    heard: Vec<Error>,
}

impl<'a> Faults<'a> {
    pub(crate) fn of(cache: &'a Cache) -> Self {
        Faults {
            cache,
            heard: Vec::new(),
        }
    }

    /// As [`Cache::or_miss`].
    #[inline]
    pub(crate) fn or_miss<T>(&mut self, result: Result<T>, miss: T) -> Result<T> {
        match result {
            Err(error) if self.hides(&error) => Ok(miss),
            other => other,
        }
    }

    #[cold]
    fn hides(&mut self, error: &Error) -> bool {
        self.heard.push(error.clone());
        self.cache.is_a_miss(error)
    }

    /// As [`Cache::or_undecodable`].
    #[inline]
    pub(crate) fn or_undecodable<T>(&mut self, read: Result<Option<T>>) -> Result<Option<T>> {
        match read {
            Err(error) if self.hides_undecodable(&error) => Ok(None),
            other => other,
        }
    }

    #[cold]
    fn hides_undecodable(&mut self, error: &Error) -> bool {
        let (is_hidden, is_told) = self.cache.judge_undecodable(error);
        self.heard.extend(is_told.then(|| error.clone()));
        is_hidden
    }

    /// Counts them and tells the hook.
    pub(crate) fn tell(self) {
        self.heard.iter().for_each(|error| self.cache.tell(error));
    }
}
