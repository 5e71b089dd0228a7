//! From JSON to MessagePack and back, without knowing the types: value by value from one reader to the other writer.
//! Never lossy: what the other side cannot hold as it is stops the work, and the caller keeps what he has.

#[cfg(all(feature = "json", feature = "msgpack"))]
pub(crate) mod through;

use crate::error::Result;

/// Writes a payload of codec `from` behind what `out` holds, as codec `to` would have written it. False, and nothing
/// written: the two cannot be turned into each other, or the other one cannot hold this payload (binary, keys that
/// are not text or may not be, numbers that are not finite or too long).
///
/// # Errors
/// A payload that its own codec cannot read.
pub(crate) fn transcode(from: u8, to: u8, payload: &[u8], out: &mut Vec<u8>) -> Result<bool> {
    #[cfg(all(feature = "json", feature = "msgpack"))]
    {
        through::transcode(from, to, payload, out)
    }
    #[cfg(not(all(feature = "json", feature = "msgpack")))]
    {
        let _ = (from, to, payload, out);
        Ok(false)
    }
}
