//! TIME: what a server's clock says (<https://redis.io/docs/latest/commands/time/>).

use std::cell::Cell;

use crate::base::clocks::uptime_us;
use crate::error::{Error, Result};
use crate::redis::command::Command;
use crate::redis::command::verb::Verb;
use crate::redis::connection::replies::Replies;
use crate::redis::connection::reply::{self, Reply};
use crate::redis::connection::resp::{Encoder, Token};

use super::clock::Told;

/// What the server's clock says; `None` when it does not tell.
pub(crate) type Offset = Option<Told>;

/// TIME by itself: the greeting asks for it among other things.
#[derive(Debug, Default)]
pub(crate) struct Time {
    /// When it was asked last.
    sent_at: Cell<i64>,
}

impl Command for Time {
    type Answer = Offset;

    fn verb(&self) -> Verb {
        // What it tells is measured from when it is packed.
        Verb::safe("TIME").apart()
    }

    fn pack(&self, to: &mut Encoder<'_>) {
        self.sent_at.set(uptime_us());
        pack_time(to);
    }

    fn read(&mut self, from: &mut Replies<'_>) -> Reply<Offset> {
        read_time(from, self.sent_at.get()).map(Ok)
    }
}

pub(super) fn pack_time(to: &mut Encoder<'_>) {
    to.command(1).arg(b"TIME");
}

/// An error of our idea of a server's clock that is rather made in its favour, in microseconds.
const LEAN_US: i64 = 5000;

/// The reply to TIME: seconds and microseconds, taken as of the beginning of the round trip, or of its middle where it
/// took long. So our idea of the server's clock is seldom behind it: what the server calls expired is never fresh here,
/// and of what is expired here first, the server has the last word.
pub(super) fn read_time(from: &mut Replies<'_>, sent_at: i64) -> Result<Offset> {
    Ok(read_told(from, sent_at)?.ok())
}

/// The same, or why the server does not tell.
pub(super) fn read_told(from: &mut Replies<'_>, sent_at: i64) -> Reply<Told> {
    match from.next()? {
        Token::Array(2) => {}
        Token::Error(text) => return Ok(Err(Error::from_server(text))),
        _ => return Err(reply::unexpected("a time")),
    }
    let seconds: i64 = from.digits()?;
    let micros: i64 = from.digits()?;
    let round_trip = uptime_us().saturating_sub(sent_at).max(0);
    let ours = sent_at.saturating_add((round_trip / 2 - LEAN_US).max(0));
    let servers = seconds.saturating_mul(1_000_000).saturating_add(micros);
    Ok(Ok(Told {
        ahead_us: servers.saturating_sub(ours),
        round_trip_us: round_trip.unsigned_abs(),
    }))
}
