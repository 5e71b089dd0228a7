//! Redis Cluster: every key is in a slot, and every slot has a node. Who has which slot is found out with the first
//! call and again when a node says or shows that it has changed; there is no thread for it, so the caller who notices
//! looks around, once, while others go on with what is known.
//! <https://redis.io/docs/latest/operate/oss_and_stack/reference/cluster-spec/>

pub(crate) mod counsel;
pub(crate) mod known;
pub(crate) mod maker;
pub(crate) mod member;
#[cfg(test)]
pub(crate) mod tests;

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::time::Duration;

use crate::base::budget::Budget;
use crate::base::fork::PerProcess;
use crate::base::one_at_a_time::{Meanwhile, OneAtATime};
use crate::config::{Hooks, Location, Options, ReadFrom};
use crate::error::{Error, ErrorKind, Result};
use crate::store::{Access, KeyList};

use super::super::node::Node;
use super::slots::{self, ClusterSlots, SLOTS};
use super::{Advice, EachNode, Failure, Topology, at};

use known::Known;
use maker::Maker;
use member::Member;

/// Whatever happens, nobody looks around more often than this.
const PAUSE: Duration = Duration::from_millis(50);

/// Calls that concern all nodes, as sweeps do, look around when that was longer ago than this: nothing but a
/// redirection tells of a new node, and they get none.
const GOOD_FOR_ALL: Duration = Duration::from_secs(1);

/// The least time that a node is given to tell about the cluster, when there is that much.
const SHORTEST_ANSWER: Duration = Duration::from_millis(50);

/// The nodes of a Redis Cluster.
pub(crate) struct Cluster {
    maker: Maker,
    read_from: ReadFrom,
    seeds: Vec<Arc<Member>>,
    state: PerProcess<State>,
    lookout: OneAtATime<Result<()>>,
}

struct State {
    known: RwLock<Known>,
    /// What is known is wrong somewhere, and nobody has looked around since that was noticed: the next call does.
    doubt: AtomicBool,
}

impl State {
    fn new(known: Known) -> Self {
        State {
            known: RwLock::new(known),
            doubt: AtomicBool::new(false),
        }
    }

    fn known(&self) -> RwLockReadGuard<'_, Known> {
        self.known.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn correct(&self) -> RwLockWriteGuard<'_, Known> {
        self.known.write().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Cluster {
    pub(crate) fn new(options: &Options, locations: &[Location], hooks: &Hooks) -> Result<Self> {
        let maker = Maker::new(options, locations, hooks)?;
        let seeds = maker.seeds()?;
        Ok(Cluster {
            read_from: options.read_from,
            state: PerProcess::new(State::new(Known::new(&seeds))),
            maker,
            seeds,
            lookout: OneAtATime::new(),
        })
    }

    fn state(&self) -> &State {
        self.state.get(|inherited| {
            let known = inherited.known.try_read().map(|known| known.clone());
            State::new(known.unwrap_or_else(|_| Known::new(&self.seeds)))
        })
    }

    /// Asks nodes about the cluster until one answers, `first` before all others. Each may take an equal part of the
    /// time that is left, and one part stays for what the caller wants to do with the answer.
    fn look_around(&self, first: Option<&Arc<Member>>, budget: Budget) -> Result<()> {
        let state = self.state();
        state.doubt.store(false, Ordering::Relaxed);
        let mut advisers = state.known().advisers();
        if let Some(first) = first {
            advisers.retain(|member| !Arc::ptr_eq(member, first));
            advisers.insert(0, Arc::clone(first));
        }
        let mut parts = advisers.len() as u32;
        let mut fault: Option<Error> = None;
        for adviser in advisers {
            let part = budget.remaining()? / (parts + 1);
            parts -= 1;
            match self.ask(&adviser, budget.capped(part.max(SHORTEST_ANSWER))) {
                Ok(()) => return Ok(()),
                Err(error) => {
                    if error.meaning().is_fault() {
                        adviser.failed(error.meaning());
                    }
                    // What a server says tells more than that another one cannot be reached.
                    let is_weaker = |fault: &Error| fault.meaning().is_fault();
                    if fault.as_ref().is_none_or(is_weaker) {
                        fault = Some(error);
                    }
                }
            }
        }
        Err(fault.unwrap_or_else(|| nobody("there is no node to ask about the cluster")))
    }

    fn ask(&self, adviser: &Member, budget: Budget) -> Result<()> {
        let node = &adviser.node;
        let answer = node.run(0, budget, &mut ClusterSlots);
        let ranges = answer.map_err(|failed| explained(failed.error, node))?;
        if ranges.is_empty() {
            let error = nobody("the cluster has no slots: it is not set up, or left this node");
            return Err(node.named(error, ClusterSlots::VERB));
        }
        let mut known = self.state().correct();
        known.learn(&ranges, node.address(), &self.maker);
        Ok(())
    }

    /// Looks around when nothing is known yet, or what is known is older than that.
    fn refresh(&self, older_than: Option<Duration>, budget: Budget) -> Result<()> {
        let is_blind = self.state().known().is_empty();
        let (rest, meanwhile) = match older_than {
            _ if is_blind => (Duration::ZERO, Meanwhile::Wait),
            Some(age) => (age, Meanwhile::GoOn),
            None => return Ok(()),
        };
        let look = || self.look_around(None, budget);
        let outcome = self.lookout.run(rest, meanwhile, budget, look);
        match outcome {
            Some(outcome) if is_blind => outcome,
            None if is_blind => budget.remaining().map(drop),
            _ => Ok(()),
        }
    }
}

impl Topology for Cluster {
    fn slot(&self, key: &[u8]) -> Option<u16> {
        u16::try_from(slots::slot(key)).ok()
    }

