//! One open connection to a server as a stream of bytes with a read buffer. It knows nothing of the protocol. It
//! promises that no call outlasts its budget by more than a few milliseconds, however the other side behaves, and
//! that memory is taken for bytes that came, not for bytes that were announced. The bytes go through a [`Stream`], or
//! through a [`Secure`] over one.

pub(crate) mod ahead;
pub(crate) mod connecting;
pub(crate) mod dial;
pub(crate) mod names;
pub(crate) mod poll;
mod reading;
pub(crate) mod stream;
#[cfg(test)]
pub(crate) mod tests;
#[cfg_attr(not(feature = "tls"), path = "no_tls.rs")]
pub(crate) mod tls;

use std::os::fd::RawFd;

use crate::base::budget::Budget;
use crate::config::Address;
use crate::error::Result;
use ahead::Outgoing;
pub(crate) use connecting::Connecting;
pub(crate) use poll::{Ears, Wants, poll};
pub(crate) use stream::SendFault;
use stream::Stream;
use tls::{Secure, TlsSettings};

/// The read buffer: most replies fit, and so do a few hundred small ones of a pipeline.
const BUFFER: usize = 16 * 1024;
/// What a connection may keep in either direction when it rests.
pub(crate) const KEPT: usize = 64 * 1024;

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
}
