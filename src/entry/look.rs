//! What `get_or_set` and its kin see under a key, which is more than a plain read does: a value past its expiry that may
//! still be served, an entry that is known to be absent, a lease that somebody holds.

use crate::config::{Layout, Options};
use crate::entry::freshness::Age;
use crate::entry::header::Header;
use crate::error::Result;
use crate::expiry::Clock;
use crate::store::{Room, Sink};

use super::shape::Shape;
use super::sinks::begun;

/// A stored entry, as it was at one moment.
#[derive(Debug)]
pub(crate) struct Sight<T> {
    /// What it holds, if that can be decoded.
    pub(crate) seen: Result<Seen<T>>,
    /// Digits, foreign values, and values under `layout=plain` have none.
    pub(crate) header: Option<Header>,
    /// The server's time by which it was judged; 0 where there was nothing to judge.
    pub(crate) now_ms: u64,
}

/// What an entry holds.
#[derive(Debug)]
pub(crate) enum Seen<T> {
    /// Nothing that could be served.
    Nothing,
    /// A value that is as good as new. (`None`: known to be absent.)
    Fresh(Option<T>),
    /// One past its expiry that may be served.
    Stale(Option<T>),
}

/// Who says how old an entry is.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Judge {
    /// This client, by what it knows of the server's clock.
    Clock(Clock),
    /// The server has said that it may be served; this client, whether it is fresh.
    Servable(Clock),
    /// The server has said that it is fresh.
    Fresh,
}

/// A sink that yields the value it was given, however old that is.
pub(crate) trait Payload: Sink {
    type Value;

    fn options(&self) -> &Options;

    /// [`Sink::begin`] of a value of which it is known what it is.
    fn begin_as(&mut self, shape: Shape, head: &[u8], len: usize) -> Result<Room<'_>>;

    /// The value. `None`: there is no payload.
    fn payload(self) -> Result<Option<Self::Value>>;
}

/// Takes a value and keeps its header.
pub(crate) struct Look<S> {
    payload: S,
    is_tagged: bool,
    header: Option<Header>,
}

impl<S: Payload> Look<S> {
    #[inline]
    pub(crate) fn new(options: &Options, payload: S) -> Self {
        Look {
            payload,
            is_tagged: options.layout == Layout::Tagged,
            header: None,
        }
    }

    /// What was seen.
    #[inline(always)]
    pub(crate) fn finish(self, judge: Judge) -> Sight<S::Value> {
        let Some(header) = self.header else {
            return Sight {
                seen: self.payload.payload().map(Seen::Fresh),
                header: None,
                now_ms: 0,
            };
        };
        let now_ms = match judge {
            Judge::Clock(clock) | Judge::Servable(clock) if header.lease.is_some() => {
                clock.now_ms()
            }
            _ => 0,
        };
        let age = match judge {
            Judge::Clock(_) => header.age(now_ms),
            Judge::Servable(_) => header.age(now_ms).min(Age::Stale),
            Judge::Fresh => Age::Fresh,
        };
        let is_served = header.has_value && age != Age::Over;
        let value = match is_served && !header.negative {
            true => self.payload.payload(),
            false => Ok(None),
        };
        let seen = value.map(|value| match age {
            _ if !is_served => Seen::Nothing,
            Age::Fresh => Seen::Fresh(value),
            _ => Seen::Stale(value),
        });
        Sight {
            seen,
            header: Some(header),
            now_ms,
        }
    }
}

impl<S: Payload> Sink for Look<S> {
    #[inline]
    fn begin(&mut self, head: &[u8], len: usize) -> Result<Room<'_>> {
        self.header = None;
        if !self.is_tagged {
            return self.payload.begin(head, len);
        }
        self.header = Header::parse(head);
        let shape = Shape::of_parsed(self.payload.options(), self.header, head, len);
        self.payload.begin_as(shape, head, len)
    }

    fn fresh_until_ms(&self) -> u64 {
        let lease = self.header.and_then(|header| header.lease);
        lease.map_or(0, |lease| lease.soft_expire_ms)
    }
}

/// A look that also keeps the whole entry where no lease can stand in it: whoever has no use for such a value replaces
/// it by comparing all of it. One that is larger than any value may be is not kept.
pub(crate) struct Keeping<S> {
    look: Look<S>,
    most: usize,
    kept: Option<Vec<u8>>,
}

impl<S: Payload> Keeping<S> {
    pub(crate) fn new(options: &Options, payload: S) -> Self {
        // A header may come on top, and a compressor may have made it larger.
        const MORE: usize = 1024;
        Keeping {
            look: Look::new(options, payload),
            most: options.coding.max_value.saturating_add(MORE),
            kept: None,
        }
    }

    /// What was seen, and the bytes that were kept.
    pub(crate) fn finish(mut self, judge: Judge) -> (Sight<S::Value>, Option<Vec<u8>>) {
        if let Some(kept) = &self.kept
            && let Err(error) = self.look.begin(kept, kept.len())
        {
            let sight = Sight {
                seen: Err(error),
                header: self.look.header,
                now_ms: 0,
            };
            return (sight, self.kept);
        }
        (self.look.finish(judge), self.kept)
    }
}

