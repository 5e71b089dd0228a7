//! Reading: into the buffer, and past it straight to where a large value belongs. Memory is taken for bytes that came.

use std::mem::MaybeUninit;

use crate::base::budget::Budget;
use crate::error::{Error, Result};

use super::Wire;

/// A read that may meet a large value goes no further: what of it is read ahead has to be copied to its place.
const GLANCE: usize = 4 * 1024;
/// The buffer grows by what it already holds or by this, whatever is more, so a lie about a length costs little.
pub(super) const GROWTH: usize = 1024 * 1024;
/// No single step of growth is larger.
const STEP: usize = 64 * 1024 * 1024;

impl Wire {
    /// What has been read and not been taken.
    #[inline]
    pub(crate) fn buffered(&self) -> &[u8] {
        self.buffer.get(self.start..).unwrap_or_default()
    }

    /// The next `len` bytes, which must be buffered; they count as read.
    #[inline]
    pub(crate) fn take(&mut self, len: usize) -> &[u8] {
        let start = self.start;
        self.start = (start + len).min(self.buffer.len());
        self.buffer.get(start..self.start).unwrap_or_default()
    }

    /// The same for `len` bytes that lie between some others, which are passed over.
    #[inline]
    pub(crate) fn take_between(
        &mut self,
        before: usize,
        len: usize,
        after: usize,
    ) -> Option<&[u8]> {
        let start = self.start + before;
        self.start = (start + len + after).min(self.buffer.len());
        self.buffer.get(start..start + len)
    }

    /// Reads until at least `len` bytes are buffered.
    #[inline]
    pub(crate) fn need(&mut self, len: usize, budget: Budget) -> Result<()> {
        while self.buffered().len() < len {
            self.fill(len, budget)?;
        }
        Ok(())
    }

    /// Reads at least one byte more than is buffered.
    pub(crate) fn more(&mut self, budget: Budget) -> Result<()> {
        self.fill(self.buffered().len() + 1, budget)
    }

    /// Reads something, but not far ahead, if nothing is buffered.
    #[inline]
    pub(crate) fn glance(&mut self, budget: Budget) -> Result<()> {
        if self.buffered().is_empty() {
            self.fill_some(1, GLANCE, budget)?;
        }
        Ok(())
    }

    /// Reads what is there without waiting, as far as the buffer has room; false when nothing was.
    pub(crate) fn fill_at_once(&mut self) -> Result<bool> {
        self.make_room(self.buffered().len() + 1)?;
        let spare = self.buffer.spare_capacity_mut();
        let received = match &mut self.secure {
            None => self.stream.receive_at_once(spare),
            Some(secure) => match secure.receive_at_once(&mut self.stream, spare)? {
                Some(count) => Ok(count),
                None => return Ok(false),
            },
        };
        match received {
            Ok(0) => Err(self.stream.hung_up()),
            Ok(count) => {
                // SAFETY: that many bytes were written at the start of the spare capacity.
                unsafe { self.buffer.set_len(self.buffer.len() + count) };
                Ok(true)
            }
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => Ok(false),
            Err(error) => Err(Error::from_io(error, "cannot read the reply")),
        }
    }

    /// Reads something, after making room for `len` buffered bytes or a part of them.
    fn fill(&mut self, len: usize, budget: Budget) -> Result<()> {
        self.fill_some(len, usize::MAX, budget)
    }

    fn fill_some(&mut self, len: usize, most: usize, budget: Budget) -> Result<()> {
        if self.outgoing.is_some() {
            return self.fill_while_pushing(len, most, budget);
        }
        self.fill_only(len, most, budget)
    }

    pub(super) fn fill_only(&mut self, len: usize, most: usize, budget: Budget) -> Result<()> {
        self.make_room(len)?;
        let spare = self.buffer.spare_capacity_mut();
        let room = spare.len().min(most);
        let room = spare.get_mut(..room).unwrap_or_default();
        let count = match &mut self.secure {
            None => self.stream.receive(room, budget)?,
            Some(secure) => secure.receive(&mut self.stream, room, budget)?,
        };
        // SAFETY: that many bytes were written at the start of the spare capacity.
        unsafe { self.buffer.set_len(self.buffer.len() + count) };
        Ok(())
    }

