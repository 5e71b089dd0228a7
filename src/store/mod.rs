//! The seam between what the cache means and where the bytes live. A [`Backend`] stores byte strings under wire
//! keys and offers the few atomic steps the operations are made of. It knows the entry header only as far as those
//! steps must look at it (a placeholder is not a value); everything else about keys and values is decided above.

#[cfg(test)]
pub(crate) mod conformance;
pub(crate) mod glob;
pub(crate) mod leases;

use std::fmt;
use std::ops::Range;

use smallvec::SmallVec;

use crate::error::{Error, ErrorKind, Result};
use crate::expiry::{Clock, Life};

pub(crate) use leases::{Acquired, Claim, EachAcquired, Leases, Token};

/// What a call is going to do with a key, and so which node may serve it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Access {
    /// A plain read: a replica will do when `read_from` says so.
    Read,
    /// Everything else: writes, scripts, and reads that must see the last write.
    Write,
}

/// Bytes to be stored: a header (perhaps empty) and a body behind it, never joined before they are on the wire.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Value<'a> {
    pub(crate) head: &'a [u8],
    pub(crate) body: &'a [u8],
}

impl Value<'_> {
    pub(crate) fn len(&self) -> usize {
        self.head.len() + self.body.len()
    }
}

/// Where the part of a large value goes that has not arrived yet.
#[derive(Debug)]
pub(crate) enum Room<'a> {
    /// Behind what the vector holds; the reader makes it grow.
    Append(&'a mut Vec<u8>),
    /// Into exactly this memory, as long as what is missing.
    Fill(&'a mut [u8]),
    /// Nowhere: it is read and dropped.
    Discard,
}

/// Receives one stored value.
pub(crate) trait Sink {
    /// A value of `len` bytes has begun; `head` is what of it is there: all of it, or at least [`HEAD_LEN`] bytes.
    /// The answer is the place of the other `len - head.len()` bytes (any, when there are none).
    /// After a lost connection it may be called again: then everything begins anew.
    fn begin(&mut self, head: &[u8], len: usize) -> Result<Room<'_>>;

    /// Until when the value is fresh by its header, in the store's Unix milliseconds; 0: for as long as it is there, or
    /// nobody has looked.
    fn fresh_until_ms(&self) -> u64 {
        0
    }
}

/// The longest entry header: as many bytes as a [`Sink`] can be sure to see at once.
pub(crate) const HEAD_LEN: usize = 32;

/// The first bytes of a stored value, at most [`HEAD_LEN`].
pub(crate) type Head = SmallVec<[u8; HEAD_LEN]>;

/// The keys of a multi-key call, in the caller's order, in one piece of memory. A key that failed its check keeps
/// its place and carries its error; backends only see the others.
#[derive(Debug, Default)]
pub(crate) struct KeyList {
    bytes: Vec<u8>,
    /// Where each key lies; that of a fault is empty.
    spans: Vec<Range<usize>>,
    faults: Vec<(usize, Error)>,
}

impl KeyList {
    /// Room for so many keys of a usual length.
    pub(crate) fn with_capacity(count: usize) -> KeyList {
        KeyList {
            bytes: Vec::with_capacity(count.saturating_mul(32)),
            spans: Vec::with_capacity(count),
            faults: Vec::new(),
        }
    }

    /// Appends the key that `write` puts behind the bytes it is given; when it fails, the item is a fault.
    #[inline]
    pub(crate) fn push(&mut self, write: impl FnOnce(&mut Vec<u8>) -> Result<()>) {
        let start = self.bytes.len();
        if let Err(error) = write(&mut self.bytes) {
            self.bytes.truncate(start);
            self.faults.push((self.spans.len(), error));
        }
        self.spans.push(start..self.bytes.len());
    }

    /// Appends a complete key. (An empty one, which no cache writes, is passed over.)
    pub(crate) fn push_bytes(&mut self, key: &[u8]) {
        if key.is_empty() {
            return;
        }
        let start = self.bytes.len();
        self.bytes.extend_from_slice(key);
        self.spans.push(start..self.bytes.len());
    }

    /// A copy of at most `most` keys from place `from` on.
    pub(crate) fn part(&self, from: usize, most: usize) -> KeyList {
        let mut part = KeyList::default();
        for (_, key) in (from..self.len())
            .take(most)
            .filter_map(|index| Some((index, self.get(index)?)))
        {
            part.push_bytes(key);
        }
        part
    }

    pub(crate) fn len(&self) -> usize {
        self.spans.len()
    }

    /// The places of the keys that can be asked for.
    pub(crate) fn places(&self) -> Vec<usize> {
        if self.faults.is_empty() {
            (0..self.len()).collect()
        } else {
            self.iter().map(|(index, _)| index).collect()
        }
    }

    /// The keys that can be asked for, with their places.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (usize, &[u8])> {
        (0..self.len()).filter_map(|index| Some((index, self.get(index)?)))
    }

    /// The key at `index`; `None` for a fault. (No valid key is empty.)
    #[inline]
    pub(crate) fn get(&self, index: usize) -> Option<&[u8]> {
        let span = self.spans.get(index)?.clone();
        self.bytes.get(span).filter(|key| !key.is_empty())
    }

    pub(crate) fn faults(&self) -> &[(usize, Error)] {
        &self.faults
    }
}

