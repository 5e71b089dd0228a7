//! How a call that concerns many keys reaches the nodes that own them. Keys go out in windows of bounded size;
//! every node is sent its first one before any reply is read, so the nodes work at the same time. A node that fails
//! fails its own keys only, and whether they are tried again is the topology's advice.

use std::cell::Cell;
use std::marker::PhantomData;
use std::sync::Arc;

use crate::base::budget::Budget;
use crate::error::{Error, Meaning, Result};
use crate::expiry::Clock;
use crate::redis::command::Command;
use crate::redis::connection::replies::Replies;
use crate::redis::connection::reply::Reply;
use crate::redis::connection::resp::Encoder;
use crate::redis::node::exchange::{Failed, Verb};
use crate::redis::node::verdict::Verdict;
use crate::redis::node::{Node, Turn, exchange as call};
use crate::redis::topology::{self, Advice, Failure};
use crate::store::{Access, KeyList};

use super::retry::Patience;
use super::{Fleet, together};

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
    /// Items of one command, where nodes take several.
    const GROUP: usize;

    fn verb(&self) -> Verb;

    /// How many of these items the next window takes; at least one.
    fn window(&self, items: &[usize]) -> usize;

    /// Writes the command for a group of items.
    fn pack(&self, to: &mut Encoder<'_>, items: &[usize]);

    /// Reads the reply to it and tells of every item. A refusal is that of all items it has not told of.
    fn read(
        &self,
        from: &mut Replies<'_>,
        group: &mut Group<'_, Self, impl Each<Self>>,
    ) -> Reply<()>;
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

impl<B: Batch + ?Sized, E: Each<B>> Group<'_, B, E> {
    /// Tells of the item at `place`, unless that was done before.
    #[inline(always)]
    pub(crate) fn tell(&mut self, place: usize, told: B::Answer<'_>) {
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
                let tell =
                    |(item, error)| each(item, Err(patience.explain(error)), Clock::default());
                return postponed.into_iter().for_each(tell);
            }
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
    fn on(&mut self, scatter: &Scatter<'_, impl Batch>, setback: &Setback) -> Advice {
        let Setback { item, node, failed } = setback;
        let concerns_slot = failed.error.meaning() == Meaning::Elsewhere;
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
            access: scatter.access(),
            key: scatter.keys.get(*item),
            may_resend: failed.may_resend,
        };
        let advice = scatter.fleet.topology.advise(&failure, scatter.budget);
        self.last = Some((Arc::clone(node), failed.clone(), advice.clone()));
        advice
    }
}

/// One call.
struct Scatter<'a, J> {
    fleet: &'a Fleet,
    to: To<'a>,
    keys: &'a KeyList,
    batch: &'a J,
    budget: Budget,
}

impl<J: Batch> Scatter<'_, J> {
    fn access(&self) -> Access {
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
        for item in items {
            let Some(key) = self.keys.get(item) else {
                continue;
            };
            match topology.pick(key, self.access(), self.budget) {
                Ok(node) => add(&mut shares, node, item, false),
                Err(error) => each(item, Err(error), Clock::default()),
            }
        }
        shares
    }

    /// Asks the nodes until every item is settled. The first windows are begun in the common order; later ones wait
    /// for no connection as long as others are held.
    fn exhaust(
        &self,
        mut shares: Vec<Share>,
        setbacks: &mut Vec<Setback>,
        each: &mut impl Each<J>,
    ) {
        shares.sort_by_key(|share| together::order(&share.node));
        let mut under_way = Vec::with_capacity(shares.len());
        for (place, share) in shares.iter().enumerate() {
            let turn = together::turn(self.budget, place, shares.len());
            under_way.extend(self.begin(share, turn, setbacks));
        }
        let mut postponed = Vec::new();
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
            match self.begin(share, turn, setbacks) {
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
        turn: Turn,
        setbacks: &mut Vec<Setback>,
    ) -> Option<Exchange<'a, J>> {
        let rest = share.rest();
        let window = Window {
            scatter: self,
            share,
            items: rest.get(..self.batch.window(rest)).unwrap_or(rest),
            group: match self.fleet.topology.takes_many_keys() {
                true => J::GROUP,
                false => 1,
            },
        };
        let pack = |to: &mut Encoder<'_>| window.pack(to);
        let topology = &self.fleet.topology;
        let time = topology.time_for(&share.node, self.access(), self.budget);
        // A connection that has to be opened first comes out of the time for this node as well.
        let turn = Turn {
            budget: turn.budget.or_sooner(time),
            ..turn
        };
        match share.node.start_among(self.batch.verb(), time, turn, pack) {
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
    call: call::Exchange<'a>,
}

impl<'a, J: Batch> together::UnderWay<'a> for Exchange<'a, J> {
    fn call(&mut self) -> &mut call::Exchange<'a> {
        &mut self.call
    }

    fn advance(&mut self) -> Result<(), Failed> {
        self.call.advance(|to| self.window.pack(to))
    }
}

