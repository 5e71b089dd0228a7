//! The Redis protocol, RESP2 and RESP3 (<https://redis.io/docs/latest/develop/reference/protocol-spec/>): an
//! encoder of commands ([`encoder`]) and a parser that works in place, line by line, on whatever bytes are there. It allocates
//! nothing, trusts no length, and whatever it is fed it either understands, asks for more, or refuses.

mod encoder;
#[cfg(test)]
pub(crate) mod tests;

use crate::error::{Error, ErrorKind, Result};
use crate::store::framed::CRLF;

pub(crate) use encoder::{Apart, Aside, Encoder, LARGE};

/// The longest value a server may announce: Redis' own default of `proto-max-bulk-len`.
pub(crate) const MAX_BULK: usize = 512 * 1024 * 1024;
/// The longest status or error text; Redis cuts its own far below.
const MAX_LINE: usize = 64 * 1024;
/// More elements than any reply has; a bound that keeps sums of them from overflowing.
const MAX_ELEMENTS: u64 = u32::MAX as u64;
/// As many as `i64` has.
const MAX_DIGITS: usize = 19;

/// One element of a reply, pulled in order: an array is followed by its elements. What only RESP3 has comes as
/// what RESP2 would have sent, or nearly so: maps and sets are arrays, a boolean is 0 or 1, doubles and big numbers are
/// statuses, a verbatim text is a bulk without its prefix.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Token<'a> {
    Status(&'a [u8]),
    Error(&'a [u8]),
    Int(i64),
    Bulk(&'a [u8]),
    Nil,
    /// So many elements follow; not to be trusted as a capacity.
    Array(usize),
}

/// What the first line of an element says it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Status,
    Error,
    Int(i64),
    Nil,
    Bulk(usize),
    BlobError(usize),
    Verbatim(usize),
    Array(usize),
    /// Attributes: so many values to be dropped, then the element they belong to.
    Attribute(usize),
    /// Not a reply but news of so many values; only ever between replies.
    Push(usize),
}

/// The first line of an element.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Head {
    pub(crate) kind: Kind,
    /// Its length with the line end.
    pub(crate) line: usize,
}

impl Head {
    /// The first line at the start of `bytes`; `None` when it is not complete yet.
    pub(crate) fn parse(bytes: &[u8]) -> Result<Option<Head>> {
        let Some((&sigil, rest)) = bytes.split_first() else {
            return Ok(None);
        };
        match sigil {
            b'$' => Head::sized(rest, Kind::Bulk),
            b':' => Head::number(rest, |value| Ok(Kind::Int(value))),
            b'+' | b',' | b'(' => Head::text(rest, Kind::Status),
            b'-' => Head::text(rest, Kind::Error),
            b'*' | b'~' => Head::counted(rest, 1, Kind::Array),
            b'%' => Head::counted(rest, 2, Kind::Array).and_then(not_null),
            b'_' => Head::fixed(rest, b"", Kind::Nil),
            b'#' if rest.first() == Some(&b't') => Head::fixed(rest, b"t", Kind::Int(1)),
            b'#' => Head::fixed(rest, b"f", Kind::Int(0)),
            b'!' => Head::sized(rest, Kind::BlobError).and_then(not_null),
            b'=' => Head::sized(rest, Kind::Verbatim).and_then(not_null),
            b'|' => Head::counted(rest, 2, Kind::Attribute).and_then(not_null),
            b'>' => Head::counted(rest, 1, Kind::Push).and_then(not_null),
            _ => Err(stranger(bytes)),
        }
    }

    /// Bytes that follow the line: the payload and its end.
    pub(crate) fn body(&self) -> usize {
        match self.kind {
            Kind::Bulk(len) | Kind::BlobError(len) | Kind::Verbatim(len) => len + CRLF.len(),
            _ => 0,
        }
    }

    /// Elements that follow as parts of this one; for attributes the one they belong to as well.
    pub(crate) fn parts(&self) -> u64 {
        match self.kind {
            Kind::Array(count) | Kind::Push(count) => count as u64,
            Kind::Attribute(count) => count as u64 + 1,
            _ => 0,
        }
    }

