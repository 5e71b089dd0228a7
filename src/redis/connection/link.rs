//! What is behind a connection: our own stream and parser, our stream with the `redis` crate's parser, or a connection
//! that the caller made. Everything that differs between the three is said here.

use std::os::fd::RawFd;

use crate::base::budget::Budget;
use crate::config::Parser;
use crate::error::{Error, Result};
use crate::store::Sink;

use super::super::wire::{SendFault, Wire};
use super::redis_crate::{Custom, Parsed};
use super::resp::Token;
use super::{Dial, native};

/// Its tag is a byte of its own: a hit looks at it several times.
#[repr(u8)]
pub(super) enum Link {
    Native(Wire),
    Parsed(Box<Parsed>),
    Custom(Box<Custom>),
}

impl Link {
    /// Connects, and does nothing else.
    pub(super) fn open(how: &Dial, info: &redis::ConnectionInfo, budget: Budget) -> Result<Link> {
        if let Some(connector) = &how.connector {
            return Ok(Link::Custom(Box::new(Custom::open(connector, info)?)));
        }
        let wire = Wire::connect(&how.address, how.tls.as_ref(), budget)?;
        Ok(Link::over_wire(wire, how.parser))
    }

    /// Over a wire that is connected.
    pub(super) fn over_wire(wire: Wire, parser: Parser) -> Link {
        match parser {
            Parser::Native => Link::Native(wire),
            Parser::Redis => Link::Parsed(Box::new(Parsed::over(wire))),
        }
    }

    /// What bytes go through, unless that is somebody else's affair.
    #[inline]
    pub(super) fn wire(&mut self) -> Option<&mut Wire> {
        match self {
            Link::Native(wire) => Some(wire),
            Link::Parsed(parsed) => Some(parsed.wire()),
            Link::Custom(_) => None,
        }
    }

    /// Sends a batch of so many commands. A custom connection also reads all the replies here.
    #[inline]
    pub(super) fn send(
        &mut self,
        batch: &[u8],
        commands: usize,
        budget: Budget,
    ) -> Result<(), SendFault> {
        match self {
            Link::Native(wire) => wire.send(batch, budget),
            Link::Parsed(parsed) => parsed.wire().send(batch, budget),
            Link::Custom(custom) => custom.exchange(batch, commands),
        }
    }

    /// The same for a batch that lies in pieces; a custom connection takes it in one only.
    pub(super) fn send_parts(
        &mut self,
        parts: [&[u8]; 3],
        commands: usize,
        budget: Budget,
    ) -> Result<(), SendFault> {
        if let Some(wire) = self.wire() {
            return wire.send_parts(parts, budget);
        }
        let len = parts.iter().map(|part| part.len()).sum();
        let mut batch = Vec::new();
        if batch.try_reserve_exact(len).is_err() {
            return Err(SendFault {
                error: Error::no_memory("a command", len),
                unsent: true,
            });
        }
        parts.iter().for_each(|part| batch.extend_from_slice(part));
        self.send(&batch, commands, budget)
    }

    /// The next token, and how many elements it announces.
    #[inline]
    pub(super) fn token(&mut self, inside: bool, budget: Budget) -> Result<(Token<'_>, u64)> {
        match self {
            Link::Native(wire) => native::token(wire, inside, budget),
            Link::Parsed(parsed) => parsed.next(budget),
            Link::Custom(custom) => custom.next(),
        }
    }

