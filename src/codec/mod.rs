//! Serializers: how a typed value becomes a payload. The number of each stands in the entry header, so a reader
//! decodes every codec of this build, whatever it writes itself. What makes payloads smaller stands in `compress`.

pub(crate) mod compress;
pub(crate) mod custom;
pub(crate) mod integer;
#[cfg(feature = "json")]
pub(crate) mod json;
#[cfg(feature = "lz4")]
pub(crate) mod lz4;
#[cfg(feature = "msgpack")]
pub(crate) mod msgpack;
pub(crate) mod postcard;
pub(crate) mod raw;
#[cfg(test)]
pub(crate) mod tests;
pub(crate) mod transcode;
#[cfg(feature = "zlib")]
pub(crate) mod zlib;
#[cfg(feature = "zstd")]
pub(crate) mod zstd;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::config::{Codec, Options};
use crate::error::{Error, ErrorKind, Result};

pub(crate) use compress::{compress, inflate, is_packed, levels};
pub(crate) use custom::Custom;
pub use custom::{CustomCodec, CustomCompressor};
pub(crate) use transcode::transcode;

/// Bytes as they are: what C and `set_bytes` write.
pub(crate) const RAW: u8 = 0;
const POSTCARD: u8 = 1;
pub(crate) const JSON: u8 = 2;
pub(crate) const MSGPACK: u8 = 3;
const CUSTOM: u8 = 15;

/// How deep a payload may be nested. JSON's usual bound; well below what the stack of a thread holds.
#[cfg(feature = "msgpack")]
const DEPTH: usize = 128;

/// Names by number, and the cargo features that build them in. What has no feature is always there.
type Names = &'static [(u8, &'static str, Option<&'static str>)];
const NAMES: Names = &[
    (RAW, "raw", None),
    (POSTCARD, "postcard", None),
    (JSON, "json", Some("json")),
    (MSGPACK, "msgpack", Some("msgpack")),
    (CUSTOM, "custom", None),
];

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

/// Whether a codec can be used: it is compiled in, or was given.
pub(crate) fn is_there(options: &Options, number: u8) -> bool {
    match number {
        RAW | POSTCARD => true,
        JSON => cfg!(feature = "json"),
        MSGPACK => cfg!(feature = "msgpack"),
        CUSTOM => options.custom.codec.is_some(),
        _ => false,
    }
}

/// Why a codec cannot be used.
pub(crate) fn absence(number: u8) -> String {
    absence_of("codec", NAMES, number)
}

fn absence_of(what: &str, names: Names, number: u8) -> String {
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

/// Serializes `value` behind what `out` holds. After an error that is still there, perhaps with something behind it.
pub(crate) fn encode<T: Serialize + ?Sized>(
    options: &Options,
    value: &T,
    out: &mut Vec<u8>,
) -> Result<()> {
    let result = match options.codec {
        Codec::Postcard => postcard::encode(value, out),
        #[cfg(feature = "json")]
        Codec::Json => json::encode(value, out),
        #[cfg(feature = "msgpack")]
        Codec::Msgpack => msgpack::encode(value, out),
        Codec::Custom => custom::encode(options, value, out),
        #[allow(unreachable_patterns, reason = "it depends on the features")]
        codec => Err(absence(codec.number())),
    };
    result.map_err(|text| {
        let name = options.codec.as_str();
        let text = format!("the value cannot be serialized by {name}: {text}");
        Error::new(ErrorKind::InvalidArgument, text)
    })
}

/// Deserializes a whole payload.
pub(crate) fn decode<T: DeserializeOwned>(
    options: &Options,
    number: u8,
    payload: &[u8],
) -> Result<T> {
    let result = match number {
        RAW => raw::decode(payload),
        POSTCARD => postcard::decode(payload),
        #[cfg(feature = "json")]
        JSON => json::decode(payload),
        #[cfg(feature = "msgpack")]
        MSGPACK => msgpack::decode(payload),
        CUSTOM => custom::decode(options, payload),
        number => Err(absence(number)),
    };
    result.map_err(undecodable)
}

pub(crate) fn undecodable(text: impl Into<String>) -> Error {
    Error::new(ErrorKind::Decode, text)
}

/// Bytes behind the value: it is not what it seems.
fn left_over(count: usize) -> String {
    format!("{count} bytes are left over")
}
