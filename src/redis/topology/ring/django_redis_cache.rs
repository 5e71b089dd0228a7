//! The ring of Python's django-redis-cache 3.0.1, bit for bit: `HashRing` of its `sharder.py`, under the names that
//! its `ShardedRedisCache` gives the servers. A server owns 16 points of a circle of 32 bits of MD5.

use std::ffi::OsStr;
use std::fmt::Write;
use std::os::unix::ffi::OsStrExt;

use md5::{Digest, Md5};

use crate::config::Address;

use super::member::Member;
use super::points::Points;

const POINTS_PER_NODE: usize = 16;

#[derive(Debug)]
pub(crate) struct DjangoRedisCache(Points<u32>);

impl DjangoRedisCache {
    pub(crate) fn new(nodes: &[String]) -> Self {
        let points = nodes.iter().enumerate().flat_map(|(index, node)| {
            (0..POINTS_PER_NODE)
                .map(move |point| (position(format!("{point}:{node}").as_bytes()), index))
        });
        DjangoRedisCache(Points::new(points))
    }

    pub(crate) fn place(&self, key: &[u8]) -> usize {
        self.0.owner(position(key))
    }
}

/// The last eight hexadecimal digits of the MD5.
fn position(text: &[u8]) -> u32 {
    let digest: [u8; 16] = Md5::digest(text).into();
    let [.., a, b, c, d] = digest;
    u32::from_be_bytes([a, b, c, d])
}

/// What the package calls the server: `str((host, port, db, unix_socket_path))`. Each form of a location leaves other
/// traces there: one that names no path gives '' as a `redis://` URL but None as `rediss://` or `host:port`, a
/// `unix://` URL brings along the default host and port, and `[::1]:6379` keeps its brackets.
pub(crate) fn identity(member: &Member<'_>) -> String {
    let db = member.db;
    let scheme = member
        .spelled
        .split_once("://")
        .map(|(scheme, _)| scheme.to_ascii_lowercase());
    match (member.address, scheme.as_deref()) {
        (Address::Tcp { host, port }, None) if member.spelled.starts_with('[') => {
            format!("({}, {port}, {db}, None)", text(&format!("[{host}]")))
        }
        (Address::Tcp { host, port }, None) => format!("({}, {port}, {db}, None)", text(host)),
        (Address::Tcp { host, port }, Some(scheme)) => {
            let path = if matches!(scheme, "rediss" | "valkeys") {
                "None"
            } else {
                "''"
            };
            format!("({}, {port}, {db}, {path})", text(&lower_case(host)))
        }
        (Address::Unix(path), None) => {
            format!("(None, None, {db}, {})", repr(path.as_os_str()))
        }
        (Address::Unix(path), Some(_)) => {
            format!("('127.0.0.1', 6379, {db}, {})", repr(path.as_os_str()))
        }
        // No such store is ever part of a ring.
        (address @ Address::Memory(_), _) => address.to_string(),
    }
}

/// As `urlparse(..).hostname` has it: all but the zone of an IPv6 address.
fn lower_case(host: &str) -> String {
    match host.split_once('%') {
        Some((ip, zone)) => format!("{}%{zone}", ip.to_lowercase()),
        None => host.to_lowercase(),
    }
}

fn text(text: &str) -> String {
    repr(OsStr::new(text))
}

/// Python's `repr` of a string. Bytes that are not UTF-8 are there what `surrogateescape` makes of them.
fn repr(text: &OsStr) -> String {
    let bytes = text.as_bytes();
    let quote = match (bytes.contains(&b'\''), bytes.contains(&b'"')) {
        (true, false) => '"',
        _ => '\'',
    };
    let mut repr = String::from(quote);
    for chunk in bytes.utf8_chunks() {
        for char in chunk.valid().chars() {
            push(&mut repr, char, quote);
        }
        for byte in chunk.invalid() {
            let _ = write!(repr, "\\udc{byte:02x}");
        }
    }
    repr.push(quote);
    repr
}

fn push(repr: &mut String, char: char, quote: char) {
    let code = u32::from(char);
    let _ = match char {
        '\n' => write!(repr, "\\n"),
        '\r' => write!(repr, "\\r"),
        '\t' => write!(repr, "\\t"),
        '\\' => write!(repr, "\\\\"),
        _ if char == quote => write!(repr, "\\{char}"),
        _ if is_printable(char) => write!(repr, "{char}"),
        _ if code < 0x100 => write!(repr, "\\x{code:02x}"),
        _ if code < 0x1_0000 => write!(repr, "\\u{code:04x}"),
        _ => write!(repr, "\\U{code:08x}"),
    };
}

/// Python's `str.isprintable`: no separator but the space, and nothing of Unicode's class Other. Rust's `escape_debug`
/// draws the same line, if the character is not the first one: there a combining mark would be escaped too.
fn is_printable(char: char) -> bool {
    let behind_another = format!("a{char}");
    match char {
        '\'' | '"' | '\\' => true,
        _ => behind_another.escape_debug().eq(behind_another.chars()),
    }
}
