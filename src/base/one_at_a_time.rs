//! Something that one caller does for all, such as finding out anew who is who. The others wait for it or go on without,
//! and nobody holds a lock while the network is asked. A forked child begins afresh.

use std::fmt;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::base::budget::Budget;
use crate::base::fork::PerProcess;
use crate::base::moment::Moment;

/// What a caller does while another one is at it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Meanwhile {
    /// It waits for the end of that, as long as its budget lasts.
    Wait,
    /// It goes on with what is known.
    GoOn,
}

/// Whose turn it is, and what came of the last one.
pub(crate) struct OneAtATime<T> {
    state: PerProcess<State<T>>,
}

struct State<T> {
    turn: Mutex<Turn<T>>,
    over: Condvar,
}

struct Turn<T> {
    is_taken: bool,
    last: Option<(Moment, T)>,
}

impl<T: Clone> OneAtATime<T> {
    pub(crate) fn new() -> Self {
        OneAtATime {
            state: PerProcess::new(State::new()),
        }
    }

    /// Whether a caller is at it now.
    pub(crate) fn is_running(&self) -> bool {
        self.state().lock().is_taken
    }

    /// Does `job`, unless another caller is at it or has done it less than `rest` ago. Returns what came of it: `None`
    /// when that is still to come, or the budget of who waits is spent.
    pub(crate) fn run(
        &self,
        rest: Duration,
        meanwhile: Meanwhile,
        budget: Budget,
        job: impl FnOnce() -> T,
    ) -> Option<T> {
        let state = self.state();
        let mut turn = state.lock();
        if turn.is_taken {
            if meanwhile == Meanwhile::GoOn {
                return None;
            }
            while let Some(left) = budget.left().filter(|_| turn.is_taken) {
                let woken = state.over.wait_timeout(turn, left);
                turn = woken.unwrap_or_else(PoisonError::into_inner).0;
            }
            return turn.outcome().filter(|_| !turn.is_taken);
        }
        if let Some((ended, outcome)) = &turn.last
            && Moment::now() < ended.after(rest)
        {
            return Some(outcome.clone());
        }
        turn.is_taken = true;
        drop(turn);
        let mut ending = Ending {
            state,
            outcome: None,
        };
        let outcome = job();
        ending.outcome = Some(outcome.clone());
        Some(outcome)
    }

    fn state(&self) -> &State<T> {
        self.state.get(|_| State::new())
    }
}

impl<T> State<T> {
    fn new() -> Self {
        State {
            turn: Mutex::new(Turn {
                is_taken: false,
                last: None,
            }),
            over: Condvar::new(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Turn<T>> {
        self.turn.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T: Clone> Turn<T> {
    fn outcome(&self) -> Option<T> {
        self.last.as_ref().map(|(_, outcome)| outcome.clone())
    }
}

/// Gives the turn back, also after a panic, of which nothing comes.
struct Ending<'a, T> {
    state: &'a State<T>,
    outcome: Option<T>,
}

impl<T> Drop for Ending<'_, T> {
    fn drop(&mut self) {
        let mut turn = self.state.lock();
        turn.is_taken = false;
        turn.last = self.outcome.take().map(|outcome| (Moment::now(), outcome));
        drop(turn);
        self.state.over.notify_all();
    }
}

impl<T> fmt::Debug for OneAtATime<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OneAtATime").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Barrier;
    use std::sync::atomic::{AtomicU32, Ordering};
    use std::thread;

    use super::*;

    const LONG: Duration = Duration::from_secs(60);

    #[test]
    fn one_caller_does_it_and_those_who_wait_share_the_outcome() {
        let (it, runs) = (OneAtATime::new(), AtomicU32::new(0));
        let look = || {
            let outcome = it.run(LONG, Meanwhile::Wait, Budget::new(LONG), || {
                thread::sleep(Duration::from_millis(50));
                runs.fetch_add(1, Ordering::SeqCst) + 7
            });
            assert_eq!(outcome, Some(7));
        };
        thread::scope(|scope| (0..8).for_each(|_| drop(scope.spawn(look))));
        assert_eq!(runs.load(Ordering::SeqCst), 1);
    }

    #[test]
    fn nobody_waits_longer_than_he_wants_to() {
        let (it, inside, over) = (OneAtATime::new(), Barrier::new(2), Barrier::new(2));
        thread::scope(|scope| {
            scope.spawn(|| {
                it.run(Duration::ZERO, Meanwhile::Wait, Budget::new(LONG), || {
                    inside.wait();
                    over.wait();
                })
            });
            inside.wait();
            let short = Budget::new(Duration::from_millis(10));
            let unreachable = || unreachable!();
            assert_eq!(it.run(LONG, Meanwhile::Wait, short, unreachable), None);
            let budget = Budget::new(LONG);
            assert_eq!(it.run(LONG, Meanwhile::GoOn, budget, unreachable), None);
            assert!(it.is_running());
            over.wait();
        });
        assert!(!it.is_running());
    }

    #[test]
    fn a_panic_ends_the_turn_and_nothing_comes_of_it() {
        let it = OneAtATime::new();
        thread::scope(|scope| {
            let one = scope.spawn(|| {
                let budget = Budget::new(LONG);
                it.run(Duration::ZERO, Meanwhile::Wait, budget, || -> u32 {
                    panic!("on purpose")
                })
            });
            assert!(one.join().is_err());
        });
        let budget = Budget::new(LONG);
        assert_eq!(it.run(LONG, Meanwhile::GoOn, budget, || 1), Some(1));
        assert_eq!(it.run(LONG, Meanwhile::GoOn, budget, || 2), Some(1));
        assert_eq!(
            it.run(Duration::ZERO, Meanwhile::GoOn, budget, || 3),
            Some(3)
        );
    }
}
