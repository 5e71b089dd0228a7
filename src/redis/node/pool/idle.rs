//! What becomes of connections that rest: whoever passes by gives up those that the server closed, that were not used for
//! too long, or that are too old; and one fault has the others looked at, not closed.

use std::time::Duration;

use crate::base::budget::Budget;
use crate::base::moment::Moment;
use crate::error::Result;

use super::loan::Origin;
use super::seat::Wish;
use super::{Bounds, Loan, Open, Pool, Pooled};

/// How often those that pass by look, and at connections that rested as long.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// Whether a connection can be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fit {
    Yes,
    /// It is old, or was not used for long.
    Expired,
    /// The server closed it, or said something that nobody asked for.
    Dead,
}

impl Bounds {
    pub(super) fn fitness<C: Pooled>(
        &self,
        open: &mut Open<C>,
        now: Moment,
        trusted_for: u64,
    ) -> Fit {
        let rested = now.nanos_since(open.idle_since);
        if now.nanos_since(open.born) >= self.max_lifetime || rested >= self.idle_timeout {
            Fit::Expired
        } else if rested < trusted_for || open.connection.is_quiet() {
            Fit::Yes
        } else {
            Fit::Dead
        }
    }
}

impl<C: Pooled> Pool<C> {
    /// Looks at the connection of `loan` and puts the next one in its place while it cannot be used; after the last of them
    /// there is the right to open one. Without a budget that is not waited for.
    pub(super) fn inspect(
        &self,
        loan: &mut Loan<'_, C>,
        now: Moment,
        budget: Option<Budget>,
    ) -> Result<()> {
        while let Some(open) = &mut loan.open {
            let fit = self.bounds.fitness(open, now, self.bounds.idle_check);
            if fit == Fit::Yes {
                open.idle_since = now;
                return Ok(());
            }
            loan.end();
            loan.lock().is_recovering |= fit == Fit::Dead;
            self.refill(loan, None, budget)?;
        }
        Ok(())
    }

    /// A slot for somebody whose commands came to nothing on a connection that he did not have himself: with another one that
    /// was opened at `since` or later, or the right to open it. One from before may have ended as well, or be told the same.
    pub(crate) fn lend_another(
        &self,
        since: Option<Moment>,
        budget: Budget,
    ) -> Result<Loan<'_, C>> {
        let mut loan = self.lend(budget)?;
        let is_older = |open: &Open<C>| since.is_some_and(|since| open.born < since);
        if loan.open.as_deref().is_some_and(is_older) {
            loan.end();
            self.refill(&mut loan, since, Some(budget))?;
        }
        Ok(loan)
    }

    /// For a slot whose connection has ended: a connection that was opened at `since` or later (any, if that is `None`), or
    /// the right to open one. While the node recovers it may have to wait for that; without a budget it has nothing then.
    pub(crate) fn refill(
        &self,
        loan: &mut Loan<'_, C>,
        since: Option<Moment>,
        budget: Option<Budget>,
    ) -> Result<()> {
        if loan.is_inherited() {
            return Ok(());
        }
        let mut slots = loan.lock();
        let wish = Wish::Connection {
            since,
            has_right: loan.is_right(),
        };
        let open = match (slots.reconnection(wish), budget) {
            (Some(open), _) => open,
            (None, None) => return Err(self.none_free(&slots, Budget::new(Duration::ZERO))),
            (None, Some(budget)) => self.wait_for_connection(loan.shared(), slots, wish, budget)?,
        };
        loan.fill(open);
        Ok(())
    }

    /// The connection broke: it is closed. Where the server closed or reset it the idle ones are looked at, for they may
    /// have ended as well; those that could not tell are closed.
    pub(crate) fn broken(&self, loan: &mut Loan<'_, C>, is_timeout: bool) {
        if loan.is_inherited() {
            loan.end();
            return;
        }
        // Before anybody who was to read replies there comes for another one.
        loan.lock().is_recovering = true;
        loan.end();
        if !is_timeout {
            self.look_at_idle(Moment::now(), 0, true);
        }
    }

    /// The part of those who pass by, once in a while.
    pub(super) fn look_around(&self, now: Moment) {
        let every = self
            .limits
            .idle_timeout
            .map_or(LOOK_EVERY, |timeout| timeout.min(LOOK_EVERY));
        let mut slots = self.shared().lock();
        if now < slots.look_at {
            return;
        }
        slots.look_at = now.after(every);
        drop(slots);
        let rested = u64::try_from(every.as_nanos()).unwrap_or(u64::MAX);
        self.look_at_idle(now, rested, false);
    }

    /// Looks at all idle connections that rested for so many nanoseconds, and closes those that cannot be used. Meanwhile they
    /// count as lent: nobody opens others in their place. `in_doubt` closes those that do not know as well.
    pub(super) fn look_at_idle(&self, now: Moment, rested: u64, in_doubt: bool) {
        let shared = self.shared();
        let mut slots = shared.lock();
        let has_rested = |open: &Open<C>| now.nanos_since(open.idle_since) >= rested;
        if !slots.idle.iter().any(|open| has_rested(open)) {
            return;
        }
        let (resting, others) = std::mem::take(&mut slots.idle)
            .into_iter()
            .partition(|open| has_rested(open));
        slots.idle = others;
        let resting: Vec<Box<Open<C>>> = resting;
        slots.lent += resting.len();
        drop(slots);
        let mut looked_at: Vec<Loan<'_, C>> = resting
            .into_iter()
            .map(|open| Loan::new(shared, Some(open), Origin::Idle))
            .collect();
        for loan in &mut looked_at {
            let is_fit = |open: &mut Box<Open<C>>| {
                let is_told = !in_doubt || open.connection.knows_its_end();
                is_told && self.bounds.fitness(open, now, 0) == Fit::Yes
            };
            if !loan.open.as_mut().is_some_and(is_fit) {
                loan.end();
            }
        }
        // At the bottom of the stack, where they were: the others were used later.
        let mut slots = shared.lock();
        let epoch = slots.epoch;
        let rested_on = looked_at.iter_mut().filter_map(|loan| {
            let is_current = loan.open.as_ref().is_some_and(|open| open.epoch == epoch);
            if is_current { loan.hand_back() } else { None }
        });
        let rested_on: Vec<_> = rested_on.collect();
        slots.lent -= rested_on.len();
        slots.idle.splice(0..0, rested_on);
        shared.let_go_on(slots);
        drop(looked_at);
    }
}
