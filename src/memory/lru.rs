//! Numbered slots that remember the order of their use. A slot keeps its number for as long as its item lives, so
//! numbers can serve as cursors; the order is a list threaded through the slots by number, so that taking, using
//! and finding the least recently used are all O(1) and need no allocation of their own. An item may be taken out of the
//! order for a while, and keeps its slot.

/// The number of no slot: looking it up finds nothing, which is what ends the lists.
const NOWHERE: usize = usize::MAX;

/// What `newer` says of an item outside of the order: no slot either.
const PARKED: usize = usize::MAX - 1;

/// Items in numbered slots, from the most to the least recently used.
pub(crate) struct Lru<T> {
    slots: Vec<Slot<T>>,
    newest: usize,
    oldest: usize,
    /// The first of the empty slots; they are chained by `older`.
    vacant: usize,
}

struct Slot<T> {
    item: Option<T>,
    newer: usize,
    older: usize,
}

impl<T> Default for Lru<T> {
    fn default() -> Self {
        Lru {
            slots: Vec::new(),
            newest: NOWHERE,
            oldest: NOWHERE,
            vacant: NOWHERE,
        }
    }
}

impl<T> Lru<T> {
    /// How many slots there are, empty ones included: every number in use is smaller.
    pub(crate) fn slots(&self) -> usize {
        self.slots.len()
    }

    /// The least recently used slot of those in the order.
    pub(crate) fn oldest(&self) -> Option<usize> {
        (self.oldest != NOWHERE).then_some(self.oldest)
    }

    pub(crate) fn get(&self, number: usize) -> Option<&T> {
        self.slots.get(number)?.item.as_ref()
    }

    pub(crate) fn get_mut(&mut self, number: usize) -> Option<&mut T> {
        self.slots.get_mut(number)?.item.as_mut()
    }

    /// Puts `item` into an empty slot and says which; it is now the most recently used.
    pub(crate) fn insert(&mut self, item: T) -> usize {
        let number = match self.slots.get_mut(self.vacant) {
            Some(slot) => {
                slot.item = Some(item);
                std::mem::replace(&mut self.vacant, slot.older)
            }
            None => {
                self.slots.push(Slot {
                    item: Some(item),
                    newer: NOWHERE,
                    older: NOWHERE,
                });
                self.slots.len() - 1
            }
        };
        self.link_as_newest(number);
        number
    }

    /// Empties the slot.
    pub(crate) fn remove(&mut self, number: usize) -> Option<T> {
        let item = self.slots.get_mut(number)?.item.take()?;
        if !self.is_parked(number) {
            self.unlink(number);
        }
        if let Some(slot) = self.slots.get_mut(number) {
            slot.newer = NOWHERE;
            slot.older = std::mem::replace(&mut self.vacant, number);
        }
        Some(item)
    }

    /// Makes the item in this slot the most recently used.
    pub(crate) fn refresh(&mut self, number: usize) {
        let is_ordered = self.get(number).is_some() && !self.is_parked(number);
        if number != self.newest && is_ordered {
            self.unlink(number);
            self.link_as_newest(number);
        }
    }

    /// Takes the item in this slot out of the order.
    pub(crate) fn park(&mut self, number: usize) {
        if self.get(number).is_none() || self.is_parked(number) {
            return;
        }
        self.unlink(number);
        if let Some(slot) = self.slots.get_mut(number) {
            slot.newer = PARKED;
        }
    }

    /// Puts it back, as the most recently used.
    pub(crate) fn unpark(&mut self, number: usize) {
        if self.is_parked(number) {
            self.link_as_newest(number);
        }
    }

    fn is_parked(&self, number: usize) -> bool {
        self.slots
            .get(number)
            .is_some_and(|slot| slot.newer == PARKED)
    }

    fn unlink(&mut self, number: usize) {
        let Some(&Slot { newer, older, .. }) = self.slots.get(number) else {
            return;
        };
        match self.slots.get_mut(newer) {
            Some(slot) => slot.older = older,
            None => self.newest = older,
        }
        match self.slots.get_mut(older) {
            Some(slot) => slot.newer = newer,
            None => self.oldest = newer,
        }
    }

    fn link_as_newest(&mut self, number: usize) {
        let second = std::mem::replace(&mut self.newest, number);
        if let Some(slot) = self.slots.get_mut(number) {
            slot.newer = NOWHERE;
            slot.older = second;
        }
        match self.slots.get_mut(second) {
            Some(slot) => slot.newer = number,
            None => self.oldest = number,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;

    use proptest::prelude::*;

    use super::*;

    fn drained(mut lru: Lru<u32>) -> Vec<u32> {
        std::iter::from_fn(|| lru.oldest().and_then(|number| lru.remove(number))).collect()
    }

    #[test]
    fn the_oldest_is_the_one_unused_for_longest() {
        let mut lru = Lru::default();
        let numbers: Vec<usize> = (0..4).map(|item| lru.insert(item)).collect();
        lru.refresh(numbers[0]);
        lru.refresh(numbers[2]);
        lru.refresh(numbers[2]);
        assert_eq!(drained(lru), [1, 3, 0, 2]);
    }

    #[test]
    fn an_emptied_slot_is_used_again_and_finds_nothing_meanwhile() {
        let mut lru = Lru::default();
        let numbers: Vec<usize> = (0..3).map(|item| lru.insert(item)).collect();
        assert_eq!(lru.remove(numbers[1]), Some(1));
        assert_eq!(lru.remove(numbers[1]), None);
        assert_eq!(lru.get(numbers[1]), None);
        lru.refresh(numbers[1]);
        assert_eq!(lru.insert(7), numbers[1]);
        assert_eq!(lru.slots(), 3);
        assert_eq!(drained(lru), [0, 2, 7]);
    }

    #[test]
    fn what_is_parked_is_not_the_oldest_and_keeps_its_slot() {
        let mut lru = Lru::default();
        let numbers: Vec<usize> = (0..4).map(|item| lru.insert(item)).collect();
        lru.park(numbers[0]);
        lru.park(numbers[0]);
        lru.park(numbers[2]);
        lru.refresh(numbers[0]);
        assert_eq!(
            (lru.get(numbers[0]), lru.oldest()),
            (Some(&0), Some(numbers[1]))
        );
        assert_eq!(lru.remove(numbers[2]), Some(2));
        lru.unpark(numbers[2]);
        assert_eq!(lru.insert(7), numbers[2]);
        lru.unpark(numbers[0]);
        lru.unpark(numbers[0]);
        assert_eq!(drained(lru), [1, 3, 7, 0]);
    }

    proptest! {
        #[test]
        fn it_orders_like_a_queue_that_is_searched(steps in prop::collection::vec((0..3u8, 0..12usize), 0..200)) {
            let mut lru = Lru::default();
            let mut queue: VecDeque<(usize, u32)> = VecDeque::new();
            for (time, (step, number)) in (0u32..).zip(steps) {
                let place = queue.iter().position(|(slot, _)| *slot == number);
                match step {
                    0 => queue.push_back((lru.insert(time), time)),
                    1 => {
                        lru.refresh(number);
                        let found = place.and_then(|place| queue.remove(place));
                        queue.extend(found);
                    }
                    _ => prop_assert_eq!(lru.remove(number), place.and_then(|place| queue.remove(place)).map(|(_, item)| item)),
                }
            }
            prop_assert_eq!(drained(lru), queue.into_iter().map(|(_, item)| item).collect::<Vec<_>>());
        }
    }
}
