//! Freshness: until when a value is as good as new, how long after that it may be served while one caller renews it,
//! and when a renewal is due a little early. All times are the server's. Early renewal is XFetch: Vattani,
//! Chierichetti, Lowenstein, "Optimal Probabilistic Cache Stampede Prevention", PVLDB 8(8), 2015.

use std::time::Duration;

use crate::config::Options;
use crate::entry::header::{Header, LeaseBlock, STALE_FOREVER};
use crate::expiry::{Clock, Life, millis_rounded_up};
use crate::store::{Head, LATEST_MS};

/// Early renewal only happens in the last part of a value's freshness: a quarter.
const EARLY_PART: u64 = 4;

/// How old a stored value is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Age {
    Fresh,
    /// It may be served, and should be renewed.
    Stale,
    /// It may not even be served.
    Over,
}

/// How a lease stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Hold {
    /// Nobody has one.
    Free,
    /// Somebody loads the value.
    Held,
    /// Somebody does, unless this client's clock is right.
    Lapsed,
    /// A load failed a moment ago: nobody is to try while the old value can be served. Nobody is at it.
    Backoff,
}

impl Header {
    pub(crate) fn age(&self, now_ms: u64) -> Age {
        match self.lease {
            None => Age::Fresh,
            Some(lease) if lease.soft_expire_ms == 0 || lease.soft_expire_ms > now_ms => Age::Fresh,
            Some(lease) if lease.stale_ms == STALE_FOREVER => Age::Stale,
            Some(lease) if lease.soft_expire_ms.saturating_add(lease.stale_ms.into()) > now_ms => {
                Age::Stale
            }
            Some(_) => Age::Over,
        }
    }

    /// Who is to load the value.
    pub(crate) fn hold(&self, now_ms: u64) -> Hold {
        match self.lease {
            Some(lease) if lease.deadline_ms > now_ms && lease.token == [0; 8] => Hold::Backoff,
            Some(lease) if lease.deadline_ms > now_ms => Hold::Held,
            Some(lease) if lease.token != [0; 8] => Hold::Lapsed,
            _ => Hold::Free,
        }
    }

    /// Whether a fresh value, of the kind that lives for `life`, should be renewed already. `chance` is drawn from
    /// (0, 1]; the longer the value took to load, and the higher `beta`, the earlier.
    pub(crate) fn is_due(
        &self,
        now_ms: u64,
        life: Life,
        beta: f64,
        chance: impl FnOnce() -> f64,
    ) -> bool {
        let (Some(lease), Life::Millis(fresh_ms)) = (self.lease, life) else {
            return false;
        };
        let left = lease.soft_expire_ms.saturating_sub(now_ms);
        if lease.soft_expire_ms == 0 || self.cost == 0 || left > fresh_ms / EARLY_PART {
            return false;
        }
        cost_ms(self.cost) as f64 * beta * -chance().ln() >= left as f64
    }
}

/// How long a value is fresh, and how long it may be served stale after that.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Freshness {
    fresh: Life,
    stale_ms: u32,
}

impl Freshness {
    pub(crate) fn new(options: &Options, fresh: Life) -> Self {
        let stale_ms = u32::try_from(millis_rounded_up(options.stale)).unwrap_or(u32::MAX);
        Freshness {
            fresh,
            stale_ms: stale_ms.min(STALE_FOREVER - 1),
        }
    }

    /// The long form of a header for a value that is written now, and the life of its key. What has no header
    /// (digits, plain values) lives for as long as it is fresh; so does "known to be absent", which is of no use later.
    pub(crate) fn dress(&self, head: Head, cost: u8, clock: Clock) -> (Head, Life) {
        let Some(header) = Header::parse(&head) else {
            return (head, self.fresh);
        };
        let stale_ms = if header.negative { 0 } else { self.stale_ms };
        let (soft_expire_ms, life) = match self.fresh {
            Life::Millis(ms) => {
                let soft = clock.now_ms().saturating_add(ms).min(LATEST_MS);
                (soft, Life::Millis(ms.saturating_add(stale_ms.into())))
            }
            other => (0, other),
        };
        let lease = LeaseBlock {
            stale_ms,
            soft_expire_ms,
            ..LeaseBlock::default()
        };
        let long = Header {
            cost,
            lease: Some(lease),
            ..header
        };
        (long.encode(), life)
    }
}

/// The code of what a load took: `e << 3 | m` for `(8 + m) << (e - 1)` milliseconds, rounded down. 0 is "unknown", so a
/// load takes at least one.
pub(crate) fn cost_of(took: Duration) -> u8 {
    let ms = millis_rounded_up(took).max(1);
    if ms < 8 {
        return ms as u8;
    }
    let e = ms.ilog2() - 2;
    if e > 31 {
        return u8::MAX;
    }
    let m = (ms >> (e - 1)) & 7;
    (e << 3) as u8 | m as u8
}

