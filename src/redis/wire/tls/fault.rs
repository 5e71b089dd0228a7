//! What went wrong with TLS, in words that say what to do about it. All of these are faults of the connection
//! ([`ErrorKind::Io`]); what a certificate holds is quoted only as far as it is a name.

use rustls::{AlertDescription, CertificateError, InvalidMessage};

use crate::error::{Error, ErrorKind};

use crate::base::budget::Budget;

/// Whose word is taken for the identity of a server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Trust {
    /// The roots of the system.
    System,
    /// Those of `tls_ca`.
    File,
    /// Nobody is asked: `tls_insecure=true`.
    Nobody,
}

/// What the texts must know of the settings.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Told {
    pub(crate) trust: Trust,
    pub(crate) has_certificate: bool,
}

/// Names of a certificate that are quoted.
const MOST_NAMES: usize = 5;
/// Characters of each.
const LONGEST_NAME: usize = 100;

impl Told {
    pub(crate) fn fault(self, error: rustls::Error) -> Error {
        let text = match &error {
            rustls::Error::InvalidCertificate(reason) => self.of_certificate(reason),
            rustls::Error::AlertReceived(alert) => self.of_alert(*alert),
            rustls::Error::InvalidMessage(InvalidMessage::InvalidContentType) => {
                "the server answered in plain text: the location of a port without TLS is `redis://`".to_owned()
            }
            rustls::Error::PeerIncompatible(reason) => format!(
                "the server and this client have no version of TLS or no cipher in common: TLS 1.2 or 1.3 \
                 is needed ({reason:?})"
            ),
            _ => format!("the server broke the rules of TLS: {error}"),
        };
        Error::new(ErrorKind::Io, text).caused_by(error)
    }

    fn of_certificate(self, reason: &CertificateError) -> String {
        match reason {
            CertificateError::UnknownIssuer if self.trust == Trust::File => {
                "the server's certificate is signed by no CA of `tls_ca`".to_owned()
            }
            CertificateError::UnknownIssuer => {
                "the server's certificate is signed by no CA this system trusts: `tls_ca` names the PEM file of \
                 another"
                    .to_owned()
            }
            CertificateError::NotValidForNameContext {
                expected,
                presented,
            } => format!(
                "the server's certificate is not for `{}` but for {}: the name to expect is `tls_server_name`, or \
                 else the host",
                expected.to_str(),
                names(presented)
            ),
            CertificateError::ExpiredContext { time, not_after } => format!(
                "the server's certificate expired {} ago",
                rough(time.as_secs().saturating_sub(not_after.as_secs()))
            ),
            CertificateError::NotValidYetContext { time, not_before } => format!(
                "the server's certificate is not valid yet, only in {}",
                rough(not_before.as_secs().saturating_sub(time.as_secs()))
            ),
            CertificateError::BadSignature => {
                "the server's certificate is not signed with the key of the CA it names; that CA may have been renewed"
                    .to_owned()
            }
            reason => format!("the server's certificate cannot be accepted: {reason}"),
        }
    }

    fn of_alert(self, alert: AlertDescription) -> String {
        use AlertDescription as Alert;
        let reason = match alert {
            Alert::ProtocolVersion => {
                return "the server speaks neither TLS 1.2 nor TLS 1.3".to_owned();
            }
            Alert::UnrecognisedName => {
                return "the server does not know itself by the name it was asked for: that is `tls_server_name`, or \
                        else the host"
                    .to_owned();
            }
            Alert::CertificateRequired => return self.certificate_wanted(),
            // What TLS 1.2 has to say about a missing certificate, and about much else (RFC 5246, section 7.4.6).
            Alert::HandshakeFailure if !self.has_certificate => {
                return "the server refused the handshake: it may require a client certificate (`tls_cert` and \
                        `tls_key`), or have no cipher in common with this client"
                    .to_owned();
            }
            Alert::UnknownCA => "it does not know the CA",
            Alert::DecryptError => {
                "it is not signed with the key of the CA that the server knows by its name"
            }
            Alert::CertificateExpired => "it has expired",
            Alert::CertificateRevoked => "it is revoked",
            Alert::UnsupportedCertificate => "it does not support its kind, or its purpose",
            Alert::BadCertificate | Alert::CertificateUnknown | Alert::AccessDenied => {
                "it gives no reason"
            }
            alert => return format!("the server broke off with the TLS alert {alert:?}"),
        };
        if self.has_certificate {
            format!("the server refused the client certificate of `tls_cert`: {reason}")
        } else {
            format!("the server broke off with the TLS alert {alert:?}")
        }
    }

    fn certificate_wanted(self) -> String {
        if self.has_certificate {
            // None of ours is signed by a CA that it names.
            "the server requires a client certificate of another CA than that of `tls_cert`"
                .to_owned()
        } else {
            "the server requires a client certificate: `tls_cert` and `tls_key` name its PEM files"
                .to_owned()
        }
    }
}

/// A fault of the handshake, told as one.
pub(crate) fn in_handshake(error: Error, answered: bool, budget: Budget) -> Error {
    let within = budget.total();
    let text = match error.kind() {
        ErrorKind::Timeout if answered => {
            format!("the TLS handshake was not complete within {within:?}")
        }
        ErrorKind::Timeout => format!(
            "no answer to the TLS handshake within {within:?}: a Redis port without TLS is as silent, and its location \
             is `redis://`"
        ),
        _ => format!("TLS handshake: {error}"),
    };
    Error::new(error.kind(), text).caused_by(error)
}

/// The names a certificate is for, as webpki shows them: `DnsName("a.example")`, `IpAddress(127.0.0.1)`.
fn names(presented: &[String]) -> String {
    let mut names: Vec<String> = presented
        .iter()
        .map(|name| {
            let name = name
                .split_once('(')
                .map_or(name.as_str(), |(_, rest)| rest)
                .trim_end_matches(')')
                .trim_matches('"');
            format!(
                "`{}`",
                name.chars()
                    .take(LONGEST_NAME)
                    .collect::<String>()
                    .escape_debug()
            )
        })
        .take(MOST_NAMES)
        .collect();
    if names.is_empty() {
        return "no name at all".to_owned();
    }
    if presented.len() > MOST_NAMES {
        names.push(format!("{} more", presented.len() - MOST_NAMES));
    }
    names.join(", ")
}

/// A span of time in its largest unit.
fn rough(seconds: u64) -> String {
    let minutes = seconds / 60;
    match (seconds, minutes) {
        (..120, _) => format!("{seconds} seconds"),
        (_, ..120) => format!("{minutes} minutes"),
        (_, ..2880) => format!("{} hours", minutes / 60),
        _ => format!("{} days", minutes / 1440),
    }
}
