//! Walks over all the keys of a store: node by node in small steps, and what is done with the keys that a step has shown.

use crate::base::budget::Budget;
use crate::error::{Error, ErrorKind, Result};
use crate::expiry::Clock;

use super::{EachDone, EachValue, KeyList, Pttl, Store, Value};

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
    /// The node, as [`Walks::nodes`] names it.
    pub(crate) node: &'a str,
    /// 0 begins; otherwise what the step before returned.
    pub(crate) cursor: u64,
    /// A glob over wire keys.
    pub(crate) pattern: &'a [u8],
    /// How many keys to look at, roughly.
    pub(crate) count: u32,
}

/// Is told of item `index` how its value begins.
pub(crate) type EachHead<'a> = dyn FnMut(usize, Result<&[u8]>, Clock) + 'a;

/// Walks, and what they do. Every item of a [`KeyList`] is reported to `each` exactly once, in any order.
pub(crate) trait Walks {
    /// The nodes that own keys, by stable names, in a stable order.
    fn nodes(&self, budget: Budget) -> Result<Vec<String>>;

    /// Whether a node of that name owns keys, or may have done so before another one took its place. No network.
    fn knows(&self, _node: &str) -> bool {
        false
    }

    /// The next batch of keys that match; returns the cursor to go on with, 0 at the end.
    fn scan(&self, step: ScanStep<'_>, budget: Budget, each: &mut dyn FnMut(&[u8])) -> Result<u64>;

    /// How much of a node's key space lies behind a cursor of [`scan`](Walks::scan), 0 to 1, where at least so much lay
    /// behind the one before.
    fn walked(&self, cursor: u64, at_least: f64) -> f64;

    /// UNLINK of keys that a scan of `node` has shown; returns how many there were.
    fn unlink(&self, node: &str, keys: &KeyList, budget: Budget) -> Result<u64>;

    /// The first bytes of the values of keys that a scan of `node` has shown, at least [`HEAD_LEN`](super::HEAD_LEN) of those
    /// that have so many; a key of another data type, or one that is gone, has an empty head. Where the store knows how to,
    /// it is not taken for a use of the entries; nor is [`read_at`](Walks::read_at).
    fn heads_at(&self, node: &str, keys: &KeyList, budget: Budget, each: &mut EachHead<'_>);

    /// The whole values of keys that a scan of `node` has shown; a key of another data type is `None`.
    fn read_at(&self, node: &str, keys: &KeyList, budget: Budget, each: &mut EachValue<'_>);

    /// Replaces or removes entries that a scan of `node` has shown, with their lifetimes as they are, in one pipeline.
    /// False: somebody else wrote meanwhile, and that stays. `changes` is as long as `keys`.
    fn replace_at(
        &self,
        node: &str,
        keys: &KeyList,
        changes: &[Change<'_>],
        budget: Budget,
        each: &mut EachDone<'_>,
    );

    /// Whether a key that a scan found on `node` belongs on another one. No network.
    fn is_misplaced(&self, _node: &str, _key: &[u8]) -> Result<bool> {
        Ok(false)
    }

    /// Moves entries that a scan of `node` has shown to where `to` places them, with their lifetimes; what is there
    /// already stays. Returns how many have left the node. Each exchange has `timeout`.
    fn export(
        &self,
        _node: &str,
        _keys: &KeyList,
        _to: &dyn Store,
        _budget: &dyn Fn() -> Budget,
    ) -> Result<u64> {
        Ok(0)
    }

    /// Stores entries where nothing is yet. `entries` is as long as `keys`.
    fn import(&self, keys: &KeyList, _entries: &[Entry], _budget: Budget, each: &mut EachDone<'_>) {
        let error = Error::new(
            ErrorKind::Unsupported,
            "an embedded store takes no entries from servers",
        );
        keys.places()
            .into_iter()
            .for_each(|item| each(item, Err(error.clone())));
    }
}
