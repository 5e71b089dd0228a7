//! What stands between C and Rust, whatever the function: panics and errors become statuses, pointers become
//! references, numbers and texts become values, and a cancellation waits.

pub(crate) mod cancel;
pub(crate) mod convert;
pub(crate) mod guard;
pub(crate) mod pointers;

pub(crate) use convert::*;
pub(crate) use guard::*;
pub(crate) use pointers::*;