    /// The next element, for the sink when it is a value.
    pub(super) fn value(
        &mut self,
        inside: bool,
        sink: &mut dyn Sink,
        budget: Budget,
    ) -> Result<native::Value<'_>> {
        match self {
            Link::Native(wire) => native::value(wire, inside, sink, budget),
            Link::Parsed(parsed) => parsed.next(budget).map(|(token, _)| deliver(token, sink)),
            Link::Custom(custom) => custom.next().map(|(token, _)| deliver(token, sink)),
        }
    }

    /// Reads and drops one whole element; `Some` when it is a server error.
    pub(super) fn skip(&mut self, inside: bool, budget: Budget) -> Result<Option<Error>> {
        match self {
            Link::Native(wire) => native::skip(wire, inside, budget),
            Link::Parsed(parsed) => skip_tokens(|| parsed.next(budget).map(owned)),
            Link::Custom(custom) => skip_tokens(|| custom.next().map(owned)),
        }
    }

    /// Whether everything that was read has been taken.
    #[inline]
    pub(super) fn is_drained(&self) -> bool {
        match self {
            Link::Native(wire) => wire.is_drained(),
            Link::Parsed(parsed) => parsed.is_drained(),
            Link::Custom(custom) => custom.is_drained(),
        }
    }

    /// Whether nothing of a batch waits to be written.
    #[cold]
    pub(super) fn is_all_out(&self) -> bool {
        match self {
            Link::Native(wire) => wire.outgoing().is_none(),
            Link::Parsed(parsed) => parsed.is_all_out(),
            Link::Custom(_) => true,
        }
    }

    /// Whether it is open and nothing waits to be read; a custom connection is asked for its own opinion.
    pub(super) fn is_quiet(&mut self) -> bool {
        match self {
            Link::Native(wire) => wire.is_quiet(),
            Link::Parsed(parsed) => parsed.is_quiet(),
            Link::Custom(custom) => custom.is_open(),
        }
    }

    /// Whether its end is found out of the socket; a custom connection may go on believing that it is open.
    pub(super) fn knows_its_end(&self) -> bool {
        !matches!(self, Link::Custom(_))
    }

    /// Whether a part of a reply has come that nobody has read; of a custom connection that is not known.
    pub(super) fn has_part(&mut self) -> bool {
        self.wire().is_none_or(|wire| !wire.buffered().is_empty())
    }

    /// What becomes readable when a reply comes; a custom connection may have none, and has read it already.
    pub(super) fn socket(&mut self) -> Option<RawFd> {
        self.wire().map(|wire| wire.socket())
    }

    /// Gives back the memory of a large reply.
    #[inline]
    pub(super) fn trim(&mut self) {
        match self {
            Link::Native(wire) => wire.trim(),
            Link::Parsed(parsed) => parsed.trim(),
            Link::Custom(_) => {}
        }
    }

    pub(super) fn into_wire(self) -> Option<Wire> {
        match self {
            Link::Native(wire) => Some(wire),
            Link::Parsed(parsed) => Some(parsed.into_wire()),
            Link::Custom(_) => None,
        }
    }

    /// Bytes read and written since the last time. Of a custom connection only those written are known.
    #[inline]
    pub(super) fn take_traffic(&mut self) -> (u64, u64) {
        match self {
            Link::Native(wire) => wire.take_traffic(),
            Link::Parsed(parsed) => parsed.wire().take_traffic(),
            Link::Custom(custom) => custom.take_traffic(),
        }
    }

    pub(super) fn name(&self) -> &'static str {
        match self {
            Link::Native(_) => "native",
            Link::Parsed(_) => "parser=redis",
            Link::Custom(_) => "custom",
        }
    }
}

fn deliver<'a>(token: Token<'a>, sink: &mut dyn Sink) -> native::Value<'a> {
    match token {
        Token::Bulk(bytes) => native::Value::Delivered(sink.begin(bytes, bytes.len()).map(drop)),
        other => native::Value::Other(other),
    }
}

fn owned((token, parts): (Token<'_>, u64)) -> (Option<Error>, u64) {
    match token {
        Token::Error(text) => (Some(Error::from_server(text)), parts),
        _ => (None, parts),
    }
}

fn skip_tokens(mut next: impl FnMut() -> Result<(Option<Error>, u64)>) -> Result<Option<Error>> {
    let (error, mut rest) = next()?;
    while rest > 0 {
        rest = (rest - 1).saturating_add(next()?.1);
    }
    Ok(error)
}
