//! How a call that concerns many keys reaches the nodes that own them. Keys go out in windows of bounded size;
//! every node is sent its first one before any reply is read, so the nodes work at the same time. A node that fails
//! fails its own keys only, and whether they are tried again is the topology's advice.

use std::cell::Cell;
use std::sync::Arc;

use crate::backend::{Access, Acquired, KeyList};
use crate::error::Result;
use crate::expiry::Clock;

use super::budget::Budget;
use super::call::{Call, Failed, Verb};
use super::connection::Connection;
use super::node::{Node, Opening};
use super::reply::Reply;
use super::resp::Encoder;
use super::together;
use super::topology::{Advice, Failure};
use super::{Patience, RedisBackend};

/// What is told of one item.
pub(super) enum Told<'a> {
    Value(Option<&'a [u8]>),
    Done(bool),
    Claim(Acquired<&'a [u8]>),
}

/// Hears of every item, once.
pub(super) trait Each: FnMut(usize, Result<Told<'_>>, Clock) {}

impl<F: FnMut(usize, Result<Told<'_>>, Clock)> Each for F {}

/// One kind of call.
pub(super) trait Job {
    const VERB: Verb;
    /// Items of one command, where nodes take several.
    const GROUP: usize;

    fn access(&self) -> Access {
        Access::Write
    }

    /// How many of these items the next window takes; at least one.
    fn window(&self, items: &[usize]) -> usize;

    /// Writes the command for a group of items.
    fn pack(&self, to: &mut Encoder<'_>, items: &[usize]);

    /// Reads the reply to it and tells of every item. A refusal is that of all items it has not told of.
    fn read(
        &self,
        from: &mut Connection,
        budget: Budget,
        group: &mut Group<'_, impl Each>,
    ) -> Reply<()>;
}

/// The items of one command, while its reply is read.
pub(super) struct Group<'g, E> {
    pub(super) items: &'g [usize],
    /// So many of them, from the front, have been told of: perhaps by a connection that broke in between.
    told: usize,
    clock: Clock,
    each: &'g mut E,
}

impl<E: Each> Group<'_, E> {
    /// Tells of the item at `place`, unless that was done before.
    #[inline]
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
    settled: Cell<usize>,
    /// Whether ASKING stands in front of every command.
    asking: bool,
}

impl Share {
    fn new(node: Arc<Node>, items: Vec<usize>, asking: bool) -> Self {
        Share {
            node,
            items,
            settled: Cell::new(0),
            asking,
        }
    }

    fn rest(&self) -> &[usize] {
        self.items.get(self.settled.get()..).unwrap_or_default()
    }

    fn settle(&self, items: usize) {
        self.settled.set(self.settled.get() + items);
    }
}

/// An item that a node failed.
struct Setback {
    item: usize,
    node: Arc<Node>,
    failed: Failed,
}

/// Has every item of `keys` that is no fault told to `each`, once.
pub(super) fn run(backend: &RedisBackend, keys: &KeyList, job: &impl Job, each: impl Each) {
    run_some(backend, keys, keys.places(), job, backend.budget(), each);
}

/// The same with some of the items.
pub(super) fn run_some(
    backend: &RedisBackend,
    keys: &KeyList,
    items: Vec<usize>,
    job: &impl Job,
    budget: Budget,
    mut each: impl Each,
) {
    let scatter = Scatter {
        backend,
        keys,
        job,
        budget,
    };
    let mut patience = Patience::new(budget);
    let mut open = items;
    let mut asked = Vec::new();
    while !open.is_empty() || !asked.is_empty() {
        let mut setbacks = Vec::new();
        scatter.exhaust(std::mem::take(&mut asked), &mut setbacks, &mut each);
        let shares = scatter.share_out(std::mem::take(&mut open), &mut each);
        scatter.exhaust(shares, &mut setbacks, &mut each);
        let mut wait = false;
        let mut postponed = Vec::new();
        let mut counsel = Counsel::default();
        for setback in setbacks {
            match counsel.on(&scatter, &setback) {
                Advice::Final => {
                    let error = patience.explain(setback.failed.error);
                    each(setback.item, Err(error), Clock::default());
                    continue;
                }
                Advice::Later => {
                    wait = true;
                    open.push(setback.item);
                }
                Advice::Again => open.push(setback.item),
                Advice::Ask(node) => add(&mut asked, node, setback.item, true),
            }
            postponed.push((setback.item, setback.failed.error));
        }
        let Some((_, said)) = postponed.last() else {
            return;
        };
        let goes_on = match wait {
            true => patience.pause(said.clone()),
            false => patience.redirect(said.clone()),
        };
        if goes_on.is_err() {
            let tell = |(item, error)| each(item, Err(error), Clock::default());
            return postponed.into_iter().for_each(tell);
        }
    }
}

/// Puts an item to the others of its node.
fn add(shares: &mut Vec<Share>, node: Arc<Node>, item: usize, asking: bool) {
    let known = |share: &&mut Share| Arc::ptr_eq(&share.node, &node);
    match shares.iter_mut().find(known) {
        Some(share) => share.items.push(item),
        None => shares.push(Share::new(node, vec![item], asking)),
    }
}

/// What the topology said last, for the items that met the same end.
#[derive(Default)]
struct Counsel {
    last: Option<(Arc<Node>, Failed, Advice)>,
}

impl Counsel {
    fn on(&mut self, scatter: &Scatter<'_, impl Job>, setback: &Setback) -> Advice {
        let Setback { item, node, failed } = setback;
        let concerns_slot = matches!(failed.error.code(), Some("MOVED" | "ASK"));
        let is_same = |(known, before, _): &&(Arc<Node>, Failed, Advice)| {
            Arc::ptr_eq(known, node)
                && before.may_resend == failed.may_resend
                && before.error.kind() == failed.error.kind()
                && before.error.code() == failed.error.code()
        };
        if let Some((_, _, advice)) = self.last.as_ref().filter(is_same)
            && !concerns_slot
        {
            return advice.clone();
        }
        let failure = Failure {
            error: &failed.error,
            node,
            access: scatter.job.access(),
            key: scatter.keys.get(*item),
            may_resend: failed.may_resend,
        };
        let advice = scatter.backend.topology.advise(&failure, scatter.budget);
        self.last = Some((Arc::clone(node), failed.clone(), advice.clone()));
        advice
    }
}

/// One call.
struct Scatter<'a, J> {
    backend: &'a RedisBackend,
    keys: &'a KeyList,
    job: &'a J,
    budget: Budget,
}

impl<J: Job> Scatter<'_, J> {
    fn share_out(&self, items: Vec<usize>, each: &mut impl Each) -> Vec<Share> {
        let topology = &self.backend.topology;
        if let Some(node) = topology.only().filter(|_| !items.is_empty()) {
            return vec![Share::new(Arc::clone(node), items, false)];
        }
        let mut shares: Vec<Share> = Vec::new();
        for item in items {
            let Some(key) = self.keys.get(item) else {
                continue;
            };
            match topology.pick(key, self.job.access(), self.budget) {
                Ok(node) => add(&mut shares, node, item, false),
                Err(error) => each(item, Err(error), Clock::default()),
            }
        }
        shares
    }

    /// Asks the nodes until every item is settled. The first windows are begun in the common order; later ones wait
    /// for no connection as long as others are held.
    fn exhaust(&self, mut shares: Vec<Share>, setbacks: &mut Vec<Setback>, each: &mut impl Each) {
        shares.sort_by_key(|share| together::order(&share.node));
        let mut under_way = Vec::with_capacity(shares.len());
        for (place, share) in shares.iter().enumerate() {
            let opening = together::opening(self.budget, place, shares.len());
            under_way.extend(self.begin(share, opening, setbacks));
        }
        let mut postponed = Vec::new();
        loop {
            let next = together::take_ready(&mut under_way, |exchange| &mut exchange.call);
            let share = match next {
                Some(exchange) => exchange.settle(setbacks, each),
                None => match postponed.pop() {
                    Some(share) => share,
                    None => return,
                },
            };
            if share.rest().is_empty() {
                continue;
            }
            let opening = Opening {
                budget: self.budget,
                may_wait: under_way.is_empty(),
            };
            match self.begin(share, opening, setbacks) {
                Some(exchange) => under_way.push(exchange),
                None => postponed.extend(Some(share).filter(|share| !share.rest().is_empty())),
            }
        }
    }

    /// Sends the next window of a node. `None` when that failed, and the share is settled, or when no connection is
    /// free.
    fn begin<'a>(
        &'a self,
        share: &'a Share,
        opening: Opening,
        setbacks: &mut Vec<Setback>,
    ) -> Option<Exchange<'a, J>> {
        let rest = share.rest();
        let window = Window {
            scatter: self,
            share,
            items: rest.get(..self.job.window(rest)).unwrap_or(rest),
            group: match self.backend.topology.takes_many_keys() {
                true => J::GROUP,
                false => 1,
            },
        };
        let pack = |to: &mut Encoder<'_>| window.pack(to);
        let topology = &self.backend.topology;
        let time = topology.time_for(&share.node, self.job.access(), self.budget);
        // A connection that has to be opened first comes out of the time for this node as well.
        let opening = Opening {
            budget: opening.budget.or_sooner(time),
            ..opening
        };
        match share.node.start_among(J::VERB, time, opening, pack) {
            Ok(call) => call.map(|call| Exchange { window, call }),
            Err(failed) => {
                window.fail(0, &failed, setbacks);
                None
            }
        }
    }
}

