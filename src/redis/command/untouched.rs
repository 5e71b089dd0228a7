//! Reads that are no use: whoever walks over all entries must not make them look used, or the server would evict by
//! chance what it keeps by use. CLIENT NO-TOUCH stands in front of the commands and is taken back behind them, in one
//! pipeline, so that no connection comes back to its pool that leaves entries untouched; one that breaks in between is
//! closed anyway. Servers know it from Redis 7.2 on, and elsewhere it is done without.
//! <https://redis.io/docs/latest/commands/client-no-touch/>

use crate::error::Error;
use crate::redis::connection::replies::Replies;
use crate::redis::connection::reply::{self, Reply};
use crate::redis::connection::resp::Encoder;

use super::Command;
use super::verb::Verb;

pub(crate) fn pack_begin(to: &mut Encoder<'_>) {
    to.command(3).arg(b"CLIENT").arg(b"NO-TOUCH").arg(b"ON");
}

pub(crate) fn pack_end(to: &mut Encoder<'_>) {
    to.command(3).arg(b"CLIENT").arg(b"NO-TOUCH").arg(b"OFF");
}

/// What the server said to the beginning.
pub(crate) struct Begun {
    refusal: Option<Error>,
}

impl Begun {
    pub(crate) fn read(from: &mut Replies<'_>) -> crate::error::Result<Begun> {
        let refusal = from.skip()?;
        Ok(Begun { refusal })
    }

    /// Whether this server will never know the command.
    pub(crate) fn is_unknown(&self) -> bool {
        let code = self.refusal.as_ref().and_then(Error::code);
        code == Some("ERR")
    }

    /// Reads what was said to the end: a connection on which it was not taken back is of no use to others.
    pub(crate) fn read_end(&self, from: &mut Replies<'_>) -> crate::error::Result<()> {
        match (&self.refusal, from.skip()?) {
            (None, Some(_)) => Err(reply::unexpected("OK to CLIENT NO-TOUCH OFF")),
            _ => Ok(()),
        }
    }
}

/// A command that leaves no trace.
pub(crate) struct Untouched<C>(pub(crate) C);

impl<C: Command> Command for Untouched<C> {
    type Answer = C::Answer;

    fn verb(&self) -> Verb {
        self.0.verb().apart()
    }

    fn pack(&self, to: &mut Encoder<'_>) {
        pack_begin(to);
        self.0.pack(to);
        pack_end(to);
    }

    fn read(&mut self, from: &mut Replies<'_>) -> Reply<C::Answer> {
        let begun = Begun::read(from)?;
        let answer = self.0.read(from)?;
        begun.read_end(from)?;
        Ok(answer)
    }

    fn reword(&mut self, refusal: &Error) -> bool {
        self.0.reword(refusal)
    }

    fn complaint(&self) -> Option<&Error> {
        self.0.complaint()
    }
}
