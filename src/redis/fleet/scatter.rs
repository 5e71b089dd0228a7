//! How commands for many keys reach the nodes that own them. Keys go out in windows of bounded size; every node is sent
//! its first one before any reply is read, so the nodes work at the same time. A node that fails fails its own keys only,
//! and whether they are tried again is the topology's advice.

use std::sync::Arc;

use crate::base::budget::Budget;
use crate::error::{Error, ErrorKind, Result};
use crate::redis::connection::resp::Encoder;
use crate::redis::node::{Node, Turn, together};
use crate::redis::topology::{self, Advice};
use crate::store::{Access, KeyList};

use super::Fleet;
use super::counsel::Counsel;
use super::many::{Commands, To};
use super::retry::Patience;
use super::window::{Exchange, Losses, Setback, Share, Window};

/// Reads the replies, and hears of the items that came to nothing.
pub(super) trait Reader {
    /// Reads the replies to a window; what failed is added to the setbacks.
    fn settle<'a>(&mut self, exchange: Exchange<'a>, setbacks: &mut Vec<Setback>) -> &'a Share;

    fn fail(&mut self, item: usize, error: Error);
}

/// One call.
pub(super) struct Scatter<'a> {
    pub(super) fleet: &'a Fleet,
    pub(super) to: To<'a>,
    pub(super) keys: &'a KeyList,
    pub(super) commands: &'a dyn Commands,
    pub(super) budget: Budget,
}

impl Scatter<'_> {
    /// Has the reader hear of every item, once.
    pub(super) fn run(&self, items: Vec<usize>, reader: &mut dyn Reader) {
        let mut patience = Patience::new(self.budget);
        let mut losses = Losses::default();
        let mut is_reworded = false;
        let mut open = items;
        let mut asked = Vec::new();
        while !open.is_empty() || !asked.is_empty() {
            let mut setbacks = Vec::new();
            let taken = std::mem::take(&mut asked);
            self.exhaust(taken, &losses, &mut setbacks, reader);
            let shares = self.share_out(std::mem::take(&mut open), reader);
            self.exhaust(shares, &losses, &mut setbacks, reader);
            let mut wait = false;
            let mut postponed = Vec::new();
            let mut counsel = Counsel::default();
            let may_reword = !is_reworded;
            let mut reworded = Vec::new();
            for setback in setbacks {
                losses.add(setback.item, setback.failed.lost);
                if may_reword && self.commands.reword(&setback.failed.error) {
                    is_reworded = true;
                    reworded.push(setback.item);
                    continue;
                }
                match counsel.on(self, &setback) {
                    Advice::Later if patience.bears(&setback.failed.error) => {
                        wait = true;
                        open.push(setback.item);
                    }
                    Advice::Final | Advice::Later => {
                        let error = patience.explain(setback.failed.error);
                        reader.fail(setback.item, error);
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
                let tell = |(item, error)| reader.fail(item, patience.explain(error));
                postponed.into_iter().for_each(tell);
                open.clear();
                asked.clear();
            }
            open.append(&mut reworded);
        }
    }

    pub(super) fn access(&self) -> Access {
        match self.to {
            To::Owners(access) => access,
            To::Node(_) => Access::Write,
        }
    }

    fn share_out(&self, items: Vec<usize>, reader: &mut dyn Reader) -> Vec<Share> {
        let topology = &self.fleet.topology;
        if let To::Node(name) = self.to
            && !items.is_empty()
        {
            return match topology::named(&**topology, name, self.budget) {
                Ok(node) => vec![Share::new(node, items, false)],
                Err(error) => {
                    let tell = |item| reader.fail(item, error.clone());
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
            Err(error) => reader.fail(item, error),
        };
        topology.divide(self.keys, &items, self.access(), self.budget, &mut divided);
        shares
    }

    /// Asks the nodes until every item is settled. The first windows are begun in the common order; later ones wait
    /// for no connection as long as others are held.
    fn exhaust(
        &self,
        mut shares: Vec<Share>,
        losses: &Losses,
        setbacks: &mut Vec<Setback>,
        reader: &mut dyn Reader,
    ) {
        shares.sort_by_key(|share| together::order(&share.node));
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
                Some((exchange, Ok(()))) => reader.settle(exchange, setbacks),
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
    /// was no memory; or when no connection is free.
    fn begin<'a>(
        &'a self,
        share: &'a Share,
        losses: &'a Losses,
        turn: Turn,
        setbacks: &mut Vec<Setback>,
    ) -> Option<Exchange<'a>> {
        let rest = share.rest();
        let window = Window {
            commands: self.commands,
            share,
            losses,
            is_untouched: !self.commands.touches() && share.node.knows_no_touch(),
            items: rest.get(..self.commands.window(rest)).unwrap_or(rest),
            group: self.commands.group(),
        };
        let (large, pack) = (window.large(), |to: &mut Encoder<'_>| window.pack(to, 0));
        let topology = &self.fleet.topology;
        let time = topology.time_for(&share.node, self.access(), self.budget);
        // A connection that has to be opened first comes out of the time for this node as well.
        let turn = Turn {
            budget: turn.budget.or_sooner(time),
            ..turn
        };
        match share
            .node
            .start_among(self.commands.verb(), time, turn, large, pack)
        {
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
