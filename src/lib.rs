//! placeholder
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::print_stdout))]

mod backend;
mod cache;
mod codec;
mod config;
mod entry;
mod error;
mod expiry;
mod fork;
mod header;
mod herd;
mod key;
mod many;
mod stats;
mod sweep;

#[cfg(feature = "capi")]
mod ffi;
