//! The items of one node that are sent together, as a command: what of them is answered, what has to be asked for again
//! and after how many attempts, and what the node failed.

use std::cell::Cell;
use std::sync::Arc;

use crate::error::Error;
use crate::redis::command::Command;
use crate::redis::command::untouched::{self, Begun};
use crate::redis::command::verb::Verb;
use crate::redis::connection::replies::Replies;
use crate::redis::connection::reply::Reply;
use crate::redis::connection::resp::Encoder;
use crate::redis::node::exchange::Failed;
use crate::redis::node::verdict::Verdict;
use crate::redis::node::{Node, several};

use super::many::{Batch, Commands, Each, Group};
use crate::redis::node::together;

/// The items of one node.
pub(super) struct Share {
    pub(super) node: Arc<Node>,
    pub(super) items: Vec<usize>,
    /// So many of them, from the front, are done with.
    pub(super) settled: Cell<usize>,
    /// Whether ASKING stands in front of every command.
    pub(super) asking: bool,
}

impl Share {
    pub(super) fn new(node: Arc<Node>, items: Vec<usize>, asking: bool) -> Self {
        Share {
            node,
            items,
            settled: Cell::new(0),
            asking,
        }
    }

    pub(super) fn rest(&self) -> &[usize] {
        self.items.get(self.settled.get()..).unwrap_or_default()
    }

    pub(super) fn settle(&self, items: usize) {
        self.settled.set(self.settled.get() + items);
    }
}

/// Of each item, how many attempts were sent and never answered.
#[derive(Default)]
pub(super) struct Losses {
    /// Empty while there are none: nearly always.
    lost: Vec<u32>,
}

impl Losses {
    fn are_none(&self) -> bool {
        self.lost.is_empty()
    }

    pub(super) fn of(&self, item: usize) -> u32 {
        self.lost.get(item).copied().unwrap_or_default()
    }

    /// Of all these. Those of one command differ only where it may be repeated without a thought.
    fn of_any(&self, items: &[usize]) -> u32 {
        if self.lost.is_empty() {
            return 0;
        }
        items.iter().map(|item| self.of(*item)).max().unwrap_or(0)
    }

    pub(super) fn add(&mut self, item: usize, lost: u32) {
        if lost == 0 {
            return;
        }
        if self.lost.len() <= item {
            self.lost.resize(item + 1, 0);
        }
        if let Some(sum) = self.lost.get_mut(item) {
            *sum += lost;
        }
    }
}

/// An item that a node failed.
pub(super) struct Setback {
    pub(super) item: usize,
    pub(super) node: Arc<Node>,
    pub(super) failed: Failed,
}

/// A window under way.
pub(super) struct Exchange<'a> {
    pub(super) window: Window<'a>,
    pub(super) call: several::Exchange<'a>,
}

impl<'a> together::UnderWay<'a> for Exchange<'a> {
    fn call(&mut self) -> &mut several::Exchange<'a> {
        &mut self.call
    }

    fn advance(&mut self) -> Result<(), Failed> {
        self.call.advance(|to| self.window.pack(to, 0))
    }
}

impl<'a> Exchange<'a> {
    /// Reads the replies. A broken connection is the end of the whole share.
    pub(super) fn settle<B: Batch>(
        self,
        batch: &B,
        setbacks: &mut Vec<Setback>,
        each: &mut impl Each<B>,
    ) -> &'a Share {
        let Exchange { window, call } = self;
        let mut reading = Reading {
            window: &window,
            batch,
            progress: 0,
            setbacks,
            complaint: None,
            each,
        };
        let command: &mut dyn Command<Answer = ()> = &mut reading;
        match call.finish(command) {
            Ok(()) => window.share.settle(window.items.len()),
            Err(failed) => window.fail(reading.progress, &failed, reading.setbacks),
        }
        window.share
    }
}

/// The items of one node that are sent together.
pub(super) struct Window<'a> {
    pub(super) commands: &'a dyn Commands,
    pub(super) share: &'a Share,
    pub(super) losses: &'a Losses,
    pub(super) items: &'a [usize],
    /// Items of one command.
    pub(super) group: usize,
    /// Whether the server is asked not to count this as a use of the keys.
    pub(super) is_untouched: bool,
}

/// A window as a command, while its replies are read.
struct Reading<'w, 'a, B, E> {
    window: &'w Window<'a>,
    batch: &'w B,
    /// Items of the window that are done with; it outlives a connection that has to be replaced.
    progress: usize,
    setbacks: &'w mut Vec<Setback>,
    /// The refusal that concerns more than its own items.
    complaint: Option<Error>,
    each: &'w mut E,
}

impl<B: Batch, E: Each<B>> Command for Reading<'_, '_, B, E> {
    type Answer = ();

    fn verb(&self) -> Verb {
        self.window.commands.verb()
    }

    fn pack(&self, to: &mut Encoder<'_>) {
        self.window.pack(to, self.progress);
    }

    fn large(&self) -> Option<&[u8]> {
        self.window.large()
    }

