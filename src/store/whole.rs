//! The sink for those who take a stored value as it is, header and all.

use crate::error::{Error, Result};

use super::{HEAD_LEN, Room, Sink};

/// Takes a value as it comes.
#[derive(Debug, Default)]
pub(crate) struct Whole(pub(crate) Vec<u8>);

impl Sink for Whole {
    fn begin(&mut self, head: &[u8], len: usize) -> Result<Room<'_>> {
        self.0.clear();
        let room = len.min(HEAD_LEN.max(head.len()));
        self.0
            .try_reserve(room)
            .map_err(|_| Error::no_memory("a value", len))?;
        self.0.extend_from_slice(head);
        Ok(Room::Append(&mut self.0))
    }
}
