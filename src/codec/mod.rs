//! Serializers: how a typed value becomes a payload. The number of each stands in the entry header, so a reader
//! decodes every codec of this build, whatever it writes itself.

pub(crate) mod integer;
mod raw;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::config::Codec;
use crate::error::{Error, ErrorKind, Result};

/// Bytes as they are: what C and `set_bytes` write.
pub(crate) const RAW: u8 = 0;
const POSTCARD: u8 = 1;

impl Codec {
    /// The number of this codec in the entry header.
    pub(crate) fn number(self) -> u8 {
        match self {
            Codec::Postcard => POSTCARD,
            Codec::Json => 2,
            Codec::Msgpack => 3,
        }
    }
}

/// Serializes `value` behind what `out` holds.
pub(crate) fn encode<T: Serialize + ?Sized>(
    codec: Codec,
    value: &T,
    out: &mut Vec<u8>,
) -> Result<()> {
    match codec.number() {
        POSTCARD => {
            *out = postcard::to_extend(value, std::mem::take(out)).map_err(|error| {
                Error::new(
                    ErrorKind::InvalidArgument,
                    format!("the value cannot be serialized by postcard: {error}"),
                )
            })?;
            Ok(())
        }
        number => Err(missing(ErrorKind::Unsupported, number)),
    }
}

/// Deserializes a whole payload.
pub(crate) fn decode<T: DeserializeOwned>(number: u8, payload: &[u8]) -> Result<T> {
    match number {
        RAW => raw::decode(payload),
        POSTCARD => match postcard::take_from_bytes(payload) {
            Ok((value, [])) => Ok(value),
            Ok((_, rest)) => Err(undecodable(format!(
                "postcard: {} bytes are left over",
                rest.len()
            ))),
            Err(error) => Err(undecodable(format!("postcard: {error}"))),
        },
        number => Err(missing(ErrorKind::Decode, number)),
    }
}

pub(crate) fn undecodable(text: impl Into<String>) -> Error {
    Error::new(ErrorKind::Decode, text)
}

fn missing(kind: ErrorKind, number: u8) -> Error {
    Error::new(
        kind,
        format!("codec {number} is not part of this build: it has 0 (raw) and 1 (postcard)"),
    )
}
