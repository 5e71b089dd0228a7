//! postcard: the default codec, compact and quick, for values that only Rust reads. Fields go by their order, so a
//! type that changes is another type; what is left over after a value makes it undecodable.

use postcard::Deserializer;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::bounded::left_over;
use super::guard::Watch;
use super::guard::behind::Behind;

pub(super) fn encode<T: Serialize>(value: &T, out: Behind<'_>) -> Result<(), String> {
    postcard::serialize_with_flavor(value, out).map_err(|error| error.to_string())
}

pub(super) fn decode<T: DeserializeOwned>(payload: &[u8], watch: &Watch) -> Result<T, String> {
    let fault = |error| format!("postcard: {error}");
    let mut reader = Deserializer::from_bytes(payload);
    let value = T::deserialize(watch.over(&mut reader)).map_err(fault)?;
    match reader.finalize().map_err(fault)? {
        [] => Ok(value),
        rest => Err(format!("postcard: {}", left_over(rest.len()))),
    }
}
