//! Batches that are too large to be written before their replies are read, and replies that are looked for without
//! waiting: what several nodes at a time need of a connection besides.

use crate::base::budget::Budget;
use crate::error::Result;

use super::super::wire::KEPT;
use super::super::wire::ahead::allowance;
use super::resp::{Apart, Aside, Encoder};
use super::{Connection, SendFault, native};

/// How much of the replies that are owed has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum AtHand {
    /// They can be read without waiting.
    All,
    /// They go on, and are too large to be kept until they are complete.
    Much,
    Part,
}

/// So much is written of commands whose replies are still to be read.
pub(super) const AHEAD: usize = 64 * 1024;

/// So much goes along with another batch: a fresh socket takes that and a greeting at once.
pub(crate) const ALONG: usize = 4 * 1024;

/// A large batch: how much of it is answered, how many replies are owed after that, and how much may be written.
pub(super) struct Held {
    answered: usize,
    owed: usize,
    allowed: usize,
}

impl Connection {
    /// How much of the replies that are owed is there. Takes in what has come, without waiting.
    pub(crate) fn at_hand(&mut self) -> Result<AtHand> {
        self.first_at_hand(self.owed)
    }

    /// The same of so many of them that come first.
    pub(crate) fn first_at_hand(&mut self, replies: usize) -> Result<AtHand> {
        self.let_more_out();
        let Some(wire) = self.link.wire() else {
            return Ok(AtHand::All);
        };
        wire.push()?;
        // The later commands of a large batch wait for the replies to the first ones to be read.
        let (wanted, all) = match self.held {
            Some(_) => (1, AtHand::Much),
            None => (replies, AtHand::All),
        };
        loop {
            if native::framed(wire.buffered(), wanted)?.is_some() {
                return Ok(all);
            }
            if wire.buffered().len() > KEPT {
                return Ok(AtHand::Much);
            }
            if !wire.fill_at_once()? {
                return Ok(AtHand::Part);
            }
        }
    }

    /// Adds commands to a batch of other ones, if that makes it little larger; how many. A large piece is not even copied.
    pub(crate) fn take_along(&mut self, pack: &dyn Fn(&mut Encoder<'_>)) -> usize {
        let (mut packed, mut commands, mut aside) = (Vec::new(), 0, Aside::default());
        aside.apart = Apart::Wanted;
        pack(&mut Encoder::new(&mut packed, &mut commands, &mut aside));
        if aside.lacking > 0 || aside.apart != Apart::Wanted || packed.len() > ALONG {
            return 0;
        }
        self.outgoing.extend_from_slice(&packed);
        self.queued += commands;
        commands
    }

    /// Whether replies are still to be read.
    pub(crate) fn is_owed(&self) -> bool {
        self.owed > 0
    }

    /// Of a batch that is large only the first commands are sent at once, and the others as replies are read. One command
    /// alone has to be there before it is answered.
    #[cold]
    pub(super) fn send_large(&mut self, budget: Budget) -> Result<(), SendFault> {
        let batch = std::mem::take(&mut self.outgoing);
        let commands = std::mem::take(&mut self.queued);
        let is_held = batch.len() > AHEAD && commands > 1 && self.owed == 0;
        let allowed = is_held.then(|| allowance(&batch, 0, 0, AHEAD, command_end));
        self.held = allowed.map(|allowed| {
            Box::new(Held {
                answered: 0,
                owed: commands,
                allowed,
            })
        });
        let sent = match (self.link.wire(), allowed) {
            (Some(wire), Some(allowed)) => wire.send_ahead(batch, allowed),
            _ => self.link.send(&batch, commands, budget),
        };
        self.broken |= sent.is_err();
        self.owed += commands;
        sent
    }

    #[cold]
    pub(super) fn let_held_out(&mut self) {
        let Some(wire) = self.link.wire() else {
            return;
        };
        let (Some(held), Some(batch)) = (&mut self.held, wire.outgoing()) else {
            self.held = None;
            return;
        };
        if held.owed == self.owed {
            return;
        }
        for _ in self.owed..held.owed {
            let rest = batch.get(held.answered..).unwrap_or_default();
            held.answered += command_end(rest).unwrap_or(rest.len());
        }
        held.owed = self.owed;
        held.allowed = allowance(batch, held.answered, held.allowed, AHEAD, command_end);
        wire.let_out(held.allowed);
    }

    #[cold]
    pub(super) fn is_all_out(&self) -> bool {
        self.link.is_all_out()
    }

    /// Whether a part of the batch could not be written yet.
    pub(crate) fn wants_write(&mut self) -> bool {
        self.link.wire().is_some_and(|wire| wire.wants_write())
    }
}

/// Where the command ends that is in front.
fn command_end(bytes: &[u8]) -> Option<usize> {
    native::framed(bytes, 1).ok().flatten()
}
