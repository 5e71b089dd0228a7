//! A value on the wire: integers as digits, everything else behind a [`Header`]. Encoding appends to a buffer that
//! the caller reuses; decoding happens in [`Sink`]s, which look at the header while the value arrives and put the
//! payload where it is wanted, so that a large value is moved once.

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::backend::{Head, Room, Sink};
use crate::codec::{self, integer::Integer, undecodable};
use crate::config::{Layout, Options};
use crate::error::{Error, ErrorKind, Result};
use crate::expiry::Clock;
use crate::header::{Header, MAGIC};

/// Encodes a typed value: its payload goes behind what `out` holds, its header is returned.
pub(crate) fn encode<T: Serialize + ?Sized>(
    options: &Options,
    value: &T,
    out: &mut Vec<u8>,
) -> Result<Head> {
    if let Some(integer) = Integer::of(value) {
        integer.write(out);
        return Ok(Head::new());
    }
    let start = out.len();
    codec::encode(options.codec, value, out)?;
    check_size(options, out.len() - start)?;
    Ok(head(options, options.codec.number()))
}

/// The header of raw bytes. They are stored as they are.
#[inline]
pub(crate) fn head_of_bytes(options: &Options, bytes: &[u8]) -> Result<Head> {
    check_size(options, bytes.len())?;
    Ok(head(options, codec::RAW))
}

#[inline]
fn head(options: &Options, codec: u8) -> Head {
    match options.layout {
        Layout::Plain => Head::new(),
        Layout::Tagged => Header::short(codec, 0).encode(),
    }
}

#[inline]
fn check_size(options: &Options, len: usize) -> Result<()> {
    if len > options.max_value {
        return Err(too_large(len, options.max_value));
    }
    Ok(())
}

#[cold]
fn too_large(len: usize, most: usize) -> Error {
    let text =
        format!("the value has {len} bytes: at most {most} are accepted (option `max_value`)");
    Error::new(ErrorKind::InvalidArgument, text)
}

/// As much memory as a length on the wire may claim before the bytes are there.
const RESERVE: usize = 64 << 20;

/// What kind of thing a stored value is, by its first bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Shape {
    /// No header: an integer, a foreign value, or anything at all under `layout=plain`.
    Bare,
    /// A value behind a header, which may have expired softly.
    Tagged(Tag),
    /// A placeholder or a negative entry: there is no value.
    Nothing,
    /// The magic byte, and no header that this version knows.
    Broken,
}

/// What a read must know of a header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Tag {
    codec: u8,
    compressor: u8,
    /// How many bytes stand in front of the payload.
    len: u8,
    /// 0 is never.
    soft_expire_ms: u64,
}

impl Shape {
    #[inline]
    fn of(options: &Options, head: &[u8]) -> Self {
        if options.layout == Layout::Plain || head.first() != Some(&MAGIC) {
            return Shape::Bare;
        }
        match Header::parse(head) {
            None => Shape::Broken,
            Some(header) if header.has_value && !header.negative => Shape::Tagged(Tag {
                codec: header.codec,
                compressor: header.compressor,
                len: header.len() as u8,
                soft_expire_ms: header.lease.map_or(0, |lease| lease.soft_expire_ms),
            }),
            Some(_) => Shape::Nothing,
        }
    }

    /// How many bytes stand in front of the payload.
    #[inline]
    fn offset(&self) -> usize {
        match self {
            Shape::Tagged(tag) => tag.len.into(),
            _ => 0,
        }
    }

    /// False: a read says "missing". An error: the header cannot be read.
    #[inline]
    fn is_live(&self, clock: Clock) -> Result<bool> {
        match self {
            Shape::Bare => Ok(true),
            Shape::Tagged(tag) => {
                Ok(tag.soft_expire_ms == 0 || tag.soft_expire_ms > clock.now_ms())
            }
            Shape::Nothing => Ok(false),
            Shape::Broken => Err(broken()),
        }
    }

    /// `payload` as it was before it was compressed.
    #[inline]
    fn inflate<'a>(&self, payload: &'a [u8]) -> Result<&'a [u8]> {
        match self {
            Shape::Tagged(tag) if tag.compressor != 0 => Err(uninflatable(tag.compressor)),
            _ => Ok(payload),
        }
    }

    fn decode<T: DeserializeOwned>(&self, options: &Options, payload: &[u8]) -> Result<T> {
        match (self, Integer::parse(payload)) {
            (Shape::Tagged(tag), _) => codec::decode(tag.codec, self.inflate(payload)?),
            (_, Some(integer)) => integer.decode(),
            _ if options.layout == Layout::Plain => codec::decode(options.codec.number(), payload),
            _ => Err(undecodable(
                "the value has no entry header and is not an integer: another program wrote it",
            )),
        }
    }
}

