//! Every branch of every step, as tables of cases: what is stored before, what the step answers, and every byte and
//! the lifetime afterwards. The same tables run against a real server and against the embedded store.

pub(crate) mod acquire;
pub(crate) mod bench;
pub(crate) mod entry;
pub(crate) mod foreign;
pub(crate) mod locks;
pub(crate) mod many;
pub(crate) mod model;
pub(crate) mod moved;
pub(crate) mod owner;
pub(crate) mod soft;
pub(crate) mod swap;
