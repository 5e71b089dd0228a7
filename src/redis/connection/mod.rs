//! A connection: commands go out as one batch, their replies are pulled in order, token by token. What is behind it
//! may be our own stream and parser (the default), our stream with the `redis` crate's parser, or a connection the
//! caller made. It counts the replies it is owed and remembers any fault, so that [`Connection::is_reusable`] can
//! promise that no reply ever reaches another caller. Its errors name no node.

pub(crate) mod ahead;
mod link;
pub(crate) mod native;
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
use crate::error::{Error, ErrorKind, Result};
use crate::store::Sink;

use super::wire::Wire;
use super::wire::tls::TlsSettings;

use link::Link;
use resp::{Encoder, Token};

pub(crate) use super::wire::SendFault;
pub(crate) use ahead::AtHand;
use ahead::{AHEAD, Held};

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

/// What came of reading one value.
#[derive(Debug)]
pub(crate) enum Found {
    /// The sink has all of it.
    Yes,
    /// There is none.
    No,
    /// The server answered with an error.
    Refused(Error),
}

/// One connection to a server.
pub(crate) struct Connection {
    link: Link,
    outgoing: Vec<u8>,
    /// Commands in `outgoing`.
    queued: usize,
    /// The length of an argument for which there was no memory; 0: there was.
    lacking: usize,
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
            lacking: 0,
            owed: 0,
            open: 0,
            broken: false,
            held: None,
        }
    }

    /// Adds commands to the batch that [`Connection::send`] sends.
    #[inline]
    pub(crate) fn encoder(&mut self) -> Encoder<'_> {
        Encoder::new(&mut self.outgoing, &mut self.queued, &mut self.lacking)
    }

    /// Sends the batch. A custom connection also reads all the replies here.
    #[inline]
    pub(crate) fn send(&mut self, budget: Budget) -> Result<(), SendFault> {
        if self.lacking != 0 {
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
        let len = std::mem::take(&mut self.lacking);
        Err(SendFault {
            error: Error::no_memory("a command with an argument", len),
            unsent: true,
        })
    }

    /// Before a reply is read: what may go out now that others have been.
    #[inline(always)]
    fn let_more_out(&mut self) {
        if self.held.is_some() {
            self.let_held_out();
        }
    }

    /// The next token of the replies. An `Err` means that the connection is broken; what the server has to
    /// complain about is a [`Token::Error`].
    #[inline]
    pub(crate) fn next(&mut self, budget: Budget) -> Result<Token<'_>> {
        self.let_more_out();
        let Connection {
            link,
            owed,
            open,
            broken,
            ..
        } = self;
        awaited(*owed)?;
        match link.token(*open > 0, budget) {
            Ok((token, parts)) => {
                count(owed, open, parts);
                Ok(token)
            }
            Err(error) => {
                *broken = true;
                Err(error)
            }
        }
    }

    /// Reads the next reply if it is there and says OK.
    #[inline]
    pub(crate) fn took_ok(&mut self) -> bool {
        let Link::Native(wire) = &mut self.link else {
            return false;
        };
        let took = self.owed > 0 && self.held.is_none() && wire.buffered().starts_with(b"+OK\r\n");
        if took {
            wire.take(5);
            count(&mut self.owed, &mut self.open, 0);
        }
        took
    }

    /// Reads so many elements of a reply, which are values or nil.
    #[inline(always)]
    pub(crate) fn values(
        &mut self,
        number: usize,
        budget: Budget,
        mut each: impl FnMut(Result<Option<&[u8]>>),
    ) -> Result<()> {
        let mut left = number;
        while left > 0 {
            left -= self.parts_at_hand(left, &mut each)?;
            if left == 0 {
                break;
            }
            if self.element(budget, &mut each)?.is_some() {
                return Err(no_value());
            }
            left -= 1;
        }
        Ok(())
    }

    /// Reads of so many parts of a reply those that are there and easily told; how many that were.
    #[inline(always)]
    fn parts_at_hand(
        &mut self,
        most: usize,
        each: &mut impl FnMut(Result<Option<&[u8]>>),
    ) -> Result<usize> {
        awaited(self.owed)?;
        let Link::Native(wire) = &mut self.link else {
            return Ok(0);
        };
        let most = most.min(usize::try_from(self.open).unwrap_or(usize::MAX));
        let mut read = 0;
        while read < most
            && let Some(value) = native::bulk_at_hand(wire)
        {
            each(Ok(Some(value)));
            read += 1;
        }
        self.open -= read as u64;
        self.owed -= usize::from(read > 0 && self.open == 0);
        Ok(read)
    }

    /// Reads one element of a reply, or a reply, that is a value or nil; or else what the server has to complain about.
    #[inline(always)]
    pub(crate) fn element(
        &mut self,
        budget: Budget,
        each: &mut impl FnMut(Result<Option<&[u8]>>),
    ) -> Result<Option<Error>> {
        awaited(self.owed)?;
        self.let_more_out();
        let at_hand = match &mut self.link {
            Link::Native(wire) => native::bulk_at_hand(wire),
            _ => None,
        };
        if let Some(value) = at_hand {
            each(Ok(Some(value)));
            count(&mut self.owed, &mut self.open, 0);
            return Ok(None);
        }
        if let Some(error) = self.pass_over_what_is_too_large(budget)? {
            each(Err(error));
            return Ok(None);
        }
        match self.next(budget)? {
            Token::Bulk(value) => each(Ok(Some(value))),
            Token::Nil => each(Ok(None)),
            Token::Error(text) => return Ok(Some(Error::from_server(text))),
            _ => return Err(no_value()),
        }
        Ok(None)
    }

    /// Takes in the next element. When that is a value for which there is no memory, it is dropped, and the others of the
    /// reply are still to be had.
    fn pass_over_what_is_too_large(&mut self, budget: Budget) -> Result<Option<Error>> {
        let Link::Native(wire) = &mut self.link else {
            return Ok(None);
        };
        let passed = native::pass_over_what_is_too_large(wire, self.open > 0, budget);
        match &passed {
            Ok(Some(_)) => count(&mut self.owed, &mut self.open, 0),
            Ok(None) => {}
            Err(_) => self.broken = true,
        }
        passed
    }

    /// Reads one element that is a value or nil. An `Err` of the sink leaves the connection intact unless the value
    /// was large.
    #[inline(always)]
    pub(crate) fn value(&mut self, sink: &mut dyn Sink, budget: Budget) -> Result<Found> {
        awaited(self.owed)?;
        self.let_more_out();
        if let Link::Native(wire) = &mut self.link {
            if let Err(error) = wire.glance(budget) {
                self.broken = true;
                return Err(error);
            }
            if let Some(value) = native::bulk_at_hand(wire) {
                let begun = sink.begin(value, value.len()).map(|_| Found::Yes);
                count(&mut self.owed, &mut self.open, 0);
                return begun;
            }
        }
        self.any_value(sink, budget)
    }

    fn any_value(&mut self, sink: &mut dyn Sink, budget: Budget) -> Result<Found> {
        let inside = self.open > 0;
        let found = match self.link.value(inside, sink, budget) {
            Ok(native::Value::Delivered(done)) => Ok(done.map(|()| Found::Yes)),
            Ok(native::Value::Other(Token::Nil)) => Ok(Ok(Found::No)),
            Ok(native::Value::Other(Token::Error(text))) => {
                Ok(Ok(Found::Refused(Error::from_server(text))))
            }
            Ok(native::Value::Other(_)) => Err(no_value()),
            Err(error) => Err(error),
        };
        match found {
            Ok(found) => {
                count(&mut self.owed, &mut self.open, 0);
                found
            }
            Err(error) => {
                self.broken = true;
                Err(error)
            }
        }
    }

    /// Reads and drops one whole reply, or inside of a reply one element of it; `Some` when it is a server error.
    pub(crate) fn skip(&mut self, budget: Budget) -> Result<Option<Error>> {
        awaited(self.owed)?;
        self.let_more_out();
        let inside = self.open > 0;
        match self.link.skip(inside, budget) {
            Ok(error) => {
                count(&mut self.owed, &mut self.open, 0);
                Ok(error)
            }
            Err(error) => {
                self.broken = true;
                Err(error)
            }
        }
    }

    /// True when there was no fault and every reply of every command has been read to its end, and no more.
    #[inline]
    pub(crate) fn is_reusable(&self) -> bool {
        let settled = self.queued == 0 && self.owed == 0 && self.open == 0;
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

/// Keeps count after an element that announced `parts` more.
#[inline]
fn count(owed: &mut usize, open: &mut u64, parts: u64) {
    *open = open.saturating_sub(1).saturating_add(parts);
    if *open == 0 {
        *owed -= 1;
    }
}

/// Without this, reading too much would wait for a reply that nobody asked for.
#[inline]
fn awaited(owed: usize) -> Result<()> {
    if owed == 0 {
        return Err(unawaited());
    }
    Ok(())
}

#[cold]
fn unawaited() -> Error {
    Error::new(ErrorKind::Io, "no reply is awaited")
}

#[cold]
fn no_value() -> Error {
    Error::new(
        ErrorKind::Io,
        "the reply is not what was asked for: a value or nil was expected",
    )
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
