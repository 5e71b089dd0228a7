//! The way of many keys through one call. Each key is told by `herd::step` what comes next; what comes next for several is
//! done together: a read, a claim, a load, a wait. Flights of this process are joined without waiting, before the claim;
//! what is loaded here is stored before anything is waited for; and a flight lands when its own key is settled. (Each of
//! the three left out lets two calls with the same keys wait for each other.)

use std::time::Instant;

use crate::base::backoff::Pause;
use crate::base::flight::Flights;
use crate::base::flight::Landing;
use crate::base::moment::Moment;
use crate::cache::Cache;
use crate::config::{Layout, OnWaitTimeout};
use crate::error::{Error, ErrorKind, Result};
use crate::expiry::{Clock, Expiry};
use crate::store::{Access, Acquired, Force, KeyList};

use super::super::BACKOFF_MS;
use super::super::form::Form;
use super::super::held::Held;
use super::super::lead::busy;
use super::super::step::Why;
use super::item::{At, Item};
use super::store::Right;
use super::{Loader, Twins};

/// A call under way.
pub(super) struct Batch<'a, F: Form> {
    pub(super) cache: &'a Cache,
    pub(super) keys: &'a KeyList,
    pub(super) expiry: Expiry,
    pub(super) items: Vec<Item<F::Value>>,
    twins: &'a Twins,
    began: Moment,
    /// How many flights had been closed when the keys were looked at.
    closed: u64,
}

impl<'a, F: Form> Batch<'a, F> {
    pub(super) fn new(
        cache: &'a Cache,
        keys: &'a KeyList,
        twins: &'a Twins,
        expiry: Expiry,
    ) -> Self {
        let items = (0..keys.len()).map(|index| {
            Item::new(match twins.is_first(index) {
                true => At::Open(Why::First),
                false => At::Done(Ok(None)),
            })
        });
        let mut items: Vec<Item<F::Value>> = items.collect();
        for (index, error) in keys.faults() {
            if let Some(item) = items.get_mut(*index) {
                item.at = At::Done(Err(error.clone()));
            }
        }
        Batch {
            cache,
            keys,
            expiry,
            items,
            twins,
            began: Moment::now(),
            closed: 0,
        }
    }

    pub(super) fn run(mut self, load: &mut Loader<'_, F::Value>) -> Vec<Result<Option<F::Value>>> {
        let wait = self.cache.shared.options.wait;
        let mut ends = Moment::now().after(wait);
        let mut pause = Pause::until(Instant::now() + wait);
        let mut has_paused = true;
        self.look();
        self.count();
        loop {
            self.join();
            self.claim();
            if self.load(load) {
                // Only now does this call wait for others; but they have had time.
                ends = Moment::now().after(wait);
                pause = Pause::until(Instant::now() + wait);
                has_paused = true;
            } else if self.has(|at| !matches!(at, At::Done(_))) {
                let is_at_once = self.has(|at| matches!(at, At::Open(Why::Servable)))
                    && std::mem::take(&mut has_paused);
                if !is_at_once {
                    if !self.pause(&mut pause, ends) {
                        self.give_up(load);
                        break;
                    }
                    has_paused = true;
                }
            } else {
                break;
            }
            self.overhear();
            self.look();
        }
        let done = self.items.into_iter().map(|item| match item.at {
            At::Done(done) => done,
            _ => Err(Error::new(
                ErrorKind::Server,
                "the store did not tell of this key",
            )),
        });
        done.collect()
    }

    fn has(&self, is: impl Fn(&At<F::Value>) -> bool) -> bool {
        self.items.iter().any(|item| is(&item.at))
    }

