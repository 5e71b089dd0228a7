//! A batch that is too large to be written before anything is read: a peer that stops reading while it writes would wait
//! for us, and we for it. It is written as far as it may and as the socket takes it, whenever a reply is waited for.

use crate::base::budget::Budget;
use crate::base::moment::Moment;
use crate::error::Result;

use super::stream::{GRACE, SendFault, took_no_more};
use super::{Ears, Wants, Wire, poll};

/// What is still to be written.
#[derive(Debug)]
pub(crate) struct Outgoing {
    bytes: Vec<u8>,
    written: usize,
    /// The rest has to wait until more replies have been read.
    allowed: usize,
}

impl Wire {
    /// Writes `bytes` as far as `allowed`, and no more than the socket takes now; the rest goes out when replies are read.
    pub(crate) fn send_ahead(&mut self, bytes: Vec<u8>, allowed: usize) -> Result<(), SendFault> {
        self.stream.begin_command();
        let before = self.stream.bytes_out();
        self.outgoing = Some(Box::new(Outgoing {
            bytes,
            written: 0,
            allowed,
        }));
        self.push().map_err(|error| SendFault {
            error,
            unsent: self.stream.bytes_out() == before,
        })
    }

    /// Writes what the socket takes of `bytes` now; the rest goes out when replies are read.
    pub(crate) fn send_now(&mut self, bytes: &[u8]) -> Result<(), SendFault> {
        if self.secure.is_some() {
            return self.send_ahead(bytes.to_vec(), bytes.len());
        }
        self.stream.begin_command();
        let sent = self.stream.send_part(bytes).map_err(|error| SendFault {
            error,
            unsent: true,
        })?;
        if let Some(rest) = bytes.get(sent..).filter(|rest| !rest.is_empty()) {
            self.outgoing = Some(Box::new(Outgoing {
                bytes: rest.to_vec(),
                written: 0,
                allowed: rest.len(),
            }));
        }
        Ok(())
    }

    /// What was given to [`Wire::send_ahead`], until all of it is written.
    pub(crate) fn outgoing(&self) -> Option<&[u8]> {
        Some(&self.outgoing.as_ref()?.bytes)
    }

    /// So much of it may be written.
    pub(crate) fn let_out(&mut self, allowed: usize) {
        if let Some(outgoing) = &mut self.outgoing {
            outgoing.allowed = allowed.max(outgoing.allowed);
        }
    }

    /// Whether there is something to write that the socket did not take.
    pub(crate) fn wants_write(&self) -> bool {
        let is_left = |outgoing: &Outgoing| {
            outgoing.written < outgoing.allowed.min(outgoing.bytes.len())
                || self.secure.as_ref().is_some_and(|it| it.wants_write())
        };
        self.outgoing.as_deref().is_some_and(is_left)
    }

    /// Writes what may be written, without waiting.
    pub(crate) fn push(&mut self) -> Result<()> {
        let Wire {
            stream,
            secure,
            outgoing,
            ..
        } = self;
        let Some(left) = outgoing else {
            return Ok(());
        };
        let end = left.allowed.min(left.bytes.len());
        let is_flushed = loop {
            let rest = left.bytes.get(left.written..end).unwrap_or_default();
            let taken = match secure {
                None => (stream.send_part(rest)?, true),
                Some(secure) => secure.send_part(stream, rest)?,
            };
            left.written += taken.0;
            if taken.0 == 0 {
                break taken.1;
            }
        };
        if is_flushed && left.written == left.bytes.len() {
            *outgoing = None;
        }
        Ok(())
    }

    /// Reads something, as [`Wire::fill`] does, and writes meanwhile what has to be written for it to come.
    #[cold]
    pub(super) fn fill_while_pushing(
        &mut self,
        len: usize,
        most: usize,
        budget: Budget,
    ) -> Result<()> {
        loop {
            let pushed = self.push();
            if pushed.is_ok() && !self.wants_write() {
                return self.fill_only(len, most, budget);
            }
            if Moment::now() >= budget.ends().after(GRACE) {
                return Err(took_no_more(budget));
            }
            // The reason for a fault may be waiting to be read.
            if self.fill_at_once()? {
                return Ok(());
            }
            pushed?;
            if budget.left().is_none() {
                return Err(took_no_more(budget));
            }
            poll(&[Wants {
                socket: Some(self.socket()),
                events: libc::POLLIN | libc::POLLOUT,
                besides: Ears::NONE,
                until: budget.ends(),
            }]);
        }
    }
}

/// How much of `bytes` may be written, when they are answered as far as `answered`: what the next reply needs, and of what
/// follows whole commands of at most `ahead` bytes. It goes on from `before`, which was allowed already. `next` finds the
/// end of the command in front.
pub(crate) fn allowance(
    bytes: &[u8],
    answered: usize,
    before: usize,
    ahead: usize,
    next: impl Fn(&[u8]) -> Option<usize>,
) -> usize {
    let mut end = answered.max(before);
    while end < bytes.len() {
        let rest = bytes.get(end..).unwrap_or_default();
        let Some(len) = next(rest).filter(|len| *len > 0) else {
            return bytes.len();
        };
        if end > answered && end + len - answered > ahead {
            break;
        }
        end += len;
    }
    end
}
