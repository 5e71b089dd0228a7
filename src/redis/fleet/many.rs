//! How a call that concerns many keys reaches the nodes that own them. Keys go out in windows of bounded size;
//! every node is sent its first one before any reply is read, so the nodes work at the same time. A node that fails
//! fails its own keys only, and whether they are tried again is the topology's advice.

use std::marker::PhantomData;
use std::sync::Arc;

use crate::base::budget::Budget;
use crate::error::{Error, ErrorKind, Result};
use crate::expiry::Clock;
use crate::redis::command::verb::Verb;
use crate::redis::connection::replies::Replies;
use crate::redis::connection::reply::Reply;
use crate::redis::connection::resp::Encoder;
use crate::redis::node::{Node, Turn};
use crate::redis::topology::{self, Advice};
use crate::store::{Access, KeyList};

use super::Fleet;
use super::counsel::Counsel;
use super::retry::Patience;
use super::window::{self, Exchange, Losses, Setback, Share, Window};
use crate::redis::node::together;

/// Bytes and commands of one window of writes: what this process holds of them at a time.
pub(crate) const WINDOW_BYTES: usize = 1 << 20;
pub(crate) const WINDOW_WRITES: usize = 1000;

/// Hears of every item of a batch, once.
pub(crate) trait Each<B: Batch + ?Sized>:
    FnMut(usize, Result<B::Answer<'_>>, Clock)
{
}

impl<B: Batch + ?Sized, F: FnMut(usize, Result<B::Answer<'_>>, Clock)> Each<B> for F {}

/// Who is asked.
#[derive(Clone, Copy)]
pub(crate) enum To<'a> {
    /// Every key's own node.
    Owners(Access),
    /// This one, whatever the topology thinks of its keys.
    Node(&'a str),
}

/// One command for each group of items, and what is told of every one.
pub(crate) trait Batch {
    /// What is told of one item; it may borrow the reply.
    type Answer<'a>;
    fn verb(&self) -> Verb;

    /// Items of one command.
    fn group(&self) -> usize {
        1
    }

    /// Some node refused, and so has done nothing: whether the same can be said in other words, which `pack` writes from
    /// now on. At most once.
    fn reword(&self, _refusal: &Error) -> bool {
        false
    }

    /// Whether the keys are used by this: a walk over all of them only looks.
    fn touches(&self) -> bool {
        true
    }

    /// How many of these items the next window takes; at least one.
    fn window(&self, items: &[usize]) -> usize;

    /// Writes the command for a group of items; of groups of one, the commands for as many as there are.
    fn pack(&self, to: &mut Encoder<'_>, items: &[usize]);

    /// Reads the reply to it and tells of every item. A refusal is that of all items it has not told of.
    fn read(
        &self,
        from: &mut Replies<'_>,
        group: &mut Group<'_, Self, impl Each<Self>>,
    ) -> Reply<()>;
}

/// The key of an item.
pub(crate) fn key(keys: &KeyList, item: usize) -> &[u8] {
    keys.get(item).unwrap_or_default()
}

/// The items of one command, while its reply is read.
pub(crate) struct Group<'g, B: ?Sized, E> {
    pub(crate) items: &'g [usize],
    /// So many of them, from the front, have been told of: perhaps by a connection that broke in between.
    told: usize,
    clock: Clock,
    each: &'g mut E,
    batch: PhantomData<&'g B>,
}

impl<'g, B: Batch + ?Sized, E: Each<B>> Group<'g, B, E> {
    pub(super) fn new(items: &'g [usize], told: usize, clock: Clock, each: &'g mut E) -> Self {
        Group {
            items,
            told,
            clock,
            each,
            batch: PhantomData,
        }
    }

    /// How many of the items are done with.
    pub(super) fn told(&self) -> usize {
        self.told
    }

    /// Tells of the item at `place`, unless that was done before.
    #[inline(always)]
    pub(crate) fn tell(&mut self, place: usize, told: B::Answer<'_>) {
        self.tell_outcome(place, Ok(told));
    }

    /// The same where it may be that this item alone came to nothing.
    #[inline(always)]
    pub(crate) fn tell_outcome(&mut self, place: usize, outcome: Result<B::Answer<'_>>) {
        if let Some(item) = self.items.get(place).filter(|_| place >= self.told) {
            self.told = place + 1;
            (self.each)(*item, outcome, self.clock);
        }
    }
}

impl Fleet {
    /// Has every item of `keys` that is no fault told to `each`, once.
    pub(crate) fn ask_many<B: Batch>(
        &self,
        to: To<'_>,
        keys: &KeyList,
        batch: &B,
        budget: Budget,
        each: impl Each<B>,
    ) {
        self.ask_some(to, keys, keys.places(), batch, budget, each);
    }

    /// The same with some of the items.
    pub(crate) fn ask_some<B: Batch>(
        &self,
        to: To<'_>,
        keys: &KeyList,
        items: Vec<usize>,
        batch: &B,
        budget: Budget,
        mut each: impl Each<B>,
    ) {
        let scatter = Scatter {
            fleet: self,
            to,
            keys,
            batch,
            budget,
        };
        let mut patience = Patience::new(budget);
        let mut losses = Losses::default();
        let mut is_reworded = false;
        let mut open = items;
        let mut asked = Vec::new();
        while !open.is_empty() || !asked.is_empty() {
            let mut setbacks = Vec::new();
            let taken = std::mem::take(&mut asked);
            scatter.exhaust(taken, &losses, &mut setbacks, &mut each);
            let shares = scatter.share_out(std::mem::take(&mut open), &mut each);
            scatter.exhaust(shares, &losses, &mut setbacks, &mut each);
            let mut wait = false;
            let mut postponed = Vec::new();
            let mut counsel = Counsel::default();
            let may_reword = !is_reworded;
            let mut reworded = Vec::new();
            for setback in setbacks {
                losses.add(setback.item, setback.failed.lost);
                if may_reword && batch.reword(&setback.failed.error) {
                    is_reworded = true;
                    reworded.push(setback.item);
                    continue;
                }
                match counsel.on(&scatter, &setback) {
                    Advice::Later if patience.bears(&setback.failed.error) => {
                        wait = true;
                        open.push(setback.item);
                    }
                    Advice::Final | Advice::Later => {
                        let error = patience.explain(setback.failed.error);
                        each(setback.item, Err(error), Clock::default());
                        continue;
                    }
                    Advice::Again => open.push(setback.item),
                    Advice::Ask(node) => add(&mut asked, &node, setback.item, 1, true),
                }
                postponed.push((setback.item, setback.failed.error));
            }
            let Some((_, said)) = postponed.last() else {
                open = reworded;
                continue;
            };
            let goes_on = match wait {
                true => patience.pause(said.clone()),
                false => patience.redirect(said.clone()),
            };
            if goes_on.is_err() {
                let tell =
                    |(item, error)| each(item, Err(patience.explain(error)), Clock::default());
                postponed.into_iter().for_each(tell);
                open.clear();
                asked.clear();
            }
            open.append(&mut reworded);
        }
    }
}

/// Puts an item, of so many at most, to the others of its node.
#[inline]
fn add(shares: &mut Vec<Share>, node: &Arc<Node>, item: usize, count: usize, asking: bool) {
    let known = |share: &&mut Share| Arc::ptr_eq(&share.node, node);
    match shares.iter_mut().find(known) {
        Some(share) => share.items.push(item),
        None => {
            // As good a guess as any, and no more than a page.
            let mut items = Vec::with_capacity(count.min(512));
            items.push(item);
            shares.push(Share::new(Arc::clone(node), items, asking));
        }
    }
}

/// One call.
pub(super) struct Scatter<'a, J> {
    pub(super) fleet: &'a Fleet,
    to: To<'a>,
    pub(super) keys: &'a KeyList,
    batch: &'a J,
    pub(super) budget: Budget,
}

impl<J: Batch> Scatter<'_, J> {
    pub(super) fn access(&self) -> Access {
        match self.to {
            To::Owners(access) => access,
            To::Node(_) => Access::Write,
        }
    }

    fn share_out(&self, items: Vec<usize>, each: &mut impl Each<J>) -> Vec<Share> {
        let topology = &self.fleet.topology;
        if let To::Node(name) = self.to
            && !items.is_empty()
        {
            return match topology::named(&**topology, name, self.budget) {
                Ok(node) => vec![Share::new(node, items, false)],
                Err(error) => {
                    let tell = |item| each(item, Err(error.clone()), Clock::default());
                    items.into_iter().for_each(tell);
                    Vec::new()
                }
            };
        }
        if let Some(node) = topology.only().filter(|_| !items.is_empty()) {
            return vec![Share::new(Arc::clone(node), items, false)];
        }
        let mut shares: Vec<Share> = Vec::new();
        let mut divided = |item: usize, node: Result<&Arc<Node>>| match node {
            Ok(node) => add(&mut shares, node, item, items.len(), false),
            Err(error) => each(item, Err(error), Clock::default()),
        };
        topology.divide(self.keys, &items, self.access(), self.budget, &mut divided);
        shares
    }

    /// Asks the nodes until every item is settled. The first windows are begun in the common order; later ones wait
    /// for no connection as long as others are held.
    fn exhaust(
        &self,
        shares: Vec<Share>,
        losses: &Losses,
        setbacks: &mut Vec<Setback>,
        each: &mut impl Each<J>,
    ) {
        let shares = window::in_common_order(shares);
        let mut under_way = Vec::with_capacity(shares.len());
        let mut postponed = Vec::new();
        for (place, share) in shares.iter().enumerate() {
            let turn = together::turn(self.budget, place, shares.len());
            match self.begin(share, losses, turn, setbacks) {
                Some(exchange) => under_way.push(exchange),
                None => postponed.extend(Some(share).filter(|share| !share.rest().is_empty())),
            }
        }
        loop {
            let share = match together::take_ready(&mut under_way) {
                Some((exchange, Ok(()))) => exchange.settle(setbacks, each),
                Some((exchange, Err(failed))) => {
                    exchange.window.fail(0, &failed, setbacks);
                    exchange.window.share
                }
                None => match postponed.pop() {
                    Some(share) => share,
                    None => return,
                },
            };
            if share.rest().is_empty() {
                continue;
            }
            let turn = Turn {
                budget: self.budget,
                may_wait: under_way.is_empty(),
            };
            match self.begin(share, losses, turn, setbacks) {
                Some(exchange) => under_way.push(exchange),
                None => postponed.extend(Some(share).filter(|share| !share.rest().is_empty())),
            }
        }
    }

    /// Sends the next window of a node. `None` when that failed, and the share is settled, or the window for which there
    /// was no memory; or when no connection is free. Once for each batch in the library, not in its two places: it is large.
    #[inline(never)]
    fn begin<'a>(
        &'a self,
        share: &'a Share,
        losses: &'a Losses,
        turn: Turn,
        setbacks: &mut Vec<Setback>,
    ) -> Option<Exchange<'a, J>> {
        let rest = share.rest();
        let window = Window {
            batch: self.batch,
            share,
            losses,
            is_untouched: !self.batch.touches() && share.node.knows_no_touch(),
            items: rest.get(..self.batch.window(rest)).unwrap_or(rest),
            group: self.batch.group(),
        };
        let pack = |to: &mut Encoder<'_>| window.pack(to, 0);
        let topology = &self.fleet.topology;
        let time = topology.time_for(&share.node, self.access(), self.budget);
        // A connection that has to be opened first comes out of the time for this node as well.
        let turn = Turn {
            budget: turn.budget.or_sooner(time),
            ..turn
        };
        match share.node.start_among(self.batch.verb(), time, turn, pack) {
            Ok(call) => call.map(|call| Exchange { window, call }),
            Err(failed) if failed.error.kind() == ErrorKind::NoMemory => {
                window.pass_over(&failed, setbacks);
                None
            }
            Err(failed) => {
                window.fail(0, &failed, setbacks);
                None
            }
        }
    }
}
