//! One exchange with one node: the commands go out, the replies come in. This is where a dead connection is replaced,
//! once and silently, and where the breaker hears how it went.

use crate::base::budget::Budget;
use crate::base::moment::Moment;
use crate::error::{Error, ErrorKind, Result};
use crate::redis::command::Command;
use crate::redis::command::verb::{Resend, Verb};
use crate::redis::connection::replies::Replies;
use crate::redis::connection::resp::Encoder;
use crate::redis::connection::{AtHand, Connection, SendFault};
use crate::redis::node::Node;
use crate::redis::wire::{Ears, Wants};

use super::breaker::Admission;
use super::opening::Opening;
use super::pool::Loan;
use super::verdict::Verdict;

/// Why commands came to nothing.
#[derive(Debug, Clone)]
pub(crate) struct Failed {
    pub(crate) error: Error,
    /// The server refused them or never got them, or doing them twice does no harm.
    pub(crate) may_resend: bool,
    /// Attempts that were sent and never answered.
    pub(crate) lost: u32,
}

impl Failed {
    /// The server did nothing, and said so; or nothing was sent.
    pub(crate) fn refused(error: Error) -> Self {
        Failed {
            error,
            may_resend: true,
            lost: 0,
        }
    }
}

/// Commands on their way to a node. Dropped unfinished, it closes the connection, for replies are still to come.
pub(crate) struct Call<'a> {
    node: &'a Node,
    loan: Loan<'a, Connection>,
    verb: Verb,
    budget: Budget,
    admission: Admission,
    /// No connections of other nodes are held: this one's may be waited for.
    is_alone: bool,
    is_retried: bool,
    /// Attempts before this one that were sent and never answered.
    lost: u32,
}

impl<'a> Call<'a> {
    /// A call in a slot of the node's pool.
    #[inline]
    pub(crate) fn new(
        node: &'a Node,
        loan: Loan<'a, Connection>,
        verb: Verb,
        budget: Budget,
        admission: Admission,
    ) -> Self {
        Call {
            node,
            loan,
            verb,
            budget,
            admission,
            is_alone: false,
            is_retried: false,
            lost: 0,
        }
    }

    /// The only one of its thread, after so many attempts elsewhere that nothing was heard of.
    #[inline]
    pub(crate) fn alone(mut self, lost: u32) -> Self {
        self.is_alone = true;
        self.lost = lost;
        self
    }

    /// Has the command read all the replies, and gives the connection back. It packs what [`Call::dispatch`] was given.
    pub(crate) fn finish<C: Command>(mut self, mut command: C) -> Result<C::Answer, Failed> {
        self.receive(&mut command)
    }

    /// The same for a call that is dropped where it was made.
    #[inline]
    pub(crate) fn receive<C: Command + ?Sized>(
        &mut self,
        command: &mut C,
    ) -> Result<C::Answer, Failed> {
        loop {
            let Some(connection) = self.loan.connection() else {
                let error = Error::new(ErrorKind::Io, "the connection is closed");
                return Err(self.failed(error, self.is_safe()));
            };
            match command.read(&mut Replies::new(connection, self.budget, self.lost)) {
                Ok(Ok(answer)) => {
                    match command.complaint() {
                        None => self.node.answered(),
                        Some(complaint) => drop(self.hear(complaint)),
                    }
                    return Ok(answer);
                }
                Ok(Err(refusal)) => {
                    if command.reword(&refusal) {
                        // An attempt that was lost stays lost: it may have run elsewhere, or be heard later.
                        self.node.answered();
                    } else if !self.hear(&refusal) || !self.goes_on() {
                        return Err(self.refused(refusal));
                    }
                }
                // That is no evidence against the node. Its reply was cut, so the connection is closed.
                Err(error) if error.kind() == ErrorKind::NoMemory => {
                    self.node.answered();
                    return Err(self.refused(error));
                }
                Err(error) => self.recover(SendFault {
                    error,
                    unsent: false,
                })?,
            }
            self.dispatch(|to| command.pack(to))?;
        }
    }

