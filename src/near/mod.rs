//! The near cache: a store before the store of servers. Reads look here first; what they do not find is read on the
//! connection that hears of changes (`redis/node/tracked`), and kept. Every write forgets its key before it returns.
//!
//! A hit is valid when all that had come until `near_max_lag` ago is known, and the server was heard of within 2 s. What
//! cannot be had here is read in the usual way, so no fault of the near cache is one of the caller's.

mod forwards;
mod kept;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use crate::base::budget::Budget;
use crate::base::clocks::uptime_us;
use crate::base::fork::PerProcess;
use crate::base::moment::Moment;
use crate::config::{NearUntracked, Options};
use crate::error::Result;
use crate::expiry::Clock;
use crate::redis::RedisStore;
use crate::redis::command::verb::Verb;
use crate::redis::fleet::Picked;
use crate::redis::node::Node;
use crate::redis::node::together::{order, turn};
use crate::redis::node::tracked::{Answer, Fill, Heard, half_of};
use crate::store::{Access, EachValue, Hit, KeyList, Sink, Values, Whole};

use kept::{Found, Hearing, Near};

/// Longer keys are read in the usual way.
const LONGEST_KEY: usize = 4096;

/// As many keys of one call are kept; the other ones are read in the usual way.
const MOST_KEYS: usize = 512;

/// What a fill is in figures.
const VERB: Verb = Verb::safe("GET");

/// The longest life of what no server says a word about: a second.
const UNTRACKED_US: i64 = 1_000_000;

/// Servers, and what is kept of them in this process.
pub(crate) struct NearStore {
    far: RedisStore,
    near: PerProcess<Near>,
    limit: usize,
    untracked: NearUntracked,
    longest_us: Option<i64>,
    max_lag_us: i64,
    hits: AtomicU64,
}

/// Keys that are asked for, by their places in a list.
type Asked = Vec<(usize, Arc<Fill>)>;

/// What came of a look.
enum Look<'a, R> {
    /// What was made of the value, or of there being none, and the clock that it is judged by.
    Known(R, Clock),
    /// It is not kept, and can be.
    Unknown(Picked<'a>),
    /// It is none of this cache's affair.
    Far,
}

impl NearStore {
    pub(crate) fn new(far: RedisStore, options: &Options) -> NearStore {
        NearStore {
            far,
            near: PerProcess::new(Near::new(options.near)),
            limit: options.near,
            untracked: options.near_untracked,
            longest_us: options.near_ttl.map(micros),
            max_lag_us: micros(options.near_max_lag),
            hits: AtomicU64::new(0),
        }
    }

    fn near(&self) -> &Near {
        self.near.get(|_| Near::new(self.limit))
    }

    /// A value is a hit; to know that there is none is not.
    fn count(&self, is_hit: bool) {
        self.hits.fetch_add(is_hit.into(), Relaxed);
    }

    fn forget(&self, key: &[u8]) {
        self.near().forget(key);
    }

