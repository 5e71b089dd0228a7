//! Numbered slots, and queues threaded through them by number. A slot keeps its number for as long as its item lives, so
//! numbers can serve as cursors. Slots stand in blocks that are never moved: growing copies nothing and leaves no slack.

/// The number of no slot: looking it up finds nothing, which is what ends the lists.
const NOWHERE: u32 = u32::MAX;

/// Slots in a block, as a power of two. A small map does not even fill its first one, which grows as a `Vec` does.
const BLOCK: u32 = 8;

/// How many uses are remembered.
const MOST_USES: u8 = 3;

/// The place of an item, for as long as it stands there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Slot(pub(crate) u32);

/// In which queue an item stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Line {
    /// Those that came lately.
    Small,
    /// Those that were used since.
    Main,
    /// In none: they make way for nobody.
    Parked,
}

/// A slot and what it holds.
pub(super) struct Place<V> {
    item: Option<V>,
    newer: u32,
    older: u32,
    tag: u32,
    uses: u8,
    line: Line,
}

/// All slots of a shard.
pub(super) struct Slots<V> {
    blocks: Vec<Vec<Place<V>>>,
    count: u32,
    /// The first of the empty slots; they are chained by `older`.
    vacant: u32,
}

/// First in, first out, by slot.
pub(super) struct Queue {
    newest: u32,
    oldest: u32,
}

impl<V> Default for Slots<V> {
    fn default() -> Self {
        Slots {
            blocks: Vec::new(),
            count: 0,
            vacant: NOWHERE,
        }
    }
}

impl Default for Queue {
    fn default() -> Self {
        Queue {
            newest: NOWHERE,
            oldest: NOWHERE,
        }
    }
}

impl<V> Slots<V> {
    /// How many slots there are, empty ones included: every number in use is smaller.
    pub(super) fn count(&self) -> u32 {
        self.count
    }

    pub(super) fn get(&self, slot: Slot) -> Option<&V> {
        self.place(slot.0)?.item.as_ref()
    }

    pub(super) fn get_mut(&mut self, slot: Slot) -> Option<&mut V> {
        self.place_mut(slot.0)?.item.as_mut()
    }

    /// The hash that the item in this slot came with.
    pub(super) fn tag(&self, slot: Slot) -> u32 {
        self.place(slot.0).map_or(0, |place| place.tag)
    }

    /// Puts `item` into an empty slot and into no queue yet.
    pub(super) fn insert(&mut self, item: V, tag: u32) -> Slot {
        let place = Place {
            item: Some(item),
            newer: NOWHERE,
            older: NOWHERE,
            tag,
            uses: 0,
            line: Line::Parked,
        };
        let vacant = self.vacant;
        if let Some(slot) = self.place_mut(vacant) {
            let next = std::mem::replace(slot, place).older;
            self.vacant = next;
            return Slot(vacant);
        }
        match self.blocks.last_mut() {
            Some(block) if block.len() < 1 << BLOCK => block.push(place),
            Some(_) => {
                let mut block = Vec::with_capacity(1 << BLOCK);
                block.push(place);
                self.blocks.push(block);
            }
            None => self.blocks.push(vec![place]),
        }
        self.count += 1;
        Slot(self.count - 1)
    }

    /// Empties the slot, which is in no queue.
    pub(super) fn remove(&mut self, slot: Slot) -> Option<V> {
        let vacant = self.vacant;
        let place = self.place_mut(slot.0)?;
        let item = place.item.take()?;
        place.older = vacant;
        self.vacant = slot.0;
        Some(item)
    }

    /// The item of a slot, with one more use.
    #[inline]
    pub(super) fn used(&mut self, slot: Slot) -> Option<&V> {
        let place = self.place_mut(slot.0)?;
        if place.uses < MOST_USES {
            place.uses += 1;
        }
        place.item.as_ref()
    }

    /// One more use.
    pub(super) fn mark(&mut self, slot: Slot) {
        if let Some(place) = self.place_mut(slot.0)
            && place.uses < MOST_USES
        {
            place.uses += 1;
        }
    }

    /// The uses of an item, and how many it is left with.
    pub(super) fn uses(&mut self, slot: Slot, left: impl FnOnce(u8) -> u8) -> u8 {
        self.place_mut(slot.0).map_or(0, |place| {
            let uses = place.uses;
            place.uses = left(uses);
            uses
        })
    }

    pub(super) fn line(&self, slot: Slot) -> Line {
        self.place(slot.0).map_or(Line::Parked, |place| place.line)
    }

    pub(super) fn is_parked(&self, slot: Slot) -> bool {
        self.line(slot) == Line::Parked
    }

    /// All items, which are taken out.
    pub(super) fn drain(&mut self) -> Vec<V> {
        let all = std::mem::take(self);
        let places = all.blocks.into_iter().flatten();
        places.filter_map(|place| place.item).collect()
    }

    fn place(&self, number: u32) -> Option<&Place<V>> {
        let block = self.blocks.get((number >> BLOCK) as usize)?;
        block.get((number & ((1 << BLOCK) - 1)) as usize)
    }

    fn place_mut(&mut self, number: u32) -> Option<&mut Place<V>> {
        let block = self.blocks.get_mut((number >> BLOCK) as usize)?;
        block.get_mut((number & ((1 << BLOCK) - 1)) as usize)
    }
}

impl Queue {
    pub(super) fn oldest(&self) -> Option<Slot> {
        (self.oldest != NOWHERE).then_some(Slot(self.oldest))
    }

    /// Puts a slot that is in no queue at the end of this one, which is that of `line`.
    pub(super) fn push<V>(&mut self, slots: &mut Slots<V>, slot: Slot, line: Line) {
        let before = std::mem::replace(&mut self.newest, slot.0);
        if let Some(place) = slots.place_mut(slot.0) {
            (place.newer, place.older, place.line) = (NOWHERE, before, line);
        }
        match slots.place_mut(before) {
            Some(place) => place.newer = slot.0,
            None => self.oldest = slot.0,
        }
    }

    /// Takes a slot out of this queue, in which it is.
    pub(super) fn remove<V>(&mut self, slots: &mut Slots<V>, slot: Slot) {
        let Some(place) = slots.place_mut(slot.0) else {
            return;
        };
        let (newer, older) = (place.newer, place.older);
        place.line = Line::Parked;
        match slots.place_mut(newer) {
            Some(place) => place.older = older,
            None => self.newest = older,
        }
        match slots.place_mut(older) {
            Some(place) => place.newer = newer,
            None => self.oldest = newer,
        }
    }
}
