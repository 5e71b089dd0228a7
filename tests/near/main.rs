//! The near cache: what it answers without the network, when it asks again, and that it never hands out what this process
//! has written over, nor what is older than its bound.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

#[path = "../common/mod.rs"]
mod common;

mod bounds;
mod ends;
mod hits;
mod pauses;
mod races;
