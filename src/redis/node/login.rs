//! Who logs in where: what the handshake of a connection needs to know, and the same in the words of the `redis`
//! crate for a connector that does the handshake itself.

use std::fmt;

use crate::config::{Address, Location, Options, Protocol};
use crate::error::{Error, ErrorKind, Result};

use redis::{ConnectionAddr, IntoConnectionInfo};

/// Who the client is and what it wants to talk to.
pub(crate) struct Login {
    pub(crate) protocol: Protocol,
    pub(crate) username: Option<String>,
    pub(crate) password: Option<String>,
    pub(crate) db: u32,
    pub(crate) client_name: Option<String>,
    /// Whether a replica of a cluster is to serve reads (<https://redis.io/docs/latest/commands/readonly/>).
    pub(crate) reads_replica: bool,
}

impl Login {
    pub(crate) fn new(location: &Location, options: &Options) -> Self {
        Login {
            protocol: options.protocol,
            username: location.username.clone(),
            password: location.password.clone(),
            db: location.db.unwrap_or(options.db),
            client_name: options.client_name.clone(),
            reads_replica: false,
        }
    }
}

/// Shows no credentials.
impl fmt::Debug for Login {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Login")
            .field("protocol", &self.protocol)
            .field("has_password", &self.password.is_some())
            .field("db", &self.db)
            .field("client_name", &self.client_name)
            .finish()
    }
}

/// The same login in the words of the `redis` crate, for a connector.
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
    if let Some(username) = &login.username {
        settings = settings.set_username(username);
    }
    if let Some(password) = &login.password {
        settings = settings.set_password(password);
    }
    if login.protocol == Protocol::Resp3 {
        settings = settings.set_protocol(redis::ProtocolVersion::RESP3);
    }
    let info = address.into_connection_info();
    let info = info.map_err(|error| Error::new(ErrorKind::Config, error.to_string()))?;
    Ok(info.set_redis_settings(settings))
}
