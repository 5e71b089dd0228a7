//! Several nodes at once: all are written to before any is read from, and whoever answers first is read first. One
//! node that hangs must not take the time of the others, neither when connections are opened nor when replies are
//! read. A call that waits for one node's connection holds those of others, so all calls take them in one order.

use std::sync::Arc;

use super::budget::Budget;
use super::call::{Call, Failed, Verb};
use super::connection::Connection;
use super::node::{Node, Opening};
use super::reply::Reply;
use super::resp::Encoder;
use super::wire::first_readable;

/// The order in which all calls take the connections of several nodes.
pub(super) fn order(node: &Arc<Node>) -> *const Node {
    Arc::as_ptr(node)
}

/// How the node at `place` of so many is opened: with its share of the time that is left, of which those behind it and
/// the reading of the replies have one each.
pub(super) fn opening(budget: Budget, place: usize, count: usize) -> Opening {
    let shares = u32::try_from(count - place + 1).unwrap_or(u32::MAX);
    let left = budget.left().filter(|_| count > 1);
    Opening {
        budget: left.map_or(budget, |left| budget.capped(left / shares)),
        may_wait: true,
    }
}

/// Takes out the call to read from now: one that has an answer, or the one whose time is over before any has. Not all
/// of them need have the same time.
pub(super) fn take_ready<'a, T>(
    under_way: &mut Vec<T>,
    call: impl for<'t> Fn(&'t mut T) -> &'t mut Call<'a>,
) -> Option<T> {
    let place = match under_way.len() {
        0 => return None,
        1 => 0,
        _ => {
            let mut calls: Vec<_> = under_way.iter_mut().map(call).collect();
            let budgets = calls.iter().map(|call| call.budget()).enumerate();
            let (hurried, budget) = budgets.min_by_key(|(_, budget)| budget.ends())?;
            let sockets: Vec<_> = calls.iter_mut().map(|call| call.socket()).collect();
            first_readable(&sockets, budget).unwrap_or(hurried)
        }
    };
    Some(under_way.swap_remove(place.min(under_way.len() - 1)))
}

/// Asks all of `nodes` the same; the answers stand in their order.
pub(super) fn ask<R>(
    nodes: &[Arc<Node>],
    verb: Verb,
    budget: Budget,
    pack: impl Fn(&mut Encoder<'_>),
    mut read: impl FnMut(&mut Connection, Budget) -> Reply<R>,
) -> Vec<Result<R, Failed>> {
    let mut answers: Vec<_> = nodes.iter().map(|_| None).collect();
    let mut places: Vec<_> = nodes.iter().enumerate().collect();
    places.sort_by_key(|(_, node)| order(node));
    let mut under_way: Vec<(usize, Call<'_>)> = Vec::new();
    let count = places.len();
    let mut told = |place: usize, answer| {
        if let Some(slot) = answers.get_mut(place) {
            *slot = Some(answer);
        }
    };
    for (turn, (place, node)) in places.into_iter().enumerate() {
        match node.start_among(verb, budget, opening(budget, turn, count), &pack) {
            Ok(call) => under_way.extend(call.map(|call| (place, call))),
            Err(failed) => told(place, Err(failed)),
        }
    }
    while let Some((place, call)) = take_ready(&mut under_way, |(_, call)| call) {
        told(place, call.finish(&pack, &mut read));
    }
    answers.into_iter().flatten().collect()
}
