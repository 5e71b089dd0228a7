//! How a refusal of the greeting is told: what to do about it stands in the configuration.

use crate::config::{Protocol, Secrets};
use crate::error::{Error, ErrorKind};

use super::login::Login;

/// What a server says that takes nobody, before it hangs up: too many clients, or protected mode.
pub(super) fn turned_away(error: Error) -> Option<Error> {
    let text = error.to_string();
    if text.contains("max number of clients") {
        let text = format!("the server takes no more clients ({text})");
        return Some(Error::new(ErrorKind::Unavailable, text));
    }
    (error.code() == Some("DENIED")).then_some(error)
}

/// Says it in fewer words than the server; an unknown command is told with its arguments, and they are secret.
pub(super) fn login_refused(error: Error, login: &Login, secrets: Option<&Secrets>) -> Error {
    match (error.code(), secrets) {
        (Some("NOAUTH"), None) => {
            Error::from_server(b"NOAUTH the server asks for a password, and none is configured")
        }
        (Some("ERR" | "NOPROTO"), _) if login.protocol == Protocol::Resp3 => Error::from_server(
            b"NOPROTO the server does not speak RESP3: `protocol` must be `2` or `auto`",
        ),
        (_, Some(secrets)) if secrets.is_bare => {
            let text = format!(
                "{} (a user is configured, and no password: what stands before the `@` of a location is a user; a \
                 password alone is written `redis://:password@host`)",
                error.text()
            );
            error.reworded_as(ErrorKind::Auth, text).during("AUTH")
        }
        _ => error.during("AUTH"),
    }
}

pub(super) fn db_refused(error: Error, login: &Login) -> Error {
    match error.code() {
        Some("ERR") if login.is_in_cluster => {
            let text = format!(
                "option `db`: this cluster has no database {} for its clients ({error})",
                login.db
            );
            Error::new(ErrorKind::Config, text).during("SELECT")
        }
        Some("ERR") => {
            let text = format!("ERR the server has no database {} ({error})", login.db);
            Error::from_server(text.as_bytes()).during("SELECT")
        }
        _ => error.during("SELECT"),
    }
}
