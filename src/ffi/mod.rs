//! The C API: what `include/redis_cache.h` declares, which `build.rs` makes from these files, in the order given
//! there. Each function turns its arguments into Rust values, calls one method of the crate and stores what comes
//! out; nothing is decided here. Together with the few calls into libc this is the only place with `unsafe`.
//!
//! Names are the C names, so that the header, the symbols and this source can be searched with one word. Comments
//! on public items speak to the C programmer, because they become the comments of the header.

#![allow(non_camel_case_types, reason = "the C names")]
#![allow(
    unreachable_pub,
    reason = "reached by the linker, and cbindgen reads public items only"
)]

mod cache;
mod cancel;
mod compute;
mod compute_many;
mod config;
mod counters;
mod groups;
mod guard;
mod lease;
mod library;
mod lock;
mod many;
mod near;
mod pointers;
mod reinsert;
mod stale;
mod stats;
mod ttl;
mod types;
mod writer;
