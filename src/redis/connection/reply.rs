//! What reading replies comes to. Two faults are told apart: the outer one means that the connection is of no further
//! use, the inner one is the server's refusal of the command, after which the connection goes on.

use crate::error::{Error, ErrorKind, Result};

/// What reading a reply came to: a broken connection, or what the server said, which may be a refusal.
pub(crate) type Reply<R> = Result<Result<R>>;

/// A reply of a shape that the command never has. The connection is out of step, or the server is none.
#[cold]
pub(crate) fn unexpected(expected: &str) -> Error {
    let text = format!("the reply is not {expected}: the server is out of step, or not Redis");
    Error::new(ErrorKind::Io, text)
}
