//! The primitives that concern one key, each as the command, the pipeline or the script that does it in one round
//! trip. What a script decides is decided by the server's clock.

use crate::base::budget::Budget;
use crate::entry::header::Header;
use crate::error::{Error, ErrorKind, Result};
use crate::expiry::{Clock, Life};
use crate::redis::command::script::Script;
use crate::redis::connection::Connection;
use crate::redis::connection::replies::Replies;
use crate::redis::connection::reply::{self, Reply};
use crate::redis::connection::resp::Encoder;
use crate::redis::node::Node;
use crate::redis::node::exchange::Verb;
use crate::redis::{RedisBackend, command, migrate as moving};
use crate::store::{Access, Head, Pttl, Sink, Touch, Value};

const ADD: Verb = Verb::once("SET NX");
const TTL: Verb = Verb::safe("PTTL");

/// Beyond this the scripts' numbers, which are doubles, would lose milliseconds.
const LATEST_MS: u64 = 1 << 52;

pub(crate) fn get(
    backend: &RedisBackend,
    key: &[u8],
    access: Access,
    sink: &mut dyn Sink,
) -> Result<Option<Clock>> {
    let budget = backend.budget();
    let get = command::Get {
        key,
        sink: &mut *sink,
    };
    let (found, node) = backend.ask_of((key, access), budget, get)?;
    if node.has_old_clock(budget.started()) {
        after_a_miss(&node, found, sink, budget);
    }
    Ok(found.then_some(node.clock()))
}

/// What is over by its header is a miss too. A hit never asks for the time.
#[cold]
fn after_a_miss(node: &Node, found: bool, sink: &dyn Sink, budget: Budget) {
    let fresh_until = sink.fresh_until_ms();
    if !found || (fresh_until != 0 && fresh_until <= node.clock().now_ms()) {
        node.refresh_clock(budget);
    }
}

pub(crate) fn set(backend: &RedisBackend, key: &[u8], value: Value<'_>, life: Life) -> Result<()> {
    let budget = backend.budget();
    if life == Life::Expired {
        return delete(backend, key, budget).map(drop);
    }
    let set = command::Set { key, value, life };
    let ((), _) = backend.ask((key, Access::Write), budget, set)?;
    Ok(())
}

/// SET with its expiry. [`Life::Expired`] is for the caller to deal with.
pub(crate) fn pack_set(to: &mut Encoder<'_>, key: &[u8], value: Value<'_>, life: Life) {
    match life {
        Life::Millis(ms) => to
            .opening(b"*5\r\n$3\r\nSET\r\n")
            .arg(key)
            .joined(value.head, value.body)
            .words(b"$2\r\nPX\r\n")
            .int(signed(ms)),
        Life::Forever | Life::Expired => to
            .opening(b"*3\r\n$3\r\nSET\r\n")
            .arg(key)
            .joined(value.head, value.body),
    };
}

/// The same with NX.
pub(crate) fn pack_set_new(to: &mut Encoder<'_>, key: &[u8], value: Value<'_>, life: Life) {
    match life {
        Life::Millis(ms) => to
            .command(6)
            .arg(b"SET")
            .arg(key)
            .joined(value.head, value.body)
            .arg(b"PX")
            .int(signed(ms))
            .arg(b"NX"),
        Life::Forever | Life::Expired => to
            .command(4)
            .arg(b"SET")
            .arg(key)
            .joined(value.head, value.body)
            .arg(b"NX"),
    };
}

pub(crate) fn delete(backend: &RedisBackend, key: &[u8], budget: Budget) -> Result<bool> {
    let (existed, _) = backend.ask((key, Access::Write), budget, command::Unlink { key })?;
    Ok(existed)
}

pub(crate) fn pack_unlink(to: &mut Encoder<'_>, key: &[u8]) {
    to.command(2).arg(b"UNLINK").arg(key);
}

