//! `get_or_set` of many keys: one read a node, a lease a key, one call of the loader for all that is missing, one
//! pipeline a node to store. Keys that others are loading are waited for together.

pub(crate) mod store;

use std::time::Instant;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::base::backoff::Pause;
use crate::cache::Cache;
use crate::cache::many::{Many, Partial};
use crate::config::{Layout, OnWaitTimeout};
use crate::entry::{Content, Look, Seen};
use crate::error::{Error, ErrorKind, Result};
use crate::expiry::{Clock, Expiry};
use crate::store::{Access, Acquired, Claim, KeyList, Sink};

use super::LoadError;
use super::form::{Bytes, Form, Typed};

use store::{Held, Mine, Right};

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
        Partial::unless_whole(self.compute_many::<Typed<T>, K, M, E>(keys, expiry, load))
    }

    /// [`get_or_set_many`](Cache::get_or_set_many) for bytes as they are.
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
        Partial::unless_whole(self.compute_many::<Bytes, K, M, E>(keys, expiry, load))
    }

    /// For bytes as they are, with a loader that may renew its leases.
    #[cfg(feature = "capi")]
    pub(crate) fn load_many_bytes<K, M, E>(
        &self,
        keys: impl IntoIterator<Item = K>,
        expiry: Expiry,
        load: impl FnMut(&[&K], &mut Renew<'_>) -> Result<Vec<M>, E>,
    ) -> Vec<Result<Option<Vec<u8>>>>
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
    ) -> Vec<Result<Option<F::Value>>>
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
        Batch::<F>::new(self, self.key_list(&keys), expiry).run(&mut load)
    }
}

/// A call under way.
struct Batch<'a, F: Form> {
    cache: &'a Cache,
    keys: KeyList,
    expiry: Expiry,
    items: Vec<Item<F::Value>>,
}

/// How far a key has come.
enum Item<V> {
    /// Not looked at yet, or somebody else is loading it.
    Open,
    /// There is nothing, or an old value: its lease is to be claimed.
    Wanted {
        old: Option<Option<V>>,
    },
    /// This call loads it.
    Mine(Mine<V>),
    Done(Result<Option<V>>),
}

type Loader<'a, V> = dyn FnMut(&[usize], &mut Renew<'_>) -> Result<Vec<Made<V>>> + 'a;

/// Lets the leases of a load that is under way last for another `lease`.
pub(crate) type Renew<'a> = dyn FnMut() -> Result<()> + 'a;

impl<'a, F: Form> Batch<'a, F> {
    fn new(cache: &'a Cache, keys: KeyList, expiry: Expiry) -> Self {
        let mut items: Vec<_> = (0..keys.len()).map(|_| Item::Open).collect();
        for (index, error) in keys.faults() {
            put(&mut items, *index, Item::Done(Err(error.clone())));
        }
        Batch {
            cache,
            keys,
            expiry,
            items,
        }
    }

    fn run(mut self, load: &mut Loader<'_, F::Value>) -> Vec<Result<Option<F::Value>>> {
        let mut pause = Pause::until(Instant::now() + self.cache.shared.options.wait);
        self.look(true);
        loop {
            self.claim();
            self.load(load);
            if !self.items.iter().any(|item| matches!(item, Item::Open)) {
                break;
            }
            if !pause.sleep() {
                self.give_up();
                self.load(load);
                break;
            }
            self.look(false);
        }
        let done = self.items.into_iter().map(|item| match item {
            Item::Done(done) => done,
            _ => Err(Error::new(
                ErrorKind::Server,
                "the store did not tell of this key",
            )),
        });
        done.collect()
    }

    /// The keys of the items that `pick` says yes to, with their places.
    fn some(&self, pick: impl Fn(&Item<F::Value>) -> bool) -> (Vec<usize>, KeyList) {
        let mut list = KeyList::default();
        let picked = self.keys.iter().filter(|(index, _)| {
            let item = self.items.get(*index);
            item.is_some_and(&pick)
        });
        let places = picked.map(|(index, key)| {
            list.push_bytes(key);
            index
        });
        (places.collect(), list)
    }

    /// Reads what is open.
    fn look(&mut self, is_first: bool) {
        let (places, keys) = self.some(|item| matches!(item, Item::Open));
        let cache = self.cache;
        let (items, counters) = (&mut self.items, &cache.shared.counters);
        let mut each = |index: usize, stored: Result<Option<&[u8]>>, clock| {
            let item = match stored {
                Ok(Some(stored)) => see::<F>(cache, stored, clock),
                Ok(None) => Item::Wanted { old: None },
                Err(error) => away(cache, error, None),
            };
            if is_first {
                let is_hit = matches!(item, Item::Done(Ok(Some(_))));
                counters.hits.add(is_hit.into());
                counters.misses.add((!is_hit).into());
            }
            put_at(items, &places, index, item);
        };
        let store = &cache.shared.store;
        store.get_many(&keys, Access::Write, cache.budget(), &mut each);
    }

