//! Finding out anew who is who, by one caller at a time. Others that need it wait for that one within their budgets,
//! and nobody holds a lock while the network is asked. A forked child begins afresh.

use std::fmt;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::base::budget::Budget;
use crate::base::fork::PerProcess;
use crate::base::moment::Moment;

/// Whose turn it is.
pub(crate) struct Renewal {
    state: PerProcess<State>,
}

#[derive(Default)]
struct State {
    turn: Mutex<Turn>,
    over: Condvar,
}

#[derive(Default)]
struct Turn {
    is_taken: bool,
    ended: Option<Moment>,
}

impl Renewal {
    pub(crate) fn new() -> Self {
        Renewal {
            state: PerProcess::new(State::default()),
        }
    }

    /// Whether a caller is at it now.
    pub(crate) fn is_running(&self) -> bool {
        self.state.get(|_| State::default()).lock().is_taken
    }

    /// Runs `renew`, or waits for the end of what another caller is running. Nothing is done when the last one ended
    /// less than `rest` ago.
    pub(crate) fn run(&self, budget: Budget, rest: Duration, renew: impl FnOnce()) {
        let state = self.state.get(|_| State::default());
        let mut turn = state.lock();
        if turn.is_taken {
            while let Some(left) = budget.left().filter(|_| turn.is_taken) {
                let woken = state.over.wait_timeout(turn, left);
                turn = woken.unwrap_or_else(PoisonError::into_inner).0;
            }
            return;
        }
        if turn
            .ended
            .is_some_and(|ended| Moment::now() < ended.after(rest))
        {
            return;
        }
        turn.is_taken = true;
        drop(turn);
        let _ending = Ending(state);
        renew();
    }
}

impl State {
    fn lock(&self) -> MutexGuard<'_, Turn> {
        self.turn.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Gives the turn back, also after a panic.
struct Ending<'a>(&'a State);

impl Drop for Ending<'_> {
    fn drop(&mut self) {
        let mut turn = self.0.lock();
        turn.is_taken = false;
        turn.ended = Some(Moment::now());
        drop(turn);
        self.0.over.notify_all();
    }
}

impl fmt::Debug for Renewal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Renewal").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};
    use std::thread;

    use super::*;

    const LONG: Duration = Duration::from_secs(10);

    #[test]
    fn one_caller_renews_and_the_others_wait_for_it() {
        let (renewal, runs) = (Renewal::new(), AtomicU32::new(0));
        let renew = || {
            renewal.run(Budget::new(LONG), LONG, || {
                thread::sleep(Duration::from_millis(50));
                runs.fetch_add(1, Ordering::SeqCst);
            });
            assert_eq!(runs.load(Ordering::SeqCst), 1);
        };
        thread::scope(|scope| (0..8).for_each(|_| drop(scope.spawn(renew))));
    }

    #[test]
    fn waiting_ends_with_the_budget_and_a_panic_with_the_turn() {
        let renewal = Renewal::new();
        thread::scope(|scope| {
            let slow = scope.spawn(|| {
                renewal.run(Budget::new(LONG), LONG, || {
                    thread::sleep(Duration::from_millis(200));
                    panic!("on purpose");
                });
            });
            thread::sleep(Duration::from_millis(50));
            let short = Budget::new(Duration::from_millis(10));
            renewal.run(short, Duration::ZERO, || unreachable!());
            assert!(!slow.is_finished());
            assert!(slow.join().is_err());
        });
        let mut ran = false;
        renewal.run(Budget::new(LONG), Duration::ZERO, || ran = true);
        assert!(ran);
    }
}
