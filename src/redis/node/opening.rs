//! A connection on its way: connecting, with TLS where it is wanted, then greeting. Nothing in it waits and it borrows
//! nothing, so several can go on at the same time, and one that a call has no more time for can be put aside for the next.

use crate::base::budget::Budget;
use crate::error::{Error, ErrorKind, Result};
use crate::redis::connection::{AtHand, Connection};
use crate::redis::node::Node;
use crate::redis::wire::{Connecting, Wants};

use super::handshake::{Greeting, Offset};

pub(crate) struct Opening {
    stage: Stage,
    /// As long as `connect_timeout` allows, whoever's call it is.
    budget: Budget,
}

enum Stage {
    Connecting(Connecting),
    Greeting(Connection, Greeting),
    Done,
}

impl Opening {
    pub(crate) fn begin(node: &Node, budget: Budget) -> Result<Opening> {
        let connecting = Connecting::begin(node.address(), budget)?;
        Ok(Opening {
            stage: Stage::Connecting(connecting),
            budget,
        })
    }

    /// Goes on as far as that is possible without waiting. The inner error is a refusal: the node has answered.
    pub(crate) fn advance(&mut self, node: &Node) -> Result<Option<Result<(Connection, Offset)>>> {
        loop {
            match std::mem::replace(&mut self.stage, Stage::Done) {
                Stage::Connecting(mut connecting) => {
                    let dial = node.dial();
                    match connecting.advance(&dial.address, dial.tls.as_ref())? {
                        None => {
                            self.stage = Stage::Connecting(connecting);
                            self.budget.remaining()?;
                            return Ok(None);
                        }
                        Some(wire) => {
                            let mut connection = Connection::over_wire(wire, dial.parser);
                            let greeting =
                                Greeting::begin(&mut connection, node.login(), self.budget)?;
                            self.stage = Stage::Greeting(connection, greeting);
                        }
                    }
                }
                Stage::Greeting(mut connection, mut greeting) => {
                    match connection.at_hand()? {
                        AtHand::All => {}
                        AtHand::Much => return Err(endless()),
                        AtHand::Part => {
                            self.stage = Stage::Greeting(connection, greeting);
                            self.budget.remaining()?;
                            return Ok(None);
                        }
                    }
                    match greeting.hear(&mut connection, node.login(), self.budget)? {
                        Ok(Some(offset)) => return Ok(Some(Ok((connection, offset)))),
                        Ok(None) => self.stage = Stage::Greeting(connection, greeting),
                        Err(refusal) => return Ok(Some(Err(refusal))),
                    }
                }
                Stage::Done => return self.budget.remaining().map(|_| None),
            }
        }
    }

    pub(crate) fn wants(&mut self) -> Wants {
        match &mut self.stage {
            Stage::Connecting(connecting) => connecting.wants(),
            Stage::Greeting(connection, _) => Wants {
                socket: connection.socket(),
                events: libc::POLLIN,
                until: self.budget.ends(),
            },
            Stage::Done => Wants {
                socket: None,
                events: 0,
                until: self.budget.started(),
            },
        }
    }
}

#[cold]
fn endless() -> Error {
    Error::new(
        ErrorKind::Io,
        "the server's answer to the greeting does not end",
    )
}
