//! The replies of a connection, pulled in order, and how many of them and of their parts are still owed.

use crate::base::budget::Budget;
use crate::error::{Error, ErrorKind, Result};
use crate::store::Sink;

use super::link::Link;
use super::resp::Token;
use super::{Connection, native};

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

impl Connection {
    /// Before a reply is read: what may go out now that others have been.
    #[inline(always)]
    pub(super) fn let_more_out(&mut self) {
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
