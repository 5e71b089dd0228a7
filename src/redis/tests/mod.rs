//! The backend against real servers, and against fake ones where a real one cannot be made to misbehave.

pub(crate) mod again;
pub(crate) mod ahead;
pub(crate) mod along;
pub(crate) mod batches;
pub(crate) mod cuts;
pub(crate) mod faults;
pub(crate) mod forks;
pub(crate) mod greeting;
mod lane;
pub(crate) mod leases;
pub(crate) mod liveness;
mod names;
mod opening;
pub(crate) mod recovery;
pub(crate) mod rewriting;
pub(crate) mod single;
pub(crate) mod time;
mod trains;
pub(crate) mod waiting;
pub(crate) mod walks;
