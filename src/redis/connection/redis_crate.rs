//! The two doors of the `redis` crate: its parser decoding the replies our stream reads (`parser=redis`), and
//! connections that a caller's connector made. Both yield `redis::Value`s.

mod values;

use std::io::{self, Read};

use crate::base::budget::Budget;
use crate::base::room;
use crate::config::Connector;
use crate::error::{Error, ErrorKind, Result};
use crate::redis::wire::{KEPT, SendFault, Wire};

use super::resp::{Head, Kind, Token};

use redis::{ConnectionLike, RedisError, ServerError, Value};
use values::{Queue, wire_text};

/// Our stream, read by the parser of the `redis` crate.
pub(crate) struct Parsed {
    wire: Wire,
    parser: redis::Parser,
    queue: Queue,
}

impl Parsed {
    pub(crate) fn into_wire(self) -> Wire {
        self.wire
    }

    pub(crate) fn over(wire: Wire) -> Parsed {
        Parsed {
            wire,
            parser: redis::Parser::new(),
            queue: Queue::default(),
        }
    }

    pub(crate) fn wire(&mut self) -> &mut Wire {
        &mut self.wire
    }

    pub(crate) fn next(&mut self, budget: Budget) -> Result<(Token<'_>, u64)> {
        while self.queue.is_empty() {
            let value = self.reply(budget)?;
            self.queue.push_reply(value);
        }
        self.queue.pop()
    }

    /// One reply or push, decoded.
    fn reply(&mut self, budget: Budget) -> Result<Value> {
        let mut source = OneReply {
            wire: &mut self.wire,
            budget,
            elements: 1,
            element: 0,
            handed: 0,
            fault: None,
        };
        let parsed = self.parser.parse_value(&mut source);
        let OneReply {
            elements,
            element,
            handed,
            fault,
            ..
        } = source;
        if handed > KEPT {
            self.parser = redis::Parser::new();
        }
        match parsed {
            Ok(value) if elements == 0 && element == 0 => Ok(value),
            Err(error) if fault.is_none() => match server_reply(&error) {
                // It has read the reply to its end; only the way to tell is another.
                Some(reply) if elements == 0 && element == 0 => Ok(Value::ServerError(reply)),
                _ => Err(undecodable()),
            },
            _ => Err(fault.unwrap_or_else(undecodable)),
        }
    }

    pub(crate) fn is_drained(&self) -> bool {
        self.queue.is_empty() && self.wire.is_drained()
    }

    pub(crate) fn is_all_out(&self) -> bool {
        self.wire.outgoing().is_none()
    }

    pub(crate) fn is_quiet(&mut self) -> bool {
        self.wire.is_quiet()
    }

    pub(crate) fn trim(&mut self) {
        self.wire.trim();
        self.queue.trim();
    }
}

/// Yields the bytes of one reply and not one more, so that nothing of the next ever hides in the other parser.
/// Every line passes our own checks first: the other parser believes any length.
struct OneReply<'a> {
    wire: &'a mut Wire,
    budget: Budget,
    /// Elements still to come.
    elements: u64,
    /// Bytes still to come of the element that has begun.
    element: usize,
    handed: usize,
    fault: Option<Error>,
}

impl OneReply<'_> {
    fn step(&mut self, out: &mut [u8]) -> Result<usize> {
        if self.element == 0 {
            self.begin_element()?;
        }
        self.wire.need(1, self.budget)?;
        let count = out.len().min(self.element).min(self.wire.buffered().len());
        let bytes = self.wire.take(count);
        if let Some(out) = out.get_mut(..count) {
            out.copy_from_slice(bytes);
        }
        self.element -= count;
        self.handed += count;
        Ok(count)
    }

    fn begin_element(&mut self) -> Result<()> {
        let head = loop {
            match Head::parse(self.wire.buffered())? {
                Some(head) => break head,
                None => self.wire.more(self.budget)?,
            }
        };
        if matches!(head.kind, Kind::Push(_)) && self.handed > 0 {
            return Err(Error::new(
                ErrorKind::Io,
                "the reply is not valid RESP: a push inside a reply",
            ));
        }
        // It makes its buffer grow by doubling, and then copies the value out of it.
        room::probe(head.body().saturating_mul(3), "a reply")?;
        self.elements = (self.elements - 1).saturating_add(head.parts());
        self.element = head.line + head.body();
        Ok(())
    }
}

