//! How a node is connected to, and what the breaker hears of that and of every answer: what is evidence against a node, and
//! what is not.

use std::time::Duration;

use crate::base::budget::Budget;
use crate::config::Address;
use crate::error::{Error, Result};
use crate::redis::connection::Connection;
use crate::redis::connection::reply::Reply;
use crate::redis::wire::{names, poll};

use super::breaker::Admission;
use super::opening::Opening;
use super::{Node, handshake, login};

impl Node {
    /// A connection that is ready for commands. A failure counts at once: a node that cannot be connected to is not
    /// tried twice.
    pub(crate) fn connect(&self, budget: Budget, admission: Admission) -> Result<Connection> {
        if let Some(why) = &self.out_of_reach {
            return Err(why.clone());
        }
        self.breaker.still_admits(admission)?;
        let opened = match self.dial.connector {
            Some(_) => self.open_by_connector(self.time_to_open(budget), admission)?,
            None => self.open(budget, admission)?,
        };
        opened.inspect_err(|refusal| self.was_refused(admission, refusal))
    }

    /// Whether a call that was let pass may still connect: others may have found out meanwhile that the node does not serve.
    pub(crate) fn may_connect(&self, admission: Admission) -> Result<()> {
        self.breaker.still_admits(admission)
    }

    /// Tells the breaker that the node serves, or what it said instead.
    #[inline]
    pub(crate) fn answered(&self) {
        self.breaker.succeeded();
    }

    /// Tells the breaker that the node does not serve, and why; what this process lacks is no evidence against it.
    #[cold]
    pub(crate) fn did_not_serve(&self, admission: Admission, why: &Error) {
        if !why.is_our_own() {
            self.breaker.failed(admission, why);
        }
    }

    /// The node answered the greeting, and takes nobody in like this; a replica in the place of a primary serves others.
    #[cold]
    pub(crate) fn was_refused(&self, admission: Admission, refusal: &Error) {
        match refusal.code() {
            Some("READONLY") => {
                self.answered();
                self.doubt_name();
            }
            _ => self.did_not_serve(admission, refusal),
        }
    }

    /// A connection led to the wrong server, or to one in the wrong state: the name may have moved.
    #[cold]
    pub(crate) fn doubt_name(&self) {
        if let Address::Tcp { host, .. } = self.address() {
            names::doubt(host);
        }
    }

    /// A connection on its way: the one that an earlier call had no more time for, or a new one.
    pub(crate) fn begin_opening(&self, budget: Budget) -> Result<Box<Opening>> {
        self.parking.begin(self, self.time_to_open(budget))
    }

    /// Nothing has come of it in the time of a call. Where that was less than anybody would wait for, it says nothing about
    /// the node, and the next call goes on with it.
    #[cold]
    pub(crate) fn not_opened(&self, mut opening: Box<Opening>, fault: &Error, to: Admission) {
        if fault.is_timeout() && opening.waited() < self.enough() {
            self.parking.put(opening);
        } else {
            self.did_not_serve(to, fault);
        }
    }

    /// So long anybody would wait for a connection, or nearly so.
    fn enough(&self) -> Duration {
        self.connect_timeout.min(self.timeout) * 3 / 4
    }

    fn open(&self, budget: Budget, admission: Admission) -> Reply<Connection> {
        let mut opening = match self.begin_opening(budget) {
            Ok(opening) => opening,
            Err(error) if error.meaning().is_fault() => {
                self.did_not_serve(admission, &error);
                return Err(error);
            }
            Err(error) => return Ok(Err(error)),
        };
        loop {
            match opening.advance(self) {
                Ok(Some(opened)) => {
                    return Ok(opened.map(|(connection, offset)| {
                        self.learn(offset);
                        connection
                    }));
                }
                Ok(None) => drop(poll(&[opening.wants()])),
                Err(error) if error.meaning().is_fault() => {
                    self.not_opened(opening, &error, admission);
                    return Err(error);
                }
                Err(error) => return Ok(Err(error)),
            }
        }
    }

    fn open_by_connector(&self, budget: Budget, admission: Admission) -> Reply<Connection> {
        let opened = self.ask_connector(budget);
        if let Err(fault) = &opened
            && !(fault.is_timeout() && budget.total() < self.enough())
        {
            self.did_not_serve(admission, fault);
        }
        opened
    }

    fn ask_connector(&self, budget: Budget) -> Reply<Connection> {
        let mut opened = self.open_with_secrets(budget);
        if self.login.asker().is_some()
            && let Err(error) = &opened
            && matches!(error.code(), Some("WRONGPASS" | "NOAUTH"))
        {
            opened = self.open_with_secrets(budget);
        }
        let mut connection = match opened {
            Ok(connection) => connection,
            Err(error) if error.meaning().is_fault() => return Err(error),
            Err(error) => return Ok(Err(error)),
        };
        let (login, is_primary) = (&self.login, self.is_primary);
        let told = handshake::ask_time(&mut connection, login, is_primary, budget)?;
        Ok(told.map(|offset| {
            self.learn(offset);
            connection
        }))
    }

    /// A connector does the login itself.
    fn open_with_secrets(&self, budget: Budget) -> Result<Connection> {
        let secrets = self.login.secrets()?;
        let info = login::with_secrets(&self.dial.info, secrets.as_deref())?;
        Connection::open_as(&self.dial, &info, budget)
    }
}
