//! The replies to one attempt at a command: pulled from a connection, or from bytes that somebody else has read from one.
//! Reading ends with the budget.

use crate::base::budget::Budget;
use crate::error::{Error, ErrorKind, Result};
use crate::redis::connection::{Connection, Found};
use crate::store::{Head, Sink};

use super::reply::{self, Reply};
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

    /// Whether earlier attempts were sent, and nothing was ever heard of them: the server may have done it already.
    #[inline(always)]
    pub(crate) fn is_repeated(&self) -> bool {
        self.lost > 0
    }

    /// The reply of a script that says "done" once: run again, it finds its work done and says 0.
    pub(crate) fn done_once(&mut self) -> Reply<bool> {
        let is_repeated = self.is_repeated();
        Ok(self.flag()?.map(|done| done || is_repeated))
    }

    #[inline(always)]
    pub(crate) fn budget(&self) -> Budget {
        self.budget
    }

    /// For readers that are not yet commands.
    #[inline(always)]
    pub(crate) fn connection(&mut self) -> &mut Connection {
        self.from
    }

    #[inline]
    pub(crate) fn next(&mut self) -> Result<Token<'_>> {
        self.from.next(self.budget)
    }

    #[inline]
    pub(crate) fn done(&mut self) -> Reply<()> {
        reply::done(self.from, self.budget)
    }

    #[inline]
    pub(crate) fn int(&mut self) -> Reply<i64> {
        reply::int(self.from, self.budget)
    }

    #[inline]
    pub(crate) fn flag(&mut self) -> Reply<bool> {
        reply::flag(self.from, self.budget)
    }

    /// SET NX: whether it was stored.
    pub(crate) fn stored(&mut self) -> Reply<bool> {
        reply::stored(self.from, self.budget)
    }

    /// A number in digits. The outer error only: a refusal is unexpected here.
    pub(crate) fn digits<T: std::str::FromStr>(&mut self) -> Result<T> {
        reply::digits(self.from, self.budget)
    }

    #[inline]
    pub(crate) fn head(&mut self) -> Reply<Head> {
        reply::head(self.from, self.budget)
    }

    #[inline]
    pub(crate) fn array(&mut self) -> Reply<usize> {
        reply::array(self.from, self.budget)
    }

    #[inline(always)]
    pub(crate) fn values(&mut self, number: usize, each: impl FnMut(Option<&[u8]>)) -> Result<()> {
        self.from.values(number, self.budget, each)
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
