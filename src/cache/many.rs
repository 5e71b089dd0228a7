//! Operations on many keys: every node gets its own keys in one pipeline, all nodes are written to before the
//! first is read from, and a node that fails fails only its keys. Results come in the caller's order.

use std::borrow::Borrow;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::base::budget::Budget;
use crate::cache::Cache;
use crate::cache::faults::Faults;
use crate::cache::partial::{Many, Partial};
use crate::cache::stats::Reads;
use crate::entry;
use crate::entry::freshness::Freshness;
use crate::error::{Error, Result};
use crate::expiry::{Clock, Expiry, Glance, Life};
use crate::store::{Access, Head, KeyList, Value};

/// Where the items of a read go: each is put there once, in any order.
#[cfg(feature = "capi")]
pub(crate) trait Items {
    fn put(&mut self, index: usize, item: Result<Option<&[u8]>>);
}

impl Cache {
    /// The values under many keys, decoded, in their order. One round trip a node, all nodes at once.
    ///
    /// ```
    /// use redis_cache::{Cache, Expiry};
    ///
    /// # fn main() -> redis_cache::Result<()> {
    /// let cache = Cache::open("memory://?prefix=app")?;
    /// cache.set_many::<&str>([("user:7", "Ada"), ("user:9", "Grace")], Expiry::Default)?;
    /// let users: Vec<Option<String>> = cache.get_many(["user:7", "user:8", "user:9"])?;
    /// assert_eq!(users, [Some("Ada".to_owned()), None, Some("Grace".to_owned())]);
    ///
    /// // What was found is there also when a part could not be asked for:
    /// let users = cache.get_many::<String>(["user:7", ""]).unwrap_or_else(|partial| {
    ///     partial.items.into_iter().map(|item| item.unwrap_or(None)).collect()
    /// });
    /// assert_eq!(users, [Some("Ada".to_owned()), None]);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`Partial`] holds what was found when a key is refused or its node failed.
    pub fn get_many<T: DeserializeOwned>(
        &self,
        keys: impl IntoIterator<Item = impl AsRef<[u8]>>,
    ) -> Many<T> {
        self.collect_many(keys, |stored, now_ms| {
            entry::decode(&self.shared.options, stored, now_ms)
        })
    }

    /// The payloads under many keys; see [`get_bytes`](Cache::get_bytes) for what they are. One round trip a node, all
    /// nodes at once.
    ///
    /// # Errors
    /// As [`get_many`](Cache::get_many).
    pub fn get_many_bytes(
        &self,
        keys: impl IntoIterator<Item = impl AsRef<[u8]>>,
    ) -> Many<Vec<u8>> {
        self.collect_many(keys, |stored, now_ms| {
            let payload = entry::payload(&self.shared.options, stored, now_ms)?;
            payload.map(entry::owned).transpose()
        })
    }

    fn collect_many<T>(
        &self,
        keys: impl IntoIterator<Item = impl AsRef<[u8]>>,
        decode: impl Fn(&[u8], &mut dyn FnMut() -> u64) -> Result<Option<T>>,
    ) -> Many<T> {
        let keys = self.key_list(keys).map_err(Partial::of)?;
        let mut items = self.places(&keys)?;
        let (mut reads, mut glance) = (Reads::default(), Glance::default());
        tell_faults(&keys, &mut |index, fault| {
            put(&mut items, index, Err(fault))
        });
        self.fetch_many(&keys, |index, stored, clock, faults| {
            let item = match stored {
                Ok(Some(stored)) => {
                    faults.or_undecodable(decode(stored, &mut || glance.now_ms(clock)))
                }
                Ok(None) => Ok(None),
                Err(error) => Err(error),
            };
            reads.count(&item);
            put(&mut items, index, item);
        });
        self.shared.counters.add(reads);
        Partial::unless_whole(items)
    }

    /// Reads many payloads without a vector each. The payload of a value that is not live, or not decodable under
    /// `on_decode_error=miss`, is `None`.
    #[cfg(feature = "capi")]
    pub(crate) fn get_many_with(
        &self,
        keys: impl IntoIterator<Item = impl AsRef<[u8]>>,
        items: &mut impl Items,
    ) -> Result<()> {
        let options = &self.shared.options;
        let (mut reads, mut glance) = (Reads::default(), Glance::default());
        let mut scratch = Vec::new();
        let keys = self.key_list(keys)?;
        tell_faults(&keys, &mut |index, fault| items.put(index, Err(fault)));
        self.fetch_many(&keys, |index, stored, clock, faults| {
            let item = match stored {
                Ok(Some(stored)) => {
                    let now_ms = || glance.now_ms(clock);
                    faults.or_undecodable(entry::view(options, stored, now_ms, &mut scratch))
                }
                nothing => nothing,
            };
            reads.count(&item);
            items.put(index, item);
        });
        self.shared.counters.add(reads);
        Ok(())
    }