#[cold]
fn broken() -> Error {
    undecodable("the entry header is of an unknown version or cut short")
}

#[cold]
fn uninflatable(compressor: u8) -> Error {
    undecodable(format!(
        "compressor {compressor} is not part of this build: it has 0 (none)"
    ))
}

/// Collects a payload into a vector with room for one byte more (a C string's NUL).
pub(crate) struct Gather<'a> {
    options: &'a Options,
    shape: Shape,
    payload: Vec<u8>,
}

impl<'a> Gather<'a> {
    pub(crate) fn new(options: &'a Options) -> Self {
        Gather {
            options,
            shape: Shape::Nothing,
            payload: Vec::new(),
        }
    }

    /// The payload as bytes; `None` when there is no live value.
    #[inline]
    pub(crate) fn into_bytes(self, clock: Clock) -> Result<Option<Vec<u8>>> {
        if !self.shape.is_live(clock)? {
            return Ok(None);
        }
        self.shape.inflate(&self.payload)?;
        Ok(Some(self.payload))
    }
}

impl Sink for Gather<'_> {
    fn begin(&mut self, head: &[u8], len: usize) -> Result<Room<'_>> {
        self.shape = Shape::of(self.options, head);
        if matches!(self.shape, Shape::Nothing | Shape::Broken) {
            return Ok(Room::Discard);
        }
        let payload = head.get(self.shape.offset()..).unwrap_or_default();
        self.payload = Vec::with_capacity(len.min(RESERVE) + 1);
        self.payload.extend_from_slice(payload);
        Ok(Room::Append(&mut self.payload))
    }
}

/// Decodes a typed value, in place when all of it has arrived.
pub(crate) struct Decode<'a, T> {
    gather: Gather<'a>,
    done: Option<Result<T>>,
}

impl<'a, T: DeserializeOwned> Decode<'a, T> {
    pub(crate) fn new(options: &'a Options) -> Self {
        Decode {
            gather: Gather::new(options),
            done: None,
        }
    }

    /// The value; `None` when there is no live one.
    pub(crate) fn finish(self, clock: Clock) -> Result<Option<T>> {
        let Gather {
            options,
            shape,
            payload,
        } = self.gather;
        if !shape.is_live(clock)? {
            return Ok(None);
        }
        self.done
            .unwrap_or_else(|| shape.decode(options, &payload))
            .map(Some)
    }
}

impl<T: DeserializeOwned> Sink for Decode<'_, T> {
    fn begin(&mut self, head: &[u8], len: usize) -> Result<Room<'_>> {
        self.done = None;
        if head.len() < len {
            return self.gather.begin(head, len);
        }
        let shape = Shape::of(self.gather.options, head);
        self.gather.shape = shape;
        if matches!(shape, Shape::Bare | Shape::Tagged(_)) {
            let payload = head.get(shape.offset()..).unwrap_or_default();
            self.done = Some(shape.decode(self.gather.options, payload));
        }
        Ok(Room::Discard)
    }
}

/// Copies a payload into the caller's memory, if it fits.
pub(crate) struct Fill<'a> {
    options: &'a Options,
    memory: &'a mut [u8],
    shape: Shape,
    len: usize,
}

impl<'a> Fill<'a> {
    pub(crate) fn new(options: &'a Options, memory: &'a mut [u8]) -> Self {
        Fill {
            options,
            memory,
            shape: Shape::Nothing,
            len: 0,
        }
    }

    /// The length of the payload; when that is more than the memory holds, nothing was written there.
    #[inline]
    pub(crate) fn finish(self, clock: Clock) -> Result<Option<usize>> {
        if !self.shape.is_live(clock)? {
            return Ok(None);
        }
        self.shape.inflate(&[])?;
        Ok(Some(self.len))
    }
}

impl Sink for Fill<'_> {
    fn begin(&mut self, head: &[u8], len: usize) -> Result<Room<'_>> {
        self.shape = Shape::of(self.options, head);
        if matches!(self.shape, Shape::Nothing | Shape::Broken) {
            return Ok(Room::Discard);
        }
        let offset = self.shape.offset();
        self.len = len - offset.min(len);
        let Some(room) = self.memory.get_mut(..self.len) else {
            return Ok(Room::Discard);
        };
        let here = head.get(offset..).unwrap_or_default();
        let (now, later) = room.split_at_mut(here.len().min(self.len));
        now.copy_from_slice(here);
        Ok(Room::Fill(later))
    }
}

