//! The steps that are not reads of values: each is the servers' affair, and what it writes is forgotten here before
//! anybody hears that it is done.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use crate::base::budget::Budget;
use crate::error::Result;
use crate::expiry::{Clock, Life};
use crate::redis::node::Node;
use crate::store::{
    Access, Acquired, Answer, Change, Claim, EachAcquired, EachDone, EachHead, EachStored,
    EachValue, Entry, Head, KeyList, Latency, Leases, NodeState, Pttl, ScanStep, Sink, Store,
    Stored, Token, Touch, Traffic, Value, Values, Walks, Words, head_of,
};

use super::{Look, NearStore};

impl NearStore {
    /// The key is forgotten whatever came of it: what is not known may have been done.
    fn wrote<R>(&self, key: &[u8], done: R) -> R {
        self.forget(key);
        done
    }

    /// The same for each item of many, before it is told of.
    fn wrote_each<R>(
        &self,
        keys: &KeyList,
        each: &mut dyn FnMut(usize, R),
    ) -> impl FnMut(usize, R) {
        |item, done| {
            self.forget_item(keys, item);
            each(item, done);
        }
    }

    fn forget_item(&self, keys: &KeyList, item: usize) {
        if let Some(key) = keys.get(item) {
            self.forget(key);
        }
    }

    fn wrote_all<R>(&self, keys: &KeyList, done: R) -> R {
        keys.iter().for_each(|(_, key)| self.forget(key));
        done
    }
}

impl Values for NearStore {
    fn get(
        &self,
        key: &[u8],
        access: Access,
        sink: &mut dyn Sink,
        budget: Budget,
    ) -> Result<Option<Clock>> {
        match access {
            Access::Read => self.read(key, access, sink, budget),
            Access::Write => self.far.get(key, access, sink, budget),
        }
    }

    fn first_look(&self, key: &[u8], sink: &mut dyn Sink, budget: Budget) -> Result<Option<Clock>> {
        self.read(key, Access::Write, sink, budget)
    }

    fn get_many(&self, keys: &KeyList, access: Access, budget: Budget, each: &mut EachValue<'_>) {
        match access {
            Access::Read => self.read_many(keys, access, budget, each),
            Access::Write => self.far.get_many(keys, access, budget, each),
        }
    }

    fn head(&self, key: &[u8], access: Access, budget: Budget) -> Result<Option<(Head, Clock)>> {
        if access == Access::Read
            && let Look::Known(value, clock) = self.look(key, budget)
        {
            return Ok(value.as_deref().map(|value| (head_of(value), clock)));
        }
        self.far.head(key, access, budget.later())
    }

    fn rename(&self, from: &[u8], to: &[u8], budget: Budget) -> Result<bool> {
        let done = self.far.rename(from, to, budget);
        self.wrote(from, self.wrote(to, done))
    }

    fn ttl(&self, key: &[u8], budget: Budget) -> Result<Option<(Pttl, Head, Clock)>> {
        self.far.ttl(key, budget)
    }

    fn set(&self, key: &[u8], value: Value<'_>, life: Life, budget: Budget) -> Result<()> {
        self.wrote(key, self.far.set(key, value, life, budget))
    }

    fn add(&self, key: &[u8], value: Value<'_>, life: Life, budget: Budget) -> Result<bool> {
        self.wrote(key, self.far.add(key, value, life, budget))
    }

    fn delete(&self, key: &[u8], budget: Budget) -> Result<bool> {
        self.wrote(key, self.far.delete(key, budget))
    }

    fn touch(&self, key: &[u8], touch: Touch, budget: Budget) -> Result<bool> {
        self.wrote(key, self.far.touch(key, touch, budget))
    }

    fn incr(&self, key: &[u8], delta: i64, budget: Budget) -> Result<Option<i64>> {
        self.wrote(key, self.far.incr(key, delta, budget))
    }

    fn incr_or_create(
        &self,
        key: &[u8],
        delta: i64,
        initial: i64,
        life: Life,
        budget: Budget,
    ) -> Result<i64> {
        self.wrote(
            key,
            self.far.incr_or_create(key, delta, initial, life, budget),
        )
    }

