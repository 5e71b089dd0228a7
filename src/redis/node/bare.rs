//! Servers that hang up on the greeting: a proxy such as twemproxy closes the connection when it hears a command that it
//! does not know, HELLO among them. It gets one attempt without a greeting, and that this works is remembered for a
//! while: a server that was only being restarted is greeted again.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crate::base::moment::Moment;

/// After this time the greeting is tried again.
const REMEMBERED: Duration = Duration::from_secs(60);

/// Until when a node is not greeted, as a [`Moment`] in nanoseconds; 0: it is.
#[derive(Debug, Default)]
pub(crate) struct Bare(AtomicU64);

impl Bare {
    pub(crate) fn is_it(&self) -> bool {
        let until = self.0.load(Ordering::Relaxed);
        until != 0 && Moment::now().nanos() < until
    }

    pub(crate) fn remember(&self) {
        let until = Moment::now().after(REMEMBERED).nanos();
        self.0.store(until, Ordering::Relaxed);
    }

    /// Nothing came of it either.
    pub(crate) fn forget(&self) {
        self.0.store(0, Ordering::Relaxed);
    }
}
