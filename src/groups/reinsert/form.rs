//! The configured form of an entry: what of it would be written differently today. Everything that the header says
//! besides codec and compressor goes over as it is.

use std::borrow::Cow;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::base::room;
use crate::codec;
use crate::codec::integer::Integer;
use crate::config::{Compressor, Layout, Options};
use crate::entry;
use crate::entry::header::{Header, MAGIC};
use crate::error::{ErrorKind, Result};
use crate::store::Head;

/// What became of an entry.
pub(crate) enum Rewritten {
    Kept,
    Removed,
    /// Header and body.
    As(Head, Vec<u8>),
}

/// Whether it is worth a closer look: most entries have their form already, and these are not even copied.
pub(crate) fn may_differ(options: &Options, stored: &[u8]) -> bool {
    let Some(header) = tagged(stored) else {
        return false;
    };
    let len = stored.len().saturating_sub(header.len());
    options.layout == Layout::Plain
        || is_other_codec(options, header.codec)
        || match header.compressor {
            0 => {
                options.coding.compressor != Compressor::None && len >= options.coding.compress_min
            }
            number => number != options.coding.compressor.number(),
        }
}

/// Raw bytes stay raw, whatever the codec.
fn is_other_codec(options: &Options, codec: u8) -> bool {
    codec != codec::RAW && codec != options.coding.codec.number()
}

/// The header of an entry with a payload.
fn tagged(stored: &[u8]) -> Option<Header> {
    if stored.first() != Some(&MAGIC) {
        return None;
    }
    Header::parse(stored).filter(|header| header.has_value && !header.negative)
}

/// The entry in its configured form. `typed` may turn a payload of some codec into one of the configured codec.
pub(crate) fn configured(
    options: &Options,
    stored: &[u8],
    typed: impl Fn(u8, &[u8]) -> Option<Vec<u8>>,
) -> Result<Rewritten> {
    let made = readable(try_configured(options, stored, typed))?;
    Ok(made
        .flatten()
        .map_or(Rewritten::Kept, |(head, body)| Rewritten::As(head, body)))
}

/// What cannot be read is passed over; that there is no memory for it is a fault.
fn readable<T>(read: Result<T>) -> Result<Option<T>> {
    match read {
        Err(error) if error.kind() == ErrorKind::NoMemory => Err(error),
        read => Ok(read.ok()),
    }
}

fn try_configured(
    options: &Options,
    stored: &[u8],
    typed: impl Fn(u8, &[u8]) -> Option<Vec<u8>>,
) -> Result<Option<(Head, Vec<u8>)>> {
    let Some(header) = tagged(stored) else {
        return Ok(None);
    };
    let packed = stored.get(header.len()..).unwrap_or_default();
    let payload = match header.compressor {
        0 => Cow::Borrowed(packed),
        number => Cow::Owned(codec::inflate(&options.coding, number, packed)?),
    };
    let other = match is_other_codec(options, header.codec) {
        true => transcoded(options, header.codec, &payload, typed),
        false => None,
    };
    let (codec, payload) = match other {
        Some(payload) => (options.coding.codec.number(), Cow::Owned(payload)),
        None => (header.codec, payload),
    };
    if options.layout == Layout::Plain {
        return plain(options, &header, codec, payload);
    }
    if codec == header.codec && options.coding.compressor.number() == header.compressor {
        return Ok(None);
    }
    let (compressor, body) = match entry::compress(options, &payload)? {
        Some(packed) => (options.coding.compressor.number(), packed),
        None => (0, owned(payload)?),
    };
    if codec == header.codec && compressor == header.compressor {
        return Ok(None);
    }
    let header = Header {
        codec,
        compressor,
        ..header
    };
    Ok(Some((header.encode(), body)))
}

fn transcoded(
    options: &Options,
    codec: u8,
    payload: &[u8],
    typed: impl Fn(u8, &[u8]) -> Option<Vec<u8>>,
) -> Option<Vec<u8>> {
    typed(codec, payload).or_else(|| {
        let mut out = Vec::new();
        let done = codec::transcode(codec, options.coding.codec.number(), payload, &mut out);
        matches!(done, Ok(true)).then_some(out)
    })
}

/// A payload that decodes as `T`, in the configured codec.
pub(crate) fn through_type<T: Serialize + DeserializeOwned>(
    options: &Options,
    codec: u8,
    payload: &[u8],
) -> Option<Vec<u8>> {
    let value: T = codec::decode(&options.coding, codec, payload).ok()?;
    let mut out = Vec::new();
    let is_plain = options.layout == Layout::Plain;
    codec::encode(&options.coding, &value, is_plain, &mut out).ok()?;
    Some(out)
}

/// Without a header there is no place for freshness, and none for a codec other than the configured one.
fn plain(
    options: &Options,
    header: &Header,
    codec: u8,
    payload: Cow<'_, [u8]>,
) -> Result<Option<(Head, Vec<u8>)>> {
    if header.lease.is_some() || is_other_codec(options, codec) {
        return Ok(None);
    }
    let body = match entry::compress(options, &payload)? {
        Some(packed) => packed,
        // It would be read as something else.
        None if Integer::parse(&payload).is_some() || entry::is_tagged(&payload) => {
            return Ok(None);
        }
        None => owned(payload)?,
    };
    Ok(Some((Head::new(), body)))
}

fn owned(payload: Cow<'_, [u8]>) -> Result<Vec<u8>> {
    match payload {
        Cow::Owned(payload) => Ok(payload),
        Cow::Borrowed(payload) => room::copy(payload, "a value"),
    }
}

/// The payload of any value, as plain reads hand it out; `None`: it cannot be read.
pub(crate) fn payload<'a>(options: &Options, stored: &'a [u8]) -> Result<Option<Cow<'a, [u8]>>> {
    Ok(readable(entry::payload(options, stored, || 0))?.flatten())
}

/// Other bytes in the place of an entry.
pub(crate) fn of_bytes(options: &Options, stored: &[u8], bytes: Vec<u8>) -> Result<Rewritten> {
    let (head, packed) = entry::pack_bytes(options, &bytes)?;
    let body = packed.unwrap_or(bytes);
    let (Some(new), Some(old)) = (Header::parse(&head), tagged(stored)) else {
        return Ok(Rewritten::As(head, body));
    };
    let header = Header {
        codec: new.codec,
        compressor: new.compressor,
        ..old
    };
    Ok(Rewritten::As(header.encode(), body))
}
