//! One `ClientConfig` for all connections with the same options, whoever opens them, because reading the roots of the
//! system takes milliseconds and resuming a session saves most of a handshake. Every server has sessions of its own.
//! After a fork the child uses no lock and no session of its parent.

use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use rustls::client::Resumption;
use rustls::crypto::{CryptoProvider, ring};
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, RootCertStore};

use crate::base::fork::PerProcess;
use crate::config::Address;
use crate::error::{Error, ErrorKind, Result};

use super::fault::{Told, Trust};
use super::files::Files;
use super::sessions::Sessions;
use super::trusting::Trusting;

/// Sets of options that are kept when nobody uses them any more.
const MOST_SHARED: usize = 8;
/// Servers whose sessions are remembered.
const MOST_SERVERS: usize = 256;

/// One `ClientConfig`, and what comes with it.
pub(crate) struct Shared {
    digest: [u8; 32],
    config: ClientConfig,
    pub(crate) told: Told,
    servers: PerProcess<Mutex<Servers>>,
}

/// The same configuration for each server, with its sessions; the newest last. A session stands for a name that was
/// checked, so it is only resumed under that name.
type Servers = Vec<(Server, Arc<ClientConfig>)>;
type Server = (Address, ServerName<'static>);
/// The newest last.
type Registry = Vec<Arc<Shared>>;

/// What these files come to, which may have been made before.
pub(crate) fn prepared(files: &Files) -> Result<Arc<Shared>> {
    match known(&files.digest()) {
        Some(shared) => Ok(shared),
        None => Ok(keep(Shared::new(files)?)),
    }
}

impl Shared {
    fn new(files: &Files) -> Result<Shared> {
        let given = files.roots()?;
        let trust = match &given {
            _ if files.is_insecure() => Trust::Nobody,
            Some(_) => Trust::File,
            None => Trust::System,
        };
        let provider = Arc::new(ring::default_provider());
        let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .map_err(|error| files.unusable(error))?;
        let builder = match (trust, given) {
            (Trust::Nobody, _) => builder
                .dangerous()
                .with_custom_certificate_verifier(trusting(&provider)),
            (_, Some(roots)) => builder.with_root_certificates(roots),
            (_, None) => builder.with_root_certificates(system_roots()?),
        };
        let client = files.client()?;
        let told = Told {
            trust,
            has_certificate: client.is_some(),
        };
        let mut config = match client {
            Some((chain, key)) => builder
                .with_client_auth_cert(chain, key)
                .map_err(|error| files.unusable(error))?,
            None => builder.with_no_client_auth(),
        };
        // Every server gets sessions of its own.
        config.resumption = Resumption::disabled();
        Ok(Shared {
            digest: files.digest(),
            config,
            told,
            servers: PerProcess::new(Mutex::new(Vec::new())),
        })
    }

    /// A copy of the configuration costs a few reference counts; what is inside is shared.
    pub(crate) fn of_server(
        &self,
        address: &Address,
        name: &ServerName<'static>,
    ) -> Arc<ClientConfig> {
        let mut servers = locked(self.servers.get(|_| Mutex::new(Vec::new())));
        let mut known = servers.iter();
        if let Some((_, config)) =
            known.find(|(server, _)| server.0 == *address && server.1 == *name)
        {
            return Arc::clone(config);
        }
        let mut config = self.config.clone();
        config.resumption = Resumption::store(Arc::new(Sessions::default()));
        let config = Arc::new(config);
        if servers.len() >= MOST_SERVERS {
            servers.remove(0);
        }
        servers.push(((address.clone(), name.clone()), Arc::clone(&config)));
        config
    }
}

fn trusting(provider: &CryptoProvider) -> Arc<Trusting> {
    Arc::new(Trusting(provider.signature_verification_algorithms))
}

fn system_roots() -> Result<RootCertStore> {
    let found = rustls_native_certs::load_native_certs();
    let mut roots = RootCertStore::empty();
    let (usable, _) = roots.add_parsable_certificates(found.certs);
    if usable > 0 {
        return Ok(roots);
    }
    let reason = found.errors.first();
    let reason = reason.map_or(String::new(), |error| format!(" ({error})"));
    let text = format!(
        "option `tls_ca`: this system has no root certificates to trust{reason}; name a PEM file of some"
    );
    Err(Error::new(ErrorKind::Config, text))
}

/// Everything that was prepared, and is likely to be asked for again.
fn registry() -> MutexGuard<'static, Registry> {
    static REGISTRY: OnceLock<PerProcess<Mutex<Registry>>> = OnceLock::new();
    let registry = REGISTRY.get_or_init(|| PerProcess::new(Mutex::new(Vec::new())));
    locked(registry.get(|inherited| {
        let known = inherited.try_lock();
        Mutex::new(known.map_or_else(|_| Vec::new(), |known| known.clone()))
    }))
}

fn known(digest: &[u8; 32]) -> Option<Arc<Shared>> {
    let mut registry = registry();
    let at = registry
        .iter()
        .position(|shared| shared.digest == *digest)?;
    let shared = registry.remove(at);
    registry.push(Arc::clone(&shared));
    Some(shared)
}

/// Another thread may have prepared the same in the meantime; the first stays.
fn keep(fresh: Shared) -> Arc<Shared> {
    if let Some(shared) = known(&fresh.digest) {
        return shared;
    }
    let fresh = Arc::new(fresh);
    let mut registry = registry();
    if registry.len() >= MOST_SHARED {
        registry.remove(0);
    }
    registry.push(Arc::clone(&fresh));
    fresh
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
