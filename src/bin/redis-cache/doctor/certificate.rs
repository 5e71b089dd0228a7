//! Until when a server's certificate holds: the one field of it that is read, by its place (RFC 5280, section 4.1).

use std::time::{SystemTime, UNIX_EPOCH};

use redis_cache::Cache;

use super::Findings;

const DAY: i64 = 86_400;

const INTEGER: u8 = 0x02;
const UTC_TIME: u8 = 0x17;
const SEQUENCE: u8 = 0x30;
const VERSION: u8 = 0xa0;

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
    let Some(end) = not_after(&der) else {
        return findings.note(
            name,
            "tls",
            "its certificate does not say in a known way until when it holds",
            "",
        );
    };
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

/// In Unix seconds.
fn not_after(der: &[u8]) -> Option<i64> {
    let (_, certificate, _) = element(der)?;
    let (_, mut fields, _) = element(certificate)?;
    // Version (which may be missing), serial number, algorithm, issuer.
    for wanted in [VERSION, INTEGER, SEQUENCE, SEQUENCE] {
        let (tag, _, rest) = element(fields)?;
        match tag == wanted {
            true => fields = rest,
            false if wanted == VERSION => {}
            false => return None,
        }
    }
    let (_, validity, _) = element(fields)?;
    let (_, _, rest) = element(validity)?;
    let (tag, text, _) = element(rest)?;
    seconds(tag, std::str::from_utf8(text).ok()?)
}

/// Tag, contents, and what is behind it.
fn element(der: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (tag, rest) = der.split_first()?;
    let (first, rest) = rest.split_first()?;
    let (len, rest) = match first {
        len @ 0..0x80 => (usize::from(*len), rest),
        long => {
            let (digits, rest) = rest.split_at_checked(usize::from(long & 0x7f))?;
            let len = digits.iter().try_fold(0_usize, |len, digit| {
                len.checked_mul(256)?.checked_add(usize::from(*digit))
            })?;
            (len, rest)
        }
    };
    let (contents, behind) = rest.split_at_checked(len)?;
    Some((*tag, contents, behind))
}

/// `YYMMDDHHMMSSZ`, or with four digits of the year.
fn seconds(tag: u8, text: &str) -> Option<i64> {
    let (year, rest) = match tag {
        UTC_TIME => {
            let short: i64 = text.get(..2)?.parse().ok()?;
            (
                if short < 50 {
                    2000 + short
                } else {
                    1900 + short
                },
                text.get(2..)?,
            )
        }
        _ => (text.get(..4)?.parse().ok()?, text.get(4..)?),
    };
    let part = |place: usize| rest.get(place..place + 2)?.parse::<i64>().ok();
    let days = days_from_civil(year, part(0)?, part(2)?);
    Some(((days * 24 + part(4)?) * 60 + part(6)?) * 60 + part(8)?)
}

/// Days since 1970, of the Gregorian calendar: Hinnant, <https://howardhinnant.github.io/date_algorithms.html>.
fn days_from_civil(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let of_era = year.rem_euclid(400);
    let of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468
}