    fn hearing(&self, node: &Node) -> Hearing<'_> {
        Hearing {
            near: self.near(),
            clock: node.clock(),
            longest_us: self.longest_us,
        }
    }

    /// What is kept of the key; `made` runs under a lock. Drains before it looks: the other order would hand out what is
    /// known to be old.
    #[inline]
    fn look<R>(
        &self,
        key: &[u8],
        budget: Budget,
        made: impl FnOnce(Option<&Arc<[u8]>>) -> R,
    ) -> Look<'_, R> {
        if key.len() > LONGEST_KEY {
            return Look::Far;
        }
        let Ok(node) = self.far.owner(key, budget) else {
            return Look::Far;
        };
        let near = self.near();
        let now_us = budget.now_us();
        let epoch = match node.tracked().known(self.max_lag_us, now_us) {
            Some(epoch) => Some((epoch, now_us)),
            None => self.look_around(&node, key, budget),
        };
        match epoch.and_then(|(epoch, now_us)| near.find(key, epoch, now_us, made)) {
            Some(made) => Look::Known(made, node.clock()),
            None => Look::Unknown(node),
        }
    }

    /// Finds out what has changed, if that is worth it for this key: the epoch for which all is known, and the time then.
    #[cold]
    fn look_around(&self, node: &Node, key: &[u8], budget: Budget) -> Option<(u64, i64)> {
        let tracked = node.tracked();
        let epoch = match tracked.untracked() {
            Some(number) if self.untracked == NearUntracked::Ttl => Some(number),
            _ if !self.near().knows(key) => None,
            _ => tracked.current(self.max_lag_us, budget, &self.hearing(node)),
        };
        epoch.map(|epoch| (epoch, uptime_us()))
    }

    /// Asks a node for keys that are to be kept; `budget` is for the opening of its connection. Whether they are on their way.
    fn begin_fill(&self, node: &Node, fills: &[Arc<Fill>], budget: Budget) -> bool {
        let tracked = node.tracked();
        fills.iter().for_each(|fill| self.near().begin(fill));
        tracked.open(node, budget);
        tracked.ask(fills, &self.hearing(node))
    }

    /// Waits for what is on its way, and keeps it: there is an answer then to each key that has one. It `began` then, if the
    /// node is timed; what has no answer is asked for again, in the usual way.
    fn end_fill(
        &self,
        node: &Node,
        fills: &[Arc<Fill>],
        is_asked: bool,
        began: Moment,
        budget: Budget,
    ) {
        if is_asked {
            let hearing = self.hearing(node);
            node.tracked().await_all(fills, budget, &hearing);
        }
        let has_value = |fill: &Arc<Fill>| matches!(fill.answer(), Some(Answer::Value(_)));
        if began != Moment::BEFORE && fills.iter().all(has_value) {
            node.note_answer(VERB, began);
        }
        for fill in fills.iter().filter(|fill| fill.answer().is_none()) {
            self.near().end(fill, None);
        }
    }

    /// Reads a key in the usual way and keeps it for a moment: nobody says when it changes.
    fn fill_untracked(
        &self,
        node: &Node,
        key: &[u8],
        number: u64,
        sink: &mut dyn Sink,
        budget: Budget,
    ) -> Result<Option<Clock>> {
        let fill = Fill::new(key);
        self.near().begin(&fill);
        let mut whole = Whole::default();
        let read = self.far.get(key, Access::Write, &mut whole, budget);
        let value = matches!(read, Ok(Some(_))).then(|| Arc::from(whole.0));
        let longest_us = self
            .longest_us
            .map_or(UNTRACKED_US, |ttl| ttl.min(UNTRACKED_US));
        let found = Found {
            heard: Heard {
                value: value.as_ref(),
                expires_us: None,
                epoch: number,
            },
            clock: node.clock(),
            longest_us: Some(longest_us),
        };
        self.near().end(&fill, read.is_ok().then_some(found));
        hand_out(value.as_ref(), read?.unwrap_or_default(), sink)
    }

    /// A look, and when it finds nothing a read that keeps what it finds.
    fn read(
        &self,
        key: &[u8],
        access: Access,
        sink: &mut dyn Sink,
        budget: Budget,
    ) -> Result<Option<Clock>> {
        let at_once = |value: Option<&Arc<[u8]>>| {
            value.map(|value| Hit::of(sink, value, || Arc::clone(value)))
        };
        let node = match self.look(key, budget, at_once) {
            Look::Known(None, _) => return Ok(None),
            Look::Known(Some(hit), clock) => {
                self.count(true);
                hit.finish(sink)?;
                return Ok(Some(clock));
            }
            Look::Unknown(node) => node,
            Look::Far => return self.far.get(key, access, sink, budget),
        };
        let fill = Fill::new(key);
        let fills = std::slice::from_ref(&fill);
        let began = node.now_if_timed();
        let is_asked = self.begin_fill(&node, fills, half_of(budget));
        self.end_fill(&node, fills, is_asked, began, half_of(budget));
        if let Some(Answer::Value(value)) = fill.answer() {
            return hand_out(value.as_ref(), node.clock(), sink);
        }
        let budget = budget.later();
        match node.tracked().untracked() {
            Some(number) if self.untracked == NearUntracked::Ttl => {
                self.fill_untracked(&node, key, number, sink, budget)
            }
            _ => self.far.get(key, access, sink, budget),
        }
    }

    /// The same for many: one pipeline a node for those that are to be kept, all nodes at the same time, and the usual way for
    /// the rest.
    fn read_many(&self, keys: &KeyList, access: Access, budget: Budget, each: &mut EachValue<'_>) {
        let mut rest = Vec::new();
        let mut unknown = BTreeMap::<*const Node, (Arc<Node>, Asked)>::new();
        let mut room = MOST_KEYS;
        for (index, key) in keys.iter() {
            match self.look(key, budget, |value| value.cloned()) {
                Look::Known(value, clock) => {
                    self.count(value.is_some());
                    each(index, Ok(value.as_deref()), clock);
                }
                Look::Unknown(node) if room > 0 => {
                    room -= 1;
                    let place = order(&node);
                    let (_, fills) = unknown
                        .entry(place)
                        .or_insert((node.into_owned(), Vec::new()));
                    fills.push((index, Fill::new(key)));
                }
                _ => rest.push(index),
            }
        }
        let (count, patience) = (unknown.len(), half_of(budget));
        let under_way: Vec<_> = unknown
            .into_values()
            .enumerate()
            .map(|(number, (node, asked))| {
                let fills: Vec<_> = asked.iter().map(|(_, fill)| fill.clone()).collect();
                let share = turn(patience, number, count).budget;
                let began = node.now_if_timed();
                let is_asked = self.begin_fill(&node, &fills, share);
                (node, asked, fills, (is_asked, began))
            })
            .collect();
        for (node, asked, fills, (is_asked, began)) in under_way {
            self.end_fill(&node, &fills, is_asked, began, patience);
            for (index, fill) in asked {
                match fill.answer() {
                    Some(Answer::Value(value)) => each(index, Ok(value.as_deref()), node.clock()),
                    _ => rest.push(index),
                }
            }
        }
        if rest.is_empty() {
            return;
        }
        let mut list = KeyList::default();
        for key in rest.iter().filter_map(|index| keys.get(*index)) {
            list.push_bytes(key);
        }
        let mut placed = |item: usize, value: Result<Option<&[u8]>>, clock: Clock| {
            if let Some(index) = rest.get(item) {
                each(*index, value, clock);
            }
        };
        let budget = budget.later();
        self.far.get_many(&list, access, budget, &mut placed);
    }
}

/// Gives a value that is kept to whoever asked.
fn hand_out(value: Option<&Arc<[u8]>>, clock: Clock, sink: &mut dyn Sink) -> Result<Option<Clock>> {
    let Some(value) = value else { return Ok(None) };
    sink.begin(value, value.len())?;
    Ok(Some(clock))
}

fn micros(time: Duration) -> i64 {
    i64::try_from(time.as_micros()).unwrap_or(i64::MAX)
}

impl std::fmt::Debug for NearStore {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.far.fmt(f)
    }
}
