//! `get_or_set`: read a value, or compute and store it, so that many callers who miss it together compute it once.
//! Within the process that is a single flight (see `flight`); the leader looks again before it loads, so a thread
//! that was late to miss does not load twice. A store that cannot be reached never keeps the loader from running.

use std::borrow::Cow;
use std::marker::PhantomData;
use std::sync::Arc;
use std::time::Instant;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::backend::{Access, Head, Sink};
use crate::cache::Cache;
use crate::config::{OnWaitTimeout, Options};
use crate::entry::{self, Decode, Gather};
use crate::error::{Error, Result};
use crate::expiry::{Clock, Expiry, Life};
use crate::flight::Part;
use crate::key::WireKey;

/// The error of a caller's loader: anything that is an error, or a text.
type LoadError = Box<dyn std::error::Error + Send + Sync>;

/// A computation under way: what a loader may say about its value.
#[derive(Debug)]
pub struct Loading {
    expiry: Expiry,
}

impl Loading {
    /// Stores the value with this expiry instead of the caller's: the loader often knows better.
    pub fn set_ttl(&mut self, expiry: impl Into<Expiry>) {
        self.expiry = expiry.into();
    }
}

impl Cache {
    /// The value under `key`; where there is none, `load` computes it and it is stored. Of all threads of this
    /// process that miss it together one loads, and the others wait for it (at most for the option `wait`). A hit
    /// is one round trip.
    ///
    /// With an expiry that has passed already, the value is returned and not stored. When the server cannot be
    /// reached, the value is loaded once per key and process and not stored; the error hook is told.
    ///
    /// # Errors
    /// [`ErrorKind::Callback`](crate::ErrorKind::Callback) with the loader's error as its source, for the caller
    /// and all who waited; [`ErrorKind::InvalidArgument`](crate::ErrorKind::InvalidArgument) when a loader asks for
    /// its own key.
    pub fn get_or_set<T, E>(
        &self,
        key: impl AsRef<[u8]>,
        expiry: impl Into<Expiry>,
        load: impl FnOnce() -> Result<T, E>,
    ) -> Result<T>
    where
        T: Serialize + DeserializeOwned,
        E: Into<LoadError>,
    {
        self.get_or_set_with(key, expiry, |_| load())
    }

    /// [`get_or_set`](Cache::get_or_set) whose loader may set the expiry.
    pub fn get_or_set_with<T, E>(
        &self,
        key: impl AsRef<[u8]>,
        expiry: impl Into<Expiry>,
        load: impl FnOnce(&mut Loading) -> Result<T, E>,
    ) -> Result<T>
    where
        T: Serialize + DeserializeOwned,
        E: Into<LoadError>,
    {
        self.compute::<Typed<T>>(key.as_ref(), expiry.into(), |loading| {
            load(loading).map_err(Error::callback)
        })
    }

    /// [`get_or_set`](Cache::get_or_set) for bytes as they are.
    pub fn get_or_set_bytes<E: Into<LoadError>>(
        &self,
        key: impl AsRef<[u8]>,
        expiry: impl Into<Expiry>,
        load: impl FnOnce(&mut Loading) -> Result<Vec<u8>, E>,
    ) -> Result<Vec<u8>> {
        self.compute::<Bytes>(key.as_ref(), expiry.into(), |loading| {
            load(loading).map_err(Error::callback)
        })
    }

    fn compute<F: Form>(
        &self,
        key: &[u8],
        expiry: Expiry,
        load: impl FnOnce(&mut Loading) -> Result<F::Value>,
    ) -> Result<F::Value> {
        let mut place = WireKey::new();
        let key = self.wire_key(key, &mut place)?;
        match self.look::<F>(key)? {
            Look::Hit(value) => {
                self.shared.counters.hits.add(1);
                return Ok(value);
            }
            Look::Miss => self.shared.counters.misses.add(1),
            Look::Away => {}
        }
        let options = &self.shared.options;
        let lead =
            match self.report(self.shared.flights.join(key, Instant::now() + options.wait))? {
                Part::Lead(lead) => lead,
                Part::Landed(landing) => return F::decode(options, &landing?),
                Part::Waited if options.on_wait_timeout == OnWaitTimeout::Busy => {
                    return Err(self.busy());
                }
                Part::Waited => return self.load(expiry, load).map(|(value, _)| value),
            };
        let away = match self.look::<F>(key) {
            Ok(Look::Hit(value)) => {
                lead.land(F::stored(options, &value));
                return Ok(value);
            }
            Ok(Look::Miss) => false,
            Ok(Look::Away) => true,
            Err(error) => {
                lead.land(Err(error.clone()));
                return Err(error);
            }
        };
        match self.load(expiry, load) {
            Err(error) => {
                lead.land(Err(error.clone()));
                Err(error)
            }
            Ok((value, expiry)) => {
                let stored = self.keep::<F>(key, &value, expiry, away);
                let result = stored.as_ref().map(drop).map_err(Clone::clone);
                lead.land(stored);
                result.map(|()| value)
            }
        }
    }

