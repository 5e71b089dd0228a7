//! Changes of whole groups of keys as bounded jobs: SCAN with COUNT, UNLINK in batches, node after node. Never
//! KEYS, never one giant DEL, never a whole key list in memory. A sweep may stop early (by its limit, its time, or
//! its progress function) and then says where to go on. <https://redis.io/docs/latest/commands/scan/>

use std::fmt;
use std::ops::ControlFlow;
use std::time::{Duration, Instant};

use crate::cache::Cache;
use crate::error::Result;
use crate::groups::swept::{Progress, Swept};
use crate::groups::walk::{Glob, Walk};
use crate::store::KeyList;

/// What a job did with a batch of keys; also of one that it could not do all of.
#[derive(Debug, Default)]
pub(crate) struct Part {
    /// Keys that the job is about.
    pub(crate) matched: u64,
    /// Those of them that were changed.
    pub(crate) changed: u64,
    /// Those that a walk which stops within this page and goes on there must pass over: they are still there, and meeting
    /// them again would do harm.
    pub(crate) once: KeyList,
}

impl Part {
    /// What a dry run does with keys that are all to be changed.
    pub(crate) fn leave(&mut self, keys: &KeyList) {
        self.matched += keys.len() as u64;
        keys.iter().for_each(|(_, key)| self.once.push_bytes(key));
    }

    /// Keys that are no longer there, most of them because of the job.
    pub(crate) fn gone(&mut self, keys: &KeyList, changed: u64) {
        self.matched += keys.len() as u64;
        self.changed += changed;
    }
}

/// Where a walk is after a page.
enum Turned {
    Behind,
    Within,
}

/// A bounded walk over a group of keys; made by [`Cache::sweep`] and its siblings.
///
/// ```
/// use redis_cache::{Cache, Expiry};
/// use std::ops::ControlFlow;
/// use std::time::Duration;
///
/// # fn main() -> redis_cache::Result<()> {
/// let cache = Cache::open("memory://?prefix=app")?;
/// for n in 0..10 {
///     cache.set(format!("page:{n}"), "<h1>", Expiry::Default)?;
/// }
/// let swept = cache
///     .sweep("page:*")
///     .limit(4)
///     .time(Duration::from_secs(5))
///     .progress(|at| {
///         println!("{:.0} %, {} removed", at.fraction * 100.0, at.changed);
///         ControlFlow::Continue(())
///     })
///     .delete()?;
/// assert_eq!(swept.changed, 4);
///
/// let cursor = swept.cursor.expect("it has stopped early"); // a text, which may go to another process
/// assert_eq!(cache.sweep("page:*").resume(cursor).delete()?.changed, 6);
/// # Ok(())
/// # }
/// ```
#[must_use = "a sweep does nothing until it is told what to do, as with `.delete()`"]
pub struct Sweep<'a> {
    pub(crate) cache: &'a Cache,
    glob: Result<Glob>,
    limit: u64,
    time: Option<Duration>,
    scan_count: u32,
    batch: usize,
    dry_run: bool,
    progress: Option<Box<dyn FnMut(Progress) -> ControlFlow<()> + 'a>>,
    start: Option<String>,
}

impl Cache {
    /// A sweep over the keys of this version that match a glob (`*`, `?`, `[a-z]`, `\` escapes). No network yet.
    pub fn sweep(&self, pattern: impl AsRef<[u8]>) -> Sweep<'_> {
        Sweep::over(self, self.keys.pattern(pattern.as_ref()), false)
    }

    /// A sweep over all keys of this cache, in every version. A prefix that itself looks like `other:1:...` lies
    /// inside the cache with the prefix `other`. Under a key function it covers this version only. No network yet.
    pub fn sweep_all(&self) -> Sweep<'_> {
        Sweep::over(self, self.keys.everything(), true)
    }

    /// A sweep over all keys of one version. No network yet.
    pub fn sweep_version(&self, version: u64) -> Sweep<'_> {
        Sweep::over(self, self.keys.at_version(version).pattern(b"*"), false)
    }

    /// Removes the keys of this version that match a glob and counts them. A [`Sweep`] without bounds: a round trip for
    /// every `scan_count` keys of the database, and one a batch.
    ///
    /// # Errors
    /// As [`Sweep::delete`].
    pub fn delete_pattern(&self, pattern: impl AsRef<[u8]>) -> Result<u64> {
        Ok(self.sweep(pattern).delete()?.changed)
    }

    /// Removes all keys of this cache, in every version, and counts them. Other programs' keys stay. Round trips and errors
    /// as [`delete_pattern`](Cache::delete_pattern).
    pub fn clear(&self) -> Result<u64> {
        Ok(self.sweep_all().delete()?.changed)
    }

    /// Removes all keys of one version and counts them. Round trips and errors as
    /// [`delete_pattern`](Cache::delete_pattern).
    pub fn clear_version(&self, version: u64) -> Result<u64> {
        Ok(self.sweep_version(version).delete()?.changed)
    }
}

impl<'a> Sweep<'a> {
    fn over(cache: &'a Cache, pattern: Result<Vec<u8>>, owned_only: bool) -> Self {
        Sweep {
            cache,
            glob: pattern.map(|pattern| Glob {
                pattern,
                owned_only,
            }),
            limit: u64::MAX,
            time: None,
            scan_count: cache.shared.options.scan_count,
            batch: 1000,
            dry_run: false,
            progress: None,
            start: None,
        }
    }

    /// Stops after this many changed keys (in a dry run: matched keys). 0 is no limit.
    pub fn limit(mut self, keys: u64) -> Self {
        self.limit = if keys == 0 { u64::MAX } else { keys };
        self
    }

