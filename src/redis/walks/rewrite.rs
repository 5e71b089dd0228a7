//! Entries that a walk has shown, read as they are and replaced where they are, each only if nobody else wrote it
//! meanwhile. On a ring that is the node of the walk, whatever the ring thinks of it; the slots of a cluster may have
//! moved, and its keys are looked for where they are by now.

use crate::redis::command::once::Attempts;
use crate::redis::command::script::Script;
use crate::redis::connection::replies::Replies;
use crate::redis::connection::reply::Reply;
use crate::redis::connection::resp::Encoder;
use crate::redis::fleet::many::To;
use crate::redis::fleet::{many as scatter, scripted};
use crate::redis::values::many;
use crate::redis::{RedisBackend, migrate as moving};
use crate::store::{Access, Change, EachDone, EachValue, KeyList};

pub(crate) fn read(backend: &RedisBackend, node: &str, keys: &KeyList, each: &mut EachValue<'_>) {
    if !backend.topology.takes_many_keys() {
        return many::get(backend, keys, Access::Write, each);
    }
    let get = many::Get { keys };
    scatter::run(backend, To::Node(node), keys, &get, each);
}

pub(crate) fn replace(
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
    let to = match backend.topology.takes_many_keys() {
        true => To::Node(node),
        false => To::Owners(Access::Write),
    };
    scripted::run(backend, to, keys, &step, many::done(each));
}

struct Replace<'a> {
    script: &'a Script,
    changes: &'a [Change<'a>],
    attempts: Vec<Attempts>,
}

impl scripted::Step for Replace<'_> {
    type Answer<'a> = bool;
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

    /// A key that has another data type by now was written by somebody else.
    fn read(&self, from: &mut Replies<'_>, item: usize, tell: impl FnMut(bool)) -> Reply<()> {
        let answer = moving::or_foreign(from.flag()?, false);
        let attempts = self.attempts.get(item);
        Ok(attempts
            .map_or(Ok(false), |attempts| attempts.judge(answer))
            .map(tell))
    }
}
