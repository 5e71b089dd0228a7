//! The connections of one node: at most so many, the idle ones on a stack, so that the last one used is the next one
//! used. Whoever finds all of them lent waits for one, for as long as its budget allows; there are no threads here.
//! A connection that broke, or that belongs to another process, never comes back to the stack.

#[cfg(test)]
pub(crate) mod tests;

use std::fmt;
use std::time::Duration;

use parking_lot::{Condvar, Mutex, MutexGuard};

use crate::base::budget::Budget;
use crate::base::fork::{self, PerProcess};
use crate::base::moment::Moment;
use crate::error::{Error, ErrorKind, Result};

/// What a pool must know of a connection.
pub(crate) trait Pooled {
    /// Nothing broke, and nothing is left to be read.
    fn is_reusable(&self) -> bool;

    /// It is open and nothing has come in unasked; found out without waiting.
    fn is_quiet(&mut self) -> bool;

    /// Gives back memory that it does not need while it is idle.
    fn trim(&mut self);

    /// Bytes read and written since the last time.
    fn take_traffic(&mut self) -> (u64, u64);
}

/// The options of a pool, under their own names.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    pub(crate) max_connections: usize,
    pub(crate) pool_timeout: Duration,
    pub(crate) idle_check: Duration,
    pub(crate) max_lifetime: Option<Duration>,
}

/// Lends connections. It opens none itself: a [`Loan`] without one is the right to open one.
pub(crate) struct Pool<C> {
    limits: Limits,
    state: PerProcess<Shared<C>>,
}

struct Shared<C> {
    generation: u32,
    slots: Mutex<Slots<C>>,
    freed: Condvar,
}

struct Slots<C> {
    idle: Vec<Box<Open<C>>>,
    lent: usize,
    waiting: usize,
    /// Those of them who were woken too late once: a connection that became free went to somebody quicker. Until they
    /// have one, whoever comes has to wait as well.
    passed_over: usize,
    /// Goes up when the pool is closed: what was opened before is not taken back.
    epoch: u64,
    bytes_read: u64,
    bytes_written: u64,
}

struct Open<C> {
    connection: C,
    born: Moment,
    /// When the last call that had it began, not when it ended: reading the clock again would cost more than it
    /// tells.
    idle_since: Moment,
    epoch: u64,
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
        Pool {
            limits,
            state: PerProcess::new(Shared::new()),
        }
    }

    /// A connection, or the right to open one. `careful` asks for one that is known to be alive, as far as that
    /// can be known.
    pub(crate) fn lend(&self, budget: Budget, careful: bool) -> Result<Loan<'_, C>> {
        let shared = self.shared();
        let mut slots = shared.slots.lock();
        if !self.is_free(&slots) {
            slots = self.wait(shared, slots, budget)?;
        }
        Ok(self.take(shared, slots, budget, careful))
    }

    /// The same, but `None` when all are lent.
    pub(crate) fn lend_now(&self, budget: Budget, careful: bool) -> Option<Loan<'_, C>> {
        let shared = self.shared();
        let slots = shared.slots.lock();
        let is_free = self.is_free(&slots);
        is_free.then(|| self.take(shared, slots, budget, careful))
    }

    /// Whether somebody who just came may have a connection.
    #[inline]
    fn is_free(&self, slots: &Slots<C>) -> bool {
        slots.lent < self.limits.max_connections && slots.passed_over == 0
    }

    #[inline(always)]
    fn take<'a>(
        &self,
        shared: &'a Shared<C>,
        mut slots: MutexGuard<'a, Slots<C>>,
        budget: Budget,
        careful: bool,
    ) -> Loan<'a, C> {
        slots.lent += 1;
        let open = slots.idle.pop();
        drop(slots);
        let mut loan = Loan { shared, open };
        let now = budget.started();
        while let Some(open) = &mut loan.open {
            if self.is_trusted(open, now, careful) {
                open.idle_since = now;
                break;
            }
            loan.take_next_idle();
        }
        loan
    }

    #[cold]
    fn wait<'a>(
        &self,
        shared: &'a Shared<C>,
        mut slots: MutexGuard<'a, Slots<C>>,
        budget: Budget,
    ) -> Result<MutexGuard<'a, Slots<C>>> {
        let patience = budget.capped(self.limits.pool_timeout);
        let mut passed_over = false;
        slots.waiting += 1;
        let outcome = loop {
            let Ok(left) = patience.remaining() else {
                let text = format!(
                    "no connection became free within {:?}: all {} are in use",
                    patience.total(),
                    self.limits.max_connections
                );
                break Err(Error::new(ErrorKind::Timeout, text));
            };
            shared.freed.wait_for(&mut slots, left);
            if slots.lent < self.limits.max_connections {
                break Ok(());
            }
            slots.passed_over += usize::from(!passed_over);
            passed_over = true;
        };
        slots.waiting -= 1;
        slots.passed_over -= usize::from(passed_over);
        // Whoever came meanwhile waits although there may be one more.
        if slots.waiting > 0 && slots.lent + 1 < self.limits.max_connections {
            shared.freed.notify_one();
        }
        outcome.map(|()| slots)
    }

    #[inline]
    fn is_trusted(&self, open: &mut Open<C>, now: Moment, careful: bool) -> bool {
        if let Some(longest) = self.limits.max_lifetime
            && now >= open.born.after(longest)
        {
            return false;
        }
        let must_look = careful || now >= open.idle_since.after(self.limits.idle_check);
        !must_look || open.connection.is_quiet()
    }

    /// Closes what is idle now, and what is lent as soon as it comes back.
    pub(crate) fn close(&self) {
        let shared = self.shared();
        let mut slots = shared.slots.lock();
        slots.epoch += 1;
        let idle = std::mem::take(&mut slots.idle);
        drop(slots);
        drop(idle);
    }

    pub(crate) fn state(&self) -> PoolState {
        let slots = self.shared().slots.lock();
        PoolState {
            open: slots.idle.len() + slots.lent,
            idle: slots.idle.len(),
            bytes_read: slots.bytes_read,
            bytes_written: slots.bytes_written,
        }
    }

    pub(crate) fn reset_traffic(&self) {
        let mut slots = self.shared().slots.lock();
        slots.bytes_read = 0;
        slots.bytes_written = 0;
    }

    fn shared(&self) -> &Shared<C> {
        self.state.get(|inherited| {
            inherited.abandon();
            Shared::new()
        })
    }
}

