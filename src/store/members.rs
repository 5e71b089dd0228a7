//! The nodes of a store one by one, for who looks after them: which there are, and what each answers to commands that
//! nobody here knows.

use crate::error::Error;

/// A node of a cache, as this process knows it; from [`Cache::nodes`](crate::Cache::nodes).
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct NodeState {
    /// The name it was given, or its address.
    pub name: String,
    /// Where it is, without credentials.
    pub location: String,
    /// Whether keys are written to it; a replica owns none.
    pub owns_keys: bool,
    /// Whether it failed so often that calls are refused at once now, as the `breaker_` options say.
    pub is_refusing: bool,
    /// Open connections now.
    pub connections_open: u64,
    /// Open connections that no call is using now.
    pub connections_idle: u64,
}

/// What a node answered to a command; from [`Cache::ask_node`](crate::Cache::ask_node). What RESP3 tells apart, such as
/// maps and sets, is a list here, a map of keys and values in turn.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum Answer {
    /// Nothing.
    Nil,
    /// A number.
    Int(i64),
    /// Text or bytes.
    Bytes(Vec<u8>),
    /// Several of them.
    List(Vec<Answer>),
    /// The server refused the command, and goes on with the next one.
    Refused(Error),
}

/// The words of one command.
pub(crate) type Words = Vec<Vec<u8>>;

impl Answer {
    /// As text; what is no UTF-8 is replaced. `None` for lists and refusals, and for nothing.
    pub fn text(&self) -> Option<String> {
        match self {
            Answer::Bytes(bytes) => Some(String::from_utf8_lossy(bytes).into_owned()),
            Answer::Int(number) => Some(number.to_string()),
            Answer::Nil | Answer::List(_) | Answer::Refused(_) => None,
        }
    }

    /// As a number, also one that is written as text.
    pub fn int(&self) -> Option<i64> {
        match self {
            Answer::Int(number) => Some(*number),
            Answer::Bytes(bytes) => std::str::from_utf8(bytes).ok()?.parse().ok(),
            Answer::Nil | Answer::List(_) | Answer::Refused(_) => None,
        }
    }

    /// The elements of a list; none of anything else.
    pub fn list(&self) -> &[Answer] {
        match self {
            Answer::List(elements) => elements,
            _ => &[],
        }
    }
}
