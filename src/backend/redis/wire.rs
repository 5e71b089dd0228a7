//! One open connection to a server as a stream of bytes: TCP or Unix socket, a read buffer, deadlines. It knows
//! nothing of the protocol. It promises that no call outlasts its budget by more than a few milliseconds, however
//! the other side behaves, that SIGPIPE and EINTR never surface, and that memory is taken for bytes that came, not
//! for bytes that were announced. The socket is touched in [`Wire::send`], [`Wire::receive`] and
//! [`Wire::is_quiet`] only, which is where another kind of stream has to fit.

use std::io::{self, ErrorKind as Io};
use std::mem::MaybeUninit;
use std::os::fd::AsRawFd;
use std::time::Duration;

use socket2::{MaybeUninitSlice, Socket};

use crate::config::Address;
use crate::error::{Error, ErrorKind, Result};

use super::budget::Budget;

mod dial;

/// The read buffer: most replies fit, and so do a few hundred small ones of a pipeline.
const BUFFER: usize = 16 * 1024;
/// What a connection may keep in either direction when it rests.
pub(super) const KEPT: usize = 64 * 1024;
/// The buffer grows by what it already holds or by this, whatever is more, so a lie about a length costs little.
const GROWTH: usize = 1024 * 1024;
/// No single step of growth is larger.
const STEP: usize = 64 * 1024 * 1024;
/// A timeout that is armed on the socket stays while it is off by no more: arming costs a system call.
const SLACK_MICROS: u64 = 20_000;

/// Why a batch could not be sent.
#[derive(Debug)]
pub(crate) struct SendFault {
    pub(crate) error: Error,
    /// Not one byte of it left this process, so the server cannot have seen any.
    pub(crate) unsent: bool,
}

/// A connected socket and what was read from it ahead.
#[derive(Debug)]
pub(crate) struct Wire {
    socket: Socket,
    /// `buffer[start..]` is unread; the spare capacity is where the next bytes go, without being zeroed first.
    buffer: Vec<u8>,
    start: usize,
    armed_micros: u64,
    /// Something came since the last send; for the message of a timeout.
    answered: bool,
    bytes_in: u64,
    bytes_out: u64,
}

impl Wire {
    /// Connects within the budget.
    pub(crate) fn connect(address: &Address, budget: Budget) -> Result<Wire> {
        dial::connect(address, budget).map(Wire::over)
    }

    pub(super) fn over(socket: Socket) -> Wire {
        let buffer = Vec::with_capacity(BUFFER);
        Wire {
            socket,
            buffer,
            start: 0,
            armed_micros: 0,
            answered: false,
            bytes_in: 0,
            bytes_out: 0,
        }
    }

