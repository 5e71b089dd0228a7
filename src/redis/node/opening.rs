//! A connection on its way: connecting, with TLS where it is wanted, then greeting. Nothing in it waits and it borrows
//! nothing, so several can go on at the same time, and one that a call has no more time for is put aside for the next.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use crate::base::budget::Budget;
use crate::base::fork::PerProcess;
use crate::base::moment::Moment;
use crate::error::{Error, ErrorKind, Result};
use crate::redis::connection::{AtHand, Connection};
use crate::redis::node::Node;
use crate::redis::wire::stream::silence;
use crate::redis::wire::{Connecting, Wants};

use super::along::Along;
use super::handshake::Greeting;
use super::time::Offset;

pub(crate) struct Opening {
    stage: Stage,
    /// The time of whoever waits for it now.
    budget: Budget,
    /// The time of those before.
    waited: Duration,
    /// It was put aside by somebody, and much may have happened to it since.
    is_resumed: bool,
}

enum Stage {
    Connecting(Connecting),
    Greeting(Box<(Connection, Greeting)>),
    Done,
}

impl Opening {
    pub(crate) fn begin(node: &Node, budget: Budget) -> Result<Opening> {
        let connecting = Connecting::begin(node.address(), budget)?;
        Ok(Opening {
            stage: Stage::Connecting(connecting),
            budget,
            waited: Duration::ZERO,
            is_resumed: false,
        })
    }

    /// Goes on for somebody else, who has this time.
    fn resume(mut self: Box<Self>, budget: Budget) -> Box<Self> {
        match &mut self.stage {
            Stage::Connecting(connecting) => connecting.go_on(budget),
            Stage::Greeting(greeting) => greeting.1.go_on(),
            Stage::Done => {}
        }
        self.budget = budget;
        self.is_resumed = true;
        self
    }

    /// How long it has been waited for, by all who did; counted when one of them gives up.
    pub(crate) fn waited(&mut self) -> Duration {
        self.waited += Moment::now().since(self.budget.started());
        self.waited
    }

    /// Goes on as far as that is possible without waiting. The inner error is a refusal: the node has answered. When the
    /// time is over that is an error too, and the opening is as good as before. What `along` has goes out with the greeting;
    /// on the connection its replies are owed then.
    pub(crate) fn advance(
        &mut self,
        node: &Node,
        along: &mut Along<'_>,
    ) -> Result<Option<Result<(Connection, Offset)>>> {
        let gone = match self.go(node, along) {
            // What was put aside may have been given up by the server since.
            Err(_) if self.is_resumed => {
                *self = Opening::begin(node, self.budget)?;
                self.go(node, along)?
            }
            gone => gone?,
        };
        if gone.is_none() && self.budget.left().is_none() {
            return Err(self.late());
        }
        Ok(gone)
    }

    fn go(
        &mut self,
        node: &Node,
        along: &mut Along<'_>,
    ) -> Result<Option<Result<(Connection, Offset)>>> {
        let (login, is_primary, budget) = (node.login(), node.is_primary(), self.budget);
        loop {
            match std::mem::replace(&mut self.stage, Stage::Done) {
                Stage::Connecting(mut connecting) => {
                    let dial = node.dial();
                    match connecting.advance(&dial.address, dial.tls.as_ref())? {
                        None => {
                            self.stage = Stage::Connecting(connecting);
                            return Ok(None);
                        }
                        Some(wire) => {
                            let mut connection = Connection::over_wire(wire, dial.parser);
                            let (to, with) = (&mut connection, &mut *along);
                            let greeting = Greeting::begin(to, login, is_primary, with, budget)?;
                            self.stage = Stage::Greeting(Box::new((connection, greeting)));
                        }
                    }
                }
                Stage::Greeting(mut talk) => {
                    let (connection, greeting) = &mut *talk;
                    match connection.first_at_hand(greeting.awaited())? {
                        AtHand::All => {}
                        AtHand::Much if greeting.awaits_others() => {}
                        AtHand::Much => return Err(endless()),
                        AtHand::Part => {
                            self.stage = Stage::Greeting(talk);
                            return Ok(None);
                        }
                    }
                    match greeting.hear(connection, login, is_primary, along, budget)? {
                        Ok(Some(offset)) => return Ok(Some(Ok((talk.0, offset)))),
                        Ok(None) => self.stage = Stage::Greeting(talk),
                        Err(refusal) => return Ok(Some(Err(refusal))),
                    }
                }
                Stage::Done => return Err(opened_before()),
            }
        }
    }

    /// Why nothing has come of it by now.
    fn late(&self) -> Error {
        match &self.stage {
            Stage::Connecting(connecting) => connecting.late(),
            Stage::Greeting(_) => silence(false, self.budget),
            Stage::Done => opened_before(),
        }
    }

    pub(crate) fn wants(&mut self) -> Wants {
        let mut wants = match &mut self.stage {
            Stage::Connecting(connecting) => connecting.wants(),
            Stage::Greeting(talk) => Wants {
                socket: talk.0.socket(),
                events: libc::POLLIN,
                until: self.budget.ends(),
            },
            Stage::Done => Wants {
                socket: None,
                events: 0,
                until: self.budget.started(),
            },
        };
        wants.until = wants.until.min(self.budget.ends());
        wants
    }
}

/// An opening that a call had no more time for; one a node, for the next call.
pub(crate) struct Parking(PerProcess<Mutex<Option<Box<Opening>>>>);

impl Parking {
    pub(crate) fn new() -> Parking {
        Parking(PerProcess::new(Mutex::new(None)))
    }

    /// Takes up what was put aside, or begins anew.
    pub(crate) fn begin(&self, node: &Node, budget: Budget) -> Result<Box<Opening>> {
        match self.take() {
            Some(parked) => Ok(parked.resume(budget)),
            None => Ok(Box::new(Opening::begin(node, budget)?)),
        }
    }

    /// Puts an opening aside, unless it has come to its end. A second one is given up.
    pub(crate) fn put(&self, opening: Box<Opening>) {
        if matches!(opening.stage, Stage::Done) {
            return;
        }
        let mut place = self.place().lock().unwrap_or_else(PoisonError::into_inner);
        if place.is_none() {
            *place = Some(opening);
        }
    }

    pub(crate) fn take(&self) -> Option<Box<Opening>> {
        let mut place = self.place().lock().unwrap_or_else(PoisonError::into_inner);
        place.take()
    }

    fn place(&self) -> &Mutex<Option<Box<Opening>>> {
        self.0.get(|inherited| {
            // The parent's is not ours to go on with: the descriptor is closed, and nothing is said.
            if let Ok(mut place) = inherited.try_lock() {
                place.take();
            }
            Mutex::new(None)
        })
    }
}

#[cold]
fn endless() -> Error {
    Error::new(
        ErrorKind::Io,
        "the server's answer to the greeting does not end",
    )
}

#[cold]
fn opened_before() -> Error {
    Error::new(ErrorKind::Io, "the connection was opened before")
}
