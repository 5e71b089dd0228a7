//! The values of the `redis` crate, flattened into the same tokens our own parser pulls.

use std::collections::VecDeque;

use redis::{ServerError, Value};

use crate::error::{Error, ErrorKind, Result};
use crate::redis::connection::resp::Token;

/// A token that owns its bytes.
enum Owned {
    Status(Vec<u8>),
    Error(Vec<u8>),
    Int(i64),
    Bulk(Vec<u8>),
    Nil,
    Array(usize),
}

/// Replies that were decoded and not yet pulled, and the token that was pulled last.
#[derive(Default)]
pub(super) struct Queue {
    tokens: VecDeque<Owned>,
    current: Option<Owned>,
    /// How many were pushed in all.
    pub(super) replies: usize,
}

impl Queue {
    pub(super) fn is_empty(&self) -> bool {
        self.tokens.is_empty()
    }

    pub(super) fn pop(&mut self) -> Result<(Token<'_>, u64)> {
        self.current = self.tokens.pop_front();
        let token = match &self.current {
            Some(Owned::Status(text)) => Token::Status(text),
            Some(Owned::Error(text)) => Token::Error(text),
            Some(Owned::Int(value)) => Token::Int(*value),
            Some(Owned::Bulk(bytes)) => Token::Bulk(bytes),
            Some(Owned::Nil) => Token::Nil,
            Some(Owned::Array(count)) => return Ok((Token::Array(*count), *count as u64)),
            None => return Err(Error::new(ErrorKind::Io, "no reply is awaited")),
        };
        Ok((token, 0))
    }

    /// A push is no reply; it is dropped.
    pub(super) fn push_reply(&mut self, value: Value) {
        if !matches!(value, Value::Push { .. }) {
            self.replies += 1;
            self.flatten(value);
        }
    }

    fn flatten(&mut self, value: Value) {
        let token = match value {
            Value::Nil => Owned::Nil,
            Value::Int(value) => Owned::Int(value),
            Value::Boolean(value) => Owned::Int(value.into()),
            Value::BulkString(bytes) => Owned::Bulk(bytes),
            Value::VerbatimString { text, .. } => Owned::Bulk(text.into_bytes()),
            Value::Okay => Owned::Status(b"OK".to_vec()),
            Value::SimpleString(text) => Owned::Status(text.into_bytes()),
            Value::Double(value) => Owned::Status(value.to_string().to_lowercase().into_bytes()),
            #[allow(clippy::needless_borrow, reason = "which trait it is depends on it")]
            Value::BigNumber(number) => Owned::Status((&number).to_digits()),
            Value::ServerError(error) => Owned::Error(wire_text(&error).into_bytes()),
            Value::Attribute { data, .. } => return self.flatten(*data),
            Value::Array(values) | Value::Set(values) | Value::Push { data: values, .. } => {
                self.tokens.push_back(Owned::Array(values.len()));
                return values.into_iter().for_each(|value| self.flatten(value));
            }
            Value::Map(pairs) => {
                self.tokens.push_back(Owned::Array(pairs.len() * 2));
                return pairs.into_iter().for_each(|(key, value)| {
                    self.flatten(key);
                    self.flatten(value);
                });
            }
            // The enum may grow; what is not known cannot have been asked for.
            _ => Owned::Error(b"ERR a reply of a type that is not known here".to_vec()),
        };
        self.tokens.push_back(token);
    }

    pub(super) fn trim(&mut self) {
        if self.tokens.is_empty() {
            *self = Queue::default();
        }
    }
}

/// The digits of a big number. Whether `redis` gives bytes or a number is up to its feature `num-bigint`, which any other
/// crate of the program may have turned on; the method is there for both, and for bytes it is found first.
#[allow(dead_code, reason = "one of the two is used")]
trait OfBytes {
    fn to_digits(&self) -> Vec<u8>;
}

impl OfBytes for Vec<u8> {
    fn to_digits(&self) -> Vec<u8> {
        self.clone()
    }
}

#[allow(dead_code, reason = "one of the two is used")]
trait OfNumber {
    fn to_digits(&self) -> Vec<u8>;
}

impl<N: std::fmt::Display> OfNumber for &N {
    fn to_digits(&self) -> Vec<u8> {
        self.to_string().into_bytes()
    }
}

/// An error reply as it stood on the wire.
pub(super) fn wire_text(error: &ServerError) -> String {
    match error.details() {
        Some(details) => format!("{} {details}", error.code()),
        None => error.code().to_owned(),
    }
}
