//! A point in time as one number of nanoseconds, on the clock that counts sleep and that nobody can set (see
//! [`clocks`](super::clocks)). `Instant` keeps seconds and nanoseconds apart, and comparing two of them costs as much as a
//! small call: too much for what every single GET asks several times.

use std::time::Duration;

use super::clocks::uptime_nanos;

/// Nanoseconds since the machine started, or nearly so.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Moment(u64);

impl Moment {
    /// Before all that happens.
    pub(crate) const BEFORE: Moment = Moment(0);

    #[inline]
    pub(crate) fn now() -> Moment {
        let nanos = uptime_nanos();
        #[cfg(test)]
        let nanos = nanos + STEP.get();
        Moment(nanos)
    }

    /// The same moment with a mark, which is the last of its bits: a nanosecond is nobody's.
    #[inline]
    pub(super) fn marked(self) -> Moment {
        Moment(self.0 | 1)
    }

    #[inline]
    pub(super) fn unmarked(self) -> Moment {
        Moment(self.0 & !1)
    }

    #[inline]
    pub(super) fn is_marked(self) -> bool {
        self.0 & 1 == 1
    }

    #[inline]
    pub(crate) fn nanos(self) -> u64 {
        self.0
    }

    /// The same as [`uptime_us`](super::clocks::uptime_us) says it.
    #[inline]
    pub(super) fn micros(self) -> i64 {
        (self.0 / 1000) as i64
    }

    /// So much later; a time that the clock cannot count to is its last.
    #[inline]
    pub(crate) fn after(self, time: Duration) -> Moment {
        let seconds = time.as_secs().saturating_mul(1_000_000_000);
        let nanos = seconds.saturating_add(u64::from(time.subsec_nanos()));
        Moment(self.0.saturating_add(nanos))
    }

    /// The time from `earlier` to this; nothing when it is not earlier.
    #[inline]
    pub(crate) fn since(self, earlier: Moment) -> Duration {
        Duration::from_nanos(self.nanos_since(earlier))
    }

    /// The same in nanoseconds.
    #[inline]
    pub(crate) fn nanos_since(self, earlier: Moment) -> u64 {
        self.0.saturating_sub(earlier.0)
    }
}

#[cfg(test)]
thread_local! { static STEP: std::cell::Cell<u64> = const { std::cell::Cell::new(0) } }

/// Sets the clock of this thread forward by an hour: its time is over.
#[cfg(test)]
pub(crate) fn end_time() {
    STEP.set(3_600_000_000_000);
}

/// Milliseconds of `time`; any fraction rounds up.
pub(crate) fn millis_rounded_up(time: Duration) -> u64 {
    let rest = u64::from(time.subsec_nanos().div_ceil(1_000_000));
    time.as_secs().saturating_mul(1000).saturating_add(rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_goes_on() {
        let begin = Moment::now();
        std::thread::sleep(Duration::from_millis(2));
        assert!(Moment::now().since(begin) >= Duration::from_millis(2));
        assert!(begin.after(Duration::from_millis(1)) < Moment::now());
    }

    #[test]
    fn what_lies_beyond_the_clock_is_its_end() {
        let now = Moment::now();
        assert_eq!(now.after(Duration::MAX), Moment(u64::MAX));
        assert_eq!(now.since(now.after(Duration::from_secs(1))), Duration::ZERO);
    }
}
