//! How long a call goes on after a node failed it: as the topology advises, within the budget.

use std::time::Duration;

use crate::base::budget::Budget;
use crate::base::moment::Moment;
use crate::error::{Error, Meaning, Result};
use crate::redis::topology::slots;

/// How long a call goes on after a node failed it: within its budget, with a pause of 5 ms, doubling to 50 ms. A few
/// turns to other nodes cost no pause; a server that says "not now" is borne with for a moment only.
pub(crate) struct Patience {
    budget: Budget,
    next: Duration,
    redirects: u32,
    /// When a server first said "not now".
    put_off: Option<Moment>,
    said: Option<Error>,
}

impl Patience {
    const LONGEST: Duration = Duration::from_millis(50);
    const AT_ONCE: u32 = 5;
    const NOT_NOW: Duration = Duration::from_millis(100);

    pub(crate) fn new(budget: Budget) -> Self {
        Patience {
            budget,
            next: Duration::from_millis(5),
            redirects: 0,
            put_off: None,
            said: None,
        }
    }

    /// Whether it is worth while to wait after `error`: a server that is not able to serve for longer than that is not
    /// waited for.
    #[cold]
    pub(crate) fn bears(&mut self, error: &Error) -> bool {
        !error.meaning().passes() || !self.time_for_not_now().is_zero()
    }

    fn time_for_not_now(&mut self) -> Duration {
        let now = Moment::now();
        let since = *self.put_off.get_or_insert(now);
        Self::NOT_NOW.saturating_sub(now.since(since))
    }

    /// Sleeps, after the server said `error`; fails with it when the budget would not outlast that.
    #[cold]
    pub(crate) fn pause(&mut self, error: Error) -> Result<()> {
        let mut pause = self.next;
        if error.meaning().passes() {
            pause = pause.min(self.time_for_not_now());
        }
        if pause.is_zero() || self.budget.left().is_none_or(|left| left <= pause) {
            return Err(self.explain(error));
        }
        std::thread::sleep(pause);
        self.next = (self.next * 2).min(Self::LONGEST);
        self.said = Some(error);
        Ok(())
    }

    /// Another node is to be asked after `error`: at once, but for those who are sent round and round, who pause.
    #[cold]
    pub(crate) fn redirect(&mut self, error: Error) -> Result<()> {
        self.redirects += 1;
        if self.redirects > Self::AT_ONCE {
            return self.pause(error);
        }
        if self.budget.left().is_none() {
            return Err(self.explain(error));
        }
        self.said = Some(error);
        Ok(())
    }

    /// What to tell the caller. When the budget ends in the middle of another attempt, what the server said before tells
    /// more; and who was sent from node to node wants to hear what is wrong, not where to go.
    pub(crate) fn explain(&self, error: Error) -> Error {
        let error = match &self.said {
            Some(said) if error.is_timeout() => said.clone(),
            _ => error,
        };
        match error.meaning() {
            Meaning::Elsewhere if self.said.is_some() => slots::nowhere(&error),
            _ => error,
        }
    }
}
