//! The primitives that concern many keys: what their commands are, how many go out at a time, and how the replies
//! are read. How they reach the nodes is `scatter.rs`.

use crate::backend::{Access, EachDone, EachValue, KeyList, Value};
use crate::error::Result;
use crate::expiry::Life;

use super::budget::Budget;
use super::call::Verb;
use super::connection::Connection;
use super::reply::{self, Reply};
use super::resp::Encoder;
use super::scatter::{self, Each, Group, Job, Told};
use super::{RedisBackend, one};

/// Keys of one window of reads: what a slow reader can make the server hold.
const WINDOW_READS: usize = 100_000;
/// Bytes and commands of one window of writes: what this process holds of them at a time.
pub(super) const WINDOW_BYTES: usize = 1 << 20;
pub(super) const WINDOW_WRITES: usize = 1000;

pub(super) fn get(
    backend: &RedisBackend,
    keys: &KeyList,
    access: Access,
    each: &mut EachValue<'_>,
) {
    scatter::run(backend, keys, &Get { keys, access }, |item, told, clock| {
        let value = told.map(|told| match told {
            Told::Value(value) => value,
            _ => None,
        });
        each(item, value, clock);
    });
}

pub(super) fn set(
    backend: &RedisBackend,
    keys: &KeyList,
    values: &[(Value<'_>, Life)],
    each: &mut EachDone<'_>,
) {
    if let Some((_, Life::Expired)) = values.first() {
        return delete(backend, keys, each);
    }
    scatter::run(backend, keys, &Set { keys, values }, tell_done(each));
}

pub(super) fn delete(backend: &RedisBackend, keys: &KeyList, each: &mut EachDone<'_>) {
    scatter::run(backend, keys, &Delete { keys }, tell_done(each));
}

pub(super) fn tell_done(each: &mut EachDone<'_>) -> impl Each {
    |item, told: Result<Told<'_>>, _| each(item, told.map(|told| matches!(told, Told::Done(true))))
}

struct Get<'a> {
    keys: &'a KeyList,
    access: Access,
}

impl Job for Get<'_> {
    const VERB: Verb = Verb::safe("MGET");
    /// Enough to make the command small beside the work, and few enough not to keep the server from its other
    /// clients.
    const GROUP: usize = 1000;

    fn access(&self) -> Access {
        self.access
    }

    fn window(&self, items: &[usize]) -> usize {
        items.len().min(WINDOW_READS)
    }

    fn pack(&self, to: &mut Encoder<'_>, items: &[usize]) {
        to.command(1 + items.len()).arg(b"MGET");
        for item in items {
            to.arg(key(self.keys, *item));
        }
    }

    fn read(
        &self,
        from: &mut Connection,
        budget: Budget,
        group: &mut Group<'_, impl Each>,
    ) -> Reply<()> {
        match reply::array(from, budget)? {
            Ok(len) if len == group.items.len() => {}
            Ok(_) => return Err(reply::unexpected("a value for every key")),
            Err(refusal) => return Ok(Err(refusal)),
        }
        let mut places = 0..;
        from.values(group.items.len(), budget, |value| {
            if let Some(place) = places.next() {
                group.tell(place, Told::Value(value));
            }
        })
        .map(Ok)
    }
}

struct Set<'a> {
    keys: &'a KeyList,
    values: &'a [(Value<'a>, Life)],
}

impl Set<'_> {
    fn value(&self, item: usize) -> (Value<'_>, Life) {
        const NOTHING: Value<'_> = Value {
            head: &[],
            body: &[],
        };
        let value = self.values.get(item).copied();
        value.unwrap_or((NOTHING, Life::Forever))
    }
}

impl Job for Set<'_> {
    const VERB: Verb = Verb::once("SET");
    const GROUP: usize = 1;

    fn window(&self, items: &[usize]) -> usize {
        let mut bytes = 0;
        let fits = |item: &&usize| {
            let is_first = bytes == 0;
            bytes += self.value(**item).0.len() + key(self.keys, **item).len();
            is_first || bytes <= WINDOW_BYTES
        };
        items.iter().take(WINDOW_WRITES).take_while(fits).count()
    }

    fn pack(&self, to: &mut Encoder<'_>, items: &[usize]) {
        for item in items {
            let (value, life) = self.value(*item);
            one::pack_set(to, key(self.keys, *item), value, life);
        }
    }

    fn read(
        &self,
        from: &mut Connection,
        budget: Budget,
        group: &mut Group<'_, impl Each>,
    ) -> Reply<()> {
        let done = reply::done(from, budget)?;
        Ok(done.map(|()| group.tell(0, Told::Done(true))))
    }
}

/// One UNLINK a key: a command for all of them would only say how many there were.
struct Delete<'a> {
    keys: &'a KeyList,
}

impl Job for Delete<'_> {
    const VERB: Verb = Verb::safe("UNLINK");
    const GROUP: usize = 1;

    fn window(&self, items: &[usize]) -> usize {
        items.len().min(WINDOW_READS)
    }

    fn pack(&self, to: &mut Encoder<'_>, items: &[usize]) {
        for item in items {
            one::pack_unlink(to, key(self.keys, *item));
        }
    }

    fn read(
        &self,
        from: &mut Connection,
        budget: Budget,
        group: &mut Group<'_, impl Each>,
    ) -> Reply<()> {
        let existed = reply::flag(from, budget)?;
        Ok(existed.map(|existed| group.tell(0, Told::Done(existed))))
    }
}

pub(super) fn key(keys: &KeyList, item: usize) -> &[u8] {
    keys.get(item).unwrap_or_default()
}
