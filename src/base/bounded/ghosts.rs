//! Those that went from the small queue, known by their hash: who comes back so soon belongs in the main one. Each hash
//! has a row to which it belongs, and each row is a queue of its own: the newest first, the oldest falls out.

/// As many as fit in half a cache line.
const ROW: usize = 8;

/// About as many hashes as the shard has had items.
#[derive(Default)]
pub(super) struct Ghosts {
    /// 0 is nobody.
    rows: Vec<[u32; ROW]>,
}

impl Ghosts {
    /// Remembers a hash in a shard of so many items.
    pub(super) fn add(&mut self, tag: u32, items: usize) {
        if self.rows.len() * ROW < items {
            self.grow(items.next_power_of_two().div_ceil(ROW));
        }
        self.push(tag);
    }

    /// Whether this one was remembered; it is not any more.
    pub(super) fn take(&mut self, tag: u32) -> bool {
        let ghost = self
            .row(tag)
            .and_then(|row| row.iter_mut().find(|ghost| **ghost == tag.max(1)));
        ghost.is_some_and(|ghost| std::mem::take(ghost) != 0)
    }

    fn push(&mut self, tag: u32) {
        if let Some(row) = self.row(tag) {
            row.rotate_right(1);
            *row.first_mut().unwrap_or(&mut 0) = tag.max(1);
        }
    }

    fn row(&mut self, tag: u32) -> Option<&mut [u32; ROW]> {
        // The number of rows is a power of two, and 0 has no rows.
        let mask = self.rows.len().checked_sub(1)?;
        self.rows.get_mut(tag as usize & mask)
    }

    fn grow(&mut self, rows: usize) {
        let old = std::mem::replace(&mut self.rows, vec![[0; ROW]; rows.next_power_of_two()]);
        let oldest_first = old.iter().flat_map(|row| row.iter().rev());
        oldest_first
            .filter(|tag| **tag != 0)
            .for_each(|tag| self.push(*tag));
    }
}
