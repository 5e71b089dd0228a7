//! Those whose replies come on one connection, in the order in which they come. The list travels with the connection:
//! whoever has it reads its own replies as if it were alone, hands out what has come for others, and as soon as it would
//! have to wait for somebody else's reply, that one gets the connection. So nobody ever waits for others. (After flat
//! combining: Hendler, Incze, Shavit, Tzafrir, SPAA 2010.)

use std::collections::VecDeque;
use std::sync::Arc;

use crate::base::budget::Budget;
use crate::base::fork;
use crate::base::moment::Moment;
use crate::error::{Error, ErrorKind, Result};

use super::open::{Open, Pooled};
use super::seat::{Arrival, Lost, Seat};

/// Those who wait for replies on a connection. Dropped, it tells them that none will come.
pub(super) struct Riders<C> {
    seats: VecDeque<Arc<Seat<C>>>,
    /// Replies in front of theirs that nobody waits for any more.
    unwanted: usize,
    /// Somebody's time was over with no byte read, and the breaker knows: the silence that goes on is the same one.
    is_silent: bool,
    /// Why the connection broke, when that is known.
    why: Option<Error>,
    /// Whoever had the connection gave it up: that tells nothing of others.
    is_given_up: bool,
    generation: u32,
}

/// What came of handing out replies.
pub(super) enum Served<C> {
    /// All have theirs.
    All(Box<Open<C>>),
    /// Somebody else has the connection, and the slot.
    Passed,
    /// Replies are still to come, and cannot be read or are of no use to anybody.
    Broken,
}

impl<C> Default for Riders<C> {
    fn default() -> Self {
        Riders {
            seats: VecDeque::new(),
            unwanted: 0,
            is_silent: false,
            why: None,
            is_given_up: false,
            generation: 0,
        }
    }
}

impl<C: Pooled> Riders<C> {
    /// Puts their commands on the connection, but for those who have left. Whether anybody has not.
    pub(super) fn board(open: &mut Open<C>) -> bool {
        let Open {
            connection, riders, ..
        } = open;
        riders.seats.retain(|seat| seat.board(connection));
        riders.generation = fork::generation();
        riders.is_silent = false;
        !riders.seats.is_empty()
    }

    /// Gives the connection to the first who still waits; gives it back when nobody does.
    pub(super) fn pass(mut open: Box<Open<C>>) -> Option<Box<Open<C>>> {
        let mut at = 0;
        while let Some(next) = open.riders.seats.get(at).map(Arc::clone) {
            match next.arrive(Arrival::Lead(open)) {
                Ok(()) => return None,
                Err(Arrival::Lead(back)) => open = back,
                // It is not changed on the way.
                Err(_) => return None,
            }
            at += 1;
        }
        Some(open)
    }

    /// Hands out replies that have come, after whoever had the connection has read its own.
    pub(super) fn serve(mut open: Box<Open<C>>) -> Served<C> {
        let Open {
            connection, riders, ..
        } = &mut *open;
        let theirs: usize = riders.seats.iter().map(|seat| seat.commands).sum();
        if connection.owes() != Some(theirs + riders.unwanted) {
            return Served::Broken;
        }
        while riders.unwanted == 0
            && let Some(first) = riders.seats.front()
        {
            match first.serve(connection) {
                Ok(true) => drop(riders.seats.pop_front()),
                Ok(false) => break,
                Err(error) => {
                    riders.fail(&error, false);
                    return Served::Broken;
                }
            }
        }
        if riders.is_over() {
            return Served::All(open);
        }
        match Riders::pass(open) {
            None => Served::Passed,
            Some(_) => Served::Broken,
        }
    }

    /// `me` has the connection: passes over the replies of those in front of it, who have left, and waits for its own to
    /// begin.
    pub(super) fn come_to(open: &mut Open<C>, me: &Arc<Seat<C>>, budget: Budget) -> Result<()> {
        let Open {
            connection, riders, ..
        } = open;
        while let Some(seat) = riders.seats.pop_front() {
            if Arc::ptr_eq(&seat, me) {
                break;
            }
            riders.unwanted += seat.commands;
        }
        let before = riders.unwanted;
        let come = connection.come_to(&mut riders.unwanted, budget);
        riders.is_silent &= come.is_err() && riders.unwanted == before;
        come
    }
}

impl<C> Riders<C> {
    /// One more, who was first in line.
    pub(super) fn push(&mut self, seat: Arc<Seat<C>>) {
        self.seats.push_back(seat);
    }

    /// Whether nothing is to come for anybody.
    pub(super) fn is_over(&self) -> bool {
        self.seats.is_empty() && self.unwanted == 0
    }

    /// Nobody waits for the replies of `me` any more. Whether this is the first to find nothing there.
    pub(super) fn give_up(&mut self, me: &Seat<C>) -> bool {
        self.unwanted += me.commands;
        !std::mem::replace(&mut self.is_silent, true)
    }

    /// What they will be told when the connection goes. The time of whoever had it was not theirs.
    pub(super) fn explain(&mut self, why: &Error) {
        if self.seats.is_empty() {
            return;
        }
        self.is_given_up = why.is_timeout();
        self.why = Some(match self.is_given_up {
            true => Error::new(
                ErrorKind::Io,
                format!("the connection was given up in the middle of another reply: {why}"),
            ),
            false => why.clone(),
        });
    }

    /// Tells them that no replies will come; `unsent`: for nothing was sent.
    pub(super) fn fail(&mut self, error: &Error, unsent: bool) {
        let is_inherited = self.generation != fork::generation();
        let since = (!self.is_given_up).then(Moment::now);
        for seat in self.seats.drain(..) {
            // In a child those threads are not there, and one of them may have held the lock.
            if !is_inherited {
                let _ = seat.arrive(Arrival::Lost(Lost {
                    error: error.clone(),
                    unsent,
                    since,
                }));
            }
        }
    }
}

impl<C> Drop for Riders<C> {
    fn drop(&mut self) {
        if !self.seats.is_empty() {
            let unknown = || Error::new(ErrorKind::Io, "the connection is closed");
            let error = self.why.take().unwrap_or_else(unknown);
            self.fail(&error, false);
        }
    }
}
