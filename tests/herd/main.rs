//! The invariants of `get_or_set` across threads and processes, one test each, on real servers. The long forms are
//! ignored by default and run by `make -C ffi-tests torture`; the short ones differ from them by their numbers alone.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::print_stdout
)]

#[path = "../common/mod.rs"]
mod common;

mod clocks;
mod kills;
mod processes;
mod races;
mod refusals;
mod waiting;
mod wire;
