//! Entries that a walk has shown, replaced where they are, each only if nobody else wrote it meanwhile.

use crate::redis::command::once::Attempts;
use crate::redis::command::script::Script;
use crate::redis::connection::replies::Replies;
use crate::redis::connection::reply::Reply;
use crate::redis::connection::resp::Encoder;
use crate::redis::fleet::scripted;
use crate::redis::migrate;
use crate::store::Change;

pub(crate) struct Replace<'a> {
    script: &'a Script,
    changes: &'a [Change<'a>],
    attempts: Vec<Attempts>,
}

impl<'a> Replace<'a> {
    pub(crate) fn new(script: &'a Script, changes: &'a [Change<'a>]) -> Self {
        Replace {
            script,
            changes,
            attempts: changes.iter().map(|_| Attempts::default()).collect(),
        }
    }
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
        let answer = migrate::or_foreign(from.flag()?, false);
        let attempts = self.attempts.get(item);
        Ok(attempts
            .map_or(Ok(false), |attempts| attempts.judge(answer))
            .map(tell))
    }
}
