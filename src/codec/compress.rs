//! Compressors: how a payload becomes smaller. The number of each stands in the entry header, and every one of this
//! build is read. What is inflated never takes more memory than `max_value`, whatever a payload claims.

use super::{CUSTOM, Names, absence_of, undecodable};
use crate::config::{Compressor, Layout, Options};
use crate::error::{Error, ErrorKind, Result};

const NONE: u8 = 0;
const ZLIB: u8 = 1;
const ZSTD: u8 = 2;
const LZ4: u8 = 3;

const NAMES: Names = &[
    (NONE, "none", None),
    (ZLIB, "zlib", Some("zlib")),
    (ZSTD, "zstd", Some("zstd")),
    (LZ4, "lz4", Some("lz4")),
    (CUSTOM, "custom", None),
];

impl Compressor {
    /// The number of this compressor in the entry header.
    pub(crate) fn number(self) -> u8 {
        match self {
            Compressor::None => NONE,
            Compressor::Zlib => ZLIB,
            Compressor::Zstd => ZSTD,
            Compressor::Lz4 => LZ4,
            Compressor::Custom => CUSTOM,
        }
    }

    /// Why it cannot be used, if so.
    pub(crate) fn absence(self, options: &Options) -> Option<String> {
        let is_there = match self {
            Compressor::None => true,
            Compressor::Zlib => cfg!(feature = "zlib"),
            Compressor::Zstd => cfg!(feature = "zstd"),
            Compressor::Lz4 => cfg!(feature = "lz4"),
            Compressor::Custom => options.custom.compressor.is_some(),
        };
        (!is_there).then(|| absence(self.number()))
    }
}

fn absence(number: u8) -> String {
    absence_of("compressor", NAMES, number)
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

#[cfg(feature = "lz4")]
use super::lz4;
#[cfg(feature = "zlib")]
use super::zlib;
#[cfg(feature = "zstd")]
use super::zstd;

/// The payload as the configured compressor makes it; `None`: it is stored as it is. Compression must save an eighth,
/// and is not tried below `compress_min`; under `layout=plain`, where nothing tells one from the other, it is always
/// done.
pub(crate) fn compress(options: &Options, payload: &[u8]) -> Result<Option<Vec<u8>>> {
    let is_plain = options.layout == Layout::Plain;
    if options.compressor == Compressor::None || !is_plain && payload.len() < options.compress_min {
        return Ok(None);
    }
    let most = match options.layout {
        Layout::Plain => usize::MAX,
        Layout::Tagged => payload.len() - payload.len().div_ceil(8),
    };
    let packed = pack(options, payload, most).map_err(|text| {
        let name = options.compressor.as_str();
        let text = format!("the value cannot be compressed by {name}: {text}");
        Error::new(ErrorKind::InvalidArgument, text)
    })?;
    Ok(packed.filter(|packed| packed.len() <= most))
}

/// `None`, or something longer than `most`: it is not worth it.
#[allow(unused_variables, reason = "it depends on the features")]
fn pack(options: &Options, payload: &[u8], most: usize) -> Result<Option<Vec<u8>>, String> {
    let level = options.compress_level;
    match options.compressor {
        #[cfg(feature = "zlib")]
        Compressor::Zlib => zlib::compress(payload, level, most),
        #[cfg(feature = "zstd")]
        Compressor::Zstd => zstd::compress(payload, level, most),
        #[cfg(feature = "lz4")]
        Compressor::Lz4 => lz4::compress(payload).map(Some),
        Compressor::Custom => {
            let mut packed = Vec::new();
            let compressor = options.custom.compressor.as_ref();
            compressor
                .ok_or_else(|| absence(CUSTOM))?
                .compress(payload, &mut packed)
                .map_err(|error| error.to_string())?;
            Ok(Some(packed))
        }
        #[allow(unreachable_patterns, reason = "it depends on the features")]
        compressor => Err(absence(compressor.number())),
    }
}

/// What `packed` was before the compressor of this number made it smaller; with room for one byte more.
pub(crate) fn inflate(options: &Options, number: u8, packed: &[u8]) -> Result<Vec<u8>> {
    let result = match number {
        NONE => Ok(packed.to_vec()),
        #[cfg(feature = "zlib")]
        ZLIB => zlib::inflate(packed, options.max_value).map_err(|text| format!("zlib: {text}")),
        #[cfg(feature = "zstd")]
        ZSTD => zstd::inflate(packed, options.max_value).map_err(|text| format!("zstd: {text}")),
        #[cfg(feature = "lz4")]
        LZ4 => lz4::inflate(packed, options.max_value).map_err(|text| format!("lz4: {text}")),
        CUSTOM => inflate_custom(options, packed),
        number => Err(absence(number)),
    };
    result.map_err(undecodable)
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

fn inflate_custom(options: &Options, packed: &[u8]) -> Result<Vec<u8>, String> {
    let most = options.max_value;
    let compressor = options.custom.compressor.as_ref();
    let mut payload = Vec::new();
    compressor
        .ok_or_else(|| absence(CUSTOM))?
        .decompress(packed, most, &mut payload)
        .map_err(|error| format!("custom compressor: {error}"))?;
    if payload.len() > most {
        return Err(format!("custom compressor: {}", too_large(most)));
    }
    Ok(payload)
}

fn too_large(most: usize) -> String {
    format!("the value has more than {most} bytes (option `max_value`)")
}

/// Memory for a payload whose length nobody knows: it grows with what has come, up to one byte more than is accepted,
/// which tells what is too large.
#[cfg(any(feature = "zlib", feature = "zstd"))]
pub(super) struct Growing {
    pub(super) bytes: Vec<u8>,
    most: usize,
}

#[cfg(any(feature = "zlib", feature = "zstd"))]
impl Growing {
    pub(super) fn new(packed: &[u8], most: usize) -> Result<Self, String> {
        const FACTOR: usize = 4;
        const FIRST: usize = 256;
        let mut growing = Growing {
            bytes: Vec::new(),
            most,
        };
        growing.reserve(packed.len().saturating_mul(FACTOR).max(FIRST))?;
        Ok(growing)
    }

    /// Makes room when there is none.
    pub(super) fn grow(&mut self) -> Result<(), String> {
        if self.bytes.len() < self.bytes.capacity() {
            return Ok(());
        }
        self.reserve(self.bytes.len())
    }

    /// The payload, once it is whole.
    pub(super) fn finish(self) -> Result<Vec<u8>, String> {
        if self.bytes.len() > self.most {
            return Err(too_large(self.most));
        }
        Ok(self.bytes)
    }

    fn reserve(&mut self, more: usize) -> Result<(), String> {
        let left = self.most.saturating_add(1).saturating_sub(self.bytes.len());
        if left == 0 {
            return Err(too_large(self.most));
        }
        let result = self.bytes.try_reserve_exact(more.min(left));
        result.map_err(|_| "there is no memory for the value".to_owned())
    }
}

/// Memory for a payload of a known length, and for one byte more.
#[cfg(any(feature = "lz4", feature = "zstd"))]
pub(super) fn memory(len: usize, most: usize) -> Result<Vec<u8>, String> {
    if len > most {
        return Err(too_large(most));
    }
    let mut bytes = Vec::new();
    match bytes.try_reserve_exact(len.saturating_add(1)) {
        Ok(()) => Ok(bytes),
        Err(_) => Err("there is no memory for the value".to_owned()),
    }
}
