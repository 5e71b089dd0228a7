//! A command without its answer, which is kept until it is done: the ways on which commands seldom go are in the library
//! once, not once for every kind of answer.

use crate::error::{Error, Result};
use crate::redis::connection::replies::Replies;
use crate::redis::connection::reply::{self, Reply};
use crate::redis::connection::resp::Encoder;

use super::Command;
use super::verb::Verb;

/// Hands the command to `run`, and gives back its answer with what that came to.
pub(crate) fn keep<C, T, E>(
    command: &mut C,
    run: impl FnOnce(&mut dyn Command<Answer = ()>) -> Result<T, E>,
) -> Result<(Result<C::Answer>, T), E>
where
    C: Command + ?Sized,
{
    let mut kept = Kept::new(command);
    let done = run(&mut kept)?;
    Ok((kept.answer(), done))
}

/// The command, and its answer when it is done.
pub(crate) struct Kept<C: Command> {
    command: C,
    answer: Option<C::Answer>,
}

impl<C: Command> Kept<C> {
    pub(crate) fn new(command: C) -> Self {
        Kept {
            command,
            answer: None,
        }
    }

    pub(crate) fn answer(self) -> Result<C::Answer> {
        self.answer.ok_or_else(|| reply::unexpected("an answer"))
    }
}

impl<C: Command> Command for Kept<C> {
    type Answer = ();

    fn verb(&self) -> Verb {
        self.command.verb()
    }

    fn pack(&self, to: &mut Encoder<'_>) {
        self.command.pack(to);
    }

    fn large(&self) -> Option<&[u8]> {
        self.command.large()
    }

    fn read(&mut self, from: &mut Replies<'_>) -> Reply<()> {
        let answer = self.command.read(from)?;
        Ok(answer.map(|answer| self.answer = Some(answer)))
    }

    fn reword(&mut self, refusal: &Error) -> bool {
        self.command.reword(refusal)
    }

    fn complaint(&self) -> Option<&Error> {
        self.command.complaint()
    }
}
