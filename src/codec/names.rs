//! The numbers that codecs and compressors have in the entry header, their names, and the words about one that cannot be
//! used.

use crate::error::{Error, ErrorKind};

/// Bytes as they are: what C and `set_bytes` write.
pub(crate) const RAW: u8 = 0;
pub(super) const POSTCARD: u8 = 1;
pub(crate) const JSON: u8 = 2;
pub(crate) const MSGPACK: u8 = 3;

pub(super) const NONE: u8 = 0;
pub(super) const ZLIB: u8 = 1;
pub(super) const ZSTD: u8 = 2;
/// LZ4 without a checksum: written where there is no header, and read.
pub(super) const LZ4_BARE: u8 = 3;
pub(super) const LZ4: u8 = 4;

/// A codec or a compressor of the caller's own.
pub(super) const CUSTOM: u8 = 15;

/// Names by number, and the cargo features that build them in. What has no feature is always there.
type Names = &'static [(u8, &'static str, Option<&'static str>)];

const CODECS: Names = &[
    (RAW, "raw", None),
    (POSTCARD, "postcard", None),
    (JSON, "json", Some("json")),
    (MSGPACK, "msgpack", Some("msgpack")),
    (CUSTOM, "custom", None),
];

const COMPRESSORS: Names = &[
    (NONE, "none", None),
    (ZLIB, "zlib", Some("zlib")),
    (ZSTD, "zstd", Some("zstd")),
    (LZ4_BARE, "lz4", Some("lz4")),
    (LZ4, "lz4", Some("lz4")),
    (CUSTOM, "custom", None),
];

/// The name of a codec.
pub(crate) fn codec(number: u8) -> &'static str {
    let known = CODECS.iter().find(|(known, ..)| *known == number);
    known.map_or("this codec", |(_, name, _)| name)
}

/// The name of a compressor.
pub(crate) fn compressor(number: u8) -> &'static str {
    let known = COMPRESSORS.iter().find(|(known, ..)| *known == number);
    known.map_or("this compressor", |(_, name, _)| name)
}

/// Why a codec cannot be used.
pub(crate) fn no_codec(number: u8) -> String {
    absence("codec", CODECS, number)
}

/// Why a compressor cannot be used.
pub(super) fn no_compressor(number: u8) -> String {
    absence("compressor", COMPRESSORS, number)
}

fn absence(what: &str, names: Names, number: u8) -> String {
    match names.iter().find(|(known, ..)| *known == number) {
        Some((_, name, Some(feature))) => {
            format!("{what} `{name}`: this build lacks the cargo feature `{feature}`")
        }
        Some((_, name, None)) => {
            format!("{what} `{name}`: none is set (`Config::custom_{what}`)")
        }
        None => format!("{what} {number} is not known to this version"),
    }
}

pub(crate) fn undecodable(text: impl Into<String>) -> Error {
    Error::new(ErrorKind::Decode, text)
}
