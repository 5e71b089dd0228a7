//! Serializers: how a typed value becomes a payload. The number of each stands in the entry header, so a reader
//! decodes every codec of this build, whatever it writes itself. What makes payloads smaller stands in `compress`.

pub(crate) mod bounded;
pub(crate) mod choices;
pub(crate) mod compress;
pub(crate) mod custom;
pub(crate) mod integer;
#[cfg(feature = "json")]
pub(crate) mod json;
#[cfg(feature = "lz4")]
pub(crate) mod lz4;
#[cfg(feature = "msgpack")]
pub(crate) mod msgpack;
pub(crate) mod names;
pub(crate) mod postcard;
pub(crate) mod raw;
pub(crate) mod settings;
#[cfg(test)]
pub(crate) mod tests;
pub(crate) mod transcode;
#[cfg(feature = "zlib")]
pub(crate) mod zlib;
#[cfg(feature = "zstd")]
pub(crate) mod zstd;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::error::{Error, ErrorKind, Result};

use choices::Codec;
pub(crate) use compress::{compress, inflate, is_packed, levels};
pub use custom::{CustomCodec, CustomCompressor};
use names::{CUSTOM, POSTCARD};
pub(crate) use names::{JSON, MSGPACK, RAW, no_codec, undecodable};
pub(crate) use settings::Settings;
pub(crate) use transcode::transcode;

/// Whether a codec can be used: it is compiled in, or was given.
pub(crate) fn is_there(settings: &Settings, number: u8) -> bool {
    match number {
        RAW | POSTCARD => true,
        JSON => cfg!(feature = "json"),
        MSGPACK => cfg!(feature = "msgpack"),
        CUSTOM => settings.custom.codec.is_some(),
        _ => false,
    }
}

/// Serializes `value` behind what `out` holds. After an error that is still there, perhaps with something behind it.
pub(crate) fn encode<T: Serialize + ?Sized>(
    settings: &Settings,
    value: &T,
    out: &mut Vec<u8>,
) -> Result<()> {
    let result = match settings.codec {
        Codec::Postcard => postcard::encode(value, out),
        #[cfg(feature = "json")]
        Codec::Json => json::encode(value, out),
        #[cfg(feature = "msgpack")]
        Codec::Msgpack => msgpack::encode(value, out),
        Codec::Custom => custom::encode(&settings.custom, value, out),
        #[allow(unreachable_patterns, reason = "it depends on the features")]
        codec => Err(no_codec(codec.number())),
    };
    result.map_err(|text| {
        let name = settings.codec.as_str();
        let text = format!("the value cannot be serialized by {name}: {text}");
        Error::new(ErrorKind::InvalidArgument, text)
    })
}

/// Deserializes a whole payload.
pub(crate) fn decode<T: DeserializeOwned>(
    settings: &Settings,
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
        CUSTOM => custom::decode(&settings.custom, payload),
        number => Err(no_codec(number)),
    };
    result.map_err(undecodable)
}
