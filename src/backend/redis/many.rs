//! Calls that concern many keys. Keys go to the nodes that own them, in windows of bounded size; in every round each
//! node is sent its next window before any reply is read, so the nodes work at the same time. A node that fails
//! fails its own keys only, and what a node cannot serve just now is tried again within the budget.

use std::sync::Arc;

use crate::backend::{Access, EachDone, EachValue, KeyList, Value};
use crate::error::{Error, Result};
use crate::expiry::{Clock, Life};

use super::connection::Connection;
use super::node::{Node, Verb};
use super::reply::{self, Reply};
use super::resp::{Encoder, Token};
use super::{Budget, Patience, RedisBackend, one};

const MGET: Verb = Verb::safe("MGET");
const SET: Verb = Verb::once("SET");
const UNLINK: Verb = Verb::safe("UNLINK");

/// Keys of one command, and commands of one window: enough to make a round trip small beside the work, and little
/// enough not to keep the server from other clients.
const GROUP: usize = 1000;
/// Bytes of one window of writes.
const WINDOW_BYTES: usize = 1 << 20;
/// Keys of one window of reads: their replies wait at the server until they are read.
const WINDOW_READS: usize = 100 * GROUP;

/// What is told of one item.
enum Item<'a> {
    Value(Option<&'a [u8]>),
    Done(bool),
}

type Each<'a> = dyn FnMut(usize, Result<Item<'_>>, Clock) + 'a;

/// One kind of call.
struct Job<'a> {
    verb: Verb,
    access: Access,
    /// Items of one command.
    group: usize,
    /// How many of these items the next window takes; at least one.
    window: &'a dyn Fn(&[usize]) -> usize,
    /// Writes the command for a group of items.
    pack: &'a dyn Fn(&mut Encoder<'_>, &[usize]),
    read: ReadGroup,
}

/// Reads the reply to one command and tells of the items of its group, skipping the first `told`, which it counts up.
/// A refusal is that of all items that are left.
type ReadGroup = fn(
    &mut Connection,
    Budget,
    group: &[usize],
    told: &mut usize,
    Clock,
    &mut Each<'_>,
) -> Reply<()>;

