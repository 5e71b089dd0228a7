//! What a sentinel is asked, and what it says of one primary and its replicas
//! (<https://redis.io/docs/latest/develop/reference/sentinel-clients/>).

use crate::config::Address;
use crate::error::{Error, Result};
use crate::redis::command::Command;
use crate::redis::command::verb::Verb;
use crate::redis::connection::replies::Replies;
use crate::redis::connection::reply::{self, Reply};
use crate::redis::connection::resp::{Encoder, Token};

/// What one sentinel says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Directory {
    /// Goes up with every failover; 0 when the sentinel does not tell.
    pub(crate) epoch: u64,
    pub(crate) primary: Address,
    /// Those that are well.
    pub(crate) replicas: Vec<Address>,
}

/// SENTINEL GET-MASTER-ADDR-BY-NAME, MASTER, and perhaps REPLICAS; `None` from one that does not know the name.
pub(crate) struct AskSentinel<'a> {
    pub(crate) name: &'a str,
    pub(crate) wants_replicas: bool,
}

impl Command for AskSentinel<'_> {
    type Answer = Option<Directory>;

    fn verb(&self) -> Verb {
        Verb::safe("SENTINEL")
    }

    fn pack(&self, to: &mut Encoder<'_>) {
        let name = self.name.as_bytes();
        let mut ask = |what: &[u8]| {
            to.command(3).arg(b"SENTINEL").arg(what).arg(name);
        };
        ask(b"GET-MASTER-ADDR-BY-NAME");
        ask(b"MASTER");
        if self.wants_replicas {
            ask(b"REPLICAS");
        }
    }

    fn read(&mut self, from: &mut Replies<'_>) -> Reply<Option<Directory>> {
        let primary = match read_address(from)? {
            Ok(primary) => primary,
            Err(refusal) => return Ok(Err(refusal)),
        };
        let epoch = read_epoch(from)?;
        let replicas = match self.wants_replicas {
            true => read_replicas(from)?,
            false => Vec::new(),
        };
        Ok(Ok(primary.map(|primary| Directory {
            epoch,
            primary,
            replicas,
        })))
    }
}

/// The reply to GET-MASTER-ADDR-BY-NAME: host and port, or nil.
fn read_address(from: &mut Replies<'_>) -> Reply<Option<Address>> {
    match from.next()? {
        Token::Array(2) => {}
        Token::Nil => return Ok(Ok(None)),
        Token::Error(text) => return Ok(Err(Error::from_server(text))),
        _ => return Err(reply::unexpected("host and port")),
    }
    let host = text(from)?;
    let port = from.digits()?;
    Ok(Ok(Some(Address::Tcp { host, port })))
}

/// The epoch in the reply to MASTER; a sentinel that refuses the command does not tell it.
fn read_epoch(from: &mut Replies<'_>) -> Result<u64> {
    let mut epoch = 0;
    if let Ok(len) = from.array()? {
        read_fields(from, len, |field, value| {
            if field == "config-epoch" {
                epoch = value.parse().unwrap_or(0);
            }
        })?;
    }
    Ok(epoch)
}

/// The reply to REPLICAS, without those that the sentinel holds to be down. A sentinel that refuses the command knows
/// none.
fn read_replicas(from: &mut Replies<'_>) -> Result<Vec<Address>> {
    let count = from.array()?.unwrap_or(0);
    let mut replicas = Vec::new();
    for _ in 0..count {
        let len = match from.array()? {
            Ok(len) => len,
            Err(_) => return Err(reply::unexpected("the fields of a replica")),
        };
        let (mut host, mut port, mut is_well) = (String::new(), None, true);
        read_fields(from, len, |field, value| match field {
            "ip" => value.clone_into(&mut host),
            "port" => port = value.parse().ok(),
            "flags" => is_well = !value.split(',').any(is_a_fault),
            _ => {}
        })?;
        if let Some(port) = port.filter(|port| is_well && *port != 0 && !host.is_empty()) {
            replicas.push(Address::Tcp { host, port });
        }
    }
    Ok(replicas)
}

fn is_a_fault(flag: &str) -> bool {
    matches!(flag, "s_down" | "o_down" | "disconnected")
}

/// Fields and their values, which RESP2 has in an array and RESP3 in a map: `len` of them together.
fn read_fields(from: &mut Replies<'_>, len: usize, mut each: impl FnMut(&str, &str)) -> Result<()> {
    for _ in 0..len / 2 {
        let field = text(from)?;
        each(&field, &text(from)?);
    }
    Ok(())
}

fn text(from: &mut Replies<'_>) -> Result<String> {
    match from.next()? {
        Token::Bulk(text) => Ok(String::from_utf8_lossy(text).into_owned()),
        _ => Err(reply::unexpected("a text")),
    }
}
