//! One shard: its index, its two queues, and who goes.

use hashbrown::HashTable;

use super::bound::{Bound, Room};
use super::ghosts::Ghosts;
use super::locked::Victims;
use super::slots::{Line, Queue, Slot, Slots};
use super::{Full, Item};

/// The small queue has this part of a shard: one tenth, as in the paper.
const SMALL_PART: usize = 10;

/// The items of one shard and what the owner has beside them.
pub(super) struct Shard<V, E> {
    index: HashTable<Slot>,
    pub(super) slots: Slots<V>,
    small: Queue,
    main: Queue,
    ghosts: Ghosts,
    bytes: Bytes,
    pub(super) own: E,
}

/// The weight of the items in each line.
#[derive(Default)]
struct Bytes {
    small: usize,
    main: usize,
    parked: usize,
}

impl<V, E: Default> Default for Shard<V, E> {
    fn default() -> Self {
        Shard {
            index: HashTable::new(),
            slots: Slots::default(),
            small: Queue::default(),
            main: Queue::default(),
            ghosts: Ghosts::default(),
            bytes: Bytes::default(),
            own: E::default(),
        }
    }
}

impl<V: Item, E> Shard<V, E> {
    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.index.len()
    }

    /// The weight of all items.
    pub(super) fn used(&self) -> usize {
        self.bytes.small + self.bytes.main + self.bytes.parked
    }

    pub(super) fn find(&self, tag: u32, key: &[u8]) -> Option<Slot> {
        let is_it = |slot: &Slot| self.slots.get(*slot).is_some_and(|item| item.key() == key);
        self.index.find(spread(tag), is_it).copied()
    }

    pub(super) fn put(
        &mut self,
        tag: u32,
        item: V,
        room: &mut Room<'_>,
        victims: &mut Victims<V>,
        bound: &Bound,
    ) -> Result<Slot, Full> {
        let known = self.find(tag, item.key());
        // Out of its queue for the while, or it might make way for itself.
        let line = known.map(|slot| self.leave(slot, bound));
        let old = known.and_then(|slot| self.slots.get(slot));
        let old = old.map_or(0, Item::weight);
        let weight = item.weight();
        let made_way = self.make_way(old, weight, room, victims, bound);
        let slot = match known {
            Some(slot) => {
                if made_way.is_ok()
                    && let Some(place) = self.slots.get_mut(slot)
                {
                    victims.push(std::mem::replace(place, item));
                }
                slot
            }
            None => {
                made_way?;
                let slot = self.slots.insert(item, tag);
                let Shard { index, slots, .. } = self;
                index.insert_unique(spread(tag), slot, |slot| spread(slots.tag(*slot)));
                slot
            }
        };
        let comes_back = || {
            if self.ghosts.take(tag) {
                Line::Main
            } else {
                Line::Small
            }
        };
        let line = line.unwrap_or_else(comes_back);
        self.enter(slot, line, bound);
        made_way.map(|()| slot)
    }

    /// So that `bytes` may take the place of `old` ones, which are counted here and in no queue now. A shard that has
    /// far less than its share gives nothing: others have more.
    fn make_way(
        &mut self,
        old: usize,
        bytes: usize,
        room: &mut Room<'_>,
        victims: &mut Victims<V>,
        bound: &Bound,
    ) -> Result<(), Full> {
        let mut back = old + room.spend(bytes.saturating_sub(old));
        let mut gone = 0;
        while back != bytes && !bound.exchange(back, bytes) {
            let is_poor = self.used() + bytes < bound.share() / 8 * 7;
            match (!is_poor).then(|| self.evict(bound)).flatten() {
                Some(victim) => {
                    back += victim.weight();
                    gone += victim.weight();
                    victims.push(victim);
                }
                None => {
                    // The old item is counted as long as it stays, and what was set aside remains so.
                    room.add(back - old - gone);
                    bound.give_back(gone);
                    return Err(Full(bytes - (back - gone)));
                }
            }
        }
        Ok(())
    }

    /// S3-FIFO: takes out who goes next, if anybody does. Its bytes are still counted in the bound.
    pub(super) fn evict(&mut self, bound: &Bound) -> Option<V> {
        loop {
            let small_first = self.bytes.small * SMALL_PART >= self.bytes.small + self.bytes.main;
            let small = self.small.oldest();
            let first = small.filter(|_| small_first);
            let slot = first.or(self.main.oldest()).or(small)?;
            if self.slots.line(slot) == Line::Small {
                if self.slots.uses(slot, |_| 0) == 0 {
                    let tag = self.slots.tag(slot);
                    self.ghosts.add(tag, self.index.len());
                    return self.take(slot, bound);
                }
            } else if self.slots.uses(slot, |uses| uses.saturating_sub(1)) == 0 {
                return self.take(slot, bound);
            }
            self.leave(slot, bound);
            self.enter(slot, Line::Main, bound);
        }
    }

    /// Takes an item out. Its bytes are still counted in the bound.
    pub(super) fn take(&mut self, slot: Slot, bound: &Bound) -> Option<V> {
        self.slots.get(slot)?;
        self.leave(slot, bound);
        let tag = self.slots.tag(slot);
        if let Ok(entry) = self.index.find_entry(spread(tag), |at| *at == slot) {
            entry.remove();
        }
        self.slots.remove(slot)
    }

    pub(super) fn park(&mut self, slot: Slot, bound: &Bound) {
        if !self.slots.is_parked(slot) && self.slots.get(slot).is_some() {
            self.leave(slot, bound);
            self.enter(slot, Line::Parked, bound);
        }
    }

    pub(super) fn unpark(&mut self, slot: Slot, bound: &Bound) {
        if self.slots.is_parked(slot) && self.slots.get(slot).is_some() {
            self.leave(slot, bound);
            self.enter(slot, Line::Small, bound);
            self.slots.mark(slot);
        }
    }

    /// All items, which are taken out.
    pub(super) fn clear(&mut self, bound: &Bound) -> Vec<V> {
        bound.give_back(self.used());
        bound.unpark(self.bytes.parked);
        self.bytes = Bytes::default();
        self.index = HashTable::new();
        self.ghosts = Ghosts::default();
        (self.small, self.main) = (Queue::default(), Queue::default());
        self.slots.drain()
    }

    /// Takes an item out of its line, and says which that was.
    fn leave(&mut self, slot: Slot, bound: &Bound) -> Line {
        let weight = self.slots.get(slot).map_or(0, Item::weight);
        let line = self.slots.line(slot);
        match line {
            Line::Small => {
                self.bytes.small -= weight;
                self.small.remove(&mut self.slots, slot);
            }
            Line::Main => {
                self.bytes.main -= weight;
                self.main.remove(&mut self.slots, slot);
            }
            Line::Parked => {
                self.bytes.parked -= weight;
                bound.unpark(weight);
            }
        }
        line
    }

    /// Puts an item into a line, at its end.
    fn enter(&mut self, slot: Slot, line: Line, bound: &Bound) {
        let weight = self.slots.get(slot).map_or(0, Item::weight);
        match line {
            Line::Small => {
                self.bytes.small += weight;
                self.small.push(&mut self.slots, slot, line);
            }
            Line::Main => {
                self.bytes.main += weight;
                self.main.push(&mut self.slots, slot, line);
            }
            Line::Parked => {
                self.bytes.parked += weight;
                bound.park(weight);
            }
        }
    }
}

/// The hash for the index: its place is found by the lower bits, and told from others by the upper ones.
fn spread(tag: u32) -> u64 {
    u64::from(tag) << 32 | u64::from(tag)
}
