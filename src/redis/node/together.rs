//! Several nodes at once: all are written to before any is read from, and whoever answers first is read first. One
//! node that hangs must not take the time of the others, neither when connections are opened nor when replies are
//! read. A call that waits for one node's connection holds those of others, so all calls take them in one order.

use std::sync::Arc;

use crate::base::budget::Budget;
use crate::base::moment::Moment;
use crate::redis::command::Command;
use crate::redis::command::kept::Kept;
use crate::redis::connection::resp::Encoder;
use crate::redis::node::exchange::Failed;
use crate::redis::node::several::Exchange;
use crate::redis::node::{Node, Turn};
use crate::redis::wire::poll;

/// The order in which all calls take the connections of several nodes.
pub(crate) fn order(node: &Arc<Node>) -> *const Node {
    Arc::as_ptr(node)
}

/// How the node at `place` of so many is opened: with its share of the time that is left, of which those behind it and
/// the reading of the replies have one each.
pub(crate) fn turn(budget: Budget, place: usize, count: usize) -> Turn {
    let shares = u32::try_from(count - place + 1).unwrap_or(u32::MAX);
    let left = budget.left().filter(|_| count > 1);
    Turn {
        budget: left.map_or(budget, |left| budget.capped(left / shares)),
        may_wait: true,
    }
}

/// Something that is asked of one of several nodes.
pub(crate) trait UnderWay<'a> {
    fn call(&mut self) -> &mut Exchange<'a>;

    /// Goes on with a call that has no connection yet.
    fn advance(&mut self) -> Result<(), Failed>;
}

/// Takes out one whose reply may be read now: all of it is there, or so much that it flows, or its time was over before.
/// Those that have no connection yet get on meanwhile; one that does not get one is taken out with the reason.
pub(crate) fn take_ready<'a, T: UnderWay<'a>>(
    under_way: &mut Vec<T>,
) -> Option<(T, Result<(), Failed>)> {
    if under_way.len() == 1 && under_way.first_mut()?.call().is_sent() {
        return under_way.pop().map(|only| (only, Ok(())));
    }
    loop {
        for place in 0..under_way.len() {
            let Some(one) = under_way.get_mut(place) else {
                break;
            };
            if !one.call().is_sent()
                && let Err(failed) = one.advance()
            {
                return Some((under_way.swap_remove(place), Err(failed)));
            }
        }
        let mut wants = Vec::with_capacity(under_way.len());
        for place in 0..under_way.len() {
            match under_way.get_mut(place)?.call().wants() {
                Some(one) => wants.push(one),
                None => return Some((under_way.swap_remove(place), Ok(()))),
            }
        }
        if wants.is_empty() {
            return None;
        }
        let has_come = poll(&wants);
        let now = Moment::now();
        for (place, wants) in wants.iter().enumerate() {
            let call = under_way.get_mut(place)?.call();
            if !call.is_sent() {
                continue;
            }
            // A reply of which a part has come is not waited for while others could go on.
            let has_come = has_come.get(place).is_some_and(|come| *come);
            if wants.until <= now || (has_come && call.is_readable()) {
                return Some((under_way.swap_remove(place), Ok(())));
            }
        }
    }
}

struct Asked<'c> {
    place: usize,
    call: Exchange<'c>,
    command: &'c mut dyn Command<Answer = ()>,
}

impl<'c> UnderWay<'c> for Asked<'c> {
    fn call(&mut self) -> &mut Exchange<'c> {
        &mut self.call
    }

    fn advance(&mut self) -> Result<(), Failed> {
        self.call.advance(|to| self.command.pack(to))
    }
}

/// Asks all of `nodes` the same; the answers stand in their order.
pub(crate) fn ask<C: Command + Clone>(
    nodes: &[Arc<Node>],
    budget: Budget,
    command: &C,
) -> Vec<Result<C::Answer, Failed>> {
    let mut kept: Vec<_> = nodes.iter().map(|_| Kept::new(command.clone())).collect();
    let commands = kept.iter_mut().map(|kept| kept as _).collect();
    let ends = ask_each(nodes, budget, commands);
    let answer = |(kept, end): (Kept<C>, Result<(), Failed>)| {
        end.and_then(|()| kept.answer().map_err(Failed::refused))
    };
    kept.into_iter().zip(ends).map(answer).collect()
}

/// Has each of `nodes` do its command.
fn ask_each<'c>(
    nodes: &'c [Arc<Node>],
    budget: Budget,
    commands: Vec<&'c mut dyn Command<Answer = ()>>,
) -> Vec<Result<(), Failed>> {
    let mut ends: Vec<_> = nodes.iter().map(|_| Ok(())).collect();
    let mut places: Vec<_> = nodes.iter().zip(commands).enumerate().collect();
    places.sort_by_key(|(_, (node, _))| order(node));
    let mut under_way: Vec<Asked<'_>> = Vec::new();
    let count = places.len();
    let mut told = |place: usize, end| {
        if let Some(slot) = ends.get_mut(place) {
            *slot = end;
        }
    };
    for (number, (place, (node, command))) in places.into_iter().enumerate() {
        let pack = |to: &mut Encoder<'_>| command.pack(to);
        match node.start_among(
            command.verb(),
            budget,
            turn(budget, number, count),
            None,
            pack,
        ) {
            Ok(call) => under_way.extend(call.map(|call| Asked {
                place,
                call,
                command,
            })),
            Err(failed) => told(place, Err(failed)),
        }
    }
    while let Some((asked, ready)) = take_ready(&mut under_way) {
        let end = ready.and_then(|()| asked.call.finish(asked.command));
        told(asked.place, end);
    }
    ends
}