    fn pick(&self, key: &[u8], access: Access, budget: Budget) -> Result<Arc<Node>> {
        let state = self.state();
        if state.doubt.load(Ordering::Relaxed) {
            let _ = self.refresh(Some(PAUSE), budget);
        }
        let slot = slots::slot(key);
        let known = |state: &State| {
            let known = state.known();
            let member = known.pick(slot, access, self.read_from, budget.started());
            member.map(|member| Arc::clone(&member.node))
        };
        if let Some(node) = known(state) {
            return Ok(node);
        }
        self.refresh(None, budget)?;
        known(state).ok_or_else(|| nobody("no node of the cluster is known"))
    }

    fn divide(
        &self,
        keys: &KeyList,
        places: &[usize],
        access: Access,
        budget: Budget,
        each: &mut EachNode<'_>,
    ) {
        let state = self.state();
        if state.doubt.load(Ordering::Relaxed) {
            let _ = self.refresh(Some(PAUSE), budget);
        }
        let mut unknown = Vec::new();
        let known = state.known();
        for (place, key) in at(keys, places) {
            let slot = slots::slot(key);
            match known.pick(slot, access, self.read_from, budget.started()) {
                Some(member) => each(place, Ok(&member.node)),
                None => unknown.push(place),
            }
        }
        drop(known);
        self.divide_singly(keys, &unknown, access, budget, each);
    }

    fn time_for(&self, node: &Arc<Node>, access: Access, budget: Budget) -> Budget {
        if access == Access::Write || self.read_from == ReadFrom::Primary {
            return budget;
        }
        match budget.left() {
            Some(left) if self.state().known().has_alternative(node, self.read_from) => {
                budget.capped(left / 2)
            }
            _ => budget,
        }
    }

    fn owners(&self, budget: Budget) -> Result<Vec<Arc<Node>>> {
        self.refresh(Some(GOOD_FOR_ALL), budget)?;
        Ok(self.state().known().owners())
    }

    fn are_together(&self, one: &[u8], other: &[u8], _budget: Budget) -> Result<bool> {
        Ok(slots::slot(one) == slots::slot(other))
    }

    /// Nodes come and go.
    fn knew(&self, _name: &str) -> bool {
        true
    }

    fn all(&self) -> Vec<Arc<Node>> {
        let members = self.state().known().all();
        members
            .iter()
            .map(|member| Arc::clone(&member.node))
            .collect()
    }

    fn advise(&self, failure: &Failure<'_>, budget: Budget) -> Advice {
        self.counsel(failure, budget)
    }

    fn takes_many_keys(&self) -> bool {
        false
    }
}

fn nobody(text: &str) -> Error {
    Error::new(ErrorKind::Unavailable, text)
}

/// A server that is in no cluster says so, which is the fault of the configuration.
fn explained(error: Error, node: &Node) -> Error {
    if !error.text().contains("cluster support disabled") {
        return error;
    }
    let text = "the server is in no cluster: it is for `topology=single`, or has to be started with \
                `cluster-enabled yes`";
    node.named(Error::new(ErrorKind::Config, text), ClusterSlots::VERB)
}

impl fmt::Debug for Cluster {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cluster")
            .field("slots", &SLOTS)
            .field("nodes", &self.all())
            .field("read_from", &self.read_from)
            .finish_non_exhaustive()
    }
}
