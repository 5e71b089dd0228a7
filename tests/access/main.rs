//! Who gets in, and what they may do there: users and passwords, secrets that change, the rights that operations need,
//! servers that do not speak as Redis does, and addresses behind NAT.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

#[path = "../common/mod.rs"]
mod common;

mod databases;
mod greeting;
mod logins;
mod nat;
mod rights;
mod rotating;
mod said;
