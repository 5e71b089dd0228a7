//! What a node takes its server's time to be, and when it asks for it again.

use crate::base::budget::Budget;
use crate::base::moment::Moment;
use crate::expiry::Clock;

use super::Node;
use super::time::{Offset, Time};

impl Node {
    /// The server's clock, as it was last seen.
    pub(crate) fn clock(&self) -> Clock {
        self.clock.get()
    }

    /// The same, unless this server was never connected to.
    pub(crate) fn known_clock(&self) -> Option<Clock> {
        self.clock.asked()
    }

    /// After a call that found nothing of use: looks at the server's clock again if that was long ago.
    /// Such a call can afford a round trip; when it fails, nothing has changed.
    pub(crate) fn refresh_clock(&self, budget: Budget) {
        if self.clock.is_due(budget.started()) {
            self.ask_clock(budget);
        }
    }

    /// Whether a call that began then would refresh the clock if it found nothing of use.
    #[inline]
    pub(crate) fn has_old_clock(&self, began: Moment) -> bool {
        self.clock.is_old(began)
    }

    /// The server calls fresh what is over for us since `fresh_until_ms`: its clock is looked at again.
    pub(crate) fn contradicted(&self, fresh_until_ms: u64, budget: Budget) {
        if self.clock.is_contradicted(fresh_until_ms, budget.started()) {
            self.ask_clock(budget);
        }
    }

    /// As if that had been long ago.
    #[cfg(test)]
    pub(crate) fn age_clock(&self) {
        self.clock.age();
    }

    #[cold]
    fn ask_clock(&self, budget: Budget) {
        if let Ok(Some(told)) = self.run(0, budget, &mut Time::default()) {
            self.clock.set(told);
        }
    }

    /// What the greeting told of the server's clock. Who was not greeted was not asked either: what is known stays known.
    pub(crate) fn learn(&self, offset: Offset) {
        if offset.is_none() && self.bare.is_it() && self.clock.asked().is_some() {
            return;
        }
        self.clock.learn(offset);
    }
}
