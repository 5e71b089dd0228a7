//! JSON, as serde_json writes it: compact, structs as objects, floats so that they come back bit by bit. Texts of errors
//! tell the place and never the value.

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Deserializer;
use serde_json::de::SliceRead;
use serde_json::error::Category;

use super::guard::Watch;
use super::guard::behind::Behind;

pub(super) fn encode<T: Serialize>(value: &T, out: Behind<'_>) -> Result<(), String> {
    serde_json::to_writer(out, value).map_err(|error| error.to_string())
}

pub(super) fn decode<T: DeserializeOwned>(payload: &[u8], watch: &Watch) -> Result<T, String> {
    let mut reader = reader(payload);
    let value = T::deserialize(watch.over(&mut reader)).map_err(|error| fault(&error))?;
    reader.end().map_err(|error| fault(&error))?;
    Ok(value)
}

/// How deep it reads is the watch's to say: it counts what takes no bracket too.
pub(super) fn reader(payload: &[u8]) -> Deserializer<SliceRead<'_>> {
    let mut reader = Deserializer::from_slice(payload);
    reader.disable_recursion_limit();
    reader
}

pub(super) fn fault(error: &serde_json::Error) -> String {
    let what = match error.classify() {
        Category::Data => "the value is not of the type asked for",
        Category::Eof => "it ends too early",
        Category::Syntax | Category::Io => "it cannot be parsed",
    };
    let (line, column) = (error.line(), error.column());
    format!("json: {what}, at line {line} column {column}")
}
