//! The end of a `get_or_set` of many keys: what was made is stored in one pipeline a node for each right by which that
//! is done. Every one of them is a comparison.

use crate::cache::Cache;
use crate::error::Result;
use crate::expiry::Life;
use crate::store::{Head, KeyList, Stored, Token, Value};

use super::super::step::End;

/// By what right a loaded value is stored.
#[derive(Debug)]
pub(super) enum Right {
    Lease(Token),
    /// These bytes, in which no lease can stand, are still there.
    Swap(Vec<u8>),
    /// Nothing is there yet: `layout=plain` knows no leases.
    Add,
    /// It is not stored: the store is away (and does not even answer), or somebody else holds the lease.
    Nothing {
        is_silent: bool,
    },
}

/// What is to be stored: for each right, numbers, entries, and what they are compared with.
#[derive(Default)]
pub(super) struct Entries {
    /// With the number of the lease among those that are held.
    pub(super) by_lease: Part<(Token, usize)>,
    pub(super) by_swap: Part<Vec<u8>>,
    pub(super) by_add: Part<()>,
}

/// An entry, and the life of its key.
type Entry = (Head, Vec<u8>, Life);

pub(super) struct Part<R> {
    items: Vec<(usize, Entry, R)>,
}

impl<R> Default for Part<R> {
    fn default() -> Self {
        Part { items: Vec::new() }
    }
}

impl<R> Part<R> {
    pub(super) fn push(&mut self, number: usize, entry: Entry, right: R) {
        self.items.push((number, entry, right));
    }

    pub(super) fn numbers(&self) -> impl Iterator<Item = usize> + '_ {
        self.items.iter().map(|(number, _, _)| *number)
    }

    fn number(&self, index: usize) -> Option<usize> {
        self.items.get(index).map(|(number, _, _)| *number)
    }

    fn values(&self) -> Vec<(Value<'_>, Life)> {
        let values = self.items.iter().map(|(_, (head, body, life), _)| {
            let value = Value { head, body };
            (value, *life)
        });
        values.collect()
    }

    fn keys<'k>(&self, key_of: &impl Fn(usize) -> Option<&'k [u8]>) -> KeyList {
        let mut keys = KeyList::default();
        for number in self.numbers() {
            keys.push_bytes(key_of(number).unwrap_or_default());
        }
        keys
    }
}

impl Entries {
    pub(super) fn lease_of(&self, number: usize) -> Option<usize> {
        let mut leases = self.by_lease.items.iter();
        let found = leases.find(|(of, _, _)| *of == number);
        found.map(|(_, _, (_, lease))| *lease)
    }

    /// Stores all; `each` is told of every number once.
    pub(super) fn store<'k>(
        &self,
        cache: &Cache,
        key_of: impl Fn(usize) -> Option<&'k [u8]>,
        each: &mut dyn FnMut(usize, End),
    ) {
        let store = &cache.shared.store;
        let Entries {
            by_lease,
            by_swap,
            by_add,
        } = self;
        if !by_lease.items.is_empty() {
            let tokens: Vec<_> = by_lease
                .items
                .iter()
                .map(|(_, _, (token, _))| *token)
                .collect();
            let mut told = |index: usize, stored: Result<Stored>| {
                let end = cache.end_of_store(stored);
                by_lease
                    .number(index)
                    .into_iter()
                    .for_each(|number| each(number, end));
            };
            let (keys, values) = (by_lease.keys(&key_of), by_lease.values());
            store.fulfill_many(&keys, &tokens, &values, cache.budget(), &mut told);
        }
        if !by_swap.items.is_empty() {
            let olds: Vec<_> = by_swap
                .items
                .iter()
                .map(|(_, _, old)| old.as_slice())
                .collect();
            let mut told = |index: usize, swapped: Result<bool>| {
                let end = cache.end_of(swapped);
                by_swap
                    .number(index)
                    .into_iter()
                    .for_each(|number| each(number, end));
            };
            let (keys, values) = (by_swap.keys(&key_of), by_swap.values());
            store.swap_many(&keys, &olds, &values, cache.budget(), &mut told);
        }
        if !by_add.items.is_empty() {
            let mut told = |index: usize, added: Result<bool>| {
                let end = cache.end_of(added);
                by_add
                    .number(index)
                    .into_iter()
                    .for_each(|number| each(number, end));
            };
            let (keys, values) = (by_add.keys(&key_of), by_add.values());
            store.add_many(&keys, &values, cache.budget(), &mut told);
        }
    }
}
