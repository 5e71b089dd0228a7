//! The command `redis-cache`, as a shell runs it: the program itself, against real servers of every kind and on memory://.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::print_stdout
)]

#[path = "../common/mod.rs"]
mod common;

mod entries;
mod help;
mod lock;
mod servers;
mod sweeps;
mod targets;

use std::io::Write;
use std::process::{Command, Output, Stdio};

use serde_json::Value;

/// A shell that knows one cache.
struct Shell {
    url: String,
}

/// What the command said.
struct Said {
    code: i32,
    out: String,
    err: String,
}

impl Shell {
    fn at(url: impl Into<String>) -> Shell {
        Shell { url: url.into() }
    }

    fn run(&self, args: &[&str]) -> Said {
        Said::of(command(args).env("REDIS_CACHE_URL", &self.url).output())
    }

    /// What it says with the code 0.
    #[track_caller]
    fn ok(&self, args: &[&str]) -> String {
        let said = self.run(args);
        assert_eq!(said.code, 0, "{args:?}: {}{}", said.out, said.err);
        said.out
    }

    /// The lines of JSON that it says with `--json`, whatever the code.
    #[track_caller]
    fn json(&self, args: &[&str]) -> Vec<Value> {
        let said = self.run(&[args, &["--json"]].concat());
        let line =
            |line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
        assert!(said.err.is_empty(), "{}", said.err);
        said.out.lines().map(line).collect()
    }

    /// The same of one line.
    #[track_caller]
    fn only(&self, args: &[&str]) -> Value {
        let mut lines = self.json(args);
        assert_eq!(lines.len(), 1, "{lines:?}");
        lines.remove(0)
    }

    fn with_input(&self, args: &[&str], input: &[u8]) -> Said {
        let mut command = command(args);
        command
            .env("REDIS_CACHE_URL", &self.url)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        child.stdin.take().unwrap().write_all(input).unwrap();
        Said::of(child.wait_with_output())
    }
}

impl Said {
    fn of(output: std::io::Result<Output>) -> Said {
        let output = output.unwrap();
        let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
        Said {
            code: output.status.code().unwrap_or(-1),
            out: text(output.stdout),
            err: text(output.stderr),
        }
    }
}

/// The command without anything that this machine has set.
fn command(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_redis-cache"));
    command.args(args).stdin(Stdio::null());
    for name in [
        "REDIS_CACHE_URL",
        "REDIS_CACHE_CONFIG",
        "XDG_CONFIG_HOME",
        "HOME",
    ] {
        command.env_remove(name);
    }
    command
}
