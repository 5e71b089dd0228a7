//! The ring of Python's django-redis, bit for bit: `HashRing` of its `hash_ring.py` under its `ShardClient`. A server
//! owns 128 points of a circle of SHA-256 digests, and of a key with a `{tag}` only the tag counts. The same from
//! version 5.4.0 to 6.0.0.

use sha2::{Digest, Sha256};

use super::member::Member;
use super::points::Points;

const POINTS_PER_NODE: usize = 128;

type Position = [u8; 32];

#[derive(Debug)]
pub(crate) struct DjangoRedis(Points<Position>);

/// What the package calls the server: the text of its entry in `LOCATION`. When that is spelled otherwise here, or
/// has a query there, it can be given as the server's `name`.
pub(crate) fn identity(member: &Member<'_>) -> String {
    let text = if member.is_named {
        member.name
    } else {
        member.spelled
    };
    text.to_owned()
}

impl DjangoRedis {
    pub(crate) fn new(nodes: &[String]) -> Self {
        let points = nodes.iter().enumerate().flat_map(|(index, node)| {
            (0..POINTS_PER_NODE)
                .map(move |point| (position(format!("{node}:{point}").as_bytes()), index))
        });
        DjangoRedis(Points::new(points))
    }

    pub(crate) fn place(&self, key: &[u8]) -> usize {
        self.0.owner(position(tag(key).unwrap_or(key)))
    }
}

/// The package compares digests as hexadecimal text, which orders them as their bytes do.
fn position(text: &[u8]) -> Position {
    Sha256::digest(text).into()
}

/// Group 1 of `re.match(r".*\{(.*)\}.*", key)`: what stands between the last `}` of the first line and the last `{`
/// before it. (No `.` matches a line feed. Redis Cluster takes the first `{` and leaves an empty tag alone.)
fn tag(key: &[u8]) -> Option<&[u8]> {
    let line = key.split(|byte| *byte == b'\n').next()?;
    let (before, _) = line.split_at(line.iter().rposition(|byte| *byte == b'}')?);
    let open = before.iter().rposition(|byte| *byte == b'{')?;
    before.get(open + 1..)
}
