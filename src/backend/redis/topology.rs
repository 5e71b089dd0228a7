//! Which node serves a key, and which nodes there are: the only two questions that tell one server from many.
//! Batching, budgets, retries and walks are the same code for every answer.

use std::sync::Arc;

use crate::backend::Access;
use crate::config::{Hooks, Location, Options};
use crate::error::{Error, ErrorKind, Result};

use super::node::Node;

/// How the nodes divide the keys.
#[derive(Debug)]
pub(crate) enum Topology {
    /// One server has them all.
    Single(Arc<Node>),
}

/// What a server's refusal of a command means for the command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// It is the answer.
    Final,
    /// The server cannot serve it just now; nothing was done. After a pause the topology is asked again.
    Later,
}

impl Topology {
    pub(crate) fn new(options: &Options, locations: &[Location], hooks: &Hooks) -> Result<Self> {
        match locations {
            [location] => Ok(Topology::Single(Arc::new(Node::new(
                location, options, hooks,
            )?))),
            [] => Err(Error::new(
                ErrorKind::Config,
                "a cache needs a location: `redis://host:port`, or a path",
            )),
            several => {
                let text = format!(
                    "this version serves one server; {} locations are given",
                    several.len()
                );
                Err(Error::new(ErrorKind::Config, text))
            }
        }
    }

    /// The node that serves `key`.
    pub(crate) fn pick(&self, _key: &[u8], _access: Access) -> Result<Arc<Node>> {
        match self {
            Topology::Single(node) => Ok(Arc::clone(node)),
        }
    }

    /// The node that serves every key, where there is but one: no key need be looked at then.
    pub(crate) fn only(&self) -> Option<&Arc<Node>> {
        match self {
            Topology::Single(node) => Some(node),
        }
    }

    /// The nodes that own keys, in a stable order.
    pub(crate) fn nodes(&self) -> Result<Vec<Arc<Node>>> {
        match self {
            Topology::Single(node) => Ok(vec![Arc::clone(node)]),
        }
    }

    /// The node of that name.
    pub(crate) fn named(&self, name: &str) -> Result<Arc<Node>> {
        let nodes = self.nodes()?;
        nodes
            .into_iter()
            .find(|node| node.name() == name)
            .ok_or_else(|| {
                Error::new(
                    ErrorKind::Unavailable,
                    format!("no node of this cache is named {name:?}"),
                )
            })
    }

    /// What to make of an error reply; the one place that knows which of them pass.
    pub(crate) fn judge(&self, error: &Error) -> Verdict {
        match error.code() {
            Some("LOADING" | "READONLY" | "CLUSTERDOWN" | "TRYAGAIN" | "MASTERDOWN") => {
                Verdict::Later
            }
            _ => Verdict::Final,
        }
    }
}
