//! `get_or_set`: read a value, or compute and store it, so that of all who miss it together, in this process and in
//! others, one computes it. Here are the calls and what they answer; the way of a call is in `herd/one.rs` and its
//! siblings. `base::flight` is the part of it that threads of one process share, `store::leases` the part that processes do.

pub(crate) mod claim;
pub(crate) mod form;
pub(crate) mod held;
pub(crate) mod lead;
pub(crate) mod lease;
pub(crate) mod load;
pub(crate) mod loading;
pub(crate) mod many;
#[cfg(test)]
pub(crate) mod model;
pub(crate) mod one;
pub(crate) mod product;
pub(crate) mod step;
pub(crate) mod terms;
pub(crate) mod weigh;

use std::marker::PhantomData;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::base::moment::Moment;
use crate::cache::Cache;
use crate::config::Layout;
use crate::entry::{Judge, Look, Seen, Sight};
use crate::error::{Error, ErrorKind, Result};
use crate::expiry::Expiry;
use crate::key::WireKey;
use crate::store::Access;

pub(crate) use form::{Bytes, Form, Reader, Typed};
pub use loading::Loading;
pub(crate) use terms::{BACKOFF_MS, LoadError, lost};
pub use terms::{Outcome, Source};

pub use many::Made;
#[cfg(feature = "capi")]
pub(crate) use many::Renew;

use one::Call;