/// A window under way.
struct Exchange<'a, J> {
    window: Window<'a, J>,
    call: Call<'a>,
}

impl<'a, J: Job> Exchange<'a, J> {
    /// Reads the replies. A broken connection is the end of the whole share.
    fn settle(self, setbacks: &mut Vec<Setback>, each: &mut impl Each) -> &'a Share {
        let Exchange { window, call } = self;
        // Items of the window that are done with; it outlives a connection that has to be replaced.
        let mut progress = 0;
        let pack = |to: &mut Encoder<'_>| window.pack(to);
        let read = |from: &mut Connection, budget| {
            window.read(
                from,
                budget,
                &mut progress,
                |item, outcome, clock| match outcome {
                    Err(error) => setbacks.push(window.setback(item, Failed::refused(error))),
                    outcome => each(item, outcome, clock),
                },
            )?;
            Ok(Ok(()))
        };
        match call.finish(pack, read) {
            Ok(()) => window.share.settle(window.items.len()),
            Err(failed) => window.fail(progress, &failed, setbacks),
        }
        window.share
    }
}

/// The items of one node that are sent together.
struct Window<'a, J> {
    scatter: &'a Scatter<'a, J>,
    share: &'a Share,
    items: &'a [usize],
    /// Items of one command.
    group: usize,
}

