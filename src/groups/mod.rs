//! Operations on groups of keys: each walks the nodes in bounded, resumable steps.

pub(crate) mod keys;
pub(crate) mod place;
pub(crate) mod rebalance;
pub(crate) mod reinsert;
pub(crate) mod sweep;
pub(crate) mod swept;
pub(crate) mod walk;
