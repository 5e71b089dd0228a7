//! One script for many keys: a pipeline of EVALSHA to every node, each with its own keys. Where a node does not know
//! the script, the text follows for those keys, all within one budget.

use std::cell::Cell;

use crate::base::budget::Budget;
use crate::error::{Error, Result};
use crate::expiry::Clock;
use crate::redis::command::script::Script;
use crate::redis::command::verb::Verb;
use crate::redis::connection::replies::Replies;
use crate::redis::connection::reply::Reply;
use crate::redis::connection::resp::Encoder;
use crate::store::KeyList;

use super::Fleet;
use super::many::{Batch, Commands, Each, Group, To, WINDOW_BYTES, WINDOW_WRITES, key};

/// What is done to every key.
pub(crate) trait Step {
    /// What is told of one item.
    type Answer<'a>;
    /// Arguments behind the key.
    const ARGS: usize;

    fn script(&self) -> &Script;

    /// Writes the arguments of an item; those of a repetition where [`Encoder::lost`] says so.
    fn pack_args(&self, to: &mut Encoder<'_>, item: usize);

    /// Whether the keys are used by this: a walk over all of them only looks.
    fn touches(&self) -> bool {
        true
    }

    /// How many bytes these are, roughly.
    fn size(&self, _item: usize) -> usize {
        0
    }

    /// What `Command::large` is of the script for this item.
    fn large(&self, _item: usize) -> Option<&[u8]> {
        None
    }

    /// Reads the answer and tells of the one item in the group.
    fn read(
        &self,
        from: &mut Replies<'_>,
        item: usize,
        tell: impl FnMut(Self::Answer<'_>),
    ) -> Reply<()>;
}

impl Fleet {
    /// Has every item of `keys` that is no fault told to `each`, once.
    pub(crate) fn run_many<S: Step>(
        &self,
        to: To<'_>,
        keys: &KeyList,
        step: &S,
        budget: Budget,
        each: impl FnMut(usize, Result<S::Answer<'_>>, Clock),
    ) {
        let batch = ByScript {
            keys,
            step,
            by_text: Cell::new(false),
        };
        self.ask_many(to, keys, &batch, budget, each);
    }
}

struct ByScript<'a, S> {
    keys: &'a KeyList,
    step: &'a S,
    by_text: Cell<bool>,
}

impl<S: Step> Commands for ByScript<'_, S> {
    fn verb(&self) -> Verb {
        self.step.script().verb
    }

    fn touches(&self) -> bool {
        self.step.touches()
    }

    fn reword(&self, refusal: &Error) -> bool {
        let is_unknown = refusal.code() == Some("NOSCRIPT");
        if is_unknown {
            self.by_text.set(true);
        }
        is_unknown
    }

    fn window(&self, items: &[usize]) -> usize {
        let mut bytes = 0;
        let body = match self.by_text.get() {
            false => self.step.script().called.len(),
            true => self.step.script().text.len(),
        };
        let fits = |item: &&usize| {
            let is_first = bytes == 0;
            bytes += body + key(self.keys, **item).len() + self.step.size(**item);
            is_first || bytes <= WINDOW_BYTES
        };
        items.iter().take(WINDOW_WRITES).take_while(fits).count()
    }

    fn pack(&self, to: &mut Encoder<'_>, items: &[usize]) {
        for item in items {
            let to = to.command(4 + S::ARGS);
            self.step.script().pack_call(to, self.by_text.get());
            to.words(b"$1\r\n1\r\n").name(self.keys.framed(*item));
            self.step.pack_args(to, *item);
        }
    }

    fn large(&self, item: usize) -> Option<&[u8]> {
        self.step.large(item)
    }
}

impl<S: Step> Batch for ByScript<'_, S> {
    type Answer<'a> = S::Answer<'a>;

    fn read(
        &self,
        from: &mut Replies<'_>,
        group: &mut Group<'_, Self, impl Each<Self>>,
    ) -> Reply<()> {
        let item = group.items.first().copied().unwrap_or_default();
        self.step.read(from, item, |answer| group.tell(0, answer))
    }
}
