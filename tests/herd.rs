//! The invariants of `get_or_set` across threads and processes, one test each, on real servers. The long forms are
//! ignored by default and run by `make -C ffi-tests long`; the short ones differ from them by their numbers alone.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::print_stdout
)]

mod common;

#[path = "herd/kills.rs"]
mod kills;
#[path = "herd/processes.rs"]
mod processes;
#[path = "herd/races.rs"]
mod races;
#[path = "herd/waiting.rs"]
mod waiting;
#[path = "herd/wire.rs"]
mod wire;