pub(super) fn get(
    backend: &RedisBackend,
    keys: &KeyList,
    access: Access,
    each: &mut EachValue<'_>,
) {
    let pack = |to: &mut Encoder<'_>, group: &[usize]| {
        to.command(1 + group.len()).arg(b"MGET");
        group.iter().for_each(|item| {
            to.arg(keys.get(*item).unwrap_or_default());
        });
    };
    let window = |items: &[usize]| items.len().min(WINDOW_READS);
    let job = Job {
        verb: MGET,
        access,
        group: GROUP,
        window: &window,
        pack: &pack,
        read: read_values,
    };
    run(backend, keys, &job, &mut |item, outcome, clock| {
        let value = outcome.map(|told| match told {
            Item::Value(value) => value,
            Item::Done(_) => None,
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
    let value = |item: &usize| {
        values.get(*item).copied().unwrap_or(Value {
            head: &[],
            body: &[],
        })
    };
    let pack = |to: &mut Encoder<'_>, group: &[usize]| {
        for item in group {
            one::pack_set(to, keys.get(*item).unwrap_or_default(), value(item), life);
        }
    };
    let window = |items: &[usize]| {
        let mut bytes = 0;
        let fitting = items.iter().take(GROUP).take_while(|item| {
            let is_first = bytes == 0;
            bytes += value(item).len() + keys.get(**item).map_or(0, <[u8]>::len) + 64;
            is_first || bytes <= WINDOW_BYTES
        });
        fitting.count()
    };
    let job = Job {
        verb: SET,
        access: Access::Write,
        group: 1,
        window: &window,
        pack: &pack,
        read: read_done,
    };
    run(backend, keys, &job, &mut tell_done(each));
}

/// One UNLINK a key: a command for all of them would only say how many there were.
pub(super) fn delete(backend: &RedisBackend, keys: &KeyList, each: &mut EachDone<'_>) {
    let pack = |to: &mut Encoder<'_>, group: &[usize]| {
        for item in group {
            to.command(2)
                .arg(b"UNLINK")
                .arg(keys.get(*item).unwrap_or_default());
        }
    };
    let window = |items: &[usize]| items.len().min(10 * GROUP);
    let job = Job {
        verb: UNLINK,
        access: Access::Write,
        group: 1,
        window: &window,
        pack: &pack,
        read: read_flag,
    };
    run(backend, keys, &job, &mut tell_done(each));
}

fn tell_done(each: &mut EachDone<'_>) -> impl FnMut(usize, Result<Item<'_>>, Clock) {
    |item, outcome, _| {
        let done = outcome.map(|told| match told {
            Item::Value(value) => value.is_some(),
            Item::Done(done) => done,
        });
        each(item, done);
    }
}

fn read_values(
    from: &mut Connection,
    budget: Budget,
    group: &[usize],
    told: &mut usize,
    clock: Clock,
    each: &mut Each<'_>,
) -> Reply<()> {
    match reply::array(from, budget)? {
        Ok(len) if len == group.len() => {}
        Ok(_) => return Err(reply::unexpected("a value for every key")),
        Err(refusal) => return Ok(Err(refusal)),
    }
    for (place, item) in group.iter().enumerate() {
        let value = match from.next(budget)? {
            Token::Bulk(bytes) => Some(bytes),
            Token::Nil => None,
            _ => return Err(reply::unexpected("a value or nil")),
        };
        if place >= *told {
            *told = place + 1;
            each(*item, Ok(Item::Value(value)), clock);
        }
    }
    Ok(Ok(()))
}

fn read_done(
    from: &mut Connection,
    budget: Budget,
    group: &[usize],
    told: &mut usize,
    clock: Clock,
    each: &mut Each<'_>,
) -> Reply<()> {
    let done = reply::done(from, budget)?;
    Ok(done.map(|()| tell(group, told, true, clock, each)))
}

fn read_flag(
    from: &mut Connection,
    budget: Budget,
    group: &[usize],
    told: &mut usize,
    clock: Clock,
    each: &mut Each<'_>,
) -> Reply<()> {
    let existed = reply::flag(from, budget)?;
    Ok(existed.map(|existed| tell(group, told, existed, clock, each)))
}

fn tell(group: &[usize], told: &mut usize, done: bool, clock: Clock, each: &mut Each<'_>) {
    *told = group.len();
    group
        .iter()
        .for_each(|item| each(*item, Ok(Item::Done(done)), clock));
}

/// The items of one node; what has been settled of them is taken away from the front.
struct Share {
    node: Arc<Node>,
    items: Vec<usize>,
    settled: usize,
}

impl Share {
    fn rest(&self) -> &[usize] {
        self.items.get(self.settled..).unwrap_or_default()
    }
}

/// Items that a server refused for now, each with what it said.
type Refused = Vec<(usize, Error)>;

/// Has every item of `keys` that is no fault told to `each`, once.
fn run(backend: &RedisBackend, keys: &KeyList, job: &Job<'_>, each: &mut Each<'_>) {
    let budget = backend.budget();
    let mut patience = Patience::new(budget);
    let mut items: Vec<usize> = keys.iter().map(|(item, _)| item).collect();
    loop {
        let mut refused = Refused::new();
        let mut shares = share_out(backend, keys, items, job.access, each);
        while !shares.is_empty() {
            round(backend, job, budget, &mut shares, &mut refused, each);
            shares.retain(|share| !share.rest().is_empty());
        }
        if refused.is_empty() {
            return;
        }
        if !patience.pause() {
            let clock = Clock::default();
            return refused
                .into_iter()
                .for_each(|(item, error)| each(item, Err(error), clock));
        }
        items = refused.into_iter().map(|(item, _)| item).collect();
    }
}

fn share_out(
    backend: &RedisBackend,
    keys: &KeyList,
    items: Vec<usize>,
    access: Access,
    each: &mut Each<'_>,
) -> Vec<Share> {
    let mut shares: Vec<Share> = Vec::new();
    for item in items {
        let Some(key) = keys.get(item) else { continue };
        match backend.topology.pick(key, access) {
            Ok(node) => match shares
                .iter_mut()
                .find(|share| Arc::ptr_eq(&share.node, &node))
            {
                Some(share) => share.items.push(item),
                None => shares.push(Share {
                    node,
                    items: vec![item],
                    settled: 0,
                }),
            },
            Err(error) => each(item, Err(error), Clock::default()),
        }
    }
    shares
}

/// One exchange with every node: all are written to, then all are read from.
fn round(
    backend: &RedisBackend,
    job: &Job<'_>,
    budget: Budget,
    shares: &mut [Share],
    refused: &mut Refused,
    each: &mut Each<'_>,
) {
    let under_way: Vec<_> = shares
        .iter()
        .map(|share| {
            let window = share
                .rest()
                .get(..(job.window)(share.rest()))
                .unwrap_or_default();
            let pack = |to: &mut Encoder<'_>| {
                window
                    .chunks(job.group)
                    .for_each(|group| (job.pack)(to, group))
            };
            (window, share.node.start(job.verb, budget, pack))
        })
        .collect();
    let mut settled = Vec::with_capacity(shares.len());
    for (share, (window, call)) in shares.iter().zip(under_way) {
        let pack = |to: &mut Encoder<'_>| {
            window
                .chunks(job.group)
                .for_each(|group| (job.pack)(to, group))
        };
        let clock = share.node.clock();
        // Items at the front of the window that are settled; it outlives a connection that has to be replaced.
        let mut progress: usize = 0;
        let outcome = call.and_then(|call| {
            call.finish(pack, |from, budget| {
                let mut before = 0;
                for group in window.chunks(job.group) {
                    let mut told = progress.saturating_sub(before);
                    if told >= group.len() {
                        from.skip(budget)?;
                    } else {
                        let read = (job.read)(from, budget, group, &mut told, clock, each);
                        progress = before + told;
                        if let Err(refusal) = read? {
                            let refusal = share.node.named(refusal, job.verb);
                            let left = group.get(told..).unwrap_or_default();
                            refuse(backend, left, &refusal, refused, each);
                        }
                        progress = before + group.len();
                    }
                    before += group.len();
                }
                Ok(Ok(()))
            })
        });
        settled.push(match outcome {
            Ok(()) => window.len(),
            Err(error) => {
                let left = share.rest().get(progress..).unwrap_or_default();
                left.iter()
                    .for_each(|item| each(*item, Err(error.clone()), clock));
                share.rest().len()
            }
        });
    }
    shares
        .iter_mut()
        .zip(settled)
        .for_each(|(share, settled)| share.settled += settled);
}

fn refuse(
    backend: &RedisBackend,
    items: &[usize],
    error: &Error,
    refused: &mut Refused,
    each: &mut Each<'_>,
) {
    for item in items {
        if backend.may_pass(error) {
            refused.push((*item, error.clone()));
        } else {
            each(*item, Err(error.clone()), Clock::default());
        }
    }
}
