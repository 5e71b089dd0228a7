//! The nodes that plain reads may go to when `read_from` is not `primary`. A node that failed one is passed over for a
//! while, so a read fails only when all of them do.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crate::base::moment::Moment;
use crate::redis::node::Node;

/// A node that failed a read is passed over for so long. Its breaker decides what comes after that.
const ASIDE: Duration = Duration::from_secs(1);

#[derive(Debug)]
pub(crate) struct Readers(Vec<Reader>);

#[derive(Debug)]
struct Reader {
    node: Arc<Node>,
    /// In nanoseconds of [`Moment`].
    aside_until: AtomicU64,
}

impl Readers {
    pub(crate) fn new(nodes: impl IntoIterator<Item = Arc<Node>>) -> Self {
        let reader = |node| Reader {
            node,
            aside_until: AtomicU64::new(0),
        };
        Readers(nodes.into_iter().map(reader).collect())
    }

    /// One of them for the call that began at `started`: the same for all of its keys, so that they stay together.
    /// None when all have failed lately.
    pub(crate) fn pick(&self, started: Moment) -> Option<&Arc<Node>> {
        self.able(started).next()
    }

    /// Whether there is another one than `node` for that call.
    pub(crate) fn have_other(&self, node: &Arc<Node>, started: Moment) -> bool {
        self.able(started).any(|able| !Arc::ptr_eq(able, node))
    }

    fn able(&self, started: Moment) -> impl Iterator<Item = &Arc<Node>> {
        let now = started.nanos();
        let first = first(now, self.0.len());
        let (before, from) = self.0.split_at_checked(first).unwrap_or_default();
        let is_able = move |reader: &&Reader| {
            reader.aside_until.load(Ordering::Relaxed) <= now && !reader.node.is_refusing()
        };
        from.iter()
            .chain(before)
            .filter(is_able)
            .map(|reader| &reader.node)
    }

    /// Passes over `node` for a while; false when it is none of these.
    pub(crate) fn set_aside(&self, node: &Arc<Node>) -> bool {
        let known = |reader: &&Reader| Arc::ptr_eq(&reader.node, node);
        let reader = self.0.iter().find(known);
        if let Some(reader) = reader {
            let until = Moment::now().after(ASIDE).nanos();
            reader.aside_until.store(until, Ordering::Relaxed);
        }
        reader.is_some()
    }
}

/// Which of so many is tried first, by chance: the last bit of a budget's beginning is a mark, and says nothing.
fn first(nanos: u64, len: usize) -> usize {
    (nanos / 2) as usize % len.max(1)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::base::budget::Budget;

    /// Guards: reads went to every other reader only, when budgets came to have a mark.
    #[test]
    fn whatever_marks_a_budget_every_reader_has_its_turn() {
        for len in 0..5 {
            let began = || Budget::at_once(Duration::from_secs(1)).started();
            let tried: BTreeSet<usize> = (0..10_000).map(|_| first(began().nanos(), len)).collect();
            assert_eq!(tried.len(), len.max(1));
        }
    }
}
