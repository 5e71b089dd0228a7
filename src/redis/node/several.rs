//! A call to one of several nodes, which takes none of the time of the others: it never waits, and tells what it waits for.

use crate::base::moment::Moment;
use crate::error::Error;
use crate::redis::command::Command;
use crate::redis::connection::AtHand;
use crate::redis::connection::resp::Encoder;
use crate::redis::wire::{Ears, Wants};

use super::exchange::{Call, Failed, Sent, with_lost};
use super::opening::Opening;

/// A call to one of several nodes: while it has no connection yet, it is opening one, without waiting for it.
pub(crate) struct Exchange<'a> {
    call: Call<'a>,
    /// A piece of the commands that is written from where it lies.
    large: Option<&'a [u8]>,
    opening: Option<Box<Opening>>,
    /// When, if it is timed.
    began: Moment,
    /// The commands went out with the greeting.
    is_out: bool,
    /// Their replies may have come with those to it.
    may_be_there: bool,
}

impl<'a> Exchange<'a> {
    pub(crate) fn new(call: Call<'a>, large: Option<&'a [u8]>, began: Moment) -> Self {
        Exchange {
            call,
            large,
            opening: None,
            began,
            is_out: false,
            may_be_there: false,
        }
    }

    /// The call, whose replies may be read.
    pub(crate) fn finish<C: Command>(self, command: C) -> Result<C::Answer, Failed> {
        let (node, verb) = (self.call.node, self.call.verb);
        let answer = self.call.finish(command)?;
        if self.began != Moment::BEFORE {
            node.note_answer(verb, self.began);
        }
        Ok(answer)
    }

    /// Sends the commands if there is a connection; otherwise begins to open one.
    pub(crate) fn begin(&mut self, pack: impl Fn(&mut Encoder<'_>)) -> Result<(), Failed> {
        if self.call.loan.connection().is_some() || !self.call.node.opens_at_once() {
            return self.call.dispatch(self.large, &pack, &pack);
        }
        if let Err(refusal) = self.call.node.may_connect(self.call.admission) {
            return Err(self.call.refused(refusal));
        }
        match self.call.node.begin_opening(self.call.budget) {
            Ok(opening) => self.opening = Some(opening),
            Err(fault) => return Err(self.not_opened(fault)),
        }
        self.advance(pack)
    }

    /// Whether the commands are on their way.
    pub(crate) fn is_sent(&self) -> bool {
        self.opening.is_none()
    }

    /// Goes on with the opening as far as that is possible without waiting, and sends the commands when it is done.
    pub(crate) fn advance(&mut self, pack: impl Fn(&mut Encoder<'_>)) -> Result<(), Failed> {
        let Some(opening) = &mut self.opening else {
            return Ok(());
        };
        let packed = with_lost(&pack, self.call.lost);
        let mut along = self.call.along(&packed, self.is_out);
        let advanced = opening.advance(self.call.node, &mut along);
        self.is_out = along.is_out;
        match advanced {
            Ok(None) => Ok(()),
            Ok(Some(Ok((connection, offset)))) => {
                self.call.node.learn(offset);
                self.opening = None;
                let put = self.call.loan.connection_or(|| Ok(connection)).map(drop);
                match self.call.opened(put, self.is_out)? {
                    Sent::Along => {
                        self.may_be_there = true;
                        Ok(())
                    }
                    Sent::NotYet => self.call.dispatch(self.large, &pack, &pack),
                }
            }
            Ok(Some(Err(refusal))) => {
                self.call.node.was_refused(self.call.admission, &refusal);
                self.call.lost += u32::from(self.is_out);
                Err(self.call.refused(refusal))
            }
            Err(fault) => Err(self.not_opened(fault)),
        }
    }

    /// A fault of a connection that was not open yet: nothing was sent.
    #[cold]
    fn not_opened(&mut self, fault: Error) -> Failed {
        let (node, admission) = (self.call.node, self.call.admission);
        match self.opening.take() {
            Some(opening) => node.not_opened(opening, &fault, admission),
            None => node.did_not_serve(admission, &fault),
        }
        self.call.lost += u32::from(self.is_out);
        self.call.refused(fault)
    }

    /// Whether reading the replies would not wait, or would find them flowing. What is wrong with them is found by whoever
    /// reads.
    pub(crate) fn is_readable(&mut self) -> bool {
        let connection = self.call.loan.connection();
        connection.is_none_or(|connection| !matches!(connection.at_hand(), Ok(AtHand::Part)))
    }

    /// What it waits for; `None` when its reply may be read.
    pub(crate) fn wants(&mut self) -> Option<Wants> {
        if let Some(opening) = &mut self.opening {
            return Some(opening.wants());
        }
        if std::mem::take(&mut self.may_be_there) && self.is_readable() {
            return None;
        }
        let connection = self.call.loan.connection()?;
        let socket = connection.socket()?;
        let out = match connection.wants_write() {
            true => libc::POLLOUT,
            false => 0,
        };
        Some(Wants {
            socket: Some(socket),
            events: libc::POLLIN | out,
            besides: Ears::NONE,
            until: self.call.budget.ends(),
        })
    }
}