impl<'a, J: Batch> Exchange<'a, J> {
    /// Reads the replies. A broken connection is the end of the whole share.
    fn settle(self, setbacks: &mut Vec<Setback>, each: &mut impl Each<J>) -> &'a Share {
        let Exchange { window, call } = self;
        let mut reading = Reading {
            window: &window,
            progress: 0,
            setbacks,
            complaint: None,
            each,
        };
        match call.finish(&mut reading) {
            Ok(()) => window.share.settle(window.items.len()),
            Err(failed) => window.fail(reading.progress, &failed, reading.setbacks),
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

/// A window as a command, while its replies are read.
struct Reading<'w, 'a, J, E> {
    window: &'w Window<'a, J>,
    /// Items of the window that are done with; it outlives a connection that has to be replaced.
    progress: usize,
    setbacks: &'w mut Vec<Setback>,
    /// The refusal that concerns more than its own items.
    complaint: Option<Error>,
    each: &'w mut E,
}

impl<J: Batch, E: Each<J>> Command for Reading<'_, '_, J, E> {
    type Answer = ();

    fn verb(&self) -> Verb {
        self.window.scatter.batch.verb()
    }

    fn pack(&self, to: &mut Encoder<'_>) {
        self.window.pack(to);
    }

    fn read(&mut self, from: &mut Replies<'_>) -> Reply<()> {
        let Reading {
            window,
            progress,
            setbacks,
            complaint,
            each,
        } = self;
        let before = setbacks.len();
        if let Err(refusal) = window.read(from, progress, setbacks, *each)? {
            return Ok(Err(refusal));
        }
        let refusals = setbacks
            .iter()
            .skip(before)
            .map(|setback| &setback.failed.error);
        let concerns_more = |error: &&Error| Verdict::of(error, false).concerns_more();
        *complaint = refusals.into_iter().find(concerns_more).cloned();
        Ok(Ok(()))
    }

    fn complaint(&self) -> Option<&Error> {
        self.complaint.as_ref()
    }
}

impl<J: Batch> Window<'_, J> {
    fn pack(&self, to: &mut Encoder<'_>) {
        for group in self.items.chunks(self.group) {
            if self.share.asking {
                to.command(1).arg(b"ASKING");
            }
            self.scatter.batch.pack(to, group);
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
        from: &mut Replies<'_>,
        progress: &mut usize,
        setbacks: &mut Vec<Setback>,
        each: &mut impl Each<J>,
    ) -> Reply<()> {
        let node = &self.share.node;
        let mut before = 0;
        for items in self.items.chunks(self.group) {
            if self.share.asking {
                from.skip()?;
            }
            let told = progress.saturating_sub(before);
            if told >= items.len() {
                from.skip()?;
            } else {
                let mut group = Group {
                    items,
                    told,
                    clock: node.clock(),
                    each,
                    batch: PhantomData,
                };
                let answer = self.scatter.batch.read(from, &mut group);
                let told = group.told;
                *progress = before + told;
                if let Err(refusal) = answer? {
                    if *progress == 0 && refusal.code() == Some("NOAUTH") {
                        // Nothing of this will be done here.
                        return Ok(Err(refusal));
                    }
                    let refusal = node.named(refusal, self.scatter.batch.verb());
                    let left = items.get(told..).unwrap_or_default();
                    setbacks.extend(
                        left.iter()
                            .map(|item| self.setback(*item, Failed::refused(refusal.clone()))),
                    );
                }
                *progress = before + items.len();
            }
            before += items.len();
        }
        Ok(Ok(()))
    }
}
