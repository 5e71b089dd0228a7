//! What a caller has of a pool while its call lasts: a slot, and the connection in it or the right to open one. It gives
//! back what it has when it is dropped, whatever happened.

use parking_lot::MutexGuard;

use crate::base::fork;
use crate::base::moment::Moment;
use crate::error::Result;

use super::{Open, Pooled, Shared, Slots};

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
        let epoch = shared.slots.lock().epoch;
        let connection = connect()?;
        let had_right = std::mem::replace(origin, Origin::Fresh) == Origin::ToOpen;
        if had_right && shared.generation == fork::generation() {
            let mut slots = shared.slots.lock();
            slots.opened(true);
            shared.wake(slots, true);
        }
        let now = Moment::now();
        Ok(Box::new(Open {
            connection,
            born: now,
            idle_since: now,
            epoch,
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

    /// The slot has no connection: now it has this one of the stack, or the right to open one.
    pub(super) fn fill(&mut self, slots: &mut Slots<C>, open: Option<Box<Open<C>>>) {
        slots.opening += usize::from(open.is_none() && self.origin != Origin::ToOpen);
        slots.opening -= usize::from(open.is_some() && self.origin == Origin::ToOpen);
        self.origin = match open {
            Some(_) => Origin::Awaited,
            None => Origin::ToOpen,
        };
        self.open = open;
    }

    /// For all but the usual case: somebody waits, or there is no connection to come back.
    #[cold]
    fn give_back_slot(&self, open: Option<Box<Open<C>>>) {
        let mut slots = self.lock();
        slots.lent -= 1;
        let had_right = self.origin == Origin::ToOpen;
        if had_right {
            slots.opened(false);
        }
        let mut closed = None;
        match open {
            Some(open) if slots.epoch == open.epoch => slots.idle.push(open),
            other => closed = other,
        }
        self.shared.wake(slots, had_right);
        drop(closed);
    }

    pub(super) fn shared(&self) -> &'a Shared<C> {
        self.shared
    }

    pub(super) fn lock(&self) -> MutexGuard<'a, Slots<C>> {
        self.shared.slots.lock()
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
            return self.give_back_slot(None);
        };
        let traffic = open.connection.take_traffic();
        open.connection.trim();
        let is_reusable = open.connection.is_reusable();
        let mut slots = self.lock();
        slots.count(traffic);
        if !is_reusable || slots.epoch != open.epoch || slots.waiting > 0 {
            drop(slots);
            return self.give_back_slot(Some(open).filter(|_| is_reusable));
        }
        slots.lent -= 1;
        slots.idle.push(open);
    }
}
