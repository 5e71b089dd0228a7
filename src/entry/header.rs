//! The header in front of every stored value that is not an integer: 4 bytes, or 32 when it carries freshness and
//! a lease. Byte for byte the layout that other programs and the Lua scripts rely on; all numbers little endian,
//! all times Unix milliseconds of the server.

use smallvec::SmallVec;

use crate::store::{HEAD_LEN, Head, Value};

/// Never the first byte of JSON, MessagePack, pickle, zlib, zstd or digits.
pub(crate) const MAGIC: u8 = 0xC1;
/// Length of a header without a lease block.
pub(crate) const SHORT: usize = 4;
/// `stale_ms` of a value that may be served for as long as its key lives.
pub(crate) const STALE_FOREVER: u32 = u32::MAX;

const VERSION: u8 = 1;
const PAYLOAD: u8 = 1;
const LEASE: u8 = 2;
const NEGATIVE: u8 = 4;

/// What stands in front of a payload.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Header {
    /// False for a placeholder: a lease on a key that has no value yet.
    pub(crate) has_value: bool,
    /// "Known to be absent": an entry that says there is nothing.
    pub(crate) negative: bool,
    /// How the payload is serialized, 0-15.
    pub(crate) codec: u8,
    /// How it is compressed, 0-15.
    pub(crate) compressor: u8,
    /// What the last load cost, coded by `crate::entry::freshness`.
    pub(crate) cost: u8,
    /// Freshness and lease, in the long form.
    pub(crate) lease: Option<LeaseBlock>,
}

/// The second part of a long header.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct LeaseBlock {
    /// How long past `soft_expire_ms` the value may be served.
    pub(crate) stale_ms: u32,
    /// Fresh until then; 0 is always fresh.
    pub(crate) soft_expire_ms: u64,
    /// When the lease lapses; 0 is no lease.
    pub(crate) deadline_ms: u64,
    /// Who holds it; all zero is nobody.
    pub(crate) token: [u8; 8],
}

impl Header {
    /// "Known to be absent."
    pub(crate) const ABSENT: Header = Header {
        has_value: true,
        negative: true,
        codec: 0,
        compressor: 0,
        cost: 0,
        lease: None,
    };

    /// The short header of a value.
    pub(crate) fn short(codec: u8, compressor: u8) -> Self {
        Header {
            has_value: true,
            negative: false,
            codec,
            compressor,
            cost: 0,
            lease: None,
        }
    }

    /// The header that `head` opens with. `None` when it does not open with one: not the magic byte, another
    /// version, unknown flags, or cut short.
    pub(crate) fn parse(head: &[u8]) -> Option<Self> {
        let &[magic, flags, format, cost, ref rest @ ..] = head else {
            return None;
        };
        let known = PAYLOAD | LEASE | NEGATIVE;
        if magic != MAGIC || flags >> 4 != VERSION || flags & 0x0f & !known != 0 {
            return None;
        }
        let lease = if flags & LEASE != 0 {
            Some(LeaseBlock::parse(rest)?)
        } else {
            None
        };
        let header = Header {
            has_value: flags & PAYLOAD != 0,
            negative: flags & NEGATIVE != 0,
            codec: format >> 4,
            compressor: format & 0x0f,
            cost,
            lease,
        };
        Some(header)
    }

    /// Codec, compressor and payload of a value behind a short header: of nearly every value. `None` only says to look
    /// closer.
    #[inline]
    pub(crate) fn of_short(stored: &[u8]) -> Option<(u8, u8, &[u8])> {
        const FLAGS: u8 = VERSION << 4 | PAYLOAD;
        match stored {
            [MAGIC, FLAGS, format, _, payload @ ..] => Some((format >> 4, format & 0x0f, payload)),
            _ => None,
        }
    }

    /// Codec, compressor and soft expiry of a value behind a long header. `None` only says to look closer.
    #[inline]
    pub(crate) fn of_long(stored: &[u8]) -> Option<(u8, u8, u64)> {
        const FLAGS: u8 = VERSION << 4 | PAYLOAD | LEASE;
        match stored.first_chunk::<HEAD_LEN>()? {
            [
                MAGIC,
                FLAGS,
                format,
                _,
                _,
                _,
                _,
                _,
                soft @ ..,
                _,
                _,
                _,
                _,
                _,
                _,
                _,
                _,
                _,
                _,
                _,
                _,
                _,
                _,
                _,
                _,
            ] => Some((format >> 4, format & 0x0f, u64::from_le_bytes(*soft))),
            _ => None,
        }
    }

    /// The bytes of this header.
    #[inline]
    pub(crate) fn encode(&self) -> Head {
        let flag = |on: bool, bit: u8| if on { bit } else { 0 };
        let flags = VERSION << 4
            | flag(self.has_value, PAYLOAD)
            | flag(self.lease.is_some(), LEASE)
            | flag(self.negative, NEGATIVE);
        let mut head: Head =
            SmallVec::from_slice(&[MAGIC, flags, self.codec << 4 | self.compressor, self.cost]);
        if let Some(lease) = self.lease {
            head.extend_from_slice(&lease.stale_ms.to_le_bytes());
            head.extend_from_slice(&lease.soft_expire_ms.to_le_bytes());
            head.extend_from_slice(&lease.deadline_ms.to_le_bytes());
            head.extend_from_slice(&lease.token);
        }
        head
    }

    /// How many bytes come before the payload.
    pub(crate) fn len(&self) -> usize {
        if self.lease.is_some() {
            HEAD_LEN
        } else {
            SHORT
        }
    }

