//! The load of many keys: one call of the loader for all that this call has to load, and what became of each.

use crate::base::flight::{Landing, Lead, Product};
use crate::base::moment::Moment;
use crate::base::room;
use crate::entry::freshness::{Freshness, cost_of};
use crate::error::Result;
use crate::expiry::Clock;
use crate::store::Head;

use super::super::BACKOFF_MS;
use super::super::form::Form;
use super::super::held::Held;
use super::super::product::{self, is_only_not_stored};
use super::super::step::End;
use super::batch::Batch;
use super::item::{At, Mine};
use super::store::{Entries, Right};
use super::{Loader, Made};

impl<F: Form> Batch<'_, F> {
    /// Loads what is ours, and stores it. False: nothing is.
    pub(super) fn load(&mut self, load: &mut Loader<'_, F::Value>) -> bool {
        let (places, _) = self.some(|item| matches!(item.at, At::Mine(_)));
        if places.is_empty() {
            return false;
        }
        let (cache, mut held) = (self.cache, Held::none(self.cache));
        let mut mine: Vec<(usize, Mine, Option<usize>)> = Vec::with_capacity(places.len());
        for place in &places {
            let (Some(item), Some(key)) = (self.items.get_mut(*place), self.keys.get(*place))
            else {
                continue;
            };
            let At::Mine(taken) = std::mem::replace(&mut item.at, At::Done(Ok(None))) else {
                continue;
            };
            let backoff_ms = if item.old.is_some() { BACKOFF_MS } else { 0 };
            let lease = match taken.right {
                Right::Lease(token) => Some(held.push(key, token, backoff_ms)),
                _ => None,
            };
            mine.push((*place, taken, lease));
        }
        cache.shared.counters.computes.add(1);
        let began = Moment::now();
        match cache.report(load(&places, &mut || held.renew())) {
            Ok(made) => {
                let mut delivery = Delivery::<F> {
                    batch: self,
                    held,
                    since: began,
                    cost: cost_of(Moment::now().since(began)),
                    entries: Entries::default(),
                    values: Vec::new(),
                };
                for ((place, mine, lease), made) in mine.into_iter().zip(made) {
                    delivery.add(place, mine, lease, made);
                }
                delivery.run();
            }
            Err(error) => {
                // First, so that whoever hears of it finds the keys free.
                held.release();
                for place in places {
                    let Some(item) = self.items.get_mut(place) else {
                        continue;
                    };
                    let failed = Landing::Failed(error.clone());
                    match item.old.take() {
                        Some(old) => {
                            cache.shared.counters.stale_served.add(1);
                            item.settle(Ok(old), failed);
                        }
                        None => item.settle(Err(error.clone()), failed),
                    }
                }
            }
        }
        true
    }
}

/// What was made, on its way to the store and to those who wait.
struct Delivery<'b, 'a, F: Form> {
    batch: &'b mut Batch<'a, F>,
    held: Held<&'a crate::cache::Cache>,
    since: Moment,
    cost: u8,
    entries: Entries,
    /// What each caller is given: its place, the value or why there is none, and the landing, once that is known.
    values: Vec<Given<F::Value>>,
}

struct Given<V> {
    place: usize,
    done: Result<Option<V>>,
    product: Option<Product>,
    end: End,
}