    /// Stops after this much time; the exchange under way is finished first.
    pub fn time(mut self, time: Duration) -> Self {
        self.time = Some(time);
        self
    }

    /// COUNT of every SCAN; the option `scan_count` unless given.
    pub fn scan_count(mut self, count: u32) -> Self {
        self.scan_count = count.max(1);
        self
    }

    /// How many keys one pipeline changes at most; 1000 unless given.
    pub fn batch(mut self, keys: u32) -> Self {
        self.batch = keys.max(1) as usize;
        self
    }

    /// Counts what would be changed, and changes nothing.
    pub fn dry_run(mut self, dry_run: bool) -> Self {
        self.dry_run = dry_run;
        self
    }

    /// Is told how far the sweep has come, after every batch and at the end, and may stop it.
    pub fn progress(mut self, told: impl FnMut(Progress) -> ControlFlow<()> + 'a) -> Self {
        self.progress = Some(Box::new(told));
        self
    }

    /// Goes on where an earlier sweep over the same group stopped: at its [`Swept::cursor`].
    pub fn resume(mut self, cursor: impl Into<String>) -> Self {
        self.start = Some(cursor.into());
        self
    }

    /// Removes the keys: a SCAN a page and an UNLINK pipeline a batch, each exchange bounded by `timeout`.
    ///
    /// # Errors
    /// A node that fails is passed over: the sweep does what is to do on all others, and then says which nodes failed
    /// and why, in one error of the kind of the first. What was removed stays removed.
    /// [`Error::swept`](crate::Error::swept) tells how much that was and where to go on, with those nodes only. Never hidden
    /// by `on_error`.
    pub fn delete(self) -> Result<Swept> {
        let cache = self.cache;
        let swept = self.run(&|_, _| Ok(true), &mut |node, keys, dry_run, part| {
            if dry_run {
                part.leave(keys);
                return Ok(());
            }
            let deleted = cache.shared.store.unlink(node, keys, cache.budget())?;
            cache.shared.counters.deletes.add(deleted);
            part.gone(keys, deleted);
            Ok(())
        });
        cache.report(swept)
    }

    /// The walk of every job. `concerns` says of a key and its node whether the job is about it; `change` is given a
    /// batch of such keys of one node, and whether this is a dry run, and tells what it did with them.
    pub(crate) fn run(
        mut self,
        concerns: &dyn Fn(&str, &[u8]) -> Result<bool>,
        change: &mut dyn FnMut(&str, &KeyList, bool, &mut Part) -> Result<()>,
    ) -> Result<Swept> {
        let ends = self.time.and_then(|time| Instant::now().checked_add(time));
        let glob = std::mem::replace(
            &mut self.glob,
            Ok(Glob {
                pattern: Vec::new(),
                owned_only: true,
            }),
        )?;
        let mut walk = Walk::new(self.cache, glob, self.scan_count, self.start.as_deref())?;
        let mut swept = Swept {
            scanned: 0,
            matched: 0,
            changed: 0,
            cursor: None,
        };
        'pages: while walk.node().is_some() {
            match self.turn_page(&mut walk, &mut swept, ends, concerns, change) {
                Ok(Turned::Behind) => {}
                Ok(Turned::Within) => break 'pages,
                Err(fault) => walk.miss(self.cache, fault)?,
            }
            if self.stops(&mut walk, &swept, ends) {
                break;
            }
        }
        swept.cursor = walk.place();
        match walk.fault() {
            Some(fault) if walk.node().is_none() => Err(fault.with_swept(swept)),
            _ => Ok(swept),
        }
    }

    /// One page: whether the walk is behind it then, or stops within it.
    fn turn_page(
        &mut self,
        walk: &mut Walk,
        swept: &mut Swept,
        ends: Option<Instant>,
        concerns: &dyn Fn(&str, &[u8]) -> Result<bool>,
        change: &mut dyn FnMut(&str, &KeyList, bool, &mut Part) -> Result<()>,
    ) -> Result<Turned> {
        let (Some(page), Some(node)) = (walk.page(self.cache, concerns)?, walk.node()) else {
            return Ok(Turned::Behind);
        };
        let node = node.to_owned();
        swept.scanned += page.scanned;
        let mut from = 0;
        while from < page.keys.len() {
            let done = if self.dry_run {
                swept.matched
            } else {
                swept.changed
            };
            let room = usize::try_from(self.limit.saturating_sub(done)).unwrap_or(usize::MAX);
            let batch = page.keys.part(from, self.batch.min(room));
            from += batch.len();
            let mut part = Part::default();
            let changed = change(&node, &batch, self.dry_run, &mut part);
            swept.matched += part.matched;
            swept.changed += part.changed;
            walk.pass(&part.once);
            changed?;
            if from < page.keys.len() && self.stops(walk, swept, ends) {
                return Ok(Turned::Within);
            }
        }
        walk.advance(&page);
        Ok(Turned::Behind)
    }

    fn stops(&mut self, walk: &mut Walk, swept: &Swept, ends: Option<Instant>) -> bool {
        let done = if self.dry_run {
            swept.matched
        } else {
            swept.changed
        };
        let fraction = walk.fraction(self.cache);
        let Swept {
            scanned,
            matched,
            changed,
            ..
        } = *swept;
        let told = self.progress.as_mut().map(|told| {
            told(Progress {
                scanned,
                matched,
                changed,
                fraction,
            })
        });
        told.is_some_and(|told| told.is_break())
            || done >= self.limit
            || ends.is_some_and(|ends| Instant::now() >= ends)
    }
}

impl fmt::Debug for Sweep<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sweep")
            .field("glob", &self.glob)
            .field("limit", &self.limit)
            .finish_non_exhaustive()
    }
}
