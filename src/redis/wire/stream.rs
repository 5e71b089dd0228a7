//! A connected socket under deadlines: every wait is bounded by a budget, EINTR is retried, SIGPIPE cannot happen.
//! This is all of a connection that knows about the kernel; TLS goes through it too.

mod sending;

use std::io::{self, ErrorKind as Io};
use std::mem::MaybeUninit;
use std::os::fd::{AsRawFd, RawFd};
use std::time::Duration;

use socket2::{MaybeUninitSlice, Socket};

use crate::base::budget::Budget;
use crate::base::moment::Moment;
use crate::error::{Error, ErrorKind, Result};

pub(crate) use sending::{SendFault, took_no_more};

/// A timeout that is armed on the socket stays while it is off by no more: arming costs a system call.
const SLACK_NANOS: u64 = 20_000_000;

/// For so long after its time a reply is read that has come already.
pub(crate) const GRACE: Duration = Duration::from_millis(50);

/// What came from the other side; for the texts of faults.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Heard {
    /// Nothing yet, and it may be a TLS port that is spoken to in plain.
    Never,
    /// Nothing since the last command.
    NotYet,
    Something,
}

/// A socket, the read timeout it has, and what went through it.
#[derive(Debug)]
pub(crate) struct Stream {
    /// `None` behind replies that another connection has read: there is no more to come.
    socket: Option<Socket>,
    armed_nanos: u64,
    /// When the call began that waited here last.
    waited_for: Moment,
    heard: Heard,
    bytes_in: u64,
    bytes_out: u64,
}

impl Stream {
    pub(crate) fn over(socket: Socket) -> Stream {
        Stream {
            socket: Some(socket),
            ..Stream::nowhere()
        }
    }

    /// Leads to nobody.
    pub(crate) fn nowhere() -> Stream {
        Stream {
            socket: None,
            armed_nanos: 0,
            waited_for: Moment::BEFORE,
            heard: Heard::NotYet,
            bytes_in: 0,
            bytes_out: 0,
        }
    }

    #[inline(always)]
    fn io(&self) -> io::Result<&Socket> {
        self.socket.as_ref().ok_or_else(nobody)
    }

    /// The other side may expect TLS, which it will not get.
    pub(crate) fn expect_misunderstanding(&mut self) {
        self.heard = Heard::Never;
    }

    /// A command is about to be sent.
    #[inline]
    pub(crate) fn begin_command(&mut self) {
        if self.heard == Heard::Something {
            self.heard = Heard::NotYet;
        }
    }

    /// Reads at least one byte to the beginning of `room` and says how many. The memory need not be initialised.
    #[inline]
    pub(crate) fn receive(
        &mut self,
        room: &mut [MaybeUninit<u8>],
        budget: Budget,
    ) -> Result<usize> {
        self.read(budget, |socket| socket.recv(room))
    }

    /// The same into two places: `room` is full before anything goes to `behind`.
    pub(crate) fn receive_both(
        &mut self,
        room: &mut [MaybeUninit<u8>],
        behind: &mut [MaybeUninit<u8>],
        budget: Budget,
    ) -> Result<usize> {
        self.read(budget, |socket| {
            let mut parts = [MaybeUninitSlice::new(room), MaybeUninitSlice::new(behind)];
            socket.recv_vectored(&mut parts).map(|(count, _)| count)
        })
    }

    /// True when the connection is open and nothing has come. Asks the kernel only.
    pub(crate) fn is_quiet(&self) -> bool {
        let mut byte = [MaybeUninit::uninit()];
        let flags = libc::MSG_PEEK | libc::MSG_DONTWAIT;
        let peeked = (self.io()).and_then(|socket| socket.recv_with_flags(&mut byte, flags));
        peeked.is_err_and(|error| error.kind() == Io::WouldBlock)
    }

    /// -1 where there is none: `poll` passes over it.
    pub(crate) fn socket(&self) -> RawFd {
        self.socket.as_ref().map_or(-1, AsRawFd::as_raw_fd)
    }

    /// Bytes read and written since the last time.
    pub(crate) fn take_traffic(&mut self) -> (u64, u64) {
        (
            std::mem::take(&mut self.bytes_in),
            std::mem::take(&mut self.bytes_out),
        )
    }

    /// Whether anything has come since the last command began.
    pub(crate) fn is_answered(&self) -> bool {
        self.heard == Heard::Something
    }

