//! What the codecs are told of a cache's options.

use super::choices::{Codec, Compressor};
use super::custom::Custom;

/// How values are written, and how large they may be.
#[derive(Debug, Clone)]
pub(crate) struct Settings {
    pub(crate) codec: Codec,
    pub(crate) compressor: Compressor,
    pub(crate) compress_min: usize,
    pub(crate) compress_level: Option<i32>,
    /// Codec and compressor of the caller's own; no text says them.
    pub(crate) custom: Custom,
    pub(crate) max_value: usize,
}

impl Default for Settings {
    fn default() -> Self {
        Settings {
            codec: Codec::Postcard,
            compressor: Compressor::None,
            compress_min: 1024,
            compress_level: None,
            custom: Custom::default(),
            max_value: 512 << 20,
        }
    }
}
