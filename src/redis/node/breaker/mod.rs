//! The breaker of one node: after several failures in a row the node is not asked for a while, then by one caller,
//! and only when that works by all. Its state is one atomic word, so that a refused call costs next to nothing and a
//! forked child inherits nothing that could be held: a probe is a claim that lapses by itself. A refusal says what the
//! last failure was.

mod state;

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::base::fork::PerProcess;
use crate::base::random::draw;
use crate::error::{Error, ErrorKind};
use crate::expiry::millis_rounded_up;

use state::{Leave, Seen, State};

/// Counts failures in a row and says whether a node may be asked.
#[derive(Debug)]
pub(crate) struct Breaker {
    /// Failures in a row that close the node off.
    limit: u32,
    backoff: Duration,
    backoff_max: Duration,
    born: Instant,
    state: State,
    /// The last failure that counted; only looked at once one did.
    cause: PerProcess<Mutex<Option<Error>>>,
}

/// The right to ask the node once. How that went is told to [`Breaker::failed`] or [`Breaker::succeeded`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Admission {
    probe: Option<Seen>,
}

impl Admission {
    /// Whether all others are refused meanwhile.
    pub(crate) fn is_probe(self) -> bool {
        self.probe.is_some()
    }
}

impl Breaker {
    pub(crate) fn new(limit: u32, backoff: Duration, backoff_max: Duration) -> Self {
        Breaker {
            limit,
            backoff,
            backoff_max: backoff_max.max(backoff),
            born: Instant::now(),
            state: State::new(),
            cause: PerProcess::new(Mutex::new(None)),
        }
    }

    /// Whether the node may be asked now. When the back-off is over the first caller may, and has `claim` to tell
    /// how it went before another one may.
    #[inline]
    pub(crate) fn admit(&self, claim: impl FnOnce() -> Duration) -> Result<Admission, Error> {
        if self.state.is_closed() {
            return Ok(Admission { probe: None });
        }
        self.probe(claim)
    }

    /// Whether nobody may ask the node now.
    #[inline]
    pub(crate) fn is_open(&self) -> bool {
        !self.state.is_closed() && self.state.refusal(self.now()).is_some()
    }

    #[cold]
    fn probe(&self, claim: impl FnOnce() -> Duration) -> Result<Admission, Error> {
        let now = self.now();
        match self.state.ask(now, || now.saturating_add(millis(claim()))) {
            Leave::Yes => Ok(Admission { probe: None }),
            Leave::Probe(claim) => Ok(Admission { probe: Some(claim) }),
            Leave::No { wait, failures } => Err(self.refusal(wait, failures)),
        }
    }

    /// Whether a call that was let pass, and has waited since, may still ask.
    pub(crate) fn still_admits(&self, admission: Admission) -> Result<(), Error> {
        match self.state.refusal(self.now()) {
            Some((wait, failures)) if !admission.is_probe() => Err(self.refusal(wait, failures)),
            _ => Ok(()),
        }
    }

    /// What the owner of the cache has to mend, as a refused login, is told as it was heard: `on_error` does not cover that
    /// either. Everything else means that the node cannot be asked.
    fn refusal(&self, wait: u64, failures: u64) -> Error {
        let again = format!("it failed {failures} times in a row and is tried again in {wait} ms");
        match self.cause().clone() {
            Some(cause) if !cause.is_unavailable() => {
                let text = format!("{} (not asked again: {again})", cause.text());
                cause.with_text(text)
            }
            Some(cause) => {
                let text = format!("not asked: {again}; the last time: {}", told(&cause));
                Error::new(ErrorKind::Unavailable, text)
            }
            None => Error::new(ErrorKind::Unavailable, format!("not asked: {again}")),
        }
    }

    /// Whether the node did not serve when it was last asked.
    pub(crate) fn is_failing(&self) -> bool {
        self.state.seen().failures() != 0
    }

    /// The node serves.
    #[inline]
    pub(crate) fn succeeded(&self) {
        self.state.succeeded();
    }

    /// The node does not serve now, and that is why.
    #[cold]
    pub(crate) fn failed(&self, admission: Admission, cause: &Error) {
        let retry_at = |beyond| {
            let doublings = u32::try_from(beyond).unwrap_or(u32::MAX);
            let wait = self.wait_after(doublings);
            self.now().saturating_add(millis_rounded_up(wait))
        };
        // Held meanwhile: whoever is refused for it finds the reason.
        let mut known = self.cause();
        if self
            .state
            .failed(admission.probe, u64::from(self.limit), retry_at)
        {
            *known = Some(cause.clone());
        }
    }

