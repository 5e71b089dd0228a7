//! One batch of a rewriting sweep: read, rewritten, replaced. Values are let go of when there are too many bytes of
//! them, and read again in smaller portions.

use std::ops::Range;

use crate::base::room;
use crate::cache::Cache;
use crate::error::Result;
use crate::expiry::Clock;
use crate::groups::sweep::Part;
use crate::store::{Change, Head, KeyList, Value};

use super::form::Rewritten;

/// Bytes of old entries, and of new ones, that are held at a time; a single larger one is held alone.
const MOST_BYTES: usize = 4 << 20;
/// Keys of the first portion: nothing is known yet of the size of their values.
const FIRST: usize = 250;

/// Whether an entry may have to be rewritten, at the clock of its node.
pub(crate) type Concerns<'a> = dyn Fn(&[u8], Clock) -> bool + 'a;
/// What becomes of an entry, by its wire key and its bytes.
pub(crate) type Rewrite<'a> = dyn FnMut(&[u8], &[u8]) -> Result<Rewritten> + 'a;

/// The batches of a sweep.
pub(crate) struct Batches<'a> {
    cache: &'a Cache,
    concerns: &'a Concerns<'a>,
    rewrite: &'a mut Rewrite<'a>,
    /// No entry may be dealt with twice when a sweep is resumed.
    once: bool,
    /// Keys of a portion that is read at once.
    portion: usize,
}

impl<'a> Batches<'a> {
    pub(crate) fn new(
        cache: &'a Cache,
        concerns: &'a Concerns<'a>,
        rewrite: &'a mut Rewrite<'a>,
        once: bool,
    ) -> Self {
        Batches {
            cache,
            concerns,
            rewrite,
            once,
            portion: FIRST,
        }
    }

    /// Rewrites what is under these keys of a node.
    pub(crate) fn change(
        &mut self,
        node: &str,
        keys: &KeyList,
        dry_run: bool,
        part: &mut Part,
    ) -> Result<()> {
        let mut from = 0;
        while from < keys.len() {
            let mut open = keys.part(from, self.portion);
            from += open.len();
            while open.len() > 0 {
                let portion = open.part(0, self.portion);
                let (held, mut left) = self.read(node, &portion)?;
                self.adapt(&held, left.len());
                self.deal_with(node, held, dry_run, part)?;
                let rest = open.part(portion.len(), usize::MAX);
                rest.iter().for_each(|(_, key)| left.push_bytes(key));
                open = left;
            }
        }
        Ok(())
    }

    /// The values that concern the sweep, and the keys of those for which there was no room.
    fn read(&self, node: &str, keys: &KeyList) -> Result<(Held, KeyList)> {
        let (mut held, mut left) = (Held::default(), KeyList::default());
        let mut fault = Ok(());
        let store = &self.cache.shared.store;
        store.read_at(
            node,
            keys,
            self.cache.budget(),
            &mut |place, value, clock| match value {
                Ok(Some(stored)) if (self.concerns)(stored, clock) => {
                    let Some(key) = keys.get(place) else { return };
                    let taken = match held.has_room(stored.len()) {
                        true => held.take(key, stored),
                        false => left.try_push_bytes(key),
                    };
                    fault = std::mem::replace(&mut fault, Ok(())).and(taken);
                }
                Ok(_) => {}
                Err(error) => fault = fault.clone().and(Err(error)),
            },
        );
        fault.map(|()| (held, left))
    }

    fn adapt(&mut self, held: &Held, left: usize) {
        if left > 0 {
            self.portion = held.spans.len().max(1);
        } else if held.bytes.len() < MOST_BYTES / 4 {
            self.portion = self.portion.saturating_mul(2);
        }
    }

    /// Rewrites what is held.
    fn deal_with(&mut self, node: &str, held: Held, dry_run: bool, part: &mut Part) -> Result<()> {
        let mut made = Made::default();
        for (place, key) in held.keys.iter() {
            let stored = held.value(place);
            match (self.rewrite)(key, stored)? {
                Rewritten::Kept => {
                    self.pass(key, dry_run, part);
                    continue;
                }
                Rewritten::Removed => made.add(key, stored, None),
                Rewritten::As(head, body) => made.add(key, stored, Some((head, body))),
            }
            if made.bytes >= MOST_BYTES {
                let made = std::mem::take(&mut made);
                self.store(node, &made, dry_run, part)?;
            }
        }
        self.store(node, &made, dry_run, part)
    }

    /// The key has been dealt with.
    fn pass(&self, key: &[u8], dry_run: bool, part: &mut Part) {
        if self.once || dry_run {
            part.once.push_bytes(key);
        }
    }

    fn store(&self, node: &str, made: &Made<'_>, dry_run: bool, part: &mut Part) -> Result<()> {
        if dry_run {
            part.leave(&made.keys);
        }
        if dry_run || made.keys.len() == 0 {
            return Ok(());
        }
        let changes: Vec<Change<'_>> = made.entries.iter().map(Entry::change).collect();
        let mut fault = Ok(());
        let store = &self.cache.shared.store;
        store.replace_at(
            node,
            &made.keys,
            &changes,
            self.cache.budget(),
            &mut |item, done| match done {
                Ok(done) => {
                    part.matched += 1;
                    part.changed += u64::from(done);
                    self.pass(made.keys.get(item).unwrap_or_default(), dry_run, part);
                }
                Err(error) => fault = fault.clone().and(Err(error)),
            },
        );
        fault
    }
}

/// Old entries.
#[derive(Default)]
struct Held {
    keys: KeyList,
    bytes: Vec<u8>,
    spans: Vec<Range<usize>>,
}

impl Held {
    fn has_room(&self, len: usize) -> bool {
        self.spans.is_empty() || self.bytes.len() + len <= MOST_BYTES
    }

    fn take(&mut self, key: &[u8], stored: &[u8]) -> Result<()> {
        let start = self.bytes.len();
        room::append(&mut self.bytes, stored, "a value")?;
        self.keys.try_push_bytes(key)?;
        self.spans.push(start..self.bytes.len());
        Ok(())
    }

    fn value(&self, place: usize) -> &[u8] {
        let span = self.spans.get(place).cloned();
        span.and_then(|span| self.bytes.get(span))
            .unwrap_or_default()
    }
}

/// New ones, beside the old.
#[derive(Default)]
struct Made<'h> {
    keys: KeyList,
    entries: Vec<Entry<'h>>,
    bytes: usize,
}

struct Entry<'h> {
    old: &'h [u8],
    new: Option<(Head, Vec<u8>)>,
}

impl Entry<'_> {
    fn change(&self) -> Change<'_> {
        let new = self.new.as_ref();
        Change {
            old: self.old,
            new: new.map(|(head, body)| Value { head, body }),
        }
    }
}

impl<'h> Made<'h> {
    fn add(&mut self, key: &[u8], old: &'h [u8], new: Option<(Head, Vec<u8>)>) {
        self.bytes += new.as_ref().map_or(0, |(_, body)| body.len());
        self.keys.push_bytes(key);
        self.entries.push(Entry { old, new });
    }
}
