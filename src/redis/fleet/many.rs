//! A call that concerns many keys: what is sent for them, and what is told of every one. How the commands reach the nodes
//! that own the keys is `scatter.rs`.

use std::marker::PhantomData;

use crate::base::budget::Budget;
use crate::error::{Error, Result};
use crate::expiry::Clock;
use crate::redis::command::verb::Verb;
use crate::redis::connection::replies::Replies;
use crate::redis::connection::reply::Reply;
use crate::redis::connection::resp::Encoder;
use crate::store::{Access, KeyList};

use super::Fleet;
use super::scatter::{Reader, Scatter};
use super::window::{Exchange, Setback, Share};

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

/// One command for each group of items.
pub(crate) trait Commands {
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

    /// What `Command::large` is of the command for this item alone.
    fn large(&self, _item: usize) -> Option<&[u8]> {
        None
    }
}

/// Commands, and what is told of every item.
pub(crate) trait Batch: Commands {
    /// What is told of one item; it may borrow the reply.
    type Answer<'a>;

    /// Reads the reply to a group's command and tells of every item. A refusal is that of all items it has not told of.
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
        each: impl Each<B>,
    ) {
        let mut told = Told { batch, each };
        let scatter = Scatter {
            fleet: self,
            to,
            keys,
            commands: batch,
            budget,
        };
        scatter.run(items, &mut told);
    }
}

/// The one part of a call that knows what its answers are: all else is in the library once, not once for each batch.
struct Told<'b, B, E> {
    batch: &'b B,
    each: E,
}

impl<B: Batch, E: Each<B>> Reader for Told<'_, B, E> {
    fn settle<'a>(&mut self, exchange: Exchange<'a>, setbacks: &mut Vec<Setback>) -> &'a Share {
        exchange.settle(self.batch, setbacks, &mut self.each)
    }

    fn fail(&mut self, item: usize, error: Error) {
        (self.each)(item, Err(error), Clock::default());
    }
}
