//! A walk over the keys of all nodes, page by page, that can stop anywhere and go on later. Sweeps and key listings
//! both read their pages here. Its cursor names the node, because every node counts for itself; when another one has
//! taken the place of that node, the walk begins there, or from the start, anew. A node that fails is passed over, and
//! told of in the end; its place is kept, so that going on later makes up for it.

use std::collections::VecDeque;

use crate::cache::Cache;
use crate::error::{Error, ErrorKind, Result};
use crate::store::{KeyList, ScanStep, Store};

use super::place::{self, Mark, Place, mark};

/// Where a walk stands, and what it looks for.
#[derive(Debug)]
pub(crate) struct Walk {
    /// Where it is, and where it goes then.
    ahead: VecDeque<Place>,
    /// Where it could not go on, and why.
    missed: Vec<(Place, Error)>,
    /// All nodes that it has, had, or leaves to others.
    nodes: Vec<String>,
    glob: Glob,
    count: u32,
    /// What [`fraction`](Walk::fraction) said last.
    told: f64,
}

/// Which keys a walk shows.
#[derive(Debug, Clone)]
pub(crate) struct Glob {
    pub(crate) pattern: Vec<u8>,
    /// Whether to drop what the pattern matches but the cache does not own.
    pub(crate) owned_only: bool,
}

/// The keys of one step, and where the next one begins.
#[derive(Debug, Default)]
pub(crate) struct Page {
    pub(crate) keys: KeyList,
    pub(crate) scanned: u64,
    next: u64,
    /// Those that were not shown, for they were done with before.
    passed: Vec<Mark>,
}

impl Walk {
    /// A walk from the beginning, or from where the cursor says.
    pub(crate) fn new(cache: &Cache, glob: Glob, count: u32, start: Option<&str>) -> Result<Walk> {
        let nodes = cache.shared.store.nodes(cache.budget())?;
        let ahead = match start {
            Some(text) => from(text, &nodes, cache.shared.store.as_ref())?,
            None => all(&nodes),
        };
        Ok(Walk {
            ahead,
            missed: Vec::new(),
            nodes,
            glob,
            count,
            told: 0.0,
        })
    }

    /// The place in words, for [`Walk::new`] to go on from; `None` at the end. What was missed stands last.
    pub(crate) fn place(&self) -> Option<String> {
        let current = self.ahead.front().filter(|place| !place.is_alone);
        let others = self.ahead.iter().filter(|place| place.is_alone);
        let missed = self.missed.iter().map(|(place, _)| place);
        place::words(current.into_iter().chain(others).chain(missed))
    }

    /// The node of the current page; `None` at the end.
    pub(crate) fn node(&self) -> Option<&str> {
        self.ahead.front().map(|place| place.node.as_str())
    }

    /// After a fault of the current node: it is passed over, or, when others have taken its place meanwhile, they are
    /// walked from their beginning, for a cursor counts for one server only. A fault that is no node's comes back.
    pub(crate) fn miss(&mut self, cache: &Cache, fault: Error) -> Result<()> {
        if self.is_replaced(cache) {
            return Ok(());
        }
        if fault.node().is_none() && !fault.is_unavailable() {
            return Err(fault);
        }
        if let Some(mut place) = self.ahead.pop_front() {
            place.is_alone = true;
            self.missed.push((place, fault));
        }
        Ok(())
    }

    /// Every node that was missed, with its reason, as one error.
    pub(crate) fn fault(&self) -> Option<Error> {
        let faults: Vec<Error> = self.missed.iter().map(|(_, fault)| fault.clone()).collect();
        Error::of_nodes(&faults)
    }

    fn is_replaced(&mut self, cache: &Cache) -> bool {
        let Ok(mut owners) = cache.shared.store.nodes(cache.budget()) else {
            return false;
        };
        let Some(gone) = self
            .node()
            .filter(|node| !owners.iter().any(|owner| owner == node))
        else {
            return false;
        };
        owners.retain(|owner| !self.nodes.contains(owner));
        if owners.is_empty() {
            return false;
        }
        let gone = gone.to_owned();
        self.nodes.retain(|node| *node != gone);
        self.nodes.extend(owners.iter().cloned());
        self.ahead.pop_front();
        self.ahead
            .extend(owners.into_iter().map(|node| Place::on(node, true)));
        true
    }

