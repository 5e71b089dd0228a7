//! A primary and its replicas, found through the sentinels that watch over them. There are no threads and no
//! subscriptions: a call looks when nothing is known yet, when a fault raises doubts, and when the last look is a
//! second old, for a primary that a planned failover has replaced goes on taking writes for ten. One caller looks at
//! a time; the others go on with what is known.

pub(crate) mod known;
#[cfg(test)]
pub(crate) mod tests;

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::base::budget::Budget;
use crate::base::fork::PerProcess;
use crate::base::moment::Moment;
use crate::base::one_at_a_time::{Meanwhile, OneAtATime};
use crate::config::{Address, Hooks, Location, Options, ReadFrom};
use crate::error::{Error, ErrorKind, Result};
use crate::redis::node::Node;
use crate::store::Access;

use super::directory::Directory;
use super::evidence;
use super::readers::Readers;
use super::resolver::Resolver;
use super::shared_tls::SharedTls;
use super::{Advice, Failure, Topology};

use known::{Known, View};

/// Nodes that are remembered; their counters count as long as they are.
const REMEMBERED: usize = 64;

/// The servers behind some sentinels.
pub(crate) struct Sentinel {
    sentinels: Vec<Arc<Node>>,
    resolver: Resolver,
    read_from: ReadFrom,
    /// What the locations of the servers have in common.
    server: Location,
    tls: SharedTls,
    options: Options,
    hooks: Hooks,
    known: PerProcess<Mutex<Known>>,
    lookout: OneAtATime<()>,
}

impl Sentinel {
    pub(crate) fn new(options: &Options, locations: &[Location], hooks: &Hooks) -> Result<Self> {
        let fault = |text: String| Error::new(ErrorKind::Config, text);
        let [first, ..] = locations else {
            return Err(fault(
                "`topology=sentinel` needs the locations of sentinels".to_owned(),
            ));
        };
        let server = Location {
            db: Some(options.db),
            username: options.username.clone(),
            password: options.password.clone(),
            password_file: options.password_file.clone(),
            tls_options: options.tls.clone(),
            name: None,
            weight: 1,
            ..first.clone()
        };
        let tls = SharedTls::read(locations.iter().chain([&server]), hooks)?;
        let node = |location| tls.node(&of_sentinel(location), options, hooks);
        let sentinels: Vec<_> = locations
            .iter()
            .map(|location| node(location).map(Arc::new))
            .collect::<Result<_>>()?;
        Ok(Sentinel {
            known: PerProcess::new(Mutex::new(Known::new(&sentinels))),
            lookout: OneAtATime::new(),
            sentinels,
            resolver: Resolver {
                name: options.sentinel_name.clone().unwrap_or_default(),
                wants_replicas: options.read_from != ReadFrom::Primary,
                connect_timeout: options.connect_timeout,
                address_map: options.address_map.clone(),
            },
            read_from: options.read_from,
            server,
            tls,
            options: options.clone(),
            hooks: hooks.clone(),
        })
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        let known = self
            .known
            .get(|parents| Known::inherited(parents, &self.sentinels));
        known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What is known, after a look if one is due. Only who knows nothing waits for another caller's look.
    fn view(&self, budget: Budget) -> Result<Arc<View>> {
        loop {
            let known = self.known();
            let is_due = known.is_due(budget);
            match (&known.view, &known.fault) {
                (Some(view), _) if !is_due || self.lookout.is_running() => {
                    return Ok(Arc::clone(view));
                }
                (None, Some(fault)) if !is_due => return Err(fault.clone()),
                _ => drop(known),
            }
            budget.remaining()?;
            let look = || self.look(budget);
            self.lookout
                .run(Duration::ZERO, Meanwhile::Wait, budget, look);
        }
    }

    /// Asks the sentinels: any one of them whether all is as it was, or in turn if there are doubts. What is known
    /// stays known when they do not answer.
    fn look(&self, budget: Budget) {
        let mut known = self.known();
        if !known.is_due(budget) {
            return;
        }
        let before = known.view.clone();
        let is_routine = before.is_some() && !known.in_doubt;
        let mut sentinels = known.sentinels.clone();
        known.in_doubt = false;
        drop(known);

        let since = before.as_ref().map_or(0, |view| view.found.epoch);
        let found = if is_routine {
            // The call has better things to do with its time.
            let part = budget.left().unwrap_or_default() / 2;
            self.resolver
                .look(&mut sentinels, 1, since, budget.capped(part))
        } else {
            self.resolver
                .look(&mut sentinels, usize::MAX, since, budget)
        };

        let mut known = self.known();
        let now = found.and_then(|found| self.adopt(&mut known, before.as_ref(), found));
        let is_old = |now: &Arc<View>| before.as_ref().is_some_and(|view| Arc::ptr_eq(view, now));
        if !is_routine && now.as_ref().is_ok_and(is_old) && !sentinels.good.is_empty() {
            // The next one may know more.
            sentinels.good.rotate_left(1);
        }
        known.sentinels = sentinels;
        known.looked_at = Some(Moment::now());
        match now {
            Ok(now) => {
                known.fault = None;
                known.view = Some(Arc::clone(&now));
                drop(known);
                if let Some(before) = before {
                    before.retire(&now);
                }
            }
            Err(fault) => known.fault = Some(fault),
        }
    }

    /// The view that a directory makes; the one there is if it says the same.
    fn adopt(
        &self,
        known: &mut Known,
        before: Option<&Arc<View>>,
        mut found: Directory,
    ) -> Result<Arc<View>> {
        found.replicas.retain(|address| *address != found.primary);
        found.replicas.sort_by_key(Address::to_string);
        if let Some(before) = before.filter(|before| before.found == found) {
            return Ok(Arc::clone(before));
        }
        let primary = self.node(known, &found.primary, true)?;
        let replicas = found
            .replicas
            .iter()
            .map(|address| self.node(known, address, false))
            .collect::<Result<Vec<_>>>()?;
        let readers = match self.read_from {
            ReadFrom::Primary => Readers::new([]),
            ReadFrom::Replica => Readers::new(replicas.iter().cloned()),
            ReadFrom::Any => Readers::new([&primary].into_iter().chain(&replicas).cloned()),
        };
        Ok(Arc::new(View {
            found,
            primary,
            replicas,
            readers,
        }))
    }

    /// The node at that address, in that role: a primary is asked whether it is one, and is another node when it
    /// comes back as a replica.
    fn node(&self, known: &mut Known, address: &Address, is_primary: bool) -> Result<Arc<Node>> {
        let name = address.to_string();
        let is_it = |node: &&Arc<Node>| node.name() == name && node.is_primary() == is_primary;
        if let Some(node) = known.met.iter().find(is_it) {
            return Ok(Arc::clone(node));
        }
        let location = Location {
            address: address.clone(),
            shown: name,
            ..self.server.clone()
        };
        let node = self.tls.node(&location, &self.options, &self.hooks)?;
        let node = Arc::new(if is_primary {
            node.expecting_primary()
        } else {
            node
        });
        if known.met.len() >= REMEMBERED {
            known.met.remove(0);
        }
        known.met.push(Arc::clone(&node));
        Ok(node)
    }

    /// Looks again because of `suspect`, unless that was just done; what is known then.
    fn reconsider(&self, suspect: &Arc<Node>, budget: Budget) -> Option<Arc<View>> {
        let mut known = self.known();
        let view = known.view.clone()?;
        if !Arc::ptr_eq(&view.primary, suspect) {
            return Some(view);
        }
        known.in_doubt = true;
        let is_due = known.is_due(budget);
        drop(known);
        if is_due && budget.left().is_some() && !self.lookout.is_running() {
            let look = || self.look(budget);
            self.lookout
                .run(Duration::ZERO, Meanwhile::Wait, budget, look);
        }
        self.known().view.clone()
    }
}

impl Topology for Sentinel {
    fn pick(&self, _key: &[u8], access: Access, budget: Budget) -> Result<Arc<Node>> {
        let view = self.view(budget)?;
        let reader = match access {
            Access::Read => view.readers.pick(budget.started()),
            Access::Write => None,
        };
        Ok(Arc::clone(reader.unwrap_or(&view.primary)))
    }

