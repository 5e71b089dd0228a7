//! Those who wait at a pool stand in one line, whatever they wait for. Whoever gives something back lets go on who can, in
//! that order, and goes home: nobody is waited for here, and nothing is written that would have to be waited for.

use std::collections::VecDeque;
use std::sync::Arc;

use parking_lot::MutexGuard;

use crate::base::budget::Budget;
use crate::base::moment::Moment;
use crate::error::Result;

use super::idle::Fit;
use super::loan::Origin;
use super::riders::Riders;
use super::seat::{Arrival, Lost, Seat, Wish, Woken};
use super::{Loan, Open, Pool, Pooled, Shared, Slots};

/// What goes out at once of those who share a connection, and the longest command that may: a socket takes that without
/// waiting, and a reply is not kept waiting by what is written behind it.
pub(crate) const COMBINED: usize = 64 * 1024;

/// Who was called so often and found that somebody quicker had the connection is given the next one. Handing over every one
/// would let it rest until the thread that it is for has a processor: a convoy.
const PASSED_OVER: u32 = 4;

/// Those who wait.
pub(super) struct Line<C> {
    /// Those who have a slot, and want a connection in it while the node recovers.
    reconnecting: VecDeque<Arc<Seat<C>>>,
    /// Those who want a slot, or somebody who takes their commands along.
    seats: VecDeque<Arc<Seat<C>>>,
    /// The first of them was called and has not looked yet. One at a time: those who are called for nothing go back to
    /// sleep, and each such turn costs more than a GET.
    is_called: bool,
    /// How often the first one was passed over.
    passed_over: u32,
}