impl<S: Payload> Sink for Keeping<S> {
    fn begin(&mut self, head: &[u8], len: usize) -> Result<Room<'_>> {
        self.kept = None;
        let header = Header::parse(head).filter(|_| self.look.is_tagged);
        if len > self.most || header.is_some_and(|header| header.lease.is_some()) {
            return self.look.begin(head, len);
        }
        self.look.header = header;
        Ok(Room::Append(self.kept.insert(begun(head, len)?)))
    }

    fn fresh_until_ms(&self) -> u64 {
        self.look.fresh_until_ms()
    }
}

#[cfg(test)]
mod tests {
    use super::super::sinks::Gather;
    use super::*;
    use crate::entry::header::LeaseBlock;

    fn see_by(judge: Judge, value: &[u8]) -> Result<Seen<Vec<u8>>> {
        let options = Options::default();
        let mut look = Look::new(&options, Gather::new(&options));
        look.begin(value, value.len()).unwrap();
        look.finish(judge).seen
    }

    fn see(value: &[u8]) -> Result<Seen<Vec<u8>>> {
        see_by(Judge::Clock(Clock::default()), value)
    }

    fn long(soft_expire_ms: u64, stale_ms: u32, deadline_ms: u64) -> Header {
        let lease = LeaseBlock {
            stale_ms,
            soft_expire_ms,
            deadline_ms,
            token: [7; 8],
        };
        Header {
            lease: Some(lease),
            ..Header::short(0, 0)
        }
    }

    fn stored(header: Header) -> Vec<u8> {
        [&header.encode()[..], b"payload"].concat()
    }

    #[test]
    fn a_value_past_its_expiry_is_seen_with_its_payload() {
        let now = Clock::default().now_ms();
        let Seen::Stale(value) = see(&stored(long(now - 10, 60_000, now + 60_000))).unwrap() else {
            panic!("it may still be served")
        };
        assert_eq!(value.unwrap(), b"payload");
        let seen = see(&stored(long(now - 10, 5, 0))).unwrap();
        assert!(matches!(seen, Seen::Nothing));
        let seen = see(&stored(long(now + 60_000, 5, 0))).unwrap();
        assert!(matches!(seen, Seen::Fresh(_)));
    }

    /// What the server has called fresh was thrown away by a client whose clock is ahead.
    #[test]
    fn what_the_server_has_judged_is_not_judged_again() {
        let now = Clock::default().now_ms();
        let over = stored(long(now - 1000, 5, 0));
        assert!(matches!(see(&over).unwrap(), Seen::Nothing));
        let seen = see_by(Judge::Fresh, &over).unwrap();
        assert!(matches!(seen, Seen::Fresh(Some(value)) if value == b"payload"));
        let servable = Judge::Servable(Clock::default());
        let seen = see_by(servable, &over).unwrap();
        assert!(matches!(seen, Seen::Stale(Some(value)) if value == b"payload"));
        let seen = see_by(servable, &stored(long(now + 60_000, 5, 0))).unwrap();
        assert!(matches!(seen, Seen::Fresh(_)));
        let placeholder = Header {
            has_value: false,
            ..long(0, 0, now + 60_000)
        };
        let seen = see_by(servable, &placeholder.encode()).unwrap();
        assert!(matches!(seen, Seen::Nothing));
    }

    #[test]
    fn what_no_lease_can_stand_in_is_kept_whole() {
        let mut options = Options::default();
        options.coding.max_value = 2000;
        let keep = |value: &[u8]| {
            let mut look = Keeping::new(&options, Gather::new(&options));
            let (first, rest) = value.split_at(value.len().min(32));
            match look.begin(first, value.len()).unwrap() {
                Room::Append(more) => more.extend_from_slice(rest),
                _ => assert!(value.len() > 2000, "there is more"),
            }
            look.finish(Judge::Fresh)
        };
        for value in [
            &b"42"[..],
            &[b'x'; 100],
            b"\xC1\x11\0\0short",
            b"\xC1\x21\0\0",
        ] {
            let (_, kept) = keep(value);
            assert_eq!(kept.unwrap(), value);
        }
        let (sight, _) = keep(b"\xC1\x11\0\0short");
        assert!(matches!(sight.seen.unwrap(), Seen::Fresh(Some(value)) if value == b"short"));
        let (sight, kept) = keep(&stored(long(0, 0, 0)));
        assert!(matches!(sight.seen.unwrap(), Seen::Fresh(Some(value)) if value == b"payload"));
        assert!(kept.is_none());
        assert!(keep(&[b'x'; 4000]).1.is_none(), "larger than any value");
    }

    #[test]
    fn placeholders_and_absence_are_told_apart() {
        let now = Clock::default().now_ms();
        let placeholder = Header {
            has_value: false,
            ..long(0, 0, now + 60_000)
        };
        let seen = see(&placeholder.encode()).unwrap();
        assert!(matches!(seen, Seen::Nothing));
        let absent = Header {
            negative: true,
            ..long(now + 60_000, 0, 0)
        };
        assert!(matches!(see(&absent.encode()).unwrap(), Seen::Fresh(None)));
    }

    #[test]
    fn digits_and_foreign_values_are_fresh() {
        for value in [&b"42"[..], b"foreign", b""] {
            let Seen::Fresh(seen) = see(value).unwrap() else {
                panic!("always fresh")
            };
            assert_eq!(seen.unwrap(), value);
        }
        assert!(see(b"\xC1\x21\0\0").is_err());
    }
}
