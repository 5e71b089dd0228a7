//! The cache itself: one short method an operation. Each makes the wire key, asks the store, and decodes what
//! came back; what is longer has its own file (`many`, `lifetime`, `counters`, `sweep`, `herd`).

pub(crate) mod counters;
pub(crate) mod faults;
pub(crate) mod inspect;
pub(crate) mod lifetime;
pub(crate) mod lock;
pub(crate) mod many;
mod nodes;
pub(crate) mod open;
pub(crate) mod partial;
mod prometheus;
pub(crate) mod stats;
pub(crate) mod steps;

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::base::flight::Flights;
use crate::cache::stats::{Counters, Stats};
use crate::config::{Config, Hooks, Options};
use crate::entry::{self, Decode, Fill, Gather};
use crate::error::{Error, ErrorKind, Result};
use crate::expiry::Expiry;
use crate::key::{KeySpace, WireKey};
use crate::store::{Access, Latency, Store};

/// A cache: a handle on one or more servers (or on an embedded store), a prefix and a version.
///
/// Cloning is cheap, and clones and [views](Cache::version) share connections and counters. Every method takes
/// `&self` and may be called from any number of threads at once; a call blocks its own thread only, and at most
/// for the `timeout` of the cache. After `fork()` the child may go on using it: it opens connections of its own.
///
/// Absence is never an error: reads give an `Option`. With `on_error=miss` an unreachable server is a miss too.
#[derive(Clone)]
pub struct Cache {
    pub(crate) shared: Arc<Shared>,
    pub(crate) keys: Arc<KeySpace>,
}

/// What all clones and views of a cache have in common.
pub(crate) struct Shared {
    /// What the cache was made from, for another one like it.
    pub(crate) config: Config,
    pub(crate) options: Options,
    pub(crate) hooks: Hooks,
    /// Whether there is any function of the caller that an operation may run.
    #[cfg(feature = "capi")]
    pub(crate) runs_functions: bool,
    pub(crate) store: Arc<dyn Store>,
    pub(crate) counters: Counters,
    pub(crate) flights: Flights,
    /// Loads by those whose wait for another process is over.
    pub(crate) late_flights: Flights,
    /// Whether the error hook has heard of an undecodable value already.
    pub(crate) decode_told: AtomicBool,
}

impl Cache {
    /// A view on another version of the keys, which shares everything else with this one. No network.
    #[must_use]
    pub fn version(&self, version: u64) -> Cache {
        Cache {
            shared: self.shared.clone(),
            keys: Arc::new(self.keys.at_version(version)),
        }
    }

    /// The version this view reads and writes. No network.
    pub fn current_version(&self) -> u64 {
        self.keys.version()
    }

    /// The value under `key`, decoded. One round trip.
    ///
    /// Any integer on the wire becomes any numeric type it fits, and bytes written by C or
    /// [`set_bytes`](Cache::set_bytes) become `String` or `Vec<u8>`.
    ///
    /// # Errors
    /// A value that is no `T` is a miss, or [`ErrorKind::Decode`] with `on_decode_error=error`. A `T` that the configured
    /// codec can write and never read (see [`Codec`](crate::config::Codec)) is [`ErrorKind::InvalidArgument`].
    pub fn get<T: DeserializeOwned>(&self, key: impl AsRef<[u8]>) -> Result<Option<T>> {
        let mut place = WireKey::new();
        let key = self.wire_key(key, &mut place)?;
        let mut sink = Decode::new(&self.shared.options);
        match self.fetch(key, &mut sink)? {
            None => Ok(None),
            Some(clock) => self.count_read(sink.finish(clock)),
        }
    }

    /// The payload under `key` as bytes: what `set_bytes` or C wrote, the serialized form of a typed value, the
    /// digits of an integer, or a foreign value as it is. One round trip.
    pub fn get_bytes(&self, key: impl AsRef<[u8]>) -> Result<Option<Vec<u8>>> {
        let mut place = WireKey::new();
        let key = self.wire_key(key, &mut place)?;
        let mut sink = Gather::new(&self.shared.options);
        match self.fetch(key, &mut sink)? {
            None => Ok(None),
            Some(clock) => self.count_read(sink.take(clock)),
        }
    }

