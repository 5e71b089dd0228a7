//! What can go wrong, and how it is told. An [`Error`] is made where the fault is known, so its text names the
//! node and the command and says what was expected; it never holds a value or a password. It is one pointer wide
//! and cheap to clone, because several callers may wait for one load and all of them are owed the reason.

mod meaning;
mod said;
mod server;

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
    /// A value was larger than may be stored.
    is_oversized: bool,
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
            is_oversized: false,
        }))
    }

    /// No connection became free: that says nothing of the node.
    pub(crate) fn crowded(text: String) -> Self {
        Error::new(ErrorKind::Timeout, text).edit(|fault| fault.is_crowded = true)
    }

    /// A value is larger than the option `max_value`.
    pub(crate) fn oversized(text: String) -> Self {
        Error::new(ErrorKind::InvalidArgument, text).edit(|fault| fault.is_oversized = true)
    }

    /// Whether it is one of those.
    pub(crate) fn is_oversized(&self) -> bool {
        self.0.is_oversized
    }

    pub(crate) fn from_io(error: std::io::Error, doing: &str) -> Self {
        use std::io::ErrorKind as Io;
        let kind = match error.kind() {
            Io::TimedOut | Io::WouldBlock => ErrorKind::Timeout,
            _ => ErrorKind::Io,
        };
        Error::new(kind, format!("{doing}: {error}")).caused_by(error)
    }

    /// What several nodes failed, as one error: of the kind of the first, and with the words of all. `None` when none did.
    pub(crate) fn of_nodes(faults: &[Error]) -> Option<Error> {
        match faults {
            [] => None,
            [only] => Some(only.clone()),
            [first, ..] => {
                let texts: Vec<String> = faults.iter().map(Error::to_string).collect();
                let text = format!("{} nodes failed: {}", faults.len(), texts.join("; "));
                Some(Error::new(first.kind(), text))
            }
        }
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

    /// True when the time budget of the call was spent.
    pub fn is_timeout(&self) -> bool {
        self.kind() == ErrorKind::Timeout
    }
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
