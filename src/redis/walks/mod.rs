//! What concerns whole nodes: steps of a walk over their keys, the removal of what a walk has found, and commands to
//! every node at once.

pub(crate) mod rewrite;

use std::sync::Arc;

use crate::base::budget::Budget;
use crate::error::{Error, Result};
use crate::redis::connection::reply::{self, Reply};
use crate::redis::connection::resp::{Encoder, Token};
use crate::redis::fleet::together;
use crate::redis::node::exchange::Verb;
use crate::redis::values::many;
use crate::store::{Access, KeyList, ScanStep};

use super::connection::Connection;
use super::node::Node;
use super::topology::{Advice, Failure};
use super::{Patience, RedisBackend, command};

const SCAN: Verb = Verb::safe("SCAN");
const UNLINK: Verb = Verb::safe("UNLINK");
const PING: Verb = Verb::safe("PING");
const FLUSHDB: Verb = Verb::once("FLUSHDB");

/// Keys of one UNLINK: a server does nothing else meanwhile.
const GROUP: usize = 256;

pub(crate) fn scan(
    backend: &RedisBackend,
    step: ScanStep<'_>,
    each: &mut dyn FnMut(&[u8]),
) -> Result<u64> {
    let pack = |to: &mut Encoder<'_>| {
        let cursor = step.cursor.to_string();
        to.command(6).arg(b"SCAN").arg(cursor.as_bytes());
        to.arg(b"MATCH")
            .arg(step.pattern)
            .arg(b"COUNT")
            .int(i64::from(step.count.max(1)));
    };
    let read = |from: &mut Connection, budget: Budget| {
        match reply::array(from, budget)? {
            Ok(2) => {}
            Ok(_) => return Err(reply::unexpected("a cursor and keys")),
            Err(refusal) => return Ok(Err(refusal)),
        }
        let cursor: u64 = reply::digits(from, budget)?;
        let count = match reply::array(from, budget)? {
            Ok(count) => count,
            Err(refusal) => return Ok(Err(refusal)),
        };
        for _ in 0..count {
            match from.next(budget)? {
                Token::Bulk(key) => each(key),
                _ => return Err(reply::unexpected("a key")),
            }
        }
        Ok(Ok(cursor))
    };
    backend.ask_named(step.node, command::pair(SCAN, pack, read))
}

/// A cursor counts in its reversed bits (dictScan in Redis' `dict.c`), so read backwards it is the part of the table
/// that has been seen, whatever the table's size.
pub(crate) fn walked(cursor: u64) -> f64 {
    cursor.reverse_bits() as f64 / u64::MAX as f64
}

pub(crate) fn unlink(backend: &RedisBackend, node: &str, keys: &KeyList) -> Result<u64> {
    if !backend.topology.takes_many_keys() {
        return unlink_each(backend, keys);
    }
    let keys: Vec<&[u8]> = keys.iter().map(|(_, key)| key).collect();
    if keys.is_empty() {
        return Ok(0);
    }
    let pack = |to: &mut Encoder<'_>| {
        for group in keys.chunks(GROUP) {
            to.command(1 + group.len()).arg(b"UNLINK");
            group.iter().for_each(|key| {
                to.arg(key);
            });
        }
    };
    let read = |from: &mut Connection, budget: Budget| {
        let mut sum = Ok(0);
        for _ in keys.chunks(GROUP) {
            let removed = reply::int(from, budget)?;
            sum = sum.and_then(|sum: u64| Ok(sum.saturating_add_signed(removed?)));
        }
        Ok(sum)
    };
    backend.ask_named(node, command::pair(UNLINK, pack, read))
}

/// Key by key, each where it is by now: keys of a cluster move.
fn unlink_each(backend: &RedisBackend, keys: &KeyList) -> Result<u64> {
    let (mut removed, mut fault) = (0, None);
    many::delete(backend, keys, &mut |_, existed| match existed {
        Ok(existed) => removed += u64::from(existed),
        Err(error) => fault = Some(error),
    });
    fault.map_or(Ok(removed), Err)
}

pub(crate) fn flush(backend: &RedisBackend) -> Result<()> {
    let pack = |to: &mut Encoder<'_>| {
        to.command(2).arg(b"FLUSHDB").arg(b"ASYNC");
    };
    everywhere(backend, FLUSHDB, pack, reply::done)
}

pub(crate) fn ping(backend: &RedisBackend) -> Result<()> {
    let pack = |to: &mut Encoder<'_>| {
        to.command(1).arg(b"PING");
    };
    everywhere(backend, PING, pack, reply::done)
}

/// Asks every node that owns keys, all at the same time and whatever some of them say. What could not be done is
/// told of every node.
fn everywhere(
    backend: &RedisBackend,
    verb: Verb,
    pack: impl Fn(&mut Encoder<'_>),
    read: impl Fn(&mut Connection, Budget) -> Reply<()>,
) -> Result<()> {
    let budget = backend.budget();
    let mut patience = Patience::new(budget);
    let mut done: Vec<Arc<Node>> = Vec::new();
    let mut faults: Vec<Error> = Vec::new();
    loop {
        let mut nodes = match backend.topology.owners(budget) {
            Ok(nodes) => nodes,
            Err(error) => {
                faults.push(patience.explain(error));
                return sum(faults);
            }
        };
        nodes.retain(|node| !done.iter().any(|done| Arc::ptr_eq(done, node)));
        let answers = together::ask(&nodes, verb, budget, &pack, &read);
        let (mut postponed, mut wait) = (Vec::new(), false);
        for (node, answer) in nodes.into_iter().zip(answers) {
            let Err(failed) = answer else {
                done.push(node);
                continue;
            };
            let failure = Failure {
                error: &failed.error,
                node: &node,
                access: Access::Write,
                key: None,
                may_resend: failed.may_resend,
            };
            match backend.topology.advise(&failure, budget) {
                Advice::Later if patience.bears(&failed.error) => wait = true,
                Advice::Again => {}
                Advice::Final | Advice::Later | Advice::Ask(_) => {
                    faults.push(patience.explain(failed.error));
                    done.push(node);
                    continue;
                }
            }
            postponed.push(failed.error);
        }
        let Some(said) = postponed.last().cloned() else {
            return sum(faults);
        };
        let goes_on = match wait {
            true => patience.pause(said),
            false => patience.redirect(said),
        };
        if goes_on.is_err() {
            faults.extend(postponed.into_iter().map(|error| patience.explain(error)));
            return sum(faults);
        }
    }
}

/// Several faults as one: of the kind of the first, and with the words of all.
fn sum(faults: Vec<Error>) -> Result<()> {
    match faults.as_slice() {
        [] => Ok(()),
        [only] => Err(only.clone()),
        [first, ..] => {
            let texts: Vec<String> = faults.iter().map(Error::to_string).collect();
            let text = format!("{} nodes failed: {}", faults.len(), texts.join("; "));
            Err(Error::new(first.kind(), text))
        }
    }
}
