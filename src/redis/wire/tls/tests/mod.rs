//! TLS with a real Redis, with servers that misbehave, and without any.

pub(crate) mod fake;
pub(crate) mod files;
pub(crate) mod real;

use std::path::PathBuf;
use std::time::Duration;

use crate::config::TlsOptions;
use crate::error::ErrorKind;

use super::super::Wire;
use super::super::tests::{Scratch, millis};
use super::*;

use certs::{Authority, Issued};

#[path = "../../../../../tests/common/certs.rs"]
mod certs;

/// An authority, and a folder for what it issues.
struct Office {
    authority: Authority,
    folder: Scratch,
    ca: PathBuf,
}

impl Office {
    fn open() -> Office {
        Office::of("an authority of the tests")
    }

    fn of(name: &str) -> Office {
        let authority = Authority::new(name);
        let folder = Scratch::new();
        let ca = certs::write(&folder.0, "ca.crt", &authority.pem());
        Office {
            authority,
            folder,
            ca,
        }
    }

    /// Options that trust this authority.
    fn options(&self) -> TlsOptions {
        TlsOptions {
            ca: Some(self.ca.clone()),
            ..TlsOptions::default()
        }
    }

    /// The same, with a certificate of the client's own.
    fn options_of(&self, client: &Issued) -> TlsOptions {
        let (cert, key) = client.write(&self.folder.0, "client");
        TlsOptions {
            cert: Some(cert),
            key: Some(key),
            ..self.options()
        }
    }

    fn settings(&self) -> TlsSettings {
        prepare(&self.options()).unwrap()
    }
}

fn local(port: u16) -> Address {
    at("localhost", port)
}

fn at(host: &str, port: u16) -> Address {
    Address::Tcp {
        host: host.into(),
        port,
    }
}

fn is_resumed(wire: &Wire) -> bool {
    wire.secure.as_ref().unwrap().is_resumed()
}
