//! The commands for a node as a whole.

use crate::base::room;
use crate::error::{Error, Result};
use crate::redis::connection::replies::Replies;
use crate::redis::connection::reply::{self, Reply};
use crate::redis::connection::resp::{Encoder, Token};
use crate::store::ScanStep;

use super::Command;
use super::verb::Verb;

/// What every node is asked.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Everyone {
    /// PING.
    Ping,
    /// FLUSHDB ASYNC.
    FlushDb,
}

impl Command for Everyone {
    type Answer = ();

    fn verb(&self) -> Verb {
        match self {
            Everyone::Ping => Verb::safe("PING"),
            Everyone::FlushDb => Verb::once("FLUSHDB"),
        }
    }

    fn pack(&self, to: &mut Encoder<'_>) {
        match self {
            Everyone::Ping => to.command(1).arg(b"PING"),
            Everyone::FlushDb => to.command(2).arg(b"FLUSHDB").arg(b"ASYNC"),
        };
    }

    fn read(&mut self, from: &mut Replies<'_>) -> Reply<()> {
        from.done()
    }
}

/// SCAN: the cursor to go on with, and the keys. They are collected before anybody is told of them, for a page whose
/// end was lost is read again.
pub(crate) struct Scan<'a> {
    pub(crate) step: ScanStep<'a>,
    pub(crate) page: &'a mut Page,
}

/// The keys of one step, in one piece of memory.
#[derive(Debug, Default)]
pub(crate) struct Page {
    bytes: Vec<u8>,
    ends: Vec<usize>,
}

impl Page {
    fn clear(&mut self) {
        self.bytes.clear();
        self.ends.clear();
    }

    fn push(&mut self, key: &[u8]) -> Result<()> {
        room::append(&mut self.bytes, key, "a page of keys")?;
        let len = self.bytes.len();
        let end = self.ends.try_reserve(1);
        end.map_err(|_| Error::no_memory("a page of keys", len))?;
        self.ends.push(len);
        Ok(())
    }

    pub(crate) fn each(&self, mut tell: impl FnMut(&[u8])) {
        let mut start = 0;
        for end in &self.ends {
            tell(self.bytes.get(start..*end).unwrap_or_default());
            start = *end;
        }
    }
}

impl Command for Scan<'_> {
    type Answer = u64;

    fn verb(&self) -> Verb {
        Verb::safe("SCAN")
    }

    fn pack(&self, to: &mut Encoder<'_>) {
        let step = &self.step;
        let cursor = step.cursor.to_string();
        to.command(6).arg(b"SCAN").arg(cursor.as_bytes());
        to.arg(b"MATCH")
            .arg(step.pattern)
            .arg(b"COUNT")
            .int(i64::from(step.count.max(1)));
    }

    fn read(&mut self, from: &mut Replies<'_>) -> Reply<u64> {
        self.page.clear();
        match from.array()? {
            Ok(2) => {}
            Ok(_) => return Err(reply::unexpected("a cursor and keys")),
            Err(refusal) => return Ok(Err(refusal)),
        }
        let cursor = from.digits()?;
        let count = match from.array()? {
            Ok(count) => count,
            Err(refusal) => return Ok(Err(refusal)),
        };
        for _ in 0..count {
            match from.next()? {
                Token::Bulk(key) => self.page.push(key)?,
                _ => return Err(reply::unexpected("a key")),
            }
        }
        Ok(Ok(cursor))
    }
}

/// UNLINK of many keys, some of them a command: how many there were, or may have been before this was sent again.
pub(crate) struct UnlinkAll<'a> {
    groups: Vec<Group<'a>>,
}

/// The keys of one command.
struct Group<'a> {
    keys: &'a [&'a [u8]],
    /// What was answered to it.
    removed: Option<u64>,
}

impl<'a> UnlinkAll<'a> {
    /// Keys of one command: a server does nothing else meanwhile.
    const GROUP: usize = 256;

    pub(crate) fn new(keys: &'a [&'a [u8]]) -> Self {
        let group = |keys| Group {
            keys,
            removed: None,
        };
        UnlinkAll {
            groups: keys.chunks(Self::GROUP).map(group).collect(),
        }
    }

    fn open(&self) -> impl Iterator<Item = &Group<'a>> {
        self.groups.iter().filter(|group| group.removed.is_none())
    }
}

impl Command for UnlinkAll<'_> {
    type Answer = u64;

    fn verb(&self) -> Verb {
        Verb::safe("UNLINK")
    }

    fn pack(&self, to: &mut Encoder<'_>) {
        for group in self.open() {
            to.command(1 + group.keys.len()).arg(b"UNLINK");
            group.keys.iter().for_each(|key| {
                to.arg(key);
            });
        }
    }

    fn read(&mut self, from: &mut Replies<'_>) -> Reply<u64> {
        let is_repeated = from.is_repeated();
        let mut refusal = Ok(());
        let open = self
            .groups
            .iter_mut()
            .filter(|group| group.removed.is_none());
        for group in open {
            match from.int()? {
                // Those that are gone by now were removed by the attempt whose answer was lost.
                Ok(_) if is_repeated => group.removed = Some(group.keys.len() as u64),
                Ok(removed) => group.removed = Some(removed.try_into().unwrap_or_default()),
                Err(refused) => refusal = refusal.and(Err(refused)),
            }
        }
        Ok(refusal.map(|()| self.groups.iter().filter_map(|group| group.removed).sum()))
    }
}
