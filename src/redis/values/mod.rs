//! The primitives that concern values, for one key and for many.

pub(crate) mod many;
pub(crate) mod one;
