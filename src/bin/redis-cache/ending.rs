//! How the command ends: with an answer, or with a fault. Every way has an exit code of its own, which is documented in
//! the help.

use std::io::{self, Write};
use std::process::ExitCode;

use redis_cache::{Error, ErrorKind};
use serde_json::json;

/// The exit codes, as the help lists them.
pub(crate) const CODES: &str = "Exit codes:
  0  done, or the answer is yes
  1  the answer is no: no such key, the lock is taken, doctor found something broken
  2  the arguments, the file or an option cannot be used
  3  a server cannot be reached, or did not answer in time
  4  the server refuses the login, or denies the command to this user
  5  any other fault; a sweep that some nodes failed has done the others
  130  interrupted; a sweep tells the cursor to go on with";

/// An end without a fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ending {
    Done,
    No,
    Interrupted,
    /// That of a program that was run.
    Code(u8),
}

/// What every command comes to.
pub(crate) type Outcome<T = Ending> = Result<T, Failure>;

/// An end with a fault.
#[derive(Debug)]
pub(crate) struct Failure {
    code: u8,
    text: String,
}

impl From<Ending> for ExitCode {
    fn from(ending: Ending) -> ExitCode {
        match ending {
            Ending::Done => ExitCode::SUCCESS,
            Ending::No => ExitCode::from(1),
            Ending::Interrupted => ExitCode::from(130),
            Ending::Code(code) => ExitCode::from(code),
        }
    }
}

impl Ending {
    /// Yes or no.
    pub(crate) fn of(is_yes: bool) -> Ending {
        match is_yes {
            true => Ending::Done,
            false => Ending::No,
        }
    }
}

impl Failure {
    /// What was said on the command line, or in the file, cannot be.
    pub(crate) fn usage(text: impl Into<String>) -> Failure {
        Failure {
            code: 2,
            text: text.into(),
        }
    }

    /// Anything else.
    pub(crate) fn other(text: impl Into<String>) -> Failure {
        Failure {
            code: 5,
            text: text.into(),
        }
    }

    /// Says what happened, and with which code to end. A reader who has gone (`| head`) is no fault.
    pub(crate) fn tell(&self, as_json: bool) -> ExitCode {
        let text = match as_json {
            true => json!({"error": self.text, "code": self.code}).to_string(),
            false => format!("redis-cache: {}", self.text),
        };
        if !self.text.is_empty() {
            let _ = writeln!(io::stderr(), "{text}");
        }
        ExitCode::from(self.code)
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Failure {
        let code = match error.kind() {
            ErrorKind::Config | ErrorKind::InvalidArgument => 2,
            ErrorKind::Io | ErrorKind::Timeout | ErrorKind::Unavailable => 3,
            ErrorKind::Auth => 4,
            _ => 5,
        };
        Failure {
            code,
            text: error.to_string(),
        }
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Failure {
        match error.kind() {
            io::ErrorKind::BrokenPipe => Failure {
                code: 0,
                text: String::new(),
            },
            _ => Failure::other(error.to_string()),
        }
    }
}
