//! `cargo bench` is `make bench`: the harness is a program in C, for the clients it compares are. `QUICK=1` and its other
//! variables are taken from the environment.
#![allow(clippy::expect_used)]

use std::process::{Command, ExitCode};

fn main() -> ExitCode {
    let made = Command::new("make")
        .args(["-C", env!("CARGO_MANIFEST_DIR"), "bench"])
        .status()
        .expect("GNU make is there");
    ExitCode::from(u8::from(!made.success()))
}
