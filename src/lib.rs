//! placeholder
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::print_stdout))]

mod backend;
mod cache;
mod codec;
mod config;
mod counters;
mod entry;
mod error;
mod expiry;
mod flight;
mod fork;
mod header;
mod herd;
mod key;
mod lifetime;
mod listing;
mod many;
mod stats;
mod sweep;
mod walk;

#[cfg(feature = "capi")]
mod ffi;

pub use cache::Cache;
pub use error::{Error, ErrorKind, Result};
pub use expiry::{Expiry, Ttl};
pub use herd::Loading;
pub use listing::Keys;
pub use many::Partial;
pub use stats::Stats;
pub use sweep::{Progress, Sweep, Swept};
