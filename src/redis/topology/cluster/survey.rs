//! Looking around is done by one caller at a time. The others do not wait for it unless they know nothing at all,
//! and then they share its outcome.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::base::budget::Budget;
use crate::error::Result;

/// How much a caller depends on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wish {
    /// It cannot go on without.
    Must,
    /// It would like to know better, when that was last tried longer ago than this.
    IfOlder(Duration),
}

/// Who looks around, and how that went.
#[derive(Debug)]
pub(crate) struct Survey {
    state: Mutex<State>,
    ended: Condvar,
}

#[derive(Debug)]
struct State {
    is_running: bool,
    last: Option<(Instant, Result<()>)>,
}

impl Survey {
    pub(crate) fn new() -> Self {
        let state = State {
            is_running: false,
            last: None,
        };
        Survey {
            state: Mutex::new(state),
            ended: Condvar::new(),
        }
    }

    /// Has `look` called, unless somebody is at it or was just now. Without need the answer does not matter.
    pub(crate) fn once(
        &self,
        wish: Wish,
        budget: Budget,
        look: impl FnOnce() -> Result<()>,
    ) -> Result<()> {
        let mut state = self.lock();
        if state.is_running {
            return match wish {
                Wish::Must => self.wait(state, budget),
                Wish::IfOlder(_) => Ok(()),
            };
        }
        if let (Wish::IfOlder(age), Some((ended, _))) = (wish, &state.last)
            && ended.elapsed() < age
        {
            return Ok(());
        }
        state.is_running = true;
        drop(state);
        let mut turn = Turn {
            survey: self,
            outcome: Ok(()),
        };
        turn.outcome = look();
        turn.outcome.clone()
    }

    fn wait(&self, mut state: MutexGuard<'_, State>, budget: Budget) -> Result<()> {
        while state.is_running {
            let left = budget.remaining()?;
            let woken = self.ended.wait_timeout(state, left);
            state = woken.unwrap_or_else(PoisonError::into_inner).0;
        }
        let outcome = state.last.as_ref().map(|(_, outcome)| outcome.clone());
        outcome.unwrap_or(Ok(()))
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The right to look around, given back also in a panic.
struct Turn<'a> {
    survey: &'a Survey,
    outcome: Result<()>,
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        let mut state = self.survey.lock();
        state.is_running = false;
        state.last = Some((Instant::now(), self.outcome.clone()));
        drop(state);
        self.survey.ended.notify_all();
    }
}
