//! Every branch of every step, as tables of cases: what is stored before, what the step answers, and every byte and
//! the lifetime afterwards. The same tables run against a real server and against the embedded store.

mod acquire;
mod bench;
mod entry;
mod foreign;
mod locks;
mod many;
mod owner;
mod soft;