/// How it went for commands that were queued.
pub(crate) enum Ride<'a, C: Pooled> {
    /// Nothing was sent, and this is free now.
    Alone(Loan<'a, C>),
    /// They were sent, and the replies come here.
    Lead(Loan<'a, C>, Arc<Seat<C>>),
    Replies(Vec<u8>),
    Lost(Lost),
    /// No reply came in time.
    Late,
}

impl<C> Line<C> {
    pub(super) fn new() -> Self {
        Line {
            reconnecting: VecDeque::new(),
            seats: VecDeque::new(),
            is_called: false,
            passed_over: 0,
        }
    }

    #[inline(always)]
    pub(super) fn is_empty(&self) -> bool {
        self.seats.is_empty() && self.reconnecting.is_empty()
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.seats.len() + self.reconnecting.len()
    }

    #[cfg(test)]
    pub(super) fn called(&self) -> usize {
        self.seats.iter().filter(|seat| seat.is_called()).count()
    }

    /// The first one is not in line any more.
    pub(super) fn pop(&mut self) -> Option<Arc<Seat<C>>> {
        self.passed_over = 0;
        self.seats.pop_front()
    }

    /// What the next of those wants who want a connection in their slot.
    pub(super) fn reconnecting_wish(&self, at: usize) -> Option<Wish> {
        self.reconnecting.get(at).map(|seat| seat.wish)
    }

    /// It has it.
    pub(super) fn reconnects(&mut self, at: usize, arrival: Arrival<C>) {
        if let Some(seat) = self.reconnecting.remove(at) {
            // With the line locked nobody leaves it.
            let _ = seat.arrive(arrival);
        }
    }

    /// Lets as many on as go out at once.
    fn fill(&mut self, riders: &mut Riders<C>) {
        let mut bytes = 0;
        while let Some(first) = self.seats.front()
            && matches!(first.wish, Wish::Ride)
            && (bytes == 0 || bytes + first.len <= COMBINED)
        {
            bytes += first.len;
            if let Some(first) = self.seats.pop_front() {
                riders.push(first);
            }
        }
        self.passed_over = 0;
    }

    /// `seat` is not in line any more.
    fn remove(&mut self, seat: &Arc<Seat<C>>) {
        let is_it = |other: &Arc<Seat<C>>| Arc::ptr_eq(other, seat);
        if self.seats.front().is_some_and(is_it) {
            self.pop();
            return;
        }
        self.seats.retain(|other| !is_it(other));
        self.reconnecting.retain(|other| !is_it(other));
    }
}

impl<C: Pooled> Pool<C> {
    /// Waits for a slot, which `slots` says is not to be had now.
    #[cold]
    pub(super) fn wait_for_slot<'a>(
        &self,
        shared: &'a Shared<C>,
        mut slots: MutexGuard<'a, Slots<C>>,
        budget: Budget,
    ) -> Result<Loan<'a, C>> {
        let seat = Seat::new(Wish::Slot, Vec::new(), 0);
        slots.line.seats.push_back(Arc::clone(&seat));
        drop(slots);
        match self.wait(shared, &seat, budget)? {
            Ride::Alone(loan) => Ok(loan),
            // Nobody takes along who has nothing to send.
            _ => Err(self.none_free(&shared.lock(), budget)),
        }
    }

    /// Queues commands for the next connection that comes by, and waits for what becomes of them: for that as long as
    /// `pool_timeout`, for their replies as long as `budget`.
    #[cold]
    pub(crate) fn ride(
        &self,
        packed: Vec<u8>,
        commands: usize,
        budget: Budget,
    ) -> Result<Ride<'_, C>> {
        let shared = self.shared();
        let mut slots = shared.lock();
        if slots.is_free(&self.bounds) {
            let loan = self.take(shared, slots, Origin::Awaited, budget, true);
            return loan.map(Ride::Alone);
        }
        let seat = Seat::new(Wish::Ride, packed, commands);
        slots.line.seats.push_back(Arc::clone(&seat));
        drop(slots);
        self.wait(shared, &seat, budget)
    }

    /// Waits for a connection in the slot of a loan.
    pub(super) fn wait_for_connection<'a>(
        &self,
        shared: &'a Shared<C>,
        mut slots: MutexGuard<'a, Slots<C>>,
        wish: Wish,
        budget: Budget,
    ) -> Result<Option<Box<Open<C>>>> {
        let seat = Seat::new(wish, Vec::new(), 0);
        slots.line.reconnecting.push_back(Arc::clone(&seat));
        drop(slots);
        let patience = budget.capped(self.limits.pool_timeout);
        loop {
            if let Woken::Arrived(Arrival::Slot(open)) = seat.wait(patience, budget) {
                return Ok(open);
            }
            let mut slots = shared.lock();
            if seat.look().is_some() {
                slots.line.remove(&seat);
                return Err(self.none_free(&slots, patience));
            }
        }
    }

    fn wait<'a>(
        &self,
        shared: &'a Shared<C>,
        seat: &Arc<Seat<C>>,
        budget: Budget,
    ) -> Result<Ride<'a, C>> {
        let patience = budget.capped(self.limits.pool_timeout);
        loop {
            match seat.wait(patience, budget) {
                Woken::Late => return Ok(Ride::Late),
                Woken::Arrived(arrival) => return self.arrived(shared, seat, arrival, budget),
                Woken::Look => {}
            }
            let mut slots = shared.lock();
            // Something came of it meanwhile.
            let Some(was_called) = seat.look() else {
                continue;
            };
            slots.line.is_called &= !was_called;
            let is_late = patience.left().is_none();
            let is_free = slots.is_free(&self.bounds) && (was_called || is_late);
            if (is_free || is_late) && !seat.leave() {
                continue;
            }
            if is_free {
                slots.line.remove(seat);
                let loan = self.take(shared, slots, Origin::Awaited, budget, true);
                shared.let_go_on(shared.lock());
                return loan.map(Ride::Alone);
            }
            if is_late {
                slots.line.remove(seat);
                let none_free = self.none_free(&slots, patience);
                // It may have been called: then somebody else is.
                shared.let_go_on(slots);
                return Err(none_free);
            }
            slots.line.passed_over += 1;
        }
    }

    fn arrived<'a>(
        &self,
        shared: &'a Shared<C>,
        seat: &Arc<Seat<C>>,
        arrival: Arrival<C>,
        budget: Budget,
    ) -> Result<Ride<'a, C>> {
        Ok(match arrival {
            Arrival::Slot(None) => Ride::Alone(Loan::new(shared, None, Origin::ToOpen)),
            Arrival::Slot(Some(open)) => {
                let mut loan = Loan::new(shared, Some(open), Origin::Awaited);
                self.inspect(&mut loan, Moment::now(), Some(budget))?;
                Ride::Alone(loan)
            }
            Arrival::Lead(open) => {
                let loan = Loan::new(shared, Some(open), Origin::Awaited);
                Ride::Lead(loan, Arc::clone(seat))
            }
            Arrival::Replies(bytes) => Ride::Replies(bytes),
            Arrival::Lost(lost) => Ride::Lost(lost),
        })
    }
}