    /// Copies the payload under `key` into `memory` and tells its length; allocates nothing, unless the value is
    /// compressed or has an expiry of its own (`stale`, `get_or_set`). When the length is more than the memory holds,
    /// nothing was written. One round trip.
    pub fn get_into(&self, key: impl AsRef<[u8]>, memory: &mut [u8]) -> Result<Option<usize>> {
        let mut place = WireKey::new();
        let key = self.wire_key(key, &mut place)?;
        let mut sink = Fill::new(&self.shared.options, memory);
        match self.fetch(key, &mut sink)? {
            None => Ok(None),
            Some(clock) => self.count_read(sink.finish(clock)),
        }
    }

    /// Stores a value. An expiry that has passed already removes the key. One round trip.
    ///
    /// Where the server is full (the code word `OOM`) the key is removed, in a second one: what was to be written over is
    /// a miss then, and never an old value. An entry of a `memory://` store that cannot fit goes alike.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidArgument`] for a value that cannot be serialized, that the codec would give back as another one
    /// (see [`Codec`](crate::config::Codec)), that is more than 128 levels deep, or larger than `max_value`.
    pub fn set<T: Serialize + ?Sized>(
        &self,
        key: impl AsRef<[u8]>,
        value: &T,
        expiry: impl Into<Expiry>,
    ) -> Result<()> {
        let mut place = WireKey::new();
        let key = self.wire_key(key, &mut place)?;
        entry::with_scratch(|body| {
            let head = self.report(entry::encode(&self.shared.options, value, body))?;
            self.store(key, &head, body, expiry.into())
        })
    }

    /// Stores bytes as they are, but for the option `compressor`; otherwise as [`set`](Cache::set). One round trip.
    pub fn set_bytes(
        &self,
        key: impl AsRef<[u8]>,
        value: &[u8],
        expiry: impl Into<Expiry>,
    ) -> Result<()> {
        let mut place = WireKey::new();
        let key = self.wire_key(key, &mut place)?;
        let mut scratch = Vec::new();
        let (head, body) = self.report(entry::encode_bytes(
            &self.shared.options,
            value,
            &mut scratch,
        ))?;
        self.store(key, &head, body, expiry.into())
    }

    /// Stores a value only where [`has_key`](Cache::has_key) finds none: true when it did. With an expiry that has passed already, nothing
    /// is stored and nothing removed. One round trip; a second over an entry that has expired softly.
    pub fn add<T: Serialize + ?Sized>(
        &self,
        key: impl AsRef<[u8]>,
        value: &T,
        expiry: impl Into<Expiry>,
    ) -> Result<bool> {
        let mut place = WireKey::new();
        let key = self.wire_key(key, &mut place)?;
        entry::with_scratch(|body| {
            let head = self.report(entry::encode(&self.shared.options, value, body))?;
            self.store_new(key, &head, body, expiry.into())
        })
    }

    /// [`add`](Cache::add) for bytes as they are, but for the option `compressor`. One round trip; a second over an entry
    /// that has expired softly.
    pub fn add_bytes(
        &self,
        key: impl AsRef<[u8]>,
        value: &[u8],
        expiry: impl Into<Expiry>,
    ) -> Result<bool> {
        let mut place = WireKey::new();
        let key = self.wire_key(key, &mut place)?;
        let mut scratch = Vec::new();
        let (head, body) = self.report(entry::encode_bytes(
            &self.shared.options,
            value,
            &mut scratch,
        ))?;
        self.store_new(key, &head, body, expiry.into())
    }

    /// Removes a key: true when there was one, of any kind. UNLINK, one round trip.
    pub fn delete(&self, key: impl AsRef<[u8]>) -> Result<bool> {
        let mut place = WireKey::new();
        let key = self.wire_key(key, &mut place)?;
        let deleted = self.or_miss(self.shared.store.delete(key, self.budget_at_once()), false)?;
        self.shared.counters.deletes.add(deleted.into());
        Ok(deleted)
    }

    /// Whether there is a value, by the header alone: also one that this build cannot read, or of another data type.
    /// What is known to be absent, only leased or soft-expired is not there. One round trip.
    pub fn has_key(&self, key: impl AsRef<[u8]>) -> Result<bool> {
        let mut place = WireKey::new();
        let key = self.wire_key(key, &mut place)?;
        let head = self.or_miss(
            self.shared
                .store
                .head(key, Access::Read, self.budget_at_once()),
            None,
        )?;
        Ok(head.is_some_and(|(head, clock)| entry::is_live(&self.shared.options, &head, clock)))
    }

