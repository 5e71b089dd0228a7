//! What a server said, in words that may be shown: an error reply may quote what it was sent (a proxy that does not know
//! EVALSHA repeats its arguments), and keys, values and tokens belong in no text. Where the reply begins to quote
//! anything but the name of a command, it ends.

use std::borrow::Cow;

/// The longest name of a command, with its subcommand.
const LONGEST_NAME: usize = 40;

/// How servers begin to repeat the arguments of a command (`unknown command 'X', with args beginning with: 'a' 'b'`).
const ARGUMENTS: &str = "with args beginning with";

/// What stands for the rest.
const CUT: &str = "...";

/// The reply without what it quotes.
pub(super) fn without_quotes(reply: &[u8]) -> String {
    let text = String::from_utf8_lossy(reply);
    let text = match text.find(ARGUMENTS) {
        Some(at) => {
            let before = text.get(..at).unwrap_or_default();
            Cow::Borrowed(before.trim_end().trim_end_matches(','))
        }
        None => text,
    };
    match first_quote(&text) {
        Some(at) => format!("{}{CUT}", text.get(..at).unwrap_or_default()),
        None => text.into_owned(),
    }
}

/// Where something is quoted that is not the name of a command.
fn first_quote(text: &str) -> Option<usize> {
    let mut from = 0;
    loop {
        let rest = text.get(from..)?;
        let at = from + rest.find(['\'', '`', '"'])?;
        let (before, quoted) = (text.get(..at)?, text.get(at..)?);
        // An apostrophe: "can't", "it's".
        if before.ends_with(|last: char| last.is_alphanumeric()) {
            from = at + 1;
            continue;
        }
        match command_name(before, quoted) {
            Some(len) => from = at + len,
            None => return Some(at),
        }
    }
}

/// The length of the name of a command, with its quotes, where `quoted` begins with one and the words around it say so.
fn command_name(before: &str, quoted: &str) -> Option<usize> {
    let mut inner = quoted.chars();
    let mark = inner.next()?;
    let (name, after) = inner.as_str().split_once(mark)?;
    let is_name = |byte: u8| byte.is_ascii_alphabetic() || matches!(byte, b'|' | b'_' | b'-');
    let is_said = before.ends_with("command ") || after.starts_with(" command");
    // "OOM command not allowed when used memory > 'maxmemory'."
    let is_said = is_said || name == "maxmemory";
    let is_one = is_said && name.len() <= LONGEST_NAME && name.bytes().all(is_name);
    is_one.then(|| name.len() + 2 * mark.len_utf8())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(reply: &str) -> String {
        without_quotes(reply.as_bytes())
    }

    /// As Redis 6.2 and 7, Valkey 9 and Envoy say it.
    #[test]
    fn arguments_are_cut_wherever_a_server_repeats_them() {
        for (reply, expected) in [
            (
                "ERR unknown command 'EVALSHA', with args beginning with: 'ab12' '1' 'secret-key' ",
                "ERR unknown command 'EVALSHA'",
            ),
            (
                "ERR unknown command `EVALSHA`, with args beginning with: `ab12`, `1`, `secret-key`, ",
                "ERR unknown command `EVALSHA`",
            ),
            (
                "ERR unknown command 'set', with args beginning with: secret-key secret",
                "ERR unknown command 'set'",
            ),
            (
                "ERR unknown command `GET secret-key`",
                "ERR unknown command ...",
            ),
            (
                "ERR unknown command 'secret it's secret' and secret",
                "ERR unknown command ...",
            ),
            (
                "NOPERM User eve has no permissions to access the 'secret-key' key",
                "NOPERM User eve has no permissions to access the ...",
            ),
            (
                "ERR Protocol error: expected '$', got 's'",
                "ERR Protocol error: expected ...",
            ),
            ("ERR bad value \"secret", "ERR bad value ..."),
            ("ERR bad value 'secret", "ERR bad value ..."),
        ] {
            assert_eq!(shown(reply), expected);
        }
    }

    #[test]
    fn names_of_commands_and_apostrophes_stay() {
        for reply in [
            "NOPERM this user has no permissions to run the 'client|setinfo' command",
            "ERR ACL failure in script: User eve has no permissions to run the 'time' command script: on @user_script:1.",
            "ERR wrong number of arguments for 'set' command",
            "ERR unknown subcommand 'FOO'. Try CLIENT HELP.",
            "READONLY You can't write against a read only replica.",
            "MISCONF Redis is configured to save RDB snapshots, but it's currently unable to persist to disk.",
            "OOM command not allowed when used memory > 'maxmemory'.",
        ] {
            assert_eq!(shown(reply), reply);
        }
    }
}
