//! What every codec and every compressor of the build must do alike.

pub(crate) mod codecs;
pub(crate) mod compressors;
pub(crate) mod depth;
pub(crate) mod fitting;
#[cfg(all(feature = "json", feature = "msgpack"))]
pub(crate) mod transcoding;

use proptest::test_runner::Config as Runs;

use super::choices::Compressor;

use super::*;

/// Settings with this codec and compressor, which this build has.
fn settings(codec: Codec, compressor: Compressor) -> Settings {
    Settings {
        codec,
        compressor,
        ..Settings::default()
    }
}

fn all_codecs() -> Vec<Codec> {
    let all = [Codec::Postcard, Codec::Json, Codec::Msgpack];
    let is_there = |codec: &Codec| is_there(&Settings::default(), codec.number());
    all.into_iter().filter(is_there).collect()
}

fn all_compressors() -> Vec<Compressor> {
    let all = [Compressor::Zlib, Compressor::Zstd, Compressor::Lz4];
    let is_there = |one: &Compressor| one.absence(&Settings::default()).is_none();
    all.into_iter().filter(is_there).collect()
}

fn runs(cases: u32) -> Runs {
    Runs {
        cases,
        failure_persistence: None,
        ..Runs::default()
    }
}
