//! `get_or_set` of many keys: one read a node, a lease a key, one call of the loader for all that is missing, one
//! pipeline a node to store. Keys that others are loading are waited for together. Here are the calls; the way of the
//! keys is in `batch`.

pub(crate) mod batch;
pub(crate) mod item;
pub(crate) mod load;
pub(crate) mod store;
#[cfg(all(test, feature = "capi"))]
mod tests;

use std::collections::HashMap;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::cache::Cache;
use crate::cache::partial::{Many, Partial};
use crate::error::{Error, ErrorKind, Result};
use crate::expiry::Expiry;
use crate::store::KeyList;

use super::LoadError;
use super::form::{Bytes, Form, Typed};

use batch::Batch;

/// What a loader of many made of one key. An `Option` is a value or [`Skip`](Made::Skip).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Made<T> {
    /// A value, to be stored with the call's expiry.
    Value(T),
    /// A value with an expiry of its own.
    ValueFor(T, Expiry),
    /// "Known to be absent", for so long: stored like a value.
    Absent(Expiry),
    /// No value: the key's item is `None`, and nothing is stored.
    Skip,
}

impl<T> From<Option<T>> for Made<T> {
    fn from(value: Option<T>) -> Self {
        value.map_or(Made::Skip, Made::Value)
    }
}

impl Cache {
    /// The values under many keys; those that are missing are computed by one call of `load`, which is given their keys
    /// and answers one [`Made`] (or `Option`) for each, in their order. What others are computing already is waited
    /// for as in [`get_or_set`](Cache::get_or_set); `load` is called again for what they then leave undone.
    ///
    /// One round trip a node when all are there; two more and the load otherwise.
    ///
    /// ```
    /// use redis_cache::{Cache, Expiry};
    ///
    /// # fn main() -> redis_cache::Result<()> {
    /// let cache = Cache::open("memory://?prefix=app")?;
    /// cache.set("user:7", "Ada", Expiry::Default)?;
    /// let users = cache.get_or_set_many(["user:7", "user:8"], Expiry::Default, |missing| {
    ///     assert_eq!(missing, [&"user:8"]);
    ///     Ok::<_, String>(vec![Some("Grace".to_owned())]) // `None` would be skipped: no value, nothing stored
    /// })?;
    /// assert_eq!(users, [Some("Ada".to_owned()), Some("Grace".to_owned())]);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`Partial`] tells of every key what became of it.
    pub fn get_or_set_many<T, K, M, E>(
        &self,
        keys: impl IntoIterator<Item = K>,
        expiry: impl Into<Expiry>,
        load: impl FnMut(&[&K]) -> Result<Vec<M>, E>,
    ) -> Many<T>
    where
        T: Serialize + DeserializeOwned,
        K: AsRef<[u8]>,
        M: Into<Made<T>>,
        E: Into<LoadError>,
    {
        let (expiry, mut load) = (expiry.into(), load);
        let load = |missing: &[&K], _: &mut Renew<'_>| load(missing);
        let items = self.compute_many::<Typed<T>, K, M, E>(keys, expiry, load);
        Partial::unless_whole(items.map_err(Partial::of)?)
    }

    /// [`get_or_set_many`](Cache::get_or_set_many) for bytes as they are; the same round trips and errors.
    pub fn get_or_set_many_bytes<K, M, E>(
        &self,
        keys: impl IntoIterator<Item = K>,
        expiry: impl Into<Expiry>,
        load: impl FnMut(&[&K]) -> Result<Vec<M>, E>,
    ) -> Many<Vec<u8>>
    where
        K: AsRef<[u8]>,
        M: Into<Made<Vec<u8>>>,
        E: Into<LoadError>,
    {
        let (expiry, mut load) = (expiry.into(), load);
        let load = |missing: &[&K], _: &mut Renew<'_>| load(missing);
        let items = self.compute_many::<Bytes, K, M, E>(keys, expiry, load);
        Partial::unless_whole(items.map_err(Partial::of)?)
    }

    /// For bytes as they are, with a loader that may renew its leases.
    #[cfg(feature = "capi")]
    pub(crate) fn load_many_bytes<K, M, E>(
        &self,
        keys: impl IntoIterator<Item = K>,
        expiry: Expiry,
        load: impl FnMut(&[&K], &mut Renew<'_>) -> Result<Vec<M>, E>,
    ) -> Result<Vec<Result<Option<Vec<u8>>>>>
    where
        K: AsRef<[u8]>,
        M: Into<Made<Vec<u8>>>,
        E: Into<LoadError>,
    {
        self.compute_many::<Bytes, K, M, E>(keys, expiry, load)
    }

    fn compute_many<F, K, M, E>(
        &self,
        keys: impl IntoIterator<Item = K>,
        expiry: Expiry,
        mut load: impl FnMut(&[&K], &mut Renew<'_>) -> Result<Vec<M>, E>,
    ) -> Result<Vec<Result<Option<F::Value>>>>
    where
        F: Form,
        K: AsRef<[u8]>,
        M: Into<Made<F::Value>>,
        E: Into<LoadError>,
    {
        let keys: Vec<K> = keys.into_iter().collect();
        let mut load = |missing: &[usize], renew: &mut Renew<'_>| -> Result<Vec<Made<F::Value>>> {
            let missing: Vec<&K> = missing
                .iter()
                .filter_map(|index| keys.get(*index))
                .collect();
            let made = load(&missing, renew).map_err(Error::callback)?;
            if made.len() != missing.len() {
                let (made, missing) = (made.len(), missing.len());
                return Err(Error::new(
                    ErrorKind::Callback,
                    format!("the loader was given {missing} keys and made {made} values"),
                ));
            }
            Ok(made.into_iter().map(Into::into).collect())
        };
        let listed = self.key_list(&keys)?;
        let twins = Twins::of(&listed);
        let mut items = Batch::<F>::new(self, &listed, &twins, expiry).run(&mut load);
        let options = twins.has_some().then(|| self.shared.options.unbounded());
        let options = options.as_ref().unwrap_or(&self.shared.options);
        for (index, first) in twins.firsts.into_iter().enumerate() {
            if index == first {
                continue;
            }
            let item = match items.get(first) {
                Some(Ok(Some(value))) => F::copy(options, value),
                Some(Ok(None)) | None => Ok(None),
                Some(Err(error)) => Err(error.clone()),
            };
            if let Some(place) = items.get_mut(index) {
                *place = item;
            }
        }
        Ok(items)
    }
}

/// Where each key of a list stands for the first time: one that is given twice is one key.
struct Twins {
    firsts: Vec<usize>,
}

impl Twins {
    fn of(keys: &KeyList) -> Twins {
        let mut firsts: Vec<usize> = (0..keys.len()).collect();
        let mut seen = HashMap::with_capacity(keys.len());
        for (index, key) in keys.iter() {
            if let Some(place) = firsts.get_mut(index) {
                *place = *seen.entry(key).or_insert(index);
            }
        }
        Twins { firsts }
    }

    /// Whether any key is given twice.
    fn has_some(&self) -> bool {
        let mut firsts = self.firsts.iter().enumerate();
        firsts.any(|(index, first)| index != *first)
    }

    fn is_first(&self, index: usize) -> bool {
        self.firsts.get(index) == Some(&index)
    }
}

/// A loader: it is given the places of the keys it is to load.
type Loader<'a, V> = dyn FnMut(&[usize], &mut Renew<'_>) -> Result<Vec<Made<V>>> + 'a;

/// Lets the leases of a load that is under way last for another `lease`.
pub(crate) type Renew<'a> = dyn FnMut() -> Result<()> + 'a;
