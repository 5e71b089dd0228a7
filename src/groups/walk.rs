//! A walk over the keys of all nodes, page by page, that can stop anywhere and go on later. Sweeps and key listings
//! both read their pages here. Its cursor names the node, because every node counts for itself; when another one has
//! taken the place of that node, the walk begins there, or from the start, anew.

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
    /// Keys of this page that were dealt with and are still there.
    skip: usize,
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
            skip: 0,
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
        let numbers = parts.and_then(|((cursor, skip), node)| {
            Some((cursor.parse().ok()?, skip.parse().ok()?, node))
        });
        let Some((cursor, skip, node)) = numbers else {
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
        (self.node, self.cursor, self.skip) = (index, cursor, skip);
        Ok(())
    }

    /// The place in words, for [`Walk::new`] to go on from; `None` at the end.
    pub(crate) fn place(&self) -> Option<String> {
        let node = self.node()?;
        Some(format!("{}+{}@{node}", self.cursor, self.skip))
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
        (self.cursor, self.skip) = (0, 0);
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
        let (mut skip, mut fault) = (self.skip, None);
        page.next = cache.shared.store.scan(step, cache.budget(), &mut |key| {
            page.scanned += 1;
            if self.glob.owned_only && !cache.keys.owns(key) {
                return;
            }
            match concerns(node, key) {
                Ok(true) => {}
                Ok(false) => return,
                Err(error) => fault = Some(error),
            }
            if skip > 0 {
                skip -= 1;
                return;
            }
            page.keys.push_bytes(key);
        })?;
        fault.map_or(Ok(page), Err)
    }

    /// Remembers that so many keys of the current page are done with, and stay.
    pub(crate) fn pass(&mut self, keys: usize) {
        self.skip += keys;
    }

    /// Goes behind a page.
    pub(crate) fn advance(&mut self, page: &Page) {
        self.skip = 0;
        self.cursor = page.next;
        if self.cursor == 0 {
            self.node += 1;
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
