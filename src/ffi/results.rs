//! What a call on many keys tells about each: values in one piece of memory, faults as they were, so that asking for an item
//! gives its own status and text.

use super::boundary::*;
use super::types::*;
use crate::cache::many::Items;
use crate::error::{Error, Result};

/// What a multi-key call says about each key, in the order of the keys. Freed with
/// redis_cache_results_free(). One thread at a time.
#[derive(Debug)]
pub struct redis_cache_results {
    values: Vec<u8>,
    items: Vec<Item>,
    /// How many failed, and their errors as far as there was memory to keep them.
    failed: usize,
    errors: Vec<Error>,
}

#[derive(Debug, Clone, Copy)]
enum Item {
    Absent,
    Done,
    Value {
        start: usize,
        len: usize,
    },
    /// The error of this number; there was no memory for one that is not there.
    Failed(usize),
}

impl redis_cache_results {
    pub(super) fn of(count: usize) -> Result<Self> {
        let mut items = Vec::new();
        items
            .try_reserve_exact(count)
            .map_err(|_| Error::no_memory("results", count.saturating_mul(size_of::<Item>())))?;
        items.resize(count, Item::Absent);
        Ok(Self {
            values: Vec::new(),
            items,
            failed: 0,
            errors: Vec::new(),
        })
    }

    #[cold]
    fn fail(&mut self, index: usize, error: Error) {
        let mut number = usize::MAX;
        if self.errors.try_reserve(1).is_ok() {
            number = self.errors.len();
            self.errors.push(error);
        }
        self.failed += 1;
        self.settle(index, Item::Failed(number));
    }

    /// The error of this number.
    fn error(&self, number: usize) -> Error {
        let kept = self.errors.get(number).cloned();
        kept.unwrap_or_else(|| Error::no_memory("an error", size_of::<Error>()))
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
            return self.fail(index, error);
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

    /// The item came to its end without a value.
    pub(super) fn done(&mut self, index: usize, answer: Result<()>) {
        match answer {
            Ok(()) => self.settle(index, Item::Done),
            Err(error) => self.fail(index, error),
        }
    }

    /// One cause for all is the error of the call; otherwise each item has its own.
    pub(super) fn status(&self) -> Result<Status> {
        if self.failed == 0 {
            return Ok(REDIS_CACHE_OK);
        }
        if self.failed < self.items.len() {
            return Ok(REDIS_CACHE_PARTIAL);
        }
        let mut errors = self.items.iter().filter_map(|item| match item {
            Item::Failed(number) => Some(self.error(*number)),
            _ => None,
        });
        match errors.next() {
            Some(first) if errors.all(|error| error.kind() == first.kind()) => Err(first),
            _ => Ok(REDIS_CACHE_PARTIAL),
        }
    }
}

impl Items for redis_cache_results {
    #[inline(always)]
    fn put(&mut self, index: usize, item: Result<Option<&[u8]>>) {
        match item {
            Ok(Some(value)) => self.put_value(index, value),
            Ok(None) => self.settle(index, Item::Absent),
            Err(error) => self.fail(index, error),
        }
    }
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
            Some(Item::Failed(number)) => return Err(results.error(*number)),
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::ErrorKind;

    const VALUE: Item = Item::Value { start: 1, len: 3 };

    /// An item each: one that failed so, or one that did not.
    fn results(items: Vec<Result<Item, ErrorKind>>) -> redis_cache_results {
        let mut results = redis_cache_results::of(items.len()).unwrap();
        results.values = b"value".to_vec();
        for (index, item) in items.into_iter().enumerate() {
            match item {
                Ok(item) => results.settle(index, item),
                Err(kind) => results.fail(index, Error::new(kind, "told")),
            }
        }
        results
    }

    #[test]
    fn no_keys_at_all_are_fine() {
        assert_eq!(results(vec![]).status().unwrap(), REDIS_CACHE_OK);
    }

    #[test]
    fn some_failures_are_partial_and_one_cause_for_all_is_the_error() {
        let io = Err(ErrorKind::Io);
        assert_eq!(
            results(vec![io, Ok(Item::Absent)]).status().unwrap(),
            REDIS_CACHE_PARTIAL
        );
        assert_eq!(
            results(vec![io, io]).status().unwrap_err().kind(),
            ErrorKind::Io
        );
        let mixed = results(vec![io, Err(ErrorKind::Timeout)]);
        assert_eq!(mixed.status().unwrap(), REDIS_CACHE_PARTIAL);
    }

    #[test]
    fn each_item_has_its_own_status() {
        let items = vec![
            Ok(VALUE),
            Ok(Item::Absent),
            Err(ErrorKind::Timeout),
            Ok(Item::Done),
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
