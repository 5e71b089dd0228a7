//! Many keys in one call, and the results that tell about each: values in one piece of memory, faults as they
//! were, so that asking for an item gives its own status and text.

use super::boundary::*;
use super::client::*;
use super::operation::*;
use super::types::*;
use crate::cache::many::Items;
use crate::error::{Error, Result};

/// What a multi-key call says about each key, in the order of the keys. Freed with
/// redis_cache_results_free(). One thread at a time.
#[derive(Debug)]
pub struct redis_cache_results {
    values: Vec<u8>,
    items: Vec<Item>,
}

#[derive(Debug, Clone)]
enum Item {
    Absent,
    Done,
    Value { start: usize, len: usize },
    Failed(Error),
}

impl redis_cache_results {
    fn of(count: usize) -> Result<Self> {
        let mut items = Vec::new();
        items
            .try_reserve_exact(count)
            .map_err(|_| Error::no_memory("results", count.saturating_mul(size_of::<Item>())))?;
        items.resize(count, Item::Absent);
        Ok(Self {
            values: Vec::new(),
            items,
        })
    }

    #[inline]
    fn settle(&mut self, index: usize, item: Item) {
        if let Some(place) = self.items.get_mut(index) {
            *place = item;
        }
    }

    #[inline(always)]
    fn put_value(&mut self, index: usize, value: &[u8]) {
        let start = self.values.len();
        if self.values.capacity() - start < value.len()
            && let Err(error) = self.make_room(value.len(), self.items.len().saturating_sub(index))
        {
            return self.settle(index, Item::Failed(error));
        }
        self.values.extend_from_slice(value);
        self.settle(
            index,
            Item::Value {
                start,
                len: value.len(),
            },
        );
    }

    /// Values of one call are often of one length: room for `rest` like this one, within reason.
    #[cold]
    fn make_room(&mut self, len: usize, rest: usize) -> Result<()> {
        const MOST: usize = 1 << 20;
        let wanted = len.max(MOST.min(len.saturating_mul(rest)));
        self.values
            .try_reserve(wanted)
            .or_else(|_| self.values.try_reserve_exact(len))
            .map_err(|_| Error::no_memory("a value", len))
    }

    pub(super) fn of_values(items: Vec<Result<Option<Vec<u8>>>>) -> Result<Self> {
        let mut results = Self::of(items.len())?;
        for (index, item) in items.iter().enumerate() {
            let item = item.as_ref().map(Option::as_deref);
            results.put(index, item.map_err(Error::clone));
        }
        Ok(results)
    }

    /// One cause for all is the error of the call; otherwise each item has its own.
    pub(super) fn status(&self) -> Result<Status> {
        let mut faults = self.items.iter().filter_map(|item| match item {
            Item::Failed(error) => Some(error),
            _ => None,
        });
        let Some(first) = faults.next() else {
            return Ok(REDIS_CACHE_OK);
        };
        let alike = faults.filter(|error| error.kind() == first.kind()).count() + 1;
        if alike == self.items.len() {
            Err(first.clone())
        } else {
            Ok(REDIS_CACHE_PARTIAL)
        }
    }
}

impl Items for redis_cache_results {
    #[inline(always)]
    fn put(&mut self, index: usize, item: Result<Option<&[u8]>>) {
        match item {
            Ok(Some(value)) => self.put_value(index, value),
            Ok(None) => self.settle(index, Item::Absent),
            Err(error) => self.settle(index, Item::Failed(error)),
        }
    }
}

/// Reads many values: every node is asked only for its own keys, all of them at once. OK when
/// each key was found or not found, PARTIAL when some could not be asked for; `*out` then tells
/// about each and is freed with redis_cache_results_free(). When all failed for one reason it is
/// that error and `*out` is NULL. One round trip.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn redis_cache_get_many(
    cache: *const redis_cache,
    keys: *const redis_cache_slice,
    count: usize,
    out: *mut *mut redis_cache_results,
) -> redis_cache_status {
    operation(c"get_many", |call| {
        // SAFETY: the caller keeps the rules of the header.
        let (out, cache, keys) = unsafe {
            (
                self::out("out", out)?,
                call.client(cache)?,
                slices("keys", keys, count)?,
            )
        };
        let mut results = redis_cache_results::of(count)?;
        cache.get_many_with(keys, &mut results)?;
        let status = results.status()?;
        out.set(give(results));
        Ok(status)
    })
}