impl<F: Form> Delivery<'_, '_, F> {
    /// Encodes one value, and closes its flight.
    fn add(&mut self, place: usize, mine: Mine, lease: Option<usize>, made: Made<F::Value>) {
        let cache = self.batch.cache;
        let options = &cache.shared.options;
        let (value, expiry) = match made {
            Made::Value(value) => (Some(value), self.batch.expiry),
            Made::ValueFor(value, expiry) => (Some(value), expiry),
            Made::Absent(expiry) => (None, expiry),
            Made::Skip => {
                self.give_back(lease);
                return self.give(place, Ok(None), None);
            }
        };
        let mut scratch = Vec::new();
        let encoded = product::encoded::<F>(options, value.as_ref(), &mut scratch)
            .and_then(|(head, body)| Ok((head, room::copy(body, "a value")?)));
        let encoded = match cache.report(encoded) {
            Err(error) if !is_only_not_stored(&error) => {
                self.give_back(lease);
                return self.give(place, Err(error), None);
            }
            encoded => encoded,
        };
        let item = self.batch.items.get_mut(place);
        let is_awaited = item
            .and_then(|item| item.lead.as_mut())
            .is_some_and(Lead::close);
        let Ok((head, body)) = encoded else {
            // It is not stored, and what lease there is goes back.
            let large = value.as_ref().filter(|_| is_awaited);
            let product = large.and_then(|value| product::large::<F>(options, value));
            return self.give(place, Ok(value), product);
        };
        let product = match is_awaited {
            true => product::product(value.is_some(), &head, &body),
            false => None,
        };
        let is_value = value.is_some();
        let number = self.values.len();
        self.give(place, Ok(value), product);
        let freshness = Freshness::new(options, cache.life(expiry));
        let dress = |head: Head, clock: Clock| freshness.dress(head, self.cost, clock);
        match mine.right {
            Right::Lease(_) => {
                if let Some(token) = lease.and_then(|lease| self.held.end(lease)) {
                    let (head, life) = dress(head, mine.clock);
                    self.entries.by_lease.push(
                        number,
                        (head, body, life),
                        (token, lease.unwrap_or(0)),
                    );
                }
            }
            Right::Swap(old) => {
                let (head, life) = dress(head, mine.clock);
                self.entries.by_swap.push(number, (head, body, life), old);
            }
            Right::Add if is_value => {
                let (head, life) = dress(head, mine.clock);
                self.entries.by_add.push(number, (head, body, life), ());
            }
            Right::Nothing { is_silent: true } => self.end(number, End::Away),
            Right::Add | Right::Nothing { .. } => {}
        }
    }

    fn give_back(&mut self, lease: Option<usize>) {
        if let Some(lease) = lease {
            self.held.skip(lease);
        }
    }

    fn give(&mut self, place: usize, done: Result<Option<F::Value>>, product: Option<Product>) {
        self.values.push(Given {
            place,
            done,
            product,
            end: End::NotStored,
        });
    }

    fn end(&mut self, number: usize, end: End) {
        if let Some(given) = self.values.get_mut(number) {
            given.end = end;
        }
    }

    /// Stores all, gives back what is not stored, and tells everybody.
    fn run(mut self) {
        let (cache, entries) = (self.batch.cache, std::mem::take(&mut self.entries));
        let key_of = |number: usize| {
            let place = self.values.get(number)?.place;
            self.batch.keys.get(place)
        };
        let mut ends = Vec::new();
        entries.store(cache, key_of, &mut |number, end| ends.push((number, end)));
        for (number, end) in ends {
            self.end(number, end);
            if end == End::Refused
                && let Some(lease) = entries.lease_of(number)
            {
                self.held.refused(lease);
            }
        }
        self.held.release();
        let taken: Vec<usize> = entries
            .by_add
            .numbers()
            .filter(|number| {
                let given = self.values.get(*number);
                given.is_some_and(|given| given.end == End::NotStored)
            })
            .collect();
        self.take_theirs(taken);
        for given in self.values {
            let Some(item) = self.batch.items.get_mut(given.place) else {
                continue;
            };
            let landing = match (&given.done, given.product) {
                (Err(error), _) => Landing::Failed(error.clone()),
                (Ok(_), None) => Landing::Again,
                (Ok(_), Some(product)) => Landing::Made {
                    product,
                    before: given.end.before(self.since),
                },
            };
            item.settle(given.done, landing);
        }
    }

    /// Without leases who was first is right, unless what he stored is of no use here.
    fn take_theirs(&mut self, taken: Vec<usize>) {
        use crate::entry::{Judge, Seen};
        use crate::store::{Access, KeyList};
        if taken.is_empty() {
            return;
        }
        let (cache, mut keys) = (self.batch.cache, KeyList::default());
        for number in &taken {
            let place = self.values.get(*number).map(|given| given.place);
            let key = place.and_then(|place| self.batch.keys.get(place));
            keys.push_bytes(key.unwrap_or_default());
        }
        let values = &mut self.values;
        let mut each = |index: usize, stored: Result<Option<&[u8]>>, _: Clock| {
            let stored = match stored {
                Ok(Some(stored)) => stored,
                Ok(None) => return,
                Err(error) => return cache.tell(&error),
            };
            let given = taken.get(index).and_then(|number| values.get_mut(*number));
            let sight = F::see(&cache.shared.options, stored, Judge::Fresh);
            if let (Some(given), Ok(Seen::Fresh(Some(theirs)))) = (given, sight.seen) {
                given.done = Ok(Some(theirs));
                given.product = None;
            }
        };
        let store = &cache.shared.store;
        store.get_many(&keys, Access::Write, cache.budget(), &mut each);
    }
}