    /// Whether a plain read sees a value here at server time `now_ms` (asked for only when it matters).
    pub(crate) fn is_live(&self, now_ms: impl FnOnce() -> u64) -> bool {
        self.has_value && !self.negative && self.is_fresh(now_ms)
    }

    /// Whether its soft expiry, if any, is still to come.
    pub(crate) fn is_fresh(&self, now_ms: impl FnOnce() -> u64) -> bool {
        match self.lease {
            Some(LeaseBlock {
                soft_expire_ms: soft @ 1..,
                ..
            }) => soft > now_ms(),
            _ => true,
        }
    }
}

/// A stored value as it goes to another key or node: its lease stays behind, so bytes 16 to 31 of a long header are zero.
/// `place` holds that header meanwhile.
pub(crate) fn without_lease<'a>(stored: &'a [u8], place: &'a mut [u8; HEAD_LEN]) -> Value<'a> {
    match stored.split_first_chunk::<HEAD_LEN>() {
        Some((head @ [MAGIC, flags, ..], body)) if flags >> 4 == VERSION && flags & LEASE != 0 => {
            *place = *head;
            place.iter_mut().skip(16).for_each(|byte| *byte = 0);
            Value { head: place, body }
        }
        _ => Value {
            head: &[],
            body: stored,
        },
    }
}

impl LeaseBlock {
    fn parse(rest: &[u8]) -> Option<Self> {
        let (stale, rest) = rest.split_first_chunk::<4>()?;
        let (soft, rest) = rest.split_first_chunk::<8>()?;
        let (deadline, rest) = rest.split_first_chunk::<8>()?;
        let token = rest.first_chunk::<8>()?;
        Some(LeaseBlock {
            stale_ms: u32::from_le_bytes(*stale),
            soft_expire_ms: u64::from_le_bytes(*soft),
            deadline_ms: u64::from_le_bytes(*deadline),
            token: *token,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_short_header_is_the_documented_four_bytes() {
        let header = Header::short(1, 0);
        assert_eq!(header.encode().as_slice(), [0xC1, 0x11, 0x10, 0]);
        assert_eq!(Header::parse(b"\xC1\x11\x10\x00payload"), Some(header));
    }

    #[test]
    fn the_short_way_sees_what_the_long_one_sees() {
        for bytes in [&b"\xC1\x11\x23\x07payload"[..], b"\xC1\x11\0\0"] {
            let header = Header::parse(bytes).unwrap();
            let short = (header.codec, header.compressor, &bytes[header.len()..]);
            assert_eq!(Header::of_short(bytes), Some(short));
        }
        for flags in (0..=u8::MAX).filter(|flags| *flags != 0x11) {
            assert_eq!(Header::of_short(&[MAGIC, flags, 0, 0, 1]), None);
        }
        assert_eq!(Header::of_short(b"\xC1\x11\0"), None);
    }

    #[test]
    fn the_short_way_to_a_long_header_sees_what_the_long_one_sees() {
        let lease = LeaseBlock {
            stale_ms: 7,
            soft_expire_ms: 0x0102_0304_0506_0708,
            deadline_ms: u64::MAX,
            token: [9; 8],
        };
        let header = Header {
            lease: Some(lease),
            ..Header::short(3, 2)
        };
        let bytes = header.encode();
        assert_eq!(Header::of_long(&bytes), Some((3, 2, lease.soft_expire_ms)));
        assert_eq!(Header::of_long(&bytes[..31]), None);
        for flags in (0..=u8::MAX).filter(|flags| *flags != 0x13) {
            let mut other = bytes.clone();
            other[1] = flags;
            assert_eq!(Header::of_long(&other), None);
        }
    }

    #[test]
    fn the_long_header_is_the_documented_32_bytes() {
        let lease = LeaseBlock {
            stale_ms: 0x0403_0201,
            soft_expire_ms: 5,
            deadline_ms: 6,
            token: *b"\x01tokens\xff",
        };
        let header = Header {
            lease: Some(lease),
            ..Header::short(3, 2)
        };
        let bytes = header.encode();
        assert_eq!(&bytes[..8], [0xC1, 0x13, 0x32, 0, 1, 2, 3, 4]);
        assert_eq!(
            &bytes[8..24],
            [5, 0, 0, 0, 0, 0, 0, 0, 6, 0, 0, 0, 0, 0, 0, 0]
        );
        assert_eq!(&bytes[24..], b"\x01tokens\xff");
        assert_eq!(Header::parse(&bytes), Some(header));
    }

    #[test]
    fn what_is_not_a_header_is_refused() {
        for bytes in [
            &b""[..],
            b"\xC1",
            b"\xC1\x11\x00",
            b"\xC1\x21\x00\x00",
            b"\xC1\x19\x00\x00",
            b"\xC1\x13\x00\x00short",
            b"{\"a\":1}",
        ] {
            assert_eq!(Header::parse(bytes), None, "{bytes:?}");
        }
    }

    #[test]
    fn placeholders_negative_and_soft_expired_entries_are_not_live() {
        let fresh_until = |soft| LeaseBlock {
            soft_expire_ms: soft,
            ..LeaseBlock::default()
        };
        let value = Header {
            lease: Some(fresh_until(100)),
            ..Header::short(0, 0)
        };
        assert!(value.is_live(|| 99));
        assert!(!value.is_live(|| 100));
        assert!(
            !Header {
                has_value: false,
                ..value
            }
            .is_live(|| 0)
        );
        assert!(
            !Header {
                negative: true,
                ..value
            }
            .is_live(|| 0)
        );
        assert!(
            Header {
                lease: Some(fresh_until(0)),
                ..value
            }
            .is_live(|| u64::MAX)
        );
    }
}