impl<J: Job> Window<'_, J> {
    fn pack(&self, to: &mut Encoder<'_>) {
        for group in self.items.chunks(self.group) {
            if self.share.asking {
                to.command(1).arg(b"ASKING");
            }
            self.scatter.job.pack(to, group);
        }
    }

    fn setback(&self, item: usize, failed: Failed) -> Setback {
        Setback {
            item,
            node: Arc::clone(&self.share.node),
            failed,
        }
    }

    /// Ends the whole share, of which `progress` items are done with. What lies behind the window was never sent.
    fn fail(&self, progress: usize, failed: &Failed, setbacks: &mut Vec<Setback>) {
        let rest = self.share.rest();
        for (place, item) in rest.iter().enumerate().skip(progress) {
            let mut failed = failed.clone();
            failed.may_resend |= place >= self.items.len();
            setbacks.push(self.setback(*item, failed));
        }
        self.share.settle(rest.len());
    }

    fn read(
        &self,
        from: &mut Connection,
        budget: Budget,
        progress: &mut usize,
        mut each: impl Each,
    ) -> Result<()> {
        let node = &self.share.node;
        let mut before = 0;
        for items in self.items.chunks(self.group) {
            if self.share.asking {
                from.skip(budget)?;
            }
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
                let answer = self.scatter.job.read(from, budget, &mut group);
                let told = group.told;
                *progress = before + told;
                if let Err(refusal) = answer? {
                    let refusal = node.named(refusal, J::VERB);
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
