//! The keys of a multi-key call: one piece of memory for all of them, each with its place in the caller's order.

use std::ops::Range;

use crate::base::room;
use crate::error::{Error, Result};

/// The keys of a multi-key call, in the caller's order, in one piece of memory. A key that failed its check keeps
/// its place and carries its error; stores only see the others.
#[derive(Debug, Default)]
pub(crate) struct KeyList {
    bytes: Vec<u8>,
    /// Where each key lies; that of a fault is empty.
    spans: Vec<Range<usize>>,
    faults: Vec<(usize, Error)>,
    /// There was no memory for more.
    cut: Option<Error>,
}

impl KeyList {
    /// Room for so many keys of a usual length.
    ///
    /// # Errors
    /// There is no memory for so many, nor for what is to be kept of each during a call.
    pub(crate) fn with_room(count: usize) -> Result<KeyList> {
        const OF_EACH: usize = 128;
        room::probe(count.saturating_mul(OF_EACH), "a list of keys")?;
        let mut list = KeyList::default();
        let reserved = list.spans.try_reserve_exact(count);
        let reserved = reserved.and_then(|()| list.bytes.try_reserve(count.saturating_mul(32)));
        reserved.map_err(|_| none_for_a_list(count))?;
        Ok(list)
    }

    /// Appends the key that `write` puts behind the bytes it is given; when it fails, the item is a fault.
    #[inline]
    pub(crate) fn push(&mut self, write: impl FnOnce(&mut Vec<u8>) -> Result<()>) {
        if self.spans.len() == self.spans.capacity() && !self.grow() {
            return;
        }
        let start = self.bytes.len();
        if let Err(error) = write(&mut self.bytes) {
            self.bytes.truncate(start);
            self.faults.push((self.spans.len(), error));
        }
        self.spans.push(start..self.bytes.len());
    }

    /// Whether there is room for one more.
    #[cold]
    fn grow(&mut self) -> bool {
        if self.cut.is_none() && self.spans.try_reserve(1).is_ok() {
            return true;
        }
        let count = self.spans.len();
        self.cut.get_or_insert_with(|| none_for_a_list(count));
        false
    }

    /// The list, with all that was pushed.
    ///
    /// # Errors
    /// There was no memory for all of it.
    pub(crate) fn whole(self) -> Result<KeyList> {
        match self.cut {
            Some(error) => Err(error),
            None => Ok(self),
        }
    }

    /// [`push_bytes`](KeyList::push_bytes) of a key of which others say how long it is, and how many there are.
    pub(crate) fn try_push_bytes(&mut self, key: &[u8]) -> Result<()> {
        let reserved = self.bytes.try_reserve(key.len());
        let reserved = reserved.and_then(|()| self.spans.try_reserve(1));
        reserved.map_err(|_| none_for_a_list(self.spans.len()))?;
        self.push_bytes(key);
        Ok(())
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

#[cold]
fn none_for_a_list(count: usize) -> Error {
    Error::no_memory(
        "a list of keys",
        count.saturating_mul(size_of::<Range<usize>>()),
    )
}