    fn set_many(
        &self,
        keys: &KeyList,
        values: &[(Value<'_>, Life)],
        budget: Budget,
        each: &mut EachDone<'_>,
    ) {
        let mut each = self.wrote_each(keys, each);
        self.far.set_many(keys, values, budget, &mut each);
    }

    fn add_many(
        &self,
        keys: &KeyList,
        values: &[(Value<'_>, Life)],
        budget: Budget,
        each: &mut EachDone<'_>,
    ) {
        let mut each = self.wrote_each(keys, each);
        self.far.add_many(keys, values, budget, &mut each);
    }

    fn delete_many(&self, keys: &KeyList, budget: Budget, each: &mut EachDone<'_>) {
        let mut each = self.wrote_each(keys, each);
        self.far.delete_many(keys, budget, &mut each);
    }
}

impl Leases for NearStore {
    fn clock(&self, key: &[u8], budget: Budget) -> Result<Clock> {
        self.far.clock(key, budget)
    }

    fn acquire(
        &self,
        key: &[u8],
        claim: Claim,
        sink: &mut dyn Sink,
        budget: Budget,
    ) -> Result<(Acquired<()>, Clock)> {
        self.wrote(key, self.far.acquire(key, claim, sink, budget))
    }

    fn acquire_many(
        &self,
        keys: &KeyList,
        claims: &[Claim],
        budget: Budget,
        each: &mut EachAcquired<'_>,
    ) {
        let mut told = |item: usize, done: Result<Acquired<&[u8]>>, clock: Clock| {
            self.forget_item(keys, item);
            each(item, done, clock);
        };
        self.far.acquire_many(keys, claims, budget, &mut told);
    }

    fn fulfill(
        &self,
        key: &[u8],
        token: Token,
        value: Value<'_>,
        life: Life,
        budget: Budget,
    ) -> Result<Stored> {
        self.wrote(key, self.far.fulfill(key, token, value, life, budget))
    }

    fn fulfill_many(
        &self,
        keys: &KeyList,
        tokens: &[Token],
        values: &[(Value<'_>, Life)],
        budget: Budget,
        each: &mut EachStored<'_>,
    ) {
        let mut each = self.wrote_each(keys, each);
        self.far
            .fulfill_many(keys, tokens, values, budget, &mut each);
    }

    fn swap(
        &self,
        key: &[u8],
        old: &[u8],
        value: Value<'_>,
        life: Life,
        budget: Budget,
    ) -> Result<bool> {
        self.wrote(key, self.far.swap(key, old, value, life, budget))
    }

    fn swap_many(
        &self,
        keys: &KeyList,
        olds: &[&[u8]],
        values: &[(Value<'_>, Life)],
        budget: Budget,
        each: &mut EachDone<'_>,
    ) {
        let mut each = self.wrote_each(keys, each);
        self.far.swap_many(keys, olds, values, budget, &mut each);
    }

    fn release(&self, key: &[u8], token: Token, backoff_ms: u64, budget: Budget) -> Result<bool> {
        self.wrote(key, self.far.release(key, token, backoff_ms, budget))
    }

    fn release_many(
        &self,
        keys: &KeyList,
        tokens: &[Token],
        backoff_ms: u64,
        budget: Budget,
        each: &mut EachDone<'_>,
    ) {
        let mut each = self.wrote_each(keys, each);
        self.far
            .release_many(keys, tokens, backoff_ms, budget, &mut each);
    }

    fn renew(&self, key: &[u8], token: Token, lease_ms: u64, budget: Budget) -> Result<bool> {
        self.wrote(key, self.far.renew(key, token, lease_ms, budget))
    }

    fn renew_many(
        &self,
        keys: &KeyList,
        tokens: &[Token],
        lease_ms: u64,
        budget: Budget,
        each: &mut EachDone<'_>,
    ) {
        let mut each = self.wrote_each(keys, each);
        self.far
            .renew_many(keys, tokens, lease_ms, budget, &mut each);
    }

    fn expire_soft(&self, key: &[u8], budget: Budget) -> Result<bool> {
        self.wrote(key, self.far.expire_soft(key, budget))
    }

    fn lock(&self, key: &[u8], token: Token, ms: u64, budget: Budget) -> Result<Option<u64>> {
        self.wrote(key, self.far.lock(key, token, ms, budget))
    }

    fn extend_lock(&self, key: &[u8], token: Token, ms: u64, budget: Budget) -> Result<bool> {
        self.wrote(key, self.far.extend_lock(key, token, ms, budget))
    }

    fn unlock(&self, key: &[u8], token: Token, budget: Budget) -> Result<bool> {
        self.wrote(key, self.far.unlock(key, token, budget))
    }
}

impl Walks for NearStore {
    fn nodes(&self, budget: Budget) -> Result<Vec<String>> {
        self.far.nodes(budget)
    }

    fn knows(&self, node: &str) -> bool {
        self.far.knows(node)
    }

    fn scan(&self, step: ScanStep<'_>, budget: Budget, each: &mut dyn FnMut(&[u8])) -> Result<u64> {
        self.far.scan(step, budget, each)
    }

    fn walked(&self, cursor: u64, at_least: f64) -> f64 {
        self.far.walked(cursor, at_least)
    }

    fn unlink(&self, node: &str, keys: &KeyList, budget: Budget) -> Result<u64> {
        self.wrote_all(keys, self.far.unlink(node, keys, budget))
    }

    fn heads_at(&self, node: &str, keys: &KeyList, budget: Budget, each: &mut EachHead<'_>) {
        self.far.heads_at(node, keys, budget, each);
    }

    fn read_at(&self, node: &str, keys: &KeyList, budget: Budget, each: &mut EachValue<'_>) {
        self.far.read_at(node, keys, budget, each);
    }

    fn replace_at(
        &self,
        node: &str,
        keys: &KeyList,
        changes: &[Change<'_>],
        budget: Budget,
        each: &mut EachDone<'_>,
    ) {
        let mut each = self.wrote_each(keys, each);
        self.far.replace_at(node, keys, changes, budget, &mut each);
    }

    fn is_misplaced(&self, node: &str, key: &[u8]) -> Result<bool> {
        self.far.is_misplaced(node, key)
    }

    fn export(
        &self,
        node: &str,
        keys: &KeyList,
        to: &dyn Store,
        budget: &dyn Fn() -> Budget,
    ) -> Result<u64> {
        self.wrote_all(keys, self.far.export(node, keys, to, budget))
    }

    fn import(&self, keys: &KeyList, entries: &[Entry], budget: Budget, each: &mut EachDone<'_>) {
        let mut each = self.wrote_each(keys, each);
        self.far.import(keys, entries, budget, &mut each);
    }
}

impl Store for NearStore {
    fn flush(&self, budget: Budget) -> Result<()> {
        let done = self.far.flush(budget);
        self.near_clear();
        done
    }

    fn ping(&self, budget: Budget) -> Result<()> {
        self.far.ping(budget)
    }

    fn locate(&self, key: &[u8], budget: Budget) -> Result<String> {
        self.far.locate(key, budget)
    }

    fn members(&self, budget: Budget) -> Result<Vec<NodeState>> {
        self.far.members(budget)
    }

    fn ask_member(&self, node: &str, commands: &[Words], budget: Budget) -> Result<Vec<Answer>> {
        self.far.ask_member(node, commands, budget)
    }

    fn certificate(&self, node: &str, budget: Budget) -> Result<Option<Vec<u8>>> {
        self.far.certificate(node, budget)
    }

    fn slot(&self, key: &[u8]) -> Option<u16> {
        self.far.slot(key)
    }

    fn traffic(&self) -> Traffic {
        let nodes = self.far.all_nodes();
        let is_untracked = |node: &&Arc<Node>| node.tracked().untracked().is_some();
        Traffic {
            near_hits: self.hits.load(Relaxed),
            near_untracked: nodes.iter().filter(is_untracked).count() as u64,
            ..self.far.traffic()
        }
    }

    fn latencies(&self) -> Vec<Latency> {
        self.far.latencies()
    }

    fn reset_traffic(&self) {
        self.hits.store(0, Relaxed);
        self.far.reset_traffic();
    }

    fn near_clear(&self) {
        self.near().forget_all();
    }

    fn close(&self) {
        for node in self.far.all_nodes() {
            node.tracked().close(&self.hearing(&node));
        }
        self.far.close();
    }
}
