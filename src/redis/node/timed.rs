//! A node that is to know how long it takes. A usual call asks once whether anybody besides the breaker has a say in it,
//! and once whether it has begun at a time that counts.
//!
//! A time is what a caller waits for this node: for a connection, for one to be opened, and for a silent second attempt
//! too. What is asked again elsewhere, or after a while, is another one.

use crate::base::budget::Budget;
use crate::base::latencies::Seen;
use crate::base::moment::Moment;
use crate::config::{Asker, is_asked};
use crate::error::Error;
use crate::redis::command::verb::Verb;

use super::Node;
use super::exchange::Failed;

impl Node {
    /// When the call begins, if it is timed. Nothing is asked of a server by the function that says who logs in there.
    #[cold]
    #[inline(never)]
    pub(super) fn attend(&self, verb: Verb, lost: u32, budget: Budget) -> Result<Moment, Failed> {
        if self.login.asker().is_some_and(Asker::is_running) {
            return Err(Failed {
                lost,
                ..self.not_begun(is_asked(), verb)
            });
        }
        Ok(match budget.is_whole() {
            // As long as nothing was waited for, it began just now.
            true if self.latencies.is_some() => budget.started(),
            _ => self.now_if_timed(),
        })
    }

    /// A call that came to nothing before there was one.
    #[cold]
    #[inline(never)]
    pub(super) fn not_begun(&self, error: Error, verb: Verb) -> Failed {
        self.note_failure(verb);
        Failed::refused(self.named(error, verb))
    }

    /// Now, if this node is timed.
    pub(crate) fn now_if_timed(&self) -> Moment {
        match &self.latencies {
            Some(_) => Moment::now(),
            None => Moment::BEFORE,
        }
    }

    /// A call that began then has its answer.
    #[cold]
    #[inline(never)]
    pub(crate) fn note_answer(&self, verb: Verb, began: Moment) {
        if let Some(latencies) = &self.latencies {
            latencies.answered(verb.operation(), began);
        }
    }

    /// A call came to nothing.
    #[cold]
    #[inline(never)]
    pub(super) fn note_failure(&self, verb: Verb) {
        if let Some(latencies) = &self.latencies {
            latencies.failed(verb.operation());
        }
    }

    /// Each operation that there was, if they are timed.
    pub(crate) fn latencies(&self) -> impl Iterator<Item = (&'static str, Seen)> {
        self.latencies.iter().flat_map(|latencies| latencies.read())
    }
}
