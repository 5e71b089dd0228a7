//! A value on the wire: integers as digits, everything else behind a [`Header`]. Encoding appends to a buffer that
//! the caller reuses; decoding happens in sinks, which look at the header while the value arrives and put the payload
//! where it is wanted, so that a large value is moved once.

pub(crate) mod freshness;
pub(crate) mod header;
pub(crate) mod look;
pub(crate) mod sinks;
#[cfg(test)]
pub(crate) mod tests;

use std::borrow::Cow;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::codec::integer::Integer;
use crate::codec::{self, undecodable};
use crate::config::{Codec, Compressor, Layout, Options};
use crate::entry::header::{Header, MAGIC, SHORT};
use crate::error::{Error, ErrorKind, Result};
use crate::expiry::Clock;
use crate::store::Head;

pub(crate) use look::{Judge, Keeping, Look, Payload, Seen, Sight};
pub(crate) use sinks::{Decode, Fill, Gather, Number};

/// Encodes a typed value: its payload goes behind what `out` holds, its header is returned.
pub(crate) fn encode<T: Serialize + ?Sized>(
    options: &Options,
    value: &T,
    out: &mut Vec<u8>,
) -> Result<Head> {
    let is_plain = options.layout == Layout::Plain;
    if let Some(integer) = Integer::of(value, is_plain) {
        integer.write(out);
        return Ok(Head::new());
    }
    let start = out.len();
    codec::encode(&options.coding, value, is_plain, out)?;
    check_size(options, out.len() - start)?;
    let mut compressor = Compressor::None;
    if options.coding.compressor != Compressor::None {
        let payload = out.get(start..).unwrap_or_default();
        if let Some(packed) = compress(options, payload)? {
            out.truncate(start);
            reserve(out, packed.len())?;
            out.extend_from_slice(&packed);
            compressor = options.coding.compressor;
        }
    } else if is_plain && options.coding.codec != Codec::Json {
        let payload = out.get(start..).unwrap_or_default();
        check_digits(payload)?;
        check_headless(payload)?;
    }
    Ok(head(options, options.coding.codec.number(), compressor))
}

/// Without a header, what looks like an integer is read as one.
fn check_digits(payload: &[u8]) -> Result<()> {
    if Integer::parse(payload).is_none() {
        return Ok(());
    }
    let text = "the serialized value is all digits, which under `layout=plain` is an integer: another `codec` keeps them apart";
    Err(Error::new(ErrorKind::InvalidArgument, text))
}

/// Without a header, what looks like one is an entry of the other layout, and not read.
#[cold]
fn check_headless(payload: &[u8]) -> Result<()> {
    if !is_tagged(payload) {
        return Ok(());
    }
    let text = "the value begins like an entry of `layout=tagged`, which `layout=plain` does not read: a `compressor` makes it another";
    Err(Error::new(ErrorKind::InvalidArgument, text))
}

/// Whether it begins with an entry header.
pub(crate) fn is_tagged(stored: &[u8]) -> bool {
    Header::parse(stored).is_some()
}

/// Encodes raw bytes: their header, and the body to store behind it. That is the caller's own bytes, unless they were
/// compressed into `scratch`.
#[inline]
pub(crate) fn encode_bytes<'a>(
    options: &Options,
    bytes: &'a [u8],
    scratch: &'a mut Vec<u8>,
) -> Result<(Head, &'a [u8])> {
    if options.coding.compressor == Compressor::None {
        check_size(options, bytes.len())?;
        return Ok((raw_head(options, bytes)?, bytes));
    }
    match pack_bytes(options, bytes)? {
        (head, None) => Ok((head, bytes)),
        (head, Some(packed)) => {
            *scratch = packed;
            Ok((head, scratch))
        }
    }
}

/// The same for many: the body, unless the bytes are stored as they are.
pub(crate) fn pack_bytes(options: &Options, bytes: &[u8]) -> Result<(Head, Option<Vec<u8>>)> {
    check_size(options, bytes.len())?;
    let Some(packed) = compress(options, bytes)? else {
        return Ok((raw_head(options, bytes)?, None));
    };
    let head = head(options, codec::RAW, options.coding.compressor);
    Ok((head, Some(packed)))
}

/// The head of raw bytes that are stored as they are.
#[inline]
fn raw_head(options: &Options, bytes: &[u8]) -> Result<Head> {
    match options.layout {
        Layout::Plain => check_headless(bytes).map(|()| Head::new()),
        Layout::Tagged => Ok(Header::short(codec::RAW, Compressor::None.number()).encode()),
    }
}