/// Reads an integer; what is not one is told apart from what is not there.
#[derive(Debug, Default)]
pub(crate) struct Number {
    header: Option<Header>,
    integer: Option<Integer>,
}

impl Number {
    pub(crate) fn finish(self, clock: Clock) -> Result<Option<i64>> {
        match (self.header, self.integer) {
            (_, Some(Integer::Signed(number))) => Ok(Some(number)),
            (Some(header), _) if !header.is_live(|| clock.now_ms()) => Ok(None),
            _ => Err(Error::new(
                ErrorKind::WrongType,
                "the value is not an integer of 64 bits with a sign",
            )),
        }
    }
}

impl Sink for Number {
    fn begin(&mut self, head: &[u8], len: usize) -> Result<Room<'_>> {
        self.header = Header::parse(head);
        self.integer = if head.len() == len {
            Integer::parse(head)
        } else {
            None
        };
        Ok(Room::Discard)
    }
}

/// The payload of a complete stored value, seen in place; `None` when it is not live.
#[inline]
pub(crate) fn payload<'a>(
    options: &Options,
    stored: &'a [u8],
    clock: Clock,
) -> Result<Option<&'a [u8]>> {
    let shape = Shape::of(options, stored);
    if !shape.is_live(clock)? {
        return Ok(None);
    }
    let payload = stored.get(shape.offset()..).unwrap_or_default();
    shape.inflate(payload).map(Some)
}

/// The typed value of a complete stored value; `None` when it is not live.
pub(crate) fn decode<T: DeserializeOwned>(
    options: &Options,
    stored: &[u8],
    clock: Clock,
) -> Result<Option<T>> {
    let shape = Shape::of(options, stored);
    if !shape.is_live(clock)? {
        return Ok(None);
    }
    shape
        .decode(options, stored.get(shape.offset()..).unwrap_or_default())
        .map(Some)
}

/// Whether a read would find a value behind these first bytes.
pub(crate) fn is_live(options: &Options, head: &[u8], clock: Clock) -> bool {
    Shape::of(options, head).is_live(clock).unwrap_or(true)
}

/// The soft expiry, if the entry has one.
pub(crate) fn soft_expire_ms(options: &Options, head: &[u8]) -> Option<u64> {
    match Shape::of(options, head) {
        Shape::Tagged(tag) => Some(tag.soft_expire_ms).filter(|soft| *soft > 0),
        _ => None,
    }
}

