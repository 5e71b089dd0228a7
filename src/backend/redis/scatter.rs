//! How a call that concerns many keys reaches the nodes that own them. Keys go out in windows of bounded size; in
//! every round each node is sent its next window before any reply is read, so the nodes work at the same time. A node
//! that fails fails its own keys only, and what a node cannot serve just now is tried again within the budget.

use std::sync::Arc;

use crate::backend::{Access, KeyList};
use crate::error::{Error, Result};
use crate::expiry::Clock;

use super::budget::Budget;
use super::call::{Call, Verb};
use super::connection::Connection;
use super::node::Node;
use super::reply::Reply;
use super::resp::Encoder;
use super::{Patience, RedisBackend};

/// What is told of one item.
pub(super) enum Told<'a> {
    Value(Option<&'a [u8]>),
    Done(bool),
}

/// Hears of every item, once.
pub(super) type Each<'a> = dyn FnMut(usize, Result<Told<'_>>, Clock) + 'a;

/// One kind of call.
pub(super) struct Job<'a> {
    pub(super) verb: Verb,
    pub(super) access: Access,
    /// Items of one command.
    pub(super) group: usize,
    /// How many of these items the next window takes; at least one.
    pub(super) window: &'a dyn Fn(&[usize]) -> usize,
    /// Writes the command for a group of items.
    pub(super) pack: &'a dyn Fn(&mut Encoder<'_>, &[usize]),
    /// Reads the reply to it and tells of every item. A refusal is that of all items it has not told of.
    pub(super) read: fn(&mut Connection, Budget, &mut Group<'_, '_>) -> Reply<()>,
}

/// The items of one command, while its reply is read.
pub(super) struct Group<'g, 'e> {
    pub(super) items: &'g [usize],
    /// So many of them, from the front, have been told of: perhaps by a connection that broke in between.
    told: usize,
    clock: Clock,
    each: &'g mut Each<'e>,
}

impl Group<'_, '_> {
    /// Tells of the item at `place`, unless that was done before.
    pub(super) fn tell(&mut self, place: usize, told: Told<'_>) {
        if let Some(item) = self.items.get(place).filter(|_| place >= self.told) {
            self.told = place + 1;
            (self.each)(*item, Ok(told), self.clock);
        }
    }
}

/// The items of one node.
struct Share {
    node: Arc<Node>,
    items: Vec<usize>,
    /// So many of them, from the front, are done with.
    settled: usize,
}

impl Share {
    fn new(node: Arc<Node>, items: Vec<usize>) -> Self {
        Share {
            node,
            items,
            settled: 0,
        }
    }

    fn rest(&self) -> &[usize] {
        self.items.get(self.settled..).unwrap_or_default()
    }
}

/// Items that a server refused for now, each with what it said.
type Refused = Vec<(usize, Error)>;

/// Has every item of `keys` that is no fault told to `each`, once.
pub(super) fn run(backend: &RedisBackend, keys: &KeyList, job: &Job<'_>, each: &mut Each<'_>) {
    let budget = backend.budget();
    let mut patience = Patience::new(budget);
    let mut items = Vec::with_capacity(keys.len());
    items.extend(keys.iter().map(|(item, _)| item));
    while !items.is_empty() {
        let mut refused = Refused::new();
        let mut tell = |item, outcome: Result<Told<'_>>, clock| {
            each(
                item,
                outcome.map_err(|error| patience.explain(error)),
                clock,
            );
        };
        let mut shares = share_out(backend, keys, items, job.access, &mut tell);
        while !shares.is_empty() {
            round(backend, job, budget, &mut shares, &mut refused, &mut tell);
            shares.retain(|share| !share.rest().is_empty());
        }
        let Some((_, said)) = refused.last() else {
            return;
        };
        if patience.pause(said.clone()).is_err() {
            let tell = |(item, error)| each(item, Err(error), Clock::default());
            return refused.into_iter().for_each(tell);
        }
        items = refused.into_iter().map(|(item, _)| item).collect();
    }
}