/// The payload made smaller, where that is wanted. Under `layout=plain` it always is: nothing tells one from the other.
pub(crate) fn compress(options: &Options, payload: &[u8]) -> Result<Option<Vec<u8>>> {
    codec::compress(&options.coding, payload, options.layout == Layout::Plain)
}

#[inline]
fn head(options: &Options, codec: u8, compressor: Compressor) -> Head {
    match options.layout {
        Layout::Plain => Head::new(),
        Layout::Tagged => Header::short(codec, compressor.number()).encode(),
    }
}

#[inline]
fn check_size(options: &Options, len: usize) -> Result<()> {
    if len > options.coding.max_value {
        return Err(too_large(len, options.coding.max_value));
    }
    Ok(())
}

#[cold]
fn too_large(len: usize, most: usize) -> Error {
    let text =
        format!("the value has {len} bytes: at most {most} are accepted (option `max_value`)");
    Error::new(ErrorKind::InvalidArgument, text)
}

/// What kind of thing a stored value is, by its first bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Shape {
    /// No header: an integer, a foreign value, or anything at all under `layout=plain`.
    Bare,
    /// A value behind a header, which may have expired softly.
    Tagged(Tag),
    /// A placeholder or a negative entry: there is no value.
    Nothing,
    /// There is one, and it is not to be read.
    Unreadable(Why),
}

/// Why a stored value is not read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Why {
    /// The magic byte, and no header that this version knows.
    Unknown,
    /// A header, where values have none.
    Tagged,
    /// More bytes than `max_value`.
    Large,
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
    /// Of a value of `len` bytes that begins so, and is to be read.
    #[inline]
    fn of_value(options: &Options, head: &[u8], len: usize) -> Self {
        let shape = Shape::of(options, head);
        match len.saturating_sub(shape.offset()) > options.coding.max_value {
            true => shape.of_large(options, len),
            false => shape,
        }
    }

    /// What is compressed may be a little longer than what it is made of.
    #[cold]
    fn of_large(self, options: &Options, len: usize) -> Self {
        const MORE: usize = 1024;
        let most = options.coding.max_value.saturating_mul(2);
        let is_packed = self.compressor(options) != 0 && len < most.saturating_add(MORE);
        match self {
            Shape::Bare | Shape::Tagged(_) if !is_packed => Shape::Unreadable(Why::Large),
            shape => shape,
        }
    }

    #[inline]
    fn of(options: &Options, head: &[u8]) -> Self {
        if head.first() != Some(&MAGIC) {
            return Shape::Bare;
        }
        if options.layout == Layout::Plain {
            return Shape::of_plain(options, head);
        }
        match Header::of_short(head) {
            Some((codec, compressor, _)) => Shape::Tagged(Tag {
                codec,
                compressor,
                len: SHORT as u8,
                soft_expire_ms: 0,
            }),
            None => Shape::of_header(Header::parse(head)),
        }
    }

    /// Of a value that opens with the magic byte, which values without a header only do by chance. (A block of LZ4 may,
    /// and tells by itself what it is.)
    #[cold]
    fn of_plain(options: &Options, head: &[u8]) -> Self {
        let may_be_foreign = codec::opens_with_anything(options.coding.compressor);
        match is_tagged(head) && !may_be_foreign {
            true => Shape::Unreadable(Why::Tagged),
            false => Shape::Bare,
        }
    }

    fn of_header(header: Option<Header>) -> Self {
        match header {
            None => Shape::Unreadable(Why::Unknown),
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

    /// 0 is never.
    fn fresh_until_ms(&self) -> u64 {
        match self {
            Shape::Tagged(tag) => tag.soft_expire_ms,
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
            Shape::Unreadable(why) => Err(why.error()),
        }
    }

    /// The number of the compressor that made the payload smaller; 0: none did.
    #[inline]
    fn compressor(&self, options: &Options) -> u8 {
        match self {
            Shape::Tagged(tag) => tag.compressor,
            Shape::Bare if options.layout == Layout::Plain => {
                options.coding.compressor.bare_number()
            }
            _ => 0,
        }
    }

    /// `payload` as it was before it was compressed.
    #[inline]
    fn inflate<'a>(&self, options: &Options, payload: &'a [u8]) -> Result<Cow<'a, [u8]>> {
        match self.compressor(options) {
            0 => Ok(Cow::Borrowed(payload)),
            number => self.inflate_by(options, number, payload),
        }
    }

    fn inflate_by<'a>(
        &self,
        options: &Options,
        number: u8,
        payload: &'a [u8],
    ) -> Result<Cow<'a, [u8]>> {
        let is_as_it_was =
            || Integer::parse(payload).is_some() || !codec::is_packed(number, payload);
        if *self == Shape::Bare && is_as_it_was() {
            return match payload.len() > options.coding.max_value {
                true => Err(Why::Large.error()),
                false => Ok(Cow::Borrowed(payload)),
            };
        }
        codec::inflate(&options.coding, number, payload).map(Cow::Owned)
    }

    fn decode<T: DeserializeOwned>(&self, options: &Options, payload: &[u8]) -> Result<T> {
        match (self, Integer::parse(payload)) {
            (Shape::Tagged(tag), _) => {
                codec::decode(&options.coding, tag.codec, &self.inflate(options, payload)?)
            }
            (_, Some(integer)) => integer.decode(),
            _ if options.layout == Layout::Plain => codec::decode(
                &options.coding,
                options.coding.codec.number(),
                &self.inflate(options, payload)?,
            ),
            _ => Err(undecodable(
                "the value has no entry header and is not an integer: another program wrote it",
            )),
        }
    }
}

