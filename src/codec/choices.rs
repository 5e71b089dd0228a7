//! Which codec and which compressor a cache writes with, in the words of the options `codec` and `compressor`.

use crate::base::words::words;

use super::names::{CUSTOM, JSON, LZ4, LZ4_BARE, MSGPACK, NONE, POSTCARD, ZLIB, ZSTD};

words! {
    /// How typed values are written. Every codec of the build is read, whatever is written; which one wrote a value
    /// stands in its header.
    ///
    /// Not every serde type fits every codec. What would come back as another value is
    /// [`InvalidArgument`](crate::ErrorKind::InvalidArgument) when it is written, a type that the codec can never read
    /// when it is read first; both name the attribute and the codec to take.
    ///
    /// | type or attribute | postcard | JSON | MessagePack |
    /// |---|---|---|---|
    /// | `rename`, `alias`, `default`, `with`, `transparent`, `from`, `into`, `skip` on a field | yes | yes | yes |
    /// | `skip_serializing_if` on a named field | an error when it leaves one out | with `default` | with `default` |
    /// | `skip_serializing_if` in a tuple; `skip_serializing` or `skip_deserializing` alone | **no, unseen** | with `default`; not in a tuple | with `default`; not in a tuple |
    /// | `skip` on a variant | **on the last ones only, unseen** | yes | yes |
    /// | `flatten`, lists and maps of unknown length | an error when written | yes | yes |
    /// | `untagged`, `tag`, `tag` with `content`, `serde_json::Value` | an error when read | yes | yes |
    /// | `Some(None)`, `Some(())` | yes | read back as `None` | read back as `None` |
    /// | NaN, infinities | yes | an error when written | yes, but with `layout=plain` |
    /// | map keys that are not text, numbers or booleans | yes | an error when written | yes |
    ///
    /// Values are at most 128 levels deep, in all of them and both ways: what an option, a newtype or a variant holds is
    /// one level down, as are elements, fields and entries.
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
        /// Zstandard, with its content's checksum: `zstd`. Levels 1 to 22, and below 0 for speed.
        Zstd = "zstd",
        /// One LZ4 block behind its length in four bytes, and both behind a checksum in four (not under
        /// `layout=plain`): `lz4`. The quickest; it has no levels.
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

    /// The number of what it writes where no header names it: what other programs read.
    pub(crate) fn bare_number(self) -> u8 {
        match self {
            Compressor::Lz4 => LZ4_BARE,
            other => other.number(),
        }
    }
}
