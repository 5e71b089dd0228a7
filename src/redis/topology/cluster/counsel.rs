//! What a failure means in a cluster. Redirections are followed and learnt; where a node is gone or cannot serve, somebody
//! looks around, and a call waits as long as another node may take its place.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use crate::base::budget::Budget;
use crate::base::one_at_a_time::Meanwhile;
use crate::error::Meaning;
use crate::store::Access;

use super::super::slots;
use super::super::{Advice, Failure, evidence};
use super::member::{Member, Role};
use super::{Cluster, PAUSE};

impl Cluster {
    pub(super) fn counsel(&self, failure: &Failure<'_>, budget: Budget) -> Advice {
        let (error, meaning) = (failure.error, failure.meaning());
        match meaning {
            Meaning::Elsewhere if error.code() == Some("MOVED") => self.follow(failure, budget),
            Meaning::Elsewhere => match self.redirection(failure) {
                Some((_, to)) => Advice::Ask(Arc::clone(&to.node)),
                None => Advice::Later,
            },
            // Two keys in a slot of which one has gone ahead: no node can serve both, until the slot has arrived.
            Meaning::NotNow if error.code() == Some("TRYAGAIN") => Advice::Final,
            Meaning::NotNow | Meaning::NotPrimary => self.turn_away(failure, budget),
            Meaning::Crowded => Advice::Final,
            Meaning::Silent if error.is_timeout() && !failure.node.is_failing() => Advice::Final,
            Meaning::Silent | Meaning::NotAsked if failure.may_resend => {
                self.turn_away(failure, budget)
            }
            Meaning::Silent | Meaning::NotAsked => {
                self.doubt(failure);
                Advice::Final
            }
            Meaning::Refusing | Meaning::Answer => {
                if evidence::casts_doubt(error) {
                    self.doubt(failure);
                }
                Advice::Final
            }
        }
    }

    /// A node says that another one has the slot: it is asked at once, and also about the others.
    fn follow(&self, failure: &Failure<'_>, budget: Budget) -> Advice {
        let state = self.state();
        let asked = state.known().member(failure.node);
        if asked.is_some_and(|member| member.role == Role::Replica) {
            // It may know less than its primary, or have become the replica of another one.
            self.doubt(failure);
            return Advice::Again;
        }
        let Some((slot, to)) = self.redirection(failure) else {
            let _ = self.refresh(Some(PAUSE), budget);
            return Advice::Later;
        };
        let is_new = !Arc::ptr_eq(&to.node, failure.node);
        if is_new {
            state.correct().moved(slot, &to);
        }
        state.doubt.store(true, Ordering::Relaxed);
        // When nobody knows more, the slot that moved is known all the same.
        let look = || self.look_around(Some(&to), budget);
        let _ = self.lookout.run(PAUSE, Meanwhile::GoOn, budget, look);
        if is_new { Advice::Again } else { Advice::Later }
    }

    fn redirection(&self, failure: &Failure<'_>) -> Option<(usize, Arc<Member>)> {
        let (slot, place) = slots::redirection(failure.error.text())?;
        let asked = failure.node.address();
        let mut known = self.state().correct();
        let member = known.redirected(&place, asked, &self.maker)?;
        Some((slot, member))
    }

    /// Remembers that a node failed, for the calls to come.
    fn doubt(&self, failure: &Failure<'_>) -> Option<Arc<Member>> {
        let state = self.state();
        state.doubt.store(true, Ordering::Relaxed);
        let member = state.known().member(failure.node)?;
        member.failed(failure.meaning());
        Some(member)
    }

    /// Whether another node may take the place of `member`, which failed, while a call waits. A node that fails for
    /// longer than elections take has no successor; and one that is not even asked any more is waited for only if it fell
    /// silent, for then its replicas elect one of them.
    fn has_prospects(&self, member: &Member, meaning: Meaning) -> bool {
        let may_be_replaced = || {
            let state = self.state();
            let known = state.known();
            member.was_silent() && (known.has_heir(&member.node) || !known.owns(&member.node))
        };
        !member.is_hopeless() && (meaning != Meaning::NotAsked || may_be_replaced())
    }

    /// A node did not answer, or cannot serve: reads turn to another one; for the rest somebody may have taken over.
    fn turn_away(&self, failure: &Failure<'_>, budget: Budget) -> Advice {
        let state = self.state();
        let member = self.doubt(failure);
        let is_elsewhere = || {
            let known = state.known();
            let Some(key) = failure.key else {
                return Some(!known.owns(failure.node));
            };
            let slot = slots::slot(key);
            let next = known.pick(slot, failure.access, self.read_from, budget.started())?;
            let is_other = !Arc::ptr_eq(&next.node, failure.node);
            Some(is_other && (failure.access == Access::Write || next.alone() == 0))
        };
        if failure.access == Access::Read && is_elsewhere() == Some(true) {
            return Advice::Again;
        }
        // Nobody may know more yet; then there is the pause.
        let _ = self.refresh(Some(PAUSE), budget);
        match is_elsewhere() {
            Some(true) => Advice::Again,
            _ if member.is_none_or(|it| self.has_prospects(&it, failure.meaning())) => {
                Advice::Later
            }
            _ => Advice::Final,
        }
    }
}
