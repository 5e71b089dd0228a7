//! Which codec and which compressor a cache writes with, in the words of the options `codec` and `compressor`.

use crate::base::words::words;

use super::names::{CUSTOM, JSON, LZ4, MSGPACK, NONE, POSTCARD, ZLIB, ZSTD};

words! {
    /// How typed values are written. Every codec of the build is read, whatever is written; which one wrote a value
    /// stands in its header.
    enum Codec {
        /// Compact and quick, for Rust: `postcard`.
        Postcard = "postcard",
        /// Readable everywhere: `json`. Needs the cargo feature `json`, as all of the following their own; they are
        /// on by default.
        Json = "json",
        /// MessagePack, structs as maps with names: `msgpack`.
        Msgpack = "msgpack",
        /// The one that [`Config::custom_codec`](crate::Config::custom_codec) was given: `custom`.
        Custom = "custom",
    }

    /// How values of `compress_min` bytes or more are compressed, if that saves an eighth. Every compressor of the
    /// build is read.
    enum Compressor {
        /// They are not: `none`.
        None = "none",
        /// zlib, as Python's `ZLibCompressor`: `zlib`. Levels 0 to 9.
        Zlib = "zlib",
        /// Zstandard: `zstd`. Levels 1 to 22, and below 0 for speed.
        Zstd = "zstd",
        /// One LZ4 block behind its length in four bytes: `lz4`. The quickest; it has no levels.
        Lz4 = "lz4",
        /// The one that [`Config::custom_compressor`](crate::Config::custom_compressor) was given: `custom`.
        Custom = "custom",
    }
}

impl Codec {
    /// The number of this codec in the entry header.
    pub(crate) fn number(self) -> u8 {
        match self {
            Codec::Postcard => POSTCARD,
            Codec::Json => JSON,
            Codec::Msgpack => MSGPACK,
            Codec::Custom => CUSTOM,
        }
    }
}

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
}
