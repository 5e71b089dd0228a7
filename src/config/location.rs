//! Where a store is: one location of the configuration, read from any of its spellings. What is secret in it shows
//! neither in its `Debug` nor in its shown form.

use std::ffi::OsString;
use std::fmt;
use std::net::Ipv6Addr;
use std::os::unix::ffi::OsStringExt;
use std::path::PathBuf;

use super::options::TlsOptions;
use super::table::{Row, find};
use super::units::{COUNT, DB, FILE, FLAG, PATH, SECRET, TEXT};
use super::url::{Pieces, decoded, decoded_bytes, without_secrets};

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
    pub(crate) password_file: Option<PathBuf>,
    pub(crate) tls_options: TlsOptions,
    pub(crate) name: Option<String>,
    pub(crate) weight: u32,
    /// As configured, without credentials and query.
    pub(crate) shown: String,
    /// As configured, with credentials and without query. Only rings of other programs look at it; it is never shown.
    pub(crate) spelled: String,
    pub(crate) said: Said,
}

/// What a query says about the whole cache.
pub(crate) type Assignment = (&'static Row, String);

impl Location {
    /// Reads one location. `name` and `weight` are what the caller says of it besides the text. What its query says
    /// about the whole cache is returned beside it.
    pub(crate) fn parse(
        text: &str,
        name: Option<&str>,
        weight: Option<u32>,
    ) -> Result<(Location, Vec<Assignment>), String> {
        let text = text.trim();
        let name = name.map(|name| TEXT.value("name", name)).transpose()?;
        let own = Own {
            name: name.flatten(),
            weight,
            ..Own::default()
        };
        read(text, own).map_err(|fault| format!("location `{}`: {fault}", without_secrets(text)))
    }

    /// The stable name of the node: the given one, or its address.
    pub(crate) fn node_name(&self) -> String {
        self.name
            .clone()
            .unwrap_or_else(|| self.address.to_string())
    }
}

fn read(text: &str, mut own: Own) -> Result<(Location, Vec<Assignment>), String> {
    let pieces = Pieces::split(text)?;
    let (address, tls) = address(&pieces)?;
    if matches!(address, Address::Tcp { .. }) {
        own.db = path_db(pieces.path)?;
    }
    (own.username, own.password) = pieces.credentials()?;
    let by_address = own.login();
    let mut queried = Own::default();
    let mut assignments = Vec::new();
    for assignment in pieces.assignments() {
        let (name, value) = assignment?;
        if own.take(&name, &value)? {
            queried.take(&name, &value)?;
            continue;
        }
        // With an unescaped `?` in the password, half of it stands in the query.
        let may_be_secret =
            pieces.user_info.is_none() && pieces.query.is_some_and(|query| query.contains('@'));
        let hide = |fault| {
            if may_be_secret {
                "an option of the query is not known".to_owned()
            } else {
                fault
            }
        };
        assignments.push((find(&name).map_err(hide)?, value));
    }
    own.check(&address, tls)?;
    let location = Location {
        address,
        tls,
        db: own.db,
        username: own.username,
        password: own.password,
        password_file: own.password_file,
        tls_options: own.tls,
        name: own.name,
        weight: own.weight.unwrap_or(1),
        shown: pieces.shown(),
        spelled: text.split('?').next().unwrap_or(text).to_owned(),
        said: Said {
            by_address,
            by_query: queried.login(),
        },
    };
    Ok((location, assignments))
}

fn address(pieces: &Pieces<'_>) -> Result<(Address, bool), String> {
    const FORMS: &str = "it is none of `host:port`, `/path/to.sock`, `redis://`, `rediss://`, `valkey://`, `valkeys://`, \
                         `unix://`, `redis+unix://` and `memory://`";
    let scheme = pieces.scheme.map(str::to_ascii_lowercase);
    match scheme.as_deref() {
        None if pieces.user_info.is_some() => {
            Err("user and password need a URL: `redis://user:password@host:port`".to_owned())
        }
        None if pieces.authority.is_empty() => Ok((Address::Unix(socket_path(pieces)?), false)),
        None if !pieces.path.is_empty() => {
            Err("a database needs a URL: `redis://host:port/db`".to_owned())
        }
        None | Some("redis" | "valkey") => Ok((tcp(pieces)?, false)),
        Some("rediss" | "valkeys") => Ok((tcp(pieces)?, true)),
        Some("unix" | "redis+unix") => Ok((Address::Unix(socket_path(pieces)?), false)),
        Some("memory") => Ok((memory(pieces)?, false)),
        Some(_) => Err(FORMS.to_owned()),
    }
}

fn tcp(pieces: &Pieces<'_>) -> Result<Address, String> {
    if pieces.path.contains('@') && pieces.user_info.is_none() {
        return Err("a `/` in a user or password is written %2F".to_owned());
    }
    let (host, port) = pieces.host_and_port()?;
    Ok(Address::Tcp { host, port })
}

fn socket_path(pieces: &Pieces<'_>) -> Result<PathBuf, String> {
    // sockaddr_un has 108 bytes, one of them for the NUL.
    const LONGEST: usize = 107;
    let path = decoded_bytes(pieces.path)?;
    if !pieces.authority.is_empty() || path.len() < 2 {
        return Err("a socket has an absolute path, as in `unix:///run/redis.sock`".to_owned());
    }
    if path.contains(&0) || path.len() > LONGEST {
        return Err(format!(
            "the path of a socket has at most {LONGEST} bytes and no NUL"
        ));
    }
    Ok(PathBuf::from(OsString::from_vec(path)))
}

fn memory(pieces: &Pieces<'_>) -> Result<Address, String> {
    if !pieces.path.is_empty() || pieces.user_info.is_some() || pieces.authority.contains(':') {
        return Err(
            "an embedded store has a name at most: `memory://` or `memory://name`".to_owned(),
        );
    }
    Ok(Address::Memory(
        TEXT.value("name", &decoded(pieces.authority)?)?,
    ))
}

fn path_db(path: &str) -> Result<Option<u32>, String> {
    match path {
        "" | "/" => Ok(None),
        path => match (DB.read)(&decoded(path.trim_start_matches('/'))?) {
            Some(db) if !path.starts_with("//") => Ok(Some(db)),
            _ => Err("the path is not the number of a database, as in `redis://host/1`".to_owned()),
        },
    }
}

/// Who asks, and for which database.
#[derive(Default, Clone, PartialEq, Eq)]
pub(crate) struct Login {
    pub(crate) db: Option<u32>,
    pub(crate) username: Option<String>,
    pub(crate) password: Option<String>,
    pub(crate) password_file: Option<PathBuf>,
}

/// Where a location said so; elsewhere both are one. A sentinel's address speaks of the sentinel, and its query of the
/// servers.
#[derive(Default, Clone, PartialEq, Eq)]
pub(crate) struct Said {
    pub(crate) by_address: Login,
    pub(crate) by_query: Login,
}

/// The options that are one location's own.
#[derive(Default)]
struct Own {
    db: Option<u32>,
    username: Option<String>,
    password: Option<String>,
    password_file: Option<PathBuf>,
    tls: TlsOptions,
    name: Option<String>,
    weight: Option<u32>,
}

impl Own {
    fn login(&self) -> Login {
        Login {
            db: self.db,
            username: self.username.clone(),
            password: self.password.clone(),
            password_file: self.password_file.clone(),
        }
    }

    /// Takes an option of the query; false when it is not one of these.
    fn take(&mut self, name: &str, text: &str) -> Result<bool, String> {
        match name {
            "db" => once(name, &mut self.db, Some(DB.value(name, text)?)),
            "username" => once(name, &mut self.username, SECRET.value(name, text)?),
            "password" => once(name, &mut self.password, SECRET.value(name, text)?),
            "password_file" => once(name, &mut self.password_file, PATH.value(name, text)?),
            "tls_ca" => once(name, &mut self.tls.ca, FILE.value(name, text)?),
            "tls_cert" => once(name, &mut self.tls.cert, FILE.value(name, text)?),
            "tls_key" => once(name, &mut self.tls.key, FILE.value(name, text)?),
            "tls_server_name" => once(name, &mut self.tls.server_name, TEXT.value(name, text)?),
            "tls_insecure" => once(name, &mut self.tls.insecure, FLAG.value(name, text)?),
            "name" => once(name, &mut self.name, TEXT.value(name, text)?),
            "weight" => once(name, &mut self.weight, Some(COUNT.value(name, text)?)),
            _ => return Ok(false),
        }?;
        Ok(true)
    }

    fn check(&self, address: &Address, tls: bool) -> Result<(), String> {
        if let Some(weight) = self.weight {
            COUNT.value("weight", &weight.to_string())?;
        }
        if !tls && self.tls != TlsOptions::default() {
            return Err("TLS options need `rediss://`".to_owned());
        }
        let has_login = self.db.is_some()
            || self.username.is_some()
            || self.password.is_some()
            || self.password_file.is_some();
        if matches!(address, Address::Memory(_)) && has_login {
            return Err("an embedded store has no database, user or password".to_owned());
        }
        Ok(())
    }
}

/// Stores what one place says, unless another place of the same location says otherwise.
fn once<T: PartialEq>(name: &str, slot: &mut Option<T>, value: Option<T>) -> Result<(), String> {
    match (slot.as_ref(), value) {
        (Some(there), Some(value)) if *there != value => Err(format!(
            "option `{name}` is given twice with different values"
        )),
        (None, Some(value)) => {
            *slot = Some(value);
            Ok(())
        }
        _ => Ok(()),
    }
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
            .field("password_file", &self.password_file)
            .field("tls_options", &self.tls_options)
            .field("name", &self.name)
            .field("weight", &self.weight)
            .finish()
    }
}
