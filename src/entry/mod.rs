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
    codec::encode(&options.coding, value, out)?;
    check_size(options, out.len() - start)?;
    let mut compressor = Compressor::None;
    if options.coding.compressor != Compressor::None {
        let payload = out.get(start..).unwrap_or_default();
        if let Some(packed) = compress(options, payload)? {
            out.truncate(start);
            out.extend_from_slice(&packed);
            compressor = options.coding.compressor;
        }
    } else if is_plain && options.coding.codec != Codec::Json {
        check_digits(out.get(start..).unwrap_or_default())?;
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
        return Ok((head(options, codec::RAW, Compressor::None), bytes));
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
    let packed = compress(options, bytes)?;
    let compressor = match packed {
        Some(_) => options.coding.compressor,
        None => Compressor::None,
    };
    Ok((head(options, codec::RAW, compressor), packed))
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
    Error::oversized(text)
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

    fn of_header(header: Option<Header>) -> Self {
        match header {
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
            Shape::Broken => Err(broken()),
        }
    }

    /// The number of the compressor that made the payload smaller; 0: none did.
    #[inline]
    fn compressor(&self, options: &Options) -> u8 {
        match self {
            Shape::Tagged(tag) => tag.compressor,
            Shape::Bare if options.layout == Layout::Plain => options.coding.compressor.number(),
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
            return Ok(Cow::Borrowed(payload));
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

#[cold]
fn broken() -> Error {
    undecodable("the entry header is of an unknown version or cut short")
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
    let shape = Shape::of(options, stored);
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