    /// Reads into memory outside the buffer, which must be empty: at least one byte, at most `room.len()`; the
    /// number of those is returned. What comes behind them in the same read goes to the buffer.
    pub(super) fn read_past(
        &mut self,
        room: &mut [MaybeUninit<u8>],
        budget: Budget,
    ) -> Result<usize> {
        if self.outgoing.is_some() {
            return self.read_past_while_pushing(room, budget);
        }
        if let Some(secure) = &mut self.secure {
            return secure.receive(&mut self.stream, room, budget);
        }
        self.make_room(0)?;
        let count = self
            .stream
            .receive_both(room, self.buffer.spare_capacity_mut(), budget)?;
        let surplus = count.saturating_sub(room.len());
        // SAFETY: what did not fit in `room` was written at the start of the spare capacity.
        unsafe { self.buffer.set_len(self.buffer.len() + surplus) };
        Ok(count - surplus)
    }

    /// The same through the buffer.
    #[cold]
    fn read_past_while_pushing(
        &mut self,
        room: &mut [MaybeUninit<u8>],
        budget: Budget,
    ) -> Result<usize> {
        self.need(1, budget)?;
        let come = self.take(room.len().min(self.buffered().len()));
        for (slot, byte) in room.iter_mut().zip(come) {
            slot.write(*byte);
        }
        Ok(come.len())
    }

    /// Appends `len` bytes to `out`: what is buffered, then straight from the socket.
    pub(crate) fn read_into_vec(
        &mut self,
        out: &mut Vec<u8>,
        len: usize,
        budget: Budget,
    ) -> Result<()> {
        let end = out.len() + len;
        let ready = len.min(self.buffered().len());
        out.try_reserve(ready).map_err(|_| no_memory(len))?;
        out.extend_from_slice(self.take(ready));
        while out.len() < end {
            let missing = end - out.len();
            if out.capacity() == out.len() {
                out.try_reserve_exact(missing.min(STEP))
                    .map_err(|_| no_memory(len))?;
            }
            let spare = out.spare_capacity_mut();
            let room = spare.len().min(missing);
            let count = self.read_past(spare.get_mut(..room).unwrap_or_default(), budget)?;
            // SAFETY: that many bytes were written at the start of the spare capacity.
            unsafe { out.set_len(out.len() + count) };
        }
        Ok(())
    }

    /// Fills `out`: from what is buffered, then straight from the socket.
    pub(crate) fn read_into_slice(&mut self, out: &mut [u8], budget: Budget) -> Result<()> {
        let ready = out.len().min(self.buffered().len());
        let (head, mut rest) = out.split_at_mut(ready);
        head.copy_from_slice(self.take(ready));
        while !rest.is_empty() {
            // SAFETY: the layout is the same, and `read_past` only ever writes initialised bytes to it.
            let room = unsafe { &mut *(std::ptr::from_mut(rest) as *mut [MaybeUninit<u8>]) };
            let count = self.read_past(room, budget)?;
            rest = rest.get_mut(count..).unwrap_or_default();
        }
        Ok(())
    }

    /// Reads and drops `len` bytes, through the buffer.
    pub(crate) fn read_into_nothing(&mut self, len: usize, budget: Budget) -> Result<()> {
        let mut rest = len;
        while rest > 0 {
            if self.buffered().is_empty() {
                self.fill(1, budget)?;
            }
            rest -= self.take(rest.min(self.buffered().len())).len();
        }
        Ok(())
    }

    #[inline]
    fn make_room(&mut self, len: usize) -> Result<()> {
        if self.start == self.buffer.len() {
            self.trim();
            self.buffer.clear();
            self.start = 0;
            return Ok(());
        }
        self.make_room_behind(len)
    }

    /// The same where something is buffered that is still to be taken.
    fn make_room_behind(&mut self, len: usize) -> Result<()> {
        if self.start + len > self.buffer.capacity() {
            self.buffer.drain(..self.start);
            self.start = 0;
        }
        let held = self.buffer.len();
        if held == self.buffer.capacity() {
            let step = held.clamp(GROWTH, STEP);
            let wanted = len.saturating_sub(held).max(held);
            let reserved = self.buffer.try_reserve_exact(wanted.clamp(1, step));
            return reserved.map_err(|_| no_memory(len.max(held)));
        }
        Ok(())
    }
}

#[cold]
fn no_memory(len: usize) -> Error {
    Error::no_memory("a reply", len)
}
