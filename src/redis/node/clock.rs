//! What a node's clock says, as a difference to ours. Freshness is server time; the difference comes with every
//! connect and, as clocks drift and connections live long, now and then with a miss.

use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::time::Duration;

use crate::base::moment::Moment;
use crate::expiry::Clock;

/// How long a difference is taken for good.
const GOOD_FOR: Duration = Duration::from_secs(60);

/// The difference, and when it was last found out.
#[derive(Debug)]
pub(crate) struct NodeClock {
    born: Moment,
    offset_ms: AtomicI64,
    /// In milliseconds since `born`.
    read_at_ms: AtomicU64,
    /// Whether the server was ever asked, if in vain.
    is_asked: AtomicBool,
}

impl NodeClock {
    pub(crate) fn new() -> Self {
        NodeClock {
            born: Moment::now(),
            offset_ms: AtomicI64::new(0),
            read_at_ms: AtomicU64::new(0),
            is_asked: AtomicBool::new(false),
        }
    }

    pub(crate) fn get(&self) -> Clock {
        Clock {
            offset_ms: self.offset_ms.load(Ordering::Relaxed),
        }
    }

    /// What is known, once the server was asked.
    pub(crate) fn known(&self) -> Option<Clock> {
        self.is_asked.load(Ordering::Relaxed).then(|| self.get())
    }

    /// The server was asked, and perhaps did not say.
    pub(crate) fn learn(&self, offset_ms: Option<i64>) {
        if let Some(offset_ms) = offset_ms {
            self.set(offset_ms);
        }
        self.is_asked.store(true, Ordering::Relaxed);
    }

    pub(crate) fn set(&self, offset_ms: i64) {
        self.offset_ms.store(offset_ms, Ordering::Relaxed);
        self.read_at_ms
            .store(self.since_birth(Moment::now()), Ordering::Relaxed);
    }

    /// Whether the difference is old at `now`. Only one caller is told so: it is the one to ask.
    pub(crate) fn is_due(&self, now: Moment) -> bool {
        let now = self.since_birth(now);
        let read_at = self.read_at_ms.load(Ordering::Relaxed);
        let is_old = u128::from(now.saturating_sub(read_at)) >= GOOD_FOR.as_millis();
        is_old
            && self
                .read_at_ms
                .compare_exchange(read_at, now, Ordering::Relaxed, Ordering::Relaxed)
                .is_ok()
    }

    fn since_birth(&self, now: Moment) -> u64 {
        let age = now.since(self.born);
        u64::try_from(age.as_millis()).unwrap_or(u64::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_that_tells_no_time_was_asked_all_the_same() {
        let clock = NodeClock::new();
        assert_eq!(clock.known(), None);
        clock.learn(None);
        assert_eq!(clock.known(), Some(Clock::default()));
        clock.learn(Some(7));
        assert_eq!(clock.known(), Some(Clock { offset_ms: 7 }));
    }

    #[test]
    fn an_old_difference_is_asked_for_by_one() {
        let clock = NodeClock::new();
        let later = Moment::now().after(GOOD_FOR);
        assert!(!clock.is_due(Moment::now()));
        assert!(clock.is_due(later));
        assert!(!clock.is_due(later));
        clock.set(-5);
        assert_eq!(clock.get().offset_ms, -5);
        assert!(!clock.is_due(Moment::now().after(GOOD_FOR - Duration::from_secs(1))));
        assert!(clock.is_due(later.after(GOOD_FOR)));
    }
}