    /// Moves value and remaining lifetime to the key of `version + delta`, replacing what is there, and returns
    /// that version; `None` when there is no value. Atomic on one node, one round trip there.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidArgument`] when the version would leave 0..=`u64::MAX`.
    pub fn incr_version(&self, key: impl AsRef<[u8]>, delta: i64) -> Result<Option<u64>> {
        self.shift_version(
            key.as_ref(),
            self.current_version().checked_add_signed(delta),
        )
    }

    /// [`incr_version`](Cache::incr_version) downwards; the same round trips and errors.
    pub fn decr_version(&self, key: impl AsRef<[u8]>, delta: i64) -> Result<Option<u64>> {
        let version = i128::from(self.current_version()) - i128::from(delta);
        self.shift_version(key.as_ref(), u64::try_from(version).ok())
    }

    fn shift_version(&self, key: &[u8], version: Option<u64>) -> Result<Option<u64>> {
        let version = version.ok_or_else(|| {
            let version = self.current_version();
            let text = format!("the version would leave 0..=2^64-1, counted from {version}");
            Error::new(ErrorKind::InvalidArgument, text)
        });
        let version = self.report(version)?;
        let (mut here, mut there) = (WireKey::new(), WireKey::new());
        let from = self.wire_key(key, &mut here)?;
        let to = self.report(self.keys.at_version(version).wire(key, &mut there))?;
        let moved = self.report(self.shared.store.rename(from, to, self.budget()))?;
        Ok(moved.then_some(version))
    }

    /// The wire key of `key`. No network.
    pub fn make_key(&self, key: impl AsRef<[u8]>) -> Result<Vec<u8>> {
        Ok(self.wire_key(key, &mut WireKey::new())?.to_vec())
    }

    /// The glob over wire keys that matches `pattern` in this version: what [`keys`](Cache::keys) and its kin look for. No
    /// network.
    pub fn make_pattern(&self, pattern: impl AsRef<[u8]>) -> Result<Vec<u8>> {
        self.report(self.keys.pattern(pattern.as_ref()))
    }

    /// The node that serves `key`: its name, or its location without credentials. No network, but for the first look at
    /// a cluster.
    pub fn where_is(&self, key: impl AsRef<[u8]>) -> Result<String> {
        let mut place = WireKey::new();
        let key = self.wire_key(key, &mut place)?;
        self.report(self.shared.store.locate(key, self.budget()))
    }

    /// Asks every node for a sign of life. One round trip a node.
    pub fn ping(&self) -> Result<()> {
        self.report(self.shared.store.ping(self.budget()))
    }

    /// Removes **everything** in the database of every node, also what other programs put there: FLUSHDB ASYNC.
    /// To remove this cache's entries only, see [`clear`](Cache::clear). One round trip a node.
    pub fn flush_db(&self) -> Result<()> {
        self.report(self.shared.store.flush(self.budget()))
    }

    /// Forgets what the near cache holds, so that the next reads ask the server: after SWAPDB, which no server announces.
    /// Without the option `near` there is nothing to forget. No network.
    pub fn near_clear(&self) {
        self.shared.store.near_clear();
    }

    /// Closes idle connections. The cache stays usable; later calls open new ones. No round trip.
    pub fn close(&self) {
        self.shared.store.close();
    }

    /// The counters of this cache with all its views and clones. No network.
    pub fn stats(&self) -> Stats {
        let store = &self.shared.store;
        let counters = &self.shared.counters;
        counters.snapshot(store.traffic(), store.latencies())
    }

    /// How long each operation took at each node, by operation and then by node, since the cache was opened or its
    /// counters were reset; none without the option [`latencies`](Config::latencies). No network.
    ///
    /// ```
    /// use redis_cache::{Cache, Expiry};
    ///
    /// # fn main() -> redis_cache::Result<()> {
    /// let cache = Cache::open("memory://?latencies=true")?;
    /// cache.set("greeting", "hello", Expiry::Default)?;
    /// let latencies = cache.latencies();
    /// assert_eq!((latencies[0].operation, latencies[0].count), ("SET", 1));
    /// assert!(latencies[0].p50 <= latencies[0].max);
    /// # Ok(())
    /// # }
    /// ```
    pub fn latencies(&self) -> Vec<Latency> {
        self.shared.store.latencies()
    }

    /// Sets all counters to zero and forgets latencies, for all views and clones. No network.
    pub fn reset_stats(&self) {
        self.shared.counters.reset();
        self.shared.store.reset_traffic();
    }
}

impl std::fmt::Debug for Cache {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Cache")
            .field("keys", &self.keys)
            .field("store", &self.shared.store)
            .finish()
    }
}
