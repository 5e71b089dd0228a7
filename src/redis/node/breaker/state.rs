//! The state of a breaker: one word that is only ever changed by compare-and-swap, so that how many failures there were
//! and when the node is asked again can never disagree. It is generic over its atomic: `loom` goes through the orders in
//! which threads may change it.

use std::sync::atomic::{AtomicU64, Ordering};

/// Bits of the number of failures; the time stands above them.
const COUNT: u32 = 24;
const MOST: u64 = (1 << COUNT) - 1;
const LATEST: u64 = u64::MAX >> COUNT;

/// An atomic word.
pub(super) trait Word {
    fn of(value: u64) -> Self;
    fn get(&self) -> u64;
    /// Puts `next` in the place of `known`; what stands there instead is the error.
    fn swap(&self, known: u64, next: u64) -> Result<u64, u64>;
    fn put(&self, value: u64);
}

impl Word for AtomicU64 {
    fn of(value: u64) -> Self {
        AtomicU64::new(value)
    }

    #[inline]
    fn get(&self) -> u64 {
        self.load(Ordering::Acquire)
    }

    fn swap(&self, known: u64, next: u64) -> Result<u64, u64> {
        self.compare_exchange(known, next, Ordering::AcqRel, Ordering::Acquire)
    }

    fn put(&self, value: u64) {
        self.store(value, Ordering::Release);
    }
}

/// Failures in a row, and when the node may be asked again in milliseconds, 0 while anybody may ask.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Seen(u64);

impl Seen {
    fn new(failures: u64, retry_at: u64) -> Self {
        Seen(retry_at.min(LATEST) << COUNT | failures.min(MOST))
    }

    pub(super) fn failures(self) -> u64 {
        self.0 & MOST
    }

    fn retry_at(self) -> u64 {
        self.0 >> COUNT
    }

    fn is_closed(self) -> bool {
        self.0 <= MOST
    }

    fn refusal(self, now: u64) -> Option<(u64, u64)> {
        let wait = self.retry_at().checked_sub(now).filter(|wait| *wait > 0);
        wait.map(|wait| (wait, self.failures()))
    }
}

/// Whether the node may be asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Leave {
    Yes,
    /// As the only one, and that is how the state looks until somebody reports.
    Probe(Seen),
    /// Not for so many milliseconds, after so many failures.
    No {
        wait: u64,
        failures: u64,
    },
}

/// Times are milliseconds since some moment of the past.
#[derive(Debug)]
pub(super) struct State<W = AtomicU64>(W);

impl<W: Word> State<W> {
    pub(super) fn new() -> Self {
        State(W::of(0))
    }

    #[inline]
    pub(super) fn seen(&self) -> Seen {
        Seen(self.0.get())
    }

    #[inline]
    pub(super) fn is_closed(&self) -> bool {
        self.seen().is_closed()
    }

    /// When nobody may ask at `now`: for how many milliseconds, and after how many failures.
    pub(super) fn refusal(&self, now: u64) -> Option<(u64, u64)> {
        self.seen().refusal(now)
    }

    /// Whether the caller may ask at `now`. If it is the one who finds out, it has until `claimed` to say what it found;
    /// then another one may.
    pub(super) fn ask(&self, now: u64, claimed: impl FnOnce() -> u64) -> Leave {
        let seen = self.seen();
        if seen.is_closed() {
            return Leave::Yes;
        }
        if let Some((wait, failures)) = seen.refusal(now) {
            return Leave::No { wait, failures };
        }
        let claim = Seen::new(seen.failures(), claimed().max(now + 1));
        match self.0.swap(seen.0, claim.0).map_err(Seen) {
            Ok(_) => Leave::Probe(claim),
            Err(other) if other.is_closed() => Leave::Yes,
            Err(other) => Leave::No {
                wait: other.retry_at().saturating_sub(now),
                failures: other.failures(),
            },
        }
    }

    /// The node serves.
    #[inline]
    pub(super) fn succeeded(&self) {
        if self.0.get() != 0 {
            self.0.put(0);
        }
    }

