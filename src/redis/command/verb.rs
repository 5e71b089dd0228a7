//! What kind of command it is: its name in errors and in figures, whether it may be sent again, and whether it may go with
//! others.

use super::script::name::Name;

/// A kind of command: its name in errors, and what may be done with it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Verb {
    pub(crate) name: &'static str,
    pub(crate) resend: Resend,
    /// A script that asks the server what time it is.
    pub(crate) asks_time: bool,
    /// It may be written behind the commands of other threads, on one connection: it neither changes the state of that, nor
    /// blocks it, nor minds when it is answered.
    pub(crate) rides: bool,
    /// Which script it is, if it is one: in errors all have the name of what the server was sent.
    pub(crate) script: Option<Name>,
}

/// What may be done when a connection broke after a command was sent and before its reply came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Resend {
    /// Send it again: it reads, or doing it twice does what doing it once does, whatever came in between.
    Safe,
    /// Report the fault: the server may have done it.
    Never,
}

impl Verb {
    pub(crate) const fn safe(name: &'static str) -> Self {
        Verb {
            name,
            resend: Resend::Safe,
            asks_time: false,
            rides: true,
            script: None,
        }
    }

    pub(crate) const fn once(name: &'static str) -> Self {
        Verb {
            name,
            resend: Resend::Never,
            asks_time: false,
            rides: true,
            script: None,
        }
    }

    /// The same, on a connection that nobody else has.
    pub(crate) const fn apart(self) -> Self {
        Verb {
            rides: false,
            ..self
        }
    }

    /// Its name in figures, where a script has one of its own.
    pub(crate) fn operation(self) -> &'static str {
        self.script.map_or(self.name, Name::as_str)
    }
}