    /// Writes all of `bytes`.
    pub(crate) fn send(&mut self, bytes: &[u8], budget: Budget) -> Result<(), SendFault> {
        self.answered = false;
        let mut rest = bytes;
        while !rest.is_empty() {
            let fault = match self
                .socket
                .send_with_flags(rest, libc::MSG_NOSIGNAL | libc::MSG_DONTWAIT)
            {
                Ok(sent) => {
                    self.bytes_out += sent as u64;
                    rest = rest.get(sent..).unwrap_or_default();
                    continue;
                }
                Err(error) if error.kind() == Io::Interrupted => continue,
                Err(error) if error.kind() == Io::WouldBlock => match self.wait_writable(budget) {
                    Ok(()) => continue,
                    Err(fault) => fault,
                },
                Err(error) => Error::from_io(error, "cannot send the command"),
            };
            return Err(SendFault {
                error: fault,
                unsent: rest.len() == bytes.len(),
            });
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

    /// Reads something, after making room for `len` buffered bytes or a part of them.
    fn fill(&mut self, len: usize, budget: Budget) -> Result<()> {
        self.make_room(len);
        let mut buffer = std::mem::take(&mut self.buffer);
        let received = self.receive(budget, |socket| socket.recv(buffer.spare_capacity_mut()));
        if let Ok(count) = received {
            // SAFETY: recv has written `count` bytes at the start of the spare capacity, and no more than fit there.
            unsafe { buffer.set_len(buffer.len() + count) };
        }
        self.buffer = buffer;
        received.map(drop)
    }

    /// Reads into memory outside the buffer, which must be empty: at least one byte, at most `room.len()`; the
    /// number of those is returned. What comes behind them in the same read goes to the buffer.
    fn read_past(&mut self, room: &mut [MaybeUninit<u8>], budget: Budget) -> Result<usize> {
        self.make_room(0);
        let len = room.len();
        let mut buffer = std::mem::take(&mut self.buffer);
        let received = self.receive(budget, |socket| {
            let mut parts = [
                MaybeUninitSlice::new(room),
                MaybeUninitSlice::new(buffer.spare_capacity_mut()),
            ];
            socket.recv_vectored(&mut parts).map(|(count, _)| count)
        });
        let surplus = received
            .as_ref()
            .map_or(0, |count| count.saturating_sub(len));
        // SAFETY: recvmsg has filled `room` before it wrote these `surplus` bytes at the start of the spare capacity.
        unsafe { buffer.set_len(buffer.len() + surplus) };
        self.buffer = buffer;
        received.map(|count| count.min(len))
    }

    /// Appends `len` bytes to `out`: what is buffered, then straight from the socket.
    pub(crate) fn read_into_vec(
        &mut self,
        out: &mut Vec<u8>,
        len: usize,
        budget: Budget,
    ) -> Result<()> {
        let end = out.len() + len;
        out.extend_from_slice(self.take(len.min(self.buffered().len())));
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

    /// True when the connection is open and nothing has come that nobody asked for. Asks the kernel only.
    pub(crate) fn is_quiet(&self) -> bool {
        let mut byte = [MaybeUninit::uninit()];
        let peeked = self
            .socket
            .recv_with_flags(&mut byte, libc::MSG_PEEK | libc::MSG_DONTWAIT);
        self.buffered().is_empty() && peeked.is_err_and(|error| error.kind() == Io::WouldBlock)
    }

    /// Gives back the memory that a large reply needed.
    pub(crate) fn trim(&mut self) {
        if self.buffered().is_empty() && self.buffer.capacity() > KEPT {
            self.buffer = Vec::with_capacity(BUFFER);
            self.start = 0;
        }
    }

    /// Bytes read and written since the last time.
    pub(crate) fn take_traffic(&mut self) -> (u64, u64) {
        (
            std::mem::take(&mut self.bytes_in),
            std::mem::take(&mut self.bytes_out),
        )
    }

    fn make_room(&mut self, len: usize) {
        if self.start == self.buffer.len() {
            self.trim();
            self.buffer.clear();
            self.start = 0;
        } else if self.start + len > self.buffer.capacity() {
            self.buffer.drain(..self.start);
            self.start = 0;
        }
        let held = self.buffer.len();
        if held == self.buffer.capacity() {
            let step = held.clamp(GROWTH, STEP);
            self.buffer
                .reserve_exact(len.saturating_sub(held).clamp(1, step));
        }
    }

    /// One successful read.
    #[inline]
    fn receive(
        &mut self,
        budget: Budget,
        mut read: impl FnMut(&Socket) -> io::Result<usize>,
    ) -> Result<usize> {
        loop {
            let Some(left) = budget.left() else {
                return Err(silence(self.answered, budget));
            };
            self.arm(left)?;
            match read(&self.socket) {
                Ok(0) => {
                    return Err(Error::new(
                        ErrorKind::Io,
                        "the server closed the connection",
                    ));
                }
                Ok(count) => {
                    self.answered = true;
                    self.bytes_in += count as u64;
                    return Ok(count);
                }
                Err(error) if error.kind() == Io::Interrupted => {}
                // What was armed has passed; that may have been less than is left by now.
                Err(error) if error.kind() == Io::WouldBlock => self.armed_micros = 0,
                Err(error) => return Err(Error::from_io(error, "cannot read the reply")),
            }
        }
    }

    /// Sees to it that the next read ends about when `left` is over.
    #[inline]
    fn arm(&mut self, left: Duration) -> Result<()> {
        let micros = (left.as_secs().saturating_mul(1_000_000))
            .saturating_add(u64::from(left.subsec_micros()))
            .max(1);
        if self.armed_micros != 0
            && self.armed_micros.abs_diff(micros) <= SLACK_MICROS.min(micros / 8)
        {
            return Ok(());
        }
        let armed = self
            .socket
            .set_read_timeout(Some(Duration::from_micros(micros)));
        armed.map_err(|error| Error::from_io(error, "cannot set a timeout"))?;
        self.armed_micros = micros;
        Ok(())
    }

    /// A timeout on the socket would do for TCP, but a Unix socket starts it anew for every 32 KB it takes.
    #[cold]
    fn wait_writable(&self, budget: Budget) -> Result<()> {
        let Some(left) = budget.left() else {
            let text = format!(
                "the server took no more of the command within {:?}",
                budget.total()
            );
            return Err(Error::new(ErrorKind::Timeout, text));
        };
        let mut poll = libc::pollfd {
            fd: self.socket.as_raw_fd(),
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

#[cold]
fn silence(answered: bool, budget: Budget) -> Error {
    let what = if answered {
        "the reply was not complete"
    } else {
        "no reply"
    };
    Error::new(
        ErrorKind::Timeout,
        format!("{what} within {:?}", budget.total()),
    )
}

#[cold]
fn no_memory(len: usize) -> Error {
    Error::new(
        ErrorKind::Io,
        format!("no memory for a value of {len} bytes"),
    )
}

#[cfg(test)]
pub(super) mod tests;
