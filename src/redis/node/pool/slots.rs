//! The connections of a pool and the right to open them, and who has them next: the steps that are done with its lock held.

use super::open::Open;
use super::seat::{Arrival, Wish};
use super::{Bounds, OPENED_AT_A_TIME, Slots};

impl<C> Slots<C> {
    /// Whether there is a slot, and a connection for it or the right to open one: for those who just came, and for those in
    /// line.
    #[inline]
    pub(super) fn is_free(&self, bounds: &Bounds) -> bool {
        self.lent < bounds.max_connections && self.has_connection()
    }

    /// Whether somebody with a slot may go on.
    #[inline]
    pub(super) fn has_connection(&self) -> bool {
        !self.idle.is_empty() || self.may_open()
    }

    pub(super) fn may_open(&self) -> bool {
        !self.is_recovering || self.opening < OPENED_AT_A_TIME
    }

    /// A right to open a connection was used, or given back.
    pub(super) fn opened(&mut self, is_open: bool) {
        self.opening -= 1;
        self.is_recovering = !is_open || self.is_recovering && self.opening > 0;
    }

    /// The first in line goes on with what there is.
    pub(super) fn give_to_first(&mut self) {
        let Some(first) = self.line.pop() else { return };
        let open = self.idle.pop();
        self.lent += 1;
        self.opening += usize::from(open.is_none());
        // With the line locked nobody leaves it.
        let _ = first.arrive(Arrival::Slot(open));
    }

    /// Those who have slots go on, as far as there are connections for them or rights to open some.
    pub(super) fn let_reconnect(&mut self) {
        let mut at = 0;
        while let Some(wish) = self.line.reconnecting_wish(at) {
            match self.reconnection(wish) {
                Some(open) => self.line.reconnects(at, Arrival::Slot(open)),
                None => at += 1,
            }
        }
    }

    /// What there is for somebody who has a slot: a connection, or the right to open one.
    pub(super) fn reconnection(&mut self, wish: Wish) -> Option<Option<Box<Open<C>>>> {
        let Wish::Connection { since, has_right } = wish else {
            return None;
        };
        let is_wanted = |open: &Open<C>| since.is_none_or(|since| open.born >= since);
        let place = self.idle.iter().rposition(|open| is_wanted(open));
        if place.is_none() && !self.may_open() {
            return None;
        }
        let open = place.map(|place| self.idle.remove(place));
        self.opening += usize::from(open.is_none() && !has_right);
        self.opening -= usize::from(open.is_some() && has_right);
        Some(open)
    }

    /// Adds the traffic of a connection that comes back.
    #[inline]
    pub(super) fn count(&mut self, (read, written): (u64, u64)) {
        self.bytes_read += read;
        self.bytes_written += written;
    }
}
