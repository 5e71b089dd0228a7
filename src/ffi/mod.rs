//! The C API: what `include/redis_cache.h` declares, which `build.rs` makes from these files, in the order given
//! there. Each function turns its arguments into Rust values, calls one method of the crate and stores what comes
//! out; nothing is decided here. From left to right, each only needs what stands before it: `types`, `boundary` (the
//! mechanism), `writer`, `callbacks`, `client` and `operation`, the functions. Together with the few calls into libc this is the only place with `unsafe`.
//!
//! Names are the C names, so that the header, the symbols and this source can be searched with one word. Comments
//! on public items speak to the C programmer, because they become the comments of the header.

#![allow(non_camel_case_types, reason = "the C names")]
#![allow(
    unreachable_pub,
    reason = "reached by the linker, and cbindgen reads public items only"
)]

pub(crate) mod boundary;
pub(crate) mod cache;
pub(crate) mod callbacks;
pub(crate) mod client;
pub(crate) mod compute;
pub(crate) mod compute_many;
pub(crate) mod config;
pub(crate) mod counters;
pub(crate) mod groups;
pub(crate) mod lease;
pub(crate) mod library;
pub(crate) mod lock;
pub(crate) mod many;
pub(crate) mod near;
pub(crate) mod operation;
pub(crate) mod reinsert;
pub(crate) mod results;
pub(crate) mod stale;
pub(crate) mod stats;
pub(crate) mod sweep;
pub(crate) mod ttl;
pub(crate) mod types;
pub(crate) mod writer;
mod written;
