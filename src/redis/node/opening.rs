//! A connection on its way: connecting, with TLS where it is wanted, then greeting. Nothing in it waits and it borrows
//! nothing, so several can go on at the same time, and one that a call has no more time for is put aside for the next.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use crate::base::budget::Budget;
use crate::base::fork::PerProcess;
use crate::base::moment::Moment;
use crate::config::Protocol;
use crate::error::{Error, ErrorKind, Result};
use crate::redis::connection::{AtHand, Connection};
use crate::redis::node::Node;
use crate::redis::wire::stream::silence;
use crate::redis::wire::{Connecting, Ears, Wants};

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
    /// No more is said than must be.
    is_bare: bool,
    /// How the server hung up on a greeting.
    hung_up: Option<Error>,
}

enum Stage {
    Connecting(Connecting),
    Greeting(Box<(Connection, Greeting)>),
    /// The server ended the connection and had not said a word.
    HungUp,
    Done,
}

impl Opening {
    pub(crate) fn begin(node: &Node, budget: Budget) -> Result<Opening> {
        node.renew_tls();
        let connecting = Connecting::begin(node.address(), budget)?;
        Ok(Opening {
            stage: Stage::Connecting(connecting),
            budget,
            waited: Duration::ZERO,
            is_resumed: false,
            is_bare: node.is_bare(),
            hung_up: None,
        })
    }

    /// Goes on for somebody else, who has this time.
    fn resume(mut self: Box<Self>, budget: Budget) -> Box<Self> {
        match &mut self.stage {
            Stage::Connecting(connecting) => connecting.go_on(budget),
            Stage::Greeting(greeting) => greeting.1.go_on(),
            Stage::Done | Stage::HungUp => {}
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
    /// time is over that is an error too, and the opening is as good as before.
    pub(crate) fn advance(&mut self, node: &Node) -> Result<Option<Result<(Connection, Offset)>>> {
        let gone = match self.go(node) {
            Err(fault) if self.was_hung_up_on(node, &fault) => {
                let again = Opening::begin(node, self.budget)?;
                *self = Opening {
                    waited: self.waited,
                    is_bare: true,
                    hung_up: Some(fault),
                    ..again
                };
                self.go(node)
            }
            gone => gone,
        };
        let gone = match gone {
            // What was put aside may have been given up by the server since.
            Err(_) if self.is_resumed => {
                *self = Opening::begin(node, self.budget)?;
                self.go(node)?
            }
            // The bare attempt came to nothing either: the first one tells more.
            Err(fault) => {
                node.forget_bare();
                return Err(self.hung_up.take().unwrap_or(fault));
            }
            Ok(gone) => gone,
        };
        if let (Some(Ok(_)), Some(_)) = (&gone, &self.hung_up) {
            node.remember_bare();
        }
        if gone.is_none() && self.budget.left().is_none() {
            return Err(self.late());
        }
        Ok(gone)
    }

    /// Whether the server ended the connection when it heard the greeting, and has not said a word: as few as possible
    /// may do.
    fn was_hung_up_on(&self, node: &Node, fault: &Error) -> bool {
        let is_hang_up = fault.kind() == ErrorKind::Io && matches!(self.stage, Stage::HungUp);
        let may_be_bare = node.login().protocol != Protocol::Resp3 && !self.is_bare;
        is_hang_up && may_be_bare && !self.is_resumed
    }

    fn go(&mut self, node: &Node) -> Result<Option<Result<(Connection, Offset)>>> {
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
                            let is_bare = self.is_bare;
                            let greeting = match Greeting::begin(
                                &mut connection,
                                login,
                                is_primary,
                                is_bare,
                                budget,
                            ) {
                                Ok(greeting) => greeting,
                                Err(error) if error.meaning().is_fault() => return Err(error),
                                Err(error) => return Ok(Some(Err(error))),
                            };
                            self.stage = Stage::Greeting(Box::new((connection, greeting)));
                        }
                    }
                }
                Stage::Greeting(mut talk) => {
                    let (connection, greeting) = &mut *talk;
                    let at_hand = connection.at_hand();
                    if at_hand.is_err() && greeting.is_unheard() && !connection.has_part() {
                        self.stage = Stage::HungUp;
                    }
                    match at_hand? {
                        AtHand::All => {}
                        AtHand::Much => return Err(endless()),
                        AtHand::Part => {
                            self.stage = Stage::Greeting(talk);
                            return Ok(None);
                        }
                    }
                    match greeting.hear(connection, login, is_primary, budget)? {
                        Ok(Some(offset)) => return Ok(Some(Ok((talk.0, offset)))),
                        Ok(None) => self.stage = Stage::Greeting(talk),
                        Err(refusal) => return Ok(Some(Err(refusal))),
                    }
                }
                Stage::Done | Stage::HungUp => return Err(opened_before()),
            }
        }
    }

    /// Why nothing has come of it by now.
    fn late(&self) -> Error {
        match &self.stage {
            Stage::Connecting(connecting) => connecting.late(),
            Stage::Greeting(_) => silence(false, self.budget),
            Stage::Done | Stage::HungUp => opened_before(),
        }
    }

    pub(crate) fn wants(&mut self) -> Wants {
        let mut wants = match &mut self.stage {
            Stage::Connecting(connecting) => connecting.wants(),
            Stage::Greeting(talk) => Wants {
                socket: talk.0.socket(),
                events: libc::POLLIN,
                besides: Ears::NONE,
                until: self.budget.ends(),
            },
            Stage::Done | Stage::HungUp => Wants {
                socket: None,
                events: 0,
                besides: Ears::NONE,
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
        if matches!(opening.stage, Stage::Done | Stage::HungUp) {
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
