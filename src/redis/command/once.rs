//! Scripts that say "done" once: run again, they find their work done and answer 0. When an attempt was sent and its
//! answer never came, such a 0 means that this attempt had done it.

use std::cell::Cell;

use crate::error::Result;

/// The attempts at one step.
#[derive(Debug, Default)]
pub(crate) struct Attempts {
    /// Sent, and not answered.
    open: Cell<u32>,
    /// One of them has done it, and said so.
    done: Cell<bool>,
}

impl Attempts {
    /// One more is on its way.
    pub(crate) fn sent(&self) {
        self.open.set(self.open.get() + 1);
    }

    /// What the answer to the last one says of them all. A server that does not know the script has not run it before.
    pub(crate) fn judge(&self, answer: Result<bool>) -> Result<bool> {
        let lost = match &answer {
            Err(error) if error.code() == Some("NOSCRIPT") => 0,
            _ => self.open.get().saturating_sub(1),
        };
        self.open.set(lost);
        let answer = answer.map(|done| done || lost > 0 || self.done.get());
        self.done.set(matches!(answer, Ok(true)));
        answer
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Error;

    #[test]
    fn a_no_after_a_lost_answer_is_a_yes() {
        let attempts = Attempts::default();
        attempts.sent();
        assert!(!attempts.judge(Ok(false)).unwrap());
        attempts.sent();
        attempts.sent();
        assert!(attempts.judge(Ok(false)).unwrap());
    }

    #[test]
    fn what_is_done_stays_done() {
        let attempts = Attempts::default();
        for answer in [true, false, false] {
            attempts.sent();
            assert!(attempts.judge(Ok(answer)).unwrap());
        }
    }

    #[test]
    fn a_refusal_answers_one_attempt_and_an_unknown_script_all() {
        let refused = |text: &str| Err(Error::from_server(text.as_bytes()));
        let attempts = Attempts::default();
        attempts.sent();
        attempts.sent();
        assert!(attempts.judge(refused("READONLY not now")).is_err());
        attempts.sent();
        assert!(attempts.judge(Ok(false)).unwrap());
        attempts.sent();
        assert!(attempts.judge(refused("NOSCRIPT no such script")).is_err());
        attempts.sent();
        assert!(!attempts.judge(Ok(false)).unwrap());
    }
}