/// A change of an entry's lifetime.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Touch {
    /// From now, in milliseconds of the server's clock; 0 has passed already.
    In(u64),
    /// At this Unix time in milliseconds.
    At(u64),
    /// Never.
    Persist,
}

/// What is left of a key's life, in the store's own terms.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Pttl {
    Forever,
    Millis(u64),
}

/// A stored entry as it is: its bytes with their header, and its lifetime.
#[derive(Debug)]
pub(crate) struct Entry {
    pub(crate) bytes: Vec<u8>,
    pub(crate) ttl: Pttl,
}

/// What is to become of an entry that is still as it was read.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Change<'a> {
    /// All of it, with its header.
    pub(crate) old: &'a [u8],
    /// `None`: it is removed.
    pub(crate) new: Option<Value<'a>>,
}

/// One step of a walk over a node's keys.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ScanStep<'a> {
    /// The node, as [`Backend::nodes`] names it.
    pub(crate) node: &'a str,
    /// 0 begins; otherwise what the step before returned.
    pub(crate) cursor: u64,
    /// A glob over wire keys.
    pub(crate) pattern: &'a [u8],
    /// How many keys to look at, roughly.
    pub(crate) count: u32,
}

/// Numbers that only the backend knows.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Traffic {
    pub(crate) refused: u64,
    pub(crate) retries: u64,
    pub(crate) connections_open: u64,
    pub(crate) connections_idle: u64,
    pub(crate) bytes_read: u64,
    pub(crate) bytes_written: u64,
}

/// Is told of item `index` of a multi-key read: its value, `None` when there is none (or not a string).
pub(crate) type EachValue<'a> = dyn FnMut(usize, Result<Option<&[u8]>>, Clock) + 'a;

/// Is told of item `index` of a multi-key write: whether the key was there (delete) or just that it was done.
pub(crate) type EachDone<'a> = dyn FnMut(usize, Result<bool>) + 'a;

/// A store of byte strings. One network round trip a call unless it says otherwise; none for `memory://`.
/// Every item of a [`KeyList`] that is not a fault is reported to `each` exactly once, in any order.
pub(crate) trait Backend: Leases + Send + Sync + fmt::Debug {
    /// GET. `None` when there is no such key; otherwise the sink has the whole value.
    fn get(&self, key: &[u8], access: Access, sink: &mut dyn Sink) -> Result<Option<Clock>>;

