//! Entries in an old form, rewritten in the configured one: a walk over the cache that reads each batch, makes the new
//! entries, and puts them where the old ones are, unless somebody else wrote there meanwhile. What the new form of an
//! entry is stands in `form`. At any time there is one batch of old entries in memory and one of new ones.

pub(crate) mod batch;
pub(crate) mod form;

use std::error::Error as StdError;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::cache::Cache;
use crate::entry;
use crate::error::{Error, Result};
use crate::groups::sweep::Sweep;
use crate::groups::swept::Swept;

use batch::Batches;
use form::Rewritten;

/// What is to become of an entry; see [`Cache::reinsert_keys_with`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Rewrite {
    /// It stays as it is.
    Keep,
    /// These bytes take its place, with its lifetime.
    Replace(Vec<u8>),
    /// It is removed.
    Delete,
}

impl Cache {
    /// Rewrites every entry of this cache, in all versions, whose codec, compressor or header is not the configured
    /// one, and counts them. A [`Sweep`] without bounds; see [`Sweep::reinsert`] for round trips and errors.
    pub fn reinsert_keys(&self) -> Result<u64> {
        Ok(self.sweep_all().reinsert()?.changed)
    }

    /// The same for values of one type, which are taken from any codec to the configured one; see
    /// [`Sweep::reinsert_as`].
    pub fn reinsert_keys_as<T: Serialize + DeserializeOwned>(&self) -> Result<u64> {
        Ok(self.sweep_all().reinsert_as::<T>()?.changed)
    }

    /// Shows every live value of this cache, in all versions, to a function that may replace or remove it, and counts
    /// what was changed; see [`Sweep::reinsert_with`].
    ///
    /// ```
    /// # fn main() -> redis_cache::Result<()> {
    /// use redis_cache::{Cache, Expiry, Rewrite};
    ///
    /// let cache = Cache::open("memory://")?;
    /// cache.set_bytes("greeting", b"hello", Expiry::Default)?;
    /// let changed = cache.reinsert_keys_with(|key, value| {
    ///     Ok::<_, String>(match key {
    ///         b"greeting" => Rewrite::Replace(value.to_ascii_uppercase()),
    ///         _ => Rewrite::Keep,
    ///     })
    /// })?;
    /// assert_eq!(changed, 1);
    /// assert_eq!(cache.get_bytes("greeting")?.as_deref(), Some(&b"HELLO"[..]));
    /// # Ok(())
    /// # }
    /// ```
    pub fn reinsert_keys_with<E>(
        &self,
        rewrite: impl FnMut(&[u8], &[u8]) -> Result<Rewrite, E>,
    ) -> Result<u64>
    where
        E: Into<Box<dyn StdError + Send + Sync>>,
    {
        Ok(self.sweep_all().reinsert_with(rewrite)?.changed)
    }
}

impl Sweep<'_> {
    /// Rewrites the entries of the group whose codec, compressor or header is not the configured one. JSON and
    /// MessagePack become each other; payloads of other codecs, and raw bytes, stay what they are and are only
    /// compressed anew. A dry run counts the entries.
    ///
    /// Lifetime, soft expiry, stale window and a lease that somebody holds are kept, and whoever writes at the same
    /// time wins. Passed over are integers, values of other programs, other data types, keys that are only leased or
    /// known to be absent, and what cannot be read. Two exchanges a batch, and a SCAN a page. From Redis 7.2 on what is only
    /// read is none the more used for the server's eviction.
    ///
    /// # Errors
    /// As [`delete`](Sweep::delete): nodes that fail are passed over and named in the end. What was rewritten stays so.
    pub fn reinsert(self) -> Result<Swept> {
        let options = &self.cache.shared.options;
        let mut rewrite = |_: &[u8], stored: &[u8]| form::configured(options, stored, |_, _| None);
        self.rewrite(
            &|stored, _| form::may_differ(options, stored),
            &mut rewrite,
            false,
        )
    }

    /// The same, and payloads of any codec that decode as `T` are encoded by the configured one. Raw bytes stay raw.
    ///
    /// # Errors
    /// As [`reinsert`](Sweep::reinsert).
    pub fn reinsert_as<T: Serialize + DeserializeOwned>(self) -> Result<Swept> {
        let options = &self.cache.shared.options;
        let typed = |codec: u8, payload: &[u8]| form::through_type::<T>(options, codec, payload);
        let mut rewrite = |_: &[u8], stored: &[u8]| form::configured(options, stored, typed);
        self.rewrite(
            &|stored, _| form::may_differ(options, stored),
            &mut rewrite,
            false,
        )
    }

    /// Shows every live value of the group to `rewrite`: its key, as [`Cache::keys`] tells it (that of another version
    /// is the wire key), and its payload, whatever the codec: digits of integers and values of other programs too. What
    /// replaces it is stored as [`set_bytes`](Cache::set_bytes) would, but with the lifetime it has; whoever writes at
    /// the same time wins. A value that cannot be decompressed is passed over. A dry run counts what would be changed. While
    /// a server rehashes, an entry may be shown twice.
    ///
    /// # Errors
    /// As [`reinsert`](Sweep::reinsert); an error of `rewrite` ends the sweep at once. An entry whose replacement was sent
    /// and never answered is shown again by a sweep that goes on.
    pub fn reinsert_with<E>(
        self,
        mut rewrite: impl FnMut(&[u8], &[u8]) -> Result<Rewrite, E>,
    ) -> Result<Swept>
    where
        E: Into<Box<dyn StdError + Send + Sync>>,
    {
        let (options, keys) = (&self.cache.shared.options, &self.cache.keys);
        let is_live = |stored: &[u8], clock| entry::is_live(options, stored, clock);
        let mut rewrite = |wire: &[u8], stored: &[u8]| {
            let Some(payload) = form::payload(options, stored)? else {
                return Ok(Rewritten::Kept);
            };
            let key = keys.user_key(wire)?;
            match rewrite(&key, &payload).map_err(Error::callback)? {
                Rewrite::Keep => Ok(Rewritten::Kept),
                Rewrite::Delete => Ok(Rewritten::Removed),
                Rewrite::Replace(bytes) => form::of_bytes(options, stored, bytes),
            }
        };
        self.rewrite(&is_live, &mut rewrite, true)
    }

    /// `once`: an entry that was dealt with must not be met again by a sweep that goes on where this one stopped.
    fn rewrite(
        self,
        concerns: &batch::Concerns<'_>,
        rewrite: &mut batch::Rewrite<'_>,
        once: bool,
    ) -> Result<Swept> {
        let cache = self.cache;
        let mut batches = Batches::new(cache, concerns, rewrite, once);
        let swept = self.run(&|_, _| Ok(true), &mut |node, keys, dry_run, part| {
            batches.change(node, keys, dry_run, part)
        });
        cache.report(swept)
    }
}
