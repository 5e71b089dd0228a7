//! All that is stored about one key, for the one who wonders why a read says what it says. It counts as no hit and no miss.

use std::time::Duration;

use crate::cache::Cache;
use crate::codec;
use crate::codec::integer::Integer;
use crate::entry::freshness::{Age, Hold, cost_ms};
use crate::entry::header::{Header, STALE_FOREVER};
use crate::error::{ErrorKind, Result};
use crate::expiry::{Clock, Ttl};
use crate::key::WireKey;
use crate::store::{Access, Head, Pttl, Room, Sink, head_of};

/// What there is about a key; from [`Cache::inspect`].
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Inspected {
    /// The key as the server knows it.
    pub wire_key: Vec<u8>,
    /// The node that takes its writes: its name, or its location without credentials.
    pub node: String,
    /// Its slot in a Redis Cluster.
    pub slot: Option<u16>,
    /// What is stored there.
    pub stored: Option<Stored>,
}

/// What is stored under a key.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stored {
    /// What kind of thing it is.
    pub form: Form,
    /// Bytes of it on the server, header included; 0 for another data type.
    pub len: usize,
    /// How long the server keeps it: the stale window is part of that.
    pub kept: Ttl,
}

/// What kind of thing is stored under a key.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Form {
    /// The digits of an integer.
    Integer,
    /// A value of this library, with what its header says.
    Labelled(Label),
    /// Bytes of another program, or of `layout=plain`.
    Foreign,
    /// No string: a list, a hash, ...
    OtherType,
}

/// The header of an entry.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Label {
    /// The header itself.
    pub bytes: Vec<u8>,
    /// False: it is a lease on a key without a value.
    pub has_value: bool,
    /// It says that there is known to be nothing.
    pub is_absent: bool,
    /// The word of the codec; `raw` for bytes.
    pub codec: &'static str,
    /// The word of the compressor.
    pub compressor: &'static str,
    /// What the last load took, within an eighth, where that is known.
    pub load_took: Option<Duration>,
    /// How old the value is.
    pub freshness: Freshness,
    /// Who computes the value.
    pub lease: Option<LeaseHeld>,
}

/// How old a value is, by the server's clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Freshness {
    /// For as long as it is there.
    Always,
    /// As good as new for so long from now.
    For(Duration),
    /// Past that, and may be served while it is renewed: for so long, or (`None`) for as long as it is there.
    Stale(Option<Duration>),
    /// Too old to be served at all.
    Over,
}

/// A lease on a key.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct LeaseHeld {
    /// Its holder's token. `None`: nobody holds it; a load failed a moment ago, and none is tried until the lease is over.
    pub token: Option<[u8; 8]>,
    /// When it lapses: so long from now; nothing where it has.
    pub lapses_in: Duration,
}

impl Cache {
    /// All that is stored about `key`: where it is, its header, lifetime, freshness and lease, and whatever kind of thing it
    /// is. Nothing is changed, and nothing counted. Two round trips, one of which brings the whole value.
    ///
    /// ```
    /// # fn main() -> redis_cache::Result<()> {
    /// use redis_cache::{Cache, Expiry, Form};
    ///
    /// let cache = Cache::open("memory://?prefix=app")?;
    /// cache.set("visits", &7, Expiry::Never)?;
    /// let seen = cache.inspect("visits")?;
    /// assert_eq!(seen.wire_key, b"app:1:visits");
    /// assert_eq!(seen.stored.map(|stored| stored.form), Some(Form::Integer));
    /// # Ok(())
    /// # }
    /// ```
    pub fn inspect(&self, key: impl AsRef<[u8]>) -> Result<Inspected> {
        let mut place = WireKey::new();
        let key = self.wire_key(key, &mut place)?;
        let store = &self.shared.store;
        let seen = Inspected {
            wire_key: key.to_vec(),
            node: self.report(store.locate(key, self.budget()))?,
            slot: store.slot(key),
            stored: None,
        };
        let Some((kept, _, clock)) = self.report(store.ttl(key, self.budget()))? else {
            return Ok(seen);
        };
        let mut measure = Measure::default();
        let (form, len) = match store.get(key, Access::Write, &mut measure, self.budget()) {
            Ok(None) => return Ok(seen),
            Ok(Some(_)) => (form(&measure, clock), measure.len),
            Err(error) if error.kind() == ErrorKind::WrongType => (Form::OtherType, 0),
            Err(error) => return self.report(Err(error)),
        };
        let kept = match kept {
            Pttl::Forever => Ttl::Forever,
            Pttl::Millis(ms) => Ttl::Remaining(Duration::from_millis(ms)),
        };
        Ok(Inspected {
            stored: Some(Stored { form, len, kept }),
            ..seen
        })
    }
}

/// Takes the length of a value, and how it begins.
#[derive(Debug, Default)]
struct Measure {
    head: Head,
    len: usize,
}

impl Sink for Measure {
    fn begin(&mut self, head: &[u8], len: usize) -> Result<Room<'_>> {
        (self.head, self.len) = (head_of(head), len);
        Ok(Room::Discard)
    }
}

fn form(seen: &Measure, clock: Clock) -> Form {
    if seen.len == seen.head.len() && Integer::parse(&seen.head).is_some() {
        return Form::Integer;
    }
    match Header::parse(&seen.head) {
        Some(header) => Form::Labelled(label(&header, seen, clock.now_ms())),
        None => Form::Foreign,
    }
}

fn label(header: &Header, seen: &Measure, now_ms: u64) -> Label {
    Label {
        bytes: seen.head.iter().take(header.len()).copied().collect(),
        has_value: header.has_value,
        is_absent: header.negative,
        codec: codec::codec_name(header.codec),
        compressor: codec::compressor_name(header.compressor),
        load_took: (header.cost != 0).then(|| Duration::from_millis(cost_ms(header.cost))),
        freshness: freshness(header, now_ms),
        lease: lease(header, now_ms),
    }
}

fn freshness(header: &Header, now_ms: u64) -> Freshness {
    let Some(lease) = header.lease.filter(|lease| lease.soft_expire_ms != 0) else {
        return Freshness::Always;
    };
    let until = |ms: u64| Duration::from_millis(ms.saturating_sub(now_ms));
    match header.age(now_ms) {
        Age::Fresh => Freshness::For(until(lease.soft_expire_ms)),
        Age::Stale if lease.stale_ms == STALE_FOREVER => Freshness::Stale(None),
        Age::Stale => {
            let end = lease.soft_expire_ms.saturating_add(lease.stale_ms.into());
            Freshness::Stale(Some(until(end)))
        }
        Age::Over => Freshness::Over,
    }
}

fn lease(header: &Header, now_ms: u64) -> Option<LeaseHeld> {
    let lease = header.lease?;
    let token = match header.hold(now_ms) {
        Hold::Free => return None,
        Hold::Held | Hold::Lapsed => Some(lease.token),
        Hold::Backoff => None,
    };
    let lapses_in = Duration::from_millis(lease.deadline_ms.saturating_sub(now_ms));
    Some(LeaseHeld { token, lapses_in })
}