    /// Reads the current page, with the keys that `concerns` says yes to; `None` at the end. One round trip.
    pub(crate) fn page(
        &self,
        cache: &Cache,
        concerns: &dyn Fn(&str, &[u8]) -> Result<bool>,
    ) -> Result<Option<Page>> {
        let Some(place) = self.ahead.front() else {
            return Ok(None);
        };
        let step = ScanStep {
            node: &place.node,
            cursor: place.cursor,
            pattern: &self.glob.pattern,
            count: self.count,
        };
        let mut page = Page::default();
        let mut fault = None;
        page.next = cache.shared.store.scan(step, cache.budget(), &mut |key| {
            page.scanned += 1;
            if self.glob.owned_only && !cache.keys.owns(key) || cache.keys.is_lock(key) {
                return;
            }
            match concerns(&place.node, key) {
                Ok(true) => {}
                Ok(false) => return,
                Err(error) => fault = Some(error),
            }
            if place.is_past(key) {
                page.passed.push(mark(key));
                return;
            }
            if let Err(error) = page.keys.try_push_bytes(key) {
                fault = Some(error);
            }
        })?;
        fault.map_or(Ok(Some(page)), Err)
    }

    /// Remembers that these keys of the current page are done with, and stay.
    pub(crate) fn pass(&mut self, keys: &KeyList) {
        if let Some(place) = self.ahead.front_mut() {
            place.pass(keys);
        }
    }

    /// Goes behind a page.
    pub(crate) fn advance(&mut self, page: &Page) {
        if page.next == 0 {
            self.ahead.pop_front();
        } else if let Some(place) = self.ahead.front_mut() {
            place.advance(page.next, &page.passed);
        }
    }

    /// The part of the key space that lies behind, 0 to 1. It never goes back.
    pub(crate) fn fraction(&mut self, cache: &Cache) -> f64 {
        let all = self.nodes.len();
        let behind = all.saturating_sub(self.ahead.len()) as f64;
        let all = all.max(1) as f64;
        let at_least = (self.told * all - behind).clamp(0.0, 1.0);
        let within = match self.ahead.front().map_or(0, |place| place.cursor) {
            0 => 0.0,
            cursor => cache.shared.store.walked(cursor, at_least),
        };
        self.told = self.told.max((behind + within) / all);
        self.told
    }
}

fn all(nodes: &[String]) -> VecDeque<Place> {
    let places = nodes.iter().map(|node| Place::on(node.clone(), false));
    places.collect()
}

/// The places of a walk that goes on where another one stopped: the one in its turn and the nodes behind it, then those
/// that stand alone.
fn from(text: &str, nodes: &[String], store: &dyn Store) -> Result<VecDeque<Place>> {
    let refused = |why: String| {
        let text = format!("cursor `{text}`: {why}");
        Error::new(ErrorKind::InvalidArgument, text)
    };
    let Some(mut places) = place::read(text) else {
        let why = "only the cursor of a sweep that stopped is accepted";
        return Err(refused(why.into()));
    };
    if let Some(gone) = places.iter().find(|place| !nodes.contains(&place.node)) {
        // It owned keys once, and another one has taken over: which of these is not known.
        if store.knows(&gone.node) {
            return Ok(all(nodes));
        }
        let there_are = nodes.join(", ");
        return Err(refused(format!(
            "there is no such node; there are {there_are}"
        )));
    }
    let mut ahead = VecDeque::new();
    if places.first().is_some_and(|place| !place.is_alone) {
        let current = places.remove(0);
        let behind = nodes.iter().skip_while(|node| **node != current.node);
        let behind = behind
            .skip(1)
            .filter(|node| places.iter().all(|place| place.node != **node));
        let behind = behind.map(|node| Place::on(node.clone(), false));
        ahead.extend(behind);
        ahead.push_front(current);
    }
    ahead.extend(places);
    Ok(ahead)
}
