//! What a node's clock says. Freshness is server time; the difference to ours comes with every connect, now and then with
//! a miss, as clocks drift and connections live long, and when the server contradicts what we make of it.

use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};

use crate::base::moment::Moment;
use crate::expiry::Clock;

/// How long a difference is taken for good, in nanoseconds.
const GOOD_FOR: u64 = 60_000_000_000;
/// One that was contradicted is asked for again, but not more often than this.
const REST: u64 = 1_000_000_000;

/// What a server answered to TIME.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Told {
    /// How far it is ahead of [`uptime_us`](crate::base::clocks::uptime_us).
    pub(crate) ahead_us: i64,
    /// How long that took: it may be wrong by so much.
    pub(crate) round_trip_us: u64,
}

/// The difference, and when it was last found out.
#[derive(Debug)]
pub(crate) struct NodeClock {
    clock: AtomicI64,
    /// What the difference may be wrong by.
    round_trip_us: AtomicU64,
    /// A [`Moment`] in nanoseconds.
    read_at: AtomicU64,
    /// Whether the server was ever asked, if in vain.
    is_asked: AtomicBool,
}

impl NodeClock {
    pub(crate) fn new() -> Self {
        NodeClock {
            clock: AtomicI64::new(Clock::default().to_bits()),
            round_trip_us: AtomicU64::new(0),
            read_at: AtomicU64::new(Moment::now().nanos()),
            is_asked: AtomicBool::new(false),
        }
    }

    #[inline]
    pub(crate) fn get(&self) -> Clock {
        Clock::from_bits(self.clock.load(Ordering::Relaxed))
    }

    /// What there is to go by, once the server was asked.
    pub(crate) fn asked(&self) -> Option<Clock> {
        self.is_asked.load(Ordering::Relaxed).then(|| self.get())
    }

    /// A server that was just connected to was asked, and perhaps did not say.
    pub(crate) fn learn(&self, told: Option<Told>) {
        match told {
            Some(told) => self.set(told),
            None => self.store(Clock::guessed(), 0),
        }
        self.is_asked.store(true, Ordering::Relaxed);
    }

    pub(crate) fn set(&self, told: Told) {
        self.store(Clock::told(told.ahead_us), told.round_trip_us);
    }

    fn store(&self, clock: Clock, round_trip_us: u64) {
        self.clock.store(clock.to_bits(), Ordering::Relaxed);
        self.round_trip_us.store(round_trip_us, Ordering::Relaxed);
        self.read_at.store(Moment::now().nanos(), Ordering::Relaxed);
    }

    /// Whether the difference is old at `now`: one load and a comparison, for what every read asks.
    #[inline]
    pub(crate) fn is_old(&self, now: Moment) -> bool {
        let read_at = self.read_at.load(Ordering::Relaxed);
        now.nanos().saturating_sub(read_at) >= GOOD_FOR
    }

    /// Whether the difference is old at `now`. Only one caller is told so: it is the one to ask.
    pub(crate) fn is_due(&self, now: Moment) -> bool {
        self.claim(GOOD_FOR, now)
    }

    /// The same where the server contradicts it: it calls fresh what was over for us at `fresh_until_ms`, by more than a
    /// round trip explains.
    pub(crate) fn is_contradicted(&self, fresh_until_ms: u64, now: Moment) -> bool {
        let ours = self.get().now_us();
        let late_us = ours.saturating_sub(fresh_until_ms.saturating_mul(1000));
        late_us > self.round_trip_us.load(Ordering::Relaxed) && self.claim(REST, now)
    }

    #[cfg(test)]
    pub(super) fn age(&self) {
        self.read_at.store(0, Ordering::Relaxed);
    }

    fn claim(&self, age: u64, now: Moment) -> bool {
        let read_at = self.read_at.load(Ordering::Relaxed);
        let order = Ordering::Relaxed;
        now.nanos().saturating_sub(read_at) >= age
            && self
                .read_at
                .compare_exchange(read_at, now.nanos(), order, order)
                .is_ok()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::base::clocks::{step_wall, uptime_us};

    const HOUR_US: i64 = 3_600_000_000;

    fn told(ahead_us: i64) -> Told {
        Told {
            ahead_us,
            round_trip_us: 20_000,
        }
    }

    fn later(seconds: u64) -> Moment {
        Moment::now().after(Duration::from_secs(seconds))
    }

    #[test]
    fn a_server_that_tells_no_time_was_asked_all_the_same() {
        let clock = NodeClock::new();
        assert_eq!(clock.asked(), None);
        clock.learn(None);
        assert!(clock.asked().is_some_and(|clock| !clock.is_known()));
        clock.learn(Some(told(7)));
        assert_eq!(clock.asked(), Some(Clock::told(7)));
    }

    #[test]
    fn without_a_servers_time_the_wall_clock_at_the_connect_is_gone_by() {
        let clock = NodeClock::new();
        step_wall(1, HOUR_US);
        clock.learn(None);
        let ahead = clock.get().now_ms() - Clock::own().now_ms();
        assert!(ahead.abs_diff(3_600_000) < 60_000, "{ahead}");
        step_wall(-1, HOUR_US);
        assert!(clock.get().now_ms() > Clock::own().now_ms() + 3_000_000);
    }

    #[test]
    fn an_old_difference_is_asked_for_by_one() {
        let clock = NodeClock::new();
        assert!(!clock.is_due(Moment::now()) && !clock.is_old(Moment::now()));
        let minute = later(60);
        assert!(clock.is_old(minute));
        assert!(clock.is_due(minute));
        assert!(!clock.is_due(minute) && !clock.is_old(minute));
        clock.set(told(-5));
        assert_eq!(clock.get(), Clock::told(-5));
        assert!(!clock.is_due(later(59)));
        assert!(clock.is_due(later(121)));
    }

    #[test]
    fn a_contradiction_beyond_the_round_trip_is_looked_into_once_a_second() {
        let clock = NodeClock::new();
        clock.learn(Some(told(2 * HOUR_US - uptime_us())));
        let now_ms = clock.get().now_ms();
        assert!(
            !clock.is_contradicted(now_ms + 1_000_000, later(2)),
            "fresh for us too"
        );
        assert!(
            !clock.is_contradicted(now_ms - 1000, Moment::now()),
            "just asked"
        );
        let next = later(2);
        assert!(clock.is_contradicted(now_ms - 1000, next));
        assert!(!clock.is_contradicted(now_ms - 1000, next), "by one");
        let slow = Told {
            round_trip_us: u64::from(u32::MAX),
            ..told(0)
        };
        clock.set(slow);
        assert!(
            !clock.is_contradicted(clock.get().now_ms(), later(4)),
            "it may be that wrong"
        );
    }
}
