//! A walk over the keys of all nodes, page by page, that can stop anywhere and go on later. Sweeps and key listings
//! both read their pages here. Its cursor names the node, because every node counts for itself; when another one has
//! taken the place of that node, the walk begins there, or from the start, anew. A page that the walk stopped within is
//! read anew, and by then keys have left it and others come in: so the cursor tells which keys were dealt with, not how
//! many.

use std::collections::BTreeSet;

use crate::cache::Cache;
use crate::error::{Error, ErrorKind, Result};
use crate::store::{KeyList, ScanStep, Store};

/// Where a walk stands, and what it looks for.
#[derive(Debug)]
pub(crate) struct Walk {
    nodes: Vec<String>,
    glob: Glob,
    count: u32,
    node: usize,
    cursor: u64,
    /// The keys of this page that are done with, and stay.
    done: Vec<Mark>,
    /// Those that were done with before the walk went on here: of this page, or, when it has become shorter since, of the
    /// next one.
    before: BTreeSet<Mark>,
}

/// What a key is remembered by: FNV-1a, 64 bits (<https://datatracker.ietf.org/doc/html/draft-eastlake-fnv>).
type Mark = u64;

fn mark(key: &[u8]) -> Mark {
    key.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
    })
}

/// Marks in words: 16 hexadecimal digits each.
fn read_marks(text: &str) -> Option<BTreeSet<Mark>> {
    const DIGITS: usize = 16;
    if !text.len().is_multiple_of(DIGITS) {
        return None;
    }
    let marks = (0..text.len()).step_by(DIGITS).map(|start| {
        let digits = text.get(start..start + DIGITS)?;
        Mark::from_str_radix(digits, 16).ok()
    });
    marks.collect()
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
        let mut walk = Walk {
            nodes,
            glob,
            count,
            node: 0,
            cursor: 0,
            done: Vec::new(),
            before: BTreeSet::new(),
        };
        if let Some(text) = start {
            walk.go_to(text, cache.shared.store.as_ref())?;
        }
        Ok(walk)
    }

    fn go_to(&mut self, text: &str, store: &dyn Store) -> Result<()> {
        let refused = |why: String| {
            Error::new(
                ErrorKind::InvalidArgument,
                format!("cursor `{text}`: {why}"),
            )
        };
        let parts = text
            .split_once('@')
            .and_then(|(place, node)| Some((place.split_once('+')?, node)));
        let place = parts.and_then(|((cursor, marks), node)| {
            Some((cursor.parse().ok()?, read_marks(marks)?, node))
        });
        let Some((cursor, before, node)) = place else {
            return Err(refused(
                "only the cursor of a sweep that stopped is accepted".into(),
            ));
        };
        let Some(index) = self.nodes.iter().position(|name| name == node) else {
            // It owned keys once, and another one has taken over: which of these is not known.
            if store.knows(node) {
                return Ok(());
            }
            return Err(refused(format!(
                "there is no such node; there are {}",
                self.nodes.join(", ")
            )));
        };
        (self.node, self.cursor, self.before) = (index, cursor, before);
        Ok(())
    }

    /// The place in words, for [`Walk::new`] to go on from; `None` at the end.
    pub(crate) fn place(&self) -> Option<String> {
        let node = self.node()?;
        let marks = self.before.iter().chain(&self.done);
        let marks: String = marks.map(|mark| format!("{mark:016x}")).collect();
        Some(format!("{}+{marks}@{node}", self.cursor))
    }

    /// The node of the current page; `None` at the end.
    pub(crate) fn node(&self) -> Option<&str> {
        self.nodes.get(self.node).map(String::as_str)
    }

    /// After a fault: whether the node was replaced by others meanwhile. They are walked from their beginning, for a
    /// cursor counts for one server only.
    pub(crate) fn moves_on(&mut self, cache: &Cache) -> bool {
        let Ok(mut owners) = cache.shared.store.nodes(cache.budget()) else {
            return false;
        };
        if self
            .node()
            .is_none_or(|node| owners.iter().any(|owner| owner == node))
        {
            return false;
        }
        owners.retain(|owner| !self.nodes.contains(owner));
        if owners.is_empty() {
            return false;
        }
        self.nodes.remove(self.node);
        self.nodes.append(&mut owners);
        self.cursor = 0;
        self.done.clear();
        self.before.clear();
        true
    }

    /// Reads the current page, with the keys that `concerns` says yes to; `None` at the end. One round trip.
    pub(crate) fn page(
        &mut self,
        cache: &Cache,
        concerns: &dyn Fn(&str, &[u8]) -> Result<bool>,
    ) -> Result<Option<Page>> {
        loop {
            let page = self.node().map(|node| self.read(node, cache, concerns));
            match page.transpose() {
                Err(_) if self.moves_on(cache) => {}
                page => return page,
            }
        }
    }

    fn read(
        &self,
        node: &str,
        cache: &Cache,
        concerns: &dyn Fn(&str, &[u8]) -> Result<bool>,
    ) -> Result<Page> {
        let step = ScanStep {
            node,
            cursor: self.cursor,
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
            match concerns(node, key) {
                Ok(true) => {}
                Ok(false) => return,
                Err(error) => fault = Some(error),
            }
            if !self.before.is_empty() && self.before.contains(&mark(key)) {
                page.passed.push(mark(key));
                return;
            }
            page.keys.push_bytes(key);
        })?;
        fault.map_or(Ok(page), Err)
    }

    /// Remembers that these keys of the current page are done with, and stay.
    pub(crate) fn pass(&mut self, keys: &KeyList) {
        self.done.extend(keys.iter().map(|(_, key)| mark(key)));
    }

    /// Goes behind a page. What was done with before and was not met here may be on the next one; what is not met there
    /// either is gone.
    pub(crate) fn advance(&mut self, page: &Page) {
        self.done.clear();
        match page.passed.is_empty() {
            true => self.before.clear(),
            false => page.passed.iter().for_each(|mark| {
                self.before.remove(mark);
            }),
        }
        self.cursor = page.next;
        if self.cursor == 0 {
            self.node += 1;
            self.before.clear();
        }
    }

    /// The part of the key space that lies behind, 0 to 1.
    pub(crate) fn fraction(&self, cache: &Cache) -> f64 {
        let within = if self.cursor == 0 {
            0.0
        } else {
            cache.shared.store.walked(self.cursor)
        };
        (self.node as f64 + within) / self.nodes.len().max(1) as f64
    }
}
