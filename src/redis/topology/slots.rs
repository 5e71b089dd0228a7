//! The slots of Redis Cluster: which one a key is in, what CLUSTER SLOTS says about who has them, and what a
//! redirection says. All of it as the specification has it
//! (<https://redis.io/docs/latest/operate/oss_and_stack/reference/cluster-spec/>); no network and no state here.

use crate::config::{Address, AddressMap};
use crate::error::{Error, ErrorKind, Result};
use crate::redis::command::Command;
use crate::redis::command::verb::Verb;
use crate::redis::connection::replies::Replies;
use crate::redis::connection::reply::{self, Reply};
use crate::redis::connection::resp::{Encoder, Token};

/// How many slots every cluster has.
pub(crate) const SLOTS: usize = 16384;

/// The slot that `key` is in: that of its hash tag when it has one. A tag is what stands between the first `{` and
/// the first `}` behind it, unless that is nothing.
pub(crate) fn slot(key: &[u8]) -> usize {
    let tag = || {
        let open = key.iter().position(|byte| *byte == b'{')?;
        let inner = key.get(open + 1..)?;
        let close = inner.iter().position(|byte| *byte == b'}')?;
        inner.get(..close).filter(|tag| !tag.is_empty())
    };
    usize::from(crc16(tag().unwrap_or(key))) % SLOTS
}

/// CRC16 as XMODEM has it: polynomial 0x1021, nothing reflected, beginning at 0 (appendix A of the specification).
fn crc16(bytes: &[u8]) -> u16 {
    bytes.iter().fold(0, |crc: u16, byte| {
        let place = usize::from((crc >> 8) as u8 ^ byte);
        crc << 8 ^ TABLE.get(place).copied().unwrap_or_default()
    })
}

const TABLE: [u16; 256] = {
    let mut table = [0; 256];
    let mut byte = 0;
    while byte < 256 {
        let mut crc = (byte as u16) << 8;
        let mut bit = 0;
        while bit < 8 {
            crc = crc << 1 ^ if crc & 0x8000 == 0 { 0 } else { 0x1021 };
            bit += 1;
        }
        #[allow(clippy::indexing_slicing, reason = "`byte` is below 256")]
        {
            table[byte] = crc;
        }
        byte += 1;
    }
    table
};

/// Where a node is, as the cluster tells it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) host: Host,
    /// 0 where none is told: it is then the one that was asked, in a cluster whose nodes all have the same.
    pub(crate) port: u16,
    /// The node's own name; empty in a redirection, which does not tell it.
    pub(crate) id: String,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Host {
    Named(String),
    /// The one that was asked.
    Asked,
    Unknown,
}

impl Place {
    /// Where that is, as the node at `asked` told it, or where `map` says that it really is; or why nobody can say. A
    /// server behind a Unix socket is on this machine.
    pub(crate) fn address(
        &self,
        asked: &Address,
        map: &AddressMap,
    ) -> Result<Address, &'static str> {
        let (asked_host, asked_port) = match asked {
            Address::Tcp { host, port } => (host.as_str(), *port),
            Address::Unix(_) | Address::Memory(_) => ("127.0.0.1", 0),
        };
        let host = match &self.host {
            Host::Named(name) => name.clone(),
            Host::Asked => asked_host.to_owned(),
            Host::Unknown => return Err("the cluster knows no address of it, and says `?`"),
        };
        match if self.port == 0 {
            asked_port
        } else {
            self.port
        } {
            0 => Err("the cluster gives its port as 0"),
            port => Ok(map.place(Address::Tcp { host, port })),
        }
    }

    /// What stands in its place in a message.
    pub(crate) fn shown(&self) -> String {
        let host = match &self.host {
            Host::Named(name) => name.as_str(),
            Host::Asked => "",
            Host::Unknown => "?",
        };
        format!("{host}:{}@{}", self.port, self.id)
    }
}

