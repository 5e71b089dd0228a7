//! What `get_or_set` and its kin see under a key, which is more than a plain read does: a value past its expiry that may
//! still be served, an entry that is known to be absent, a lease that somebody holds.

use serde::de::DeserializeOwned;

use crate::config::{Layout, Options};
use crate::entry::freshness::Age;
use crate::entry::header::Header;
use crate::error::Result;
use crate::expiry::Clock;
use crate::store::{Room, Sink};

use super::sinks::{Decode, Gather};

/// A stored entry, as it was at one moment.
#[derive(Debug)]
pub(crate) enum Seen<T> {
    /// Nothing that could be served.
    Nothing {
        /// Somebody is loading it.
        leased: bool,
    },
    /// A value that is as good as new.
    Fresh(Content<T>),
    /// One past its expiry that may be served.
    Stale { content: Content<T>, leased: bool },
}

/// A value, or the knowledge that there is none.
#[derive(Debug)]
pub(crate) struct Content<T> {
    /// `None`: known to be absent.
    pub(crate) value: Option<T>,
    /// Digits, foreign values, and values under `layout=plain` have none.
    pub(crate) header: Option<Header>,
}

/// A sink that yields the value it was given, however old that is.
pub(crate) trait Payload: Sink {
    type Value;

    /// The value. `None`: there is no payload.
    fn payload(self) -> Result<Option<Self::Value>>;
}

impl<T: DeserializeOwned> Payload for Decode<'_, T> {
    type Value = T;

    fn payload(self) -> Result<Option<T>> {
        self.finish(Clock::DAWN)
    }
}

impl Payload for Gather<'_> {
    type Value = Vec<u8>;

    fn payload(mut self) -> Result<Option<Vec<u8>>> {
        self.take(Clock::DAWN)
    }
}

/// Takes a value and keeps its header.
pub(crate) struct Look<S> {
    payload: S,
    is_tagged: bool,
    header: Option<Header>,
}

impl<S: Payload> Look<S> {
    pub(crate) fn new(options: &Options, payload: S) -> Self {
        Look {
            payload,
            is_tagged: options.layout == Layout::Tagged,
            header: None,
        }
    }

    /// What was seen, judged by the node's clock.
    pub(crate) fn finish(self, clock: Clock) -> Result<Seen<S::Value>> {
        let Some(header) = self.header else {
            let value = self.payload.payload()?;
            return Ok(Seen::Fresh(Content {
                value,
                header: None,
            }));
        };
        let now = if header.lease.is_some() {
            clock.now_ms()
        } else {
            0
        };
        let (leased, age) = (header.is_leased(now), header.age(now));
        if !header.has_value || age == Age::Over {
            return Ok(Seen::Nothing { leased });
        }
        let value = if header.negative {
            None
        } else {
            self.payload.payload()?
        };
        let content = Content {
            value,
            header: Some(header),
        };
        Ok(match age {
            Age::Stale => Seen::Stale { content, leased },
            _ => Seen::Fresh(content),
        })
    }
}

impl<S: Sink> Sink for Look<S> {
    fn begin(&mut self, head: &[u8], len: usize) -> Result<Room<'_>> {
        self.header = if self.is_tagged {
            Header::parse(head)
        } else {
            None
        };
        self.payload.begin(head, len)
    }

    fn fresh_until_ms(&self) -> u64 {
        let lease = self.header.and_then(|header| header.lease);
        lease.map_or(0, |lease| lease.soft_expire_ms)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::entry::header::LeaseBlock;

    fn see(value: &[u8]) -> Result<Seen<Vec<u8>>> {
        let options = Options::default();
        let mut look = Look::new(&options, Gather::new(&options));
        look.begin(value, value.len()).unwrap();
        look.finish(Clock::default())
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
        let Seen::Stale { content, leased } =
            see(&stored(long(now - 10, 60_000, now + 60_000))).unwrap()
        else {
            panic!("it may still be served")
        };
        assert_eq!(content.value.unwrap(), b"payload");
        assert!(leased);
        let seen = see(&stored(long(now - 10, 5, 0))).unwrap();
        assert!(matches!(seen, Seen::Nothing { leased: false }));
        let seen = see(&stored(long(now + 60_000, 5, 0))).unwrap();
        assert!(matches!(seen, Seen::Fresh(_)));
    }

    #[test]
    fn placeholders_and_absence_are_told_apart() {
        let now = Clock::default().now_ms();
        let placeholder = Header {
            has_value: false,
            ..long(0, 0, now + 60_000)
        };
        let seen = see(&placeholder.encode()).unwrap();
        assert!(matches!(seen, Seen::Nothing { leased: true }));
        let absent = Header {
            negative: true,
            ..long(now + 60_000, 0, 0)
        };
        let Seen::Fresh(content) = see(&absent.encode()).unwrap() else {
            panic!("known to be absent")
        };
        assert!(content.value.is_none() && content.header.is_some());
    }

    #[test]
    fn digits_and_foreign_values_are_fresh() {
        for value in [&b"42"[..], b"foreign", b""] {
            let Seen::Fresh(content) = see(value).unwrap() else {
                panic!("always fresh")
            };
            assert_eq!(content.value.unwrap(), value);
            assert!(content.header.is_none());
        }
        assert!(see(b"\xC1\x21\0\0").is_err());
    }
}