impl Read for OneReply<'_> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let mut filled = 0;
        while filled < out.len() && (self.element > 0 || self.elements > 0) {
            if filled > 0 && self.wire.buffered().is_empty() {
                break;
            }
            let step = self.step(out.get_mut(filled..).unwrap_or_default());
            filled += step.map_err(|fault| {
                self.fault = Some(fault);
                io::Error::other("the connection is broken")
            })?;
        }
        Ok(filled)
    }
}

/// A connection that the caller's connector made. Its deadlines are its own.
pub(crate) struct Custom {
    connection: Box<dyn ConnectionLike + Send>,
    queue: Queue,
    bytes_out: u64,
}

impl Custom {
    pub(crate) fn open(connector: &Connector, info: &redis::ConnectionInfo) -> Result<Custom> {
        connector
            .open(info)
            .map(Custom::over)
            .map_err(|error| fault(&error))
    }

    pub(crate) fn over(connection: Box<dyn ConnectionLike + Send>) -> Custom {
        Custom {
            connection,
            queue: Queue::default(),
            bytes_out: 0,
        }
    }

    /// Sends the packed commands and reads all their replies.
    pub(crate) fn exchange(&mut self, packed: &[u8], commands: usize) -> Result<(), SendFault> {
        if commands == 0 {
            return Ok(());
        }
        self.bytes_out += packed.len() as u64;
        let replies = if commands == 1 || self.connection.supports_pipelining() {
            self.batch(packed, commands)
        } else {
            split(packed).try_for_each(|command| self.batch(command, 1))
        };
        replies.map_err(|error| SendFault {
            error,
            unsent: false,
        })
    }

    fn batch(&mut self, packed: &[u8], commands: usize) -> Result<()> {
        let before = self.queue.replies;
        match self.connection.req_packed_commands(packed, 0, commands) {
            Ok(values) => values
                .into_iter()
                .for_each(|value| self.queue.push_reply(value)),
            Err(error) => match server_reply(&error) {
                Some(reply) if commands == 1 => self.queue.push_reply(Value::ServerError(reply)),
                _ => return Err(fault(&error)),
            },
        }
        let replies = self.queue.replies - before;
        if replies == commands {
            return Ok(());
        }
        let text = format!("the connection gave {replies} replies to {commands} commands");
        Err(Error::new(ErrorKind::Io, text))
    }

    pub(crate) fn next(&mut self) -> Result<(Token<'_>, u64)> {
        self.queue.pop()
    }

    pub(crate) fn is_drained(&self) -> bool {
        self.queue.is_empty()
    }

    pub(crate) fn is_open(&self) -> bool {
        self.connection.is_open()
    }

    pub(crate) fn take_traffic(&mut self) -> (u64, u64) {
        (0, std::mem::take(&mut self.bytes_out))
    }
}

/// The commands of a batch, one by one.
fn split(packed: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = packed;
    std::iter::from_fn(move || {
        let mut elements = 1;
        let mut end = 0;
        while elements > 0 {
            let head = Head::parse(rest.get(end..)?).ok().flatten()?;
            end += head.line + head.body();
            elements = elements - 1 + head.parts();
        }
        let command = rest.get(..end)?;
        rest = rest.get(end..)?;
        Some(command)
    })
}

/// What the server said, when that is what `error` tells.
fn server_reply(error: &RedisError) -> Option<ServerError> {
    ServerError::try_from(error.clone()).ok()
}

/// A fault of a connection that is not ours.
fn fault(error: &RedisError) -> Error {
    if let Some(reply) = server_reply(error) {
        return Error::from_server(wire_text(&reply).as_bytes());
    }
    let kind = match error.kind() {
        _ if error.is_timeout() => ErrorKind::Timeout,
        // The text of a parser's error quotes what it could not read, which may be a value.
        redis::ErrorKind::Parse => return undecodable(),
        redis::ErrorKind::AuthenticationFailed => ErrorKind::Auth,
        redis::ErrorKind::InvalidClientConfig => ErrorKind::Config,
        _ => ErrorKind::Io,
    };
    Error::new(kind, error.to_string()).caused_by(error.clone())
}

fn undecodable() -> Error {
    Error::new(ErrorKind::Io, "the redis crate could not decode the reply")
}
