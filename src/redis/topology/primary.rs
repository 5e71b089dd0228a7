//! One server that takes the writes, and its replicas. Who that is the configuration says, until it does not answer or
//! says READONLY: then the nodes are asked for their roles. Plain reads go where `read_from` allows; a node that
//! failed rests for a moment, so that a dead replica costs few attempts and no failed read.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use crate::base::budget::Budget;
use crate::base::moment::Moment;
use crate::base::one_at_a_time::Renewal;
use crate::config::{Hooks, Location, Options, ReadFrom};
use crate::error::Result;
use crate::store::Access;

use super::super::node::{Node, is_fault};
use super::role::{self, Role};
use super::{Advice, Failure, Topology, none_for, passes};

/// How long a node is not read from after it failed, while another one is at hand; and how often at most a failing
/// primary has the others asked for their roles.
const REST: Duration = Duration::from_millis(100);
/// Time for that when the call has none left: the calls that come after it will be glad.
const GRACE: Duration = Duration::from_millis(20);

/// The nodes, and which of them takes the writes.
#[derive(Debug)]
pub(crate) struct Primary {
    members: Vec<Member>,
    /// The place of the node that takes the writes, as far as is known.
    writer: AtomicUsize,
    read_from: ReadFrom,
    renewal: Renewal,
}

#[derive(Debug)]
struct Member {
    node: Arc<Node>,
    /// When it may be read from again, in nanoseconds of [`Moment`].
    rests_until: AtomicU64,
}

impl Member {
    fn is_awake(&self, now: Moment) -> bool {
        !self.node.is_refusing() && now.nanos() >= self.rests_until.load(Ordering::Relaxed)
    }
}

impl Primary {
    pub(crate) fn new(options: &Options, locations: &[Location], hooks: &Hooks) -> Result<Self> {
        let member = |location| {
            Ok(Member {
                node: Arc::new(Node::new(location, options, hooks)?),
                rests_until: AtomicU64::new(0),
            })
        };
        let members: Vec<Member> = locations.iter().map(member).collect::<Result<_>>()?;
        let named = |member: &Member| Some(member.node.name()) == options.primary.as_deref();
        let writer = members.iter().position(named).ok_or_else(none_for)?;
        Ok(Primary {
            members,
            writer: AtomicUsize::new(writer),
            read_from: options.read_from,
            renewal: Renewal::new(),
        })
    }

    fn writer(&self) -> Result<&Member> {
        let place = self.writer.load(Ordering::Acquire);
        self.members.get(place).ok_or_else(none_for)
    }

    fn is_writer(&self, node: &Arc<Node>) -> bool {
        self.writer()
            .is_ok_and(|writer| Arc::ptr_eq(&writer.node, node))
    }

    fn spreads(&self, access: Access) -> bool {
        access == Access::Read && self.read_from != ReadFrom::Primary
    }

    /// The nodes that a read may go to, the one whose turn it is first: that depends on when the call began, so all
    /// keys of a call stay together. The writer is the last, unless it takes turns itself.
    fn readers(&self, budget: Budget) -> impl Iterator<Item = &Member> {
        let writer = self.writer.load(Ordering::Acquire);
        let is_apart = self.read_from != ReadFrom::Any && self.members.len() > 1;
        let count = self.members.len() - usize::from(is_apart);
        // Calls may come in any rhythm: this takes it out (Knuth's multiplicative hashing).
        let turn = budget.started().nanos().wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 32;
        let turn = turn as usize;
        let others = (0..count).map(move |step| {
            let place = (turn.wrapping_add(step)) % count;
            place + usize::from(is_apart && place >= writer)
        });
        let last = is_apart.then_some(writer);
        others
            .chain(last)
            .filter_map(|place| self.members.get(place))
    }

    fn reader(&self, budget: Budget) -> Result<&Member> {
        let now = Moment::now();
        let mut readers = self.readers(budget);
        let awake = readers.find(|member| member.is_awake(now));
        let not_refusing = || {
            self.readers(budget)
                .find(|member| !member.node.is_refusing())
        };
        awake
            .or_else(not_refusing)
            .map_or_else(|| self.writer(), Ok)
    }

