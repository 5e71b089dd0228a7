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
use crate::redis::connection::resp::{Aside, Encoder, Head, Kind};
use crate::redis::wire::Wire;

use super::fill::{Answer, Fill, Heard, Listener};

/// Who read so much may have more waiting at the server: what that is, the answer to a PING tells.
const FLOOD: usize = 32 * 1024;

/// Nobody reads more than that for others.
const MOST_AT_ONCE: usize = 4 << 20;

/// Its time to write what a socket has room for; one that has none is given up.
const TO_WRITE: Duration = Duration::from_millis(1);

/// A value whose life the server does not tell is kept for so long.
const UNTOLD_US: i64 = 1_000_000;

/// What the server was asked.
pub(super) enum What {
    /// GET, and behind it always [`What::Life`].
    Value(Arc<Fill>),
    /// PTTL of the same key: most values do not say how long they live, and news of their end come late.
    Life,
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
    half: Option<Half>,
}

/// A key whose value has come, and its life has not.
struct Half {
    fill: Arc<Fill>,
    answer: Answer,
    /// It has changed since.
    is_over: bool,
}

/// The connection is of no use any more.
pub(super) struct Fault;

impl From<Error> for Fault {
    fn from(_: Error) -> Fault {
        Fault
    }
}

impl Live {
    /// Those who are waited for.
    pub(super) fn fills(self) -> impl Iterator<Item = Arc<Fill>> {
        let asked = self.asked.into_iter().filter_map(|asked| match asked.what {
            What::Value(fill) => Some(fill),
            _ => None,
        });
        self.half.map(|half| half.fill).into_iter().chain(asked)
    }

    pub(super) fn over(wire: Wire) -> Live {
        Live {
            wire,
            asked: VecDeque::new(),
            unsettled: false,
            filled: 0,
            half: None,
        }
    }

    pub(super) fn ask(&mut self, questions: impl IntoIterator<Item = What>) -> Result<(), Fault> {
        let (mut packed, mut commands, mut aside) = (Vec::new(), 0, Aside::default());
        let mut to = Encoder::new(&mut packed, &mut commands, &mut aside);
        let sent_us = uptime_us();
        for what in questions {
            let is_value = match &what {
                What::Value(fill) => {
                    to.command(2).arg(b"GET").arg(&fill.key);
                    to.command(2).arg(b"PTTL").arg(&fill.key);
                    true
                }
                What::Life => continue,
                What::Ping { .. } => {
                    to.command(1).arg(b"PING");
                    false
                }
            };
            self.asked.push_back(Asked { sent_us, what });
            if is_value {
                let what = What::Life;
                self.asked.push_back(Asked { sent_us, what });
            }
        }
        if aside.lacking > 0 {
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
            let half = &mut self.half;
            return changed(element, |key| {
                listener.changed(key);
                if let Some(half) = half.as_mut().filter(|half| *half.fill.key == *key) {
                    half.is_over = true;
                }
            });
        }
        let asked = self.asked.pop_front().ok_or(Fault)?;
        answered_us.fetch_max(asked.sent_us, Ordering::AcqRel);
        match asked.what {
            What::Value(fill) => {
                let answer = match head.kind {
                    Kind::Bulk(len) => {
                        let value = element.get(head.line..head.line + len).ok_or(Fault)?;
                        Answer::Value(Some(value.into()))
                    }
                    Kind::Nil => Answer::Value(None),
                    _ => Answer::Nothing,
                };
                // What is too large to be kept is remembered like any other.
                self.filled += fill.key.len() + len.min(listener.enough() / 256);
                self.half = Some(Half {
                    fill,
                    answer,
                    is_over: false,
                });
            }
            What::Life => {
                let half = self.half.take().ok_or(Fault)?;
                half.complete(head.kind, asked.sent_us, epoch, listener);
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

impl Half {
    /// What was said to PTTL, which was sent at `sent_us`.
    fn complete(self, said: Kind, sent_us: i64, epoch: u64, listener: &dyn Listener) {
        let Half {
            fill,
            answer,
            is_over,
        } = self;
        let expires_us = match said {
            Kind::Int(ms @ 0..) => Some(sent_us.saturating_add(ms.saturating_mul(1000))),
            Kind::Int(-1) => None,
            // There is no such key any more, or never was.
            Kind::Int(_) if matches!(answer, Answer::Value(Some(_))) => Some(sent_us),
            Kind::Int(_) => None,
            _ => Some(sent_us.saturating_add(UNTOLD_US)),
        };
        match &answer {
            Answer::Value(value) if !is_over => {
                let value = value.as_ref();
                let heard = Heard {
                    value,
                    expires_us,
                    epoch,
                };
                listener.filled(&fill, heard);
            }
            _ => listener.abandoned(&fill),
        }
        let _ = fill.answer.set(answer);
    }
}

/// What a push says. Anything but an invalidation is nobody's affair; an invalidation of everything ends the epoch.
fn changed(push: &[u8], mut tell: impl FnMut(&[u8])) -> Result<(), Fault> {
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
        tell(next()?.1);
    }
    Ok(())
}
