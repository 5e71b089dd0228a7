//! A `memory://` store that is to know how long it takes: a store before the store, so that one that is not timed pays
//! nothing. What it does goes by the names that the commands and scripts of a server have.

use std::sync::Arc;

use crate::base::budget::Budget;
use crate::base::latencies::Latencies;
use crate::base::moment::Moment;
use crate::error::Result;
use crate::expiry::{Clock, Life};
use crate::store::latencies::Gathered;
use crate::store::{
    Access, Acquired, Change, Claim, EachAcquired, EachDone, EachHead, EachStored, EachValue, Head,
    KeyList, Latency, Leases, NodeState, Pttl, ScanStep, Sink, Store, Stored, Token, Touch,
    Traffic, Value, Values, Walks,
};

use super::MemoryStore;

/// The store, and how long it took for this cache: others that share it have figures of their own.
pub(crate) struct TimedStore {
    store: Arc<MemoryStore>,
    /// What it is called in figures.
    name: String,
    latencies: Latencies,
}

impl TimedStore {
    /// `title` is the name that the location gave to it.
    pub(crate) fn new(store: Arc<MemoryStore>, title: Option<&str>) -> Self {
        TimedStore {
            store,
            name: title.unwrap_or("memory").to_owned(),
            latencies: Latencies::new(),
        }
    }

    fn timed<R>(
        &self,
        operation: &'static str,
        work: impl FnOnce(&MemoryStore) -> Result<R>,
    ) -> Result<R> {
        let began = Moment::now();
        let done = work(&self.store);
        match &done {
            Ok(_) => self.latencies.answered(operation, began),
            Err(_) => self.latencies.failed(operation),
        }
        done
    }

    /// The same for many keys, of which each has an outcome of its own.
    fn timed_many(&self, operation: &'static str, work: impl FnOnce(&MemoryStore)) {
        let began = Moment::now();
        work(&self.store);
        self.latencies.answered(operation, began);
    }
}

impl Values for TimedStore {
    fn get(
        &self,
        key: &[u8],
        access: Access,
        sink: &mut dyn Sink,
        budget: Budget,
    ) -> Result<Option<Clock>> {
        self.timed("GET", |store| store.get(key, access, sink, budget))
    }

    fn get_many(&self, keys: &KeyList, access: Access, budget: Budget, each: &mut EachValue<'_>) {
        self.timed_many("MGET", |store| store.get_many(keys, access, budget, each));
    }

    fn set(&self, key: &[u8], value: Value<'_>, life: Life, budget: Budget) -> Result<()> {
        self.timed("SET", |store| store.set(key, value, life, budget))
    }

