//! Entries that a walk has shown, read as they are and replaced where they are, each only if nobody else wrote it
//! meanwhile. On a ring that is the node of the walk, whatever the ring thinks of it; the slots of a cluster may have
//! moved, and its keys are looked for where they are by now.

use crate::backend::{Access, Change, EachDone, EachValue, KeyList};
use crate::error::Result;
use crate::expiry::Clock;

use super::RedisBackend;
use super::budget::Budget;
use super::call::Verb;
use super::connection::Connection;
use super::replay::Attempts;
use super::reply::{self, Reply};
use super::resp::Encoder;
use super::scatter::{Each, Group, Told};
use super::script::Script;
use super::{many, moving, scripted, topology};

const MGET: Verb = Verb::safe("MGET");

/// Keys of one MGET: a server does nothing else meanwhile.
const GROUP: usize = 256;

pub(super) fn read(backend: &RedisBackend, node: &str, keys: &KeyList, each: &mut EachValue<'_>) {
    if !backend.topology.takes_many_keys() {
        return many::get(backend, keys, Access::Write, each);
    }
    // Places that have been told of, perhaps by a connection that broke later.
    let mut told = 0;
    if let Err(error) = read_from(backend, node, keys, &mut told, each) {
        for place in keys.places().into_iter().skip(told) {
            each(place, Err(error.clone()), Clock::default());
        }
    }
}

fn read_from(
    backend: &RedisBackend,
    node: &str,
    keys: &KeyList,
    told: &mut usize,
    each: &mut EachValue<'_>,
) -> Result<()> {
    let owner = topology::named(&*backend.topology, node, backend.budget())?;
    let places = keys.places();
    let pack = |to: &mut Encoder<'_>| {
        for group in places.chunks(GROUP) {
            to.command(1 + group.len()).arg(b"MGET");
            group.iter().for_each(|place| {
                to.arg(many::key(keys, *place));
            });
        }
    };
    let read = |from: &mut Connection, budget: Budget| {
        let (clock, mut at, mut all) = (owner.clock(), 0, Ok(()));
        for group in places.chunks(GROUP) {
            match reply::array(from, budget)? {
                Ok(len) if len == group.len() => {}
                Ok(_) => return Err(reply::unexpected("a value for every key")),
                Err(refusal) => {
                    all = Err(refusal);
                    continue;
                }
            }
            from.values(group.len(), budget, |value| {
                if at >= *told
                    && all.is_ok()
                    && let Some(place) = places.get(at)
                {
                    *told = at + 1;
                    each(*place, Ok(value), clock);
                }
                at += 1;
            })?;
        }
        Ok(all)
    };
    if places.is_empty() {
        return Ok(());
    }
    backend.ask_named(MGET, node, pack, read)
}

pub(super) fn replace(
    backend: &RedisBackend,
    node: &str,
    keys: &KeyList,
    changes: &[Change<'_>],
    each: &mut EachDone<'_>,
) {
    let script = &backend.scripts.replace;
    let attempts: Vec<Attempts> = changes.iter().map(|_| Attempts::default()).collect();
    let step = Replace {
        script,
        changes,
        attempts,
    };
    if !backend.topology.takes_many_keys() {
        return scripted::run(backend, keys, &step, many::tell_done(each));
    }
    let pack_args =
        |to: &mut Encoder<'_>, place: usize| scripted::Step::pack_args(&step, to, place);
    let read =
        |from: &mut Connection, budget: Budget, place: usize| step.answer(from, budget, place);
    let answers = moving::each_by_script(backend, node, script, keys, 3, pack_args, read);
    for (at, place) in keys.places().into_iter().enumerate() {
        let answer = answers.as_ref().map_err(Clone::clone);
        each(
            place,
            answer.map(|all| all.get(at).is_some_and(|done| *done)),
        );
    }
}

struct Replace<'a> {
    script: &'a Script,
    changes: &'a [Change<'a>],
    attempts: Vec<Attempts>,
}

impl Replace<'_> {
    /// A key that has another data type by now was written by somebody else.
    fn answer(&self, from: &mut Connection, budget: Budget, item: usize) -> Reply<bool> {
        let answer = moving::or_foreign(reply::flag(from, budget)?, false);
        let attempts = self.attempts.get(item);
        Ok(attempts.map_or(Ok(false), |attempts| attempts.judge(answer)))
    }
}

impl scripted::Step for Replace<'_> {
    const ARGS: usize = 3;

    fn script(&self) -> &Script {
        self.script
    }

    fn pack_args(&self, to: &mut Encoder<'_>, item: usize) {
        let (Some(change), Some(attempts)) = (self.changes.get(item), self.attempts.get(item))
        else {
            return;
        };
        attempts.sent();
        let to = to.arg(change.old);
        match change.new {
            Some(new) => to.arg(b"0").joined(new.head, new.body),
            None => to.arg(b"1").arg(b""),
        };
    }

    fn size(&self, item: usize) -> usize {
        let size = |change: &Change<'_>| change.old.len() + change.new.map_or(0, |new| new.len());
        self.changes.get(item).map_or(0, size)
    }

    fn read(
        &self,
        from: &mut Connection,
        budget: Budget,
        group: &mut Group<'_, impl Each>,
    ) -> Reply<()> {
        let item = group.items.first().copied().unwrap_or_default();
        let done = self.answer(from, budget, item)?;
        Ok(done.map(|done| group.tell(0, Told::Done(done))))
    }
}
