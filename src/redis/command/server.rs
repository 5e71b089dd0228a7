//! The commands for a node as a whole.

use crate::error::Result;
use crate::redis::connection::replies::Replies;
use crate::redis::connection::reply::{self, Reply};
use crate::redis::connection::resp::{Encoder, Token};
use crate::redis::node::exchange::Verb;
use crate::store::ScanStep;

use super::Command;

/// PING.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Ping;

impl Command for Ping {
    type Answer = ();

    fn verb(&self) -> Verb {
        Verb::safe("PING")
    }

    fn pack(&self, to: &mut Encoder<'_>) {
        to.command(1).arg(b"PING");
    }

    fn read(&mut self, from: &mut Replies<'_>) -> Reply<()> {
        from.done()
    }
}

/// FLUSHDB ASYNC.
#[derive(Debug, Clone, Copy)]
pub(crate) struct FlushDb;

impl Command for FlushDb {
    type Answer = ();

    fn verb(&self) -> Verb {
        Verb::once("FLUSHDB")
    }

    fn pack(&self, to: &mut Encoder<'_>) {
        to.command(2).arg(b"FLUSHDB").arg(b"ASYNC");
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

    fn push(&mut self, key: &[u8]) {
        self.bytes.extend_from_slice(key);
        self.ends.push(self.bytes.len());
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
                Token::Bulk(key) => self.page.push(key),
                _ => return Err(reply::unexpected("a key")),
            }
        }
        Ok(Ok(cursor))
    }
}

/// UNLINK of many keys, some of them a command: how many there were.
pub(crate) struct UnlinkAll<'a> {
    pub(crate) keys: &'a [&'a [u8]],
}

impl UnlinkAll<'_> {
    /// Keys of one command: a server does nothing else meanwhile.
    const GROUP: usize = 256;
}

impl Command for UnlinkAll<'_> {
    type Answer = u64;

    fn verb(&self) -> Verb {
        Verb::safe("UNLINK")
    }

    fn pack(&self, to: &mut Encoder<'_>) {
        for group in self.keys.chunks(Self::GROUP) {
            to.command(1 + group.len()).arg(b"UNLINK");
            group.iter().for_each(|key| {
                to.arg(key);
            });
        }
    }

    /// Keys that a repetition finds missing were removed by an attempt that nothing was heard of.
    fn read(&mut self, from: &mut Replies<'_>) -> Reply<u64> {
        let mut sum: Result<u64> = Ok(0);
        for group in self.keys.chunks(Self::GROUP) {
            let answer = from.int()?;
            let removed = answer.map(|removed| match from.is_repeated() {
                true => group.len() as u64,
                false => removed.unsigned_abs(),
            });
            sum = sum.and_then(|sum| Ok(sum.saturating_add(removed?)));
        }
        Ok(sum)
    }
}
