//! The way of many keys through one call. Each key is told by `herd::step` what comes next; what comes next for several is
//! done together: a read, a claim, a load, a wait. Flights of this process are joined without waiting, before the claim;
//! what is loaded here is stored before anything is waited for; and a flight lands when its own key is settled. (Each of
//! the three left out lets two calls with the same keys wait for each other.)

use std::time::Instant;

use crate::base::backoff::Pause;
use crate::base::flight::{Flights, Follow, Landing, Lead, Part, Product};
use crate::base::moment::Moment;
use crate::cache::Cache;
use crate::config::{Layout, OnWaitTimeout};
use crate::entry::{Judge, Seen, Sight};
use crate::error::{Error, ErrorKind, Result};
use crate::expiry::{Clock, Expiry};
use crate::store::{Access, Acquired, Force, KeyList};

use super::super::form::Form;
use super::super::held::{Held, is_refusal};
use super::super::lead::busy;
use super::super::step::{self, Hand, Heard, Next, Why, Worth};
use super::super::weigh::is_the_callers;
use super::super::{BACKOFF_MS, Source};
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

/// One key.
pub(super) struct Item<V> {
    pub(super) at: At<V>,
    /// Its flight, if this call leads it.
    pub(super) lead: Option<Lead>,
    /// The stale value in hand: absent, or a value.
    pub(super) old: Option<Option<V>>,
    /// All of a value that is of no use, where no lease can stand in it.
    kept: Option<Vec<u8>>,
    /// When the lease of another lapses, unless it is renewed.
    lapses: Option<Moment>,
}

/// How far it has come.
pub(super) enum At<V> {
    /// It is to be looked at.
    Open(Why),
    /// Its lease is to be claimed.
    Wanted(Force, Option<u64>),
    /// The store did not answer, or refused.
    Away {
        is_silent: bool,
    },
    /// Another thread of this process loads it.
    Behind {
        follow: Follow,
        is_away: bool,
    },
    /// This call loads it.
    Mine(Mine),
    Done(Result<Option<V>>),
}

/// A key that this call loads.
pub(super) struct Mine {
    pub(super) right: Right,
    pub(super) clock: Clock,
}