    /// The node does not serve; true when that counts. What was under way when the node was closed off does not prolong
    /// that: only the probe does that closed it off last. After `limit` failures it is closed off until what `retry_at` says
    /// for so many failures beyond.
    pub(super) fn failed(
        &self,
        probe: Option<Seen>,
        limit: u64,
        retry_at: impl Fn(u64) -> u64,
    ) -> bool {
        let mut seen = self.seen();
        loop {
            let counts = probe.map_or(seen.is_closed(), |probe| probe == seen);
            if !counts {
                return false;
            }
            let failures = (seen.failures() + 1).min(MOST);
            let until = match failures.checked_sub(limit.min(MOST)) {
                Some(beyond) => retry_at(beyond).max(1),
                None => 0,
            };
            match self.0.swap(seen.0, Seen::new(failures, until).0) {
                Ok(_) => return true,
                Err(other) => seen = Seen(other),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use loom::sync::Arc;
    use loom::thread;

    use super::*;

    impl Word for loom::sync::atomic::AtomicU64 {
        fn of(value: u64) -> Self {
            Self::new(value)
        }

        fn get(&self) -> u64 {
            self.load(Ordering::Acquire)
        }

        fn swap(&self, known: u64, next: u64) -> Result<u64, u64> {
            self.compare_exchange(known, next, Ordering::AcqRel, Ordering::Acquire)
        }

        fn put(&self, value: u64) {
            self.store(value, Ordering::Release);
        }
    }

    type Loom = State<loom::sync::atomic::AtomicU64>;

    const BACKOFF: u64 = 100;

    /// A state that was closed off by one failure at 0.
    fn closed_off() -> Arc<Loom> {
        let state = Arc::new(Loom::new());
        assert!(state.failed(None, 1, |_| BACKOFF));
        state
    }

    /// With two words, a success between the two steps of a failure left "failed 0 times, not asked", which no success
    /// ended.
    #[test]
    fn a_success_after_any_race_lets_everybody_ask() {
        loom::model(|| {
            let state = Arc::new(Loom::new());
            let other = Arc::clone(&state);
            let fails = thread::spawn(move || other.failed(None, 1, |_| BACKOFF));
            state.succeeded();
            fails.join().unwrap();
            let seen = state.seen();
            assert_eq!(seen.is_closed(), seen.failures() == 0, "{seen:?}");
            state.succeeded();
            assert_eq!(state.ask(0, || 1), Leave::Yes);
        });
    }

    #[test]
    fn one_finds_out_and_its_failure_counts_once() {
        loom::model(|| {
            let state = closed_off();
            let threads: Vec<_> = (0..2)
                .map(|_| {
                    let state = Arc::clone(&state);
                    thread::spawn(move || match state.ask(BACKOFF, || BACKOFF + 50) {
                        Leave::Probe(claim) => state.failed(Some(claim), 1, |_| 3 * BACKOFF),
                        Leave::No { wait, .. } => {
                            assert!(wait == 50 || wait == 2 * BACKOFF, "{wait}");
                            false
                        }
                        Leave::Yes => panic!("it is closed off"),
                    })
                })
                .collect();
            let probes = threads
                .into_iter()
                .map(|thread| usize::from(thread.join().unwrap()));
            assert_eq!(probes.sum::<usize>(), 1);
            assert_eq!(state.seen(), Seen::new(2, 3 * BACKOFF));
        });
    }

    /// One found out and was slow: another one took its place. Whatever the order, the state is one of the two reports.
    #[test]
    fn a_late_report_of_failure_does_not_undo_the_success_of_the_next_one() {
        loom::model(|| {
            let state = closed_off();
            let Leave::Probe(late) = state.ask(BACKOFF, || BACKOFF + 1) else {
                panic!("its turn");
            };
            let Leave::Probe(_) = state.ask(BACKOFF + 1, || BACKOFF + 9) else {
                panic!("the first one had its time");
            };
            let other = Arc::clone(&state);
            let next = thread::spawn(move || other.succeeded());
            assert!(!state.failed(Some(late), 1, |_| 9 * BACKOFF));
            next.join().unwrap();
            assert_eq!(state.seen(), Seen::new(0, 0));
        });
    }

    #[test]
    fn failures_that_meet_all_count() {
        loom::model(|| {
            let state = Arc::new(Loom::new());
            let other = Arc::clone(&state);
            let thread = thread::spawn(move || other.failed(None, 3, |_| BACKOFF));
            assert!(state.failed(None, 3, |_| BACKOFF));
            assert!(thread.join().unwrap());
            assert_eq!(state.seen(), Seen::new(2, 0));
        });
    }

    #[test]
    fn a_limit_beyond_the_counter_and_a_time_beyond_the_clock_are_their_last() {
        let state: State = State::new();
        assert!(state.failed(None, u64::from(u32::MAX), |_| 5));
        assert!(state.is_closed());
        state.0.put(MOST);
        assert!(state.failed(None, u64::from(u32::MAX), |_| u64::MAX));
        assert_eq!(state.seen(), Seen::new(MOST, LATEST));
        assert!(state.refusal(1).is_some());
    }
}
