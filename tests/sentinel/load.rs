//! Threads that write and read back as fast as one can who pauses a millisecond between calls, and an account of how
//! that went.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use std::sync::Arc;

use redis_cache::{Cache, Error, Expiry};

use crate::common::HOLD_UP;
use crate::common::server::Server;

const THREADS: usize = 4;

/// Callers at work, until they are told to stop.
pub(crate) struct Load {
    over: Arc<AtomicBool>,
    callers: Vec<JoinHandle<Vec<Call>>>,
}

/// One write, or one read of what the thread wrote last.
#[derive(Debug, Clone)]
struct Call {
    began: Instant,
    took: Duration,
    /// The key that was written.
    written: Option<String>,
    outcome: Result<(), Error>,
}

/// All calls of a load.
pub(crate) struct Account {
    calls: Vec<Call>,
}

impl Load {
    pub(crate) fn on(cache: &Cache) -> Load {
        let over = Arc::new(AtomicBool::new(false));
        let caller = |thread| {
            let (cache, over) = (cache.clone(), Arc::clone(&over));
            std::thread::spawn(move || call(&cache, thread, &over))
        };
        let callers = (0..THREADS).map(caller).collect();
        Load { over, callers }
    }

    pub(crate) fn stop(self) -> Account {
        self.over.store(true, Ordering::SeqCst);
        let ended = self.callers.into_iter().map(JoinHandle::join);
        let mut calls: Vec<Call> = ended.flat_map(|calls| calls.expect("a caller")).collect();
        calls.sort_by_key(|call| call.began);
        Account { calls }
    }
}

fn call(cache: &Cache, thread: usize, over: &AtomicBool) -> Vec<Call> {
    let mut calls = Vec::new();
    let mut timed = |written: Option<String>, call: &dyn Fn() -> Result<(), Error>| {
        let began = Instant::now();
        let outcome = call();
        let took = began.elapsed();
        calls.push(Call {
            began,
            took,
            written,
            outcome,
        });
    };
    let mut number = 0;
    while !over.load(Ordering::SeqCst) {
        let key = format!("{thread}-{number}");
        number += 1;
        timed(Some(key.clone()), &|| {
            cache.set_bytes(&key, b"x", Expiry::Never)
        });
        timed(None, &|| cache.get_bytes(&key).map(drop));
        std::thread::sleep(Duration::from_millis(1));
    }
    calls
}

impl Account {
    pub(crate) fn failed(&self) -> usize {
        self.calls
            .iter()
            .filter(|call| call.outcome.is_err())
            .count()
    }

    /// From `since` to the end of the last call that failed.
    pub(crate) fn disturbed(&self, since: Instant) -> Duration {
        let failed = self.calls.iter().filter(|call| call.outcome.is_err());
        let ends = failed.map(|call| (call.began + call.took).saturating_duration_since(since));
        ends.max().unwrap_or_default()
    }

    /// When the last write was begun that was acknowledged and is not on `server`; and how many there are.
    pub(crate) fn lost(&self, server: &Server) -> (usize, Option<Instant>) {
        let mut raw = server.raw();
        let mut lost = (0, None);
        for call in self.calls.iter().filter(|call| call.outcome.is_ok()) {
            let Some(key) = &call.written else { continue };
            let is_there: bool = redis::cmd("EXISTS")
                .arg(format!(":1:{key}"))
                .query(&mut raw)
                .expect("EXISTS");
            if !is_there {
                lost = (lost.0 + 1, Some(call.began));
            }
        }
        lost
    }

    /// No call may outlive its budget. A busy machine may hold up a thread, so one in a hundred may be very late.
    pub(crate) fn assert_in_time(&self, budget: Duration) {
        let mut times: Vec<Duration> = self.calls.iter().map(|call| call.took).collect();
        times.sort();
        let (most, worst) = (times[times.len() * 99 / 100], times[times.len() - 1]);
        assert!(most <= budget * 2, "{most:?} of a budget of {budget:?}");
        assert!(
            worst < budget + HOLD_UP,
            "{worst:?} of a budget of {budget:?}"
        );
    }

    /// What the reader of a test's output may want to know.
    pub(crate) fn report(&self, what: &str, since: Instant, lost: usize) {
        let worst = self
            .calls
            .iter()
            .map(|call| call.took)
            .max()
            .unwrap_or_default();
        let mut kinds = std::collections::BTreeMap::<String, usize>::new();
        for error in self
            .calls
            .iter()
            .filter_map(|call| call.outcome.as_ref().err())
        {
            let said = format!("{:?} {}", error.kind(), error.code().unwrap_or_default());
            *kinds.entry(said).or_default() += 1;
        }
        eprintln!(
            "{what}: {} calls, {} failed {kinds:?}, the last {:?} after it began; {lost} acknowledged writes lost; \
             the slowest call took {worst:?}",
            self.calls.len(),
            self.failed(),
            self.disturbed(since),
        );
    }
}
