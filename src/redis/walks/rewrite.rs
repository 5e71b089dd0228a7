//! Entries that a walk has shown, replaced where they are, each only if nobody else wrote it meanwhile.

use crate::redis::command::large;
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
}

impl<'a> Replace<'a> {
    pub(crate) fn new(script: &'a Script, changes: &'a [Change<'a>]) -> Self {
        Replace { script, changes }
    }
}

impl scripted::Step for Replace<'_> {
    type Answer<'a> = bool;
    const ARGS: usize = 3;

    fn script(&self) -> &Script {
        self.script
    }

    /// What somebody else wrote meanwhile is only looked at.
    fn touches(&self) -> bool {
        false
    }

    fn pack_args(&self, to: &mut Encoder<'_>, item: usize) {
        let Some(change) = self.changes.get(item) else {
            return;
        };
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

    fn large(&self, item: usize) -> Option<&[u8]> {
        large(self.changes.get(item)?.new?)
    }

    /// A key that has another data type by now was written by somebody else.
    fn read(&self, from: &mut Replies<'_>, _: usize, tell: impl FnMut(bool)) -> Reply<()> {
        Ok(migrate::or_foreign(from.flag()?, false).map(tell))
    }
}
