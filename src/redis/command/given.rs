//! Commands of the caller's own, of which nothing is known here but their words.

use crate::base::room;
use crate::error::{Error, ErrorKind, Result};
use crate::redis::connection::replies::Replies;
use crate::redis::connection::reply::{self, Reply};
use crate::redis::connection::resp::{Encoder, Token};
use crate::store::{Answer, Words};

use super::Command;
use super::verb::Verb;

/// Lists within lists: more than any server has.
const DEPTH: usize = 32;

/// What would change the connection for those who have it next, or have no reply of their own.
const REFUSED: [&str; 20] = [
    "ASKING",
    "AUTH",
    "DISCARD",
    "EXEC",
    "HELLO",
    "MONITOR",
    "MULTI",
    "PSUBSCRIBE",
    "PSYNC",
    "PUNSUBSCRIBE",
    "QUIT",
    "READONLY",
    "READWRITE",
    "RESET",
    "SELECT",
    "SSUBSCRIBE",
    "SUBSCRIBE",
    "SUNSUBSCRIBE",
    "UNSUBSCRIBE",
    "WATCH",
];

/// What of CLIENT tells, and changes nothing of the connection.
const OF_CLIENT: [&str; 6] = ["GETNAME", "GETREDIR", "ID", "INFO", "LIST", "TRACKINGINFO"];

/// Commands that are sent together.
pub(crate) struct Given<'a>(&'a [Words]);

impl<'a> Given<'a> {
    /// # Errors
    /// `InvalidArgument` for an empty command, and for one after which the connection would be another.
    pub(crate) fn new(commands: &'a [Words]) -> Result<Self> {
        commands.iter().try_for_each(check)?;
        Ok(Given(commands))
    }
}

fn check(words: &Words) -> Result<()> {
    let word = |place: usize| {
        let word = words.get(place).map(Vec::as_slice).unwrap_or_default();
        String::from_utf8_lossy(word).to_ascii_uppercase()
    };
    let (name, second) = (word(0), word(1));
    let why = match name.as_str() {
        "" => "a command has no words",
        "CLIENT" if !OF_CLIENT.contains(&second.as_str()) => {
            "this part of CLIENT may change the connection, which others use too"
        }
        name if REFUSED.contains(&name) => "it would change the connection, which others use too",
        _ => return Ok(()),
    };
    let text = format!("the command {:?} is not sent: {why}", name);
    Err(Error::new(ErrorKind::InvalidArgument, text))
}

impl Command for Given<'_> {
    type Answer = Vec<Answer>;

    /// Nobody knows what happens when they are sent twice, or how long they take.
    fn verb(&self) -> Verb {
        Verb::once("a command of the caller").apart()
    }

    fn pack(&self, to: &mut Encoder<'_>) {
        for words in self.0 {
            to.command(words.len());
            words.iter().for_each(|word| {
                to.arg(word);
            });
        }
    }

    fn read(&mut self, from: &mut Replies<'_>) -> Reply<Vec<Answer>> {
        let answers = self.0.iter().map(|_| answer(from, DEPTH));
        answers.collect::<Result<_>>().map(Ok)
    }
}

fn answer(from: &mut Replies<'_>, depth: usize) -> Result<Answer> {
    let count = match from.next()? {
        Token::Nil => return Ok(Answer::Nil),
        Token::Int(number) => return Ok(Answer::Int(number)),
        Token::Status(bytes) | Token::Bulk(bytes) => {
            return Ok(Answer::Bytes(room::copy(bytes, "a reply")?));
        }
        Token::Error(text) => return Ok(Answer::Refused(Error::from_server(text))),
        Token::Array(_) if depth == 0 => return Err(reply::unexpected("so deep")),
        Token::Array(count) => count,
    };
    let mut elements = Vec::new();
    for _ in 0..count {
        let room = elements.try_reserve(1);
        room.map_err(|_| Error::no_memory("a reply", count))?;
        elements.push(answer(from, depth - 1)?);
    }
    Ok(Answer::List(elements))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Words {
        text.split_whitespace()
            .map(|word| word.as_bytes().to_vec())
            .collect()
    }

    #[test]
    fn what_changes_a_connection_is_not_sent() {
        for text in ["", "select 1", "Monitor", "client reply off", "CLIENT"] {
            let kind = check(&words(text)).unwrap_err().kind();
            assert_eq!(kind, ErrorKind::InvalidArgument, "{text}");
        }
        for text in ["INFO", "client info", "CONFIG GET maxmemory"] {
            assert!(check(&words(text)).is_ok(), "{text}");
        }
    }
}
