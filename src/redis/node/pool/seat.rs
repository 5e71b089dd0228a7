//! One thread that waits at a pool, for a connection of its own or for somebody who takes its commands along, and what
//! becomes of it. Its state changes under its own lock only, so that of a reply that comes and a time that ends one is first.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::base::budget::Budget;
use crate::base::moment::Moment;
#[cfg(test)]
use crate::base::orders;
use crate::error::Error;

use super::open::{Open, Pooled};

/// What somebody waits for.
#[derive(Debug, Clone, Copy)]
pub(super) enum Wish {
    /// A slot, with a connection or the right to open one.
    Slot,
    /// It has a slot, and wants a connection that was opened at `since` or later (any, if that is `None`), or the right to
    /// open one, if that is not what it has.
    Connection {
        since: Option<Moment>,
        has_right: bool,
    },
    /// A connection that takes its commands along; a slot will do.
    Ride,
}

/// Somebody who waits.
pub(crate) struct Seat<C> {
    pub(super) wish: Wish,
    pub(super) commands: usize,
    /// Bytes of those commands.
    pub(super) len: usize,
    state: Mutex<State<C>>,
    told: Condvar,
}

enum State<C> {
    /// In line, with what is to be sent.
    Waiting(Vec<u8>),
    /// The same, and it may look whether there is something for it: somebody quicker may have it by then.
    Called(Vec<u8>),
    /// Its commands are written; the memory is for the replies.
    Sent(Vec<u8>),
    Arrived(Arrival<C>),
    /// It went away: its time was over, or it has what it came for.
    Left,
}

/// What becomes of somebody who waits.
pub(super) enum Arrival<C> {
    /// What it wished for: a connection, or the right to open one. Nothing was sent.
    Slot(Option<Box<Open<C>>>),
    /// The connection its replies will come on, with those whose replies come behind them.
    Lead(Box<Open<C>>),
    /// Its replies, whole.
    Replies(Vec<u8>),
    /// The connection broke.
    Lost(Lost),
}

/// Commands of somebody who rode on a connection that broke.
pub(crate) struct Lost {
    pub(crate) error: Error,
    /// They were not written.
    pub(crate) unsent: bool,
    /// Connections from before this may have ended as well.
    pub(crate) since: Option<Moment>,
}

/// Why somebody no longer waits.
pub(super) enum Woken<C> {
    Arrived(Arrival<C>),
    /// It was called, or its time in line is over: the line knows more.
    Look,
    /// Its commands were sent, and no reply came in time.
    Late,
}

impl<C> Seat<C> {
    pub(super) fn new(wish: Wish, packed: Vec<u8>, commands: usize) -> Arc<Seat<C>> {
        Arc::new(Seat {
            wish,
            commands,
            len: packed.len(),
            state: Mutex::new(State::Waiting(packed)),
            told: Condvar::new(),
        })
    }

    fn state(&self) -> MutexGuard<'_, State<C>> {
        #[cfg(test)]
        if let Some(state) = orders::lock(|| self.state.try_lock().ok()) {
            return state;
        }
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits in line as long as `patience`, and for replies as long as `budget`.
    pub(super) fn wait(&self, patience: Budget, budget: Budget) -> Woken<C> {
        let mut state = self.state();
        loop {
            let (left, late) = match &*state {
                State::Arrived(_) | State::Left => return take(&mut state),
                State::Called(_) => return Woken::Look,
                State::Waiting(_) => (patience.left(), Woken::Look),
                State::Sent(_) => (budget.left(), Woken::Late),
            };
            let Some(left) = left else {
                if matches!(late, Woken::Late) {
                    *state = State::Left;
                }
                return late;
            };
            state = self.wait_on(state, left);
        }
    }

    fn wait_on<'a>(
        &'a self,
        state: MutexGuard<'a, State<C>>,
        left: Duration,
    ) -> MutexGuard<'a, State<C>> {
        #[cfg(test)]
        if orders::is_on() {
            drop(state);
            orders::wait(std::ptr::from_ref(self).addr());
            return self.state();
        }
        let woken = self.told.wait_timeout(state, left);
        woken.unwrap_or_else(PoisonError::into_inner).0
    }

    /// With the line locked: whether it is still in line, and if so, whether it was called. It waits on, uncalled.
    pub(super) fn look(&self) -> Option<bool> {
        let mut state = self.state();
        match std::mem::replace(&mut *state, State::Left) {
            State::Waiting(packed) => {
                *state = State::Waiting(packed);
                Some(false)
            }
            State::Called(packed) => {
                *state = State::Waiting(packed);
                Some(true)
            }
            other => {
                *state = other;
                None
            }
        }
    }

    /// With the line locked: it goes away, or has what it came for. False: it was out of the line already, and its commands
    /// have gone out since it looked.
    pub(super) fn leave(&self) -> bool {
        let mut state = self.state();
        let is_still_here = matches!(*state, State::Waiting(_));
        if is_still_here {
            *state = State::Left;
        }
        is_still_here
    }

    /// With the line locked: it may look whether there is something for it. It is to be woken.
    pub(super) fn call(&self) {
        let mut state = self.state();
        if let State::Waiting(packed) = &mut *state {
            *state = State::Called(std::mem::take(packed));
        }
    }

    #[cfg(test)]
    pub(super) fn is_called(&self) -> bool {
        matches!(*self.state(), State::Called(_))
    }

    pub(super) fn wake(&self) {
        self.told.notify_one();
        #[cfg(test)]
        orders::wake(std::ptr::from_ref(self).addr());
    }

    /// Tells it what became of it; gives that back when it has left.
    pub(super) fn arrive(&self, arrival: Arrival<C>) -> Result<(), Arrival<C>> {
        let mut state = self.state();
        if matches!(*state, State::Arrived(_) | State::Left) {
            return Err(arrival);
        }
        *state = State::Arrived(arrival);
        drop(state);
        self.wake();
        Ok(())
    }
}

impl<C: Pooled> Seat<C> {
    /// Adds its commands to those that go out; false when it has left.
    pub(super) fn board(&self, connection: &mut C) -> bool {
        let mut state = self.state();
        let State::Waiting(packed) = &mut *state else {
            return false;
        };
        connection.append(packed, self.commands);
        packed.clear();
        *state = State::Sent(std::mem::take(packed));
        true
    }

    /// Hands it its replies, if they are there; false: they are not. Of one who has left they are passed over.
    pub(super) fn serve(&self, connection: &mut C) -> Result<bool, Error> {
        let mut state = self.state();
        let mut memory = match &mut *state {
            State::Sent(memory) => std::mem::take(memory),
            _ => Vec::new(),
        };
        let served = connection.take_replies(self.commands, &mut memory);
        if !matches!(*state, State::Sent(_)) {
            return served;
        }
        let is_there = matches!(served, Ok(true));
        *state = match is_there {
            true => State::Arrived(Arrival::Replies(memory)),
            false => State::Sent(memory),
        };
        drop(state);
        if is_there {
            self.wake();
        }
        served
    }
}

fn take<C>(state: &mut State<C>) -> Woken<C> {
    match std::mem::replace(state, State::Left) {
        State::Arrived(arrival) => Woken::Arrived(arrival),
        // Nobody waits twice.
        _ => Woken::Late,
    }
}
