//! One exchange with one node: the commands go out, the replies come in. This is where a dead connection is replaced,
//! once and silently, and where the breaker hears how it went.

use std::os::fd::RawFd;

use crate::error::{Error, ErrorKind, Result};

use super::breaker::Admission;
use super::budget::Budget;
use super::connection::{Connection, SendFault};
use super::node::Node;
use super::pool::Loan;
use super::reply::Reply;
use super::resp::Encoder;

/// A kind of command: its name in errors, and whether it may be sent again.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Verb {
    pub(crate) name: &'static str,
    pub(crate) resend: Resend,
}

/// What may be done when a connection broke after a command was sent and before its reply came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Resend {
    /// Send it again: it reads, or doing it twice does what doing it once does, whatever came in between.
    Safe,
    /// Report the fault: the server may have done it.
    Never,
}

impl Verb {
    pub(crate) const fn safe(name: &'static str) -> Self {
        Verb {
            name,
            resend: Resend::Safe,
        }
    }

    pub(crate) const fn once(name: &'static str) -> Self {
        Verb {
            name,
            resend: Resend::Never,
        }
    }
}

/// Why commands came to nothing.
#[derive(Debug, Clone)]
pub(crate) struct Failed {
    pub(crate) error: Error,
    /// The server refused them or never got them, or doing them twice does no harm.
    pub(crate) may_resend: bool,
}

impl Failed {
    /// The server did nothing, and said so; or nothing was sent.
    pub(crate) fn refused(error: Error) -> Self {
        Failed {
            error,
            may_resend: true,
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
    is_retried: bool,
}

impl<'a> Call<'a> {
    /// A call in a slot of the node's pool.
    #[inline]
    pub(super) fn new(
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
            is_retried: false,
        }
    }

    /// The same call with another budget from now on.
    pub(super) fn with_budget(mut self, budget: Budget) -> Self {
        self.budget = budget;
        self
    }

    /// The time it may take.
    pub(super) fn budget(&self) -> Budget {
        self.budget
    }

    /// Where the replies come in, unless that is not known.
    pub(super) fn socket(&mut self) -> Option<RawFd> {
        self.loan.connection()?.socket()
    }

    /// Has `read` read all the replies, and gives the connection back. `pack` is what [`Call::dispatch`] was given.
    pub(crate) fn finish<R>(
        mut self,
        pack: impl Fn(&mut Encoder<'_>),
        read: impl FnMut(&mut Connection, Budget) -> Reply<R>,
    ) -> Result<R, Failed> {
        self.receive(&pack, read)
    }

    /// The same for a call that is dropped where it was made.
    #[inline]
    pub(super) fn receive<R>(
        &mut self,
        pack: &impl Fn(&mut Encoder<'_>),
        mut read: impl FnMut(&mut Connection, Budget) -> Reply<R>,
    ) -> Result<R, Failed> {
        loop {
            let Some(connection) = self.loan.connection() else {
                let error = Error::new(ErrorKind::Io, "the connection is closed");
                return Err(self.failed(error, self.is_safe()));
            };
            match read(connection, self.budget) {
                Ok(answer) => {
                    self.node.answered();
                    return answer.map_err(|error| self.refused(error));
                }
                Err(error) => self.recover(SendFault {
                    error,
                    unsent: false,
                })?,
            }
            self.dispatch(pack)?;
        }
    }

    /// Sends what `pack` writes, on the connection at hand or on a fresh one.
    #[inline]
    pub(super) fn dispatch(&mut self, pack: &impl Fn(&mut Encoder<'_>)) -> Result<(), Failed> {
        let (node, budget, admission) = (self.node, self.budget, self.admission);
        loop {
            let connection = self.loan.connection_or(|| node.connect(budget, admission));
            let sent = match connection {
                Ok(connection) => {
                    pack(&mut connection.encoder());
                    connection.send(budget)
                }
                Err(error) => return Err(self.refused(error)),
            };
            match sent {
                Ok(()) => return Ok(()),
                Err(fault) => self.recover(fault)?,
            }
        }
    }

    /// After a fault of the connection: whether the commands may be sent once more, on another one.
    #[cold]
    fn recover(&mut self, fault: SendFault) -> Result<(), Failed> {
        self.loan.discard();
        let SendFault { error, unsent } = fault;
        let may_resend = unsent || self.is_safe();
        if self.is_retried || !may_resend || error.is_timeout() || self.budget.remaining().is_err()
        {
            return Err(self.failed(error, may_resend));
        }
        self.is_retried = true;
        self.node.count_retry();
        Ok(())
    }

    fn is_safe(&self) -> bool {
        self.verb.resend == Resend::Safe
    }

    fn failed(&self, error: Error, may_resend: bool) -> Failed {
        self.node.did_not_answer(self.admission);
        Failed {
            error: self.node.named(error, self.verb),
            may_resend,
        }
    }

    fn refused(&self, error: Error) -> Failed {
        Failed::refused(self.node.named(error, self.verb))
    }
}
