//! The backend against real servers, and against fake ones where a real one cannot be made to misbehave.

mod faults;
mod primitives;
