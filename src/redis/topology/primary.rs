//! One server that takes the writes, and its replicas. Who that is the configuration says, until it does not answer or
//! says READONLY: then the nodes are asked for their roles, and [`evidence`] says what follows from that. Plain reads go
//! where `read_from` allows; a node that failed rests for a moment, so that a dead replica costs few attempts and no
//! failed read.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use crate::base::budget::Budget;
use crate::base::moment::Moment;
use crate::base::one_at_a_time::{Meanwhile, OneAtATime};
use crate::config::{AddressMap, Hooks, Location, Options, ReadFrom};
use crate::error::{Meaning, Result};
use crate::store::Access;

use super::super::node::Node;
use super::evidence::{self, Witness};
use super::role::{self, Role};
use super::shared_tls::SharedTls;
use super::{Advice, Failure, Topology, none_for};

/// How long a node is not read from after it failed, while another one is at hand; and how often at most a failing
/// primary has the others asked for their roles.
const REST: Duration = Duration::from_millis(100);
/// Time for that when the call has none left: the calls that come after it will be glad.
const GRACE: Duration = Duration::from_millis(20);
/// While another one than the configured one takes the writes, somebody looks so often whether that one is back, and
/// waits for it no longer than that.
const RETURN: (Duration, Duration) = (Duration::from_secs(1), Duration::from_millis(100));

/// The nodes, and which of them takes the writes.
#[derive(Debug)]
pub(crate) struct Primary {
    members: Vec<Member>,
    /// The place of the node that takes the writes by the configuration.
    configured: usize,
    /// And of the one that does, as far as is known.
    writer: AtomicUsize,
    read_from: ReadFrom,
    /// Where announced addresses really are.
    address_map: AddressMap,
    lookout: OneAtATime<()>,
}

#[derive(Debug)]
struct Member {
    node: Arc<Node>,
    /// When it may be read from again, in nanoseconds of [`Moment`].
    rests_until: AtomicU64,
    /// Whether it was a replica when it was last seen as anything else than a primary.
    has_followed: AtomicBool,
}

impl Member {
    fn is_awake(&self, now: Moment) -> bool {
        !self.node.is_refusing() && now.nanos() >= self.rests_until.load(Ordering::Relaxed)
    }
}

impl Primary {
    pub(crate) fn new(options: &Options, locations: &[Location], hooks: &Hooks) -> Result<Self> {
        let tls = SharedTls::read(locations, hooks)?;
        let member = |location| {
            Ok(Member {
                node: Arc::new(tls.node(location, options, hooks)?),
                rests_until: AtomicU64::new(0),
                has_followed: AtomicBool::new(false),
            })
        };
        let members: Vec<Member> = locations.iter().map(member).collect::<Result<_>>()?;
        let named = |member: &Member| Some(member.node.name()) == options.primary.as_deref();
        let configured = members.iter().position(named).ok_or_else(none_for)?;
        Ok(Primary {
            members,
            configured,
            writer: AtomicUsize::new(configured),
            read_from: options.read_from,
            address_map: options.address_map.clone(),
            lookout: OneAtATime::new(),
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
        } else {
            failure.advise_alone()
        }
    }

    /// After a failure of the node that takes the writes.
    fn advise_writer(&self, failure: &Failure<'_>, budget: Budget) -> Advice {
        let meaning = failure.meaning();
        let is_demoted = meaning == Meaning::NotPrimary;
        if self.is_writer(failure.node) && evidence::casts_doubt(failure.error) {
            // A fault may have taken all the time; and a node that says what it is need not be asked for that often.
            let (rest, time) = match budget.left() {
                Some(left) if left > GRACE && is_demoted => (Duration::ZERO, left / 2),
                Some(left) if left > GRACE => (REST, left / 2),
                _ => (REST, GRACE),
            };
            let time = Budget::new(time);
            let look = || self.look_around(time);
            self.lookout.run(rest, Meanwhile::Wait, time, look);
        }
        match self.is_writer(failure.node) {
            _ if !failure.may_resend => Advice::Final,
            false => Advice::Again,
            true if meaning.passes() => Advice::Later,
            true => Advice::Final,
        }
    }

    /// Whether the configured one is back, when that was not asked lately.
    #[cold]
    fn ask_for_return(&self, budget: Budget) {
        let (rest, longest) = RETURN;
        let time = budget.left().unwrap_or_default() / 2;
        let look = || self.look_around(budget.capped(time.min(longest)));
        self.lookout.run(rest, Meanwhile::GoOn, budget, look);
    }

    /// Asks all nodes what they are, also the one that failed.
    fn look_around(&self, budget: Budget) {
        let roles = role::ask(&self.all(), budget);
        let mut witnesses = Vec::with_capacity(roles.len());
        for (member, role) in self.members.iter().zip(roles) {
            let is_late = role.as_ref().is_err_and(|failed| failed.error.is_timeout());
            let role = role.ok().map(|role| match role {
                Role::Replica { of } => Role::Replica {
                    of: self.address_map.place(of),
                },
                role => role,
            });
            // One that was made a primary is one until it is seen as something else.
            if let Some(role @ (Role::Replica { .. } | Role::Other)) = &role {
                let follows = *role != Role::Other;
                member.has_followed.store(follows, Ordering::Relaxed);
            }
            witnesses.push(Witness {
                address: member.node.address(),
                role,
                is_late,
                has_followed: member.has_followed.load(Ordering::Relaxed),
            });
        }
        let current = self.writer.load(Ordering::Acquire);
        let writer = evidence::writer(self.configured, current, &witnesses);
        self.writer.store(writer, Ordering::Release);
    }
}

impl Topology for Primary {
    fn pick(&self, _key: &[u8], access: Access, budget: Budget) -> Result<Arc<Node>> {
        if self.writer.load(Ordering::Relaxed) != self.configured {
            self.ask_for_return(budget);
        }
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
        let meaning = failure.meaning();
        if meaning == Meaning::Crowded && !self.spreads(failure.access) {
            return Advice::Final;
        }
        let may_pass = meaning.passes() || meaning.is_fault() || meaning == Meaning::Crowded;
        match (may_pass, failure.access) {
            (true, access) if self.spreads(access) => self.advise_reader(failure, budget),
            (true, _) => self.advise_writer(failure, budget),
            (false, access) if self.spreads(access) => Advice::Final,
            (false, _) if evidence::casts_doubt(failure.error) => {
                self.advise_writer(failure, budget)
            }
            (false, _) => Advice::Final,
        }
    }
}
