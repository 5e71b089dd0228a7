//! One server that has all keys.

use std::sync::Arc;

use crate::base::budget::Budget;
use crate::config::{Hooks, Location, Options};
use crate::error::Result;
use crate::store::Access;

use super::super::node::Node;
use super::{Advice, Failure, Topology};

/// The one server.
#[derive(Debug)]
pub(crate) struct Single {
    node: Arc<Node>,
}

impl Single {
    pub(crate) fn new(location: &Location, options: &Options, hooks: &Hooks) -> Result<Self> {
        let node = Arc::new(Node::new(location, options, hooks)?);
        Ok(Single { node })
    }
}

impl Topology for Single {
    fn pick(&self, _key: &[u8], _access: Access, _budget: Budget) -> Result<Arc<Node>> {
        Ok(Arc::clone(&self.node))
    }

    fn only(&self) -> Option<&Arc<Node>> {
        Some(&self.node)
    }

    fn owners(&self, _budget: Budget) -> Result<Vec<Arc<Node>>> {
        Ok(self.all())
    }

    fn all(&self) -> Vec<Arc<Node>> {
        vec![Arc::clone(&self.node)]
    }

    fn advise(&self, failure: &Failure<'_>, _budget: Budget) -> Advice {
        failure.advise_alone()
    }
}
