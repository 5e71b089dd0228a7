//! The time one call may take. A [`Budget`] is made once, when the call begins, and handed to everything that may
//! wait for it: the pool, the connect, every read and write, every retry. It is two points in time, so passing it
//! on never stretches it.

use std::time::Duration;

use crate::base::moment::millis_rounded_up;
use crate::error::{Error, ErrorKind, Result};

use super::clocks::uptime_us;
use super::moment::Moment;

/// A span of time that began when the call did.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Budget {
    started: Moment,
    ends: Moment,
}

impl Budget {
    /// Begins now and lasts `total`.
    #[inline]
    pub(crate) fn new(total: Duration) -> Self {
        let started = Moment::now().unmarked();
        Budget {
            started,
            ends: started.after(total),
        }
    }

    /// The same for a call that is about to send its only command: the time for the first reply is taken to be all of it,
    /// as long as nobody says [`Budget::later`]. One look at the clock less.
    #[inline]
    pub(crate) fn at_once(total: Duration) -> Self {
        let budget = Budget::new(total);
        Budget {
            started: budget.started.marked(),
            ends: budget.ends,
        }
    }

    /// Whether nearly all of the time is left, for nothing has been waited for yet.
    #[inline]
    pub(crate) fn is_whole(&self) -> bool {
        self.started.is_marked()
    }

    /// What [`uptime_us`] says now: nearly when the call began, if nothing has been waited for yet.
    #[inline]
    pub(crate) fn now_us(&self) -> i64 {
        match self.is_whole() {
            true => self.started.micros(),
            false => uptime_us(),
        }
    }

    /// The same time after something was waited for.
    pub(crate) fn later(self) -> Budget {
        Budget {
            started: self.started.unmarked(),
            ends: self.ends,
        }
    }

    /// When the call began.
    #[inline]
    pub(crate) fn started(&self) -> Moment {
        self.started
    }

    /// All the time there was at the beginning, in whole milliseconds, for messages.
    pub(crate) fn total(&self) -> Duration {
        Duration::from_millis(millis_rounded_up(self.ends.since(self.started)))
    }

    /// What is left now; never zero.
    #[inline]
    pub(crate) fn left(&self) -> Option<Duration> {
        let left = self.ends.since(Moment::now());
        (!left.is_zero()).then_some(left)
    }

    /// What is left now in nanoseconds; 0 when nothing is.
    #[inline]
    pub(crate) fn left_nanos(&self) -> u64 {
        self.ends.nanos_since(Moment::now())
    }

    /// All the time there was at the beginning.
    #[inline]
    pub(crate) fn all_nanos(&self) -> u64 {
        self.ends.nanos_since(self.started)
    }

    /// What is left now; Timeout when nothing is.
    pub(crate) fn remaining(&self) -> Result<Duration> {
        self.left().ok_or_else(|| {
            Error::new(
                ErrorKind::Timeout,
                format!("the time budget of {:?} is spent", self.total()),
            )
        })
    }

    /// When it is over.
    #[inline]
    pub(crate) fn ends(&self) -> Moment {
        self.ends
    }

    /// Whichever of the two is over first.
    pub(crate) fn or_sooner(self, other: Budget) -> Budget {
        std::cmp::min_by_key(self, other, Budget::ends)
    }

    /// Begins now and lasts `at_most`, but not beyond this budget: for a step with a limit of its own.
    pub(crate) fn capped(&self, at_most: Duration) -> Budget {
        let started = Moment::now().unmarked();
        Budget {
            started,
            ends: started.after(at_most).min(self.ends),
        }
    }
}

/// Long enough on the busiest machine, for tests that do not care.
#[cfg(test)]
pub(crate) fn soon() -> Budget {
    Budget::new(Duration::from_secs(20))
}

/// 300 ms, for tests in which time runs out.
#[cfg(test)]
pub(crate) fn quickly() -> Budget {
    Budget::new(Duration::from_millis(300))
}

/// A minute, for tests in which it never does.
#[cfg(test)]
pub(crate) fn minute() -> Budget {
    Budget::new(Duration::from_secs(60))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_runs_out_and_says_how_much_there_was() {
        let budget = Budget::new(Duration::from_millis(5));
        assert!(budget.remaining().unwrap() <= Duration::from_millis(5));
        std::thread::sleep(Duration::from_millis(6));
        let error = budget.remaining().unwrap_err();
        assert!(error.is_timeout());
        assert_eq!(error.to_string(), "the time budget of 5ms is spent");
        assert!(Budget::new(Duration::ZERO).left().is_none());
    }

    #[test]
    fn a_cap_shortens_and_never_stretches() {
        let budget = Budget::new(Duration::from_secs(1));
        assert!(
            budget
                .capped(Duration::from_millis(10))
                .remaining()
                .unwrap()
                <= Duration::from_millis(10)
        );
        assert!(
            budget.capped(Duration::from_secs(60)).remaining().unwrap() <= Duration::from_secs(1)
        );
    }

    #[test]
    fn a_budget_is_whole_until_something_was_waited_for() {
        let whole = Budget::at_once(Duration::from_millis(5));
        std::thread::sleep(Duration::from_millis(6));
        assert!(whole.is_whole() && whole.left().is_none());
        let all = whole.all_nanos();
        assert!((4_999_000..=5_000_000).contains(&all), "{all}");
        let later = whole.later();
        assert!(!later.is_whole() && later.ends() == whole.ends());
        for other in [whole.capped(Duration::from_secs(1)), soon()] {
            assert!(!other.is_whole());
        }
    }

    #[test]
    fn of_two_the_one_that_ends_first_counts() {
        let long = Budget::new(Duration::from_secs(60));
        let short = long.capped(Duration::from_secs(1));
        for sooner in [long.or_sooner(short), short.or_sooner(long)] {
            assert_eq!(sooner.ends(), short.ends());
        }
    }

    #[test]
    fn a_duration_beyond_the_clock_is_just_long() {
        assert!(Budget::new(Duration::MAX).remaining().unwrap() > Duration::from_secs(3600));
    }
}