impl<C: Pooled> Shared<C> {
    fn new() -> Self {
        let slots = Slots {
            idle: Vec::new(),
            lent: 0,
            waiting: 0,
            passed_over: 0,
            epoch: 0,
            bytes_read: 0,
            bytes_written: 0,
        };
        Shared {
            generation: fork::generation(),
            slots: Mutex::new(slots),
            freed: Condvar::new(),
        }
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

/// A slot of the pool and the connection in it, if one is open. Dropping it gives both back, also in a panic;
/// a connection in the middle of something is closed.
pub(crate) struct Loan<'a, C: Pooled> {
    shared: &'a Shared<C>,
    open: Option<Box<Open<C>>>,
}

impl<C: Pooled> Loan<'_, C> {
    pub(crate) fn connection(&mut self) -> Option<&mut C> {
        self.open.as_mut().map(|open| &mut open.connection)
    }

    /// The connection at hand, or else one that `connect` opens.
    #[inline]
    pub(crate) fn connection_or(&mut self, connect: impl FnOnce() -> Result<C>) -> Result<&mut C> {
        let open = match &mut self.open {
            Some(open) => open,
            none => none.insert(Self::open(self.shared, connect)?),
        };
        Ok(&mut open.connection)
    }

    #[cold]
    fn open(shared: &Shared<C>, connect: impl FnOnce() -> Result<C>) -> Result<Box<Open<C>>> {
        let epoch = shared.slots.lock().epoch;
        let connection = connect()?;
        let now = Moment::now();
        Ok(Box::new(Open {
            connection,
            born: now,
            idle_since: now,
            epoch,
        }))
    }

    /// The connection broke: closes it, and every idle one with it, for they likely broke too.
    pub(crate) fn discard(&mut self) {
        let mut broken = self.open.take();
        if self.is_inherited() {
            return;
        }
        let mut slots = self.shared.slots.lock();
        if let Some(open) = &mut broken {
            slots.count(open.connection.take_traffic());
        }
        let idle = std::mem::take(&mut slots.idle);
        drop(slots);
        drop((broken, idle));
    }

    fn take_next_idle(&mut self) {
        let dead = self.open.take();
        let mut slots = self.shared.slots.lock();
        self.open = slots.idle.pop();
        drop(slots);
        drop(dead);
    }

    /// Whether it was lent in the parent of this process, whose pool it then is not to touch.
    fn is_inherited(&self) -> bool {
        self.shared.generation != fork::generation()
    }
}

impl<C: Pooled> Drop for Loan<'_, C> {
    #[inline]
    fn drop(&mut self) {
        let mut open = self.open.take();
        if self.is_inherited() {
            return;
        }
        let mut traffic = (0, 0);
        if let Some(open) = &mut open {
            traffic = open.connection.take_traffic();
            open.connection.trim();
        }
        let open = open.filter(|open| open.connection.is_reusable());
        let mut slots = self.shared.slots.lock();
        slots.lent -= 1;
        slots.count(traffic);
        let mut closed = None;
        match open {
            Some(open) if slots.epoch == open.epoch => slots.idle.push(open),
            other => closed = other,
        }
        let is_awaited = slots.waiting > 0;
        drop(slots);
        if is_awaited {
            self.shared.freed.notify_one();
        }
        drop(closed);
    }
}

impl<C> Slots<C> {
    /// Adds the traffic of a connection that comes back.
    fn count(&mut self, (read, written): (u64, u64)) {
        self.bytes_read += read;
        self.bytes_written += written;
    }
}
