//! A key that is being read to be kept, and who keeps it.

use std::sync::atomic::AtomicBool;
use std::sync::{Arc, OnceLock};

/// Who keeps what was read. Called with the connection locked: takes no more than locks of its own.
pub(crate) trait Listener {
    /// The server has a key, or has it not. What is heard next comes later.
    fn filled(&self, fill: &Arc<Fill>, heard: Heard<'_>);

    /// Nothing comes of it.
    fn abandoned(&self, fill: &Arc<Fill>);

    /// The key has changed.
    fn changed(&self, key: &[u8]);

    /// After so many bytes of fills the server remembers enough: another connection takes over.
    fn enough(&self) -> usize;
}

/// What a server says of a key.
pub(crate) struct Heard<'a> {
    pub(crate) value: Option<&'a Arc<[u8]>>,
    /// When it expires there, by [`uptime_us`](crate::base::clocks::uptime_us) and never too late; `None`: never.
    pub(crate) expires_us: Option<i64>,
    pub(crate) epoch: u64,
}

/// A key that is being read to be kept.
#[derive(Debug)]
pub(crate) struct Fill {
    pub(crate) key: Box<[u8]>,
    /// Somebody has written the key here since: what comes is not kept. Changed under the lock of whoever keeps it.
    pub(crate) poisoned: AtomicBool,
    pub(super) answer: OnceLock<Answer>,
}

/// What came of it.
#[derive(Debug, Clone)]
pub(crate) enum Answer {
    Value(Option<Arc<[u8]>>),
    /// The server refused, or the connection was lost: it is asked in the usual way.
    Nothing,
}

impl Fill {
    pub(crate) fn new(key: &[u8]) -> Arc<Fill> {
        Arc::new(Fill {
            key: key.into(),
            poisoned: AtomicBool::new(false),
            answer: OnceLock::new(),
        })
    }

    /// What came of it, if anything has.
    pub(crate) fn answer(&self) -> Option<&Answer> {
        self.answer.get()
    }
}
