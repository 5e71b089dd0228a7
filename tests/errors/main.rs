//! Errors as their readers see them: the kind, the node, the command, what was expected; nothing secret. And what
//! becomes of them under `on_error=miss` (c-api.md, "Which error"; options.md).

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

#[path = "../common/mod.rs"]
mod common;

mod configuration;
mod credentials;
mod everywhere;
mod full;
mod misses;
mod texts;
