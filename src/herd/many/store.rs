//! The end of a `get_or_set` of many keys: what was made is stored in one pipeline a node, and leases that were claimed
//! in vain are given back, also when the loader panics.

use std::time::Duration;

use crate::cache::Cache;
use crate::config::Layout;
use crate::entry::freshness::{Freshness, cost_of};
use crate::entry::header::Header;
use crate::error::Result;
use crate::expiry::{Clock, Expiry, Life};
use crate::store::{Head, KeyList, Token, Value};

use super::super::BACKOFF_MS;
use super::super::form::Form;
use super::Made;

/// A key that this call loads.
pub(super) struct Mine<V> {
    pub(super) lease: Right,
    pub(super) clock: Clock,
    /// The stale value in hand.
    pub(super) old: Option<Option<V>>,
}

/// By what right a loaded value is stored.
#[derive(Clone, Copy)]
pub(super) enum Right {
    Lease(Token),
    /// It replaces a value that cannot be read, or one that knows no leases.
    Overwrite,
    /// It is not stored: the store is away, or somebody else holds the lease.
    None,
}

/// Leases that are given back when the loader fails or panics.
pub(super) struct Held<'a, F: Form> {
    cache: &'a Cache,
    keys: KeyList,
    mine: Vec<Mine<F::Value>>,
    is_over: bool,
}

impl<'a, F: Form> Held<'a, F> {
    pub(super) fn new(cache: &'a Cache, keys: KeyList, mine: Vec<Mine<F::Value>>) -> Self {
        Held {
            cache,
            keys,
            mine,
            is_over: false,
        }
    }

    /// Stores what was made, and says of every key what its caller gets.
    pub(super) fn store(
        &mut self,
        made: Vec<Made<F::Value>>,
        expiry: Expiry,
        took: Duration,
    ) -> Vec<Result<Option<F::Value>>> {
        self.is_over = true;
        let (mut leased, mut skipped) = (Stores::default(), Stores::default());
        let (cache, cost) = (self.cache, cost_of(took));
        let options = &cache.shared.options;
        let mut results = Vec::with_capacity(made.len());
        for (index, made) in made.into_iter().enumerate() {
            let (value, expiry, is_skipped) = match made {
                Made::Value(value) => (Some(value), expiry, false),
                Made::ValueFor(value, expiry) => (Some(value), expiry, false),
                Made::Absent(expiry) => (None, expiry, false),
                Made::Skip => (None, expiry, true),
            };
            let (Some(mine), Some(key)) = (self.mine.get(index), self.keys.get(index)) else {
                continue;
            };
            if is_skipped {
                if let Right::Lease(token) = mine.lease {
                    skipped.push(key, token);
                }
                results.push(Ok(None));
                continue;
            }
            let freshness = Freshness::new(options, cache.life(expiry));
            let mut scratch = Vec::new();
            let encoded = match &value {
                Some(value) => F::encode(options, value, &mut scratch)
                    .map(|(head, body)| (head, body.to_vec())),
                None => Ok((Header::ABSENT.encode(), Vec::new())),
            };
            match (encoded, mine.lease) {
                (Err(error), lease) => {
                    if let Right::Lease(token) = lease {
                        skipped.push(key, token);
                    }
                    results.push(cache.report(Err(error)));
                    continue;
                }
                (Ok((head, body)), Right::Lease(token)) => {
                    let (head, life) = freshness.dress(head, cost, mine.clock);
                    leased.push(key, token);
                    leased.entries.push((head, body, life));
                }
                (Ok((head, body)), Right::Overwrite)
                    if value.is_some() || options.layout == Layout::Tagged =>
                {
                    let (head, life) = freshness.dress(head, cost, mine.clock);
                    let stored = cache.shared.store.set(
                        key,
                        Value {
                            head: &head,
                            body: &body,
                        },
                        life,
                        cache.budget(),
                    );
                    if let Err(error) = stored.or_else(|error| cache.passed_over(error)) {
                        results.push(Err(error));
                        continue;
                    }
                }
                (Ok(_), _) => {}
            }
            results.push(Ok(value));
        }
        leased.fulfill(cache);
        skipped.release(cache, 0);
        results
    }

    /// Renews all, also after one was lost, which is then the error.
    pub(super) fn renew(&self) -> Result<()> {
        let leases = self.keys.iter().zip(&self.mine);
        let renewed = leases.map(|((_, key), mine)| match mine.lease {
            Right::Lease(token) => self.cache.renew_lease(key, token),
            Right::Overwrite | Right::None => Ok(()),
        });
        renewed.fold(Ok(()), Result::and)
    }

    /// Gives all back after a failed load.
    pub(super) fn give_up(&mut self) -> Vec<Mine<F::Value>> {
        self.release();
        std::mem::take(&mut self.mine)
    }

    fn release(&mut self) {
        self.is_over = true;
        let (mut with_old, mut without) = (Stores::default(), Stores::default());
        for ((_, key), mine) in self.keys.iter().zip(&self.mine) {
            let Right::Lease(token) = mine.lease else {
                continue;
            };
            match mine.old {
                Some(_) => with_old.push(key, token),
                None => without.push(key, token),
            }
        }
        with_old.release(self.cache, BACKOFF_MS);
        without.release(self.cache, 0);
    }
}

impl<F: Form> Drop for Held<'_, F> {
    fn drop(&mut self) {
        if !self.is_over {
            self.release();
        }
    }
}

/// Leases that end together.
#[derive(Default)]
struct Stores {
    keys: KeyList,
    tokens: Vec<Token>,
    entries: Vec<(Head, Vec<u8>, Life)>,
}

impl Stores {
    fn push(&mut self, key: &[u8], token: Token) {
        self.keys.push_bytes(key);
        self.tokens.push(token);
    }

    /// A lease that was lost leaves the value to its caller; so does a store that is away.
    fn fulfill(&self, cache: &Cache) {
        if self.tokens.is_empty() {
            return;
        }
        let values: Vec<_> = self
            .entries
            .iter()
            .map(|(head, body, life)| (Value { head, body }, *life))
            .collect();
        let mut stored = 0;
        let mut each = |_, done: Result<bool>| match done {
            Ok(done) => stored += u64::from(done),
            Err(error) => cache.tell(&error),
        };
        let store = &cache.shared.store;
        store.fulfill_many(&self.keys, &self.tokens, &values, cache.budget(), &mut each);
        cache.shared.counters.sets.add(stored);
    }

    fn release(&self, cache: &Cache, backoff_ms: u64) {
        if self.tokens.is_empty() {
            return;
        }
        let mut each = |_, done: Result<bool>| {
            if let Err(error) = done {
                cache.tell(&error);
            }
        };
        let store = &cache.shared.store;
        store.release_many(
            &self.keys,
            &self.tokens,
            backoff_ms,
            cache.budget(),
            &mut each,
        );
    }
}
