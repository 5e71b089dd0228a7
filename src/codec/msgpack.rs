//! MessagePack, as rmp-serde writes it: structs as maps with names and types in their readable form (an address is a
//! text), so that other languages see the same dictionaries as in JSON.

use rmp_serde::config::{DefaultConfig, HumanReadableConfig};
use rmp_serde::decode::{Error, ReadRefReader};
use rmp_serde::{Deserializer, Serializer};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::guard::Watch;
use super::guard::behind::Behind;

type Reader<'a> = Deserializer<ReadRefReader<'a, [u8]>, HumanReadableConfig<DefaultConfig>>;

pub(super) fn encode<T: Serialize>(value: &T, out: Behind<'_>) -> Result<(), String> {
    let mut writer = Serializer::new(out).with_struct_map().with_human_readable();
    value
        .serialize(&mut writer)
        .map_err(|error| error.to_string())
}

pub(super) fn decode<T: DeserializeOwned>(payload: &[u8], watch: &Watch) -> Result<T, String> {
    let mut reader = reader(payload);
    let value = T::deserialize(watch.over(&mut reader)).map_err(|error| fault(&error))?;
    end(reader)?;
    Ok(value)
}

/// How deep it reads is the watch's to say: it counts what takes no marker too.
pub(super) fn reader(payload: &[u8]) -> Reader<'_> {
    let mut reader = Deserializer::from_read_ref(payload);
    reader.set_max_depth(usize::MAX);
    reader.with_human_readable()
}

/// Makes sure that nothing is left over: only at the end there is no marker to read.
pub(super) fn end(mut reader: Reader<'_>) -> Result<(), String> {
    match u8::deserialize(&mut reader) {
        Err(Error::InvalidMarkerRead(_)) => Ok(()),
        _ => Err("msgpack: bytes are left over".to_owned()),
    }
}

pub(super) fn fault(error: &Error) -> String {
    let what = match error {
        Error::InvalidMarkerRead(_) | Error::InvalidDataRead(_) => "it ends too early",
        _ => "the value is not of the type asked for",
    };
    format!("msgpack: {what}")
}