    /// The token in `element`, which is this line and its body. Attributes and pushes are none.
    pub(crate) fn token<'a>(&self, element: &'a [u8]) -> Result<Token<'a>> {
        let text = || element.get(1..self.line - CRLF.len()).ok_or_else(cut_short);
        let payload = || unterminated(element.get(self.line..).unwrap_or_default());
        Ok(match self.kind {
            Kind::Status => Token::Status(text()?),
            Kind::Error => Token::Error(text()?),
            Kind::Int(value) => Token::Int(value),
            Kind::Nil => Token::Nil,
            Kind::Bulk(_) => Token::Bulk(payload()?),
            Kind::BlobError(_) => Token::Error(payload()?),
            // Three letters and a colon name the format: "txt:".
            Kind::Verbatim(_) => Token::Bulk(payload()?.get(4..).ok_or_else(cut_short)?),
            Kind::Array(count) => Token::Array(count),
            Kind::Attribute(_) | Kind::Push(_) => return Err(cut_short()),
        })
    }

    fn text(rest: &[u8], kind: Kind) -> Result<Option<Head>> {
        let Some(end) = rest.iter().position(|byte| matches!(byte, b'\r' | b'\n')) else {
            if rest.len() > MAX_LINE {
                return Err(malformed("a line of more than 64 KiB"));
            }
            return Ok(None);
        };
        ended(rest, end, kind)
    }

    fn fixed(rest: &[u8], word: &[u8], kind: Kind) -> Result<Option<Head>> {
        match rest.strip_prefix(word) {
            Some(_) => ended(rest, word.len(), kind),
            None if rest.is_empty() => Ok(None),
            None => Err(malformed("a boolean that is neither t nor f")),
        }
    }

    #[inline]
    fn number(rest: &[u8], kind: impl FnOnce(i64) -> Result<Kind>) -> Result<Option<Head>> {
        let (negative, digits) = match rest.split_first() {
            Some((b'-', digits)) => (true, digits),
            Some((b'+', digits)) => (false, digits),
            _ => (false, rest),
        };
        let mut value: u64 = 0;
        let mut len = 0;
        for byte in digits {
            let digit = byte.wrapping_sub(b'0');
            if digit > 9 {
                break;
            }
            len += 1;
            // Wraps in the twentieth digit at the earliest, and so many are refused.
            value = value.wrapping_mul(10).wrapping_add(u64::from(digit));
        }
        if len > MAX_DIGITS {
            return Err(malformed("a number beyond 64 bits"));
        }
        let end = rest.len() - digits.len() + len;
        if end == rest.len() {
            return Ok(None);
        }
        let signed = if negative {
            0i64.checked_sub_unsigned(value)
        } else {
            i64::try_from(value).ok()
        };
        match signed.filter(|_| len > 0) {
            Some(value) => ended(rest, end, kind(value)?),
            None if len > 0 => Err(malformed("a number beyond 64 bits")),
            None => Err(malformed("something else where a number belongs")),
        }
    }

    /// A length in bytes; -1 is the null of RESP2.
    #[inline]
    fn sized(rest: &[u8], kind: impl FnOnce(usize) -> Kind) -> Result<Option<Head>> {
        Head::number(rest, |value| match usize::try_from(value) {
            Ok(len) if len <= MAX_BULK => Ok(kind(len)),
            Ok(_) => Err(malformed("a value of more than 512 MiB")),
            Err(_) if value == -1 => Ok(Kind::Nil),
            Err(_) => Err(malformed("a negative length")),
        })
    }

    fn counted(rest: &[u8], each: u64, kind: impl FnOnce(usize) -> Kind) -> Result<Option<Head>> {
        Head::number(rest, |value| match u64::try_from(value) {
            Ok(count) if count <= MAX_ELEMENTS => Ok(kind((count * each) as usize)),
            Ok(_) => Err(malformed("an array of more than 4294967295 elements")),
            Err(_) if value == -1 => Ok(Kind::Nil),
            Err(_) => Err(malformed("a negative number of elements")),
        })
    }
}

