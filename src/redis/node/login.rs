//! Who logs in where: what the handshake of a connection needs to know, and the same in the words of the `redis`
//! crate for a connector that does the handshake itself.

use std::fmt;
use std::path::PathBuf;
use std::str;
use std::sync::Arc;

use crate::config::{
    Address, Asker, Hooks, Location, Options, Protocol, Secrets, Topology, read_password,
};
use crate::error::{Error, ErrorKind, Result};

use redis::{ConnectionAddr, IntoConnectionInfo};

/// Who the client is and what it wants to talk to.
pub(crate) struct Login {
    pub(crate) protocol: Protocol,
    source: Source,
    pub(crate) db: u32,
    pub(crate) client_name: Option<String>,
    /// Whether a replica of a cluster is to serve reads (<https://redis.io/docs/latest/commands/readonly/>).
    pub(crate) reads_replica: bool,
    /// Databases are then something that few servers have.
    pub(crate) is_in_cluster: bool,
}

/// Who says user and password.
enum Source {
    /// The configuration, which may know none.
    Known(Option<Arc<Secrets>>),
    /// A file has the password, and is read at every connect.
    File {
        username: Option<String>,
        path: PathBuf,
    },
    /// A function of the caller, which is asked at every connect for this location.
    Asked { asker: Asker, location: String },
}

impl Login {
    /// `hooks` may have a function for the credentials, which a sentinel with a password of its own is not asked for by.
    pub(crate) fn new(location: &Location, options: &Options, hooks: &Hooks) -> Self {
        let username = location.username.clone();
        let (password, file) = (&location.password, &location.password_file);
        let source = match (&hooks.credentials, password, file) {
            (_, None, Some(path)) => Source::File {
                username,
                path: path.clone(),
            },
            (Some(asker), None, None) => Source::Asked {
                asker: asker.clone(),
                location: location.shown.clone(),
            },
            (_, password, _) => {
                let username = username.unwrap_or_default().into_bytes();
                let password = password.clone().map(String::into_bytes);
                Source::Known(Secrets::new(username, password).map(Arc::new))
            }
        };
        Login {
            protocol: options.protocol,
            source,
            db: location.db.unwrap_or(options.db),
            client_name: options.client_name.clone(),
            reads_replica: false,
            is_in_cluster: options.topology == Some(Topology::Cluster),
        }
    }

    /// User and password for a connection that is being opened.
    ///
    /// # Errors
    /// [`ErrorKind::Config`] for a file that cannot be read, [`ErrorKind::Auth`] from a function that fails.
    pub(crate) fn secrets(&self) -> Result<Option<Arc<Secrets>>> {
        match &self.source {
            Source::Known(secrets) => Ok(secrets.clone()),
            Source::File { username, path } => {
                let username = username.clone().unwrap_or_default().into_bytes();
                let password = read_password(path)?;
                Ok(Secrets::new(username, Some(password)).map(Arc::new))
            }
            Source::Asked { asker, location } => Ok(asker.ask(location)?.map(Arc::new)),
        }
    }

    /// The function of the caller that says them, if one does: it is asked once more when the server refuses what it said.
    pub(crate) fn asker(&self) -> Option<&Asker> {
        match &self.source {
            Source::Asked { asker, .. } => Some(asker),
            _ => None,
        }
    }
}

/// Shows no credentials.
impl fmt::Debug for Login {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let source = match &self.source {
            Source::Known(None) => "none",
            Source::Known(Some(_)) => "known",
            Source::File { .. } => "a file",
            Source::Asked { .. } => "a function",
        };
        f.debug_struct("Login")
            .field("protocol", &self.protocol)
            .field("credentials", &source)
            .field("db", &self.db)
            .field("client_name", &self.client_name)
            .finish()
    }
}

/// The same login in the words of the `redis` crate, for a connector, but for user and password.
pub(crate) fn connection_info(location: &Location, login: &Login) -> Result<redis::ConnectionInfo> {
    let address = match &location.address {
        Address::Tcp { host, port } if location.tls => ConnectionAddr::TcpTls {
            host: host.clone(),
            port: *port,
            insecure: location.tls_options.insecure == Some(true),
            tls_params: None,
        },
        Address::Tcp { host, port } => ConnectionAddr::Tcp(host.clone(), *port),
        Address::Unix(path) => ConnectionAddr::Unix(path.clone()),
        Address::Memory(_) => {
            let text = format!("{} is an embedded store, not a server", location.address);
            return Err(Error::new(ErrorKind::Config, text));
        }
    };
    let mut settings = redis::RedisConnectionInfo::default().set_db(i64::from(login.db));
    if login.protocol == Protocol::Resp3 {
        settings = settings.set_protocol(redis::ProtocolVersion::RESP3);
    }
    let info = address.into_connection_info();
    let info = info.map_err(|error| Error::new(ErrorKind::Config, error.to_string()))?;
    Ok(info.set_redis_settings(settings))
}

/// The same with user and password, which that crate wants as text.
pub(crate) fn with_secrets(
    info: &redis::ConnectionInfo,
    secrets: Option<&Secrets>,
) -> Result<redis::ConnectionInfo> {
    let Some(secrets) = secrets else {
        return Ok(info.clone());
    };
    let text = |bytes| {
        let text = "a connector takes users and passwords that are UTF-8";
        str::from_utf8(bytes).map_err(|_| Error::new(ErrorKind::Config, text))
    };
    let mut settings = info.redis_settings().clone();
    if let Some(username) = &secrets.username {
        settings = settings.set_username(text(username)?);
    }
    settings = settings.set_password(text(&secrets.password)?);
    Ok(info.clone().set_redis_settings(settings))
}
