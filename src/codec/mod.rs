//! Serializers: how a typed value becomes a payload. The number of each stands in the entry header, so a reader
//! decodes every codec of this build, whatever it writes itself. What makes payloads smaller stands in `compress`.

pub(crate) mod bounded;
pub(crate) mod choices;
pub(crate) mod compress;
pub(crate) mod custom;
mod guard;
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
pub(crate) use compress::{compress, inflate, is_packed, levels, opens_with_anything};
pub use custom::{CustomCodec, CustomCompressor};
use guard::behind::Behind;
use guard::{Seen, Watch};
use names::{CUSTOM, POSTCARD};
pub(crate) use names::{JSON, MSGPACK, RAW, no_codec, undecodable};
pub(crate) use names::{codec as codec_name, compressor as compressor_name};
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
/// `is_plain`: other programs are to read it, from the layout that has no header.
///
/// # Errors
/// `InvalidArgument` for what the codec would not give back as it is: the text says why, and what would.
pub(crate) fn encode<T: Serialize + ?Sized>(
    settings: &Settings,
    value: &T,
    is_plain: bool,
    out: &mut Vec<u8>,
) -> Result<()> {
    let (codec, before) = (settings.codec, out.len());
    let watch = Watch::of_writer(codec.number(), is_plain);
    let value = watch.guard(value);
    let behind = Behind { out, watch: &watch };
    let result = match codec {
        Codec::Postcard => postcard::encode(&value, behind),
        #[cfg(feature = "json")]
        Codec::Json => json::encode(&value, behind),
        #[cfg(feature = "msgpack")]
        Codec::Msgpack => msgpack::encode(&value, behind),
        Codec::Custom => custom::encode(&settings.custom, &value, behind.out),
        #[allow(unreachable_patterns, reason = "it depends on the features")]
        codec => Err(no_codec(codec.number())),
    };
    if result.is_ok() && !watch.is_countable(settings, codec.number(), out.len() - before) {
        watch.see(Seen::Countless);
    }
    match (result, watch.seen()) {
        (Ok(()), None) => Ok(()),
        (Err(text), None) => Err(unwritable(codec, &text)),
        (_, Some(Seen::NoMemory(more))) => Err(Error::no_memory("a payload", more)),
        (_, Some(seen)) => Err(unwritable(codec, &seen.text(codec.as_str()))),
    }
}

#[cold]
fn unwritable(codec: Codec, text: &str) -> Error {
    let name = codec.as_str();
    let text = format!("the value cannot be serialized by {name}: {text}");
    Error::new(ErrorKind::InvalidArgument, text)
}

/// Deserializes a whole payload.
///
/// # Errors
/// `Decode`; but `InvalidArgument` for a type that the configured codec can never read, though it writes it.
pub(crate) fn decode<T: DeserializeOwned>(
    settings: &Settings,
    number: u8,
    payload: &[u8],
) -> Result<T> {
    let watch = Watch::of_reader(settings, number, payload.len());
    let result = match number {
        RAW => raw::decode(payload, &watch),
        POSTCARD => postcard::decode(payload, &watch),
        #[cfg(feature = "json")]
        JSON => json::decode(payload, &watch),
        #[cfg(feature = "msgpack")]
        MSGPACK => msgpack::decode(payload, &watch),
        CUSTOM => custom::decode(&settings.custom, payload, &watch),
        number => Err(no_codec(number)),
    };
    result.map_err(|text| unreadable(settings, number, watch.seen(), text))
}

#[cold]
fn unreadable(settings: &Settings, number: u8, seen: Option<Seen>, text: String) -> Error {
    let name = names::codec(number);
    match seen {
        None => undecodable(text),
        Some(Seen::NoMemory(len)) => Error::no_memory("a value", len),
        // What another cache wrote, or this one when it was configured so, is replaced in time.
        Some(Seen::Undescribed) if number == settings.codec.number() => Error::new(
            ErrorKind::InvalidArgument,
            format!(
                "a value of this type cannot be read from {name}: {}",
                Seen::Undescribed.text(name)
            ),
        ),
        Some(seen) => undecodable(format!("{name}: {}", seen.text(name))),
    }
}