/// Writes many values, each in place of what was there. OK, or PARTIAL when some failed; `*out`,
/// unless `out` is NULL, then has an item for each entry, OK or its error, and is freed with
/// redis_cache_results_free(). When all failed for one reason it is that error. One round trip; a
/// second one removes the keys that a full server has refused, as redis_cache_set() does.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn redis_cache_set_many(
    cache: *const redis_cache,
    entries: *const redis_cache_entry,
    count: usize,
    ttl_ms: i64,
    out: *mut *mut redis_cache_results,
) -> redis_cache_status {
    operation(c"set_many", |call| {
        // SAFETY: the caller keeps the rules of the header.
        let (out, cache, entries) = unsafe {
            let out = optional_out(out);
            (out, call.client(cache)?, array("entries", entries, count)?)
        };
        for entry in entries {
            // SAFETY: as above.
            unsafe {
                (
                    slice("a key in `entries`", &entry.key)?,
                    slice("a value in `entries`", &entry.value)?,
                )
            };
        }
        // SAFETY: as above; each of them was looked at.
        let pairs = entries
            .iter()
            .map(|entry| unsafe { (known(&entry.key), known(&entry.value)) });
        let mut results = redis_cache_results::of(count)?;
        cache.set_many_with(pairs, expiry(ttl_ms), &mut |index, answer| {
            results.settle(index, answer.map_or_else(Item::Failed, |()| Item::Done));
        })?;
        let status = results.status()?;
        if let Some(out) = out {
            out.set(give(results));
        }
        Ok(status)
    })
}

/// Deletes many entries. OK, or PARTIAL when some keys could not be asked for; `*out_deleted`,
/// unless it is NULL, is how many there were. When all failed for one reason it is that error.
/// One round trip.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn redis_cache_delete_many(
    cache: *const redis_cache,
    keys: *const redis_cache_slice,
    count: usize,
    out_deleted: *mut u64,
) -> redis_cache_status {
    operation(c"delete_many", |call| {
        // SAFETY: the caller keeps the rules of the header.
        let (out, cache, keys) = unsafe {
            let out = optional_out(out_deleted);
            (out, call.client(cache)?, slices("keys", keys, count)?)
        };
        let mut results = redis_cache_results::of(count)?;
        let mut deleted = 0;
        cache.delete_many_with(keys, &mut |index, answer| {
            deleted += u64::from(matches!(answer, Ok(true)));
            results.settle(index, answer.map_or_else(Item::Failed, |_| Item::Done));
        })?;
        let status = results.status()?;
        if let Some(out) = out {
            out.set(deleted);
        }
        Ok(status)
    })
}

/// How many items there are: as many as keys were given. 0 for NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn redis_cache_results_len(results: *const redis_cache_results) -> usize {
    // SAFETY: the caller keeps the rules of the header.
    unsafe { results.as_ref() }.map_or(0, |results| results.items.len())
}

/// Item `index`: OK and its value in `*out`, which lives as long as the results; NOT_FOUND; or
/// the error that befell this key, and BUSY when somebody else computes it. An entry that was
/// written is OK with an empty value.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn redis_cache_results_get(
    results: *const redis_cache_results,
    index: usize,
    out: *mut redis_cache_slice,
) -> redis_cache_status {
    guard(|| {
        // SAFETY: the caller keeps the rules of the header.
        let (out, results) = unsafe { (self::out("out", out)?, borrow("results", results)?) };
        let value = match results.items.get(index) {
            Some(Item::Absent) => return Ok(REDIS_CACHE_NOT_FOUND),
            Some(Item::Failed(error)) => return Err(error.clone()),
            Some(Item::Done) => &[],
            Some(Item::Value { start, len }) => results
                .values
                .get(*start..*start + *len)
                .unwrap_or_default(),
            None => {
                return Err(invalid(format!(
                    "`index` is {index}, but there are {} results",
                    results.items.len()
                )));
            }
        };
        out.set(value.into());
        Ok(REDIS_CACHE_OK)
    })
}

