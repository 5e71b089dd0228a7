//! A primary and its replicas, found through the sentinels that watch over them. There are no threads and no
//! subscriptions: a call looks when nothing is known yet, when a fault raises doubts, and when the last look is a
//! second old, for a primary that a planned failover has replaced goes on taking writes for ten. One caller looks at
//! a time; the others go on with what is known.

use std::fmt;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::backend::Access;
use crate::backend::redis::budget::Budget;
use crate::backend::redis::moment::Moment;
use crate::backend::redis::node::Node;
use crate::config::{Address, Hooks, Location, Options, ReadFrom};
use crate::error::{Error, ErrorKind, Result};
use crate::fork::PerProcess;

use super::readers::Readers;
use super::resolver::{Directory, Resolver, Sentinels};
use super::{Advice, Failure, Topology, passes};

/// What is known is believed for so long.
const TRUST: Duration = Duration::from_secs(1);
/// Looks for the sake of doubts are so far apart.
const CALM: Duration = Duration::from_millis(25);
/// Nodes that are remembered; their counters count as long as they are.
const REMEMBERED: usize = 64;

/// The servers behind some sentinels.
pub(super) struct Sentinel {
    sentinels: Vec<Arc<Node>>,
    resolver: Resolver,
    read_from: ReadFrom,
    /// What the locations of the servers have in common.
    server: Location,
    options: Options,
    hooks: Hooks,
    state: PerProcess<Shared>,
}

struct Shared {
    state: Mutex<State>,
    looked: Condvar,
}

#[derive(Clone, Default)]
struct State {
    sentinels: Sentinels,
    view: Option<Arc<View>>,
    met: Vec<Arc<Node>>,
    is_looking: bool,
    /// When the last look was over.
    looked_at: Option<Moment>,
    /// Why it found nothing.
    fault: Option<Error>,
    /// Something has happened since that makes another look worth while.
    in_doubt: bool,
}

/// What is known of the servers.
struct View {
    found: Directory,
    primary: Arc<Node>,
    replicas: Vec<Arc<Node>>,
    readers: Readers,
}

impl Sentinel {
    pub(super) fn new(options: &Options, locations: &[Location], hooks: &Hooks) -> Result<Self> {
        let fault = |text: String| Error::new(ErrorKind::Config, text);
        let [first, ..] = locations else {
            return Err(fault(
                "`topology=sentinel` needs the locations of sentinels".to_owned(),
            ));
        };
        let with_db = |location: &&Location| location.db.is_some_and(|db| db != options.db);
        if let Some(location) = locations.iter().find(with_db) {
            return Err(fault(format!(
                "location `{}`: a sentinel has no databases; that of the servers is option `db`",
                location.shown
            )));
        }
        let node = |location| Node::new(&of_sentinel(location), options, hooks);
        let sentinels: Vec<_> = locations
            .iter()
            .map(|location| node(location).map(Arc::new))
            .collect::<Result<_>>()?;
        Ok(Sentinel {
            state: PerProcess::new(Shared::new(State::knowing(&sentinels))),
            sentinels,
            resolver: Resolver {
                name: options.sentinel_name.clone().unwrap_or_default(),
                wants_replicas: options.read_from != ReadFrom::Primary,
                connect_timeout: options.connect_timeout,
            },
            read_from: options.read_from,
            server: Location {
                db: Some(options.db),
                username: options.username.clone(),
                password: options.password.clone(),
                name: None,
                weight: 1,
                ..first.clone()
            },
            options: options.clone(),
            hooks: hooks.clone(),
        })
    }

    fn shared(&self) -> &Shared {
        self.state
            .get(|inherited| inherited.inherited(&self.sentinels))
    }

