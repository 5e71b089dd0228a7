//! TIME: what a server's clock says (<https://redis.io/docs/latest/commands/time/>).

use std::cell::Cell;

use crate::base::clocks::uptime_us;
use crate::redis::command::Command;
use crate::redis::command::verb::Verb;
use crate::redis::connection::replies::Replies;
use crate::redis::connection::reply::Reply;
use crate::redis::connection::resp::Encoder;

use super::handshake::{self, Offset};

/// The difference to our own clock; `None` from a server that does not tell.
#[derive(Debug, Default)]
pub(crate) struct Time {
    /// When it was asked last.
    sent_at: Cell<i64>,
}

impl Command for Time {
    type Answer = Offset;

    fn verb(&self) -> Verb {
        Verb::safe("TIME")
    }

    fn pack(&self, to: &mut Encoder<'_>) {
        self.sent_at.set(uptime_us());
        handshake::pack_time(to);
    }

    fn read(&mut self, from: &mut Replies<'_>) -> Reply<Offset> {
        let budget = from.budget();
        handshake::read_time(from.connection(), self.sent_at.get(), budget).map(Ok)
    }
}
