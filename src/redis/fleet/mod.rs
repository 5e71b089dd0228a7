//! How commands reach nodes: one, a named one, or many at the same time.

pub(crate) mod asking;
pub(crate) mod many;
pub(crate) mod scripted;
pub(crate) mod together;
