//! The door for codecs and compressors of the caller's own. Both are trait objects, numbered 15 in the entry header;
//! a codec sees values through erased serde, a compressor bytes. What they fail with becomes the text of an error.

use std::fmt;
use std::sync::Arc;

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::guard::Watch;
use super::names::{CUSTOM, no_codec};

type Fault = Box<dyn std::error::Error + Send + Sync>;

/// A codec of the caller's own, set by [`Config::custom_codec`](crate::Config::custom_codec): how typed values become
/// bytes and are read back. Integers never come here; they are stored as digits whatever the codec.
///
/// Values are at most 128 levels deep here too, and a list of nothing (`()`) has at most as many elements as `max_value`
/// has bytes: the cache sees to both. What else the codec writes and does not give back, and the memory it takes, are its
/// own affair.
///
/// ```
/// use redis_cache::{Config, CustomCodec, Expiry, erased_serde};
///
/// /// Rust object notation would do as well: anything that speaks serde.
/// struct Pretty;
///
/// impl CustomCodec for Pretty {
///     fn encode(
///         &self,
///         value: &dyn erased_serde::Serialize,
///         out: &mut Vec<u8>,
///     ) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
///         Ok(serde_json::to_writer_pretty(out, value)?)
///     }
///
///     fn decode(
///         &self,
///         payload: &[u8],
///         read: &mut dyn FnMut(&mut dyn erased_serde::Deserializer<'_>) -> erased_serde::Result<()>,
///     ) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
///         let mut json = serde_json::Deserializer::from_slice(payload);
///         read(&mut <dyn erased_serde::Deserializer>::erase(&mut json))?;
///         Ok(json.end()?)
///     }
/// }
///
/// let cache = Config::new().server("memory://")?.custom_codec(Pretty).connect()?;
/// cache.set("pair", &("a", true), Expiry::Default)?;
/// assert_eq!(cache.get_bytes("pair")?.as_deref(), Some(&b"[\n  \"a\",\n  true\n]"[..]));
/// assert_eq!(cache.get::<(String, bool)>("pair")?, Some(("a".to_owned(), true)));
/// # Ok::<(), redis_cache::Error>(())
/// ```
pub trait CustomCodec: Send + Sync {
    /// Serializes `value` into `out`, which is empty. What it fails with is the text of an error of kind
    /// [`InvalidArgument`](crate::ErrorKind::InvalidArgument).
    fn encode(&self, value: &dyn erased_serde::Serialize, out: &mut Vec<u8>) -> Result<(), Fault>;

    /// Makes a deserializer for the whole of `payload` and hands it to `read`, once. Payloads may come from anyone:
    /// what is left over, cut off or not of the type asked for is an error, and never a panic.
    fn decode(
        &self,
        payload: &[u8],
        read: &mut dyn FnMut(&mut dyn erased_serde::Deserializer<'_>) -> erased_serde::Result<()>,
    ) -> Result<(), Fault>;
}

/// A compressor of the caller's own, set by [`Config::custom_compressor`](crate::Config::custom_compressor).
///
/// ```
/// use redis_cache::{Config, CustomCompressor, Expiry};
///
/// type Fault = Box<dyn std::error::Error + Send + Sync>;
///
/// /// Good at long runs of one byte.
/// struct Runs;
///
/// impl CustomCompressor for Runs {
///     fn compress(&self, payload: &[u8], out: &mut Vec<u8>) -> Result<(), Fault> {
///         for run in payload.chunk_by(|a, b| a == b).flat_map(|run| run.chunks(255)) {
///             out.extend([run.len() as u8, run[0]]);
///         }
///         Ok(())
///     }
///
///     fn decompress(&self, packed: &[u8], most: usize, out: &mut Vec<u8>) -> Result<(), Fault> {
///         for run in packed.chunks(2) {
///             let &[len, byte] = run else { return Err("half a run".into()) };
///             if usize::from(len) > most - out.len() {
///                 return Err("too long".into());
///             }
///             out.extend(std::iter::repeat_n(byte, len.into()));
///         }
///         Ok(())
///     }
/// }
///
/// let cache = Config::new().server("memory://")?.custom_compressor(Runs).connect()?;
/// cache.set_bytes("zeros", &[0; 10_000], Expiry::Default)?;
/// assert_eq!(cache.get_bytes("zeros")?, Some(vec![0; 10_000]));
/// # Ok::<(), redis_cache::Error>(())
/// ```
pub trait CustomCompressor: Send + Sync {
    /// Compresses `payload` into `out`, which is empty. What does not become smaller is stored as it was.
    fn compress(&self, payload: &[u8], out: &mut Vec<u8>) -> Result<(), Fault>;

    /// The reverse, into `out`, which is empty. It takes no more memory than `most` bytes (the option `max_value`)
    /// whatever `packed` claims, and fails with what is longer. Packed bytes may come from anyone: what is cut off,
    /// corrupted or left over is an error, and never a panic.
    fn decompress(&self, packed: &[u8], most: usize, out: &mut Vec<u8>) -> Result<(), Fault>;
}

/// What a cache has of both.
#[derive(Clone, Default)]
pub(crate) struct Custom {
    pub(crate) codec: Option<Arc<dyn CustomCodec>>,
    pub(crate) compressor: Option<Arc<dyn CustomCompressor>>,
}

impl fmt::Debug for Custom {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Custom")
            .field("codec", &self.codec.is_some())
            .field("compressor", &self.compressor.is_some())
            .finish()
    }
}

pub(super) fn encode<T: Serialize>(
    custom: &Custom,
    value: &T,
    out: &mut Vec<u8>,
) -> Result<(), String> {
    let mut payload = Vec::new();
    codec(custom)?
        .encode(value, &mut payload)
        .map_err(|error| error.to_string())?;
    out.append(&mut payload);
    Ok(())
}

pub(super) fn decode<T: DeserializeOwned>(
    custom: &Custom,
    payload: &[u8],
    watch: &Watch,
) -> Result<T, String> {
    let (mut value, mut is_other) = (None, false);
    let mut read = |deserializer: &mut dyn erased_serde::Deserializer<'_>| {
        let result = T::deserialize(watch.over(deserializer));
        is_other = result.is_err();
        value = Some(result?);
        Ok(())
    };
    let result = codec(custom)?.decode(payload, &mut read);
    let text = match (result, value) {
        (Ok(()), Some(value)) => return Ok(value),
        // The text of serde's error may show the value.
        _ if is_other => "the value is not of the type asked for".to_owned(),
        (Ok(()), None) => "it read nothing".to_owned(),
        (Err(error), _) => error.to_string(),
    };
    Err(format!("custom codec: {text}"))
}

fn codec(custom: &Custom) -> Result<&dyn CustomCodec, String> {
    let codec = custom.codec.as_deref();
    codec.ok_or_else(|| no_codec(CUSTOM))
}