    fn set_many(
        &self,
        keys: &KeyList,
        values: &[(Value<'_>, Life)],
        budget: Budget,
        each: &mut EachDone<'_>,
    ) {
        self.timed_many("SET", |store| store.set_many(keys, values, budget, each));
    }

    fn add(&self, key: &[u8], value: Value<'_>, life: Life, budget: Budget) -> Result<bool> {
        self.timed("SET NX", |store| store.add(key, value, life, budget))
    }

    fn add_many(
        &self,
        keys: &KeyList,
        values: &[(Value<'_>, Life)],
        budget: Budget,
        each: &mut EachDone<'_>,
    ) {
        self.timed_many("SET NX", |store| store.add_many(keys, values, budget, each));
    }

    fn delete(&self, key: &[u8], budget: Budget) -> Result<bool> {
        self.timed("UNLINK", |store| store.delete(key, budget))
    }

    fn delete_many(&self, keys: &KeyList, budget: Budget, each: &mut EachDone<'_>) {
        self.timed_many("UNLINK", |store| store.delete_many(keys, budget, each));
    }

    fn head(&self, key: &[u8], access: Access, budget: Budget) -> Result<Option<(Head, Clock)>> {
        self.timed("EXISTS", |store| store.head(key, access, budget))
    }

    fn ttl(&self, key: &[u8], budget: Budget) -> Result<Option<(Pttl, Head, Clock)>> {
        self.timed("PTTL", |store| store.ttl(key, budget))
    }

    fn touch(&self, key: &[u8], touch: Touch, budget: Budget) -> Result<bool> {
        self.timed("TOUCH", |store| store.touch(key, touch, budget))
    }

    fn incr(&self, key: &[u8], delta: i64, budget: Budget) -> Result<Option<i64>> {
        self.timed("INCR", |store| store.incr(key, delta, budget))
    }

    fn incr_or_create(
        &self,
        key: &[u8],
        delta: i64,
        initial: i64,
        life: Life,
        budget: Budget,
    ) -> Result<i64> {
        self.timed("INCR_OR_CREATE", |store| {
            store.incr_or_create(key, delta, initial, life, budget)
        })
    }

    fn rename(&self, from: &[u8], to: &[u8], budget: Budget) -> Result<bool> {
        self.timed("MOVE", |store| store.rename(from, to, budget))
    }
}

impl Leases for TimedStore {
    fn clock(&self, key: &[u8], budget: Budget) -> Result<Clock> {
        self.store.clock(key, budget)
    }

    fn acquire(
        &self,
        key: &[u8],
        claim: Claim,
        sink: &mut dyn Sink,
        budget: Budget,
    ) -> Result<(Acquired<()>, Clock)> {
        self.timed("ACQUIRE", |store| store.acquire(key, claim, sink, budget))
    }

    fn acquire_many(
        &self,
        keys: &KeyList,
        claims: &[Claim],
        budget: Budget,
        each: &mut EachAcquired<'_>,
    ) {
        self.timed_many("ACQUIRE", |store| {
            store.acquire_many(keys, claims, budget, each)
        });
    }

    fn fulfill(
        &self,
        key: &[u8],
        token: Token,
        value: Value<'_>,
        life: Life,
        budget: Budget,
    ) -> Result<Stored> {
        self.timed("STORE", |store| {
            store.fulfill(key, token, value, life, budget)
        })
    }

    fn fulfill_many(
        &self,
        keys: &KeyList,
        tokens: &[Token],
        values: &[(Value<'_>, Life)],
        budget: Budget,
        each: &mut EachStored<'_>,
    ) {
        self.timed_many("STORE", |store| {
            store.fulfill_many(keys, tokens, values, budget, each)
        });
    }

    fn swap(
        &self,
        key: &[u8],
        old: &[u8],
        value: Value<'_>,
        life: Life,
        budget: Budget,
    ) -> Result<bool> {
        self.timed("SWAP", |store| store.swap(key, old, value, life, budget))
    }

    fn swap_many(
        &self,
        keys: &KeyList,
        olds: &[&[u8]],
        values: &[(Value<'_>, Life)],
        budget: Budget,
        each: &mut EachDone<'_>,
    ) {
        self.timed_many("SWAP", |store| {
            store.swap_many(keys, olds, values, budget, each)
        });
    }

    fn release(&self, key: &[u8], token: Token, backoff_ms: u64, budget: Budget) -> Result<bool> {
        self.timed("RELEASE", |store| {
            store.release(key, token, backoff_ms, budget)
        })
    }

    fn release_many(
        &self,
        keys: &KeyList,
        tokens: &[Token],
        backoff_ms: u64,
        budget: Budget,
        each: &mut EachDone<'_>,
    ) {
        self.timed_many("RELEASE", |store| {
            store.release_many(keys, tokens, backoff_ms, budget, each)
        });
    }

    fn renew(&self, key: &[u8], token: Token, lease_ms: u64, budget: Budget) -> Result<bool> {
        self.timed("RENEW", |store| store.renew(key, token, lease_ms, budget))
    }

    fn renew_many(
        &self,
        keys: &KeyList,
        tokens: &[Token],
        lease_ms: u64,
        budget: Budget,
        each: &mut EachDone<'_>,
    ) {
        self.timed_many("RENEW", |store| {
            store.renew_many(keys, tokens, lease_ms, budget, each)
        });
    }

    fn expire_soft(&self, key: &[u8], budget: Budget) -> Result<bool> {
        self.timed("EXPIRE_SOFT", |store| store.expire_soft(key, budget))
    }

    fn lock(&self, key: &[u8], token: Token, ms: u64, budget: Budget) -> Result<Option<u64>> {
        self.timed("LOCK", |store| store.lock(key, token, ms, budget))
    }

    fn extend_lock(&self, key: &[u8], token: Token, ms: u64, budget: Budget) -> Result<bool> {
        self.timed("EXTEND", |store| store.extend_lock(key, token, ms, budget))
    }

    fn unlock(&self, key: &[u8], token: Token, budget: Budget) -> Result<bool> {
        self.timed("UNLOCK", |store| store.unlock(key, token, budget))
    }
}

impl Walks for TimedStore {
    fn nodes(&self, budget: Budget) -> Result<Vec<String>> {
        self.store.nodes(budget)
    }

    fn scan(&self, step: ScanStep<'_>, budget: Budget, each: &mut dyn FnMut(&[u8])) -> Result<u64> {
        self.timed("SCAN", |store| store.scan(step, budget, each))
    }

    fn walked(&self, cursor: u64, at_least: f64) -> f64 {
        self.store.walked(cursor, at_least)
    }

    fn unlink(&self, node: &str, keys: &KeyList, budget: Budget) -> Result<u64> {
        self.timed("UNLINK", |store| store.unlink(node, keys, budget))
    }

    fn heads_at(&self, node: &str, keys: &KeyList, budget: Budget, each: &mut EachHead<'_>) {
        self.timed_many("GETRANGE", |store| store.heads_at(node, keys, budget, each));
    }

    fn read_at(&self, node: &str, keys: &KeyList, budget: Budget, each: &mut EachValue<'_>) {
        self.timed_many("MGET", |store| store.read_at(node, keys, budget, each));
    }

    fn replace_at(
        &self,
        node: &str,
        keys: &KeyList,
        changes: &[Change<'_>],
        budget: Budget,
        each: &mut EachDone<'_>,
    ) {
        self.timed_many("REPLACE", |store| {
            store.replace_at(node, keys, changes, budget, each)
        });
    }
}

impl Store for TimedStore {
    fn flush(&self, budget: Budget) -> Result<()> {
        self.timed("FLUSHDB", |store| store.flush(budget))
    }

    fn ping(&self, budget: Budget) -> Result<()> {
        self.timed("PING", |store| store.ping(budget))
    }

    fn locate(&self, key: &[u8], budget: Budget) -> Result<String> {
        self.store.locate(key, budget)
    }

    fn members(&self, budget: Budget) -> Result<Vec<NodeState>> {
        self.store.members(budget)
    }

    fn traffic(&self) -> Traffic {
        self.store.traffic()
    }

    fn latencies(&self) -> Vec<Latency> {
        let mut gathered = Gathered::default();
        gathered.add(&self.name, self.latencies.read());
        gathered.into_latencies()
    }

    fn reset_traffic(&self) {
        self.store.reset_traffic();
        self.latencies.reset();
    }

    fn close(&self) {
        self.store.close();
    }
}

impl std::fmt::Debug for TimedStore {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.store.fmt(f)
    }
}
