//! Replies pulled out of a [`Wire`] by our own parser, without a copy: a token borrows the read buffer, and of a
//! large value only the beginning ever lies there. An error from here means that the stream cannot be followed any
//! further.

use crate::base::budget::Budget;
use crate::error::{Error, ErrorKind, Result};
use crate::redis::connection::resp::{Head, Kind, Token, brief, unterminated, whole_bulk};
use crate::store::framed::CRLF;
use crate::store::{HEAD_LEN, Room, Sink};

use super::super::wire::Wire;

/// A value that is not longer waits in the read buffer until it is complete.
const WHOLE: usize = 8 * 1024;

/// The next token and the number of elements it announces. `inside` tells whether a reply has begun.
#[inline]
pub(crate) fn token(wire: &mut Wire, inside: bool, budget: Budget) -> Result<(Token<'_>, u64)> {
    wire.need(1, budget)?;
    let bytes = wire.buffered();
    if let Some((token, parts, len)) = brief(bytes) {
        wire.take(len);
        return Ok((token, parts));
    }
    if let Some((line, len)) = whole_bulk(bytes) {
        let payload = wire.take_between(line, len, CRLF.len());
        return Ok((Token::Bulk(payload.unwrap_or_default()), 0));
    }
    any_token(wire, inside, budget)
}

fn any_token(wire: &mut Wire, inside: bool, budget: Budget) -> Result<(Token<'_>, u64)> {
    let head = head(wire, inside, budget)?;
    let len = head.line + head.body();
    wire.need(len, budget)?;
    Ok((head.token(wire.take(len))?, head.parts()))
}

/// How many bytes the next `replies` replies have, with whatever comes in front of them, when all of them are there.
pub(crate) fn framed(bytes: &[u8], replies: usize) -> Result<Option<usize>> {
    let mut end = 0;
    for _ in 0..replies {
        let rest = bytes.get(end..).unwrap_or_default();
        if let Some((line, len)) = whole_bulk(rest) {
            end += line + len + 2;
            continue;
        }
        loop {
            let rest = bytes.get(end..).unwrap_or_default();
            let Some(len) = element(rest)? else {
                return Ok(None);
            };
            end += len;
            if rest.first() != Some(&b'>') {
                break;
            }
        }
    }
    Ok(Some(end))
}

/// How many bytes the next element has, a reply or a push with all its parts, when all of it is there. A push among the
/// parts of another element is none of them.
pub(crate) fn element(bytes: &[u8]) -> Result<Option<usize>> {
    let (mut end, mut elements) = (0, 1_u64);
    while elements > 0 {
        let rest = bytes.get(end..).unwrap_or_default();
        if let Some((line, len)) = whole_bulk(rest) {
            end += line + len + 2;
            elements -= 1;
            continue;
        }
        let Some(head) = Head::parse(rest)? else {
            return Ok(None);
        };
        let is_part = end == 0 || !matches!(head.kind, Kind::Push(_));
        end += head.line + head.body();
        if end > bytes.len() {
            return Ok(None);
        }
        elements = (elements - u64::from(is_part)).saturating_add(head.parts());
    }
    Ok(Some(end))
}

/// How the reply to a read came out, and what the sink said to the value.
#[derive(Debug)]
pub(crate) enum Value<'a> {
    Delivered(Result<()>),
    Other(Token<'a>),
}

/// Hands the next element to `sink` when it is a bulk.
pub(crate) fn value<'w>(
    wire: &'w mut Wire,
    inside: bool,
    sink: &mut dyn Sink,
    budget: Budget,
) -> Result<Value<'w>> {
    let head = head(wire, inside, budget)?;
    let line = head.line;
    let element = line + head.body();
    match head.kind {
        Kind::Bulk(len) if len > WHOLE && wire.buffered().len() < element => {
            large_value(wire, line, len, sink, budget)?;
            Ok(Value::Delivered(Ok(())))
        }
        Kind::Bulk(len) => {
            wire.need(element, budget)?;
            let payload = unterminated(wire.take(element).get(line..).unwrap_or_default())?;
            Ok(Value::Delivered(sink.begin(payload, len).map(drop)))
        }
        _ => {
            wire.need(element, budget)?;
            Ok(Value::Other(head.token(wire.take(element))?))
        }
    }
}

/// The payload of the next element, when that is a short bulk and buffered to its end.
#[inline(always)]
pub(crate) fn bulk_at_hand(wire: &mut Wire) -> Option<&[u8]> {
    let (line, len) = whole_bulk(wire.buffered())?;
    wire.take_between(line, len, CRLF.len())
}

