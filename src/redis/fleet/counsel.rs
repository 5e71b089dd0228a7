//! What the topology advises about items that came to nothing: it is asked once for all that met the same end on the same
//! node.

use std::sync::Arc;

use crate::error::Meaning;
use crate::redis::node::Node;
use crate::redis::node::exchange::Failed;
use crate::redis::topology::{Advice, Failure};

use super::scatter::Scatter;
use super::window::Setback;

/// What the topology said last, for the items that met the same end.
#[derive(Default)]
pub(super) struct Counsel {
    last: Option<(Arc<Node>, Failed, Advice)>,
}

impl Counsel {
    pub(super) fn on(&mut self, scatter: &Scatter<'_>, setback: &Setback) -> Advice {
        let Setback { item, node, failed } = setback;
        let concerns_slot = failed.error.meaning() == Meaning::Elsewhere;
        let is_same = |(known, before, _): &&(Arc<Node>, Failed, Advice)| {
            Arc::ptr_eq(known, node)
                && before.may_resend == failed.may_resend
                && before.error.kind() == failed.error.kind()
                && before.error.code() == failed.error.code()
        };
        if let Some((_, _, advice)) = self.last.as_ref().filter(is_same)
            && !concerns_slot
        {
            return advice.clone();
        }
        let failure = Failure {
            error: &failed.error,
            node,
            access: scatter.access(),
            key: scatter.keys.get(*item),
            may_resend: failed.may_resend,
        };
        let advice = scatter.fleet.topology.advise(&failure, scatter.budget);
        self.last = Some((Arc::clone(node), failed.clone(), advice.clone()));
        advice
    }
}
