//! Where a walk stands on a node, and how that is told in words: the cursor of a sweep. A page that the walk stopped
//! within is read anew, and by then keys have left it and others come in: so a place tells which keys were dealt with, not
//! how many.

use std::collections::BTreeSet;

use crate::store::KeyList;

/// What a key is remembered by: FNV-1a, 64 bits (<https://datatracker.ietf.org/doc/html/draft-eastlake-fnv>).
pub(crate) type Mark = u64;

/// What a place in words begins with that is not followed by the nodes behind it.
const ALONE: char = '!';
/// What stands between places; in a name it is written in other words.
const BETWEEN: &str = ",";
const BETWEEN_IN_NAME: &str = "%2C";
const PERCENT: &str = "%";
const PERCENT_IN_NAME: &str = "%25";

pub(crate) fn mark(key: &[u8]) -> Mark {
    key.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
    })
}

/// A place on a node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) node: String,
    /// Of its SCAN.
    pub(crate) cursor: u64,
    /// The keys of this page that are done with, and stay.
    done: Vec<Mark>,
    /// Those that were done with before the walk went on here: of this page, or, when it has become shorter since, of the
    /// next one.
    before: BTreeSet<Mark>,
    /// It does not stand in its turn among the nodes: it was missed, or came in later.
    pub(crate) is_alone: bool,
}

impl Place {
    /// The beginning of a node.
    pub(crate) fn on(node: String, is_alone: bool) -> Place {
        Place {
            node,
            cursor: 0,
            done: Vec::new(),
            before: BTreeSet::new(),
            is_alone,
        }
    }

    /// Whether the key was done with before.
    pub(crate) fn is_past(&self, key: &[u8]) -> bool {
        !self.before.is_empty() && self.before.contains(&mark(key))
    }

    /// These keys of the current page are done with, and stay.
    pub(crate) fn pass(&mut self, keys: &KeyList) {
        self.done.extend(keys.iter().map(|(_, key)| mark(key)));
    }

    /// Goes behind a page where these keys were past before. Of those what was not met may be on the next page; what is not
    /// met there either is gone.
    pub(crate) fn advance(&mut self, cursor: u64, met: &[Mark]) {
        self.done.clear();
        match met.is_empty() {
            true => self.before.clear(),
            false => met.iter().for_each(|mark| {
                self.before.remove(mark);
            }),
        }
        self.cursor = cursor;
    }

    fn words(&self) -> String {
        let marks = self.before.iter().chain(&self.done);
        let marks: String = marks.map(|mark| format!("{mark:016x}")).collect();
        let alone = if self.is_alone { "!" } else { "" };
        let node = self.node.replace(PERCENT, PERCENT_IN_NAME);
        let node = node.replace(BETWEEN, BETWEEN_IN_NAME);
        format!("{alone}{}+{marks}@{node}", self.cursor)
    }

    fn read(text: &str) -> Option<Place> {
        let (is_alone, text) = match text.strip_prefix(ALONE) {
            Some(rest) => (true, rest),
            None => (false, text),
        };
        let (place, node) = text.split_once('@')?;
        let (cursor, marks) = place.split_once('+')?;
        let node = node.replace(BETWEEN_IN_NAME, BETWEEN);
        Some(Place {
            node: node.replace(PERCENT_IN_NAME, PERCENT),
            cursor: cursor.parse().ok()?,
            done: Vec::new(),
            before: read_marks(marks)?,
            is_alone,
        })
    }
}

/// Places in words; `None` when there are none.
pub(crate) fn words<'a>(places: impl Iterator<Item = &'a Place>) -> Option<String> {
    let words: Vec<String> = places.map(Place::words).collect();
    (!words.is_empty()).then(|| words.join(BETWEEN))
}

/// The same read back: at most one of them stands in its turn, and that one is the first.
pub(crate) fn read(text: &str) -> Option<Vec<Place>> {
    let places: Option<Vec<Place>> = text.split(BETWEEN).map(Place::read).collect();
    places.filter(|places| places.iter().skip(1).all(|place| place.is_alone))
}

/// Marks in words: 16 hexadecimal digits each.
fn read_marks(text: &str) -> Option<BTreeSet<Mark>> {
    const DIGITS: usize = 16;
    if !text.len().is_multiple_of(DIGITS) {
        return None;
    }
    let marks = (0..text.len()).step_by(DIGITS).map(|start| {
        let digits = text.get(start..start + DIGITS)?;
        Mark::from_str_radix(digits, 16).ok()
    });
    marks.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_read_back_whatever_their_nodes_are_called() {
        let mut first = Place::on("h@1:6379".to_owned(), false);
        let mut keys = KeyList::default();
        keys.push_bytes(b"a");
        first.cursor = 17;
        first.pass(&keys);
        let missed = Place::on("/run/100%,%2C.sock".to_owned(), true);
        let text = words([&first, &missed].into_iter()).unwrap();
        assert_eq!(
            text,
            "17+af63dc4c8601ec8c@h@1:6379,!0+@/run/100%25%2C%252C.sock"
        );
        let back = read(&text).unwrap();
        assert_eq!(back.len(), 2);
        assert!(back[0].is_past(b"a") && !back[0].is_alone && back[0].cursor == 17);
        assert_eq!(back[1], missed);
        assert_eq!(words(std::iter::empty()), None);
    }

    #[test]
    fn what_is_no_place_is_refused() {
        for text in [
            "",
            "17",
            "17@h",
            "+@h",
            "x+@h",
            "1+abc@h",
            "1+@h,2+@i",
            "!1+@h,2+@i",
        ] {
            assert_eq!(read(text), None, "{text}");
        }
    }
}
