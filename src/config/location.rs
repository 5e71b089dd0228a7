//! Where a store is: one location of the configuration, read from any of its spellings. What is secret in it shows
//! neither in its `Debug` nor in its shown form.

use std::fmt;
use std::net::Ipv6Addr;
use std::path::PathBuf;

use super::options::TlsOptions;

/// What to connect to.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum Address {
    /// A host name or an IP address (without brackets), as it was spelled.
    Tcp { host: String, port: u16 },
    /// The absolute path of a socket.
    Unix(PathBuf),
    /// The embedded store, shared under its name.
    Memory(Option<String>),
}

/// The stable name of a node: the same for every spelling of the address.
impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Address::Tcp { host, port } => match host.parse::<Ipv6Addr>() {
                Ok(ip) => write!(f, "[{ip}]:{port}"),
                Err(_) if host.contains(':') => write!(f, "[{host}]:{port}"),
                Err(_) => write!(f, "{}:{port}", host.to_ascii_lowercase()),
            },
            Address::Unix(path) => write!(f, "{}", path.display()),
            Address::Memory(None) => f.write_str("memory://"),
            Address::Memory(Some(name)) => write!(f, "memory://{name}"),
        }
    }
}

/// One server, or one embedded store.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Location {
    pub(crate) address: Address,
    pub(crate) tls: bool,
    /// Always there once resolved.
    pub(crate) db: Option<u32>,
    pub(crate) username: Option<String>,
    pub(crate) password: Option<String>,
    pub(crate) tls_options: TlsOptions,
    pub(crate) name: Option<String>,
    pub(crate) weight: u32,
    /// As configured, without credentials and query.
    pub(crate) shown: String,
}

impl fmt::Debug for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Location")
            .field("shown", &self.shown)
            .field("address", &self.address)
            .field("tls", &self.tls)
            .field("db", &self.db)
            .field("has_username", &self.username.is_some())
            .field("has_password", &self.password.is_some())
            .field("tls_options", &self.tls_options)
            .field("name", &self.name)
            .field("weight", &self.weight)
            .finish()
    }
}
