//! The stream of a tracked connection: what was asked, and replies and news in the order in which they come. Nothing here
//! waits.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use crate::base::budget::Budget;
use crate::base::clocks::uptime_us;
use crate::error::Error;
use crate::redis::connection::native;
use crate::redis::connection::resp::{Encoder, Head, Kind};
use crate::redis::wire::Wire;

use super::fill::{Answer, Fill, Listener};

/// Who read so much may have more waiting at the server: what that is, the answer to a PING tells.
const FLOOD: usize = 32 * 1024;

/// Nobody reads more than that for others.
const MOST_AT_ONCE: usize = 4 << 20;

/// Its time to write what a socket has room for; one that has none is given up.
const TO_WRITE: Duration = Duration::from_millis(1);

/// What the server was asked.
pub(super) enum What {
    Fill(Arc<Fill>),
    Ping {
        answered: Arc<OnceLock<()>>,
        /// Sent behind a flood.
        settles: bool,
    },
}

pub(super) struct Asked {
    sent_us: i64,
    pub(super) what: What,
}

/// An open connection: what was asked on it, and what comes.
pub(super) struct Live {
    pub(super) wire: Wire,
    pub(super) asked: VecDeque<Asked>,
    /// A flood has come, and the PING behind it is not answered.
    unsettled: bool,
    /// What was read to be kept, in bytes: so much the server remembers at most.
    pub(super) filled: usize,
}

/// The connection is of no use any more.
pub(super) struct Fault;

impl From<Error> for Fault {
    fn from(_: Error) -> Fault {
        Fault
    }
}

impl Live {
    pub(super) fn over(wire: Wire) -> Live {
        Live {
            wire,
            asked: VecDeque::new(),
            unsettled: false,
            filled: 0,
        }
    }

    pub(super) fn ask(&mut self, questions: impl IntoIterator<Item = What>) -> Result<(), Fault> {
        let (mut packed, mut commands, mut lacking) = (Vec::new(), 0, 0);
        let mut to = Encoder::new(&mut packed, &mut commands, &mut lacking);
        let sent_us = uptime_us();
        for what in questions {
            match &what {
                What::Fill(fill) => to.command(2).arg(b"GET").arg(&fill.key),
                What::Ping { .. } => to.command(1).arg(b"PING"),
            };
            self.asked.push_back(Asked { sent_us, what });
        }
        if lacking > 0 {
            return Err(Fault);
        }
        let sent = self.wire.send(&packed, Budget::new(TO_WRITE));
        sent.map_err(|fault| fault.error.into())
    }

    /// Since when all is known that has come; `None` where more may be on its way that is older.
    pub(super) fn drain(
        &mut self,
        answered_us: &AtomicI64,
        epoch: u64,
        listener: &dyn Listener,
    ) -> Result<Option<i64>, Fault> {
        let mut total = 0;
        loop {
            let at = uptime_us();
            let before = self.wire.buffered().len();
            if !self.wire.fill_at_once()? {
                if total >= FLOOD {
                    self.settle_later()?;
                }
                return Ok((!self.unsettled).then_some(at));
            }
            total += self.wire.buffered().len() - before;
            while let Some(len) = native::element(self.wire.buffered())? {
                self.hear(len, answered_us, epoch, listener)?;
            }
            if total >= MOST_AT_ONCE {
                self.settle_later()?;
                return Ok(None);
            }
        }
    }

    /// What has come counts only when the server has answered a PING from now.
    fn settle_later(&mut self) -> Result<(), Fault> {
        self.unsettled = true;
        let answered = Arc::default();
        self.ask([What::Ping {
            answered,
            settles: true,
        }])
    }

    /// One reply, or one piece of news.
    fn hear(
        &mut self,
        len: usize,
        answered_us: &AtomicI64,
        epoch: u64,
        listener: &dyn Listener,
    ) -> Result<(), Fault> {
        let element = self.wire.take(len);
        let head = Head::parse(element)?.ok_or(Fault)?;
        if matches!(head.kind, Kind::Push(_)) {
            return changed(element, listener);
        }
        let asked = self.asked.pop_front().ok_or(Fault)?;
        answered_us.fetch_max(asked.sent_us, Ordering::AcqRel);
        match asked.what {
            What::Fill(fill) => {
                let answer = match head.kind {
                    Kind::Bulk(len) => {
                        let value = element.get(head.line..head.line + len).ok_or(Fault)?;
                        Answer::Value(Some(value.into()))
                    }
                    Kind::Nil => Answer::Value(None),
                    _ => Answer::Nothing,
                };
                match &answer {
                    Answer::Value(value) => listener.filled(&fill, value.as_ref(), epoch),
                    Answer::Nothing => listener.abandoned(&fill),
                }
                // What is too large to be kept is remembered like any other.
                self.filled += fill.key.len() + len.min(listener.enough() / 256);
                let _ = fill.answer.set(answer);
            }
            What::Ping { answered, settles } => {
                // Of several floods the last one counts.
                let later = |asked: &Asked| matches!(asked.what, What::Ping { settles: true, .. });
                if settles && !self.asked.iter().any(later) {
                    self.unsettled = false;
                }
                let _ = answered.set(());
            }
        }
        Ok(())
    }
}

/// What a push says. Anything but an invalidation is nobody's affair; an invalidation of everything ends the epoch.
fn changed(push: &[u8], listener: &dyn Listener) -> Result<(), Fault> {
    let mut rest = push;
    let mut next = || -> Result<(Kind, &[u8]), Fault> {
        let head = Head::parse(rest)?.ok_or(Fault)?;
        let end = head.line + head.body();
        let payload = rest.get(head.line..end).unwrap_or_default();
        rest = rest.get(end..).ok_or(Fault)?;
        Ok((
            head.kind,
            payload
                .get(..payload.len().saturating_sub(2))
                .unwrap_or_default(),
        ))
    };
    next()?;
    if next()?.1 != b"invalidate" {
        return Ok(());
    }
    let Kind::Array(keys) = next()?.0 else {
        return Err(Fault);
    };
    for _ in 0..keys {
        listener.changed(next()?.1);
    }
    Ok(())
}
