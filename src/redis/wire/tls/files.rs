//! The PEM files of the TLS options. They are read when the configuration is connected, so that a file that is missing,
//! empty or the wrong one is an error that names the option and the path, and not a failing handshake later; and again
//! when they have changed.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use rustls::RootCertStore;
use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use sha2::{Digest, Sha256};

use crate::config::TlsOptions;
use crate::error::{Error, ErrorKind, Result};

/// No PEM file is longer. All roots of the web are 230 KB.
const LONGEST: u64 = 16 * 1024 * 1024;

/// What the files hold that a configuration names.
pub(crate) struct Files {
    ca: Option<Pem>,
    /// Certificate and key.
    client: Option<(Pem, Pem)>,
    insecure: bool,
}

struct Pem {
    option: &'static str,
    path: PathBuf,
    bytes: Vec<u8>,
}

/// A client certificate with the chain above it, and its key.
pub(crate) type Client = (Vec<CertificateDer<'static>>, PrivateKeyDer<'static>);

impl Files {
    pub(crate) fn read(options: &TlsOptions) -> Result<Files> {
        let ca = options.ca.as_deref();
        let client = match (&options.cert, &options.key) {
            (Some(cert), Some(key)) => {
                Some((Pem::read("tls_cert", cert)?, Pem::read("tls_key", key)?))
            }
            (None, None) => None,
            _ => {
                let text = "options `tls_cert` and `tls_key`: one needs the other";
                return Err(Error::new(ErrorKind::Config, text));
            }
        };
        Ok(Files {
            ca: ca.map(|path| Pem::read("tls_ca", path)).transpose()?,
            client,
            insecure: options.insecure == Some(true),
        })
    }

    pub(crate) fn is_insecure(&self) -> bool {
        self.insecure
    }

    /// The same for the same contents: a file that was renewed under its old name is another.
    pub(crate) fn digest(&self) -> [u8; 32] {
        let client = self.client.as_ref();
        let parts = [
            self.ca.as_ref(),
            client.map(|client| &client.0),
            client.map(|client| &client.1),
        ];
        let mut digest = Sha256::new();
        digest.update([u8::from(self.insecure)]);
        for part in parts {
            let bytes = part.map(|pem| pem.bytes.as_slice());
            let len = bytes.map_or(u64::MAX, |bytes| bytes.len() as u64);
            digest.update(len.to_le_bytes());
            digest.update(bytes.unwrap_or_default());
        }
        digest.finalize().into()
    }

    /// The roots of `tls_ca`, if it is given.
    pub(crate) fn roots(&self) -> Result<Option<RootCertStore>> {
        let Some(pem) = &self.ca else {
            return Ok(None);
        };
        let mut roots = RootCertStore::empty();
        for (index, certificate) in pem.certificates()?.into_iter().enumerate() {
            roots.add(certificate).map_err(|error| {
                pem.fault(&format!(
                    "certificate {} is no CA to trust: {error}",
                    index + 1
                ))
            })?;
        }
        Ok(Some(roots))
    }

    /// The client's certificate, if one is given.
    pub(crate) fn client(&self) -> Result<Option<Client>> {
        let Some((cert, key)) = &self.client else {
            return Ok(None);
        };
        Ok(Some((cert.certificates()?, key.key()?)))
    }

    /// The fault of a certificate and a key that rustls cannot use together.
    pub(crate) fn unusable(&self, error: rustls::Error) -> Error {
        let Some((cert, key)) = &self.client else {
            return Error::new(ErrorKind::Config, format!("TLS cannot be set up: {error}"));
        };
        match error {
            rustls::Error::InconsistentKeys(_) => key.fault(&format!(
                "it is not the key of the certificate in {}",
                cert.path.display()
            )),
            rustls::Error::InvalidCertificate(_) => {
                cert.fault(&format!("the certificate cannot be used: {error}"))
            }
            _ => key.fault(&format!("the key cannot be used: {error}")),
        }
    }
}

impl Pem {
    fn read(option: &'static str, path: &Path) -> Result<Pem> {
        let mut pem = Pem {
            option,
            path: path.to_owned(),
            bytes: Vec::new(),
        };
        let read = File::open(path)
            .and_then(|file| file.take(LONGEST + 1).read_to_end(&mut pem.bytes))
            .and_then(|len| match len as u64 {
                ..=LONGEST => Ok(()),
                _ => Err(io::Error::other("it is longer than 16 MiB")),
            });
        match read {
            Ok(()) => Ok(pem),
            Err(error) => {
                let fault = pem.fault(&format!("cannot be read: {error}"));
                Err(fault.caused_by(error))
            }
        }
    }

    fn certificates(&self) -> Result<Vec<CertificateDer<'static>>> {
        let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&self.bytes).collect();
        match found {
            Ok(found) if found.is_empty() => {
                Err(self.fault("it has no certificate (-----BEGIN CERTIFICATE-----)"))
            }
            Ok(found) => Ok(found),
            Err(error) => Err(self.malformed(&error)),
        }
    }

    fn key(&self) -> Result<PrivateKeyDer<'static>> {
        PrivateKeyDer::from_pem_slice(&self.bytes).map_err(|error| match error {
            pem::Error::NoItemsFound => self.fault(
                "it has no private key of PKCS#8, SEC1 or RSA (-----BEGIN PRIVATE KEY-----), or only one that a \
                 password protects",
            ),
            error => self.malformed(&error),
        })
    }

    /// The text of the parser quotes lines of the file, which may be a key.
    fn malformed(&self, error: &pem::Error) -> Error {
        let what = match error {
            pem::Error::MissingSectionEnd { .. } => "a section without an end",
            pem::Error::IllegalSectionStart { .. } => "a line that begins no section",
            pem::Error::Base64Decode(_) => "a section that is not base64",
            _ => "a section that cannot be read",
        };
        self.fault(&format!("it is no valid PEM file: it has {what}"))
    }

    fn fault(&self, what: &str) -> Error {
        let (option, path) = (self.option, self.path.display());
        Error::new(
            ErrorKind::Config,
            format!("option `{option}`: {path}: {what}"),
        )
    }
}