    /// Sends what `pack` writes, on the connection at hand or on a fresh one.
    #[inline]
    pub(crate) fn dispatch(&mut self, pack: impl Fn(&mut Encoder<'_>)) -> Result<(), Failed> {
        let (node, budget, admission) = (self.node, self.budget, self.admission);
        loop {
            let connection = self.loan.connection_or(|| node.connect(budget, admission));
            let sent = match connection {
                Ok(connection) => {
                    pack(&mut connection.encoder().after(self.lost));
                    connection.send(budget)
                }
                Err(error) => return Err(self.refused(error)),
            };
            match sent {
                Ok(()) => return Ok(()),
                Err(fault) if fault.error.kind() == ErrorKind::NoMemory => {
                    return Err(self.refused(fault.error));
                }
                Err(fault) => self.recover(fault)?,
            }
        }
    }

    /// After a fault of the connection: whether the commands may be sent once more, on another one.
    #[cold]
    pub(crate) fn recover(&mut self, fault: SendFault) -> Result<(), Failed> {
        let SendFault { error, unsent } = fault;
        self.node.pool().broken(&mut self.loan, error.is_timeout());
        self.node.forget_bare();
        let may_resend = unsent || self.is_safe();
        self.lost += u32::from(!unsent);
        if !may_resend || error.is_timeout() || !self.goes_on() {
            return Err(self.failed(error, may_resend));
        }
        Ok(())
    }

    /// What the server said is told to the breaker, and ends the connection where it proves something of that: whether
    /// another connection may be told something else.
    #[cold]
    fn hear(&mut self, said: &Error) -> bool {
        let is_fresh = self.loan.is_fresh();
        let verdict = Verdict::of(said, is_fresh);
        match verdict.is_served {
            true => self.node.answered(),
            false => self.node.did_not_serve(self.admission, said),
        }
        if !verdict.ends {
            return false;
        }
        self.loan.end();
        self.node.doubt_name();
        if !is_fresh {
            self.node.pool().doubt(self.budget.started());
        }
        !is_fresh
    }

    /// Whether the commands may be sent once more, and if so, finds the right to a connection that was not there before.
    fn goes_on(&mut self) -> bool {
        if self.is_retried || self.budget.left().is_none() {
            return false;
        }
        self.is_retried = true;
        self.node.count_retry();
        let patience = self.is_alone.then_some(self.budget);
        let since = Some(Moment::now());
        let filled = self.node.pool().refill(&mut self.loan, since, patience);
        // Whoever holds connections of other nodes does not wait.
        filled.is_ok() || !self.is_alone
    }

    fn is_safe(&self) -> bool {
        self.verb.resend == Resend::Safe
    }

    fn failed(&self, error: Error, may_resend: bool) -> Failed {
        self.node.did_not_serve(self.admission, &error);
        Failed {
            error: self.node.named(error, self.verb),
            may_resend,
            lost: self.lost,
        }
    }

    fn refused(&self, error: Error) -> Failed {
        Failed {
            lost: self.lost,
            ..Failed::refused(self.node.named(error, self.verb))
        }
    }
}

/// A call to one of several nodes: while it has no connection yet, it is opening one, without waiting for it.
pub(crate) struct Exchange<'a> {
    call: Call<'a>,
    opening: Option<Box<Opening>>,
}

impl<'a> Exchange<'a> {
    pub(crate) fn new(call: Call<'a>) -> Self {
        Exchange {
            call,
            opening: None,
        }
    }

    /// The call, whose replies may be read.
    pub(crate) fn finish<C: Command>(self, command: C) -> Result<C::Answer, Failed> {
        self.call.finish(command)
    }

    /// Sends the commands if there is a connection; otherwise begins to open one.
    pub(crate) fn begin(&mut self, pack: impl Fn(&mut Encoder<'_>)) -> Result<(), Failed> {
        if self.call.loan.connection().is_some() || !self.call.node.opens_at_once() {
            return self.call.dispatch(pack);
        }
        if let Err(refusal) = self.call.node.may_connect(self.call.admission) {
            return Err(self.call.refused(refusal));
        }
        match self.call.node.begin_opening(self.call.budget) {
            Ok(opening) => self.opening = Some(opening),
            Err(fault) => return Err(self.not_opened(fault)),
        }
        self.advance(pack)
    }

    /// Whether the commands are on their way.
    pub(crate) fn is_sent(&self) -> bool {
        self.opening.is_none()
    }

    /// Goes on with the opening as far as that is possible without waiting, and sends the commands when it is done.
    pub(crate) fn advance(&mut self, pack: impl Fn(&mut Encoder<'_>)) -> Result<(), Failed> {
        let Some(opening) = &mut self.opening else {
            return Ok(());
        };
        match opening.advance(self.call.node) {
            Ok(None) => Ok(()),
            Ok(Some(Ok((connection, offset)))) => {
                self.call.node.learn(offset);
                self.opening = None;
                let put = self.call.loan.connection_or(|| Ok(connection)).map(drop);
                put.map_err(|error| self.call.refused(error))?;
                self.call.dispatch(pack)
            }
            Ok(Some(Err(refusal))) => {
                self.call.node.was_refused(self.call.admission, &refusal);
                Err(self.call.refused(refusal))
            }
            Err(fault) => Err(self.not_opened(fault)),
        }
    }

    /// A fault of a connection that was not open yet: nothing was sent.
    #[cold]
    fn not_opened(&mut self, fault: Error) -> Failed {
        let (node, admission) = (self.call.node, self.call.admission);
        match self.opening.take() {
            Some(opening) => node.not_opened(opening, &fault, admission),
            None => node.did_not_serve(admission, &fault),
        }
        self.call.refused(fault)
    }

    /// Whether reading the replies would not wait, or would find them flowing. What is wrong with them is found by whoever
    /// reads.
    pub(crate) fn is_readable(&mut self) -> bool {
        let connection = self.call.loan.connection();
        connection.is_none_or(|connection| !matches!(connection.at_hand(), Ok(AtHand::Part)))
    }

    /// What it waits for; `None` when its reply may be read.
    pub(crate) fn wants(&mut self) -> Option<Wants> {
        if let Some(opening) = &mut self.opening {
            return Some(opening.wants());
        }
        let connection = self.call.loan.connection()?;
        let socket = connection.socket()?;
        let out = match connection.wants_write() {
            true => libc::POLLOUT,
            false => 0,
        };
        Some(Wants {
            socket: Some(socket),
            events: libc::POLLIN | out,
            besides: Ears::NONE,
            until: self.call.budget.ends(),
        })
    }
}
