//! The keys of a multi-key call: one piece of memory for all of them, each with its place in the caller's order.

use std::ops::Range;

use crate::error::{Error, Result};

/// The keys of a multi-key call, in the caller's order, in one piece of memory. A key that failed its check keeps
/// its place and carries its error; stores only see the others.
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
