//! What is stored before a step, and compared after it. Times are distances from now.

use crate::entry::header::{Header, LeaseBlock};
use crate::store::HEAD_LEN;

use super::bench::{Before, LOADED_MS};

pub(crate) const MINE: [u8; 8] = *b"my token";
pub(crate) const THEIRS: [u8; 8] = *b"stranger";
pub(crate) const NOBODY: [u8; 8] = [0; 8];

/// A stored entry with a lease block. Times are distances from now; `None` is a zero in the header.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) flags: u8,
    pub(crate) format: u8,
    pub(crate) cost: u8,
    pub(crate) stale_ms: u32,
    pub(crate) soft: Option<i64>,
    pub(crate) deadline: Option<i64>,
    pub(crate) token: [u8; 8],
    pub(crate) payload: Vec<u8>,
}

impl Entry {
    /// A fresh value without a lease.
    pub(crate) fn fresh() -> Entry {
        Entry {
            flags: 0x13,
            format: 0x21,
            cost: 77,
            stale_ms: 30_000,
            soft: Some(40_000),
            deadline: None,
            token: NOBODY,
            payload: b"payload".to_vec(),
        }
    }

    /// A value that expired a moment ago and can still be served.
    pub(crate) fn stale() -> Entry {
        Entry::fresh().soft(Some(-10_000))
    }

    /// A lease on nothing yet.
    pub(crate) fn placeholder() -> Entry {
        Entry {
            flags: 0x12,
            format: 0,
            cost: 0,
            stale_ms: 0,
            soft: None,
            payload: Vec::new(),
            ..Entry::fresh()
        }
    }

    pub(crate) fn negative(self) -> Entry {
        Entry {
            flags: 0x17,
            payload: Vec::new(),
            ..self
        }
    }

    pub(crate) fn soft(self, soft: Option<i64>) -> Entry {
        Entry { soft, ..self }
    }

    pub(crate) fn stale_for(self, stale_ms: u32) -> Entry {
        Entry { stale_ms, ..self }
    }

    /// Leased by `token` until so far from now.
    pub(crate) fn leased(self, token: [u8; 8], deadline: i64) -> Entry {
        Entry {
            token,
            deadline: Some(deadline),
            ..self
        }
    }

    pub(crate) fn unleased(self) -> Entry {
        Entry {
            token: NOBODY,
            deadline: None,
            ..self
        }
    }

    pub(crate) fn flags(self, flags: u8) -> Entry {
        Entry { flags, ..self }
    }

    pub(crate) fn there(self) -> Before {
        Before::Entry(self)
    }

    pub(crate) fn bytes(&self, now: u64) -> Vec<u8> {
        let at = |distance: Option<i64>| distance.map_or(0, |ms| now.saturating_add_signed(ms));
        let mut bytes = vec![0xC1, self.flags, self.format, self.cost];
        bytes.extend_from_slice(&self.stale_ms.to_le_bytes());
        bytes.extend_from_slice(&at(self.soft).to_le_bytes());
        bytes.extend_from_slice(&at(self.deadline).to_le_bytes());
        bytes.extend_from_slice(&self.token);
        bytes.extend_from_slice(&self.payload);
        bytes
    }

    pub(crate) fn of(bytes: &[u8], now: u64) -> Entry {
        let distance = |at: u64| (at > 0).then(|| at as i64 - now as i64);
        let header = Header::parse(&[&[0xC1, 0x13], &bytes[2..]].concat()).unwrap();
        let block: LeaseBlock = header.lease.unwrap();
        Entry {
            flags: bytes[1],
            format: bytes[2],
            cost: bytes[3],
            stale_ms: block.stale_ms,
            soft: distance(block.soft_expire_ms),
            deadline: distance(block.deadline_ms),
            token: block.token,
            payload: bytes[HEAD_LEN..].to_vec(),
        }
    }

    /// The same but for the moments that a step took.
    pub(crate) fn is_near(&self, expected: &Entry) -> bool {
        let near = |seen: Option<i64>, expected: Option<i64>| match (seen, expected) {
            (Some(seen), Some(expected)) => {
                (expected - 5..expected + LOADED_MS as i64).contains(&seen)
            }
            (seen, expected) => seen == expected,
        };
        let timeless = |entry: &Entry| Entry {
            soft: None,
            deadline: None,
            stale_ms: 0,
            ..entry.clone()
        };
        let stale = self.stale_ms.abs_diff(expected.stale_ms);
        near(self.soft, expected.soft)
            && near(self.deadline, expected.deadline)
            && u64::from(stale) < LOADED_MS
            && timeless(self) == timeless(expected)
    }
}

pub(crate) fn raw(bytes: impl AsRef<[u8]>) -> Before {
    Before::Raw(bytes.as_ref().to_vec())
}

/// What no lease can stand in, each with its name.
pub(crate) fn leaseless() -> Vec<(&'static str, Before)> {
    let mut cut = Entry::stale().leased(MINE, 30_000).bytes(0);
    cut.truncate(31);
    let mut other_magic = Entry::stale().leased(MINE, 30_000).bytes(0);
    other_magic[0] = 0xC2;
    vec![
        ("an empty foreign string", raw(b"")),
        ("an integer", raw(b"42")),
        (
            "a text of another program",
            raw(b"{\"a\":1,\"more\":\"than 32 bytes of it\"}"),
        ),
        (
            "a short header",
            raw(b"\xC1\x11\x00\x00payload that is longer than 28 bytes"),
        ),
        ("a short negative entry", raw(b"\xC1\x15\x00\x00")),
        ("a header cut short", raw(cut)),
        ("another magic byte", raw(other_magic)),
        (
            "a later version",
            Entry::stale().leased(MINE, 30_000).flags(0x23).there(),
        ),
        (
            "an earlier version",
            Entry::stale().leased(MINE, 30_000).flags(0x03).there(),
        ),
        (
            "no lease bit",
            Entry::stale().leased(MINE, 30_000).flags(0x11).there(),
        ),
    ]
}
