//! How this process speaks TLS to a location: by what its options and the files that they name come to, which may change
//! (`renewal.rs`), under the name that the server is to have.

use std::fmt;
use std::sync::Arc;

use rustls::ClientConfig;
use rustls::pki_types::ServerName;

use crate::config::{Address, TlsOptions};
use crate::error::{Error, ErrorKind, Result};

use super::fault::{Told, Trust};
use super::renewal::Renewal;

/// How connections to a location are secured. Cheap to clone.
#[derive(Clone)]
pub(crate) struct TlsSettings {
    files: Arc<Renewal>,
    /// `tls_server_name`; otherwise the host that is connected to.
    server_name: Option<ServerName<'static>>,
}

/// Reads the files that the options name. Everything that is wrong with them is found here.
pub(crate) fn prepare(options: &TlsOptions) -> Result<TlsSettings> {
    let server_name = options.server_name.as_deref();
    let server_name = server_name.map(server_name_option).transpose()?;
    Ok(TlsSettings {
        files: Arc::new(Renewal::begin(options)?),
        server_name,
    })
}

impl TlsSettings {
    /// What the owner of a cache must hear once, if anything: that nobody checks who the server is.
    pub(crate) fn caution(&self) -> Option<&'static str> {
        (self.told().trust == Trust::Nobody).then_some(
            "`tls_insecure=true`: the certificates of servers are not checked, so whoever is in between can read and \
             change everything",
        )
    }

    /// Refuses an address that no certificate can be for.
    pub(crate) fn check(&self, address: &Address) -> Result<()> {
        self.name_of(address).map(drop)
    }

    pub(crate) fn told(&self) -> Told {
        self.files.shared().told
    }

    /// Looks whether the files have changed, before a connection is opened. What is wrong with them then is for the owner
    /// of the cache to hear, and changes nothing.
    pub(crate) fn renew(&self) -> Option<Error> {
        self.files.look()
    }

    /// What a connection to the server at `address` starts from.
    pub(crate) fn of_server(
        &self,
        address: &Address,
    ) -> Result<(Arc<ClientConfig>, ServerName<'static>)> {
        let name = self.name_of(address)?;
        Ok((self.files.shared().of_server(address, &name), name))
    }

    fn name_of(&self, address: &Address) -> Result<ServerName<'static>> {
        if let Some(name) = &self.server_name {
            return Ok(name.clone());
        }
        let host = match address {
            Address::Tcp { host, .. } => host.as_str(),
            Address::Unix(_) | Address::Memory(_) => "",
        };
        ServerName::try_from(host.to_owned()).map_err(|_| {
            let text = format!(
                "a certificate cannot be for `{host}`: `tls_server_name` names the host or IP address to expect"
            );
            Error::new(ErrorKind::Config, text)
        })
    }
}

fn server_name_option(name: &str) -> Result<ServerName<'static>> {
    ServerName::try_from(name.to_owned()).map_err(|_| {
        let text =
            format!("option `tls_server_name`: `{name}` is neither a host name nor an IP address");
        Error::new(ErrorKind::Config, text)
    })
}

impl fmt::Debug for TlsSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TlsSettings")
            .field("files", &self.files)
            .field("server_name", &self.server_name)
            .finish_non_exhaustive()
    }
}
