//! A wire that is being connected; with TLS, that includes the handshake. Nothing in it waits, and it borrows nothing: it
//! may be put aside and taken up again by another thread.

use crate::base::budget::Budget;
use crate::config::Address;
use crate::error::{Error, ErrorKind, Result};

use super::stream::{Stream, silence};
use super::tls::{Secure, TlsSettings};
use super::{Ears, Wants, Wire, dial};

#[derive(Debug)]
pub(crate) struct Connecting {
    stage: Stage,
    budget: Budget,
}

#[derive(Debug)]
enum Stage {
    Dialing(dial::Dialing),
    Shaking(Stream, Box<Secure>),
    Done,
}

impl Connecting {
    pub(crate) fn begin(address: &Address, budget: Budget) -> Result<Connecting> {
        Ok(Connecting {
            stage: Stage::Dialing(dial::Dialing::begin(address, budget)?),
            budget,
        })
    }

    /// Goes on as far as that is possible without waiting. When the time is over is for the caller to say.
    pub(crate) fn advance(
        &mut self,
        address: &Address,
        tls: Option<&TlsSettings>,
    ) -> Result<Option<Wire>> {
        loop {
            match std::mem::replace(&mut self.stage, Stage::Done) {
                Stage::Dialing(mut dialing) => {
                    let Some(socket) = dialing.advance()? else {
                        self.stage = Stage::Dialing(dialing);
                        return Ok(None);
                    };
                    let mut stream = Stream::over(socket);
                    match (tls, address) {
                        (Some(settings), _) => {
                            let secure = Secure::begin(&mut stream, settings, address)?;
                            self.stage = Stage::Shaking(stream, secure);
                            continue;
                        }
                        (None, Address::Tcp { .. }) => stream.expect_misunderstanding(),
                        (None, _) => {}
                    }
                    return Ok(Some(Wire::from(stream, None)));
                }
                Stage::Shaking(mut stream, mut secure) => {
                    if secure.shake_hands_at_once(&mut stream, self.budget)? {
                        return Ok(Some(Wire::from(stream, Some(secure))));
                    }
                    self.stage = Stage::Shaking(stream, secure);
                    return Ok(None);
                }
                Stage::Done => return Err(opened_before()),
            }
        }
    }

    /// Goes on for somebody else, who has this time.
    pub(crate) fn go_on(&mut self, budget: Budget) {
        if let Stage::Dialing(dialing) = &mut self.stage {
            dialing.go_on(budget);
        }
        self.budget = budget;
    }

    /// Why nothing has come of it by now.
    pub(crate) fn late(&self) -> Error {
        match &self.stage {
            Stage::Dialing(dialing) => dialing.late(),
            Stage::Shaking(stream, secure) => {
                let is_answered = stream.is_answered();
                secure.not_shaken(silence(is_answered, self.budget), is_answered, self.budget)
            }
            Stage::Done => opened_before(),
        }
    }

    pub(crate) fn wants(&self) -> Wants {
        match &self.stage {
            Stage::Dialing(dialing) => dialing.wants(),
            Stage::Shaking(stream, secure) => Wants {
                socket: Some(stream.socket()),
                events: if secure.wants_write() {
                    libc::POLLOUT
                } else {
                    libc::POLLIN
                },
                besides: Ears::NONE,
                until: self.budget.ends(),
            },
            Stage::Done => Wants {
                socket: None,
                events: 0,
                besides: Ears::NONE,
                until: self.budget.started(),
            },
        }
    }
}

#[cold]
fn opened_before() -> Error {
    Error::new(ErrorKind::Io, "the connection was opened before")
}