    /// The keys of the items that `pick` says yes to, with their places.
    pub(super) fn some(&self, pick: impl Fn(&Item<F::Value>) -> bool) -> (Vec<usize>, KeyList) {
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

    fn is_plain(&self) -> bool {
        self.cache.shared.options.layout == Layout::Plain
    }

    /// Reads what is open.
    fn look(&mut self) {
        let (places, keys) = self.some(|item| matches!(item.at, At::Open(_)));
        if places.is_empty() {
            return;
        }
        let (cache, is_plain) = (self.cache, self.is_plain());
        if is_plain {
            self.closed = cache.shared.flights.closed();
        }
        let items = &mut self.items;
        let mut each = |index: usize, stored: Result<Option<&[u8]>>, clock: Clock| {
            let item = places.get(index).and_then(|place| items.get_mut(*place));
            if let Some(item) = item {
                item.saw::<F>(cache, stored, clock, is_plain);
            }
        };
        let store = &cache.shared.store;
        store.get_many(&keys, Access::Write, cache.budget(), &mut each);
    }

    /// Counts hits and misses, after the first look.
    fn count(&self) {
        let counters = &self.cache.shared.counters;
        let keys = self.keys.iter();
        for (index, _) in keys.filter(|(index, _)| self.twins.is_first(*index)) {
            match self.items.get(index).map(|item| &item.at) {
                Some(At::Done(Ok(Some(_)))) => counters.hits.add(1),
                Some(_) => counters.misses.add(1),
                None => {}
            }
        }
    }

    /// Leads the flights of what is to be loaded here, or follows those that are under way. Who has a value in hand does
    /// not wait for others, and needs none.
    fn join(&mut self) {
        self.join_those(&self.cache.shared.flights, |item| {
            let is_to_join = matches!(item.at, At::Wanted(..) | At::Away { .. });
            is_to_join && item.lead.is_none() && item.old.is_none()
        });
        self.join_away();
    }

    /// Joins the flights of the items that `pick` says yes to, all at one moment.
    fn join_those(&mut self, flights: &Flights, pick: impl Fn(&Item<F::Value>) -> bool) {
        let (places, keys) = self.some(pick);
        if places.is_empty() {
            return;
        }
        let parts = flights.join_all(keys.iter().map(|(_, key)| key));
        for (place, part) in places.into_iter().zip(parts) {
            if let Some(item) = self.items.get_mut(place) {
                item.join(self.cache, part);
            }
        }
    }

    /// Claims the leases of what is wanted.
    fn claim(&mut self) {
        if self.is_plain() {
            return self.take_plain();
        }
        // A second time where what was found is of no use, and a third time where it has changed since.
        for _ in 0..3 {
            let (places, keys) = self.some(|item| matches!(item.at, At::Wanted(..)));
            if places.is_empty() {
                return;
            }
            let cache = self.cache;
            let claims = places.iter().filter_map(|place| {
                let (force, seen) = match self.items.get(*place)?.at {
                    At::Wanted(force, seen) => (force, seen),
                    _ => (Force::No, None),
                };
                Some(cache.new_claim(force, seen))
            });
            let claims: Vec<_> = claims.collect();
            let items = &mut self.items;
            // Leases that are of no use without the server's time.
            let mut useless = Held::none(cache);
            let mut each = |index: usize, acquired: Result<Acquired<&[u8]>>, clock: Clock| {
                let item = places.get(index).and_then(|place| items.get_mut(*place));
                let Some(item) = item else {
                    return;
                };
                let acquired = match (acquired, keys.get(index)) {
                    (Ok(Acquired::Yours(token)), Some(key)) if !clock.is_known() => {
                        useless.push(key, token, if item.old.is_some() { BACKOFF_MS } else { 0 });
                        None
                    }
                    (Ok(acquired), _) => Some(Ok(acquired)),
                    (Err(error), _) => Some(Err(error)),
                };
                item.heard::<F>(cache, acquired, clock);
            };
            let store = &cache.shared.store;
            store.acquire_many(&keys, &claims, cache.budget(), &mut each);
            self.join_away();
        }
    }

    /// What the store did not answer a claim for is loaded here, for this process alone.
    fn join_away(&mut self) {
        for item in &mut self.items {
            if let At::Away { is_silent } = item.at {
                item.mine(Right::Nothing { is_silent }, Clock::default());
            }
        }
    }

    /// Without leases whoever stores first is right.
    fn take_plain(&mut self) {
        let is_out_of_date = self.closed != self.cache.shared.flights.closed();
        if is_out_of_date && self.has(|at| matches!(at, At::Wanted(..))) {
            for item in &mut self.items {
                if matches!(item.at, At::Wanted(..)) {
                    item.at = At::Open(Why::First);
                }
            }
            self.look();
        }
        for item in &mut self.items {
            match (&item.at, item.kept.take()) {
                (At::Wanted(..), Some(old)) => item.mine(Right::Swap(old), Clock::default()),
                (At::Wanted(..), None) => item.mine(Right::Add, Clock::default()),
                (At::Away { is_silent }, _) => {
                    let is_silent = *is_silent;
                    item.mine(Right::Nothing { is_silent }, Clock::default());
                }
                _ => {}
            }
        }
    }

    /// Waits for others. False: that is over.
    fn pause(&mut self, pause: &mut Pause, ends: Moment) -> bool {
        if self.has(|at| matches!(at, At::Open(_) | At::Wanted(..))) {
            return pause.sleep();
        }
        // Nothing is to be looked at: the first of the flights says when there is more to do.
        let first = self.items.iter().find_map(|item| match &item.at {
            At::Behind { follow, .. } => Some(follow),
            _ => None,
        });
        first.is_some_and(|follow| follow.wait(ends).is_some())
    }

    /// What the flights came to that have landed.
    fn overhear(&mut self) {
        let (cache, began) = (self.cache, self.began);
        for item in &mut self.items {
            let At::Behind { follow, is_away } = &item.at else {
                if item.lapses.is_some_and(|at| at <= Moment::now())
                    && matches!(item.at, At::Open(_))
                {
                    item.lapses = None;
                    item.at = At::Wanted(Force::No, None);
                }
                continue;
            };
            if let Some(landing) = follow.landed() {
                let is_away = *is_away;
                item.landed::<F>(cache, landing, is_away, began);
            }
        }
    }

    /// The wait for others is over.
    fn give_up(&mut self, load: &mut Loader<'_, F::Value>) {
        let options = &self.cache.shared.options;
        let is_busy = options.on_wait_timeout == OnWaitTimeout::Busy;
        for item in &mut self.items {
            if matches!(item.at, At::Done(_)) {
                continue;
            }
            if let Some(lead) = item.lead.take() {
                lead.land(Landing::Again);
            }
            item.at = match is_busy {
                true => At::Done(Err(busy(options.wait))),
                false => At::Away { is_silent: false },
            };
        }
        let ends = Moment::now().after(options.lease);
        while self.has(|at| !matches!(at, At::Done(_))) {
            let is_over = Moment::now() >= ends;
            if !is_over {
                self.join_those(&self.cache.shared.late_flights, |item| {
                    matches!(item.at, At::Open(_) | At::Away { .. })
                });
            }
            for item in &mut self.items {
                if matches!(item.at, At::Open(_) | At::Away { .. })
                    || is_over && matches!(item.at, At::Behind { .. })
                {
                    item.mine(Right::Nothing { is_silent: false }, Clock::default());
                }
            }
            if !self.load(load) {
                for item in &self.items {
                    if let At::Behind { follow, .. } = &item.at {
                        follow.wait(ends);
                    }
                }
            }
            self.overhear();
        }
    }
}
