//! A node of a cluster and how it fared: whether reads leave it alone for a while, and whether it failed for so long
//! that nobody need wait for somebody to take its place.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use crate::base::moment::Moment;
use crate::error::Meaning;

use super::super::super::node::Node;

/// How long a node that failed is left alone by reads that another node can serve.
const LEFT_ALONE: Duration = Duration::from_secs(1);

/// A node that did not fail for this long was well again in between.
const CALM: Duration = Duration::from_secs(2);

/// The longest time in which a replica may still be promoted: a few times Redis' own default of 15 s for
/// `cluster-node-timeout`. After that calls to a dead node fail at once, as they do to any other server.
const HOPELESS_AFTER: Duration = Duration::from_secs(60);

/// What connections to a node are for. One server has two sets of them when it serves both.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Role {
    /// Everything: a server that does not have the slot sends the caller on.
    Primary,
    /// Reads of what a replica has: its connections begin with READONLY.
    Replica,
}

/// A node of the cluster.
#[derive(Debug)]
pub(crate) struct Member {
    pub(crate) node: Arc<Node>,
    pub(crate) role: Role,
    pub(crate) born: Moment,
    trouble: Trouble,
    /// The last thing that was wrong with it: it did not answer, rather than say that it cannot serve.
    was_silent: AtomicBool,
}

impl Member {
    pub(crate) fn new(node: Node, role: Role) -> Arc<Self> {
        Arc::new(Member {
            node: Arc::new(node),
            role,
            born: Moment::now(),
            trouble: Trouble::default(),
            was_silent: AtomicBool::new(false),
        })
    }

    /// Remembers that the node failed just now. A refusal of its breaker tells nothing new of what it is like.
    pub(crate) fn failed(&self, meaning: Meaning) {
        self.trouble.note(self.age());
        if meaning != Meaning::NotAsked {
            let is_silent = meaning == Meaning::Silent;
            self.was_silent.store(is_silent, Ordering::Relaxed);
        }
    }

    /// Whether it did not answer when it was last asked.
    pub(crate) fn was_silent(&self) -> bool {
        self.was_silent.load(Ordering::Relaxed)
    }

    /// How much longer it is left alone, in microseconds.
    pub(crate) fn alone(&self) -> u64 {
        match self.trouble.last.load(Ordering::Relaxed) {
            0 => 0,
            last => (last + micros(LEFT_ALONE)).saturating_sub(self.age()),
        }
    }

    /// Whether it has been failing for longer than any election takes.
    pub(crate) fn is_hopeless(&self) -> bool {
        self.trouble.lasted() >= micros(HOPELESS_AFTER)
    }

    fn age(&self) -> u64 {
        Moment::now().nanos_since(self.born).div_ceil(1000)
    }
}

/// Failures in close succession, in microseconds since the node became known; 0 stands for none.
#[derive(Debug, Default)]
struct Trouble {
    first: AtomicU64,
    last: AtomicU64,
}

impl Trouble {
    fn note(&self, now: u64) {
        let now = now.max(1);
        let last = self.last.swap(now, Ordering::Relaxed);
        if last == 0 || now.saturating_sub(last) > micros(CALM) {
            self.first.store(now, Ordering::Relaxed);
        }
    }

    fn lasted(&self) -> u64 {
        let first = self.first.load(Ordering::Relaxed);
        self.last.load(Ordering::Relaxed).saturating_sub(first)
    }
}

const fn micros(time: Duration) -> u64 {
    time.as_micros() as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: u64 = 1_000_000;

    #[test]
    fn failures_in_close_succession_are_one_trouble() {
        let trouble = Trouble::default();
        (1..=90).for_each(|second| trouble.note(second * SECOND));
        assert_eq!(trouble.lasted(), 89 * SECOND);
    }

    #[test]
    fn a_calm_time_ends_it() {
        let trouble = Trouble::default();
        (1..=59).for_each(|second| trouble.note(second * SECOND));
        trouble.note(65 * SECOND);
        assert_eq!(trouble.lasted(), 0);
        trouble.note(66 * SECOND);
        assert_eq!(trouble.lasted(), SECOND);
    }
}
