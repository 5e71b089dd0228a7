//! The connections of one node: at most so many, the idle ones on a stack, so that the last one used is the next one
//! used. Whoever finds all of them lent waits for one, for as long as its budget allows; there are no threads here.
//! A connection that broke, or that belongs to another process, never comes back to the stack.

mod idle;
mod line;
mod loan;
#[cfg(test)]
mod model;
mod open;
mod riders;
mod seat;
mod slots;
#[cfg(test)]
pub(crate) mod tests;

use std::fmt;
use std::time::Duration;

use parking_lot::{Mutex, MutexGuard};

use crate::base::budget::Budget;
use crate::base::fork::{self, PerProcess};
use crate::base::moment::Moment;
#[cfg(test)]
use crate::base::orders;
use crate::error::{Error, Result};

use line::Line;
pub(crate) use line::{COMBINED, Ride};
pub(crate) use loan::Loan;
use loan::Origin;
use open::Open;
pub(crate) use open::Pooled;
pub(crate) use seat::{Lost, Seat};

/// How many connections are opened at a time while the node recovers from a fault: who waits for one may have the
/// connection of somebody else before its own would be there.
const OPENED_AT_A_TIME: usize = 4;

/// How often all connections are given up for one: a server that takes no writes for long still serves its readers.
const DOUBTED_EVERY: Duration = Duration::from_secs(1);

/// The options of a pool, under their own names.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    pub(crate) max_connections: usize,
    pub(crate) pool_timeout: Duration,
    pub(crate) idle_check: Duration,
    pub(crate) idle_timeout: Option<Duration>,
    pub(crate) max_lifetime: Option<Duration>,
}

/// Lends connections. It opens none itself: a [`Loan`] without one is the right to open one.
pub(crate) struct Pool<C> {
    limits: Limits,
    bounds: Bounds,
    state: PerProcess<Shared<C>>,
}

struct Shared<C> {
    generation: u32,
    bounds: Bounds,
    slots: Mutex<Slots<C>>,
}

/// What is asked of every connection, in nanoseconds.
#[derive(Debug, Clone, Copy)]
struct Bounds {
    max_connections: usize,
    idle_check: u64,
    idle_timeout: u64,
    max_lifetime: u64,
}

struct Slots<C> {
    idle: Vec<Box<Open<C>>>,
    lent: usize,
    /// Those of them that are rights to open one.
    opening: usize,
    /// Since a fault, and until nobody opens one any more: few at a time do.
    is_recovering: bool,
    line: Line<C>,
    /// Goes up when the pool is closed: what was opened before is not taken back.
    epoch: u64,
    /// When all connections were last given up because of what one of them was told.
    doubted_at: Option<Moment>,
    /// When somebody who passes by looks at the idle ones again.
    look_at: Moment,
    bytes_read: u64,
    bytes_written: u64,
}

/// What a pool looks like now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct PoolState {
    pub(crate) open: usize,
    pub(crate) idle: usize,
    pub(crate) bytes_read: u64,
    pub(crate) bytes_written: u64,
}

impl<C: Pooled> Pool<C> {
    pub(crate) fn new(limits: Limits) -> Self {
        let nanos = |time: Duration| u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
        let bounds = Bounds {
            max_connections: limits.max_connections,
            idle_check: nanos(limits.idle_check),
            idle_timeout: limits.idle_timeout.map_or(u64::MAX, nanos),
            max_lifetime: limits.max_lifetime.map_or(u64::MAX, nanos),
        };
        Pool {
            limits,
            bounds,
            state: PerProcess::new(Shared::new(bounds)),
        }
    }