impl<'a, F: Form> Batch<'a, F> {
    pub(super) fn new(
        cache: &'a Cache,
        keys: &'a KeyList,
        twins: &'a Twins,
        expiry: Expiry,
    ) -> Self {
        let items = (0..keys.len()).map(|index| Item {
            at: match twins.is_first(index) {
                true => At::Open(Why::First),
                false => At::Done(Ok(None)),
            },
            lead: None,
            old: None,
            kept: None,
            lapses: None,
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
        let cache = self.cache;
        let flights = &cache.shared.flights;
        for (index, key) in self.keys.iter() {
            let Some(item) = self.items.get_mut(index) else {
                continue;
            };
            let is_to_join = matches!(item.at, At::Wanted(..) | At::Away { .. });
            if is_to_join && item.lead.is_none() && item.old.is_none() {
                item.join(cache, flights, key);
            }
            if let At::Away { is_silent } = item.at {
                item.mine(Right::Nothing { is_silent }, Clock::default());
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
            for (index, key) in self.keys.iter() {
                if let Some(item) = self.items.get_mut(index) {
                    if matches!(item.at, At::Open(_) | At::Away { .. }) && !is_over {
                        item.join(self.cache, &self.cache.shared.late_flights, key);
                    }
                    if matches!(item.at, At::Open(_) | At::Away { .. })
                        || is_over && matches!(item.at, At::Behind { .. })
                    {
                        item.mine(Right::Nothing { is_silent: false }, Clock::default());
                    }
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

impl<V> Item<V> {
    pub(super) fn mine(&mut self, right: Right, clock: Clock) {
        self.at = At::Mine(Mine { right, clock });
    }

    /// It is settled by what others have stored: who waits for it finds that.
    fn serve(&mut self, cache: &Cache, value: Option<V>, source: Source) {
        if source == Source::Stale {
            cache.shared.counters.stale_served.add(1);
        }
        self.settle(Ok(value), Landing::Again);
    }

    /// It is settled.
    pub(super) fn settle(&mut self, done: Result<Option<V>>, landing: Landing) {
        self.at = At::Done(done);
        if let Some(lead) = self.lead.take() {
            lead.land(landing);
        }
    }

    fn fail(&mut self, error: Error) {
        self.settle(Err(error.clone()), Landing::Failed(error));
    }

    fn join(&mut self, cache: &Cache, flights: &Flights, key: &[u8]) {
        let is_away = matches!(self.at, At::Away { is_silent: true });
        match cache.report(flights.join(key)) {
            Ok(Part::Lead(lead)) => self.lead = Some(lead),
            Ok(Part::Follow(follow)) => self.at = At::Behind { follow, is_away },
            Err(error) => self.at = At::Done(Err(error)),
        }
    }

    /// What a look has shown.
    fn saw<F: Form<Value = V>>(
        &mut self,
        cache: &Cache,
        stored: Result<Option<&[u8]>>,
        clock: Clock,
        is_plain: bool,
    ) {
        let why = match self.at {
            At::Open(why) => why,
            _ => Why::First,
        };
        let stored = match stored {
            Ok(Some(stored)) => stored,
            Ok(None) => {
                self.kept = None;
                self.at = At::Wanted(Force::No, None);
                return;
            }
            Err(error) => {
                cache.tell(&error);
                if is_the_callers(&error) {
                    self.fail(error);
                } else {
                    let is_silent = !is_refusal(&error);
                    self.at = At::Away { is_silent };
                }
                return;
            }
        };
        let sight = F::see(&cache.shared.options, stored, why.judge(clock));
        let seen = match cache.weigh(sight, true) {
            Ok(seen) => seen,
            Err(error) => return self.fail(error),
        };
        let source = match seen.view.worth {
            Worth::Fresh => Source::Fresh,
            _ => Source::Stale,
        };
        self.at = match step::looked(why, seen.view) {
            Next::Serve => return self.serve(cache, seen.value, source),
            Next::Claim(force, soft) => {
                self.old = (seen.view.worth == Worth::Stale).then_some(seen.value);
                if is_plain {
                    self.kept = Some(stored.to_vec());
                }
                At::Wanted(force, soft)
            }
            _ => At::Open(Why::Poll),
        };
    }

    /// What the store said to a claim; `None`: nothing that is of use.
    fn heard<F: Form<Value = V>>(
        &mut self,
        cache: &Cache,
        acquired: Option<Result<Acquired<&[u8]>>>,
        clock: Clock,
    ) {
        let (mut found, mut kept, mut right) = (None, None, None);
        let mut is_silent = false;
        self.lapses = None;
        let heard = match acquired {
            Some(Ok(Acquired::Yours(token))) => {
                right = Some(Right::Lease(token));
                Heard::Yours
            }
            Some(Ok(Acquired::Stale)) => Heard::Stale,
            Some(Ok(Acquired::Held(ms))) => {
                let left = std::time::Duration::from_millis(ms);
                self.lapses = Some(Moment::now().after(left));
                Heard::Held
            }
            Some(Ok(Acquired::Found(stored))) => {
                let sight = F::see(&cache.shared.options, stored, Judge::Fresh);
                match cache.weigh(sight, true) {
                    Ok(seen) => {
                        let heard = seen.heard();
                        found = seen.value;
                        if heard == Heard::Useless(None) {
                            kept = Some(stored.to_vec());
                        }
                        heard
                    }
                    Err(error) => match self.old.take() {
                        Some(old) => return self.serve(cache, old, Source::Stale),
                        None => return self.fail(error),
                    },
                }
            }
            Some(Err(error)) => {
                cache.tell(&error);
                is_silent = !is_refusal(&error);
                Heard::Failed
            }
            None => Heard::Failed,
        };
        let hand = match self.old {
            Some(_) => Hand::Value,
            None => Hand::Nothing,
        };
        self.at = match step::claimed(hand, heard) {
            Next::Serve => return self.serve(cache, found, Source::Fresh),
            Next::ServeInHand => {
                let old = self.old.take().flatten();
                return self.serve(cache, old, Source::Stale);
            }
            Next::Claim(force, soft) => At::Wanted(force, soft),
            Next::Lead(step::Right::Lease) => {
                return self.mine(right.unwrap_or(Right::Nothing { is_silent }), clock);
            }
            Next::Lead(step::Right::Swap) => {
                let right = kept.map_or(Right::Nothing { is_silent }, Right::Swap);
                return self.mine(right, clock);
            }
            Next::Uncached => At::Away { is_silent },
            Next::Look => At::Open(Why::Servable),
            Next::Wait => At::Open(Why::Poll),
        };
    }

    /// The flight that was followed has landed.
    fn landed<F: Form<Value = V>>(
        &mut self,
        cache: &Cache,
        landing: Landing,
        is_away: bool,
        began: Moment,
    ) {
        self.at = At::Open(Why::Poll);
        let (product, before) = match landing {
            Landing::Made { product, before } => (product, before),
            Landing::Again => return,
            Landing::Failed(error) => {
                self.at = At::Done(Err(error));
                return;
            }
        };
        if !is_away && before.is_some_and(|since| began > since) {
            return;
        }
        let seen = match product {
            Product::Absent => Ok(Seen::Fresh(None)),
            Product::Value(stored) => F::see(&cache.shared.options, &stored, Judge::Fresh).seen,
        };
        let sight = Sight {
            seen,
            header: None,
            now_ms: 0,
        };
        match cache.weigh(sight, true) {
            Ok(seen) if seen.view.worth == Worth::Fresh => {
                self.serve(cache, seen.value, Source::Fresh)
            }
            Ok(_) => {}
            Err(error) => self.fail(error),
        }
    }
}
