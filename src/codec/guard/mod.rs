//! What every typed value passes on its way into a payload and out of it, whatever the codec: a serializer around the
//! codec's own ([`write`]) and a deserializer around the codec's own ([`read`]). They bound how deep a value goes, so that
//! no payload and no value takes the stack of a thread, and they see what a codec would write or read as something else.
//!
//! A level is what stands inside another value: an element, a field, an entry, what an option or a newtype holds. It is
//! counted alike by the writer and by the reader, so what was written can be read. What was seen is kept in the [`Watch`],
//! since serde's errors have no room for it.

pub(super) mod behind;
mod bytes;
pub(super) mod read;
pub(super) mod write;

use std::cell::Cell;

use super::names::{CUSTOM, JSON, MSGPACK, POSTCARD, RAW};
use super::settings::Settings;

/// How many levels a value may have: JSON's usual bound, and well below what the stack of a thread holds.
pub(super) const DEPTH: u8 = 128;

/// So many elements may take no byte in a payload (a list of units); the others take one at least.
const SPARE: usize = 1 << 16;

/// What the codec at work can hold, what the value still may have, and what was wrong with it.
#[derive(Debug)]
pub(super) struct Watch {
    /// The payload names its fields and says what its values are.
    describes: bool,
    /// A list of bytes is written as bytes are.
    has_bytes: bool,
    /// As many parts must be written as were announced.
    is_exact: bool,
    /// There is no NaN and no infinity.
    is_finite: bool,
    /// How many elements of lists and maps there may be, where a payload may claim what it has no bytes for.
    elements: Cell<usize>,
    seen: Cell<Option<Seen>>,
}

/// What a codec cannot write, or not read back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Seen {
    Deep,
    /// A field that is left out.
    Skipped(&'static str),
    /// A list or a map of unknown length.
    Unannounced,
    /// Another number of parts than was announced.
    Miscounted,
    /// More elements than a payload may claim.
    Countless,
    NotFinite,
    /// The type asks the payload what it is.
    Undescribed,
    /// So many bytes more could not be had.
    NoMemory(usize),
}

impl Watch {
    /// For a codec that writes. `is_plain`: other programs are to read it.
    pub(super) fn of_writer(codec: u8, is_plain: bool) -> Self {
        Watch {
            describes: codec != POSTCARD,
            has_bytes: codec == POSTCARD,
            is_exact: matches!(codec, POSTCARD | MSGPACK),
            is_finite: codec == JSON || codec == MSGPACK && is_plain,
            elements: Cell::new(0),
            seen: Cell::new(None),
        }
    }

    /// For a codec that reads a payload of so many bytes.
    pub(super) fn of_reader(settings: &Settings, codec: u8, len: usize) -> Self {
        Watch {
            describes: codec != POSTCARD,
            has_bytes: matches!(codec, POSTCARD | RAW),
            is_exact: false,
            is_finite: false,
            elements: Cell::new(most_elements(settings, codec, len)),
            seen: Cell::new(None),
        }
    }

    /// For what describes itself, and has a byte for all that it claims.
    pub(super) fn plain() -> Self {
        Watch {
            describes: true,
            has_bytes: false,
            is_exact: false,
            is_finite: false,
            elements: Cell::new(usize::MAX),
            seen: Cell::new(None),
        }
    }

    /// Whether what was written, in so many bytes, will be read.
    pub(super) fn is_countable(&self, settings: &Settings, codec: u8, len: usize) -> bool {
        self.elements.get() <= most_elements(settings, codec, len)
    }

    pub(super) fn seen(&self) -> Option<Seen> {
        self.seen.get()
    }

    /// Keeps what was seen, unless something was before.
    #[cold]
    pub(super) fn see(&self, seen: Seen) {
        self.seen.set(self.seen.get().or(Some(seen)));
    }
}

/// How many elements of lists and maps a payload of so many bytes may hold.
fn most_elements(settings: &Settings, codec: u8, len: usize) -> usize {
    match codec {
        POSTCARD => len.saturating_add(SPARE),
        // Nobody knows how many bytes it has for one.
        CUSTOM => settings.max_value.saturating_add(SPARE),
        _ => usize::MAX,
    }
}

impl Seen {
    /// What is wrong with the value, and what would be right.
    pub(super) fn text(self, codec: &str) -> String {
        let other = "take the codec `json` or `msgpack`";
        match self {
            Seen::Deep => format!("it is more than {DEPTH} levels deep"),
            Seen::Skipped(field) => format!(
                "field `{field}` is left out (`#[serde(skip_serializing_if)]`), and {codec} knows fields by their order \
                 only: {other}"
            ),
            Seen::Unannounced => format!(
                "a map or a list does not know its length beforehand (`#[serde(flatten)]` makes such a map), and {codec} \
                 needs it: {other}"
            ),
            Seen::Miscounted => {
                "it announces another number of fields or elements than it has (a `Serialize` by hand, or \
                 `#[serde(skip_serializing_if)]`)"
                    .to_owned()
            }
            Seen::Countless => format!(
                "it has more than {SPARE} elements that take no byte in {codec} (`()`, or a struct without fields)"
            ),
            Seen::NotFinite => {
                "NaN and infinities have no form there that comes back: take another codec, or an option".to_owned()
            }
            Seen::Undescribed => format!(
                "the type asks the payload what it is (`#[serde(untagged)]`, `#[serde(tag = ...)]`, `#[serde(flatten)]`, or \
                 one such as `serde_json::Value`), and {codec} does not tell: {other}"
            ),
            Seen::NoMemory(len) => format!("no memory for {len} bytes more"),
        }
    }
}
