//! Errors as their readers see them: the kind, the node, the command, what was expected; nothing secret. And what
//! becomes of them under `on_error=miss` (c-api.md, "Which error"; options.md).

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

mod common;

#[path = "errors/configuration.rs"]
mod configuration;
#[path = "errors/credentials.rs"]
mod credentials;
#[path = "errors/everywhere.rs"]
mod everywhere;
#[path = "errors/misses.rs"]
mod misses;
#[path = "errors/texts.rs"]
mod texts;
