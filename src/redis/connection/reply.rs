//! Reading replies of a known shape. Every function here tells two faults apart: the outer one means that the
//! connection is of no further use, the inner one is the server's refusal of the command, after which the connection
//! goes on.

use crate::base::budget::Budget;
use crate::error::{Error, ErrorKind, Result};
use crate::redis::connection::Connection;
use crate::store::{HEAD_LEN, Head};

use super::resp::Token;

/// What reading a reply came to: a broken connection, or what the server said, which may be a refusal.
pub(crate) type Reply<R> = Result<Result<R>>;

/// A reply of a shape that the command never has. The connection is out of step, or the server is none.
#[cold]
pub(crate) fn unexpected(expected: &str) -> Error {
    let text = format!("the reply is not {expected}: the server is out of step, or not Redis");
    Error::new(ErrorKind::Io, text)
}

/// The reply to a command that has nothing to tell: OK, PONG.
pub(crate) fn done(from: &mut Connection, budget: Budget) -> Reply<()> {
    match from.next(budget)? {
        Token::Status(_) => Ok(Ok(())),
        Token::Error(text) => Ok(Err(Error::from_server(text))),
        _ => Err(unexpected("OK")),
    }
}

/// A number.
pub(crate) fn int(from: &mut Connection, budget: Budget) -> Reply<i64> {
    match from.next(budget)? {
        Token::Int(value) => Ok(Ok(value)),
        Token::Error(text) => Ok(Err(Error::from_server(text))),
        _ => Err(unexpected("a number")),
    }
}

/// A number that is zero or not.
pub(crate) fn flag(from: &mut Connection, budget: Budget) -> Reply<bool> {
    Ok(int(from, budget)?.map(|value| value != 0))
}

/// The reply to SET with NX: whether it was stored.
pub(crate) fn stored(from: &mut Connection, budget: Budget) -> Reply<bool> {
    match from.next(budget)? {
        Token::Status(_) => Ok(Ok(true)),
        Token::Nil => Ok(Ok(false)),
        Token::Error(text) => Ok(Err(Error::from_server(text))),
        _ => Err(unexpected("OK or nil")),
    }
}

/// The reply to GETRANGE over a header; a key of another data type has none.
pub(crate) fn head(from: &mut Connection, budget: Budget) -> Reply<Head> {
    match from.next(budget)? {
        Token::Bulk(bytes) => Ok(Ok(Head::from_slice(bytes.get(..HEAD_LEN).unwrap_or(bytes)))),
        Token::Nil => Ok(Ok(Head::new())),
        Token::Error(text) => match Error::from_server(text) {
            error if error.code() == Some("WRONGTYPE") => Ok(Ok(Head::new())),
            error => Ok(Err(error)),
        },
        _ => Err(unexpected("a string")),
    }
}

/// What follows must be an array; its length.
pub(crate) fn array(from: &mut Connection, budget: Budget) -> Reply<usize> {
    match from.next(budget)? {
        Token::Array(len) => Ok(Ok(len)),
        Token::Error(text) => Ok(Err(Error::from_server(text))),
        _ => Err(unexpected("an array")),
    }
}

/// A number written as text, within an array.
pub(crate) fn digits<N: std::str::FromStr>(from: &mut Connection, budget: Budget) -> Result<N> {
    let number = match from.next(budget)? {
        Token::Bulk(text) => std::str::from_utf8(text)
            .ok()
            .and_then(|text| text.parse().ok()),
        _ => None,
    };
    number.ok_or_else(|| unexpected("a number in decimal"))
}
