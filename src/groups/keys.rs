//! The keys of a cache as an iterator, read page by page while the caller goes.

use std::collections::BTreeSet;

use crate::cache::Cache;
use crate::config::Layout;
use crate::entry;
use crate::error::Result;
use crate::groups::walk::{Glob, Walk};
use crate::store::KeyList;

/// The caller's keys that match a glob: prefix and version are stripped (under a key function without a reverse
/// function they are wire keys). Shown is what [`has_key`](Cache::has_key) says yes to: neither locks, nor what is known
/// to be absent, has expired softly or is only leased. A key that exists during the whole walk is shown; while a server
/// rehashes it may be shown twice. Reads a page whenever the last one is used up: two round trips, the keys and how their
/// values begin (which from Redis 7.2 on is no use of them for the server's eviction); one with `layout=plain`. A node
/// that fails is passed over: when the keys of all others have been shown, the last item is the error that says which nodes
/// failed, and why.
#[derive(Debug)]
pub struct Keys {
    cache: Cache,
    walk: Option<Walk>,
    page: KeyList,
    at: usize,
}

impl Cache {
    /// The keys of this version that match a glob (`*`, `?`, `[a-z]`, `\` escapes). Two round trips a page of
    /// `scan_count` keys, none before the first key is asked for.
    ///
    /// ```
    /// use redis_cache::{Cache, Expiry};
    ///
    /// # fn main() -> redis_cache::Result<()> {
    /// let cache = Cache::open("memory://?prefix=app")?;
    /// cache.set("user:7", "Ada", Expiry::Default)?;
    /// cache.set("page:1", "<h1>", Expiry::Default)?;
    /// for key in cache.keys("user:*")? {
    ///     assert_eq!(key?, b"user:7");
    /// }
    /// # Ok(())
    /// # }
    /// ```
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
        let (cache, Some(walk)) = (&self.cache, &mut self.walk) else {
            return Ok(false);
        };
        while let Some(node) = walk.node() {
            let page = walk.page(cache, &|_, _| Ok(true));
            let page = page.and_then(|page| match page {
                Some(page) => Ok(Some((living(cache, node, &page.keys)?, page))),
                None => Ok(None),
            });
            match page {
                Ok(Some((shown, page))) => {
                    walk.advance(&page);
                    (self.page, self.at) = (shown.unwrap_or(page.keys), 0);
                    return Ok(true);
                }
                Ok(None) => break,
                Err(fault) => cache.report(walk.miss(cache, fault))?,
            }
        }
        cache.report(walk.fault().map_or(Ok(false), Err))
    }
}

/// Those of the keys under which a read would find a value; `None`: all.
fn living(cache: &Cache, node: &str, keys: &KeyList) -> Result<Option<KeyList>> {
    let options = &cache.shared.options;
    // Without headers there is nothing that would tell.
    if options.layout == Layout::Plain || keys.len() == 0 {
        return Ok(None);
    }
    let (mut dead, mut fault) = (BTreeSet::new(), None);
    let mut each = |place: usize, head: Result<&[u8]>, clock| match head {
        Ok(head) if entry::is_live(options, head, clock) => {}
        Ok(_) => drop(dead.insert(place)),
        Err(error) => fault = Some(error),
    };
    let store = &cache.shared.store;
    store.heads_at(node, keys, cache.budget(), &mut each);
    if let Some(fault) = fault {
        return Err(fault);
    }
    if dead.is_empty() {
        return Ok(None);
    }
    let mut shown = KeyList::default();
    let live = keys.iter().filter(|(place, _)| !dead.contains(place));
    live.for_each(|(_, key)| shown.push_bytes(key));
    Ok(Some(shown))
}