/// SET NX together with a look at what is in its way: a script follows only when that is not a live value.
pub(crate) fn add(
    backend: &RedisBackend,
    key: &[u8],
    value: Value<'_>,
    life: Life,
) -> Result<bool> {
    let budget = backend.budget();
    if life == Life::Expired {
        let there = head(backend, key, Access::Write, budget)?;
        return Ok(there.is_none_or(|(head, clock)| !is_live(&head, clock)));
    }
    let pack = |to: &mut Encoder<'_>| {
        pack_set_new(to, key, value, life);
        pack_head(to, key);
    };
    let read = |from: &mut Connection, budget: Budget| {
        let stored = reply::stored(from, budget)?;
        let head = reply::head(from, budget)?;
        // What was stored stays stored, whatever became of the look at it.
        Ok(stored.and_then(|stored| match stored {
            true => Ok((true, Head::new())),
            false => Ok((false, head?)),
        }))
    };
    let ((stored, head), clock) =
        backend.ask((key, Access::Write), budget, command::pair(ADD, pack, read))?;
    if stored || is_live(&head, clock) {
        return Ok(stored);
    }
    run(
        backend,
        &backend.scripts.add,
        &[key],
        budget,
        2,
        |to| pack_life(to.joined(value.head, value.body), life),
        |from| from.flag(),
    )
}

/// Whether a plain read would see a value behind this head. No head at all is a foreign value, perhaps an empty one.
fn is_live(head: &Head, clock: Clock) -> bool {
    Header::parse(head).is_none_or(|header| header.is_live(|| clock.now_ms()))
}

pub(crate) fn pack_head(to: &mut Encoder<'_>, key: &[u8]) {
    to.command(4).arg(b"GETRANGE").arg(key).arg(b"0").arg(b"31");
}

pub(crate) fn head(
    backend: &RedisBackend,
    key: &[u8],
    access: Access,
    budget: Budget,
) -> Result<Option<(Head, Clock)>> {
    let (head, clock) = backend.ask((key, access), budget, command::Look { key })?;
    Ok(head.map(|head| (head, clock)))
}

pub(crate) fn ttl(backend: &RedisBackend, key: &[u8]) -> Result<Option<(Pttl, Head, Clock)>> {
    let pack = |to: &mut Encoder<'_>| {
        to.command(2).arg(b"PTTL").arg(key);
        pack_head(to, key);
    };
    let read = |from: &mut Connection, budget: Budget| {
        let ttl = reply::int(from, budget)?;
        let head = reply::head(from, budget)?;
        Ok(ttl.and_then(|ttl| Ok((ttl, head?))))
    };
    let ((ttl, head), clock) = backend.ask(
        (key, Access::Write),
        backend.budget(),
        command::pair(TTL, pack, read),
    )?;
    // -2 is no key, -1 no expiry (<https://redis.io/docs/latest/commands/pttl/>).
    Ok(match ttl {
        -2 => None,
        ms => Some((
            u64::try_from(ms).map_or(Pttl::Forever, Pttl::Millis),
            head,
            clock,
        )),
    })
}

pub(crate) fn touch(backend: &RedisBackend, key: &[u8], touch: Touch) -> Result<bool> {
    let (how, ms): (&[u8], u64) = match touch {
        Touch::In(ms) => (b"r", ms),
        Touch::At(ms) => (b"a", ms),
        Touch::Persist => (b"p", 0),
    };
    let pack = |to: &mut Encoder<'_>| {
        to.arg(how).int(signed(ms.min(LATEST_MS)));
    };
    run(
        backend,
        &backend.scripts.touch,
        &[key],
        backend.budget(),
        2,
        pack,
        |from| from.flag(),
    )
}

pub(crate) fn incr(backend: &RedisBackend, key: &[u8], delta: i64) -> Result<Option<i64>> {
    incr_within(backend, key, delta, backend.budget())
}

