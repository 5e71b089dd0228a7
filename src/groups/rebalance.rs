//! Changing the servers of a cache: the same cache over another list of them, and the sweep that moves entries to
//! where a ring wants them.

use crate::cache::Cache;
use crate::error::Result;
use crate::groups::sweep::Sweep;
use crate::groups::swept::Swept;

impl Cache {
    /// This cache over other locations: the same options, functions, version and keys. Connections and counters are
    /// its own. When the list of a ring changes, [`rebalance`](Cache::rebalance) moves the entries; give the nodes
    /// names, or the same addresses as before, for it is names that a ring places by. No network.
    ///
    /// ```
    /// # fn main() -> redis_cache::Result<()> {
    /// use redis_cache::Cache;
    ///
    /// let three = Cache::open("redis://h1?prefix=app,redis://h2,redis://h3")?;
    /// let four = three.with_nodes(["redis://h1", "redis://h2", "redis://h3", "redis://h4"])?;
    /// assert_eq!(four.make_key("k")?, three.make_key("k")?);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// As [`Config::connect`](crate::Config::connect).
    pub fn with_nodes(
        &self,
        locations: impl IntoIterator<Item = impl AsRef<str>>,
    ) -> Result<Cache> {
        let mut config = self.shared.config.without_servers();
        for location in locations {
            config.add_server(location.as_ref(), None, 1)?;
        }
        Ok(config.connect()?.version(self.current_version()))
    }

    /// Moves every entry of this cache that lies on another node than its ring places it, and counts those that
    /// left. A [`Sweep`] without bounds; see [`Sweep::rebalance`] for round trips and errors.
    pub fn rebalance(&self) -> Result<u64> {
        Ok(self.sweep_all().rebalance()?.changed)
    }
}

impl Sweep<'_> {
    /// Moves the entries of the group that lie on another node than the ring places them: what is left to do after a
    /// server was added. A dry run counts them. Only a ring has such entries.
    ///
    /// An entry is copied with its lifetime, to the millisecond, and removed where it was only then, and only if it
    /// was not written meanwhile: nothing is lost, and a second copy remains only when somebody dies in between. What
    /// is at the destination already wins, and the old copy goes. Run it when every program uses the new list; until
    /// it is done, entries that have not been moved yet are misses. A SCAN a page; four exchanges a window of at most
    /// 256 entries or about 4 MiB.
    ///
    /// # Errors
    /// As [`delete`](Sweep::delete): nodes that fail are passed over and named in the end, those that entries could not be
    /// moved from for the sake of another one too. What was moved stays moved.
    pub fn rebalance(self) -> Result<Swept> {
        let cache = self.cache;
        self.rebalance_to(cache)
    }

    /// The same, but to where the ring of `to` places them. This empties nodes that leave: sweep the old cache, whose
    /// list still has them, to the new one ([`with_nodes`](Cache::with_nodes)).
    ///
    /// # Errors
    /// As [`rebalance`](Sweep::rebalance); also when `to` is an embedded store.
    pub fn rebalance_to(self, to: &Cache) -> Result<Swept> {
        let (cache, target) = (self.cache, to.shared.store.as_ref());
        let moved = self.run(
            &|node, key| target.is_misplaced(node, key),
            &mut |node, keys, dry_run, part| {
                if dry_run {
                    part.leave(keys);
                    return Ok(());
                }
                let left = cache
                    .shared
                    .store
                    .export(node, keys, target, &|| cache.budget())?;
                part.gone(keys, left);
                Ok(())
            },
        );
        cache.report(moved)
    }
}
