//! One exchange with one node: the commands go out, the replies come in. This is where a dead connection is replaced,
//! once and silently, and where the breaker hears how it went.

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
    /// Sends what `pack` writes, in a slot of the node's pool.
    pub(super) fn begin(
        node: &'a Node,
        loan: Loan<'a, Connection>,
        verb: Verb,
        budget: Budget,
        admission: Admission,
        pack: impl Fn(&mut Encoder<'_>),
    ) -> Result<Self> {
        let mut call = Call {
            node,
            loan,
            verb,
            budget,
            admission,
            is_retried: false,
        };
        call.dispatch(&pack)?;
        Ok(call)
    }

    /// Has `read` read all the replies. `pack` is what [`Node::start`] was given.
    pub(crate) fn finish<R>(
        mut self,
        pack: impl Fn(&mut Encoder<'_>),
        mut read: impl FnMut(&mut Connection, Budget) -> Reply<R>,
    ) -> Result<R> {
        loop {
            let Some(connection) = self.loan.connection() else {
                return Err(self.failed(Error::new(ErrorKind::Io, "the connection is closed")));
            };
            match read(connection, self.budget) {
                Ok(answer) => {
                    self.node.answered();
                    return answer.map_err(|error| self.named(error));
                }
                Err(error) => self.recover(SendFault {
                    error,
                    unsent: false,
                })?,
            }
            self.dispatch(&pack)?;
        }
    }

    /// Sends the commands, on the connection at hand or on a fresh one.
    fn dispatch(&mut self, pack: &impl Fn(&mut Encoder<'_>)) -> Result<()> {
        let (node, budget, admission) = (self.node, self.budget, self.admission);
        loop {
            let connection = self.loan.connection_or(|| node.connect(budget, admission));
            let sent = match connection {
                Ok(connection) => {
                    pack(&mut connection.encoder());
                    connection.send(budget)
                }
                Err(error) => return Err(self.named(error)),
            };
            match sent {
                Ok(()) => return Ok(()),
                Err(fault) => self.recover(fault)?,
            }
        }
    }

    /// After a fault of the connection: whether the commands may be sent once more, on another one.
    #[cold]
    fn recover(&mut self, fault: SendFault) -> Result<()> {
        self.loan.discard();
        let SendFault { error, unsent } = fault;
        let may_resend = unsent || self.verb.resend == Resend::Safe;
        if self.is_retried || !may_resend || error.is_timeout() || self.budget.remaining().is_err()
        {
            return Err(self.failed(error));
        }
        self.is_retried = true;
        self.node.count_retry();
        Ok(())
    }

    fn failed(&self, error: Error) -> Error {
        self.node.did_not_answer(self.admission);
        self.named(error)
    }

    fn named(&self, error: Error) -> Error {
        self.node.named(error, self.verb)
    }
}
