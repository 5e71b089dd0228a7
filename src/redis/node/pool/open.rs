//! An open connection with what a pool notes of it, and what the pool must know of connections.

use crate::base::budget::Budget;
use crate::base::moment::Moment;
use crate::error::Result;
use crate::redis::wire::SendFault;

use super::riders::Riders;

/// What a pool must know of a connection.
pub(crate) trait Pooled {
    /// Nothing broke, and nothing is left to be read.
    fn is_reusable(&self) -> bool;

    /// It is open and nothing has come in unasked; found out without waiting.
    fn is_quiet(&mut self) -> bool;

    /// Whether that finds out that the server has ended it.
    fn knows_its_end(&self) -> bool;

    /// Gives back memory that it does not need while it is idle.
    fn trim(&mut self);

    /// Bytes read and written since the last time.
    fn take_traffic(&mut self) -> (u64, u64);

    /// Adds commands that somebody else has packed.
    fn append(&mut self, packed: &[u8], commands: usize);

    /// Sends what was added, without waiting.
    fn depart(&mut self) -> std::result::Result<(), SendFault>;

    /// Replies that are owed, when nothing broke and none has begun.
    fn owes(&self) -> Option<usize>;

    /// Passes over so many replies and waits for the next to begin; `replies` says how many are left when that fails.
    fn come_to(&mut self, replies: &mut usize, budget: Budget) -> Result<()>;

    /// Adds the bytes of so many replies to `to`, if they are there.
    fn take_replies(&mut self, replies: usize, to: &mut Vec<u8>) -> Result<bool>;
}

/// An open connection, and who waits for replies on it.
pub(crate) struct Open<C> {
    pub(super) connection: C,
    pub(super) born: Moment,
    /// When the last call that had it began, not when it ended: reading the clock again would cost more than it
    /// tells.
    pub(super) idle_since: Moment,
    pub(super) epoch: u64,
    pub(super) riders: Riders<C>,
}
