//! What the test programs share: real Redis servers of their own, a server that misbehaves on demand, caches over
//! every kind of store, and a witness of the commands a server sees. Nothing here needs a fixed port, a running
//! server or a network.

#![allow(dead_code, reason = "every test program uses its own part of this")]

pub(crate) mod as_it_is;
pub(crate) mod certs;
pub(crate) mod cluster;
pub(crate) mod fault;
pub(crate) mod fixture;
pub(crate) mod fleet;
pub(crate) mod launcher;
pub(crate) mod monitor;
pub(crate) mod papers;
pub(crate) mod sentinel;
pub(crate) mod server;

use std::fmt::Debug;
use std::time::{Duration, Instant};

use redis_cache::{Error, ErrorKind, Result};

/// What a call may take beyond its time budget.
pub(crate) const SLACK: Duration = Duration::from_millis(50);

/// What a machine that has much else to do may add to any single call. More than that is not lateness: it waits for
/// something else than its budget.
pub(crate) const HOLD_UP: Duration = Duration::from_secs(10);

/// The error of a call that must fail.
#[track_caller]
pub(crate) fn fault<T: Debug>(outcome: Result<T>) -> Error {
    match outcome {
        Ok(value) => panic!("this must fail, and gave {value:?}"),
        Err(error) => error,
    }
}

/// The kind of error of a call that must fail.
#[track_caller]
pub(crate) fn kind<T: Debug>(outcome: Result<T>) -> ErrorKind {
    fault(outcome).kind()
}

/// How long a test waits at most for others: on a busy machine sentinels and clusters hold an election more than once, and
/// a sentinel that the machine held up looks on for half a minute.
pub(crate) const PATIENCE: Duration = Duration::from_secs(150);

/// Waits for something that is about to become true.
#[track_caller]
pub(crate) fn eventually(what: &str, mut is_true: impl FnMut() -> bool) {
    let started = Instant::now();
    while !is_true() {
        assert!(started.elapsed() < PATIENCE, "never happened: {what}");
        std::thread::sleep(Duration::from_millis(3));
    }
}

/// Runs a call that must be back within its budget and [`SLACK`]. A busy machine may hold up any single attempt,
/// so the quickest of many counts; none may take more than [`HOLD_UP`] beyond it.
#[track_caller]
pub(crate) fn within<T>(budget: Duration, mut call: impl FnMut() -> T) -> T {
    let mut quickest = Duration::MAX;
    for _ in 0..20 {
        let started = Instant::now();
        let outcome = call();
        let took = started.elapsed();
        assert!(
            took < budget + HOLD_UP,
            "took {took:?} of a budget of {budget:?}"
        );
        if took <= budget + SLACK {
            return outcome;
        }
        quickest = quickest.min(took);
    }
    panic!("took {quickest:?} or more, twenty times, of a budget of {budget:?}");
}