/// Slots in a row that belong together, and who has them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Range {
    pub(crate) first: usize,
    pub(crate) last: usize,
    pub(crate) primary: Place,
    pub(crate) replicas: Vec<Place>,
}

/// CLUSTER SLOTS.
pub(crate) struct ClusterSlots;

impl ClusterSlots {
    pub(crate) const VERB: Verb = Verb::safe("CLUSTER SLOTS");
}

impl Command for ClusterSlots {
    type Answer = Vec<Range>;

    fn verb(&self) -> Verb {
        Self::VERB
    }

    fn pack(&self, to: &mut Encoder<'_>) {
        to.command(2).arg(b"CLUSTER").arg(b"SLOTS");
    }

    fn read(&mut self, from: &mut Replies<'_>) -> Reply<Vec<Range>> {
        let count = match from.array()? {
            Ok(count) if count <= SLOTS => count,
            Ok(_) => return Err(reply::unexpected("ranges of slots")),
            Err(refusal) => return Ok(Err(refusal)),
        };
        let mut ranges = Vec::new();
        for _ in 0..count {
            ranges.push(read_range(from)?);
        }
        Ok(Ok(ranges))
    }
}

fn read_range(from: &mut Replies<'_>) -> Result<Range> {
    let parts = part(from.array()?, "a range of slots")?;
    let first = read_slot(from)?;
    let last = read_slot(from)?;
    let mut nodes = Vec::new();
    for _ in 2..parts {
        nodes.push(read_node(from)?);
    }
    let mut nodes = nodes.into_iter();
    let primary = nodes.next();
    Ok(Range {
        first,
        last,
        primary: primary.ok_or_else(|| reply::unexpected("a node of these slots"))?,
        replicas: nodes.collect(),
    })
}

fn read_slot(from: &mut Replies<'_>) -> Result<usize> {
    let number = part(from.int()?, "the number of a slot")?;
    let slot = usize::try_from(number).ok().filter(|slot| *slot < SLOTS);
    slot.ok_or_else(|| reply::unexpected("the number of a slot"))
}

/// A node is `[endpoint, port, id]`, and since Redis 7 a map of other names for it
/// (<https://redis.io/docs/latest/commands/cluster-slots/>). An endpoint of `?` is nowhere, so its address is then
/// taken from that map.
fn read_node(from: &mut Replies<'_>) -> Result<Place> {
    let parts = part(from.array()?, "a node")?;
    let mut host = match from.next()? {
        Token::Bulk(text) => host(text),
        Token::Nil => Host::Asked,
        _ => return Err(reply::unexpected("the address of a node")),
    };
    let port = part(from.int()?, "a port")?;
    let mut id = String::new();
    for place in 2..parts {
        match place {
            2 => match from.next()? {
                Token::Bulk(text) => id = String::from_utf8_lossy(text).into_owned(),
                _ => return Err(reply::unexpected("the name of a node")),
            },
            3 => {
                let ip = read_ip(from)?;
                if host == Host::Unknown {
                    host = ip.map_or(Host::Unknown, Host::Named);
                }
            }
            _ => from.skip().map(drop)?,
        }
    }
    let port = u16::try_from(port).unwrap_or_default();
    Ok(Place { host, port, id })
}

/// The `ip` in a map of other names.
fn read_ip(from: &mut Replies<'_>) -> Result<Option<String>> {
    let parts = part(from.array()?, "a map")?;
    let mut ip = None;
    let mut is_ip = false;
    for place in 0..parts {
        if place % 2 == 1 && !is_ip {
            from.skip()?;
            continue;
        }
        let Token::Bulk(text) = from.next()? else {
            return Err(reply::unexpected("a name"));
        };
        if place % 2 == 0 {
            is_ip = text == b"ip";
        } else if let Host::Named(name) = host(text) {
            ip = Some(name);
        }
    }
    Ok(ip)
}