    fn cause(&self) -> MutexGuard<'_, Option<Error>> {
        let renew = |inherited: &Mutex<Option<Error>>| {
            let known = inherited.try_lock().map(|known| known.clone());
            Mutex::new(known.unwrap_or_default())
        };
        let cause = self.cause.get(renew);
        cause.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The back-off, doubled `doublings` times and bounded; between half of it and all of it, so that many
    /// processes do not come back at once.
    fn wait_after(&self, doublings: u32) -> Duration {
        let factor = 1_u32.checked_shl(doublings).unwrap_or(u32::MAX);
        let full = self.backoff.saturating_mul(factor).min(self.backoff_max);
        full.mul_f64(0.5 + draw(|rng| rng.f64()) / 2.0)
    }

    fn now(&self) -> u64 {
        millis(self.born.elapsed())
    }
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

/// An error within another one, which names the node itself.
fn told(cause: &Error) -> String {
    match cause.command() {
        Some(command) => format!("{command}: {}", cause.text()),
        None => cause.text().to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CLAIM: Duration = Duration::from_millis(40);

    fn reset() -> Error {
        Error::new(ErrorKind::Io, "the connection was reset")
    }

    fn fail(breaker: &Breaker, times: u32) {
        for _ in 0..times {
            breaker.failed(breaker.admit(|| CLAIM).unwrap(), &reset());
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
        assert!(breaker.admit(|| CLAIM).unwrap().is_probe());
        assert!(breaker.admit(|| CLAIM).is_err());
        breaker.succeeded();
        assert!(!breaker.admit(|| CLAIM).unwrap().is_probe());
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
        assert!(
            breaker
                .admit(|| Duration::from_millis(5))
                .unwrap()
                .is_probe()
        );
        assert!(breaker.admit(|| CLAIM).is_err());
        std::thread::sleep(Duration::from_millis(6));
        assert!(breaker.admit(|| CLAIM).unwrap().is_probe());
    }

    #[test]
    fn calls_under_way_when_it_was_closed_off_do_not_prolong_that() {
        let breaker = closed_off(10);
        for _ in 0..50 {
            breaker.failed(Admission { probe: None }, &reset());
        }
        assert_eq!(breaker.state.seen().failures(), 5);
    }

    /// With its state in two words, a success between two steps of a failure left it refusing for ever, "failed 0 times in a
    /// row".
    #[test]
    fn no_race_of_failures_and_successes_closes_the_node_off_for_ever() {
        let breaker = Breaker::new(1, Duration::from_millis(1), Duration::from_millis(1));
        std::thread::scope(|scope| {
            for thread in 0..12 {
                let breaker = &breaker;
                scope.spawn(move || {
                    for call in 0..20_000 {
                        match breaker.admit(|| CLAIM) {
                            Ok(admission) if (thread + call) % 12 == 0 => {
                                breaker.failed(admission, &reset());
                            }
                            Ok(_) => breaker.succeeded(),
                            Err(refusal) => {
                                assert!(!refusal.to_string().contains("failed 0"), "{refusal}")
                            }
                        }
                    }
                });
            }
        });
        breaker.succeeded();
        assert!(!breaker.admit(|| CLAIM).unwrap().is_probe());
        assert!(!breaker.is_failing());
    }

    #[test]
    fn a_refusal_says_why_and_a_login_is_refused_in_the_same_words() {
        let refuse = |cause: &Error| {
            let breaker = Breaker::new(1, Duration::from_secs(60), Duration::from_secs(60));
            breaker.failed(breaker.admit(|| CLAIM).unwrap(), cause);
            breaker.admit(|| CLAIM).unwrap_err()
        };
        let loading = Error::from_server(b"LOADING the dataset").during("GET");
        let refusal = refuse(&loading);
        assert_eq!(refusal.kind(), ErrorKind::Unavailable);
        assert_eq!(refusal.code(), None, "topologies wait for what has a code");
        assert!(
            refusal
                .to_string()
                .ends_with("the last time: GET: LOADING the dataset")
        );
        for (said, kind) in [
            ("WRONGPASS invalid password", ErrorKind::Auth),
            ("ERR the server has no database 99", ErrorKind::Server),
        ] {
            let refusal = refuse(&Error::from_server(said.as_bytes()).during("AUTH"));
            assert_eq!(refusal.kind(), kind);
            assert_eq!(refusal.code(), said.split(' ').next());
            assert!(
                refusal
                    .to_string()
                    .starts_with(&format!("AUTH: {said} (not asked again"))
            );
        }
    }

    #[test]
    fn a_child_knows_what_its_parent_knew() {
        let breaker = Breaker::new(1, Duration::from_secs(60), Duration::from_secs(60));
        fail(&breaker, 1);
        let is_told = |error: Error| error.to_string().contains("the connection was reset");
        assert!(crate::base::fork::testing::in_child(|| {
            assert!(is_told(breaker.admit(|| CLAIM).unwrap_err()));
        }));
        let _held = breaker.cause();
        assert!(crate::base::fork::testing::in_child(|| {
            let refusal = breaker.admit(|| CLAIM).unwrap_err();
            assert_eq!(refusal.kind(), ErrorKind::Unavailable);
        }));
    }
}