fn incr_within(
    backend: &RedisBackend,
    key: &[u8],
    delta: i64,
    budget: Budget,
) -> Result<Option<i64>> {
    let pack = |to: &mut Encoder<'_>| {
        to.int(delta);
    };
    run(
        backend,
        &backend.scripts.incr,
        &[key],
        budget,
        1,
        pack,
        incremented,
    )
}

pub(crate) fn incr_or_create(
    backend: &RedisBackend,
    key: &[u8],
    delta: i64,
    initial: i64,
    life: Life,
) -> Result<i64> {
    let budget = backend.budget();
    if life == Life::Expired {
        return Ok(incr_within(backend, key, delta, budget)?.unwrap_or(initial));
    }
    let pack = |to: &mut Encoder<'_>| pack_life(to.int(delta).int(initial), life);
    let value = run(
        backend,
        &backend.scripts.incr_or_create,
        &[key],
        budget,
        3,
        pack,
        incremented,
    )?;
    value.ok_or_else(|| reply::unexpected("a counter"))
}

/// One script where both keys are together, else a move between nodes.
pub(crate) fn rename(backend: &RedisBackend, from: &[u8], to: &[u8]) -> Result<bool> {
    let budget = backend.budget();
    if !backend.topology.are_together(from, to, budget)? {
        return moving::rename(backend, from, to, budget);
    }
    let script = &backend.scripts.rename;
    match run(
        backend,
        script,
        &[from, to],
        budget,
        0,
        |_| {},
        |from| from.flag(),
    ) {
        // The slot of both keys is on its way to another node, and one of them is there already.
        Err(error) if error.code() == Some("TRYAGAIN") => moving::rename(backend, from, to, budget),
        outcome => outcome,
    }
}

/// The scripts' way to say an expiry: milliseconds, or 0 for never.
fn pack_life(to: &mut Encoder<'_>, life: Life) {
    match life {
        Life::Millis(ms) => to.int(signed(ms)),
        Life::Forever | Life::Expired => to.int(0),
    };
}

/// The answer of the incrementing scripts: {0}, {1, value}, {2} or {3}.
fn incremented(from: &mut Replies<'_>) -> Reply<Option<i64>> {
    let budget = from.budget();
    let from = from.connection();
    if let Err(refusal) = reply::array(from, budget)? {
        return Ok(Err(refusal));
    }
    let wrong = |text| Ok(Err(Error::new(ErrorKind::WrongType, text)));
    match reply::int(from, budget)? {
        Ok(0) => Ok(Ok(None)),
        Ok(1) => Ok(Ok(Some(reply::digits(from, budget)?))),
        Ok(2) => wrong("the value is not an integer"),
        Ok(3) => wrong("the counter would overflow"),
        _ => Err(reply::unexpected("an answer of the script")),
    }
}

/// Runs a script where its first key is.
pub(crate) fn run<R>(
    backend: &RedisBackend,
    script: &Script,
    keys: &[&[u8]],
    budget: Budget,
    args: usize,
    pack_args: impl Fn(&mut Encoder<'_>),
    read: impl FnMut(&mut Replies<'_>) -> Reply<R>,
) -> Result<R> {
    let answer = run_timed(backend, script, keys, budget, args, pack_args, read);
    answer.map(|(answer, _)| answer)
}

/// The same, and the clock of the node that ran it.
pub(crate) fn run_timed<R>(
    backend: &RedisBackend,
    script: &Script,
    keys: &[&[u8]],
    budget: Budget,
    args: usize,
    pack_args: impl Fn(&mut Encoder<'_>),
    read: impl FnMut(&mut Replies<'_>) -> Reply<R>,
) -> Result<(R, Clock)> {
    let key = keys.first().copied().unwrap_or_default();
    let run = command::Run::new(script, keys, args, pack_args, read);
    backend.ask((key, Access::Write), budget, run)
}

/// Milliseconds as the protocol writes them.
pub(crate) fn signed(ms: u64) -> i64 {
    i64::try_from(ms).unwrap_or(i64::MAX)
}
