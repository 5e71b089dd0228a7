//! One script for many keys: a pipeline of EVALSHA to every node, each with its own keys. Where a node does not know
//! the script, the text follows for those keys, all within one budget.

use crate::backend::KeyList;
use crate::error::Result;

use super::RedisBackend;
use super::budget::Budget;
use super::call::Verb;
use super::connection::Connection;
use super::many::{WINDOW_BYTES, WINDOW_WRITES, key};
use super::reply::Reply;
use super::resp::Encoder;
use super::scatter::{self, Each, Group, Job, Told};
use super::script::Script;

/// What is done to every key. It must do no harm when it is done twice.
pub(super) trait Step {
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
        from: &mut Connection,
        budget: Budget,
        group: &mut Group<'_, impl Each>,
    ) -> Reply<()>;
}

/// Has every item of `keys` that is no fault told to `each`, once.
pub(super) fn run(backend: &RedisBackend, keys: &KeyList, step: &impl Step, mut each: impl Each) {
    let budget = backend.budget();
    let by_digest = ByScript {
        keys,
        step,
        name: b"EVALSHA",
        body: step.script().sha.as_bytes(),
    };
    let mut unknown = Vec::new();
    let hear = |item: usize, told: Result<Told<'_>>, clock| match told {
        Err(error) if error.code() == Some("NOSCRIPT") => unknown.push(item),
        told => each(item, told, clock),
    };
    scatter::run_some(backend, keys, keys.places(), &by_digest, budget, hear);
    if !unknown.is_empty() {
        let by_text = ByScript {
            name: b"EVAL",
            body: step.script().text.as_bytes(),
            ..by_digest
        };
        scatter::run_some(backend, keys, unknown, &by_text, budget, each);
    }
}

struct ByScript<'a, S> {
    keys: &'a KeyList,
    step: &'a S,
    name: &'static [u8],
    body: &'a [u8],
}

impl<S: Step> Job for ByScript<'_, S> {
    const VERB: Verb = Verb::safe("EVALSHA");
    const GROUP: usize = 1;

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
        from: &mut Connection,
        budget: Budget,
        group: &mut Group<'_, impl Each>,
    ) -> Reply<()> {
        self.step.read(from, budget, group)
    }
}
