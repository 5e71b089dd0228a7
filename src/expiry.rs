//! How long an entry lives. Callers say [`Expiry`]; inside the library it becomes a [`Life`] in milliseconds, the
//! unit of `PX`. Fractions round up, so that a lifetime is never cut to nothing.

use std::sync::OnceLock;
use std::time::Duration;

use crate::base::clocks::{uptime_us, wall_us};
pub(crate) use crate::base::moment::millis_rounded_up;
use crate::base::random::draw;

/// Milliseconds above which a time is "for ever": Redis refuses a `PX` that overflows its clock.
pub(crate) const FOREVER_MS: u64 = 1_000_000_000_000_000;

/// When an entry expires, counted from the moment it is written.
///
/// A [`Duration`] converts to `After`, `Option<Duration>` to `After` or `Never`.
/// `Duration::ZERO` means already expired: `set` then removes the key.
///
/// ```
/// use redis_cache::{Cache, Expiry};
/// use std::time::Duration;
///
/// # fn main() -> redis_cache::Result<()> {
/// let cache = Cache::open("memory://?ttl=5m")?;
/// cache.set("a", "as configured", Expiry::Default)?;
/// cache.set("b", "a minute", Duration::from_secs(60))?;
/// cache.set("c", "for ever", Expiry::Never)?;
/// cache.set("c", "gone", Duration::ZERO)?;
/// assert!(!cache.has_key("c")?);
/// # Ok(())
/// # }
/// ```
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

/// A server's clock: the machine's own, which counts sleep and which nobody can set, and how far the server's Unix time is
/// ahead of that. Soft expiries are server time.
///
/// One word: the difference in microseconds, and in the last bit whether it is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Clock(i64);

impl Clock {
    /// The clock of a server that was so many microseconds of Unix time ahead of [`uptime_us`] when it told.
    pub(crate) fn told(ahead_us: i64) -> Clock {
        Clock(ahead_us.saturating_mul(2) | 1)
    }

    /// That of a server which does not tell: what this machine's wall clock says now, and goes on from there.
    pub(crate) fn guessed() -> Clock {
        Clock((wall_us() - uptime_us()).saturating_mul(2))
    }

    /// This process's own: the wall clock as it stood when that was first asked for. What is stored in this process is
    /// judged by nothing else, so whether it was right then does not matter.
    pub(crate) fn own() -> Clock {
        static FIRST: OnceLock<Clock> = OnceLock::new();
        let guess = FIRST.get_or_init(Clock::guessed);
        Clock(guess.0 | 1)
    }

    /// Whether this is the time that entries are judged by where they are stored. Where it is not, nothing can be said
    /// about a lease, and nothing that depends on one may be stored.
    pub(crate) fn is_known(self) -> bool {
        self.0 & 1 == 1
    }

    /// The server's time now, in Unix milliseconds.
    #[inline]
    pub(crate) fn now_ms(self) -> u64 {
        self.now_us() / 1000
    }

    /// The same in microseconds.
    #[inline]
    pub(crate) fn now_us(self) -> u64 {
        self.us_at(uptime_us())
    }

    /// The server's time when [`uptime_us`] said this, in Unix milliseconds.
    #[inline]
    pub(crate) fn ms_at(self, uptime_us: i64) -> u64 {
        self.us_at(uptime_us) / 1000
    }

    #[inline]
    fn us_at(self, uptime_us: i64) -> u64 {
        u64::try_from(uptime_us.saturating_add(self.0 >> 1)).unwrap_or(0)
    }

    /// As one word, for an atomic.
    #[inline]
    pub(crate) fn to_bits(self) -> i64 {
        self.0
    }

    #[inline]
    pub(crate) fn from_bits(bits: i64) -> Clock {
        Clock(bits)
    }
}

/// What a clock says, looked at once for values that come together.
#[derive(Debug, Default)]
pub(crate) struct Glance(Option<(Clock, u64)>);

impl Glance {
    /// The server's time when this clock was looked at first.
    #[inline]
    pub(crate) fn now_ms(&mut self, clock: Clock) -> u64 {
        match self.0 {
            Some((seen, now_ms)) if seen == clock => now_ms,
            _ => self.0.insert((clock, clock.now_ms())).1,
        }
    }
}

/// A guess: of a server that was not asked yet.
impl Default for Clock {
    fn default() -> Clock {
        Clock(Clock::own().0 & !1)
    }
}

/// Unix time by the wall clock, in milliseconds.
#[cfg(test)]
pub(crate) fn local_unix_ms() -> u64 {
    u64::try_from(wall_us()).unwrap() / 1000
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::clocks::step_wall;

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

    #[test]
    fn a_clock_is_a_difference_and_whether_it_is_known() {
        let hour = 3_600_000_000;
        for ahead in [-hour, 0, hour, 1_800_000_000_000_000] {
            let clock = Clock::told(ahead);
            assert!(clock.is_known() && Clock::from_bits(clock.to_bits()) == clock);
            let expected = u64::try_from(uptime_us() + ahead).unwrap_or(0);
            assert!(clock.now_us() - expected < 60_000_000, "{ahead}");
            assert_eq!(clock.now_ms(), clock.now_us() / 1000, "{ahead}");
        }
        assert!(Clock::own().is_known() && !Clock::default().is_known());
        assert!(Clock::told(i64::MAX).now_ms() > 1 << 52, "no overflow");
    }

    #[test]
    fn a_glance_stays_what_it_was_until_another_clock_is_looked_at() {
        let (mut glance, ours) = (Glance::default(), Clock::own());
        let first = glance.now_ms(ours);
        std::thread::sleep(Duration::from_millis(5));
        assert!(ours.now_ms() > first);
        assert_eq!(glance.now_ms(ours), first);
        let other = Clock::told(3_600_000_000_000);
        assert!(glance.now_ms(other) > 3_600_000_000);
        assert!(glance.now_ms(ours) > first);
    }

    /// With `offset to SystemTime::now()` every one of these times moved along with the wall clock.
    #[test]
    fn no_step_of_the_wall_clock_changes_the_time_of_a_server() {
        let clocks = [Clock::own(), Clock::default(), Clock::guessed()];
        let clocks = clocks
            .into_iter()
            .chain([Clock::told(1_800_000_000_000_000)]);
        for clock in clocks {
            for minutes in [10, -20] {
                let before = clock.now_ms();
                step_wall(minutes, 60_000_000);
                assert!((before..before + 60_000).contains(&clock.now_ms()));
            }
            step_wall(10, 60_000_000);
        }
    }
}
