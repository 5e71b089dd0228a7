//! The syntax of locations: where a URL or its short forms divide, and how their pieces are decoded (RFC 3986). Texts
//! about a location quote none of its pieces, because what was meant as a password may stand in any of them; the
//! location itself is shown by [`without_secrets`].

use std::net::Ipv6Addr;

use percent_encoding::percent_decode_str;

use super::units::some_text;

/// The port of a location that names none.
const DEFAULT_PORT: u16 = 6379;

/// A location taken apart; nothing is decoded yet.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Pieces<'a> {
    /// `None` for the short forms `host:port` and `/path`.
    pub(crate) scheme: Option<&'a str>,
    /// `user:password`, before the `@`.
    pub(crate) user_info: Option<&'a str>,
    /// Host and port, or the name of an embedded store.
    pub(crate) authority: &'a str,
    /// Empty, or from the first `/` on.
    pub(crate) path: &'a str,
    pub(crate) query: Option<&'a str>,
}

impl<'a> Pieces<'a> {
    pub(crate) fn split(text: &'a str) -> Result<Self, String> {
        if text.is_empty() {
            return Err("it is empty".to_owned());
        }
        if text.chars().any(char::is_control) {
            return Err("it has a control character: one is written %0A or the like".to_owned());
        }
        if text.contains('#') {
            return Err("it has a `#`: a literal one is written %23".to_owned());
        }
        let (front, query) = match text.split_once('?') {
            Some((front, query)) => (front, Some(query)),
            None => (text, None),
        };
        let (scheme, rest) = split_scheme(front);
        let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
        let (user_info, authority) = match authority.rsplit_once('@') {
            Some((user_info, host)) => (Some(user_info), host),
            None => (None, authority),
        };
        Ok(Pieces {
            scheme,
            user_info,
            authority,
            path,
            query,
        })
    }

    /// The location as it was spelled, less what may be secret.
    pub(crate) fn shown(&self) -> String {
        let Pieces {
            authority, path, ..
        } = self;
        match self.scheme {
            Some(scheme) => format!("{scheme}://{authority}{path}"),
            None => format!("{authority}{path}"),
        }
    }

    /// User and password, decoded; empty ones are none.
    pub(crate) fn credentials(&self) -> Result<(Option<String>, Option<String>), String> {
        let (user, password) = self
            .user_info
            .unwrap_or_default()
            .split_once(':')
            .unwrap_or((self.user_info.unwrap_or_default(), ""));
        Ok((some_text(decoded(user)?), some_text(decoded(password)?)))
    }

    /// Names and values of the query, decoded.
    pub(crate) fn assignments(&self) -> impl Iterator<Item = Result<(String, String), String>> {
        let query = self.query.filter(|query| !query.is_empty());
        query
            .into_iter()
            .flat_map(|query| query.split('&'))
            .map(|assignment| {
                let (name, value) = assignment
                    .split_once('=')
                    .ok_or("the query is not a list of `option=value`, joined by `&`")?;
                Ok((decoded(name)?, decoded(value)?))
            })
    }

    /// Host and port. An IPv6 address loses its brackets.
    pub(crate) fn host_and_port(&self) -> Result<(String, u16), String> {
        if self.authority.starts_with('[') {
            return self.ipv6_and_port();
        }
        let (host, port) = match self.authority.split_once(':') {
            Some((_, port)) if port.contains(':') => {
                return Err("it has more than one `:`: an IPv6 address stands in brackets, as in `[::1]:6379`".to_owned());
            }
            Some((host, port)) => (host, port_number(port)?),
            None => (self.authority, DEFAULT_PORT),
        };
        let host = decoded(host)?;
        if host.is_empty() {
            return Err("there is no host".to_owned());
        }
        if !host
            .chars()
            .all(|c| c.is_alphanumeric() || matches!(c, '.' | '-' | '_'))
        {
            return Err("the host is not one: it may have letters, digits, `.`, `-` and `_` (only `open` takes a list)"
                .to_owned());
        }
        Ok((host, port))
    }