    /// The step that all reads of many keys share: those that are no faults are read, and `on_error` is applied. Faults that
    /// `each` finds are told with the others.
    fn fetch_many(
        &self,
        keys: &KeyList,
        mut each: impl FnMut(usize, Result<Option<&[u8]>>, Clock, &mut Faults<'_>),
    ) {
        let mut faults = Faults::of(self);
        let mut each = |index, stored: Result<Option<&[u8]>>, clock| {
            let stored = match stored {
                Ok(stored) => Ok(stored),
                failed => faults.or_miss(failed, None),
            };
            each(index, stored, clock, &mut faults);
        };
        self.shared
            .store
            .get_many(keys, Access::Read, self.budget(), &mut each);
        faults.tell();
    }

    /// Stores many values with one expiry. One round trip a node, all nodes at once; a pipeline, not a transaction. Keys
    /// that a full node refuses are removed, as by [`set`](Cache::set).
    ///
    /// # Errors
    /// [`Partial`] tells of every entry whether it was stored.
    pub fn set_many<T: Serialize>(
        &self,
        entries: impl IntoIterator<Item = (impl AsRef<[u8]>, impl Borrow<T>)>,
        expiry: impl Into<Expiry>,
    ) -> Result<(), Partial<()>> {
        let mut bodies = Vec::new();
        let mut encoded = Vec::new();
        let keys = self.key_list_with(entries, |value| {
            let start = bodies.len();
            let head = entry::encode(&self.shared.options, value.borrow(), &mut bodies)?;
            encoded.push((head, start..bodies.len()));
            Ok(())
        });
        let keys = keys.map_err(Partial::of)?;
        let body = |range: &std::ops::Range<usize>| bodies.get(range.clone()).unwrap_or_default();
        let values = encoded.iter().map(|(head, range)| Value {
            head,
            body: body(range),
        });
        let mut items = self.places(&keys)?;
        self.store_many(&keys, values, expiry.into(), &mut |index, done| {
            put(&mut items, index, done)
        });
        Partial::unless_whole(items).map(drop)
    }

    /// Stores many byte strings as they are; see [`set_many`](Cache::set_many) for round trips and errors.
    pub fn set_many_bytes(
        &self,
        entries: impl IntoIterator<Item = (impl AsRef<[u8]>, impl AsRef<[u8]>)>,
        expiry: impl Into<Expiry>,
    ) -> Result<(), Partial<()>> {
        let mut items: Vec<Result<()>> = Vec::new();
        let entries: Vec<_> = entries.into_iter().collect();
        let slices = entries
            .iter()
            .map(|(key, value)| (key.as_ref(), value.as_ref()));
        let done = self.set_many_with(slices, expiry.into(), &mut |index, done| {
            put(&mut items, index, done)
        });
        done.map_err(Partial::of)?;
        Partial::unless_whole(items).map(drop)
    }

    /// Stores many byte strings, none of which is copied before it is on its way; `each` is told of every item once, in any
    /// order.
    pub(crate) fn set_many_with<'a>(
        &self,
        entries: impl ExactSizeIterator<Item = (&'a [u8], &'a [u8])>,
        expiry: Expiry,
        each: &mut dyn FnMut(usize, Result<()>),
    ) -> Result<()> {
        let mut bodies = entry::Bodies::new(&self.shared.options, entries.len());
        let keys = self.key_list_with(entries, |body| bodies.push(body))?;
        self.store_many(&keys, bodies.values(), expiry, each);
        Ok(())
    }

