//! Certificates for tests, made afresh: authorities, and what they issue to servers and clients. Files are written
//! where the caller says. The unit tests of the library include this file too.

use std::fs;
use std::path::{Path, PathBuf};

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa,
    KeyPair, date_time_ymd,
};

/// Making RSA keys takes seconds; this one was made for these tests and guards nothing.
const RSA_KEY: &str = include_str!("rsa_key.pem");

/// A certificate authority.
pub(crate) struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
}

/// What an authority issued.
pub(crate) struct Issued {
    /// PEM.
    pub(crate) certificate: String,
    key: KeyPair,
}

/// When a certificate is valid.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Valid {
    Now,
    NoMore,
    NotYet,
}

impl Authority {
    pub(crate) fn new(name: &str) -> Authority {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        let issuer = CertifiedIssuer::self_signed(params, key).unwrap();
        Authority { issuer }
    }

    /// The authority's own certificate, as PEM.
    pub(crate) fn pem(&self) -> String {
        self.issuer.pem()
    }

    /// A certificate of a server that has these names: hosts, wildcards or IP addresses.
    pub(crate) fn server(&self, names: &[&str], valid: Valid) -> Issued {
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let mut params = CertificateParams::new(names).unwrap();
        (params.not_before, params.not_after) = match valid {
            Valid::Now => (date_time_ymd(2020, 1, 1), date_time_ymd(2200, 1, 1)),
            Valid::NoMore => (date_time_ymd(2020, 1, 1), date_time_ymd(2021, 1, 1)),
            Valid::NotYet => (date_time_ymd(2200, 1, 1), date_time_ymd(2201, 1, 1)),
        };
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        self.issue(&params, KeyPair::generate().unwrap())
    }

    /// A certificate for the machine the tests run on.
    pub(crate) fn local_server(&self) -> Issued {
        self.server(&["localhost", "127.0.0.1", "::1"], Valid::Now)
    }

    /// A certificate of a client.
    pub(crate) fn client(&self, name: &str) -> Issued {
        self.client_with(name, KeyPair::generate().unwrap())
    }

    /// The same, of an RSA key.
    pub(crate) fn rsa_client(&self, name: &str) -> Issued {
        self.client_with(name, KeyPair::from_pem(RSA_KEY).unwrap())
    }

    fn client_with(&self, name: &str, key: KeyPair) -> Issued {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, name);
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        self.issue(&params, key)
    }

    fn issue(&self, params: &CertificateParams, key: KeyPair) -> Issued {
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        Issued {
            certificate: certificate.pem(),
            key,
        }
    }
}

impl Issued {
    /// The key as PKCS#8, in PEM.
    pub(crate) fn key(&self) -> String {
        self.key.serialize_pem()
    }

    /// The key in the older form of its kind: SEC1 or PKCS#1.
    pub(crate) fn old_key(&self) -> String {
        // PKCS#8 is version, algorithm, and the older form (RFC 5958, section 2). What comes before it has the same
        // length for all keys of a kind.
        let der = self.key.serialized_der();
        let (label, before) = if self.key.algorithm() == &rcgen::PKCS_RSA_SHA256 {
            ("RSA PRIVATE KEY", 26)
        } else {
            ("EC PRIVATE KEY", 29)
        };
        pem(label, &der[before..])
    }

    /// Writes `{name}.crt` and `{name}.key`.
    pub(crate) fn write(&self, folder: &Path, name: &str) -> (PathBuf, PathBuf) {
        let certificate = write(folder, &format!("{name}.crt"), &self.certificate);
        (
            certificate,
            write(folder, &format!("{name}.key"), &self.key()),
        )
    }
}

/// Writes a file and tells its path.
pub(crate) fn write(folder: &Path, name: &str, text: &str) -> PathBuf {
    let path = folder.join(name);
    fs::write(&path, text).unwrap();
    path
}

fn pem(label: &str, der: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = format!("-----BEGIN {label}-----\n");
    for line in der.chunks(48) {
        for group in line.chunks(3) {
            let bits = group
                .iter()
                .fold(0, |bits, byte| bits << 8 | u32::from(*byte));
            let bits = bits << (8 * (3 - group.len()));
            for at in 0..4 {
                let digit = DIGITS[(bits >> (18 - 6 * at)) as usize & 63];
                text.push(if at <= group.len() {
                    char::from(digit)
                } else {
                    '='
                });
            }
        }
        text.push('\n');
    }
    text + &format!("-----END {label}-----\n")
}