/// Takes the next element into the buffer. A bulk for which there is no memory is dropped instead, with the reason.
pub(crate) fn pass_over_what_is_too_large(
    wire: &mut Wire,
    inside: bool,
    budget: Budget,
) -> Result<Option<Error>> {
    let head = head(wire, inside, budget)?;
    match wire.need(head.line + head.body(), budget) {
        Err(error) if error.kind() == ErrorKind::NoMemory => {
            drop_elements(wire, 1, budget)?;
            Ok(Some(error))
        }
        taken => taken.map(|()| None),
    }
}

/// What of the value is buffered begins it; the rest goes from the socket to its place. When the sink refuses, the
/// connection is given up: reading on could take all of the budget.
#[cold]
fn large_value(
    wire: &mut Wire,
    line: usize,
    len: usize,
    sink: &mut dyn Sink,
    budget: Budget,
) -> Result<()> {
    wire.need(line + HEAD_LEN, budget)?;
    wire.take(line);
    let begun = len.min(wire.buffered().len());
    let rest = len - begun;
    match sink.begin(wire.take(begun), len)? {
        Room::Append(out) => wire.read_into_vec(out, rest, budget)?,
        Room::Fill(out) if out.len() == rest => wire.read_into_slice(out, budget)?,
        Room::Fill(_) => {
            return Err(Error::new(
                ErrorKind::InvalidArgument,
                "the memory is not as long as the value",
            ));
        }
        Room::Discard => wire.read_into_nothing(rest, budget)?,
    }
    value_ends(wire, budget)
}

/// Drops the next element with everything inside it. `Some` when it is an error reply.
pub(crate) fn skip(wire: &mut Wire, inside: bool, budget: Budget) -> Result<Option<Error>> {
    let head = head(wire, inside, budget)?;
    if matches!(head.kind, Kind::Error | Kind::BlobError(_)) {
        let len = head.line + head.body();
        wire.need(len, budget)?;
        let Token::Error(text) = head.token(wire.take(len))? else {
            return Ok(None);
        };
        return Ok(Some(Error::from_server(text)));
    }
    drop_elements(wire, 1, budget)?;
    Ok(None)
}

/// The first line of the next element that belongs to a reply. It stays in the buffer.
#[inline]
fn head(wire: &mut Wire, inside: bool, budget: Budget) -> Result<Head> {
    wire.need(1, budget)?;
    loop {
        let Some(head) = Head::parse(wire.buffered())? else {
            wire.more(budget)?;
            continue;
        };
        match head.kind {
            Kind::Attribute(_) => attributes(wire, head, budget)?,
            Kind::Push(_) if inside => return Err(misplaced_push()),
            Kind::Push(_) => push(wire, budget)?,
            _ => return Ok(head),
        }
    }
}

/// Attributes add to a reply what nobody here asked for.
#[cold]
fn attributes(wire: &mut Wire, head: Head, budget: Budget) -> Result<()> {
    wire.take(head.line);
    // The last of the parts is the element itself.
    drop_elements(wire, head.parts() - 1, budget)
}

/// News between replies; a cache that listens for invalidations takes them here.
#[cold]
fn push(wire: &mut Wire, budget: Budget) -> Result<()> {
    let Some(head) = Head::parse(wire.buffered())? else {
        return Ok(());
    };
    wire.take(head.line);
    drop_elements(wire, head.parts(), budget)
}

/// Nesting takes no memory: how many elements are still to come is all there is to know.
fn drop_elements(wire: &mut Wire, count: u64, budget: Budget) -> Result<()> {
    let mut rest = count;
    while rest > 0 {
        let Some(head) = Head::parse(wire.buffered())? else {
            wire.more(budget)?;
            continue;
        };
        if matches!(head.kind, Kind::Push(_)) {
            return Err(misplaced_push());
        }
        wire.take(head.line);
        if let Kind::Bulk(len) | Kind::BlobError(len) | Kind::Verbatim(len) = head.kind {
            wire.read_into_nothing(len, budget)?;
            value_ends(wire, budget)?;
        }
        rest = (rest - 1).saturating_add(head.parts());
    }
    Ok(())
}

/// The line end behind a value.
fn value_ends(wire: &mut Wire, budget: Budget) -> Result<()> {
    wire.need(2, budget)?;
    unterminated(wire.take(2)).map(drop)
}

#[cold]
fn misplaced_push() -> Error {
    Error::new(
        ErrorKind::Io,
        "the reply is not valid RESP: a push inside a reply",
    )
}
