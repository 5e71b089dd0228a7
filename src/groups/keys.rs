//! The keys of a cache as an iterator, read page by page while the caller goes.

use crate::cache::Cache;
use crate::error::Result;
use crate::groups::walk::{Glob, Walk};
use crate::store::KeyList;

/// The caller's keys that match a glob: prefix and version are stripped (under a key function without a reverse
/// function they are wire keys). A key that exists during the whole walk is shown; while a server rehashes it may be
/// shown twice. Reads a page (one round trip) whenever the last one is used up. A node that fails is passed over: when the
/// keys of all others have been shown, the last item is the error that says which nodes failed, and why.
#[derive(Debug)]
pub struct Keys {
    cache: Cache,
    walk: Option<Walk>,
    page: KeyList,
    at: usize,
}

impl Cache {
    /// The keys of this version that match a glob (`*`, `?`, `[a-z]`, `\` escapes). One round trip a page.
    pub fn keys(&self, pattern: impl AsRef<[u8]>) -> Result<Keys> {
        let pattern = self.report(self.keys.pattern(pattern.as_ref()))?;
        let glob = Glob {
            pattern,
            owned_only: false,
        };
        let walk = self.report(Walk::new(self, glob, self.shared.options.scan_count, None))?;
        Ok(Keys {
            cache: self.clone(),
            walk: Some(walk),
            page: KeyList::default(),
            at: 0,
        })
    }
}

impl Iterator for Keys {
    type Item = Result<Vec<u8>>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if let Some(wire) = self.page.get(self.at) {
                self.at += 1;
                return Some(self.cache.report(self.cache.keys.user_key(wire)));
            }
            match self.turn_page() {
                Ok(true) => {}
                Ok(false) => return None,
                Err(error) => {
                    self.walk = None;
                    return Some(Err(error));
                }
            }
        }
    }
}

impl Keys {
    /// False at the end.
    fn turn_page(&mut self) -> Result<bool> {
        let Some(walk) = &mut self.walk else {
            return Ok(false);
        };
        while walk.node().is_some() {
            match walk.page(&self.cache, &|_, _| Ok(true)) {
                Ok(Some(page)) => {
                    walk.advance(&page);
                    (self.page, self.at) = (page.keys, 0);
                    return Ok(true);
                }
                Ok(None) => break,
                Err(fault) => self.cache.report(walk.miss(&self.cache, fault))?,
            }
        }
        self.cache.report(walk.fault().map_or(Ok(false), Err))
    }
}
