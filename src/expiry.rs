//! How long an entry lives. Callers say [`Expiry`]; inside the library it becomes a [`Life`] in milliseconds, the
//! unit of `PX`. Fractions round up, so that a lifetime is never cut to nothing.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::base::random::draw;

/// Milliseconds above which a time is "for ever": Redis refuses a `PX` that overflows its clock.
pub(crate) const FOREVER_MS: u64 = 1_000_000_000_000_000;

/// When an entry expires, counted from the moment it is written.
///
/// A [`Duration`] converts to `After`, `Option<Duration>` to `After` or `Never`.
/// `Duration::ZERO` means already expired: `set` then removes the key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Expiry {
    /// The `ttl` option of the cache: 300 s unless configured.
    #[default]
    Default,
    /// Kept until it is deleted or evicted.
    Never,
    /// This long; below one millisecond rounds up to one, above 10^15 ms is `Never`.
    After(Duration),
}

impl From<Duration> for Expiry {
    fn from(after: Duration) -> Self {
        Expiry::After(after)
    }
}

impl From<Option<Duration>> for Expiry {
    fn from(after: Option<Duration>) -> Self {
        after.map_or(Expiry::Never, Expiry::After)
    }
}

/// What is left of an entry's life, as [`Cache::ttl`](crate::Cache::ttl) tells it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ttl {
    /// The entry has no expiry.
    Forever,
    /// It expires after this time, in whole milliseconds.
    Remaining(Duration),
}

/// A resolved lifetime.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Life {
    Expired,
    Forever,
    Millis(u64),
}

impl Life {
    pub(crate) fn after(time: Duration) -> Self {
        match millis_rounded_up(time) {
            0 => Life::Expired,
            ms if ms > FOREVER_MS => Life::Forever,
            ms => Life::Millis(ms),
        }
    }

    /// Shortens the life by a random part of itself, at most `fraction`, so that entries written together do not
    /// expire together.
    pub(crate) fn jittered(self, fraction: f64) -> Self {
        match self {
            Life::Millis(ms) if fraction > 0.0 => {
                let cut = (ms as f64 * fraction * draw(|rng| rng.f64())) as u64;
                Life::Millis(ms.saturating_sub(cut).max(1))
            }
            other => other,
        }
    }
}

/// Milliseconds of `time`; any fraction rounds up.
pub(crate) fn millis_rounded_up(time: Duration) -> u64 {
    let rest = u64::from(time.subsec_nanos().div_ceil(1_000_000));
    time.as_secs().saturating_mul(1000).saturating_add(rest)
}

/// The clock of a node, as a difference to the local one. Soft expiries are server time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Clock {
    pub(crate) offset_ms: i64,
}

impl Clock {
    /// One that stands before every expiry.
    pub(crate) const DAWN: Clock = Clock {
        offset_ms: i64::MIN,
    };

    /// The node's time now, in Unix milliseconds.
    pub(crate) fn now_ms(self) -> u64 {
        local_unix_ms().saturating_add_signed(self.offset_ms)
    }
}

/// Local Unix time in milliseconds; 0 on a machine whose clock stands before 1970.
pub(crate) fn local_unix_ms() -> u64 {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lifetime_rounds_up_and_is_bounded() {
        assert_eq!(Life::after(Duration::ZERO), Life::Expired);
        assert_eq!(Life::after(Duration::from_nanos(1)), Life::Millis(1));
        assert_eq!(Life::after(Duration::from_micros(1001)), Life::Millis(2));
        assert_eq!(
            Life::after(Duration::from_millis(FOREVER_MS)),
            Life::Millis(FOREVER_MS)
        );
        assert_eq!(
            Life::after(Duration::from_millis(FOREVER_MS + 1)),
            Life::Forever
        );
        assert_eq!(Life::after(Duration::MAX), Life::Forever);
    }

    #[test]
    fn jitter_only_shortens_and_never_to_nothing() {
        for _ in 0..1000 {
            let Life::Millis(ms) = Life::Millis(1000).jittered(0.2) else {
                panic!("still finite")
            };
            assert!((800..=1000).contains(&ms), "{ms}");
            assert_eq!(Life::Millis(1).jittered(1.0), Life::Millis(1));
        }
        assert_eq!(Life::Forever.jittered(0.5), Life::Forever);
    }
}
