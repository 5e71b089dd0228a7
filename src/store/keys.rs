//! The keys of a multi-key call: one piece of memory for all of them, each with its place in the caller's order, and each
//! as a command will name it.

use std::ops::Range;

use crate::base::room;
use crate::error::{Error, Result};

use super::framed::{Argument, CRLF, LONGEST_LINE, line, line_len};

/// The most that stands around a key.
const FRAME: usize = LONGEST_LINE + CRLF.len();

/// The keys of a multi-key call, in the caller's order, in one piece of memory. A key that failed its check keeps
/// its place and carries its error; stores only see the others.
#[derive(Debug, Default)]
pub(crate) struct KeyList {
    /// Each key between the line that says its length and a line end.
    framed: Vec<u8>,
    /// Where each key lies in it; that of a fault is empty.
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
        let reserved = reserved.and_then(|()| list.framed.try_reserve(count.saturating_mul(32)));
        reserved.map_err(|_| none_for_a_list(count))?;
        Ok(list)
    }

    /// Appends the key that lies in these two pieces, if `accept` has nothing against it.
    ///
    /// # Errors
    /// Those of `accept`, and that there is no memory for the key: nothing was appended then.
    #[inline(always)]
    pub(crate) fn push(
        &mut self,
        front: &[u8],
        back: &[u8],
        accept: impl FnOnce() -> Result<()>,
    ) -> Result<()> {
        if self.spans.len() == self.spans.capacity() && !self.grow() {
            return Ok(());
        }
        let len = front.len() + back.len();
        if self.framed.capacity() - self.framed.len() < len + FRAME {
            self.reserve(len)?;
        }
        accept()?;
        self.frame(front, back);
        Ok(())
    }

    /// Appends a key that may not be asked for.
    #[cold]
    pub(crate) fn push_fault(&mut self, error: Error) {
        if self.spans.len() < self.spans.capacity() || self.grow() {
            self.faults.push((self.spans.len(), error));
            self.spans.push(0..0);
        }
    }

    #[inline(always)]
    fn frame(&mut self, front: &[u8], back: &[u8]) {
        line(&mut self.framed, b'$', front.len() + back.len());
        let start = self.framed.len();
        self.framed.extend_from_slice(front);
        self.framed.extend_from_slice(back);
        self.spans.push(start..self.framed.len());
        self.framed.extend_from_slice(CRLF);
    }

    /// Room for a key of so many bytes.
    #[cold]
    fn reserve(&mut self, len: usize) -> Result<()> {
        let reserved = self.framed.try_reserve(len.saturating_add(FRAME));
        reserved.map_err(|_| Error::no_memory("a key", len))
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
        let reserved = self.framed.try_reserve(key.len().saturating_add(FRAME));
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
        self.framed.reserve(key.len() + FRAME);
        self.frame(key, &[]);
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
        self.framed.get(span).filter(|key| !key.is_empty())
    }

    /// The key at `index` as an argument of a command; an empty one for a fault.
    #[inline]
    pub(crate) fn framed(&self, index: usize) -> Argument<'_> {
        let piece = self.piece(index, index);
        piece.map_or(Argument::Bare(&[]), Argument::Framed)
    }

    /// Hands out the keys at these places as arguments, in their order: those that lie behind each other in one piece.
    #[inline]
    pub(crate) fn pieces(&self, places: &[usize], mut each: impl FnMut(&[u8])) {
        let mut hand_out = |(first, last)| each(self.piece(first, last).unwrap_or_default());
        let mut row: Option<(usize, usize)> = None;
        for place in places.iter().copied() {
            row = match row {
                Some((first, last)) if last + 1 == place => Some((first, place)),
                before => {
                    before.into_iter().for_each(&mut hand_out);
                    Some((place, place))
                }
            };
        }
        row.into_iter().for_each(hand_out);
    }

    /// From one key to another behind it, with no fault between them.
    #[inline]
    fn piece(&self, first: usize, last: usize) -> Option<&[u8]> {
        let (first, last) = (self.spans.get(first)?, self.spans.get(last)?);
        let start = first.start.checked_sub(line_len(first.len()))?;
        self.framed.get(start..last.end + CRLF.len())
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::ErrorKind;

    fn pieces(list: &KeyList, places: &[usize]) -> Vec<String> {
        let mut pieces = Vec::new();
        list.pieces(places, |piece| {
            pieces.push(String::from_utf8(piece.to_vec()).unwrap())
        });
        pieces
    }

    #[test]
    fn keys_that_follow_each_other_are_one_piece_of_a_command() {
        let mut list = KeyList::default();
        list.push_bytes(b"a");
        list.push(b"p:1:", b"b", || Ok(())).unwrap();
        list.push_fault(Error::new(ErrorKind::InvalidArgument, "no key"));
        list.push_bytes(&[b'c'; 1000]);
        list.push_bytes(b"d");
        let c = "c".repeat(1000);
        assert_eq!(list.get(1), Some(&b"p:1:b"[..]));
        assert_eq!(list.get(2), None);
        assert_eq!(
            pieces(&list, &list.places()),
            [
                "$1\r\na\r\n$5\r\np:1:b\r\n".to_owned(),
                format!("$1000\r\n{c}\r\n$1\r\nd\r\n"),
            ]
        );
        assert_eq!(
            pieces(&list, &[4, 0, 1]),
            ["$1\r\nd\r\n", "$1\r\na\r\n$5\r\np:1:b\r\n"]
        );
        assert!(matches!(
            list.framed(1),
            Argument::Framed(b"$5\r\np:1:b\r\n")
        ));
        assert!(matches!(list.framed(2), Argument::Bare(b"")));
        assert!(pieces(&list, &[]).is_empty());
    }

    #[test]
    fn a_key_whose_value_is_refused_leaves_nothing_behind() {
        let mut list = KeyList::default();
        let refuse = || Err(Error::new(ErrorKind::InvalidArgument, "no value"));
        assert!(list.push(b"a", b"b", refuse).is_err());
        assert_eq!(list.len(), 0);
        list.push_bytes(b"c");
        assert_eq!(pieces(&list, &[0]), ["$1\r\nc\r\n"]);
    }
}