    fn time_for(&self, node: &Arc<Node>, access: Access, budget: Budget) -> Budget {
        if access != Access::Read || self.read_from == ReadFrom::Primary {
            return budget;
        }
        // The primary answers when no reader does.
        let has_other = self.known().view.as_ref().is_some_and(|view| {
            !Arc::ptr_eq(&view.primary, node) || view.readers.have_other(node, budget.started())
        });
        match budget.left() {
            Some(left) if has_other => budget.capped(left / 2),
            _ => budget,
        }
    }

    fn owners(&self, budget: Budget) -> Result<Vec<Arc<Node>>> {
        Ok(vec![Arc::clone(&self.view(budget)?.primary)])
    }

    fn all(&self) -> Vec<Arc<Node>> {
        self.known().met.clone()
    }

    fn advise(&self, failure: &Failure<'_>, budget: Budget) -> Advice {
        let Failure { error, node, .. } = failure;
        let meaning = failure.meaning();
        let view = if evidence::casts_doubt(error) {
            self.reconsider(node, budget)
        } else if meaning.passes() {
            self.known().view.clone()
        } else {
            None
        };
        let Some(view) = view else {
            return Advice::Final;
        };
        let serves_not = meaning.passes() || meaning.is_fault();
        let is_read = serves_not && failure.access == Access::Read;
        let was_reader = is_read && view.readers.set_aside(node);
        if !failure.may_resend || budget.left().is_none() {
            return Advice::Final;
        }
        let has_moved = !Arc::ptr_eq(&view.primary, node);
        if has_moved || was_reader && view.readers.pick(budget.started()).is_some() {
            return Advice::Again;
        }
        // A primary that is refused by its breaker, or took its time already, is not waited for.
        if meaning.passes() || error.kind() == ErrorKind::Io {
            Advice::Later
        } else {
            Advice::Final
        }
    }
}

/// A sentinel has no databases, and errors say that it is one.
fn of_sentinel(location: &Location) -> Location {
    Location {
        db: Some(0),
        name: Some(format!("sentinel {}", location.node_name())),
        ..location.clone()
    }
}

impl fmt::Debug for Sentinel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sentinel")
            .field("sentinels", &self.sentinels)
            .field("name", &self.resolver.name)
            .finish_non_exhaustive()
    }
}
