//! What a pool wants to know of connections to servers, and has them do.

use crate::base::budget::Budget;
use crate::error::Result;
use crate::redis::connection::{Connection, SendFault};

use super::pool::Pooled;

impl Pooled for Connection {
    #[inline(always)]
    fn is_reusable(&self) -> bool {
        Connection::is_reusable(self)
    }

    fn is_quiet(&mut self) -> bool {
        Connection::is_quiet(self)
    }

    fn knows_its_end(&self) -> bool {
        Connection::knows_its_end(self)
    }

    #[inline]
    fn take_traffic(&mut self) -> (u64, u64) {
        Connection::take_traffic(self)
    }

    #[inline]
    fn trim(&mut self) {
        Connection::trim(self);
    }

    fn append(&mut self, packed: &[u8], commands: usize) {
        Connection::append(self, packed, commands);
    }

    fn depart(&mut self) -> std::result::Result<(), SendFault> {
        Connection::depart(self)
    }

    fn owes(&self) -> Option<usize> {
        Connection::owes(self)
    }

    fn come_to(&mut self, replies: &mut usize, budget: Budget) -> Result<()> {
        Connection::come_to(self, replies, budget)
    }

    fn take_replies(&mut self, replies: usize, to: &mut Vec<u8>) -> Result<bool> {
        Connection::take_replies(self, replies, to)
    }
}
