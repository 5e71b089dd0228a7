//! The backend against real servers, and against fake ones where a real one cannot be made to misbehave.

mod batches;
mod faults;
mod forks;
mod greeting;
mod leases;
mod liveness;
mod opening;
mod rewriting;
mod single;
mod waiting;
mod walks;
