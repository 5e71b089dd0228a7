//! How an argument of a command stands on the wire: a line with its length, its bytes, the end of a line
//! (<https://redis.io/docs/latest/develop/reference/protocol-spec/#bulk-strings>). The keys of a multi-key call lie in their
//! list like this already, so that those which follow each other go out in one piece.

/// The end of every line and of every argument.
pub(crate) const CRLF: &[u8; 2] = b"\r\n";

/// An argument as it is, or framed already.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Argument<'a> {
    Bare(&'a [u8]),
    Framed(&'a [u8]),
}

impl<'a> From<&'a [u8]> for Argument<'a> {
    #[inline(always)]
    fn from(bytes: &'a [u8]) -> Self {
        Argument::Bare(bytes)
    }
}

/// The longest line that says a length.
pub(crate) const LONGEST_LINE: usize = 1 + 20 + CRLF.len();

/// Appends a line that says a number. Almost every length has up to three digits: constant sizes copy without a call.
#[inline(always)]
pub(crate) fn line(out: &mut Vec<u8>, kind: u8, value: usize) {
    let digit = |power: usize| b'0' + (value / power % 10) as u8;
    match value {
        0..10 => out.extend_from_slice(&[kind, digit(1), b'\r', b'\n']),
        10..100 => out.extend_from_slice(&[kind, digit(10), digit(1), b'\r', b'\n']),
        100..1000 => {
            let [a, b, c] = [100, 10, 1].map(digit);
            out.extend_from_slice(&[kind, a, b, c, b'\r', b'\n']);
        }
        _ => long_line(out, kind, value),
    }
}

#[cold]
fn long_line(out: &mut Vec<u8>, kind: u8, value: usize) {
    out.push(kind);
    let mut digits = itoa::Buffer::new();
    out.extend_from_slice(digits.format(value).as_bytes());
    out.extend_from_slice(CRLF);
}

/// How many bytes the line has that says `len`.
#[inline]
pub(crate) fn line_len(len: usize) -> usize {
    let digits = match len {
        0..10 => 1,
        10..100 => 2,
        100..1000 => 3,
        _ => len.ilog10() as usize + 1,
    };
    1 + digits + CRLF.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_as_long_as_it_says() {
        let lengths = [0, 1, 9, 10, 99, 100, 999, 1000, 123_456, usize::MAX];
        for len in lengths {
            let mut out = Vec::new();
            line(&mut out, b'$', len);
            assert_eq!(out, format!("${len}\r\n").as_bytes());
            assert_eq!(out.len(), line_len(len));
            assert!(out.len() <= LONGEST_LINE);
        }
    }
}
