//! The seam between what the cache means and where the bytes live. A [`Store`] keeps byte strings under wire
//! keys and offers the few atomic steps the operations are made of. It knows the entry header only as far as those
//! steps must look at it (a placeholder is not a value); everything else about keys and values is decided above.

#[cfg(test)]
pub(crate) mod conformance;
pub(crate) mod framed;
pub(crate) mod glob;
pub(crate) mod keys;
pub(crate) mod latencies;
pub(crate) mod leases;
pub(crate) mod members;
pub(crate) mod values;
pub(crate) mod walks;
pub(crate) mod whole;

use std::fmt;
use std::ops::Deref;

use smallvec::SmallVec;

use crate::base::budget::Budget;
use crate::error::{Error, ErrorKind, Result};

pub(crate) use keys::KeyList;
pub use latencies::Latency;
pub(crate) use leases::{
    Acquired, Claim, EachAcquired, EachStored, Force, LATEST_MS, Leases, Stored, Token,
};
pub(crate) use members::Words;
pub use members::{Answer, NodeState};
pub(crate) use values::{EachDone, EachValue, Pttl, Touch, Values};
pub(crate) use walks::{Change, EachHead, Entry, ScanStep, Walks};
pub(crate) use whole::Whole;

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

/// So much is copied under a lock; a larger value is held instead, and copied after it.
const SMALL: usize = 4096;

/// A whole value that was found with a lock held.
pub(crate) enum Hit<T> {
    /// It is in the sink: that took a moment only, and ran nobody else's code.
    HandedOut(Result<()>),
    /// It is to go there when the lock is given back.
    Held(T),
}

impl<T: Deref<Target = [u8]>> Hit<T> {
    /// With the lock held; `hold` keeps the value beyond it.
    #[inline]
    pub(crate) fn of(sink: &mut dyn Sink, value: &[u8], hold: impl FnOnce() -> T) -> Self {
        match value.len() <= SMALL && sink.begins_under_a_lock() {
            true => Hit::HandedOut(sink.begin(value, value.len()).map(drop)),
            false => Hit::Held(hold()),
        }
    }

    /// Without it.
    #[inline]
    pub(crate) fn finish(self, sink: &mut dyn Sink) -> Result<()> {
        match self {
            Hit::HandedOut(begun) => begun,
            Hit::Held(value) => sink.begin(&value, value.len()).map(drop),
        }
    }
}

/// Receives one stored value.
pub(crate) trait Sink {
    /// A value of `len` bytes has begun; `head` is what of it is there: all of it, or at least [`HEAD_LEN`] bytes.
    /// The answer is the place of the other `len - head.len()` bytes (any, when there are none).
    /// After a lost connection it may be called again: then everything begins anew.
    fn begin(&mut self, head: &[u8], len: usize) -> Result<Room<'_>>;

    /// Whether `begin` runs nothing but our own few steps: then a store may call it with a lock held. What decodes a value
    /// runs the code of its type.
    fn begins_under_a_lock(&self) -> bool {
        false
    }

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

/// Those of a value, or of as much of it as there is.
#[inline]
pub(crate) fn head_of(value: &[u8]) -> Head {
    Head::from_slice(value.get(..HEAD_LEN).unwrap_or(value))
}

/// Numbers that only the store knows.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Traffic {
    pub(crate) refused: u64,
    pub(crate) retries: u64,
    pub(crate) connections_open: u64,
    pub(crate) connections_idle: u64,
    pub(crate) bytes_read: u64,
    pub(crate) bytes_written: u64,
    pub(crate) near_hits: u64,
    /// Nodes that do not announce changes to those who keep what they read.
    pub(crate) near_untracked: u64,
}

/// A store of byte strings: [`Values`] under their keys, [`Leases`] to compute them, [`Walks`] over all of them, and what
/// concerns the whole. One network round trip a call unless it says otherwise, within the budget that it is given; none
/// for `memory://`.
pub(crate) trait Store: Values + Leases + Walks + Send + Sync + fmt::Debug {
    /// FLUSHDB ASYNC on every node.
    fn flush(&self, budget: Budget) -> Result<()>;

    /// PING to every node.
    fn ping(&self, budget: Budget) -> Result<()>;

    /// The node that serves the key: its name, or its location without credentials. No network, but to find the nodes
    /// in the first place.
    fn locate(&self, key: &[u8], budget: Budget) -> Result<String>;

    /// Every node, replicas too. No network, but to find them in the first place.
    fn members(&self, budget: Budget) -> Result<Vec<NodeState>>;

    /// Commands of the caller's own to the node of that name, and what it answers to each, in one round trip.
    fn ask_member(&self, _node: &str, _commands: &[Words], _budget: Budget) -> Result<Vec<Answer>> {
        Err(Error::new(
            ErrorKind::Unsupported,
            "an embedded store knows no commands",
        ))
    }

    /// The certificate (DER) that the node of that name shows to a new connection; `None` where it speaks no TLS.
    fn certificate(&self, _node: &str, _budget: Budget) -> Result<Option<Vec<u8>>> {
        Ok(None)
    }

    /// The slot of the key, where the nodes divide keys by slots. No network.
    fn slot(&self, _key: &[u8]) -> Option<u16> {
        None
    }

    /// Counters and gauges; no network.
    fn traffic(&self) -> Traffic;

    /// How long operations took at each node, where that is measured; no network.
    fn latencies(&self) -> Vec<Latency> {
        Vec::new()
    }

    /// Sets the counters (not the gauges) to zero, and forgets latencies.
    fn reset_traffic(&self);

    /// Forgets what is kept near; no network. Most stores keep nothing there.
    fn near_clear(&self) {}

    /// Closes idle connections. Calls that come later open new ones.
    fn close(&self);
}