    /// Stores one value per key that is not a fault.
    fn store_many<'a>(
        &self,
        keys: &KeyList,
        mut values: impl Iterator<Item = Value<'a>>,
        expiry: Expiry,
        each: &mut dyn FnMut(usize, Result<()>),
    ) {
        const NOTHING: Value<'_> = Value {
            head: &[],
            body: &[],
        };
        tell_faults(keys, &mut |index, fault| each(index, Err(fault)));
        let (life, jitter) = (self.whole_life(expiry), self.shared.options.ttl_jitter);
        let value_at = |index| match keys.get(index) {
            Some(_) => (values.next().unwrap_or(NOTHING), life.jittered(jitter)),
            None => (NOTHING, life),
        };
        let mut values_in_order: Vec<_> = (0..keys.len()).map(value_at).collect();
        let budget = self.budget();
        let heads = self.heads_with_stale(keys, &mut values_in_order, budget);
        for ((value, _), head) in values_in_order.iter_mut().zip(&heads) {
            value.head = head;
        }
        let (mut stored, mut faults) = (0, Faults::of(self));
        let mut each = |index, done: Result<bool>| {
            let done = faults.or_miss(done.map(drop), ());
            stored += u64::from(done.is_ok());
            each(index, done);
        };
        let store = &self.shared.store;
        store.set_many(keys, &values_in_order, budget, &mut each);
        self.shared.counters.sets.add(stored);
        faults.tell();
    }

    /// With the option `stale`, the long headers of these values, whose lives are prolonged; else none. When a node
    /// cannot be asked for its time, the local one has to do: the write will tell of the fault.
    fn heads_with_stale(
        &self,
        keys: &KeyList,
        values: &mut [(Value<'_>, Life)],
        budget: Budget,
    ) -> Vec<Head> {
        if self.shared.options.stale.is_zero() {
            return Vec::new();
        }
        let mut is_reachable = true;
        let heads = values.iter_mut().enumerate().map(|(index, (value, life))| {
            let key = keys.get(index).filter(|_| is_reachable);
            let clock = match key.map(|key| self.shared.store.clock(key, budget)) {
                Some(Ok(clock)) => clock,
                Some(Err(_)) => {
                    is_reachable = false;
                    Clock::default()
                }
                None => Clock::default(),
            };
            let freshness = Freshness::new(&self.shared.options, *life);
            let (head, whole) = freshness.dress(Head::from_slice(value.head), 0, clock);
            *life = whole;
            head
        });
        heads.collect()
    }

    /// Removes many keys and counts those that were there. One round trip a node, all nodes at once.
    ///
    /// # Errors
    /// [`Partial`] tells of every key whether it was there.
    pub fn delete_many(
        &self,
        keys: impl IntoIterator<Item = impl AsRef<[u8]>>,
    ) -> Result<u64, Partial<bool>> {
        let mut items: Vec<Result<bool>> = Vec::new();
        self.delete_many_with(keys, &mut |index, deleted| put(&mut items, index, deleted))
            .map_err(Partial::of)?;
        let items = Partial::unless_whole(items)?;
        Ok(items.into_iter().map(u64::from).sum())
    }

    /// Removes many keys; `each` is told of every item once.
    pub(crate) fn delete_many_with(
        &self,
        keys: impl IntoIterator<Item = impl AsRef<[u8]>>,
        each: &mut dyn FnMut(usize, Result<bool>),
    ) -> Result<()> {
        let keys = self.key_list(keys)?;
        tell_faults(&keys, &mut |index, fault| each(index, Err(fault)));
        let (mut removed, mut faults) = (0, Faults::of(self));
        let mut each = |index, deleted| {
            let deleted = faults.or_miss(deleted, false);
            removed += u64::from(matches!(deleted, Ok(true)));
            each(index, deleted);
        };
        self.shared
            .store
            .delete_many(&keys, self.budget(), &mut each);
        self.shared.counters.deletes.add(removed);
        faults.tell();
        Ok(())
    }

    /// The wire keys of many keys; one that is refused keeps its place and carries the reason.
    ///
    /// # Errors
    /// Only NoMemory, for the list as such.
    pub(crate) fn key_list(
        &self,
        keys: impl IntoIterator<Item = impl AsRef<[u8]>>,
    ) -> Result<KeyList> {
        self.key_list_with(keys.into_iter().map(|key| (key, ())), |()| Ok(()))
    }

    /// The same for entries; `encode` takes the value of every key that is accepted, and may refuse it too.
    fn key_list_with<V>(
        &self,
        entries: impl IntoIterator<Item = (impl AsRef<[u8]>, V)>,
        mut encode: impl FnMut(V) -> Result<()>,
    ) -> Result<KeyList> {
        let entries = entries.into_iter();
        let mut keys = self.report(KeyList::with_room(entries.size_hint().0))?;
        let mut place = Vec::new();
        for (key, value) in entries {
            let pushed = match self.keys.pieces(key.as_ref(), &mut place) {
                Ok((front, back)) => keys.push(front, back, || encode(value)),
                Err(error) => Err(error),
            };
            if let Err(error) = pushed {
                self.tell(&error);
                keys.push_fault(error);
            }
        }
        self.report(keys.whole())
    }

    /// Room for what becomes of each key.
    fn places<T>(&self, keys: &KeyList) -> Result<Vec<Result<T>>, Partial<T>> {
        let mut places = Vec::new();
        let reserved = places.try_reserve_exact(keys.len());
        let len = keys.len().saturating_mul(size_of::<Result<T>>());
        let reserved = reserved.map_err(|_| Error::no_memory("results", len));
        self.report(reserved).map_err(Partial::of)?;
        Ok(places)
    }
}

/// Why keys of a list are not asked for.
fn tell_faults(keys: &KeyList, each: &mut dyn FnMut(usize, Error)) {
    for (index, error) in keys.faults() {
        each(*index, error.clone());
    }
}

/// Puts an item at its place, whatever the order in which items come.
fn put<T: Default>(items: &mut Vec<Result<T>>, index: usize, item: Result<T>) {
    if items.len() <= index {
        items.resize_with(index + 1, || Ok(T::default()));
    }
    if let Some(place) = items.get_mut(index) {
        *place = item;
    }
}
