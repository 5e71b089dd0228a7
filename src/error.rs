//! What can go wrong, and how it is told. An [`Error`] is made where the fault is known, so its text names the
//! node and the command and says what was expected; it never holds a value or a password. It is one pointer wide
//! and cheap to clone, because several callers may wait for one load and all of them are owed the reason.

mod meaning;
mod said;

use std::error::Error as StdError;
use std::fmt;
use std::sync::Arc;

pub(crate) use meaning::Meaning;

/// The result of every call of this library.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// The class of an [`Error`], for matching. Each one is a status of the C API.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// An argument that can never be right: an empty key, a delta that cannot be negated.
    InvalidArgument,
    /// An option or a location that cannot be used, or does not fit another one.
    Config,
    /// The connection was refused, reset or closed, or the other side does not speak Redis.
    Io,
    /// Nothing came back within the time budget of the call.
    Timeout,
    /// The server asks for a password, refuses the one it got, or denies the command to this user.
    Auth,
    /// Any other error reply of the server.
    Server,
    /// The stored value is not of the type the operation needs, or a counter would overflow.
    WrongType,
    /// The stored bytes cannot be turned into a value.
    Decode,
    /// The node is refused for now because it failed several times in a row, or no node serves the key.
    Unavailable,
    /// Another caller is still computing the value, and the wait for it is over.
    Busy,
    /// The lock or the lease is no longer held.
    Lost,
    /// The caller's own function failed; the source is its error.
    Callback,
    /// A panic was caught at the C boundary.
    Panic,
    /// The operation does not exist for this layout, store or build.
    Unsupported,
    /// Memory of a size that the caller or the server decides could not be had.
    NoMemory,
}

/// A fault: its kind, the node and command it concerns, and what was expected.
#[derive(Clone)]
pub struct Error(Arc<Fault>);

#[derive(Clone)]
struct Fault {
    kind: ErrorKind,
    text: String,
    code: Option<String>,
    node: Option<String>,
    command: Option<&'static str>,
    source: Option<Arc<dyn StdError + Send + Sync>>,
    /// The node was never asked, because this process has no connection to spare.
    is_crowded: bool,
}

impl Error {
    pub(crate) fn new(kind: ErrorKind, text: impl Into<String>) -> Self {
        Error(Arc::new(Fault {
            kind,
            text: text.into(),
            code: None,
            node: None,
            command: None,
            source: None,
            is_crowded: false,
        }))
    }

    /// No connection became free: that says nothing of the node.
    pub(crate) fn crowded(text: String) -> Self {
        Error::new(ErrorKind::Timeout, text).edit(|fault| fault.is_crowded = true)
    }

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

    pub(crate) fn from_io(error: std::io::Error, doing: &str) -> Self {
        use std::io::ErrorKind as Io;
        let kind = match error.kind() {
            Io::TimedOut | Io::WouldBlock => ErrorKind::Timeout,
            _ => ErrorKind::Io,
        };
        Error::new(kind, format!("{doing}: {error}")).caused_by(error)
    }

    /// So many bytes for `what` could not be had.
    #[cold]
    pub(crate) fn no_memory(what: &str, len: usize) -> Self {
        Error::new(
            ErrorKind::NoMemory,
            format!("no memory for {what} of {len} bytes"),
        )
    }

    /// The fault of a caller's function.
    pub(crate) fn callback(source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        let source: Arc<dyn StdError + Send + Sync> = Arc::from(source.into());
        Error::new(ErrorKind::Callback, source.to_string())
            .edit(|fault| fault.source = Some(source))
    }

    pub(crate) fn at_node(self, name: &str) -> Self {
        self.edit(|fault| {
            fault.node.get_or_insert_with(|| name.to_owned());
        })
    }

    pub(crate) fn during(self, command: &'static str) -> Self {
        self.edit(|fault| {
            fault.command.get_or_insert(command);
        })
    }

    pub(crate) fn caused_by(self, source: impl StdError + Send + Sync + 'static) -> Self {
        self.edit(|fault| fault.source = Some(Arc::new(source)))
    }

    /// The same error in other words.
    pub(crate) fn with_text(self, text: String) -> Self {
        self.edit(|fault| fault.text = text)
    }

    /// The same error of another kind, in other words.
    pub(crate) fn reworded_as(self, kind: ErrorKind, text: String) -> Self {
        self.edit(|fault| (fault.kind, fault.text) = (kind, text))
    }

    /// Whether this process lacks something, descriptors or memory or ports: that says nothing of a node.
    pub(crate) fn is_our_own(&self) -> bool {
        const LACKS: [i32; 5] = [
            libc::EMFILE,
            libc::ENFILE,
            libc::ENOBUFS,
            libc::ENOMEM,
            libc::EADDRNOTAVAIL,
        ];
        let source = self.0.source.as_ref();
        let cause = source.and_then(|source| source.downcast_ref::<std::io::Error>());
        let code = cause.and_then(std::io::Error::raw_os_error);
        self.kind() == ErrorKind::NoMemory || code.is_some_and(|code| LACKS.contains(&code))
    }

    /// Another account of the same fault, at the same node and command.
    pub(crate) fn reworded(&self, kind: ErrorKind, text: impl Into<String>) -> Self {
        self.clone().edit(|fault| {
            (fault.kind, fault.text) = (kind, text.into());
            fault.code = None;
        })
    }

    fn edit(mut self, change: impl FnOnce(&mut Fault)) -> Self {
        change(Arc::make_mut(&mut self.0));
        self
    }

    /// What went wrong, without the node and the command.
    pub(crate) fn text(&self) -> &str {
        &self.0.text
    }

    /// The class of this error.
    pub fn kind(&self) -> ErrorKind {
        self.0.kind
    }

    /// The name of the node it happened at, when it concerns one.
    pub fn node(&self) -> Option<&str> {
        self.0.node.as_deref()
    }

    /// The Redis command that failed, when it concerns one.
    pub fn command(&self) -> Option<&'static str> {
        self.0.command
    }

    /// The first word of the server's error reply (`OOM`, `NOPERM`, ...), when a server said it.
    pub fn code(&self) -> Option<&str> {
        self.0.code.as_deref()
    }

    /// Whether this user has no right to something that a script does.
    pub(crate) fn is_denied_in_script(&self) -> bool {
        self.code() == Some("NOPERM") && is_denied_in_script(self.text())
    }

    /// True when the time budget of the call was spent.
    pub fn is_timeout(&self) -> bool {
        self.kind() == ErrorKind::Timeout
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

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.0.node, self.0.command) {
            (Some(node), Some(command)) => write!(f, "{node}: {command}: ")?,
            (Some(node), None) => write!(f, "{node}: ")?,
            (None, Some(command)) => write!(f, "{command}: ")?,
            (None, None) => {}
        }
        f.write_str(&self.0.text)
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}({self})", self.0.kind)
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.0
            .source
            .as_deref()
            .map(|source| source as &(dyn StdError + 'static))
    }
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

    #[test]
    fn the_text_names_node_and_command() {
        let error = Error::new(ErrorKind::Timeout, "no reply within 1s")
            .during("GET")
            .at_node("127.0.0.1:6379");
        assert_eq!(error.to_string(), "127.0.0.1:6379: GET: no reply within 1s");
        assert_eq!(
            error.clone().at_node("other").node(),
            Some("127.0.0.1:6379")
        );
    }
}