/// The milliseconds that a code stands for.
pub(crate) fn cost_ms(code: u8) -> u64 {
    let (e, m) = (code >> 3, u64::from(code & 7));
    match e {
        0 => m,
        e => (8 + m) << (e - 1),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(lease: LeaseBlock) -> Header {
        Header {
            cost: cost_of(Duration::from_millis(100)),
            lease: Some(lease),
            ..Header::short(0, 0)
        }
    }

    #[test]
    fn costs_are_coded_as_documented_and_within_an_eighth() {
        assert_eq!(cost_of(Duration::ZERO), 1);
        assert_eq!(cost_of(Duration::from_millis(7)), 7);
        assert_eq!((cost_of(Duration::from_millis(8)), cost_ms(8)), (8, 8));
        assert_eq!(cost_of(Duration::MAX), u8::MAX);
        for ms in (1..100_000).chain([1 << 30, (15 << 30) - 1]) {
            let read = cost_ms(cost_of(Duration::from_millis(ms)));
            assert!(read <= ms && ms - read <= ms / 8, "{ms} reads {read}");
        }
    }

    #[test]
    fn a_value_is_fresh_then_stale_then_over() {
        let header = value(LeaseBlock {
            stale_ms: 50,
            soft_expire_ms: 100,
            ..LeaseBlock::default()
        });
        assert_eq!(header.age(99), Age::Fresh);
        assert_eq!(header.age(100), Age::Stale);
        assert_eq!(header.age(149), Age::Stale);
        assert_eq!(header.age(150), Age::Over);
        let forever = value(LeaseBlock {
            stale_ms: STALE_FOREVER,
            soft_expire_ms: 100,
            ..LeaseBlock::default()
        });
        assert_eq!(forever.age(u64::MAX), Age::Stale);
        assert_eq!(value(LeaseBlock::default()).age(u64::MAX), Age::Fresh);
        assert_eq!(Header::short(0, 0).age(u64::MAX), Age::Fresh);
    }

    /// A deadline alone was taken for a lease, and a lease that nobody held was waited for.
    #[test]
    fn a_backoff_is_no_lease() {
        let hold = |deadline_ms, token| {
            let lease = LeaseBlock {
                deadline_ms,
                token,
                ..LeaseBlock::default()
            };
            value(lease).hold(100)
        };
        assert_eq!(hold(101, [7; 8]), Hold::Held);
        assert_eq!(hold(100, [7; 8]), Hold::Lapsed);
        assert_eq!(hold(101, [0; 8]), Hold::Backoff);
        assert_eq!(hold(100, [0; 8]), Hold::Free);
        assert_eq!(Header::short(0, 0).hold(0), Hold::Free);
    }

    #[test]
    fn a_renewal_is_due_late_in_freshness_and_by_chance() {
        let header = value(LeaseBlock {
            soft_expire_ms: 10_000,
            ..LeaseBlock::default()
        });
        let life = Life::Millis(1000);
        let due = |now, beta, chance| header.is_due(now, life, beta, || chance);
        assert!(!due(9_700, 1e9, 0.5), "more than a quarter is left");
        assert!(due(9_999, 1.0, 0.5));
        assert!(!due(9_900, 1.0, 0.99));
        assert!(!due(9_999, 0.0, 0.5), "beta 0 turns it off");
        assert!(!header.is_due(9_999, Life::Forever, 1.0, || 0.1));
        let unknown = Header { cost: 0, ..header };
        assert!(!unknown.is_due(9_999, life, 1.0, || 0.0001));
    }

    #[test]
    fn a_dressed_header_says_until_when() {
        let options = Options {
            stale: Duration::from_secs(60),
            ..Options::default()
        };
        let short = Header::short(1, 0).encode();
        let before = Clock::default().now_ms();
        let freshness = Freshness::new(&options, Life::Millis(1000));
        let (long, life) = freshness.dress(short.clone(), 3, Clock::default());
        let header = Header::parse(&long).unwrap();
        let lease = header.lease.unwrap();
        assert_eq!((header.codec, header.cost, lease.stale_ms), (1, 3, 60_000));
        assert!((before + 1000..before + 60_000).contains(&lease.soft_expire_ms));
        assert_eq!(life, Life::Millis(61_000));
        let (long, life) =
            Freshness::new(&options, Life::Forever).dress(short, 0, Clock::default());
        let lease = Header::parse(&long).unwrap().lease.unwrap();
        assert_eq!((lease.soft_expire_ms, life), (0, Life::Forever));
        let (bare, life) = freshness.dress(Head::new(), 3, Clock::default());
        assert_eq!((bare.len(), life), (0, Life::Millis(1000)));
    }
}
