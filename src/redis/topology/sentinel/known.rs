//! What a process knows of the servers behind its sentinels, and whether that is still good enough to act on.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use crate::base::budget::Budget;
use crate::base::moment::Moment;
use crate::error::Error;
use crate::redis::node::Node;

use super::super::directory::Directory;
use super::super::readers::Readers;
use super::super::resolver::Sentinels;

/// What is known is believed for so long.
const TRUST: Duration = Duration::from_secs(1);
/// Looks for the sake of doubts are so far apart.
pub(crate) const CALM: Duration = Duration::from_millis(25);

/// The servers as they were found.
#[derive(Debug)]
pub(crate) struct View {
    pub(crate) found: Directory,
    pub(crate) primary: Arc<Node>,
    pub(crate) replicas: Vec<Arc<Node>>,
    pub(crate) readers: Readers,
}

impl View {
    fn has(&self, node: &Arc<Node>) -> bool {
        let mut nodes = self.replicas.iter().chain([&self.primary]);
        nodes.any(|own| Arc::ptr_eq(own, node))
    }

    /// Closes the connections to servers that are in another place or role by now.
    pub(crate) fn retire(&self, now: &View) {
        let nodes = self.replicas.iter().chain([&self.primary]);
        nodes
            .filter(|node| !now.has(node))
            .for_each(|node| node.close());
    }
}

/// What changes from look to look.
#[derive(Debug, Clone, Default)]
pub(crate) struct Known {
    pub(crate) sentinels: Sentinels,
    pub(crate) view: Option<Arc<View>>,
    /// Nodes of this view and of earlier ones.
    pub(crate) met: Vec<Arc<Node>>,
    /// When the last look was over.
    pub(crate) looked_at: Option<Moment>,
    /// Why it found nothing.
    pub(crate) fault: Option<Error>,
    /// Something has happened since that makes another look worth while.
    pub(crate) in_doubt: bool,
}

impl Known {
    /// Nothing but whom to ask.
    pub(crate) fn new(sentinels: &[Arc<Node>]) -> Self {
        Known {
            sentinels: Sentinels {
                good: sentinels.to_vec(),
                silent: Vec::new(),
            },
            ..Known::default()
        }
    }

    /// What a forked child begins with: all that its parent knew, unless a thread was changing it just then.
    pub(crate) fn inherited(parents: &Mutex<Known>, sentinels: &[Arc<Node>]) -> Mutex<Known> {
        let known = parents.try_lock().map(|known| known.clone());
        Mutex::new(known.unwrap_or_else(|_| Known::new(sentinels)))
    }

    /// Whether somebody should look before a call acts on this. What was not found since the call began, for another
    /// of its keys or for another caller, is not looked for again.
    pub(crate) fn is_due(&self, budget: Budget) -> bool {
        let Some(looked_at) = self.looked_at else {
            return true;
        };
        match (&self.view, self.in_doubt) {
            (None, _) => looked_at < budget.started(),
            (Some(_), true) => Moment::now().since(looked_at) >= CALM,
            (Some(_), false) => budget.started().since(looked_at) >= TRUST,
        }
    }
}
