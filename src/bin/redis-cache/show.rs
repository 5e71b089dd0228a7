//! A stored value as somebody can read it: by its codec where that can be told without the type, else by what it looks like.

use std::fmt::Write;

use serde_json::{Value, json};

use crate::say;

/// Bytes of a hex dump that are shown unless all of them are wanted.
const SHOWN: usize = 512;

/// A value that can be read.
#[derive(Debug)]
pub(crate) struct Shown {
    /// What it was taken for.
    pub(crate) kind: &'static str,
    pub(crate) text: String,
    pub(crate) json: Value,
}

/// A payload, and the word of the codec that wrote it, where there is a header.
pub(crate) fn payload(codec: Option<&str>, payload: &[u8]) -> Shown {
    let known = match codec {
        Some("json") => as_json(payload),
        Some("msgpack") => as_msgpack(payload),
        Some("postcard") => as_postcard_text(payload),
        _ => as_json_of_others(payload),
    };
    known.or_else(|| as_text(payload)).unwrap_or_else(|| Shown {
        kind: "bytes",
        text: dump(payload, SHOWN),
        json: json!({"hex": say::hex(payload)}),
    })
}

fn tree(kind: &'static str, json: Value) -> Shown {
    Shown {
        kind,
        text: serde_json::to_string_pretty(&json).unwrap_or_default(),
        json,
    }
}

fn as_json(payload: &[u8]) -> Option<Shown> {
    Some(tree("json", serde_json::from_slice(payload).ok()?))
}

/// Digits and words are what they are; what other programs wrote is JSON when it is an object or a list.
fn as_json_of_others(payload: &[u8]) -> Option<Shown> {
    let is_tree = matches!(payload.first(), Some(b'{' | b'['));
    is_tree.then(|| as_json(payload)).flatten()
}

fn as_msgpack(payload: &[u8]) -> Option<Shown> {
    Some(tree("msgpack", rmp_serde::from_slice(payload).ok()?))
}

/// Postcard does not say what it holds. A length and so many bytes of text are text, most likely.
fn as_postcard_text(payload: &[u8]) -> Option<Shown> {
    let digits = payload.iter().take_while(|byte| **byte & 0x80 != 0).count() + 1;
    let (length, text) = payload.split_at_checked(digits)?;
    let mut len = 0_u64;
    for byte in length.iter().rev() {
        len = len.checked_mul(128)? | u64::from(byte & 0x7f);
    }
    let is_all = u64::try_from(text.len()).ok()? == len;
    is_all.then(|| as_text(text)).flatten()
}

/// Without control characters, which could do anything to a terminal.
fn as_text(payload: &[u8]) -> Option<Shown> {
    let text = std::str::from_utf8(payload).ok()?;
    let is_plain = |letter: char| !letter.is_control() || matches!(letter, '\n' | '\t' | '\r');
    text.chars().all(is_plain).then(|| Shown {
        kind: "text",
        text: text.to_owned(),
        json: text.into(),
    })
}

/// Sixteen bytes a line: where, what, and as letters.
pub(crate) fn dump(bytes: &[u8], most: usize) -> String {
    let mut lines = Vec::new();
    for (number, part) in bytes.get(..most).unwrap_or(bytes).chunks(16).enumerate() {
        let mut line = format!("{:08x} ", number * 16);
        for byte in part {
            // Writing to a String does not fail.
            let _ = write!(line, " {byte:02x}");
        }
        let letters: String = part
            .iter()
            .map(|byte| match byte {
                b' '..=b'~' => char::from(*byte),
                _ => '.',
            })
            .collect();
        lines.push(format!("{line:<57}  {letters}"));
    }
    if bytes.len() > most {
        lines.push(format!(
            "... {} bytes in all; --as hex shows them",
            bytes.len()
        ));
    }
    lines.join("\n")
}