impl Cache {
    /// The value under `key`; where there is none, `load` computes it and it is stored. Of all threads of all
    /// processes that miss it together one loads; the others wait for it, at most for the option `wait`, or are served
    /// the old value while there is one that is not older than the option `stale`.
    ///
    /// A hit is one round trip; a computed value three. With an expiry that has passed already, the value is returned
    /// and nothing stored. A server that cannot be reached, or refuses, never keeps `load` from running, and takes no
    /// value from its caller: it is then loaded once per key and process and not stored, and the error hook is told. So
    /// is it of a value above `max_value`, which goes to all who asked and is not stored.
    ///
    /// # Errors
    /// [`ErrorKind::Callback`] with the loader's error as its source, for the caller and all threads that waited,
    /// unless an old value can be served; [`ErrorKind::Busy`] with `on_wait_timeout=busy`;
    /// [`ErrorKind::InvalidArgument`] when a loader asks for its own key, and for a value or a type that does not fit the
    /// codec (see [`Codec`](crate::config::Codec)).
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
        self.value_of::<Typed<T>>(key.as_ref(), expiry.into(), |_| {
            load().map(Some).map_err(Error::callback)
        })
    }

    /// [`get_or_set`](Cache::get_or_set) that tells where the value comes from, and whose loader may set the expiry,
    /// renew its lease, or answer `None`: "known to be absent". Absence is stored like a value, for as long; `get` then
    /// says `None`, this call answers it without loading, and `add` succeeds. Round trips and errors as
    /// [`get_or_set`](Cache::get_or_set).
    ///
    /// ```
    /// use redis_cache::{Cache, Expiry, Source};
    /// use std::time::Duration;
    ///
    /// # fn main() -> redis_cache::Result<()> {
    /// let cache = Cache::open("memory://?prefix=app")?;
    /// let found = cache.get_or_set_with("user:7", Expiry::Default, |loading| {
    ///     loading.set_ttl(Duration::from_secs(20));
    ///     Ok::<_, String>(Some("Ada".to_owned()))
    /// })?;
    /// assert_eq!((found.value.as_deref(), found.source), (Some("Ada"), Source::Computed));
    /// # Ok(())
    /// # }
    /// ```
    pub fn get_or_set_with<T, E>(
        &self,
        key: impl AsRef<[u8]>,
        expiry: impl Into<Expiry>,
        load: impl FnOnce(&mut Loading<'_>) -> Result<Option<T>, E>,
    ) -> Result<Outcome<T>>
    where
        T: Serialize + DeserializeOwned,
        E: Into<LoadError>,
    {
        self.compute::<Typed<T>>(key.as_ref(), expiry.into(), true, |loading| {
            load(loading).map_err(Error::callback)
        })
    }

    /// [`get_or_set`](Cache::get_or_set) for bytes as they are; the same round trips and errors.
    pub fn get_or_set_bytes<E: Into<LoadError>>(
        &self,
        key: impl AsRef<[u8]>,
        expiry: impl Into<Expiry>,
        load: impl FnOnce() -> Result<Vec<u8>, E>,
    ) -> Result<Vec<u8>> {
        self.value_of::<Bytes>(key.as_ref(), expiry.into(), |_| {
            load().map(Some).map_err(Error::callback)
        })
    }

    /// [`get_or_set_with`](Cache::get_or_set_with) for bytes as they are; the same round trips and errors.
    pub fn get_or_set_bytes_with<E: Into<LoadError>>(
        &self,
        key: impl AsRef<[u8]>,
        expiry: impl Into<Expiry>,
        load: impl FnOnce(&mut Loading<'_>) -> Result<Option<Vec<u8>>, E>,
    ) -> Result<Outcome<Vec<u8>>> {
        self.compute::<Bytes>(key.as_ref(), expiry.into(), true, |loading| {
            load(loading).map_err(Error::callback)
        })
    }

    /// What [`get_or_set`](Cache::get_or_set) could serve without loading: also a value past its expiry. One round
    /// trip, to the node that takes writes.
    ///
    /// # Errors
    /// [`ErrorKind::Unsupported`] with `layout=plain`, whose values carry no expiry of their own.
    pub fn get_stale<T: DeserializeOwned>(&self, key: impl AsRef<[u8]>) -> Result<Outcome<T>> {
        self.peek::<Typed<T>>(key.as_ref())
    }

    /// [`get_stale`](Cache::get_stale) for bytes as they are; the same round trips and errors.
    pub fn get_stale_bytes(&self, key: impl AsRef<[u8]>) -> Result<Outcome<Vec<u8>>> {
        self.peek::<Bytes>(key.as_ref())
    }

    /// Makes a value stale at once: reads miss it, and [`get_or_set`](Cache::get_or_set) serves it while one caller
    /// renews it, for as long as the key had to live. Invalidation without a herd. Integers and values of other
    /// programs, which cannot be stale, are deleted. False: there was no such value. One round trip; where the server is
    /// full (the code word `OOM`) a second one, which removes the key.
    ///
    /// # Errors
    /// [`ErrorKind::Unsupported`] with `layout=plain`.
    pub fn expire_soft(&self, key: impl AsRef<[u8]>) -> Result<bool> {
        self.needs_tagged("expire_soft")?;
        let mut place = WireKey::new();
        let key = self.wire_key(key, &mut place)?;
        self.or_miss(self.shared.store.expire_soft(key, self.budget()), false)
    }

    /// The call of a loader that always has a value.
    fn value_of<F: Form>(
        &self,
        key: &[u8],
        expiry: Expiry,
        load: impl FnOnce(&mut Loading<'_>) -> Result<Option<F::Value>>,
    ) -> Result<F::Value> {
        let outcome = self.compute::<F>(key, expiry, false, load)?;
        outcome
            .value
            .ok_or_else(|| crate::codec::undecodable("the value is known to be absent"))
    }

    fn compute<F: Form>(
        &self,
        key: &[u8],
        expiry: Expiry,
        may_be_absent: bool,
        load: impl FnOnce(&mut Loading<'_>) -> Result<Option<F::Value>>,
    ) -> Result<Outcome<F::Value>> {
        let mut place = WireKey::new();
        let key = self.wire_key(key, &mut place)?;
        let call = Call {
            cache: self,
            key,
            expiry,
            may_be_absent,
            load,
            began: Moment::BEFORE,
            form: PhantomData::<F>,
        };
        call.run()
    }

    fn peek<R: Reader>(&self, key: &[u8]) -> Result<Outcome<R::Value>> {
        self.needs_tagged("get_stale")?;
        let mut place = WireKey::new();
        let key = self.wire_key(key, &mut place)?;
        let seen = match self.or_miss(self.see::<R>(key), None)? {
            Some(sight) => self.or_undecodable(sight.seen.map(Some))?,
            None => None,
        };
        let (value, source) = match seen {
            Some(Seen::Fresh(value)) => (value, Source::Fresh),
            Some(Seen::Stale(value)) => (value, Source::Stale),
            Some(Seen::Nothing) | None => (None, Source::Fresh),
        };
        Ok(Outcome { value, source })
    }

    /// Reads on the node that takes writes. The outer error is the store's.
    fn see<R: Reader>(&self, key: &[u8]) -> Result<Option<Sight<R::Value>>> {
        let options = &self.shared.options;
        let mut look = Look::new(options, R::sink(options));
        let store = &self.shared.store;
        let found = store.get(key, Access::Write, &mut look, self.budget())?;
        Ok(found.map(|clock| look.finish(Judge::Clock(clock))))
    }

    /// Refuses what values without a header cannot do.
    pub(crate) fn needs_tagged(&self, call: &'static str) -> Result<()> {
        match self.shared.options.layout {
            Layout::Tagged => Ok(()),
            Layout::Plain => self.report(Err(Error::new(
                ErrorKind::Unsupported,
                format!("{call} needs layout=tagged: plain values have no room for their times"),
            ))),
        }
    }
}