    fn load<V>(
        &self,
        expiry: Expiry,
        load: impl FnOnce(&mut Loading) -> Result<V>,
    ) -> Result<(V, Expiry)> {
        self.shared.counters.computes.add(1);
        let mut loading = Loading { expiry };
        let value = self.report(load(&mut loading))?;
        Ok((value, loading.expiry))
    }

    /// Stores a loaded value unless it has expired already or the store is away; returns its stored form.
    fn keep<F: Form>(
        &self,
        key: &[u8],
        value: &F::Value,
        expiry: Expiry,
        away: bool,
    ) -> Result<Arc<[u8]>> {
        entry::with_scratch(|scratch| {
            let (head, body) = self.report(F::encode(&self.shared.options, value, scratch))?;
            if !away && self.life(expiry) != Life::Expired {
                match self.store(key, &head, body, expiry) {
                    Err(error) if !error.is_unavailable() => return Err(error),
                    _ => {}
                }
            }
            Ok([head.as_slice(), body].concat().into())
        })
    }

    /// Reads on the node that takes writes, and tells of faults as they are; counts nothing.
    fn fetch_latest(&self, key: &[u8], sink: &mut dyn Sink) -> Result<Option<Clock>> {
        self.report(self.shared.backend.get(key, Access::Write, sink))
    }

    /// Reads a value; a store that is away is no reason to fail here.
    fn look<F: Form>(&self, key: &[u8]) -> Result<Look<F::Value>> {
        match F::fetch(self, key) {
            Ok(Some(value)) => Ok(Look::Hit(value)),
            Ok(None) => Ok(Look::Miss),
            Err(error) if error.is_unavailable() => Ok(Look::Away),
            Err(error) => Err(error),
        }
    }

    fn busy(&self) -> Error {
        let wait = self.shared.options.wait;
        let text =
            format!("another thread is still loading this key after {wait:?} (option `wait`)");
        Error::new(crate::error::ErrorKind::Busy, text)
    }
}

enum Look<T> {
    Hit(T),
    Miss,
    Away,
}

/// How values of a call are read and written: typed, or as bytes.
trait Form {
    type Value;
    fn fetch(cache: &Cache, key: &[u8]) -> Result<Option<Self::Value>>;
    fn encode<'a>(
        options: &Options,
        value: &'a Self::Value,
        scratch: &'a mut Vec<u8>,
    ) -> Result<(Head, &'a [u8])>;
    fn decode(options: &Options, stored: &[u8]) -> Result<Self::Value>;

    fn stored(options: &Options, value: &Self::Value) -> Result<Arc<[u8]>> {
        let mut scratch = Vec::new();
        let (head, body) = Self::encode(options, value, &mut scratch)?;
        Ok([head.as_slice(), body].concat().into())
    }
}

struct Typed<T>(PhantomData<T>);

impl<T: Serialize + DeserializeOwned> Form for Typed<T> {
    type Value = T;

    fn fetch(cache: &Cache, key: &[u8]) -> Result<Option<T>> {
        let mut sink = Decode::new(&cache.shared.options);
        match cache.fetch_latest(key, &mut sink)? {
            None => Ok(None),
            Some(clock) => cache.or_undecodable(sink.finish(clock)),
        }
    }

    fn encode<'a>(
        options: &Options,
        value: &'a T,
        scratch: &'a mut Vec<u8>,
    ) -> Result<(Head, &'a [u8])> {
        Ok((entry::encode(options, value, scratch)?, scratch))
    }

    fn decode(options: &Options, stored: &[u8]) -> Result<T> {
        entry::decode(options, stored, Clock::default())?.ok_or_else(vanished)
    }
}

struct Bytes;

impl Form for Bytes {
    type Value = Vec<u8>;

    fn fetch(cache: &Cache, key: &[u8]) -> Result<Option<Vec<u8>>> {
        let mut sink = Gather::new(&cache.shared.options);
        match cache.fetch_latest(key, &mut sink)? {
            None => Ok(None),
            Some(clock) => cache.or_undecodable(sink.take(clock)),
        }
    }

    fn encode<'a>(
        options: &Options,
        value: &'a Vec<u8>,
        scratch: &'a mut Vec<u8>,
    ) -> Result<(Head, &'a [u8])> {
        entry::encode_bytes(options, value, scratch)
    }

    fn decode(options: &Options, stored: &[u8]) -> Result<Vec<u8>> {
        entry::payload(options, stored, Clock::default())?
            .map(Cow::into_owned)
            .ok_or_else(vanished)
    }
}

fn vanished() -> Error {
    crate::codec::undecodable("the loaded value is not a live entry")
}
