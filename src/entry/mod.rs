//! A value on the wire: integers as digits, everything else behind a [`Header`]. Encoding appends to a buffer that
//! the caller reuses; decoding happens in sinks, which look at the header while the value arrives and put the payload
//! where it is wanted, so that a large value is moved once.

mod bodies;
pub(crate) mod freshness;
pub(crate) mod header;
pub(crate) mod look;
mod shape;
pub(crate) mod sinks;
#[cfg(test)]
pub(crate) mod tests;

use std::borrow::Cow;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::codec;
use crate::codec::integer::Integer;
use crate::config::{Codec, Compressor, Layout, Options};
use crate::entry::header::Header;
use crate::error::{Error, ErrorKind, Result};
use crate::expiry::Clock;
use crate::store::Head;

use shape::Shape;

pub(crate) use bodies::Bodies;
pub(crate) use look::{Judge, Keeping, Look, Payload, Seen, Sight};
pub(crate) use shape::is_tagged;
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

/// Encodes raw bytes: their header, and the body to store behind it. That is the caller's own bytes, unless they were
/// compressed into `scratch`.
#[inline]
pub(crate) fn encode_bytes<'a>(
    options: &Options,
    bytes: &'a [u8],
    scratch: &'a mut Vec<u8>,
) -> Result<(Head, &'a [u8])> {
    if options.coding.compressor == Compressor::None {
        check_raw(options, bytes)?;
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

/// The same for bytes that may be worth compressing: the body, unless they are stored as they are.
pub(crate) fn pack_bytes(options: &Options, bytes: &[u8]) -> Result<(Head, Option<Vec<u8>>)> {
    check_size(options, bytes.len())?;
    let Some(packed) = compress(options, bytes)? else {
        check_raw(options, bytes)?;
        return Ok((head(options, codec::RAW, Compressor::None), None));
    };
    let head = head(options, codec::RAW, options.coding.compressor);
    Ok((head, Some(packed)))
}

/// Whether raw bytes may be stored as they are.
#[inline]
fn check_raw(options: &Options, bytes: &[u8]) -> Result<()> {
    check_size(options, bytes.len())?;
    match options.layout {
        Layout::Plain => check_headless(bytes),
        Layout::Tagged => Ok(()),
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
    Error::oversized(text)
}

/// The payload of a complete stored value, seen in place unless it is compressed; `None` when it is not live.
#[inline]
pub(crate) fn payload<'a>(
    options: &Options,
    stored: &'a [u8],
    now_ms: impl FnOnce() -> u64,
) -> Result<Option<Cow<'a, [u8]>>> {
    if options.layout == Layout::Tagged
        && let Some((_, 0, payload)) = Header::of_short(stored)
        && payload.len() <= options.coding.max_value
    {
        return Ok(Some(Cow::Borrowed(payload)));
    }
    any_payload(options, stored, now_ms)
}

fn any_payload<'a>(
    options: &Options,
    stored: &'a [u8],
    now_ms: impl FnOnce() -> u64,
) -> Result<Option<Cow<'a, [u8]>>> {
    let shape = Shape::of_value(options, stored, stored.len());
    if !shape.is_live(now_ms)? {
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
    now_ms: impl FnOnce() -> u64,
    scratch: &'a mut Vec<u8>,
) -> Result<Option<&'a [u8]>> {
    if options.layout == Layout::Tagged
        && let Some((_, 0, payload)) = Header::of_short(stored)
        && payload.len() <= options.coding.max_value
    {
        return Ok(Some(payload));
    }
    Ok(match any_payload(options, stored, now_ms)? {
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
    now_ms: impl FnOnce() -> u64,
) -> Result<Option<T>> {
    let shape = Shape::of_value(options, stored, stored.len());
    if !shape.is_live(now_ms)? {
        return Ok(None);
    }
    shape
        .decode(options, stored.get(shape.offset()..).unwrap_or_default())
        .map(Some)
}

/// Whether a read would find a value behind these first bytes.
pub(crate) fn is_live(options: &Options, head: &[u8], clock: Clock) -> bool {
    Shape::of(options, head)
        .is_live(|| clock.now_ms())
        .unwrap_or(true)
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
