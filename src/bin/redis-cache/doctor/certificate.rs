//! Until when a server's certificate holds.

use std::time::{SystemTime, UNIX_EPOCH};

use redis_cache::Cache;
use x509_parser::prelude::{FromDer, X509Certificate};

use super::Findings;

const DAY: i64 = 86_400;

pub(super) fn examine(cache: &Cache, name: &str, findings: &mut Findings) {
    let der = match cache.node_certificate(name) {
        Ok(None) => return,
        Ok(Some(der)) => der,
        Err(error) => {
            return findings.broken(
                name,
                "tls",
                error.to_string(),
                "check `tls_ca` and `tls_server_name`, and the server's certificate",
            );
        }
    };
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    let now = i64::try_from(now.as_secs()).unwrap_or(i64::MAX);
    let Ok((_, certificate)) = X509Certificate::from_der(&der) else {
        return findings.note(
            name,
            "tls",
            "its certificate does not say in a known way until when it holds",
            "",
        );
    };
    let end = certificate.validity().not_after.timestamp();
    let days = (end - now).div_euclid(DAY);
    let text = format!("its certificate holds for {days} days");
    match days {
        ..0 => findings.broken(
            name,
            "tls",
            format!("its certificate ended {} days ago", -days),
            "renew it; tls-cert-file can be set again by CONFIG SET without a restart",
        ),
        0..30 => findings.warn(
            name,
            "tls",
            text,
            "renew it; tls-cert-file can be set again by CONFIG SET without a restart",
        ),
        _ => findings.good(name, "tls", text),
    }
}