    fn ipv6_and_port(&self) -> Result<(String, u16), String> {
        const WRONG: &str =
            "there is no IPv6 address in the brackets, or no port behind them, as in `[::1]:6379`";
        let (host, behind) = self
            .authority
            .trim_start_matches('[')
            .split_once(']')
            .ok_or(WRONG)?;
        let host = decoded(host)?;
        // RFC 6874: a zone follows the address behind an (encoded) percent sign.
        let (ip, zone) = host.split_once('%').unwrap_or((&host, "lo"));
        if ip.parse::<Ipv6Addr>().is_err()
            || zone.is_empty()
            || !zone.chars().all(|c| c.is_ascii_graphic())
        {
            return Err(WRONG.to_owned());
        }
        let port = match behind.strip_prefix(':') {
            Some(port) => port_number(port)?,
            None if behind.is_empty() => DEFAULT_PORT,
            None => return Err(WRONG.to_owned()),
        };
        Ok((host, port))
    }
}

/// Percent-decoded text, which has no NUL. A `+` is a plus.
pub(crate) fn decoded(text: &str) -> Result<String, String> {
    let text = String::from_utf8(decoded_bytes(text)?)
        .map_err(|_| "its escapes are not UTF-8".to_owned())?;
    if text.contains('\0') {
        return Err("it has a NUL (`%00`), which C and files would take for its end".to_owned());
    }
    Ok(text)
}

/// Percent-decoded bytes.
pub(crate) fn decoded_bytes(text: &str) -> Result<Vec<u8>, String> {
    let is_escape = |behind: &[u8]| matches!(behind, [a, b, ..] if a.is_ascii_hexdigit() && b.is_ascii_hexdigit());
    if text
        .as_bytes()
        .split(|byte| *byte == b'%')
        .skip(1)
        .all(is_escape)
    {
        Ok(percent_decode_str(text).collect())
    } else {
        Err(
            "it has a `%` without two hexadecimal digits behind it: a literal one is written %25"
                .to_owned(),
        )
    }
}

/// How a text about a location shows it, right or wrong: without user, password and query. Where the text is so
/// wrong that a part of a password may stand elsewhere, that part is left away too.
pub(crate) fn without_secrets(text: &str) -> String {
    let text = text.trim();
    let (front, behind) = text.split_at(text.find(['?', '#']).unwrap_or(text.len()));
    let (scheme, rest) = split_scheme(front);
    let start = scheme
        .map(|scheme| format!("{scheme}://"))
        .unwrap_or_default();
    if scheme.is_none() && rest.starts_with('/') {
        return rest.escape_debug().to_string();
    }
    let rest = match rest.rsplit_once('@') {
        Some((_, host)) => host,
        None if behind.contains('@') => return format!("{start}..."),
        None => rest,
    };
    let authority = rest.split('/').next().unwrap_or_default();
    let is_ip = |host: &str| host.parse::<Ipv6Addr>().is_ok();
    let (host, port) = match authority
        .strip_prefix('[')
        .and_then(|rest| rest.split_once(']'))
    {
        Some((host, port)) if is_ip(host) => {
            (authority.trim_end_matches(port), port.strip_prefix(':'))
        }
        _ if is_ip(authority) => (authority, None),
        _ => authority
            .split_once(':')
            .map_or((authority, None), |(host, port)| (host, Some(port))),
    };
    let is_number = |port: &str| !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit());
    if port.is_none_or(is_number) {
        format!("{start}{}", rest.escape_debug())
    } else {
        format!("{start}{}:...", host.escape_debug())
    }
}

fn split_scheme(front: &str) -> (Option<&str>, &str) {
    let is_scheme = |text: &str| {
        text.bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte))
    };
    match front.split_once("://") {
        Some((scheme, rest)) if is_scheme(scheme) => (Some(scheme), rest),
        _ => (None, front),
    }
}

fn port_number(text: &str) -> Result<u16, String> {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    match text.parse() {
        Ok(port @ 1..) if digits => Ok(port),
        _ => Err("the port is not a number from 1 to 65535".to_owned()),
    }
}