    /// One successful read.
    #[inline(always)]
    fn read(
        &mut self,
        budget: Budget,
        mut read: impl FnMut(&Socket) -> io::Result<usize>,
    ) -> Result<usize> {
        loop {
            let left = self.time_for(budget);
            if left == 0 {
                self.look_once_more(budget)?;
            } else if self.armed_nanos.abs_diff(left) > SLACK_NANOS.min(left / 8) {
                self.arm(left)?;
            }
            match self.io().and_then(&mut read) {
                Ok(count @ 1..) => {
                    self.heard = Heard::Something;
                    self.bytes_in += count as u64;
                    return Ok(count);
                }
                Ok(_) => return Err(self.hung_up()),
                Err(error) => self.not_read(error)?,
            }
        }
    }

    /// What is left of the time for a reply. Only a call that has not waited for anything knows that without a clock.
    #[inline]
    fn time_for(&mut self, budget: Budget) -> u64 {
        let before = std::mem::replace(&mut self.waited_for, budget.started());
        match budget.is_whole() && before != budget.started() {
            true => budget.all_nanos(),
            false => budget.left_nanos(),
        }
    }

    /// When the time is over: what has come in time is read in time, for another node may have taken all there was. But
    /// somebody who goes on sending is not listened to for ever.
    #[cold]
    fn look_once_more(&self, budget: Budget) -> Result<()> {
        if self.is_quiet() || Moment::now() >= budget.ends().after(GRACE) {
            return Err(silence(self.is_answered(), budget));
        }
        Ok(())
    }

    /// Makes the next read end when this time is over.
    #[cold]
    fn arm(&mut self, nanos: u64) -> Result<()> {
        // The kernel counts in microseconds, and none of them would be no timeout at all.
        let timeout = Duration::from_nanos(nanos.max(1000));
        let armed = (self.io()).and_then(|socket| socket.set_read_timeout(Some(timeout)));
        self.armed_nanos = nanos;
        armed.map_err(|error| Error::from_io(error, "cannot set a timeout"))
    }

    /// `Ok` when reading may go on if there is time.
    #[cold]
    fn not_read(&mut self, error: io::Error) -> Result<()> {
        match error.kind() {
            Io::Interrupted => Ok(()),
            Io::WouldBlock => {
                // What was armed has passed; that may have been less than is left by now.
                self.armed_nanos = 0;
                Ok(())
            }
            _ => Err(self.broken_off(Error::from_io(error, "cannot read the reply"))),
        }
    }

    /// The server has closed the connection.
    pub(crate) fn hung_up(&self) -> Error {
        self.broken_off(closed())
    }

    /// Redis hangs up on whoever speaks to its TLS port in plain, without a word.
    #[cold]
    fn broken_off(&self, fault: Error) -> Error {
        if self.heard != Heard::Never {
            return fault;
        }
        let text =
            format!("{fault}, before it said anything; the location of a TLS port is `rediss://`");
        Error::new(fault.kind(), text).caused_by(fault)
    }

    /// Reads what is there without waiting; 0 is the end.
    pub(crate) fn receive_at_once(&mut self, room: &mut [MaybeUninit<u8>]) -> io::Result<usize> {
        let count = self.io()?.recv_with_flags(room, libc::MSG_DONTWAIT)?;
        if count > 0 {
            self.heard = Heard::Something;
        }
        self.bytes_in += count as u64;
        Ok(count)
    }
}

#[cold]
fn nobody() -> io::Error {
    Io::UnexpectedEof.into()
}

#[cold]
pub(crate) fn closed() -> Error {
    Error::new(ErrorKind::Io, "the server closed the connection")
}

#[cold]
pub(crate) fn silence(answered: bool, budget: Budget) -> Error {
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

#[cfg(test)]
mod tests {
    use super::*;

    /// The clock would say that nothing is left.
    #[test]
    fn only_the_first_reply_of_a_call_that_waited_for_nothing_is_read_without_a_clock() {
        let (socket, _peer) = Socket::pair(socket2::Domain::UNIX, socket2::Type::STREAM, None)
            .unwrap_or_else(|error| panic!("{error}"));
        let mut stream = Stream::over(socket);
        for _ in 0..2 {
            let budget = Budget::at_once(Duration::from_millis(5));
            std::thread::sleep(Duration::from_millis(6));
            assert_eq!(stream.time_for(budget), budget.all_nanos());
            assert_eq!(stream.time_for(budget), 0);
            assert_eq!(stream.time_for(budget.later()), 0);
        }
        let waited = Budget::at_once(Duration::from_millis(5));
        assert!(stream.wait_writable(waited).is_ok());
        std::thread::sleep(Duration::from_millis(6));
        assert_eq!(stream.time_for(waited), 0);
    }
}