/// The bulk that `bytes` begin with, as the lengths of its first line and of its payload, when all of it is there and
/// its length has no more than four digits: what most values are. `None` only says to go the long way.
#[inline]
pub(crate) fn whole_bulk(bytes: &[u8]) -> Option<(usize, usize)> {
    let [b'$', digits @ .., _] = bytes.first_chunk::<7>()? else {
        return None;
    };
    let mut len = 0;
    for (at, byte) in digits.iter().enumerate() {
        let digit = byte.wrapping_sub(b'0');
        if digit > 9 {
            let line = at + 3;
            let starts = at > 0 && *byte == b'\r' && bytes.get(at + 2) == Some(&b'\n');
            let ends = bytes.get(line + len..line + len + CRLF.len()) == Some(CRLF);
            return (starts && ends).then_some((line, len));
        }
        len = len * 10 + usize::from(digit);
    }
    None
}

/// The element that `bytes` begin with when it is one of the shortest, in which most commands are answered, how many
/// parts it announces, and its length. `None` only says to go the long way.
#[inline]
pub(crate) fn brief(bytes: &[u8]) -> Option<(Token<'static>, u64, usize)> {
    Some(match *bytes {
        [b'+', b'O', b'K', b'\r', b'\n', ..] => (Token::Status(b"OK"), 0, 5),
        [b'_', b'\r', b'\n', ..] => (Token::Nil, 0, 3),
        [kind, digit @ b'0'..=b'9', b'\r', b'\n', ..] => {
            let digit = digit - b'0';
            match kind {
                b':' => (Token::Int(i64::from(digit)), 0, 4),
                b'*' => (Token::Array(usize::from(digit)), u64::from(digit), 4),
                _ => return None,
            }
        }
        _ => return None,
    })
}

/// Only bulks and arrays have a null of their own, which RESP2 writes as length -1.
fn not_null(head: Option<Head>) -> Result<Option<Head>> {
    match head {
        Some(Head {
            kind: Kind::Nil, ..
        }) => Err(malformed("a negative length")),
        other => Ok(other),
    }
}

/// `bytes` without the line end they must have.
pub(crate) fn unterminated(bytes: &[u8]) -> Result<&[u8]> {
    bytes
        .strip_suffix(CRLF)
        .ok_or_else(|| malformed("a value that does not end where its length says"))
}

/// A line whose end is expected `end` bytes into `rest`, behind the sigil.
#[inline]
fn ended(rest: &[u8], end: usize, kind: Kind) -> Result<Option<Head>> {
    match (rest.get(end), rest.get(end + 1)) {
        (Some(b'\r'), Some(b'\n')) => Ok(Some(Head {
            kind,
            line: end + 3,
        })),
        (None, _) | (Some(b'\r'), None) => Ok(None),
        _ => Err(malformed("a line that does not end in CRLF")),
    }
}

/// The bytes themselves stay out of the text: they may be part of a value.
#[cold]
fn malformed(what: &str) -> Error {
    Error::new(
        ErrorKind::Io,
        format!("the reply is not valid RESP: {what}"),
    )
}

#[cold]
fn cut_short() -> Error {
    malformed("an element that is cut short")
}

/// A first byte that no reply has. Well-known greetings are quoted, because they tell who answered.
#[cold]
fn stranger(bytes: &[u8]) -> Error {
    const GREETINGS: [&[u8]; 3] = [b"HTTP/", b"SSH-", b"ERROR"];
    if GREETINGS.iter().any(|greeting| bytes.starts_with(greeting)) {
        let line = bytes
            .split(|byte| byte.is_ascii_control())
            .next()
            .unwrap_or_default();
        let line = String::from_utf8_lossy(line.get(..40).unwrap_or(line));
        return Error::new(
            ErrorKind::Io,
            format!("not a Redis server: it answered \"{line}\""),
        );
    }
    let sigil = bytes.first().copied().unwrap_or_default();
    let hint = if matches!(sigil, 0x15 | 0x16) {
        " (a TLS record: is this a TLS port?)"
    } else {
        ""
    };
    Error::new(
        ErrorKind::Io,
        format!("not a Redis server: no reply begins with byte {sigil:#04x}{hint}"),
    )
}
