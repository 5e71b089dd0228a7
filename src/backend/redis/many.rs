//! The primitives that concern many keys: what their commands are, how many go out at a time, and how the replies
//! are read. How they reach the nodes is `scatter.rs`.

use crate::backend::{Access, EachDone, EachValue, KeyList, Value};
use crate::error::Result;
use crate::expiry::{Clock, Life};

use super::budget::Budget;
use super::call::Verb;
use super::connection::Connection;
use super::reply::{self, Reply};
use super::resp::{Encoder, Token};
use super::scatter::{self, Group, Job, Told};
use super::{RedisBackend, one};

const MGET: Verb = Verb::safe("MGET");
const SET: Verb = Verb::once("SET");
const UNLINK: Verb = Verb::safe("UNLINK");

/// Keys of one MGET: enough to make the command small beside the work, and few enough not to keep the server from
/// its other clients.
const GROUP: usize = 1000;
/// Keys of one window of reads: what a slow reader can make the server hold.
const WINDOW_READS: usize = 100 * GROUP;
/// Bytes and commands of one window of writes: what this process holds of them at a time.
const WINDOW_BYTES: usize = 1 << 20;
const WINDOW_WRITES: usize = 1000;

pub(super) fn get(
    backend: &RedisBackend,
    keys: &KeyList,
    access: Access,
    each: &mut EachValue<'_>,
) {
    let pack = |to: &mut Encoder<'_>, group: &[usize]| {
        to.command(1 + group.len()).arg(b"MGET");
        group.iter().for_each(|item| {
            to.arg(key(keys, *item));
        });
    };
    let job = Job {
        verb: MGET,
        access,
        group: GROUP,
        window: &|items| items.len().min(WINDOW_READS),
        pack: &pack,
        read: read_values,
    };
    scatter::run(backend, keys, &job, &mut |item, outcome, clock| {
        let value = outcome.map(|told| match told {
            Told::Value(value) => value,
            Told::Done(_) => None,
        });
        each(item, value, clock);
    });
}

pub(super) fn set(
    backend: &RedisBackend,
    keys: &KeyList,
    values: &[Value<'_>],
    life: Life,
    each: &mut EachDone<'_>,
) {
    if life == Life::Expired {
        return delete(backend, keys, each);
    }
    let nothing = Value {
        head: &[],
        body: &[],
    };
    let value = |item: usize| values.get(item).copied().unwrap_or(nothing);
    let pack = |to: &mut Encoder<'_>, group: &[usize]| {
        for item in group {
            one::pack_set(to, key(keys, *item), value(*item), life);
        }
    };
    let window = |items: &[usize]| {
        let mut bytes = 0;
        let fits = |item: &&usize| {
            let is_first = bytes == 0;
            bytes += value(**item).len() + key(keys, **item).len();
            is_first || bytes <= WINDOW_BYTES
        };
        items.iter().take(WINDOW_WRITES).take_while(fits).count()
    };
    let job = Job {
        verb: SET,
        access: Access::Write,
        group: 1,
        window: &window,
        pack: &pack,
        read: read_done,
    };
    scatter::run(backend, keys, &job, &mut tell_done(each));
}

/// One UNLINK a key: a command for all of them would only say how many there were.
pub(super) fn delete(backend: &RedisBackend, keys: &KeyList, each: &mut EachDone<'_>) {
    let pack = |to: &mut Encoder<'_>, group: &[usize]| {
        for item in group {
            one::pack_unlink(to, key(keys, *item));
        }
    };
    let job = Job {
        verb: UNLINK,
        access: Access::Write,
        group: 1,
        window: &|items| items.len().min(WINDOW_READS),
        pack: &pack,
        read: read_flag,
    };
    scatter::run(backend, keys, &job, &mut tell_done(each));
}

fn key(keys: &KeyList, item: usize) -> &[u8] {
    keys.get(item).unwrap_or_default()
}

fn tell_done(each: &mut EachDone<'_>) -> impl FnMut(usize, Result<Told<'_>>, Clock) {
    |item, outcome, _| {
        let done = outcome.map(|told| match told {
            Told::Value(value) => value.is_some(),
            Told::Done(done) => done,
        });
        each(item, done);
    }
}

fn read_values(from: &mut Connection, budget: Budget, group: &mut Group<'_, '_>) -> Reply<()> {
    match reply::array(from, budget)? {
        Ok(len) if len == group.items.len() => {}
        Ok(_) => return Err(reply::unexpected("a value for every key")),
        Err(refusal) => return Ok(Err(refusal)),
    }
    for place in 0..group.items.len() {
        let value = match from.next(budget)? {
            Token::Bulk(bytes) => Some(bytes),
            Token::Nil => None,
            _ => return Err(reply::unexpected("a value or nil")),
        };
        group.tell(place, Told::Value(value));
    }
    Ok(Ok(()))
}

fn read_done(from: &mut Connection, budget: Budget, group: &mut Group<'_, '_>) -> Reply<()> {
    let done = reply::done(from, budget)?;
    Ok(done.map(|()| group.tell(0, Told::Done(true))))
}

fn read_flag(from: &mut Connection, budget: Budget, group: &mut Group<'_, '_>) -> Reply<()> {
    let existed = reply::flag(from, budget)?;
    Ok(existed.map(|existed| group.tell(0, Told::Done(existed))))
}
