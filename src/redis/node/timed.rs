//! A node that is to know how long it takes. All of it lies beside the way of a usual call, which asks once whether anybody
//! besides the breaker has a say in it; a call that is timed takes the way of those that find no connection free.
//!
//! A time is what a caller waits for this node: for a connection, for one to be opened, and for a silent second attempt
//! too. What is asked again elsewhere, or after a while, is another one.

use crate::base::budget::Budget;
use crate::base::latencies::Seen;
use crate::base::moment::Moment;
use crate::config::{Asker, is_asked};
use crate::redis::command::Command;
use crate::redis::command::verb::Verb;
use crate::redis::connection::Connection;

use super::Node;
use super::breaker::Admission;
use super::exchange::{Call, Failed};
use super::pool::Loan;

impl Node {
    /// [`Node::slot`] where more than the breaker has a say: none, for a call that is timed.
    #[cold]
    #[inline(never)]
    pub(super) fn attended_slot(
        &self,
        verb: Verb,
        budget: Budget,
    ) -> Result<(Admission, Option<Loan<'_, Connection>>), Failed> {
        let admission = self.admit(verb, budget)?;
        if self.latencies.is_some() {
            return Ok((admission, None));
        }
        Ok((admission, self.lend_if_free(verb, 0, budget)?))
    }

    /// When the call begins, if it is timed. Nothing is asked of a server by the function that says who logs in there.
    #[cold]
    #[inline(never)]
    pub(super) fn attend(&self, verb: Verb) -> Result<Moment, Failed> {
        if self.login.asker().is_some_and(Asker::is_running) {
            return Err(self.not_begun(is_asked(), verb));
        }
        Ok(self.now_if_timed())
    }

    /// The rest of [`Node::run`] when the call is timed, or when all connections are lent.
    #[cold]
    #[inline(never)]
    pub(super) fn run_slowly<R>(
        &self,
        lost: u32,
        budget: Budget,
        admission: Admission,
        command: &mut dyn Command<Answer = R>,
    ) -> Result<R, Failed> {
        if self.latencies.is_none() {
            return self.share(lost, budget, admission, command);
        }
        // As long as nothing was waited for the call began just now.
        let began = match budget.is_whole() {
            true => budget.started(),
            false => Moment::now(),
        };
        let verb = command.verb();
        let outcome = match self.lend_if_free(verb, lost, budget) {
            Ok(Some(loan)) => Call::alone(self, loan, verb, budget, admission, lost).run(command),
            Ok(None) => self.share(lost, budget, admission, command),
            Err(failed) => Err(failed),
        };
        self.note(verb, began, outcome.is_ok());
        outcome
    }

    /// Not in each of the ways for commands of different answers.
    #[inline(never)]
    fn lend_if_free(
        &self,
        verb: Verb,
        lost: u32,
        budget: Budget,
    ) -> Result<Option<Loan<'_, Connection>>, Failed> {
        let loan = self.pool.lend_if_free(budget).transpose();
        loan.map_err(|error| Failed {
            lost,
            ..Failed::refused(self.named(error, verb))
        })
    }

    #[inline(never)]
    fn note(&self, verb: Verb, began: Moment, is_done: bool) {
        if let Some(latencies) = &self.latencies {
            latencies.note(verb.operation(), began, is_done);
        }
    }

    /// Now, if this node is timed.
    pub(crate) fn now_if_timed(&self) -> Moment {
        match &self.latencies {
            Some(_) => Moment::now(),
            None => Moment::BEFORE,
        }
    }

    /// A call that does not stand alone, or goes beside the pool, has its answer.
    #[cold]
    pub(crate) fn note_answer(&self, verb: Verb, began: Moment) {
        self.note(verb, began, true);
    }

    /// A call came to nothing.
    #[cold]
    pub(super) fn note_failure(&self, verb: Verb) {
        self.note(verb, Moment::BEFORE, false);
    }

    /// Each operation that there was, if they are timed.
    pub(crate) fn latencies(&self) -> impl Iterator<Item = (&'static str, Seen)> {
        self.latencies.iter().flat_map(|latencies| latencies.read())
    }
}