    /// Claims the leases of what is wanted.
    fn claim(&mut self) {
        let (places, keys) = self.some(|item| matches!(item, Item::Wanted { .. }));
        if places.is_empty() {
            return;
        }
        let cache = self.cache;
        if cache.shared.options.layout == Layout::Plain {
            for place in places {
                let mine = Item::Mine(Mine {
                    lease: Right::Overwrite,
                    clock: Clock::default(),
                    old: None,
                });
                put(&mut self.items, place, mine);
            }
            return;
        }
        let claims: Vec<_> = places
            .iter()
            .map(|_| Claim::new(cache.shared.options.lease, false))
            .collect();
        let items = &mut self.items;
        let mut each = |index: usize, acquired: Result<Acquired<&[u8]>>, clock| {
            let old = match places.get(index).and_then(|place| items.get_mut(*place)) {
                Some(Item::Wanted { old }) => old.take(),
                _ => None,
            };
            let mine = |lease, old| Item::Mine(Mine { lease, clock, old });
            let item = match (acquired, claims.get(index)) {
                (Ok(Acquired::Yours), Some(claim)) => mine(Right::Lease(claim.token), old),
                (Ok(Acquired::Found(stored)), _) => match see::<F>(cache, stored, clock) {
                    Item::Wanted { .. } | Item::Open => mine(Right::Overwrite, old),
                    item => item,
                },
                (Ok(_), _) => match old {
                    Some(value) => stale(cache, value),
                    None => Item::Open,
                },
                (Err(error), _) => away(cache, error, old),
            };
            put_at(items, &places, index, item);
        };
        cache
            .shared
            .store
            .acquire_many(&keys, &claims, cache.budget(), &mut each);
    }

    /// The wait for others is over.
    fn give_up(&mut self) {
        let wait = self.cache.shared.options.wait;
        let is_busy = self.cache.shared.options.on_wait_timeout == OnWaitTimeout::Busy;
        let open = self.items.iter_mut();
        for item in open.filter(|item| matches!(item, Item::Open | Item::Wanted { .. })) {
            *item = if is_busy {
                Item::Done(Err(Error::new(
                    ErrorKind::Busy,
                    format!(
                        "somebody else is still loading this key after {wait:?} (option `wait`)"
                    ),
                )))
            } else {
                Item::Mine(Mine {
                    lease: Right::None,
                    clock: Clock::default(),
                    old: None,
                })
            };
        }
    }

    /// Loads what is ours, and stores it.
    fn load(&mut self, load: &mut Loader<'_, F::Value>) {
        let (places, keys) = self.some(|item| matches!(item, Item::Mine(_)));
        if places.is_empty() {
            return;
        }
        let mine = places.iter().filter_map(|place| self.take_mine(*place));
        let mine = mine.collect();
        let mut held = Held::<F>::new(self.cache, keys, mine);
        self.cache.shared.counters.computes.add(1);
        let began = Instant::now();
        match self.cache.report(load(&places, &mut || held.renew())) {
            Ok(made) => {
                let stored = held.store(made, self.expiry, began.elapsed());
                for (place, item) in places.into_iter().zip(stored) {
                    put(&mut self.items, place, Item::Done(item));
                }
            }
            Err(error) => {
                for (place, mine) in places.into_iter().zip(held.give_up()) {
                    let item = match mine.old {
                        Some(value) => stale(self.cache, value),
                        None => Item::Done(Err(error.clone())),
                    };
                    put(&mut self.items, place, item);
                }
            }
        }
    }

    fn take_mine(&mut self, place: usize) -> Option<Mine<F::Value>> {
        match std::mem::replace(self.items.get_mut(place)?, Item::Open) {
            Item::Mine(mine) => Some(mine),
            _ => None,
        }
    }
}

/// What a stored value means for a call that has not got its lease.
fn see<F: Form>(cache: &Cache, stored: &[u8], clock: Clock) -> Item<F::Value> {
    let options = &cache.shared.options;
    let mut look = Look::new(options, F::sink(options));
    let seen = look
        .begin(stored, stored.len())
        .map(drop)
        .and_then(|()| look.finish(clock));
    match cache.or_undecodable(seen.map(Some)) {
        Err(error) => Item::Done(Err(error)),
        Ok(Some(Seen::Fresh(Content { value, .. }))) => Item::Done(Ok(value)),
        Ok(Some(Seen::Stale { content, leased })) if leased => stale(cache, content.value),
        Ok(Some(Seen::Stale { content, .. })) => Item::Wanted {
            old: Some(content.value),
        },
        Ok(Some(Seen::Nothing { leased: true })) => Item::Open,
        Ok(Some(Seen::Nothing { .. }) | None) => Item::Wanted { old: None },
    }
}

fn stale<V>(cache: &Cache, value: Option<V>) -> Item<V> {
    cache.shared.counters.stale_served.add(1);
    Item::Done(Ok(value))
}

/// The store did not answer: what is in hand is served, and what is not is loaded and not stored.
fn away<V>(cache: &Cache, error: Error, old: Option<Option<V>>) -> Item<V> {
    cache.tell(&error);
    match old {
        _ if !error.is_unavailable() => Item::Done(Err(error)),
        Some(value) => stale(cache, value),
        None => Item::Mine(Mine {
            lease: Right::None,
            clock: Clock::default(),
            old: None,
        }),
    }
}

fn put<V>(items: &mut [Item<V>], place: usize, item: Item<V>) {
    if let Some(slot) = items.get_mut(place) {
        *slot = item;
    }
}

fn put_at<V>(items: &mut [Item<V>], places: &[usize], index: usize, item: Item<V>) {
    if let Some(place) = places.get(index) {
        put(items, *place, item);
    }
}
