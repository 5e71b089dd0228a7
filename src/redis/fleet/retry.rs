//! How long a call goes on after a node failed it: as the topology advises, within the budget.

use std::time::Duration;

use crate::base::budget::Budget;
use crate::error::{Error, Result};

/// How long a call goes on after a node failed it: within its budget, with a pause of 5 ms, doubling to 50 ms, where
/// a node says "not now", and with a bounded number of turns to other nodes.
pub(crate) struct Patience {
    budget: Budget,
    next: Duration,
    redirects: u32,
    said: Option<Error>,
}

impl Patience {
    const LONGEST: Duration = Duration::from_millis(50);
    const REDIRECTS: u32 = 16;

    pub(crate) fn new(budget: Budget) -> Self {
        Patience {
            budget,
            next: Duration::from_millis(5),
            redirects: 0,
            said: None,
        }
    }

    /// Sleeps, after the server said `error`; fails with it when the budget would not outlast that.
    #[cold]
    pub(crate) fn pause(&mut self, error: Error) -> Result<()> {
        if self.budget.left().is_none_or(|left| left <= self.next) {
            return Err(error);
        }
        std::thread::sleep(self.next);
        self.next = (self.next * 2).min(Self::LONGEST);
        self.said = Some(error);
        Ok(())
    }

    /// Whether another node may be asked at once after `error`; fails with it when that was done often enough.
    #[cold]
    pub(crate) fn redirect(&mut self, error: Error) -> Result<()> {
        self.redirects += 1;
        if self.redirects > Self::REDIRECTS || self.budget.left().is_none() {
            return Err(self.explain(error));
        }
        self.said = Some(error);
        Ok(())
    }

    /// When the budget ends in the middle of another attempt, what the server said before tells more.
    pub(crate) fn explain(&self, error: Error) -> Error {
        match &self.said {
            Some(said) if error.is_timeout() => said.clone(),
            _ => error,
        }
    }
}