    fn read(&mut self, from: &mut Replies<'_>) -> Reply<()> {
        let Reading {
            window,
            batch,
            progress,
            setbacks,
            complaint,
            each,
        } = self;
        let before = setbacks.len();
        if let Err(refusal) = window.read(from, *batch, progress, setbacks, *each)? {
            return Ok(Err(refusal));
        }
        let new = setbacks.get(before..).filter(|new| !new.is_empty());
        *complaint = new.and_then(find_complaint);
        Ok(Ok(()))
    }

    fn complaint(&self) -> Option<&Error> {
        self.complaint.as_ref()
    }
}

/// The refusal that concerns more than its own items, if one does.
#[cold]
fn find_complaint(setbacks: &[Setback]) -> Option<Error> {
    let refusals = setbacks.iter().map(|setback| &setback.failed.error);
    let concerns_more = |error: &&Error| Verdict::of(error, false).concerns_more();
    refusals.into_iter().find(concerns_more).cloned()
}

impl<'a> Window<'a> {
    /// What is written from where it lies: an item alone. Of several the copies are no more than a window is.
    pub(super) fn large(&self) -> Option<&'a [u8]> {
        match self.items {
            [item] => self.commands.large(*item),
            _ => None,
        }
    }

    /// The commands, each with the place of its first item, that are not done with when so many items are.
    fn groups(&self, progress: usize) -> impl Iterator<Item = (usize, &[usize])> {
        let groups = self.items.chunks(self.group).enumerate();
        let groups = groups.map(|(number, items)| (number * self.group, items));
        groups.filter(move |(place, items)| place + items.len() > progress)
    }

    /// Writes what is left to do when so many items are done with: what was answered is not asked for again.
    pub(super) fn pack(&self, to: &mut Encoder<'_>, progress: usize) {
        let lost = to.lost();
        if self.is_untouched {
            untouched::pack_begin(to);
        }
        let is_plain = self.group == 1 && !self.share.asking && self.losses.are_none();
        if is_plain {
            self.commands
                .pack(to, self.items.get(progress..).unwrap_or_default());
        }
        for (_, items) in self.groups(progress).take_while(|_| !is_plain) {
            if self.share.asking {
                to.command(1).arg(b"ASKING");
            }
            to.set_lost(lost + self.losses.of_any(items));
            self.commands.pack(to, items);
        }
        if self.is_untouched {
            untouched::pack_end(to);
        }
    }

    fn setback(&self, item: usize, failed: Failed) -> Setback {
        Setback {
            item,
            node: Arc::clone(&self.share.node),
            failed,
        }
    }

    /// Ends only this window, for which there was no memory.
    pub(super) fn pass_over(&self, failed: &Failed, setbacks: &mut Vec<Setback>) {
        let fail = |item: &usize| self.setback(*item, failed.clone());
        setbacks.extend(self.items.iter().map(fail));
        self.share.settle(self.items.len());
    }

    /// Ends the whole share, of which `progress` items are done with. What lies behind the window was never sent.
    pub(super) fn fail(&self, progress: usize, failed: &Failed, setbacks: &mut Vec<Setback>) {
        let rest = self.share.rest();
        for (place, item) in rest.iter().enumerate().skip(progress) {
            let mut failed = failed.clone();
            if place >= self.items.len() {
                failed.may_resend = true;
                failed.lost = 0;
            }
            setbacks.push(self.setback(*item, failed));
        }
        self.share.settle(rest.len());
    }

    /// The node refused these items.
    #[cold]
    fn refused(&self, items: &[usize], refusal: Error, lost: u32, setbacks: &mut Vec<Setback>) {
        let refusal = self.share.node.named(refusal, self.commands.verb());
        let failed = Failed {
            lost,
            ..Failed::refused(refusal)
        };
        let setback = |item: &usize| self.setback(*item, failed.clone());
        setbacks.extend(items.iter().map(setback));
    }

    fn read<B: Batch>(
        &self,
        from: &mut Replies<'_>,
        batch: &B,
        progress: &mut usize,
        setbacks: &mut Vec<Setback>,
        each: &mut impl Each<B>,
    ) -> Reply<()> {
        let node = &self.share.node;
        let begun = match self.is_untouched {
            true => Some(Begun::read(from)?),
            false => None,
        };
        for (before, items) in self.groups(*progress) {
            if self.share.asking {
                from.skip()?;
            }
            let lost = from.lost();
            let mut from = from.after(self.losses.of_any(items));
            let told = progress.saturating_sub(before);
            let mut group = Group::new(items, told, node.clock(), &mut *each);
            let answer = batch.read(&mut from, &mut group);
            let told = group.told();
            *progress = before + told;
            if let Err(refusal) = answer? {
                if *progress == 0 && refusal.code() == Some("NOAUTH") {
                    // Nothing of this will be done here.
                    return Ok(Err(refusal));
                }
                let left = items.get(told..).unwrap_or_default();
                self.refused(left, refusal, lost, setbacks);
            }
            *progress = before + items.len();
        }
        if let Some(begun) = begun {
            begun.read_end(from)?;
            if begun.is_unknown() {
                node.knows_not_no_touch();
            }
        }
        Ok(Ok(()))
    }
}