/// Frees the results and the values in them; NULL is fine.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn redis_cache_results_free(results: *mut redis_cache_results) {
    // SAFETY: the caller keeps the rules of the header: NULL, or handed out and not freed yet.
    unsafe { take_back(results) }
}

/// # Safety
/// As for [`array`].
unsafe fn slice<'a>(name: &str, slice: &redis_cache_slice) -> Result<&'a [u8]> {
    // SAFETY: as promised by the caller.
    unsafe { bytes(name, slice.data, slice.len) }
}

/// A slice that was looked at before; what is NULL is empty.
///
/// # Safety
/// As for [`array`], and [`slice`] had nothing to say against it.
unsafe fn known<'a>(slice: &redis_cache_slice) -> &'a [u8] {
    // SAFETY: as promised by the caller.
    unsafe { self::slice("", slice) }.unwrap_or_default()
}

/// All keys of a call, each looked at before the first is used.
///
/// # Safety
/// As for [`array`], for the array and for each slice in it.
pub(super) unsafe fn slices<'a>(
    name: &str,
    keys: *const redis_cache_slice,
    count: usize,
) -> Result<impl ExactSizeIterator<Item = &'a [u8]>> {
    // SAFETY: as promised by the caller.
    let keys: &'a [redis_cache_slice] = unsafe { array(name, keys, count)? };
    for key in keys {
        // SAFETY: as promised by the caller.
        unsafe { slice("a key in `keys`", key)? };
    }
    // SAFETY: as promised by the caller; each of them was looked at.
    Ok(keys.iter().map(|key| unsafe { known(key) }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::ErrorKind;

    fn results(items: Vec<Item>) -> redis_cache_results {
        redis_cache_results {
            values: b"value".to_vec(),
            items,
        }
    }

    fn failed(kind: ErrorKind) -> Item {
        Item::Failed(Error::new(kind, "told"))
    }

    #[test]
    fn no_keys_at_all_are_fine() {
        assert_eq!(results(vec![]).status().unwrap(), REDIS_CACHE_OK);
    }

    #[test]
    fn some_failures_are_partial_and_one_cause_for_all_is_the_error() {
        let io = || failed(ErrorKind::Io);
        assert_eq!(
            results(vec![io(), Item::Absent]).status().unwrap(),
            REDIS_CACHE_PARTIAL
        );
        assert_eq!(
            results(vec![io(), io()]).status().unwrap_err().kind(),
            ErrorKind::Io
        );
        let mixed = results(vec![io(), failed(ErrorKind::Timeout)]);
        assert_eq!(mixed.status().unwrap(), REDIS_CACHE_PARTIAL);
    }

    #[test]
    fn each_item_has_its_own_status() {
        let items = vec![
            Item::Value { start: 1, len: 3 },
            Item::Absent,
            failed(ErrorKind::Timeout),
            Item::Done,
        ];
        let results = results(items);
        let mut slice = redis_cache_slice::from(&b"before"[..]);
        let mut ask = |index| {
            // SAFETY: both live here.
            let status =
                unsafe { redis_cache_results_get(&raw const results, index, &raw mut slice) };
            // SAFETY: what a call stored there, NULL with 0 otherwise.
            (
                status,
                unsafe { bytes("slice", slice.data, slice.len) }.unwrap(),
            )
        };
        assert_eq!(ask(0), (REDIS_CACHE_OK, &b"alu"[..]));
        assert_eq!(ask(1), (REDIS_CACHE_NOT_FOUND, &b""[..]));
        assert_eq!(ask(2), (REDIS_CACHE_ERR_TIMEOUT, &b""[..]));
        assert_eq!(last_text().to_str().unwrap(), "told");
        assert_eq!(ask(3), (REDIS_CACHE_OK, &b""[..]));
        assert_eq!(ask(4), (REDIS_CACHE_ERR_INVALID_ARGUMENT, &b""[..]));
        assert_eq!(
            last_text().to_str().unwrap(),
            "`index` is 4, but there are 4 results"
        );
    }
}
