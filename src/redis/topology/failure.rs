//! A failed attempt, and what to do after it. What the error says of the node is read in one place
//! ([`Meaning`]); a topology adds what it knows of other nodes.

use std::sync::Arc;

use crate::error::{Error, Meaning};
use crate::redis::node::Node;
use crate::store::Access;

/// An attempt at a node that came to nothing.
#[derive(Debug)]
pub(crate) struct Failure<'a> {
    pub(crate) error: &'a Error,
    pub(crate) node: &'a Arc<Node>,
    pub(crate) access: Access,
    /// None when the call concerns the node rather than a key.
    pub(crate) key: Option<&'a [u8]>,
    /// The server refused the command, or never got it, or it does no harm when done twice.
    pub(crate) may_resend: bool,
}

/// What to do after it.
#[derive(Debug, Clone)]
pub(crate) enum Advice {
    /// The error is the answer.
    Final,
    /// After a pause the topology is asked for a node again.
    Later,
    /// The topology is asked again at once: it knows better now.
    Again,
    /// This node is asked once, with ASKING in front.
    Ask(Arc<Node>),
}

impl Failure<'_> {
    pub(crate) fn meaning(&self) -> Meaning {
        self.error.meaning()
    }

    /// What it means where no other node could serve the key. A server that turns out to be a replica stood once where
    /// the primary is now: its connection has ended, and the next one may find that one.
    pub(crate) fn advise_alone(&self) -> Advice {
        match self.meaning() {
            Meaning::NotPrimary | Meaning::NotNow => Advice::Later,
            _ => Advice::Final,
        }
    }
}
