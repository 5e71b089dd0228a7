//! What a caller has of a pool while its call lasts: a slot, and the connection in it or the right to open one. It gives
//! back what it has when it is dropped, whatever happened.

use std::sync::Arc;

use parking_lot::MutexGuard;

use crate::base::budget::Budget;
use crate::base::fork;
use crate::base::moment::Moment;
use crate::error::{Error, Result};

use super::riders::{Riders, Served};
use super::seat::Seat;
use super::{Open, Pooled, Shared, Slots};

/// The epoch of a connection that nobody is to have again.
const OVER: u64 = u64::MAX;

/// Where a connection comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Origin {
    /// From the stack; it may have ended since.
    Idle,
    /// The same, after others had it.
    Awaited,
    /// It is still to be opened.
    ToOpen,
    /// Opened for this loan.
    Fresh,
    /// There is no slot: others have gone on with it.
    Nowhere,
}

/// A slot of the pool and the connection in it, if one is open. Dropping it gives both back, also in a panic;
/// a connection in the middle of something is closed.
pub(crate) struct Loan<'a, C: Pooled> {
    shared: &'a Shared<C>,
    pub(super) open: Option<Box<Open<C>>>,
    origin: Origin,
}

impl<'a, C: Pooled> Loan<'a, C> {
    #[inline]
    pub(super) fn new(
        shared: &'a Shared<C>,
        open: Option<Box<Open<C>>>,
        origin: Origin,
    ) -> Loan<'a, C> {
        Loan {
            shared,
            open,
            origin,
        }
    }

    #[inline]
    pub(crate) fn connection(&mut self) -> Option<&mut C> {
        self.open.as_mut().map(|open| &mut open.connection)
    }

    /// The connection at hand, or else one that `connect` opens.
    #[inline]
    pub(crate) fn connection_or(&mut self, connect: impl FnOnce() -> Result<C>) -> Result<&mut C> {
        let open = match &mut self.open {
            Some(open) => open,
            none => {
                let open = Self::open(self.shared, &mut self.origin, connect)?;
                none.insert(open)
            }
        };
        Ok(&mut open.connection)
    }

    #[cold]
    fn open(
        shared: &Shared<C>,
        origin: &mut Origin,
        connect: impl FnOnce() -> Result<C>,
    ) -> Result<Box<Open<C>>> {
        let epoch = shared.lock().epoch;
        let connection = connect()?;
        let had_right = std::mem::replace(origin, Origin::Fresh) == Origin::ToOpen;
        if had_right && shared.generation == fork::generation() {
            let mut slots = shared.lock();
            slots.opened(true);
            shared.let_go_on(slots);
        }
        let now = Moment::now();
        Ok(Box::new(Open {
            connection,
            born: now,
            idle_since: now,
            epoch,
            riders: Riders::default(),
        }))
    }

    /// Whether it had to be waited for.
    #[inline]
    pub(crate) fn was_awaited(&self) -> bool {
        self.origin == Origin::Awaited
    }

    /// Whether the connection was opened for this loan.
    pub(crate) fn is_fresh(&self) -> bool {
        self.origin == Origin::Fresh
    }

    /// Closes the connection; true when there was one. The slot stays.
    pub(crate) fn end(&mut self) -> bool {
        let ended = self.open.take();
        let had_one = ended.is_some();
        if !self.is_inherited()
            && let Some(mut open) = ended
        {
            let traffic = open.connection.take_traffic();
            self.lock().count(traffic);
        }
        had_one
    }

    /// The slot has no connection: now it has this one, or the right to open one.
    pub(super) fn fill(&mut self, open: Option<Box<Open<C>>>) {
        self.origin = match open {
            Some(_) => Origin::Awaited,
            None => Origin::ToOpen,
        };
        self.open = open;
    }

    /// The connection, for somebody who counts the slot as free from now on.
    pub(super) fn hand_back(&mut self) -> Option<Box<Open<C>>> {
        self.origin = Origin::Nowhere;
        self.open.take()
    }

    /// Whether it is a right to open a connection.
    pub(super) fn is_right(&self) -> bool {
        self.origin == Origin::ToOpen
    }

    /// Whether there is no slot any more.
    pub(crate) fn is_nothing(&self) -> bool {
        self.origin == Origin::Nowhere
    }

    /// For all but the usual case: somebody waits, or there is no connection to come back.
    #[cold]
    fn give_back(&self, open: Option<Box<Open<C>>>) {
        if self.is_nothing() {
            return;
        }
        let open = match open.map(Riders::serve) {
            Some(Served::Passed) => return,
            Some(Served::All(open)) => Some(open),
            Some(Served::Broken) | None => None,
        };
        let mut slots = self.shared.take_back(open);
        if self.is_right() {
            slots.opened(false);
        }
        self.shared.let_go_on(slots);
    }

    /// `me` has come to lead: passes over the replies of those in front, who have left, and waits for its own to begin.
    pub(crate) fn come_to(&mut self, me: &Arc<Seat<C>>, budget: Budget) -> Result<()> {
        let come = |open: &mut Box<Open<C>>| Riders::come_to(open, me, budget);
        self.open.as_mut().map_or(Ok(()), come)
    }

    /// The time of `me` was over before a byte of its reply came. Somebody with more time has the connection from now on,
    /// and the slot with it, if the stream can still be followed and somebody is there. Also tells whether this silence is
    /// news.
    pub(crate) fn pass_on(&mut self, me: &Seat<C>) -> bool {
        let Some(open) = &mut self.open else {
            return true;
        };
        let is_news = open.riders.give_up(me);
        if open.connection.owes().is_some()
            && let Some(open) = self.open.take()
        {
            self.open = Riders::pass(open);
            if self.open.is_none() {
                self.origin = Origin::Nowhere;
            }
        }
        is_news
    }

    /// Goes on without those whose replies come on the connection; they have it, and the slot. `for_good`: nobody else has
    /// it after them. False when there are none.
    pub(crate) fn part(&mut self, for_good: bool) -> bool {
        let is_shared = |open: &&mut Box<Open<C>>| !open.riders.is_over();
        let Some(open) = self.open.as_mut().filter(is_shared) else {
            return false;
        };
        if for_good {
            open.epoch = OVER;
        }
        let nothing = Loan::new(self.shared, None, Origin::Nowhere);
        drop(std::mem::replace(self, nothing));
        true
    }

    /// What those will be told whose replies were to come on the connection.
    pub(crate) fn explain(&mut self, why: &Error) {
        if let Some(open) = &mut self.open {
            open.riders.explain(why);
        }
    }

    pub(super) fn shared(&self) -> &'a Shared<C> {
        self.shared
    }

    pub(super) fn lock(&self) -> MutexGuard<'a, Slots<C>> {
        self.shared.lock()
    }

    /// Whether it was lent in the parent of this process, whose pool it then is not to touch.
    #[inline]
    pub(super) fn is_inherited(&self) -> bool {
        self.shared.generation != fork::generation()
    }
}

impl<C: Pooled> Drop for Loan<'_, C> {
    #[inline]
    fn drop(&mut self) {
        let open = self.open.take();
        if self.is_inherited() {
            return;
        }
        let Some(mut open) = open else {
            return self.give_back(None);
        };
        let traffic = open.connection.take_traffic();
        open.connection.trim();
        let is_reusable = open.connection.is_reusable();
        let mut slots = self.lock();
        slots.count(traffic);
        if !is_reusable || slots.epoch != open.epoch || !slots.line.is_empty() {
            drop(slots);
            return self.give_back(Some(open));
        }
        slots.lent -= 1;
        slots.idle.push(open);
    }
}
