//! A connection that several threads share: commands that others have packed go out together, and replies are handed to
//! their owners undecoded, as bytes. Whoever has the connection reads its own from it as ever; the others read theirs from
//! a connection that leads nowhere and holds just these bytes.

use crate::base::budget::Budget;
use crate::config::Parser;
use crate::error::Result;

use super::super::wire::Wire;
use super::resp::{Aside, Encoder};
use super::{AtHand, Connection, Link, SendFault, native};

impl Connection {
    /// Replies to so many commands that somebody else has read.
    pub(crate) fn handed(bytes: Vec<u8>, commands: usize, parser: Parser) -> Connection {
        Connection {
            owed: commands,
            ..Connection::over_wire(Wire::handed(bytes), parser)
        }
    }

    /// The memory of what was handed over, for the next time.
    pub(crate) fn into_memory(self) -> Vec<u8> {
        match self.link {
            Link::Native(wire) => wire.into_memory(),
            Link::Parsed(parsed) => parsed.into_wire().into_memory(),
            Link::Custom(_) => Vec::new(),
        }
    }

    /// Adds commands that somebody else has packed.
    pub(crate) fn append(&mut self, packed: &[u8], commands: usize) {
        self.outgoing.extend_from_slice(packed);
        self.queued += commands;
    }

    /// Sends what was added, without waiting: what the socket does not take goes out when replies are read.
    pub(crate) fn depart(&mut self) -> Result<(), SendFault> {
        let sent = match self.link.wire() {
            Some(wire) => wire.send_now(&self.outgoing),
            None => return Ok(()),
        };
        self.broken |= sent.is_err();
        self.owed += std::mem::take(&mut self.queued);
        self.outgoing.clear();
        sent
    }

    /// Replies that are owed, when the stream stands between two of them.
    pub(crate) fn owes(&self) -> Option<usize> {
        let is_between = !self.broken && self.open == 0 && self.queued == 0;
        is_between.then_some(self.owed)
    }

    /// Passes over `replies` replies, and waits for the first byte of the next one. Time that is over leaves the stream
    /// between two replies, and `replies` says how many are still to be passed over; only one that is too large to be kept
    /// may be cut.
    pub(crate) fn come_to(&mut self, replies: &mut usize, budget: Budget) -> Result<()> {
        while *replies > 0 {
            match self.first_at_hand(1)? {
                AtHand::All | AtHand::Much => {
                    self.skip(budget)?;
                    *replies -= 1;
                }
                AtHand::Part => self.await_more(budget)?,
            }
        }
        let is_there = |wire: &mut Wire| !wire.buffered().is_empty();
        if !self.link.wire().is_none_or(is_there) {
            self.await_more(budget)?;
        }
        Ok(())
    }

    fn await_more(&mut self, budget: Budget) -> Result<()> {
        match self.link.wire() {
            Some(wire) => wire.more(budget),
            None => Ok(()),
        }
    }

    /// Adds the bytes of the next `replies` replies to `to`, if all of them are there; they count as read. Does not wait.
    pub(crate) fn take_replies(&mut self, replies: usize, to: &mut Vec<u8>) -> Result<bool> {
        if self.first_at_hand(replies)? != AtHand::All {
            return Ok(false);
        }
        let Some(wire) = self.link.wire() else {
            return Ok(false);
        };
        let Some(len) = native::framed(wire.buffered(), replies)? else {
            return Ok(false);
        };
        to.extend_from_slice(wire.take(len));
        self.owed -= replies.min(self.owed);
        Ok(true)
    }
}

/// Commands packed into memory of their own, and how many; `None` when they are longer than `most`, or there is no memory.
pub(crate) fn pack_apart(
    mut memory: Vec<u8>,
    most: usize,
    pack: impl FnOnce(&mut Encoder<'_>),
) -> Option<(Vec<u8>, usize)> {
    if memory.try_reserve_exact(most).is_err() {
        return None;
    }
    // An encoder that lacks memory already takes no more, and gives up what it has when something does not fit.
    let mut commands = 0;
    let mut aside = Aside {
        lacking: 1,
        ..Aside::default()
    };
    pack(&mut Encoder::new(&mut memory, &mut commands, &mut aside));
    let is_all = memory.capacity() >= most && (1..=most).contains(&memory.len());
    is_all.then_some((memory, commands))
}