fn share_out(
    backend: &RedisBackend,
    keys: &KeyList,
    items: Vec<usize>,
    access: Access,
    each: &mut Each<'_>,
) -> Vec<Share> {
    if let Some(node) = backend.topology.only() {
        return vec![Share::new(Arc::clone(node), items)];
    }
    let mut shares: Vec<Share> = Vec::new();
    for item in items {
        let Some(key) = keys.get(item) else { continue };
        let node = match backend.topology.pick(key, access) {
            Ok(node) => node,
            Err(error) => {
                each(item, Err(error), Clock::default());
                continue;
            }
        };
        let known = |share: &&mut Share| Arc::ptr_eq(&share.node, &node);
        match shares.iter_mut().find(known) {
            Some(share) => share.items.push(item),
            None => shares.push(Share::new(node, vec![item])),
        }
    }
    shares
}

/// One exchange with every node: all are written to, then all are read from.
fn round(
    backend: &RedisBackend,
    job: &Job<'_>,
    budget: Budget,
    shares: &mut [Share],
    refused: &mut Refused,
    each: &mut Each<'_>,
) {
    let begin = |share| Exchange::begin(job, share, budget);
    let under_way: Vec<_> = shares.iter().map(begin).collect();
    let settled: Vec<usize> = under_way
        .into_iter()
        .map(|(exchange, call)| exchange.settle(call, backend, refused, each))
        .collect();
    for (share, settled) in shares.iter_mut().zip(settled) {
        share.settled += settled;
    }
}

/// One window of one node.
struct Exchange<'a> {
    job: &'a Job<'a>,
    share: &'a Share,
    window: &'a [usize],
}

impl<'a> Exchange<'a> {
    fn begin(job: &'a Job<'a>, share: &'a Share, budget: Budget) -> (Self, Result<Call<'a>>) {
        let rest = share.rest();
        let window = rest.get(..(job.window)(rest)).unwrap_or(rest);
        let exchange = Exchange { job, share, window };
        let call = share.node.start(job.verb, budget, |to| exchange.pack(to));
        (exchange, call)
    }

    fn pack(&self, to: &mut Encoder<'_>) {
        let groups = self.window.chunks(self.job.group);
        groups.for_each(|group| (self.job.pack)(to, group));
    }

    /// Reads the replies; how many items of the share are done with then. A broken connection is the end of all of
    /// them.
    fn settle(
        &self,
        call: Result<Call<'_>>,
        backend: &RedisBackend,
        refused: &mut Refused,
        each: &mut Each<'_>,
    ) -> usize {
        // Items of the window that are done with; it outlives a connection that has to be replaced.
        let mut progress = 0;
        let pack = |to: &mut Encoder<'_>| self.pack(to);
        let read = |from: &mut Connection, budget| {
            self.read(
                from,
                budget,
                &mut progress,
                |item, outcome, clock| match outcome {
                    Err(error) if backend.may_pass(&error) => refused.push((item, error)),
                    outcome => each(item, outcome, clock),
                },
            )?;
            Ok(Ok(()))
        };
        match call.and_then(|call| call.finish(pack, read)) {
            Ok(()) => self.window.len(),
            Err(error) => {
                let rest = self.share.rest();
                let left = rest.get(progress..).unwrap_or_default();
                let clock = Clock::default();
                left.iter()
                    .for_each(|item| each(*item, Err(error.clone()), clock));
                rest.len()
            }
        }
    }

    fn read(
        &self,
        from: &mut Connection,
        budget: Budget,
        progress: &mut usize,
        mut each: impl FnMut(usize, Result<Told<'_>>, Clock),
    ) -> Result<()> {
        let node = &self.share.node;
        let mut before = 0;
        for items in self.window.chunks(self.job.group) {
            let told = progress.saturating_sub(before);
            if told >= items.len() {
                from.skip(budget)?;
            } else {
                let clock = node.clock();
                let mut group = Group {
                    items,
                    told,
                    clock,
                    each: &mut each,
                };
                let answer = (self.job.read)(from, budget, &mut group);
                let told = group.told;
                *progress = before + told;
                if let Err(refusal) = answer? {
                    let refusal = node.named(refusal, self.job.verb);
                    let left = items.get(told..).unwrap_or_default();
                    left.iter()
                        .for_each(|item| each(*item, Err(refusal.clone()), clock));
                }
                *progress = before + items.len();
            }
            before += items.len();
        }
        Ok(())
    }
}