impl<C: Pooled> Shared<C> {
    /// Something was given back: lets those go on who can.
    #[cold]
    pub(super) fn let_go_on<'a>(&'a self, mut slots: MutexGuard<'a, Slots<C>>) {
        slots.let_reconnect();
        loop {
            let is_free = slots.is_free(&self.bounds);
            let Some(first) = slots.line.seats.front().filter(|_| is_free) else {
                return;
            };
            match first.wish {
                Wish::Ride if !slots.idle.is_empty() => slots = self.depart(slots),
                Wish::Slot if slots.line.is_called => return,
                Wish::Slot if slots.line.passed_over < PASSED_OVER => {
                    slots.line.is_called = true;
                    let first = slots.line.seats.front().map(Arc::clone);
                    first.iter().for_each(|first| first.call());
                    drop(slots);
                    first.iter().for_each(|first| first.wake());
                    return;
                }
                _ => slots.give_to_first(),
            }
        }
    }

    /// Writes the commands of those in front on a connection that rests, and gives it to the first of them.
    fn depart<'a>(&'a self, mut slots: MutexGuard<'a, Slots<C>>) -> MutexGuard<'a, Slots<C>> {
        let now = Moment::now();
        let Some(mut open) = slots.idle.pop() else {
            return slots;
        };
        let fit = self.bounds.fitness(&mut open, now, self.bounds.idle_check);
        if fit != Fit::Yes {
            slots.is_recovering |= fit == Fit::Dead;
            drop(slots);
            drop(open);
            return self.lock();
        }
        slots.lent += 1;
        slots.line.fill(&mut open.riders);
        drop(slots);
        open.idle_since = now;
        if !Riders::board(&mut open) {
            return self.take_back(Some(open));
        }
        match self.send_off(open) {
            None => self.lock(),
            back => self.take_back(back),
        }
    }

    /// The connection goes to the first rider, with the slot, or comes back to be closed.
    fn send_off(&self, mut open: Box<Open<C>>) -> Option<Box<Open<C>>> {
        match open.connection.depart() {
            // Nobody wants the replies that are to come.
            Ok(()) => Riders::pass(open),
            Err(fault) => {
                self.lock().is_recovering = true;
                open.riders.fail(&fault.error, fault.unsent);
                Some(open)
            }
        }
    }

    /// A slot comes back, with a connection or without.
    pub(super) fn take_back(&self, open: Option<Box<Open<C>>>) -> MutexGuard<'_, Slots<C>> {
        let open = open.filter(|open| open.connection.is_reusable());
        let mut slots = self.lock();
        slots.lent -= 1;
        match open {
            Some(open) if slots.epoch == open.epoch => slots.idle.push(open),
            Some(old) => {
                drop(slots);
                drop(old);
                slots = self.lock();
            }
            None => {}
        }
        slots
    }
}
