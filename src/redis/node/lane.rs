//! Commands of several threads on one connection. Whoever finds all connections lent packs its command into memory of its
//! own and stands in line; the next connection that comes back takes along who is there (see the pool). Each reads its own
//! reply, with its own deadline: from the connection, or from bytes that somebody else has read.

use std::cell::Cell;
use std::sync::Arc;

use crate::base::budget::Budget;
use crate::base::moment::Moment;
use crate::error::Error;
use crate::redis::command::Command;
use crate::redis::command::verb::Verb;
use crate::redis::connection::replies::Replies;
use crate::redis::connection::shared::pack_apart;
use crate::redis::connection::{Connection, SendFault};
use crate::redis::wire::KEPT;
use crate::redis::wire::stream::silence;

use super::Node;
use super::breaker::Admission;
use super::exchange::{Call, Failed};
use super::pool::{COMBINED, Lost, Ride, Seat};

thread_local! {
    /// For commands on their way out and replies on their way in.
    static MEMORY: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
}

/// Packed commands, and how many.
type Packed = (Vec<u8>, usize);

impl Node {
    /// [`Node::run`] when all connections are lent.
    #[cold]
    #[inline(never)]
    pub(super) fn share(
        &self,
        lost: u32,
        budget: Budget,
        admission: Admission,
        command: &mut dyn Command<Answer = ()>,
    ) -> Result<(), Failed> {
        let verb = command.verb();
        let packed = self.pack_to_share(verb, lost, command);
        let (ride, commands) = match packed {
            Some((packed, commands)) => (self.pool.ride(packed, commands, budget), commands),
            None => (self.pool.lend(budget).map(Ride::Alone), 0),
        };
        let call = |loan| Call::alone(self, loan, verb, budget.later(), admission, lost);
        match ride {
            Ok(Ride::Alone(loan)) => call(loan).run(command),
            Ok(Ride::Lead(loan, me)) => call(loan).lead(&me, command),
            Ok(Ride::Replies(bytes)) => call(self.pool.no_loan()).take(bytes, commands, command),
            Ok(Ride::Lost(lost)) => {
                let mut call = call(self.pool.no_loan());
                call.lose(lost)?;
                call.run(command)
            }
            Ok(Ride::Late) => Err(call(self.pool.no_loan()).is_late()),
            Err(error) => Err(Failed {
                lost,
                ..self.not_begun(error, verb)
            }),
        }
    }

    /// The commands, if others may stand beside them.
    fn pack_to_share(
        &self,
        verb: Verb,
        lost: u32,
        command: &dyn Command<Answer = ()>,
    ) -> Option<Packed> {
        if !self.is_shared || !verb.rides {
            return None;
        }
        let memory = MEMORY.try_with(Cell::take).unwrap_or_default();
        pack_apart(memory, COMBINED, |to| {
            to.set_lost(lost);
            command.pack(to);
        })
    }
}

impl Call<'_> {
    /// Sends the command and reads its replies.
    fn run(&mut self, command: &mut dyn Command<Answer = ()>) -> Result<(), Failed> {
        self.send(command)?;
        self.receive(command)
    }

    /// The commands are written, and their replies come on the connection of the loan, with those of others behind them.
    fn lead(
        &mut self,
        me: &Arc<Seat<Connection>>,
        command: &mut dyn Command<Answer = ()>,
    ) -> Result<(), Failed> {
        match self.loan.come_to(me, self.budget) {
            Ok(()) => {}
            Err(error) if error.is_timeout() => return Err(self.pass_on(me, error)),
            Err(error) => {
                self.recover(SendFault {
                    error,
                    unsent: false,
                })?;
                self.send(command)?;
            }
        }
        self.receive(command)
    }

    /// No byte of the reply came in time. That is the reader's to tell the breaker, once for as long as nothing comes; the
    /// connection goes on with those who have more time.
    #[cold]
    fn pass_on(&mut self, me: &Seat<Connection>, error: Error) -> Failed {
        if self.loan.pass_on(me) {
            self.node.did_not_serve(self.admission, &error);
        }
        if !self.loan.is_nothing() {
            self.node.pool().broken(&mut self.loan, true);
        }
        self.not_heard(error)
    }

    /// Replies that somebody else has read.
    fn take(
        &mut self,
        bytes: Vec<u8>,
        commands: usize,
        command: &mut dyn Command<Answer = ()>,
    ) -> Result<(), Failed> {
        let parser = self.node.dial().parser;
        let mut handed = Connection::handed(bytes, commands, parser);
        let read = command.read(&mut Replies::new(&mut handed, self.budget, self.lost));
        let mut memory = handed.into_memory();
        if memory.capacity() <= KEPT {
            memory.clear();
            // A thread that is about to end keeps nothing.
            let _ = MEMORY.try_with(|kept| kept.set(memory));
        }
        match self.judge(read, command)? {
            Some(answer) => Ok(answer),
            None => self.run(command),
        }
    }

    /// The connection that the commands were on broke, and whoever read there has told the breaker: whether they may be sent
    /// once more, on a connection that nobody else has.
    #[cold]
    fn lose(&mut self, lost: Lost) -> Result<(), Failed> {
        let Lost {
            error,
            unsent,
            since,
        } = lost;
        self.lost += u32::from(!unsent);
        if (unsent || self.is_safe()) && self.goes_on(since) {
            return Ok(());
        }
        Err(self.ended(error, unsent || self.is_safe()))
    }

    /// The commands were written, and somebody else still reads.
    #[cold]
    fn is_late(&mut self) -> Failed {
        let error = silence(false, self.budget);
        self.not_heard(error)
    }

    fn not_heard(&mut self, error: Error) -> Failed {
        self.lost += 1;
        self.ended(error, self.is_safe())
    }

    /// Before the command is sent in other words: replies to others must not come in front of its own.
    #[inline]
    pub(super) fn part(&mut self) -> Result<(), Failed> {
        self.loan.part(false);
        match self.loan.is_nothing() {
            true => self.lend(None).map_err(|error| self.refused(error)),
            false => Ok(()),
        }
    }

    /// A connection of its own, for a call that has no slot any more; opened at `since` or later, if that is said.
    #[cold]
    pub(super) fn lend(&mut self, since: Option<Moment>) -> Result<(), Error> {
        self.loan = self.node.pool().lend_another(since, self.budget)?;
        Ok(())
    }
}
