//! The caller's own functions: what hears of errors, what makes wire keys, and what opens connections. They are
//! shared by all clones and views of a cache and may be called from any of its threads.

use std::fmt;
use std::sync::Arc;

use crate::error::Error;

/// Makes a wire key of prefix, version and the user's key.
pub(crate) type KeyFn = Arc<dyn Fn(&[u8], u64, &[u8]) -> Result<Vec<u8>, String> + Send + Sync>;

/// Finds the user's key in a wire key.
pub(crate) type ReverseKeyFn = Arc<dyn Fn(&[u8]) -> Result<Vec<u8>, String> + Send + Sync>;

/// Hears of every error of the cache.
pub(crate) type ErrorFn = Arc<dyn Fn(&Error) + Send + Sync>;

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
}

impl fmt::Debug for Hooks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Hooks")
            .field("error", &self.error.is_some())
            .field("key", &self.key.is_some())
            .field("reverse_key", &self.reverse_key.is_some())
            .field("connector", &self.connector.is_some())
            .finish()
    }
}
