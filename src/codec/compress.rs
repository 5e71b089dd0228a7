//! Compressors: how a payload becomes smaller. The number of each stands in the entry header, and every one of this
//! build is read. What is inflated never takes more memory than `max_value`, whatever a payload claims.

use super::bounded::{Fault, reserve, too_large};
use super::choices::Compressor;
use super::names::{self, CUSTOM, NONE, ZLIB, ZSTD, no_compressor, undecodable};
use super::settings::Settings;
use crate::error::{Error, ErrorKind, Result};

#[cfg(feature = "zlib")]
use super::zlib;
#[cfg(feature = "zstd")]
use super::zstd;
#[cfg(feature = "lz4")]
use super::{
    lz4,
    names::{LZ4, LZ4_BARE},
};

impl Compressor {
    /// Why it cannot be used, if so.
    pub(crate) fn absence(self, settings: &Settings) -> Option<String> {
        let is_there = match self {
            Compressor::None => true,
            Compressor::Zlib => cfg!(feature = "zlib"),
            Compressor::Zstd => cfg!(feature = "zstd"),
            Compressor::Lz4 => cfg!(feature = "lz4"),
            Compressor::Custom => settings.custom.compressor.is_some(),
        };
        (!is_there).then(|| no_compressor(self.number()))
    }
}

/// The levels a compressor has, if it is compiled in and has any.
pub(crate) fn levels(compressor: Compressor) -> Option<std::ops::RangeInclusive<i32>> {
    match compressor {
        #[cfg(feature = "zlib")]
        Compressor::Zlib => Some(zlib::LEVELS),
        #[cfg(feature = "zstd")]
        Compressor::Zstd => Some(zstd::levels()),
        _ => None,
    }
}

/// The payload as the configured compressor makes it; `None`: it is stored as it is. Compression must save an eighth,
/// and is not tried below `compress_min`. For a value that is to be `bare`, without a header, it is always done: nothing
/// tells one from the other.
pub(crate) fn compress(settings: &Settings, payload: &[u8], bare: bool) -> Result<Option<Vec<u8>>> {
    if settings.compressor == Compressor::None || !bare && payload.len() < settings.compress_min {
        return Ok(None);
    }
    let most = match bare {
        true => usize::MAX,
        false => payload.len() - payload.len().div_ceil(8),
    };
    match pack(settings, payload, bare, most) {
        Ok(packed) => Ok(packed.filter(|packed| packed.len() <= most)),
        Err(Fault::NoMemory(len)) => Err(Error::no_memory("a compressed value", len)),
        Err(Fault::Text(text)) => {
            let name = settings.compressor.as_str();
            let text = format!("the value cannot be compressed by {name}: {text}");
            Err(Error::new(ErrorKind::InvalidArgument, text))
        }
    }
}

/// `None`, or something longer than `most`: it is not worth it.
#[allow(unused_variables, reason = "it depends on the features")]
fn pack(
    settings: &Settings,
    payload: &[u8],
    bare: bool,
    most: usize,
) -> Result<Option<Vec<u8>>, Fault> {
    let level = settings.compress_level;
    match settings.compressor {
        #[cfg(feature = "zlib")]
        Compressor::Zlib => zlib::compress(payload, level, most),
        #[cfg(feature = "zstd")]
        Compressor::Zstd => zstd::compress(payload, level, most),
        #[cfg(feature = "lz4")]
        Compressor::Lz4 if bare => lz4::compress(payload).map(Some),
        #[cfg(feature = "lz4")]
        Compressor::Lz4 => lz4::compress_checked(payload).map(Some),
        Compressor::Custom => {
            let mut packed = Vec::new();
            let compressor = settings.custom.compressor.as_ref();
            compressor
                .ok_or_else(|| no_compressor(CUSTOM))?
                .compress(payload, &mut packed)
                .map_err(|error| error.to_string())?;
            Ok(Some(packed))
        }
        #[allow(unreachable_patterns, reason = "it depends on the features")]
        compressor => Err(no_compressor(compressor.number()).into()),
    }
}

/// What `packed` was before the compressor of this number made it smaller; with room for one byte more.
pub(crate) fn inflate(settings: &Settings, number: u8, packed: &[u8]) -> Result<Vec<u8>> {
    let result = match number {
        NONE => copied(packed),
        #[cfg(feature = "zlib")]
        ZLIB => zlib::inflate(packed, settings.max_value),
        #[cfg(feature = "zstd")]
        ZSTD => zstd::inflate(packed, settings.max_value),
        #[cfg(feature = "lz4")]
        LZ4_BARE => lz4::inflate(packed, settings.max_value),
        #[cfg(feature = "lz4")]
        LZ4 => lz4::inflate_checked(packed, settings.max_value),
        CUSTOM => inflate_custom(settings, packed),
        number => return Err(undecodable(no_compressor(number))),
    };
    result.map_err(|fault| match fault {
        Fault::NoMemory(len) => Error::no_memory("an inflated value", len),
        Fault::Text(text) => undecodable(format!("{}: {text}", names::compressor(number))),
    })
}

/// Whether what it makes may open with any byte, so that one cannot tell by the first what it is not.
pub(crate) fn opens_with_anything(compressor: Compressor) -> bool {
    matches!(compressor, Compressor::Lz4 | Compressor::Custom)
}

fn copied(payload: &[u8]) -> Result<Vec<u8>, Fault> {
    let mut copy = Vec::new();
    reserve(&mut copy, payload.len().saturating_add(1))?;
    copy.extend_from_slice(payload);
    Ok(copy)
}

/// Whether a value without a header can be what this compressor made. Under `layout=plain` other programs may leave short
/// values as they are (django-redis does, up to 15 bytes), and the first bytes of a stream tell.
pub(crate) fn is_packed(number: u8, value: &[u8]) -> bool {
    match number {
        // Deflate with a window of 32 KiB, as everybody writes it; no text of JSON begins so.
        ZLIB => value.first() == Some(&0x78),
        ZSTD => value.starts_with(b"\x28\xB5\x2F\xFD"),
        _ => true,
    }
}

fn inflate_custom(settings: &Settings, packed: &[u8]) -> Result<Vec<u8>, Fault> {
    let most = settings.max_value;
    let compressor = settings.custom.compressor.as_ref();
    let mut payload = Vec::new();
    compressor
        .ok_or_else(|| no_compressor(CUSTOM))?
        .decompress(packed, most, &mut payload)
        .map_err(|error| error.to_string())?;
    if payload.len() > most {
        return Err(too_large(most).into());
    }
    Ok(payload)
}
