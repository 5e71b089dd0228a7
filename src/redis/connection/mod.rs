//! A connection: commands go out as one batch, their replies are pulled in order, token by token. What is behind it
//! may be our own stream and parser (the default), our stream with the `redis` crate's parser, or a connection the
//! caller made. It counts the replies it is owed and remembers any fault, so that [`Connection::is_reusable`] can
//! promise that no reply ever reaches another caller. Its errors name no node.

pub(crate) mod ahead;
mod around;
mod link;
pub(crate) mod native;
mod reading;
pub(crate) mod redis_crate;
pub(crate) mod replies;
pub(crate) mod reply;
pub(crate) mod resp;
pub(crate) mod shared;
#[cfg(test)]
pub(crate) mod tests;

use std::fmt;
use std::os::fd::RawFd;

use zeroize::Zeroize;

use crate::base::budget::Budget;
use crate::config::{Address, Connector, Parser};
use crate::error::{Error, Result};

use super::wire::Wire;
use super::wire::tls::TlsSettings;

use link::Link;
use resp::{Aside, Encoder};

pub(crate) use super::wire::SendFault;
pub(crate) use ahead::AtHand;
use ahead::{AHEAD, Held};
pub(crate) use reading::Found;

/// How connections to a node are made.
pub(crate) struct Dial {
    pub(crate) address: Address,
    /// The location is `rediss://`, and this is how its certificate is checked. A connector brings its own.
    pub(crate) tls: Option<TlsSettings>,
    pub(crate) parser: Parser,
    /// Makes the connections instead of us; it is given `info` with user and password.
    pub(crate) connector: Option<Connector>,
    pub(crate) info: redis::ConnectionInfo,
}

/// One connection to a server.
pub(crate) struct Connection {
    link: Link,
    outgoing: Vec<u8>,
    /// Commands in `outgoing`.
    queued: usize,
    aside: Aside,
    /// Replies to commands that were sent.
    owed: usize,
    /// Elements still to come of the reply that has begun.
    open: u64,
    broken: bool,
    /// Where a large batch stands of which a part is still to be written.
    held: Option<Box<Held>>,
}

impl Connection {
    /// Connects, and does nothing else: no greeting, no password. A connector is given `info`.
    pub(crate) fn open_as(
        how: &Dial,
        info: &redis::ConnectionInfo,
        budget: Budget,
    ) -> Result<Connection> {
        Ok(Connection::over(Link::open(how, info, budget)?))
    }

    /// The same for nobody in particular.
    #[cfg(test)]
    pub(crate) fn open(how: &Dial, budget: Budget) -> Result<Connection> {
        Connection::open_as(how, &how.info, budget)
    }

    /// Over a wire that is connected.
    pub(crate) fn over_wire(wire: Wire, parser: Parser) -> Connection {
        Connection::over(Link::over_wire(wire, parser))
    }

    fn over(link: Link) -> Connection {
        Connection {
            link,
            outgoing: Vec::new(),
            queued: 0,
            aside: Aside::default(),
            owed: 0,
            open: 0,
            broken: false,
            held: None,
        }
    }

    /// Adds commands to the batch that [`Connection::send`] sends.
    #[inline]
    pub(crate) fn encoder(&mut self) -> Encoder<'_> {
        Encoder::new(&mut self.outgoing, &mut self.queued, &mut self.aside)
    }

    /// Sends the batch. A custom connection also reads all the replies here.
    #[inline]
    pub(crate) fn send(&mut self, budget: Budget) -> Result<(), SendFault> {
        if self.aside.lacking != 0 {
            return self.forget();
        }
        if self.outgoing.capacity() > AHEAD {
            return self.send_large(budget);
        }
        let sent = self.link.send(&self.outgoing, self.queued, budget);
        self.broken |= sent.is_err();
        self.owed += std::mem::take(&mut self.queued);
        self.outgoing.clear();
        sent
    }

    /// Room for commands with a secret in them: they stay in one place, until [`Connection::wipe`].
    pub(crate) fn secret_room(&mut self, len: usize) {
        self.outgoing.reserve(len);
    }

    /// Overwrites what was sent.
    pub(crate) fn wipe(&mut self) {
        if self.outgoing.is_empty() {
            self.outgoing.zeroize();
        }
    }

    /// A batch for which there was no memory is dropped; the connection is as it was before.
    #[cold]
    fn forget(&mut self) -> Result<(), SendFault> {
        self.outgoing.clear();
        self.queued = 0;
        let len = std::mem::take(&mut self.aside).lacking;
        Err(SendFault {
            error: Error::no_memory("a command with an argument", len),
            unsent: true,
        })
    }

    /// True when there was no fault and every reply of every command has been read to its end, and no more.
    #[inline(always)]
    pub(crate) fn is_reusable(&self) -> bool {
        let settled = self.queued as u64 | self.owed as u64 | self.open == 0;
        settled
            && self.link.is_drained()
            && !self.broken
            && (self.held.is_none() || self.is_all_out())
    }

    /// True when the connection is open and nothing waits to be read. No round trip; a custom connection is
    /// asked for its own opinion.
    pub(crate) fn is_quiet(&mut self) -> bool {
        self.link.is_quiet()
    }

    /// Whether that is found out of the socket; a custom connection may go on believing that it is open.
    pub(crate) fn knows_its_end(&self) -> bool {
        self.link.knows_its_end()
    }

    /// Whether a part of a reply has come that nobody has read; of a custom connection that is not known.
    pub(crate) fn has_part(&mut self) -> bool {
        self.link.has_part()
    }

    /// What becomes readable when a reply comes; a custom connection may have none, and has read it already.
    pub(crate) fn socket(&mut self) -> Option<RawFd> {
        self.link.socket()
    }

    /// Gives back the memory of a large reply before the connection rests.
    #[inline]
    pub(crate) fn trim(&mut self) {
        self.link.trim()
    }

    /// What bytes go through, for somebody who reads replies himself; none of a custom connection.
    pub(crate) fn into_wire(self) -> Option<Wire> {
        if !self.is_reusable() {
            return None;
        }
        self.link.into_wire()
    }

    /// Bytes read and written since the last time. Of a custom connection only those written are known.
    #[inline]
    pub(crate) fn take_traffic(&mut self) -> (u64, u64) {
        self.link.take_traffic()
    }
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connection")
            .field("link", &self.link.name())
            .field("owed", &self.owed)
            .field("broken", &self.broken)
            .finish()
    }
}
