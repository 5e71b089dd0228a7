//! One open connection to a server as a stream of bytes with a read buffer. It knows nothing of the protocol. It
//! promises that no call outlasts its budget by more than a few milliseconds, however the other side behaves, and
//! that memory is taken for bytes that came, not for bytes that were announced. The bytes go through a [`Stream`], or
//! through a [`Secure`] over one.

pub(crate) mod ahead;
pub(crate) mod connecting;
pub(crate) mod dial;
pub(crate) mod names;
pub(crate) mod poll;
pub(crate) mod stream;
#[cfg(test)]
pub(crate) mod tests;
#[cfg_attr(not(feature = "tls"), path = "no_tls.rs")]
pub(crate) mod tls;

use std::mem::MaybeUninit;
use std::os::fd::RawFd;

use crate::base::budget::Budget;
use crate::config::Address;
use crate::error::{Error, Result};
use ahead::Outgoing;
pub(crate) use connecting::Connecting;
pub(crate) use poll::{Ears, Wants, poll};
pub(crate) use stream::SendFault;
use stream::Stream;
use tls::{Secure, TlsSettings};

/// The read buffer: most replies fit, and so do a few hundred small ones of a pipeline.
const BUFFER: usize = 16 * 1024;
/// A read that may meet a large value goes no further: what of it is read ahead has to be copied to its place.
const GLANCE: usize = 4 * 1024;
/// What a connection may keep in either direction when it rests.
pub(crate) const KEPT: usize = 64 * 1024;
/// The buffer grows by what it already holds or by this, whatever is more, so a lie about a length costs little.
const GROWTH: usize = 1024 * 1024;
/// No single step of growth is larger.
const STEP: usize = 64 * 1024 * 1024;

/// A connected socket and what was read from it ahead.
#[derive(Debug)]
pub(crate) struct Wire {
    stream: Stream,
    /// Between the stream and the buffer, when the location is `rediss://`.
    secure: Option<Box<Secure>>,
    /// The rest of a large batch.
    outgoing: Option<Box<Outgoing>>,
    /// `buffer[start..]` is unread; the spare capacity is where the next bytes go, without being zeroed first.
    buffer: Vec<u8>,
    start: usize,
}

impl Wire {
    /// Connects within the budget; with `tls`, that includes the handshake.
    pub(crate) fn connect(
        address: &Address,
        tls: Option<&TlsSettings>,
        budget: Budget,
    ) -> Result<Wire> {
        let mut connecting = Connecting::begin(address, budget)?;
        loop {
            if let Some(wire) = connecting.advance(address, tls)? {
                return Ok(wire);
            }
            if budget.left().is_none() {
                return Err(connecting.late());
            }
            poll(&[connecting.wants()]);
        }
    }

    #[cfg(test)]
    pub(crate) fn over(socket: socket2::Socket) -> Wire {
        Wire::from(Stream::over(socket), None)
    }

    /// What another wire has read, and nothing behind it.
    pub(crate) fn handed(bytes: Vec<u8>) -> Wire {
        Wire {
            stream: Stream::nowhere(),
            secure: None,
            outgoing: None,
            buffer: bytes,
            start: 0,
        }
    }

    /// The memory of the read buffer.
    pub(crate) fn into_memory(self) -> Vec<u8> {
        self.buffer
    }

    fn from(stream: Stream, secure: Option<Box<Secure>>) -> Wire {
        Wire {
            stream,
            secure,
            outgoing: None,
            buffer: Vec::with_capacity(BUFFER),
            start: 0,
        }
    }

    /// What the server showed of itself; `None` without TLS.
    pub(crate) fn certificate(&self) -> Option<Vec<u8>> {
        self.secure.as_ref()?.certificate()
    }

    /// Writes all of `bytes`.
    #[inline(always)]
    pub(crate) fn send(&mut self, bytes: &[u8], budget: Budget) -> Result<(), SendFault> {
        match &mut self.secure {
            None => self.stream.send(bytes, budget),
            Some(secure) => secure.send(&mut self.stream, bytes, budget),
        }
    }

    /// The same for what lies in pieces.
    pub(crate) fn send_parts(
        &mut self,
        parts: [&[u8]; 3],
        budget: Budget,
    ) -> Result<(), SendFault> {
        let Some(secure) = &mut self.secure else {
            return self.stream.send_parts(parts, budget);
        };
        let before = self.stream.bytes_out();
        for part in parts {
            secure
                .send(&mut self.stream, part, budget)
                .map_err(|fault| SendFault {
                    unsent: self.stream.bytes_out() == before,
                    ..fault
                })?;
        }
        Ok(())
    }

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

    fn fill_only(&mut self, len: usize, most: usize, budget: Budget) -> Result<()> {
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
    fn read_past(&mut self, room: &mut [MaybeUninit<u8>], budget: Budget) -> Result<usize> {
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

    /// True when all that came has been taken, as far as it is known here.
    pub(crate) fn is_drained(&self) -> bool {
        let secure = self.secure.as_ref();
        self.start >= self.buffer.len() && secure.is_none_or(|secure| secure.is_drained())
    }

    /// True when the connection is open and nothing has come that nobody asked for. Asks the kernel only; what TLS
    /// has to say for itself is taken in.
    pub(crate) fn is_quiet(&mut self) -> bool {
        let is_quiet = match &mut self.secure {
            None => self.stream.is_quiet(),
            Some(secure) => secure.is_quiet(&mut self.stream),
        };
        is_quiet && self.buffered().is_empty()
    }

    pub(crate) fn socket(&self) -> RawFd {
        self.stream.socket()
    }

    /// Gives back the memory that a large reply needed.
    #[inline]
    pub(crate) fn trim(&mut self) {
        if self.buffer.capacity() > KEPT && self.buffered().is_empty() {
            self.buffer = Vec::with_capacity(BUFFER);
            self.start = 0;
        }
    }

    /// Bytes read and written since the last time, as they passed the socket.
    pub(crate) fn take_traffic(&mut self) -> (u64, u64) {
        self.stream.take_traffic()
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