    /// MGET, one pipeline a node; a key of another data type is `None`.
    fn get_many(&self, keys: &KeyList, access: Access, each: &mut EachValue<'_>);

    /// SET PX; with [`Life::Expired`] the key is removed instead.
    fn set(&self, key: &[u8], value: Value<'_>, life: Life) -> Result<()>;

    /// SET PX of many, one pipeline a node. `values` is as long as `keys`; either all lives are over, or none.
    fn set_many(&self, keys: &KeyList, values: &[(Value<'_>, Life)], each: &mut EachDone<'_>);

    /// SET NX PX, where a placeholder, a negative or a soft-expired entry counts as absent. With [`Life::Expired`]
    /// nothing is stored and nothing is removed; the answer is the same.
    fn add(&self, key: &[u8], value: Value<'_>, life: Life) -> Result<bool>;

    /// UNLINK: whether there was such a key, of any kind.
    fn delete(&self, key: &[u8]) -> Result<bool>;

    /// UNLINK of many, one pipeline a node.
    fn delete_many(&self, keys: &KeyList, each: &mut EachDone<'_>);

    /// EXISTS and the first bytes of the value. A key of another data type has an empty head.
    fn head(&self, key: &[u8], access: Access) -> Result<Option<(Head, Clock)>>;

    /// PTTL and the first bytes of the value.
    fn ttl(&self, key: &[u8]) -> Result<Option<(Pttl, Head, Clock)>>;

    /// Moves soft and hard expiry together. False: no such key, or no live value under it.
    fn touch(&self, key: &[u8], touch: Touch) -> Result<bool>;

    /// Adds to an integer. `None`: no such key, or no live value. WrongType: not an integer, or overflow.
    fn incr(&self, key: &[u8], delta: i64) -> Result<Option<i64>>;

    /// The same, but an absent key is created with `initial`, and `initial` is returned.
    fn incr_or_create(&self, key: &[u8], delta: i64, initial: i64, life: Life) -> Result<i64>;

    /// Moves value and lifetime to another key, replacing what is there. False: no live value under `from`.
    /// Atomic on one node; up to four round trips and never a loss between two.
    fn rename(&self, from: &[u8], to: &[u8]) -> Result<bool>;

    /// The nodes that own keys, by stable names, in a stable order.
    fn nodes(&self) -> Result<Vec<String>>;

    /// Whether a node of that name owns keys, or may have done so before another one took its place. No network.
    fn knows(&self, _node: &str) -> bool {
        false
    }

    /// The next batch of keys that match; returns the cursor to go on with, 0 at the end.
    fn scan(&self, step: ScanStep<'_>, each: &mut dyn FnMut(&[u8])) -> Result<u64>;

    /// How much of a node's key space lies behind a cursor of [`scan`](Backend::scan), 0 to 1.
    fn walked(&self, cursor: u64) -> f64;

    /// UNLINK of keys that a scan of `node` has shown; returns how many there were.
    fn unlink(&self, node: &str, keys: &KeyList) -> Result<u64>;

    /// The whole values of keys that a scan of `node` has shown; a key of another data type is `None`.
    fn read_at(&self, node: &str, keys: &KeyList, each: &mut EachValue<'_>);

    /// Replaces or removes entries that a scan of `node` has shown, with their lifetimes as they are, in one pipeline.
    /// False: somebody else wrote meanwhile, and that stays. `changes` is as long as `keys`.
    fn replace_at(
        &self,
        node: &str,
        keys: &KeyList,
        changes: &[Change<'_>],
        each: &mut EachDone<'_>,
    );

    /// Whether a key that a scan found on `node` belongs on another one. No network.
    fn is_misplaced(&self, _node: &str, _key: &[u8]) -> Result<bool> {
        Ok(false)
    }

    /// Moves entries that a scan of `node` has shown to where `to` places them, with their lifetimes; what is there
    /// already stays. Returns how many have left the node.
    fn export(&self, _node: &str, _keys: &KeyList, _to: &dyn Backend) -> Result<u64> {
        Ok(0)
    }

    /// Stores entries where nothing is yet. `entries` is as long as `keys`.
    fn import(&self, keys: &KeyList, _entries: &[Entry], each: &mut EachDone<'_>) {
        let error = Error::new(
            ErrorKind::Unsupported,
            "an embedded store takes no entries from servers",
        );
        keys.places()
            .into_iter()
            .for_each(|item| each(item, Err(error.clone())));
    }

    /// FLUSHDB ASYNC on every node.
    fn flush(&self) -> Result<()>;

    /// PING to every node.
    fn ping(&self) -> Result<()>;

    /// The node that serves the key: its name, or its location without credentials. No network, but to find the nodes
    /// in the first place.
    fn locate(&self, key: &[u8]) -> Result<String>;

    /// Counters and gauges; no network.
    fn traffic(&self) -> Traffic;

    /// Sets the counters (not the gauges) to zero.
    fn reset_traffic(&self);

    /// Closes idle connections. Calls that come later open new ones.
    fn close(&self);
}
