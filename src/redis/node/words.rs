//! What a greeting is made of: which of it is said together, and in which words
//! (<https://redis.io/docs/latest/commands/hello/>).

use crate::config::Secrets;
use crate::redis::connection::resp::Encoder;

use super::login::Login;

/// How a greeting begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Words {
    /// HELLO 3, with the credentials in it.
    Hello,
    /// RESP2, with AUTH if there are credentials.
    Auth,
}

/// What is said together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Said {
    All(Words),
    /// Nothing but who we are.
    Login(Words),
    /// What is left after that.
    Rest,
    /// To a server that hangs up on greetings: nothing but what must be said.
    Bare,
    /// What time is it?
    Time,
}

impl Said {
    /// Whether the login is in it, and in which words.
    pub(super) fn login(self) -> Option<Words> {
        match self {
            Said::All(words) | Said::Login(words) => Some(words),
            Said::Bare => Some(Words::Auth),
            Said::Rest | Said::Time => None,
        }
    }

    /// Whether the rest of what must be said is in it.
    pub(super) fn has_needs(self) -> bool {
        matches!(self, Said::All(_) | Said::Rest | Said::Bare)
    }

    /// Whether what may be left away is in it.
    pub(super) fn has_extras(self) -> bool {
        matches!(self, Said::All(_) | Said::Rest)
    }
}

/// The command that must come first, if any.
pub(super) fn open(to: &mut Encoder<'_>, secrets: Option<&Secrets>, words: Words) {
    let username = secrets.and_then(|secrets| secrets.username.as_deref());
    let username = username.map(Vec::as_slice);
    match (words, username, secrets) {
        (Words::Hello, _, None) => {
            to.command(2).arg(b"HELLO").arg(b"3");
        }
        (Words::Hello, username, Some(secrets)) => {
            let username = username.unwrap_or(b"default");
            to.command(5)
                .arg(b"HELLO")
                .arg(b"3")
                .arg(b"AUTH")
                .arg(username)
                .arg(&secrets.password);
        }
        (Words::Auth, _, None) => {}
        (Words::Auth, None, Some(secrets)) => {
            to.command(2).arg(b"AUTH").arg(&secrets.password);
        }
        (Words::Auth, Some(username), Some(secrets)) => {
            to.command(3)
                .arg(b"AUTH")
                .arg(username)
                .arg(&secrets.password);
        }
    }
}

/// Asks a replica of a cluster to serve reads; false when that is not wanted.
pub(super) fn read_replica(to: &mut Encoder<'_>, login: &Login) -> bool {
    if login.reads_replica {
        to.command(1).arg(b"READONLY");
    }
    login.reads_replica
}

/// What CLIENT LIST shows of this client (<https://redis.io/docs/latest/commands/client-setinfo/>); the number of
/// commands.
pub(super) fn present(to: &mut Encoder<'_>, login: &Login) -> usize {
    to.command(4)
        .arg(b"CLIENT")
        .arg(b"SETINFO")
        .arg(b"LIB-NAME")
        .arg(b"redis_cache");
    let version = env!("CARGO_PKG_VERSION").as_bytes();
    to.command(4)
        .arg(b"CLIENT")
        .arg(b"SETINFO")
        .arg(b"LIB-VER")
        .arg(version);
    let Some(name) = &login.client_name else {
        return 2;
    };
    to.command(3)
        .arg(b"CLIENT")
        .arg(b"SETNAME")
        .arg(name.as_bytes());
    3
}

/// Whoever is expected to be a primary is asked whether it is one.
pub(super) fn pack_role(to: &mut Encoder<'_>, is_primary: bool) {
    if is_primary {
        to.command(1).arg(b"ROLE");
    }
}