/// Runs `write` with an empty buffer that this thread keeps between calls.
pub(crate) fn with_scratch<R>(write: impl FnOnce(&mut Vec<u8>) -> R) -> R {
    const KEEP: usize = 64 * 1024;
    thread_local! { static SCRATCH: std::cell::Cell<Vec<u8>> = const { std::cell::Cell::new(Vec::new()) } }
    let mut scratch = SCRATCH.try_with(std::cell::Cell::take).unwrap_or_default();
    let result = write(&mut scratch);
    scratch.clear();
    scratch.shrink_to(KEEP);
    let _ = SCRATCH.try_with(|kept| kept.set(scratch));
    result
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::header::LeaseBlock;

    fn stored(head: &[u8], body: &[u8]) -> Vec<u8> {
        [head, body].concat()
    }

    fn typed<T: Serialize + ?Sized>(options: &Options, value: &T) -> Vec<u8> {
        let mut body = Vec::new();
        let head = encode(options, value, &mut body).unwrap();
        stored(&head, &body)
    }

    /// Feeds a value to a sink as the wire does: a first part, then the rest.
    fn feed(sink: &mut dyn Sink, value: &[u8], first: usize) {
        match sink.begin(&value[..first], value.len()).unwrap() {
            Room::Append(memory) => memory.extend_from_slice(&value[first..]),
            Room::Fill(memory) => memory.copy_from_slice(&value[first..]),
            Room::Discard => {}
        }
    }

    #[test]
    fn integers_are_digits_and_everything_else_has_a_header() {
        let options = Options::default();
        assert_eq!(typed(&options, &-42i32), b"-42");
        assert_eq!(typed(&options, "hi"), b"\xC1\x11\x10\0\x02hi");
        assert_eq!(typed(&options, &true), b"\xC1\x11\x10\0\x01");
        assert_eq!(
            head_of_bytes(&options, b"12").unwrap().as_slice(),
            b"\xC1\x11\0\0"
        );
        let plain = Options {
            layout: Layout::Plain,
            ..options
        };
        assert_eq!(typed(&plain, "hi"), b"\x02hi");
        assert_eq!(
            decode::<String>(&plain, b"\x02hi", Clock::default())
                .unwrap()
                .unwrap(),
            "hi"
        );
    }

    #[test]
    fn a_value_is_the_same_wherever_the_wire_cuts_it() {
        let options = Options::default();
        let text = "x".repeat(100);
        let value = typed(&options, &text);
        for first in 32..=value.len() {
            let mut gather = Gather::new(&options);
            feed(&mut gather, &value, first);
            assert_eq!(
                gather.into_bytes(Clock::default()).unwrap().unwrap(),
                value[4..]
            );
            let mut sink = Decode::<String>::new(&options);
            feed(&mut sink, &value, first);
            assert_eq!(sink.finish(Clock::default()).unwrap().unwrap(), text);
            let mut memory = [0; 128];
            let mut fill = Fill::new(&options, &mut memory);
            feed(&mut fill, &value, first);
            assert_eq!(
                fill.finish(Clock::default()).unwrap(),
                Some(value.len() - 4)
            );
            assert_eq!(memory[..value.len() - 4], value[4..]);
        }
    }

    #[test]
    fn memory_that_is_too_small_is_left_alone() {
        let options = Options::default();
        let mut memory = [7; 4];
        let mut fill = Fill::new(&options, &mut memory);
        feed(&mut fill, b"\xC1\x11\0\0hello", 9);
        assert_eq!(fill.finish(Clock::default()).unwrap(), Some(5));
        assert_eq!(memory, [7; 4]);
    }

    #[test]
    fn a_soft_expired_value_and_a_placeholder_are_missing() {
        let options = Options::default();
        let lease = LeaseBlock {
            soft_expire_ms: 1,
            ..LeaseBlock::default()
        };
        let expired = Header {
            lease: Some(lease),
            ..Header::short(1, 0)
        };
        let placeholder = Header {
            has_value: false,
            ..expired
        };
        for header in [expired, placeholder] {
            let value = stored(&header.encode(), b"\x02hi");
            let mut sink = Decode::<String>::new(&options);
            feed(&mut sink, &value, value.len());
            assert_eq!(sink.finish(Clock::default()).unwrap(), None);
            assert!(!is_live(&options, &value, Clock::default()));
            let mut number = Number::default();
            feed(&mut number, &value, value.len());
            assert_eq!(number.finish(Clock::default()).unwrap(), None);
        }
    }

    #[test]
    fn what_cannot_be_read_is_a_decode_error() {
        let options = Options::default();
        for value in [
            &b"\xC1\x21\x10\0\x02hi"[..],
            b"\xC1\x11\x10\0\x05hi",
            b"\xC1\x11\x10\0\x02hi!",
            b"\xC1\x11\x1f\0\x02hi",
            b"foreign",
        ] {
            let error = decode::<String>(&options, value, Clock::default()).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Decode, "{value:?}");
        }
        assert_eq!(
            payload(&options, b"foreign", Clock::default()).unwrap(),
            Some(&b"foreign"[..])
        );
    }

    #[test]
    fn a_number_is_told_apart_from_what_is_not_one() {
        let read = |value: &[u8]| {
            let mut number = Number::default();
            feed(&mut number, value, value.len());
            number.finish(Clock::default())
        };
        assert_eq!(read(b"-7").unwrap(), Some(-7));
        for value in [
            b"\xC1\x11\0\0" as &[u8],
            b"\xC1\x11\0\x0012",
            b"12_3\n",
            b"9223372036854775808",
            b"",
        ] {
            assert_eq!(
                read(value).unwrap_err().kind(),
                ErrorKind::WrongType,
                "{value:?}"
            );
        }
    }

    #[test]
    fn a_value_above_max_value_is_refused() {
        let options = Options {
            max_value: 3,
            ..Options::default()
        };
        assert!(head_of_bytes(&options, b"abc").is_ok());
        let text = head_of_bytes(&options, b"abcd").unwrap_err().to_string();
        assert!(
            text.contains("4 bytes") && text.contains("max_value"),
            "{text}"
        );
    }
}
