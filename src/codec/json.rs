//! JSON, as serde_json writes it: compact, structs as objects, floats so that they come back bit by bit. Nested at most
//! 128 deep on reading. Texts of errors tell the place and never the value.

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::error::Category;

pub(super) fn encode<T: Serialize + ?Sized>(value: &T, out: &mut Vec<u8>) -> Result<(), String> {
    serde_json::to_writer(out, value).map_err(|error| error.to_string())
}

pub(super) fn decode<T: DeserializeOwned>(payload: &[u8]) -> Result<T, String> {
    serde_json::from_slice(payload).map_err(|error| fault(&error))
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
