//! Writing to a socket: without waiting first, and where it takes no more, until the time of the call is over.

use std::io::{self, ErrorKind as Io};

use crate::base::budget::Budget;
use crate::error::{Error, ErrorKind, Result};

use super::Stream;

/// Why a batch could not be sent.
#[derive(Debug)]
pub(crate) struct SendFault {
    pub(crate) error: Error,
    /// Not one byte of it left this process, so the server cannot have seen any.
    pub(crate) unsent: bool,
}

/// How every write is done: without waiting, and without a signal when nobody reads any more.
const WRITE: libc::c_int = libc::MSG_NOSIGNAL | libc::MSG_DONTWAIT;

impl Stream {
    /// Writes all of `bytes`.
    #[inline(always)]
    pub(crate) fn send(&mut self, bytes: &[u8], budget: Budget) -> Result<(), SendFault> {
        self.begin_command();
        match self
            .io()
            .and_then(|socket| socket.send_with_flags(bytes, WRITE))
        {
            Ok(sent) if sent == bytes.len() => {
                self.bytes_out += sent as u64;
                Ok(())
            }
            begun => self.send_on(bytes, begun, budget),
        }
    }

    /// Goes on after a first attempt that did not take all.
    #[cold]
    fn send_on(
        &mut self,
        bytes: &[u8],
        begun: io::Result<usize>,
        budget: Budget,
    ) -> Result<(), SendFault> {
        let mut rest = bytes;
        let mut attempt = begun;
        loop {
            match attempt {
                Ok(sent) => {
                    self.bytes_out += sent as u64;
                    rest = rest.get(sent..).unwrap_or_default();
                }
                Err(error) => {
                    let unsent = rest.len() == bytes.len();
                    self.not_sent(error, budget)
                        .map_err(|error| SendFault { error, unsent })?;
                }
            }
            if rest.is_empty() {
                return Ok(());
            }
            attempt = (self.io()).and_then(|socket| socket.send_with_flags(rest, WRITE));
        }
    }

    /// Writes all of `parts`, one behind the other.
    pub(crate) fn send_parts(
        &mut self,
        parts: [&[u8]; 3],
        budget: Budget,
    ) -> Result<(), SendFault> {
        self.begin_command();
        let before = self.bytes_out;
        let mut slices = parts.map(io::IoSlice::new);
        let mut rest = &mut slices[..];
        while !rest.is_empty() {
            let sent = self.send_some(rest, budget).map_err(|error| SendFault {
                error,
                unsent: self.bytes_out == before,
            })?;
            io::IoSlice::advance_slices(&mut rest, sent);
        }
        Ok(())
    }

    /// Writes as much of `bytes` as is taken without waiting.
    pub(crate) fn send_part(&mut self, bytes: &[u8]) -> Result<usize> {
        if bytes.is_empty() {
            return Ok(0);
        }
        loop {
            match self
                .io()
                .and_then(|socket| socket.send_with_flags(bytes, WRITE))
            {
                Ok(sent) => {
                    self.bytes_out += sent as u64;
                    return Ok(sent);
                }
                Err(error) if error.kind() == Io::Interrupted => {}
                Err(error) if error.kind() == Io::WouldBlock => return Ok(0),
                Err(error) => return Err(Error::from_io(error, "cannot send the command")),
            }
        }
    }

    /// Bytes written since the traffic was taken.
    pub(crate) fn bytes_out(&self) -> u64 {
        self.bytes_out
    }

    /// `Ok` when sending may go on.
    #[cold]
    fn not_sent(&mut self, error: io::Error, budget: Budget) -> Result<()> {
        match error.kind() {
            Io::Interrupted => Ok(()),
            Io::WouldBlock => self.wait_writable(budget),
            _ => Err(Error::from_io(error, "cannot send the command")),
        }
    }

    /// A timeout on the socket would do for TCP, but a Unix socket starts it anew for every 32 KB it takes.
    pub(super) fn wait_writable(&mut self, budget: Budget) -> Result<()> {
        self.waited_for = budget.started();
        let Some(left) = budget.left() else {
            return Err(took_no_more(budget));
        };
        let mut poll = libc::pollfd {
            fd: self.socket(),
            events: libc::POLLOUT,
            revents: 0,
        };
        let millis = i32::try_from(left.as_millis())
            .unwrap_or(i32::MAX)
            .saturating_add(1);
        // SAFETY: one valid pollfd is passed, and it outlives the call.
        let polled = unsafe { libc::poll(&mut poll, 1, millis) };
        match polled {
            -1 if io::Error::last_os_error().kind() != Io::Interrupted => Err(Error::from_io(
                io::Error::last_os_error(),
                "cannot send the command",
            )),
            // Whatever it was, the next attempt to send tells.
            _ => Ok(()),
        }
    }
}

impl Stream {
    /// Writes some of `parts`, at least a byte.
    pub(crate) fn send_some(&mut self, parts: &[io::IoSlice<'_>], budget: Budget) -> Result<usize> {
        loop {
            match self.send_at_once(parts) {
                Ok(count) => return Ok(count),
                Err(error) => self.not_sent(error, budget)?,
            }
        }
    }

    /// The same, or nothing when the socket does not take it without waiting.
    pub(crate) fn send_at_once(&mut self, parts: &[io::IoSlice<'_>]) -> io::Result<usize> {
        let count = self.io()?.send_vectored_with_flags(parts, WRITE)?;
        self.bytes_out += count as u64;
        Ok(count)
    }
}

#[cold]
pub(crate) fn took_no_more(budget: Budget) -> Error {
    let text = format!(
        "the server took no more of the command within {:?}",
        budget.total()
    );
    Error::new(ErrorKind::Timeout, text)
}
