//! What an error reply of a server says: its code word, and from that the class of the error.

use super::{Error, ErrorKind, said};

impl Error {
    /// An error reply of the server, as it stood on the wire: its first word is the code. What it quotes is left out.
    pub(crate) fn from_server(reply: &[u8]) -> Self {
        let text = said::without_quotes(reply);
        let code = server_code(&text);
        let kind = match code {
            "NOAUTH" | "WRONGPASS" | "NOPERM" => ErrorKind::Auth,
            "WRONGTYPE" => ErrorKind::WrongType,
            _ if text.contains("invalid password") || text.contains("without any password") => {
                ErrorKind::Auth
            }
            _ if text.contains("not an integer") || text.contains("would overflow") => {
                ErrorKind::WrongType
            }
            _ => ErrorKind::Server,
        };
        let code = code.to_owned();
        Error::new(kind, text).edit(|fault| fault.code = Some(code))
    }

    /// Whether this user has no right to something that a script does.
    pub(crate) fn is_denied_in_script(&self) -> bool {
        self.code() == Some("NOPERM") && is_denied_in_script(self.text())
    }
}

/// Whether a script was refused a command or a key that its user has no right to, which servers do not say by a code: as
/// Redis up to 7.0 and since 7.2 (and Valkey) put it.
fn is_denied_in_script(text: &str) -> bool {
    text.contains("The user executing the script can't") || text.contains("ACL failure in script")
}

/// The code word of an error reply. On Redis 6.2 the error of a command inside a script stands in the middle of
/// the text ("ERR Error running script (call to f_..): @user_script:1: -OOM command not allowed ...", and where the
/// script has caught it "@user_script: 1: -OOM ..."); later servers put it first.
fn server_code(text: &str) -> &str {
    const INSIDE: [&str; 11] = [
        "OOM",
        "READONLY",
        "MISCONF",
        "NOREPLICAS",
        "WRONGTYPE",
        "NOPERM",
        "NOAUTH",
        "CLUSTERDOWN",
        "MASTERDOWN",
        "LOADING",
        "BUSY",
    ];
    if is_denied_in_script(text) {
        return "NOPERM";
    }
    let first = text.split(' ').next().unwrap_or_default();
    if !text.contains("Error running script") && !first.starts_with('@') {
        return first;
    }
    let inner = text.split([' ', ':']).find_map(|word| {
        let word = word.trim_start_matches('-');
        INSIDE.into_iter().find(|code| *code == word)
    });
    inner.unwrap_or(first)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn server_errors_are_told_apart_by_their_code_word() {
        let kind = |text: &str| Error::from_server(text.as_bytes()).kind();
        assert_eq!(kind("NOAUTH Authentication required."), ErrorKind::Auth);
        assert_eq!(kind("ERR invalid password"), ErrorKind::Auth);
        assert_eq!(
            kind("WRONGTYPE Operation against a key"),
            ErrorKind::WrongType
        );
        assert_eq!(
            kind("ERR value is not an integer or out of range"),
            ErrorKind::WrongType
        );
        assert_eq!(
            kind("ERR increment or decrement would overflow"),
            ErrorKind::WrongType
        );
        assert_eq!(kind("ERR unknown command"), ErrorKind::Server);
    }

    #[test]
    fn the_code_is_found_inside_a_script_error_of_redis_6() {
        let text = "ERR Error running script (call to f_ab): @user_script:1: -OOM command not allowed when used memory";
        let error = Error::from_server(text.as_bytes());
        assert_eq!(error.code(), Some("OOM"));
        assert!(error.is_unavailable());
    }

    /// What a script has caught and returned has no more in front than the place; and every class is looked for.
    #[test]
    fn every_class_is_found_inside_a_script_error_of_redis_6() {
        let said = |text: &str| Error::from_server(text.as_bytes());
        for class in [
            "OOM",
            "READONLY",
            "MISCONF",
            "NOREPLICAS",
            "NOPERM",
            "MASTERDOWN",
            "LOADING",
        ] {
            let ran = format!(
                "ERR Error running script (call to f_ab): @user_script:1: @user_script: 1: -{class} no"
            );
            assert_eq!(said(&ran).code(), Some(class));
            let caught = format!("@user_script: 4: -{class} no");
            assert_eq!(said(&caught).code(), Some(class));
            let later = format!("{class} no, not BUSY. script: ab, on @user_script:4.");
            assert_eq!(said(&later).code(), Some(class));
        }
        let other = "ERR Error running script (call to f_ab): @user_script:1: no such thing";
        assert_eq!(said(other).code(), Some("ERR"));
    }

    /// As Redis 6.2, 7.0 and Valkey 9.1 say it: it was an error of kind Server, of which nobody knew what to do about it.
    #[test]
    fn a_command_that_a_script_has_no_right_to_is_denied() {
        for reply in [
            "ERR Error running script (call to f_ab): @user_script:1: @user_script: 1: The user executing the script \
             can't run this command or subcommand",
            "ERR The user executing the script can't run this command or subcommand script: ab, on @user_script:1.",
            "ERR ACL failure in script: User lim has no permissions to run the 'time' command script: on @user_script:1.",
            "ERR The user executing the script can't access at least one of the keys mentioned in the command arguments",
            "ERR ACL failure in script: No permissions to access a key script: on @user_script:1.",
        ] {
            let error = Error::from_server(reply.as_bytes());
            assert_eq!(
                (error.kind(), error.code()),
                (ErrorKind::Auth, Some("NOPERM"))
            );
            assert!(error.is_denied_in_script() && !error.is_unavailable());
        }
    }
}