impl Why {
    #[cold]
    fn error(self) -> Error {
        undecodable(match self {
            Why::Unknown => "the entry header is of an unknown version or cut short",
            Why::Tagged => {
                "the value has a header: a cache with `layout=tagged` wrote it, and this one has `layout=plain`"
            }
            Why::Large => "the value has more bytes than are read (option `max_value`)",
        })
    }
}

/// The payload of a complete stored value, seen in place unless it is compressed; `None` when it is not live.
#[inline]
pub(crate) fn payload<'a>(
    options: &Options,
    stored: &'a [u8],
    clock: Clock,
) -> Result<Option<Cow<'a, [u8]>>> {
    if options.layout == Layout::Tagged
        && let Some((_, 0, payload)) = Header::of_short(stored)
        && payload.len() <= options.coding.max_value
    {
        return Ok(Some(Cow::Borrowed(payload)));
    }
    any_payload(options, stored, clock)
}

fn any_payload<'a>(
    options: &Options,
    stored: &'a [u8],
    clock: Clock,
) -> Result<Option<Cow<'a, [u8]>>> {
    let shape = Shape::of_value(options, stored, stored.len());
    if !shape.is_live(clock)? {
        return Ok(None);
    }
    let payload = stored.get(shape.offset()..).unwrap_or_default();
    shape.inflate(options, payload).map(Some)
}

/// The same, with memory for a payload that is compressed: many may share it, one after the other.
#[cfg(feature = "capi")]
#[inline]
pub(crate) fn view<'a>(
    options: &Options,
    stored: &'a [u8],
    clock: Clock,
    scratch: &'a mut Vec<u8>,
) -> Result<Option<&'a [u8]>> {
    if options.layout == Layout::Tagged
        && let Some((_, 0, payload)) = Header::of_short(stored)
        && payload.len() <= options.coding.max_value
    {
        return Ok(Some(payload));
    }
    Ok(match any_payload(options, stored, clock)? {
        Some(Cow::Borrowed(payload)) => Some(payload),
        Some(Cow::Owned(payload)) => {
            *scratch = payload;
            Some(scratch)
        }
        None => None,
    })
}

/// The typed value of a complete stored value; `None` when it is not live.
pub(crate) fn decode<T: DeserializeOwned>(
    options: &Options,
    stored: &[u8],
    clock: Clock,
) -> Result<Option<T>> {
    let shape = Shape::of_value(options, stored, stored.len());
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

/// Room for so many bytes more of a value.
fn reserve(bytes: &mut Vec<u8>, more: usize) -> Result<()> {
    let result = bytes.try_reserve(more);
    result.map_err(|_| Error::no_memory("a value", more))
}

/// A payload of one's own.
pub(crate) fn owned(payload: Cow<'_, [u8]>) -> Result<Vec<u8>> {
    match payload {
        Cow::Owned(payload) => Ok(payload),
        Cow::Borrowed(payload) => {
            let mut copy = Vec::new();
            reserve(&mut copy, payload.len())?;
            copy.extend_from_slice(payload);
            Ok(copy)
        }
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
