//! The breaker of one node: after several failures in a row the node is not asked for a while, then by one caller,
//! and only when that works by all. A few atomics, so that a refused call costs next to nothing and a forked child
//! inherits nothing that could be held: a probe is a claim that lapses by itself.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use crate::base::random::draw;
use crate::error::{Error, ErrorKind};

/// Counts failures in a row and says whether a node may be asked.
#[derive(Debug)]
pub(crate) struct Breaker {
    /// Failures in a row that close the node off; 0 never does.
    limit: u32,
    backoff: Duration,
    backoff_max: Duration,
    born: Instant,
    failures: AtomicU32,
    /// When the node may be asked again, in microseconds since `born`; 0 while it may be asked by anyone.
    retry_at: AtomicU64,
}

/// The right to ask the node once. How that went is told to [`Breaker::failed`] or [`Breaker::succeeded`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Admission {
    is_probe: bool,
}

impl Breaker {
    pub(crate) fn new(limit: u32, backoff: Duration, backoff_max: Duration) -> Self {
        Breaker {
            limit,
            backoff,
            backoff_max: backoff_max.max(backoff),
            born: Instant::now(),
            failures: AtomicU32::new(0),
            retry_at: AtomicU64::new(0),
        }
    }

    /// Whether the node may be asked now. When the back-off is over the first caller may, and has `claim` to tell
    /// how it went before another one may.
    pub(crate) fn admit(&self, claim: impl FnOnce() -> Duration) -> Result<Admission, Error> {
        match self.retry_at.load(Ordering::Acquire) {
            0 => Ok(Admission { is_probe: false }),
            retry_at => self.probe(retry_at, claim),
        }
    }

    /// Whether nobody may ask the node now.
    pub(crate) fn is_open(&self) -> bool {
        match self.retry_at.load(Ordering::Acquire) {
            0 => false,
            retry_at => self.now() < retry_at,
        }
    }

    #[cold]
    fn probe(&self, retry_at: u64, claim: impl FnOnce() -> Duration) -> Result<Admission, Error> {
        let now = self.now();
        if now < retry_at {
            return Err(self.refusal(retry_at - now));
        }
        let claimed = now.saturating_add(micros(claim())).max(1);
        match self
            .retry_at
            .compare_exchange(retry_at, claimed, Ordering::AcqRel, Ordering::Acquire)
        {
            Ok(_) => Ok(Admission { is_probe: true }),
            Err(0) => Ok(Admission { is_probe: false }),
            Err(other) => Err(self.refusal(other.saturating_sub(now))),
        }
    }

    fn refusal(&self, wait: u64) -> Error {
        let failures = self.failures.load(Ordering::Relaxed);
        let wait = wait.div_ceil(1000);
        let text = format!(
            "not asked: it failed {failures} times in a row and is tried again in {wait} ms"
        );
        Error::new(ErrorKind::Unavailable, text)
    }

    /// Whether the node did not answer when it was last asked.
    pub(crate) fn is_failing(&self) -> bool {
        self.failures.load(Ordering::Relaxed) != 0
    }

    /// The node answered.
    pub(crate) fn succeeded(&self) {
        if self.failures.load(Ordering::Relaxed) != 0 {
            self.failures.store(0, Ordering::Relaxed);
            self.retry_at.store(0, Ordering::Release);
        }
    }

    /// The node did not answer. What was under way when it was closed off does not prolong that: only a failed
    /// probe does.
    pub(crate) fn failed(&self, admission: Admission) {
        let is_open = self.retry_at.load(Ordering::Acquire) != 0;
        if self.limit == 0 || is_open && !admission.is_probe {
            return;
        }
        let failures = self
            .failures
            .fetch_add(1, Ordering::AcqRel)
            .saturating_add(1);
        if failures >= self.limit {
            let wait = self.wait_after(failures - self.limit);
            let retry_at = self.now().saturating_add(micros(wait)).max(1);
            self.retry_at.store(retry_at, Ordering::Release);
        }
    }

    /// The back-off, doubled `doublings` times and bounded; between half of it and all of it, so that many
    /// processes do not come back at once.
    fn wait_after(&self, doublings: u32) -> Duration {
        let factor = 1_u32.checked_shl(doublings).unwrap_or(u32::MAX);
        let full = self.backoff.saturating_mul(factor).min(self.backoff_max);
        full.mul_f64(0.5 + draw(|rng| rng.f64()) / 2.0)
    }

    fn now(&self) -> u64 {
        micros(self.born.elapsed())
    }
}

fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const CLAIM: Duration = Duration::from_millis(40);

    fn fail(breaker: &Breaker, times: u32) {
        for _ in 0..times {
            breaker.failed(breaker.admit(|| CLAIM).unwrap());
        }
    }

    fn closed_off(backoff_ms: u64) -> Breaker {
        let backoff = Duration::from_millis(backoff_ms);
        let breaker = Breaker::new(5, backoff, backoff * 4);
        fail(&breaker, 5);
        breaker
    }

    #[test]
    fn five_failures_in_a_row_close_the_node_off() {
        let breaker = Breaker::new(5, Duration::from_secs(1), Duration::from_secs(5));
        fail(&breaker, 4);
        breaker.succeeded();
        fail(&breaker, 4);
        assert!(breaker.admit(|| CLAIM).is_ok());
        fail(&breaker, 1);
        let error = breaker.admit(|| CLAIM).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unavailable);
        assert!(
            error.to_string().contains("failed 5 times in a row"),
            "{error}"
        );
    }

    #[test]
    fn a_refusal_costs_microseconds() {
        let breaker = closed_off(60_000);
        let begin = Instant::now();
        for _ in 0..1000 {
            assert!(breaker.admit(|| CLAIM).is_err());
        }
        assert!(
            begin.elapsed() < Duration::from_millis(20),
            "{:?} for 1000",
            begin.elapsed()
        );
    }

    #[test]
    fn after_the_back_off_one_caller_probes_and_success_opens_it_for_all() {
        let breaker = closed_off(10);
        std::thread::sleep(Duration::from_millis(11));
        assert!(breaker.admit(|| CLAIM).unwrap().is_probe);
        assert!(breaker.admit(|| CLAIM).is_err());
        breaker.succeeded();
        assert!(!breaker.admit(|| CLAIM).unwrap().is_probe);
    }

    #[test]
    fn a_failed_probe_doubles_the_back_off_up_to_its_bound() {
        let breaker = Breaker::new(5, Duration::from_millis(100), Duration::from_secs(5));
        for (doublings, full) in [(0, 100), (1, 200), (3, 800), (6, 5000), (40, 5000)] {
            let wait = breaker.wait_after(doublings);
            let full = Duration::from_millis(full);
            assert!(full / 2 <= wait && wait <= full, "{doublings}: {wait:?}");
        }
    }

    #[test]
    fn a_probe_that_never_reports_back_gives_way_to_another() {
        let breaker = closed_off(1);
        std::thread::sleep(Duration::from_millis(2));
        assert!(breaker.admit(|| Duration::from_millis(5)).unwrap().is_probe);
        assert!(breaker.admit(|| CLAIM).is_err());
        std::thread::sleep(Duration::from_millis(6));
        assert!(breaker.admit(|| CLAIM).unwrap().is_probe);
    }

    #[test]
    fn calls_under_way_when_it_was_closed_off_do_not_prolong_that() {
        let breaker = closed_off(10);
        for _ in 0..50 {
            breaker.failed(Admission { is_probe: false });
        }
        assert_eq!(breaker.failures.load(Ordering::Relaxed), 5);
    }
}
