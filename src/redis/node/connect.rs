//! How a node is connected to, and what the breaker hears of that and of every answer: what is evidence against a node, and
//! what is not.

use crate::base::budget::Budget;
use crate::error::{Error, Result};
use crate::redis::connection::Connection;
use crate::redis::connection::reply::Reply;

use super::breaker::Admission;
use super::{Node, handshake};

impl Node {
    /// A connection that is ready for commands. A failure counts at once: a node that cannot be connected to is not
    /// tried twice.
    pub(crate) fn connect(&self, budget: Budget, admission: Admission) -> Result<Connection> {
        if let Some(why) = &self.out_of_reach {
            return Err(why.clone());
        }
        self.breaker.still_admits(admission)?;
        let budget = self.time_to_open(budget);
        match self.open(budget) {
            Ok(Ok(connection)) => Ok(connection),
            Ok(Err(refusal)) => {
                self.was_refused(admission, &refusal);
                Err(refusal)
            }
            Err(fault) => {
                self.was_not_opened(admission, &fault, budget);
                Err(fault)
            }
        }
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
            Some("READONLY") => self.answered(),
            _ => self.did_not_serve(admission, refusal),
        }
    }

    /// A connection did not come about within `budget`. Where that was a part of what others have, it is no evidence.
    #[cold]
    pub(crate) fn was_not_opened(&self, admission: Admission, fault: &Error, budget: Budget) {
        let all = self.connect_timeout.min(self.timeout);
        let is_cut = budget.total().saturating_mul(4) < all.saturating_mul(3);
        if !fault.is_timeout() || !is_cut {
            self.did_not_serve(admission, fault);
        }
    }

    fn open(&self, budget: Budget) -> Reply<Connection> {
        let mut connection = match Connection::open(&self.dial, budget) {
            Ok(connection) => connection,
            Err(error) if error.meaning().is_fault() => return Err(error),
            Err(error) => return Ok(Err(error)),
        };
        let offset = if self.dial.connector.is_some() {
            handshake::ask_time(&mut connection, &self.login, budget)?
        } else {
            handshake::greet(&mut connection, &self.login, budget)?
        };
        let offset = match offset {
            Ok(_) if self.is_primary => handshake::ask_role(&mut connection, budget)?.and(offset),
            offset => offset,
        };
        Ok(offset.map(|offset| {
            self.clock.learn(offset);
            connection
        }))
    }
}