    /// What is known, after a look if one is due. Only who knows nothing waits for another caller's look.
    fn view(&self, budget: Budget) -> Result<Arc<View>> {
        let shared = self.shared();
        let mut state = shared.lock();
        loop {
            match &state.view {
                Some(view) if state.is_looking || !state.is_due(budget) => {
                    return Ok(Arc::clone(view));
                }
                None if state.is_looking => state = shared.wait(state, budget)?,
                view => {
                    // What was not found a moment ago, for another key or caller, is not looked for again.
                    let is_new = |at: &Moment| *at >= budget.started();
                    if let (None, Some(fault)) = (view, &state.fault)
                        && state.looked_at.as_ref().is_some_and(is_new)
                    {
                        return Err(fault.clone());
                    }
                    return self.look(shared, state, budget);
                }
            }
        }
    }

    /// Asks the sentinels: any one of them whether all is as it was, or in turn if there are doubts. What is known
    /// stays known when they do not answer.
    fn look(
        &self,
        shared: &Shared,
        mut state: MutexGuard<'_, State>,
        budget: Budget,
    ) -> Result<Arc<View>> {
        let known = state.view.clone();
        let is_routine = known.is_some() && !state.in_doubt;
        let mut sentinels = state.sentinels.clone();
        state.is_looking = true;
        state.in_doubt = false;
        drop(state);
        let _looking = Looking(shared);

        let since = known.as_ref().map_or(0, |view| view.found.epoch);
        let found = if is_routine {
            // The call has better things to do with its time.
            let part = budget.left().unwrap_or_default() / 2;
            self.resolver
                .look(&mut sentinels, 1, since, budget.capped(part))
        } else {
            self.resolver
                .look(&mut sentinels, usize::MAX, since, budget)
        };

        let mut state = shared.lock();
        let view = found.and_then(|found| self.adopt(&mut state, known.as_ref(), found));
        let is_news =
            |view: &Arc<View>| known.as_ref().is_none_or(|known| !Arc::ptr_eq(known, view));
        if !is_routine && !view.as_ref().is_ok_and(is_news) && !sentinels.good.is_empty() {
            // The next one may know more.
            sentinels.good.rotate_left(1);
        }
        state.sentinels = sentinels;
        state.looked_at = Some(Moment::now());
        state.fault = view.as_ref().err().cloned();
        let view = view.or_else(|fault| known.clone().ok_or(fault))?;
        state.view = Some(Arc::clone(&view));
        drop(state);
        if let Some(known) = known.filter(|known| !Arc::ptr_eq(known, &view)) {
            known.retire(&view);
        }
        Ok(view)
    }