    /// After a failed read that may go elsewhere.
    fn advise_reader(&self, failure: &Failure<'_>, budget: Budget) -> Advice {
        let now = Moment::now();
        let is_failed = |member: &&Member| Arc::ptr_eq(&member.node, failure.node);
        if let Some(failed) = self.members.iter().find(is_failed) {
            let until = now.after(REST).nanos();
            failed.rests_until.store(until, Ordering::Relaxed);
        }
        if self.readers(budget).any(|member| member.is_awake(now)) {
            Advice::Again
        } else if self.is_writer(failure.node) {
            self.advise_writer(failure, budget)
        } else if passes(failure.error) {
            Advice::Later
        } else {
            Advice::Final
        }
    }

    /// After a failure of the node that takes the writes.
    fn advise_writer(&self, failure: &Failure<'_>, budget: Budget) -> Advice {
        let is_fault = is_fault(failure.error);
        let is_replica = matches!(failure.error.code(), Some("READONLY" | "MASTERDOWN"));
        if self.is_writer(failure.node) && (is_fault || is_replica) {
            let rest = if is_fault { REST } else { Duration::ZERO };
            let except = is_fault.then_some(failure.node);
            let has_time = budget.left().is_some_and(|left| left > GRACE);
            let time = if has_time { budget } else { Budget::new(GRACE) };
            self.renewal
                .run(time, rest, || self.look_around(except, time));
        }
        match self.is_writer(failure.node) {
            _ if !failure.may_resend => Advice::Final,
            false => Advice::Again,
            true if is_fault => Advice::Final,
            true => Advice::Later,
        }
    }

    /// Asks the nodes, but for the one that just failed, what they are. Of several that take writes the one with the
    /// most replicas is the right one: an old primary that comes back has none.
    fn look_around(&self, except: Option<&Arc<Node>>, budget: Budget) {
        let is_asked = |node: &Arc<Node>| except.is_none_or(|except| !Arc::ptr_eq(except, node));
        let places: Vec<usize> = (0..self.members.len())
            .filter(|place| {
                self.members
                    .get(*place)
                    .is_some_and(|member| is_asked(&member.node))
            })
            .collect();
        let nodes: Vec<_> = self.all().into_iter().filter(is_asked).collect();
        let roles = role::ask(&nodes, budget);
        let primaries = places
            .iter()
            .zip(roles)
            .filter_map(|(place, role)| match role {
                Ok(Role::Primary { replicas }) => Some((replicas, *place)),
                _ => None,
            });
        if let Some((_, place)) = primaries.max_by_key(|(replicas, _)| *replicas) {
            self.writer.store(place, Ordering::Release);
        }
    }
}

impl Topology for Primary {
    fn pick(&self, _key: &[u8], access: Access, budget: Budget) -> Result<Arc<Node>> {
        let member = if self.spreads(access) {
            self.reader(budget)?
        } else {
            self.writer()?
        };
        Ok(Arc::clone(&member.node))
    }

    fn time_for(&self, node: &Arc<Node>, access: Access, budget: Budget) -> Budget {
        let now = Moment::now();
        let is_other = |member: &&Member| !Arc::ptr_eq(&member.node, node);
        let has_alternative = self.spreads(access)
            && self
                .readers(budget)
                .filter(is_other)
                .any(|member| member.is_awake(now));
        match budget.left() {
            Some(left) if has_alternative => budget.capped(left / 2),
            _ => budget,
        }
    }

    fn owners(&self, _budget: Budget) -> Result<Vec<Arc<Node>>> {
        Ok(vec![Arc::clone(&self.writer()?.node)])
    }

    fn all(&self) -> Vec<Arc<Node>> {
        self.members
            .iter()
            .map(|member| Arc::clone(&member.node))
            .collect()
    }

    fn advise(&self, failure: &Failure<'_>, budget: Budget) -> Advice {
        if !is_fault(failure.error) && !passes(failure.error) {
            return Advice::Final;
        }
        if self.spreads(failure.access) {
            self.advise_reader(failure, budget)
        } else {
            self.advise_writer(failure, budget)
        }
    }
}