/// Within a reply that has begun, a refusal is as wrong as anything else.
fn part<T>(read: Result<T>, expected: &str) -> Result<T> {
    read.map_err(|_| reply::unexpected(expected))
}

fn host(text: &[u8]) -> Host {
    match std::str::from_utf8(text) {
        Ok("") => Host::Asked,
        Ok("?") | Err(_) => Host::Unknown,
        Ok(name) => Host::Named(name.to_owned()),
    }
}

/// What a MOVED or an ASK says: a slot, and where to ask for it. `None` when it says nowhere.
pub(crate) fn redirection(text: &str) -> Option<(usize, Place)> {
    let mut words = text.split(' ').skip(1);
    let slot = words.next()?.parse().ok().filter(|slot| *slot < SLOTS)?;
    let (name, port) = words.next()?.rsplit_once(':')?;
    let port = port.parse().ok()?;
    let host = host(name.as_bytes());
    let id = String::new();
    (host != Host::Unknown).then_some((slot, Place { host, port, id }))
}

/// The end of a call that was sent from node to node, each of which says that another one has the slot.
pub(crate) fn nowhere(last: &Error) -> Error {
    let said = last.text();
    let text = match redirection(said) {
        Some((slot, _)) => format!(
            "slot {slot} is served by none of the nodes that were asked for it, the last of which said `{said}`"
        ),
        None => format!(
            "the key is served by none of the nodes that were asked for it, the last of which said `{said}`"
        ),
    };
    last.reworded(ErrorKind::Unavailable, text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_checksum_is_that_of_the_specification() {
        assert_eq!(crc16(b"123456789"), 0x31C3);
        assert_eq!(crc16(b""), 0);
    }

    /// As CLUSTER KEYSLOT of Redis 7.0 answers; the first ones stand in its documentation.
    #[test]
    fn keys_are_in_the_slots_that_redis_puts_them_in() {
        for (key, expected) in [
            ("somekey", 11058),
            ("foo{hash_tag}", 2515),
            ("foo", 12182),
            ("bar", 5061),
            (":1:user:7", 14986),
        ] {
            assert_eq!(slot(key.as_bytes()), expected, "{key}");
        }
    }

    #[test]
    fn a_hash_tag_stands_for_the_key() {
        let same = |key: &str, as_key: &str| slot(key.as_bytes()) == slot(as_key.as_bytes());
        assert!(same("{user1000}.following", "{user1000}.followers"));
        assert!(same("app:1:{user1000}.x", "user1000"));
        assert!(same("foo{{bar}}zap", "{bar"));
        assert!(same("foo{bar}{zap}", "bar"));
        assert!(same("a}{b}c", "b"));
        // An empty tag and one that is not closed are none.
        assert!(!same("foo{}{bar}", "bar") && !same("foo{}{bar}", ""));
        assert!(!same("foo{bar", "bar"));
        assert_eq!(slot(b"foo{}{bar}"), 8363);
        assert_eq!(slot(b"foo{{bar}}zap"), 4015);
    }

    #[test]
    fn a_redirection_names_a_slot_and_a_place() {
        let place = |host: Option<&str>, port| Place {
            host: host.map_or(Host::Asked, |name| Host::Named(name.to_owned())),
            port,
            id: String::new(),
        };
        for (text, expected) in [
            (
                "MOVED 3999 127.0.0.1:6381",
                Some((3999, place(Some("127.0.0.1"), 6381))),
            ),
            ("ASK 0 ::1:7000", Some((0, place(Some("::1"), 7000)))),
            (
                "MOVED 1 redis-3.local:6379",
                Some((1, place(Some("redis-3.local"), 6379))),
            ),
            ("MOVED 1 :6379", Some((1, place(None, 6379)))),
            ("MOVED 1 ?:6379", None),
            ("MOVED 16384 127.0.0.1:6379", None),
            ("MOVED", None),
            ("MOVED 1 nowhere", None),
        ] {
            assert_eq!(redirection(text), expected, "{text}");
        }
    }
}
