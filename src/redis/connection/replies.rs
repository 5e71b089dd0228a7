//! The replies to one attempt at a command: pulled from a connection, or from bytes that somebody else has read from one.
//! Reading ends with the budget.

use crate::base::budget::Budget;
use crate::error::{Error, ErrorKind, Result};
use crate::redis::connection::{Connection, Found};
use crate::store::{Head, Sink, head_of};

use super::reply::{Reply, unexpected};
use super::resp::Token;

/// Where the replies come from, and the time there is.
pub(crate) struct Replies<'a> {
    from: &'a mut Connection,
    budget: Budget,
    lost: u32,
}

impl<'a> Replies<'a> {
    #[inline(always)]
    pub(crate) fn new(from: &'a mut Connection, budget: Budget, lost: u32) -> Self {
        Replies { from, budget, lost }
    }

    /// Attempts that were sent and never answered, before this one.
    #[inline]
    pub(crate) fn lost(&self) -> u32 {
        self.lost
    }

    /// The same replies, of a command that follows so many more attempts.
    #[inline]
    pub(crate) fn after(&mut self, lost: u32) -> Replies<'_> {
        Replies {
            from: &mut *self.from,
            budget: self.budget,
            lost: self.lost + lost,
        }
    }

    /// Whether earlier attempts were sent, and nothing was ever heard of them: the server may have done it already.
    #[inline(always)]
    pub(crate) fn is_repeated(&self) -> bool {
        self.lost > 0
    }

    /// The reply to what says "done" once: done again, it finds nothing left to do and says 0.
    pub(crate) fn done_once(&mut self) -> Reply<bool> {
        let is_repeated = self.is_repeated();
        Ok(self.flag()?.map(|done| done || is_repeated))
    }

    #[inline]
    pub(crate) fn next(&mut self) -> Result<Token<'_>> {
        self.from.next(self.budget)
    }

    /// The reply to a command that has nothing to tell: OK, PONG.
    #[inline]
    pub(crate) fn done(&mut self) -> Reply<()> {
        if self.from.took_ok() {
            return Ok(Ok(()));
        }
        match self.next()? {
            Token::Status(_) => Ok(Ok(())),
            Token::Error(text) => Ok(Err(Error::from_server(text))),
            _ => Err(unexpected("OK")),
        }
    }

    /// A number.
    #[inline]
    pub(crate) fn int(&mut self) -> Reply<i64> {
        match self.next()? {
            Token::Int(value) => Ok(Ok(value)),
            Token::Error(text) => Ok(Err(Error::from_server(text))),
            _ => Err(unexpected("a number")),
        }
    }

    /// A number that is zero or not.
    #[inline]
    pub(crate) fn flag(&mut self) -> Reply<bool> {
        Ok(self.int()?.map(|value| value != 0))
    }

    /// The reply to SET with NX: whether it was stored.
    pub(crate) fn stored(&mut self) -> Reply<bool> {
        match self.next()? {
            Token::Status(_) => Ok(Ok(true)),
            Token::Nil => Ok(Ok(false)),
            Token::Error(text) => Ok(Err(Error::from_server(text))),
            _ => Err(unexpected("OK or nil")),
        }
    }

    /// The reply to GETRANGE over a header; a key of another data type has none.
    #[inline]
    pub(crate) fn head(&mut self) -> Reply<Head> {
        match self.next()? {
            Token::Bulk(bytes) => Ok(Ok(head_of(bytes))),
            Token::Nil => Ok(Ok(Head::new())),
            Token::Error(text) => match Error::from_server(text) {
                error if error.code() == Some("WRONGTYPE") => Ok(Ok(Head::new())),
                error => Ok(Err(error)),
            },
            _ => Err(unexpected("a string")),
        }
    }

    /// What follows must be an array; its length.
    #[inline]
    pub(crate) fn array(&mut self) -> Reply<usize> {
        match self.next()? {
            Token::Array(len) => Ok(Ok(len)),
            Token::Error(text) => Ok(Err(Error::from_server(text))),
            _ => Err(unexpected("an array")),
        }
    }

    /// A number written as text, within an array.
    pub(crate) fn digits<N: std::str::FromStr>(&mut self) -> Result<N> {
        let number = match self.next()? {
            Token::Bulk(text) => std::str::from_utf8(text)
                .ok()
                .and_then(|text| text.parse().ok()),
            _ => None,
        };
        number.ok_or_else(|| unexpected("a number in decimal"))
    }

    #[inline(always)]
    pub(crate) fn values(
        &mut self,
        number: usize,
        each: impl FnMut(Result<Option<&[u8]>>),
    ) -> Result<()> {
        self.from.values(number, self.budget, each)
    }

    /// The reply to GET, told as MGET has it: a key of another data type has no value.
    #[inline(always)]
    pub(crate) fn value_or_foreign(
        &mut self,
        mut each: impl FnMut(Result<Option<&[u8]>>),
    ) -> Reply<()> {
        match self.from.element(self.budget, &mut each)? {
            None => Ok(Ok(())),
            Some(refusal) if refusal.code() == Some("WRONGTYPE") => {
                each(Ok(None));
                Ok(Ok(()))
            }
            Some(refusal) => Ok(Err(refusal)),
        }
    }

    pub(crate) fn skip(&mut self) -> Result<Option<Error>> {
        self.from.skip(self.budget)
    }

    /// A value or nil; whether there was one.
    #[inline(always)]
    pub(crate) fn value(&mut self, sink: &mut dyn Sink) -> Reply<bool> {
        match self.from.value(sink, self.budget) {
            Ok(Found::Yes) => Ok(Ok(true)),
            Ok(Found::No) => Ok(Ok(false)),
            Ok(Found::Refused(error)) => Ok(Err(error)),
            Err(error) if matches!(error.kind(), ErrorKind::Io | ErrorKind::Timeout) => Err(error),
            // The sink's own: it did not want the value.
            Err(error) => Ok(Err(error)),
        }
    }
}