    /// The view that a directory makes; the one there is if it says the same.
    fn adopt(
        &self,
        state: &mut State,
        known: Option<&Arc<View>>,
        mut found: Directory,
    ) -> Result<Arc<View>> {
        found
            .replicas
            .retain(|address| Some(address) != found.primary.as_ref());
        found.replicas.sort_by_key(Address::to_string);
        if let Some(known) = known.filter(|known| known.found == found) {
            return Ok(Arc::clone(known));
        }
        let Some(primary) = &found.primary else {
            return Err(Error::new(
                ErrorKind::Unavailable,
                "the sentinels name no primary",
            ));
        };
        let primary = self.node(state, primary, true)?;
        let replicas = found
            .replicas
            .iter()
            .map(|address| self.node(state, address, false))
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
    fn node(&self, state: &mut State, address: &Address, is_primary: bool) -> Result<Arc<Node>> {
        let name = address.to_string();
        let is_it = |node: &&Arc<Node>| node.name() == name && node.is_primary() == is_primary;
        if let Some(node) = state.met.iter().find(is_it) {
            return Ok(Arc::clone(node));
        }
        let location = Location {
            address: address.clone(),
            shown: name,
            ..self.server.clone()
        };
        let node = Node::new(&location, &self.options, &self.hooks)?;
        let node = Arc::new(if is_primary {
            node.expecting_primary()
        } else {
            node
        });
        if state.met.len() >= REMEMBERED {
            state.met.remove(0);
        }
        state.met.push(Arc::clone(&node));
        Ok(node)
    }

    /// Looks again because of `suspect`, unless that was just done; what is known then.
    fn reconsider(&self, suspect: &Arc<Node>, budget: Budget) -> Option<Arc<View>> {
        let shared = self.shared();
        let mut state = shared.lock();
        let view = state.view.clone()?;
        if !Arc::ptr_eq(&view.primary, suspect) {
            return Some(view);
        }
        state.in_doubt = true;
        if state.is_looking || !state.is_due(budget) || budget.left().is_none() {
            return Some(view);
        }
        self.look(shared, state, budget).ok()
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

    fn owners(&self, budget: Budget) -> Result<Vec<Arc<Node>>> {
        Ok(vec![Arc::clone(&self.view(budget)?.primary)])
    }

    fn all(&self) -> Vec<Arc<Node>> {
        self.shared().lock().met.clone()
    }

    fn advise(&self, failure: &Failure<'_>, budget: Budget) -> Advice {
        let Failure { error, node, .. } = failure;
        let is_fault = matches!(
            error.kind(),
            ErrorKind::Io | ErrorKind::Timeout | ErrorKind::Unavailable
        );
        // A primary without replicas may be one that has been replaced.
        let is_demoted = matches!(error.code(), Some("READONLY" | "NOREPLICAS"));
        if !is_fault && !is_demoted && !passes(error) {
            return Advice::Final;
        }
        let view = match is_fault || is_demoted {
            true => self.reconsider(node, budget),
            false => self.shared().lock().view.clone(),
        };
        let Some(view) = view else {
            return Advice::Final;
        };
        let was_reader = failure.access == Access::Read && view.readers.set_aside(node);
        if !failure.may_resend || budget.left().is_none() {
            return Advice::Final;
        }
        let has_moved = !Arc::ptr_eq(&view.primary, node);
        if has_moved || was_reader && view.readers.pick(budget.started()).is_some() {
            return Advice::Again;
        }
        // A primary that is refused by its breaker, or took its time already, is not waited for.
        if passes(error) || error.kind() == ErrorKind::Io {
            Advice::Later
        } else {
            Advice::Final
        }
    }
}

impl View {
    /// Closes the connections to servers that are in another place or role by now.
    fn retire(&self, now: &View) {
        let is_out = |node: &&Arc<Node>| {
            let mut nodes = now.replicas.iter().chain([&now.primary]);
            !nodes.any(|other| Arc::ptr_eq(other, node))
        };
        let nodes = self.replicas.iter().chain([&self.primary]);
        nodes.filter(is_out).for_each(|node| node.close());
    }
}

impl State {
    fn knowing(sentinels: &[Arc<Node>]) -> Self {
        State {
            sentinels: Sentinels {
                good: sentinels.to_vec(),
                silent: Vec::new(),
            },
            ..State::default()
        }
    }

    /// Whether somebody should look before `budget` is spent on what is known.
    fn is_due(&self, budget: Budget) -> bool {
        let Some(looked_at) = self.looked_at else {
            return true;
        };
        match self.in_doubt {
            true => Moment::now().since(looked_at) >= CALM,
            false => budget.started().since(looked_at) >= TRUST,
        }
    }
}

impl Shared {
    fn new(state: State) -> Self {
        Shared {
            state: Mutex::new(state),
            looked: Condvar::new(),
        }
    }

    /// What a forked child knows of its own: all that the parent knew, unless a thread was changing it just then.
    fn inherited(&self, sentinels: &[Arc<Node>]) -> Self {
        let state = match self.state.try_lock() {
            Ok(state) => State {
                is_looking: false,
                ..state.clone()
            },
            Err(_) => State::knowing(sentinels),
        };
        Shared::new(state)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wait<'a>(
        &self,
        state: MutexGuard<'a, State>,
        budget: Budget,
    ) -> Result<MutexGuard<'a, State>> {
        let woken = self.looked.wait_timeout(state, budget.remaining()?);
        Ok(woken.unwrap_or_else(PoisonError::into_inner).0)
    }
}

/// Lets others look again when it is dropped, also in a panic.
struct Looking<'a>(&'a Shared);

impl Drop for Looking<'_> {
    fn drop(&mut self) {
        self.0.lock().is_looking = false;
        self.0.looked.notify_all();
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

#[cfg(test)]
mod tests;
