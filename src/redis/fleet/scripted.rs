//! One script for many keys: a pipeline of EVALSHA to every node, each with its own keys. Where a node does not know
//! the script, the text follows for those keys, all within one budget.

use crate::base::budget::Budget;
use crate::error::Result;
use crate::expiry::Clock;
use crate::redis::RedisStore;
use crate::redis::command::script::Script;
use crate::redis::connection::replies::Replies;
use crate::redis::connection::reply::Reply;
use crate::redis::connection::resp::Encoder;
use crate::redis::fleet::many::{Batch, Each, Group, To};
use crate::redis::node::exchange::Verb;
use crate::redis::values::many::{WINDOW_BYTES, WINDOW_WRITES, key};
use crate::store::KeyList;

/// What is done to every key. It must do no harm when it is done twice.
pub(crate) trait Step {
    /// What is told of one item.
    type Answer<'a>;
    /// Arguments behind the key.
    const ARGS: usize;

    fn script(&self) -> &Script;

    /// Writes the arguments of an item.
    fn pack_args(&self, to: &mut Encoder<'_>, item: usize);

    /// How many bytes these are, roughly.
    fn size(&self, _item: usize) -> usize {
        0
    }

    /// Reads the answer and tells of the one item in the group.
    fn read(
        &self,
        from: &mut Replies<'_>,
        item: usize,
        tell: impl FnMut(Self::Answer<'_>),
    ) -> Reply<()>;
}

impl RedisStore {
    /// Has every item of `keys` that is no fault told to `each`, once.
    pub(crate) fn run_many<S: Step>(
        &self,
        to: To<'_>,
        keys: &KeyList,
        step: &S,
        budget: Budget,
        mut each: impl FnMut(usize, Result<S::Answer<'_>>, Clock),
    ) {
        let by_digest = ByScript {
            keys,
            step,
            name: b"EVALSHA",
            body: step.script().sha.as_bytes(),
        };
        let mut unknown = Vec::new();
        let hear = |item: usize, told: Result<S::Answer<'_>>, clock| match told {
            Err(error) if error.code() == Some("NOSCRIPT") => unknown.push(item),
            told => each(item, told, clock),
        };
        self.fleet
            .ask_some(to, keys, keys.places(), &by_digest, budget, hear);
        if !unknown.is_empty() {
            let by_text = ByScript {
                name: b"EVAL",
                body: step.script().text.as_bytes(),
                ..by_digest
            };
            self.fleet
                .ask_some(to, keys, unknown, &by_text, budget, each);
        }
    }
}

struct ByScript<'a, S> {
    keys: &'a KeyList,
    step: &'a S,
    name: &'static [u8],
    body: &'a [u8],
}

impl<S: Step> Batch for ByScript<'_, S> {
    type Answer<'a> = S::Answer<'a>;
    const GROUP: usize = 1;

    fn verb(&self) -> Verb {
        Verb::safe("EVALSHA")
    }

    fn window(&self, items: &[usize]) -> usize {
        let mut bytes = 0;
        let fits = |item: &&usize| {
            let is_first = bytes == 0;
            bytes += self.body.len() + key(self.keys, **item).len() + self.step.size(**item);
            is_first || bytes <= WINDOW_BYTES
        };
        items.iter().take(WINDOW_WRITES).take_while(fits).count()
    }

    fn pack(&self, to: &mut Encoder<'_>, items: &[usize]) {
        for item in items {
            to.command(4 + S::ARGS)
                .arg(self.name)
                .arg(self.body)
                .int(1)
                .arg(key(self.keys, *item));
            self.step.pack_args(to, *item);
        }
    }

    fn read(
        &self,
        from: &mut Replies<'_>,
        group: &mut Group<'_, Self, impl Each<Self>>,
    ) -> Reply<()> {
        let item = group.items.first().copied().unwrap_or_default();
        self.step.read(from, item, |answer| group.tell(0, answer))
    }
}