    /// A connection, or the right to open one.
    #[inline]
    pub(crate) fn lend(&self, budget: Budget) -> Result<Loan<'_, C>> {
        let shared = self.shared();
        let slots = shared.lock();
        if !slots.is_free(&self.bounds) {
            return self.wait_for_slot(shared, slots, budget);
        }
        self.take(shared, slots, Origin::Idle, budget, true)
    }

    /// The same, but `None` when all are lent: commands can do with less than a connection of their own.
    #[inline(always)]
    pub(crate) fn lend_if_free(&self, budget: Budget) -> Option<Result<Loan<'_, C>>> {
        let shared = self.shared();
        let slots = shared.lock();
        let is_free = slots.is_free(&self.bounds);
        is_free.then(|| self.take(shared, slots, Origin::Idle, budget, true))
    }

    /// How many wait.
    #[cfg(test)]
    pub(crate) fn in_line(&self) -> usize {
        self.shared().lock().line.len()
    }

    /// Nothing lent.
    pub(crate) fn no_loan(&self) -> Loan<'_, C> {
        Loan::new(self.shared(), None, Origin::Nowhere)
    }

    /// The same, but `None` when it would have to wait.
    pub(crate) fn lend_now(&self, budget: Budget) -> Option<Loan<'_, C>> {
        let shared = self.shared();
        let slots = shared.lock();
        if !slots.is_free(&self.bounds) {
            return None;
        }
        self.take(shared, slots, Origin::Idle, budget, false).ok()
    }

    /// The last connection used, if it can be used without a look at it.
    #[inline(always)]
    fn take<'a>(
        &self,
        shared: &'a Shared<C>,
        mut slots: MutexGuard<'a, Slots<C>>,
        origin: Origin,
        budget: Budget,
        may_wait: bool,
    ) -> Result<Loan<'a, C>> {
        let now = budget.started();
        if now < slots.look_at
            && let Some(open) = slots.idle.last_mut()
            && self.is_trusted(open, now)
        {
            open.idle_since = now;
            let open = slots.idle.pop();
            slots.lent += 1;
            return Ok(Loan::new(shared, open, origin));
        }
        self.take_with_care(shared, slots, origin, budget, may_wait)
    }

    #[inline(always)]
    fn is_trusted(&self, open: &Open<C>, now: Moment) -> bool {
        now.nanos_since(open.idle_since) < self.bounds.idle_check
            && now.nanos_since(open.born) < self.bounds.max_lifetime
    }

    /// The same where it has to be looked at, or where there is none, and the part of those who pass by.
    #[cold]
    fn take_with_care<'a>(
        &self,
        shared: &'a Shared<C>,
        mut slots: MutexGuard<'a, Slots<C>>,
        origin: Origin,
        budget: Budget,
        may_wait: bool,
    ) -> Result<Loan<'a, C>> {
        let now = budget.started();
        slots.lent += 1;
        let is_due = now >= slots.look_at;
        let mut open = slots.idle.pop();
        let (mut is_trusted, mut origin) = (true, origin);
        match &mut open {
            Some(open) if self.is_trusted(open, now) => open.idle_since = now,
            Some(_) => is_trusted = false,
            None => {
                slots.opening += 1;
                origin = Origin::ToOpen;
            }
        }
        drop(slots);
        let mut loan = Loan::new(shared, open, origin);
        if is_due {
            self.look_around(now);
        }
        if !is_trusted {
            self.inspect(&mut loan, now, may_wait.then_some(budget))?;
        }
        Ok(loan)
    }

    fn none_free(&self, slots: &Slots<C>, patience: Budget) -> Error {
        let why = if slots.lent < self.limits.max_connections {
            format!("the node recovers, and {} are being opened", slots.opening)
        } else {
            format!("all {} are in use", self.limits.max_connections)
        };
        let text = format!(
            "no connection became free within {:?}: {why}",
            patience.total()
        );
        Error::crowded(text)
    }

    /// Closes what is idle now, and what is lent as soon as it comes back.
    pub(crate) fn close(&self) {
        self.give_up(self.shared().lock());
    }

    /// The same, now and then, after a connection turned out to lead to the wrong server, or to be in the wrong state: the
    /// others, of the same age, may be so too.
    pub(crate) fn doubt(&self, now: Moment) {
        let mut slots = self.shared().lock();
        let is_due = |at: Moment| now >= at.after(DOUBTED_EVERY);
        if slots.doubted_at.is_none_or(is_due) {
            slots.doubted_at = Some(now);
            self.give_up(slots);
        }
    }

    fn give_up(&self, mut slots: MutexGuard<'_, Slots<C>>) {
        slots.epoch += 1;
        let idle = std::mem::take(&mut slots.idle);
        drop(slots);
        drop(idle);
    }

    /// Looks at all idle connections first: what the server closed is not open.
    pub(crate) fn state(&self) -> PoolState {
        self.look_at_idle(Moment::now(), 0, false);
        let slots = self.shared().lock();
        PoolState {
            open: slots.idle.len() + slots.lent,
            idle: slots.idle.len(),
            bytes_read: slots.bytes_read,
            bytes_written: slots.bytes_written,
        }
    }

    pub(crate) fn reset_traffic(&self) {
        let mut slots = self.shared().lock();
        slots.bytes_read = 0;
        slots.bytes_written = 0;
    }

    fn shared(&self) -> &Shared<C> {
        self.state.get(|inherited| {
            inherited.abandon();
            Shared::new(self.bounds)
        })
    }
}

impl<C: Pooled> Shared<C> {
    fn new(bounds: Bounds) -> Self {
        let slots = Slots {
            idle: Vec::new(),
            lent: 0,
            opening: 0,
            is_recovering: false,
            line: Line::new(),
            epoch: 0,
            doubted_at: None,
            look_at: Moment::now(),
            bytes_read: 0,
            bytes_written: 0,
        };
        Shared {
            generation: fork::generation(),
            bounds,
            slots: Mutex::new(slots),
        }
    }

    #[inline(always)]
    fn lock(&self) -> MutexGuard<'_, Slots<C>> {
        #[cfg(test)]
        if let Some(slots) = orders::lock(|| self.slots.try_lock()) {
            return slots;
        }
        self.slots.lock()
    }

    /// Closes the parent's idle connections in a child: the descriptors only, nothing is sent. When the lock is
    /// held, by a thread that only the parent has, they stay open and unused.
    fn abandon(&self) {
        if let Some(mut slots) = self.slots.try_lock() {
            slots.idle.clear();
        }
    }
}

impl<C> fmt::Debug for Pool<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pool")
            .field("limits", &self.limits)
            .finish_non_exhaustive()
    }
}
