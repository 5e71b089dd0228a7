//! The addresses of a host, found without waiting: numbers at once, then the hosts file, then DNS, then what other
//! services the C library knows. While nobody answers, the addresses that the name had last are good enough to be tried.
//! Nothing is locked meanwhile, and nothing is kept that a fork would have to wait for.

mod id;
mod known;
pub(crate) mod machine;
mod message;
mod number;
mod order;
mod server;
mod services;
mod stub;
#[cfg(test)]
pub(crate) mod tests;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use crate::base::budget::Budget;
use crate::base::moment::Moment;
use crate::error::{Error, ErrorKind, Result};

use super::poll::Ears;
use known::Known;
pub(crate) use known::doubt;
use machine::Machine;
pub(crate) use number::number;
use services::Lookup;
use stub::{Outcome, Stub};

/// So long name servers may be silent before the last addresses are tried, or this part of the time if that is less.
const SILENCE: Duration = Duration::from_millis(100);
const PART: u32 = 8;
/// The same where the last addresses are doubted.
const DOUBTFUL_PART: u32 = 2;
/// A search that was put aside for longer begins anew: what it has heard may be true no more.
const KEPT: Duration = Duration::from_secs(2);

/// A name whose addresses are looked for. It borrows nothing, and may be put aside.
#[derive(Debug)]
pub(crate) struct Resolving {
    host: String,
    stage: Stage,
    begun: Moment,
    budget: Budget,
    /// What the name was, until it is told.
    known: Option<Known>,
    /// When it is told.
    silent_at: Moment,
}

#[derive(Debug)]
enum Stage {
    New,
    Asking(Box<Stub>, Services),
    /// And why the name servers were no help; whether they say that there is no such name.
    Services(Arc<Lookup>, Error, bool),
    Over(Error),
}

/// Whether there are others than the hosts file and DNS.
type Services = bool;

/// What is known by now.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Told {
    Nothing,
    /// What the addresses were when somebody answered last; told once.
    Last(Vec<SocketAddr>),
    /// What they are. That is the end.
    Found(Vec<SocketAddr>),
}

impl Resolving {
    /// For a host that is no [`number`].
    pub(crate) fn begin(host: &str, budget: Budget) -> Resolving {
        let mut resolving = Resolving {
            host: host.to_ascii_lowercase(),
            stage: Stage::New,
            begun: budget.started(),
            budget,
            known: None,
            silent_at: budget.ends(),
        };
        resolving.go_on(budget);
        resolving
    }

    /// Goes on for somebody else, who has this time.
    pub(crate) fn go_on(&mut self, budget: Budget) {
        let now = Moment::now();
        let left = budget.left().unwrap_or_default();
        self.known = known::get(&self.host);
        self.silent_at = now.after(match &self.known {
            Some(known) if known.is_doubted => left / DOUBTFUL_PART,
            _ => SILENCE.min(left / PART),
        });
        self.budget = budget;
        match &mut self.stage {
            Stage::Over(_) => self.stage = Stage::New,
            _ if now.since(self.begun) > KEPT => {
                self.begun = now;
                self.stage = Stage::New;
            }
            Stage::Asking(stub, services) => stub.go_on(share(budget, *services)),
            _ => {}
        }
    }

    /// Goes on as far as that is possible without waiting.
    pub(crate) fn advance(&mut self) -> Result<Told> {
        if let Some(found) = self.go()? {
            return Ok(Told::Found(found));
        }
        let is_silent = Moment::now() >= self.silent_at || matches!(self.stage, Stage::Over(_));
        match self.known.take_if(|_| is_silent) {
            Some(known) => Ok(Told::Last(known.addresses)),
            None => Ok(Told::Nothing),
        }
    }

    fn go(&mut self) -> Result<Option<Vec<SocketAddr>>> {
        loop {
            match &mut self.stage {
                Stage::New => {
                    let machine = Machine::this();
                    let mut there = machine.hosts(self.host.trim_end_matches('.'));
                    if !there.is_empty() {
                        order::sort(&mut there);
                        return Ok(Some(there));
                    }
                    if !message::is_name(&self.host) {
                        return Err(
                            self.unresolved(Error::new(ErrorKind::Io, "it is no host name"))
                        );
                    }
                    let services = machine.has_other_services();
                    let asking = machine.asking(&self.host);
                    let stub = Stub::begin(asking, share(self.budget, services));
                    self.stage = Stage::Asking(Box::new(stub), services);
                }
                Stage::Asking(stub, services) => {
                    let (why, is_nobody) = match stub.advance() {
                        None if *services && stub.is_late() => (stub.late(), false),
                        None => return Ok(None),
                        Some(Outcome::Found(mut found)) => {
                            order::sort(&mut found);
                            known::put(&self.host, &found);
                            return Ok(Some(found));
                        }
                        Some(Outcome::Nobody) => {
                            (Error::new(ErrorKind::Io, "there is no such name"), true)
                        }
                        Some(Outcome::Failed(why)) => (why, false),
                    };
                    let asked = services.then(|| Lookup::begin(&self.host));
                    self.stage = match asked {
                        Some(Ok(lookup)) => Stage::Services(lookup, why, is_nobody),
                        Some(Err(error)) => {
                            let text = format!("{}; {}", why.text(), error.text());
                            Stage::Over(self.unresolved(why.with_text(text)))
                        }
                        None => self.over(why, is_nobody),
                    }
                }
                Stage::Services(lookup, why, is_nobody) => match lookup.outcome() {
                    None => return Ok(None),
                    Some(Some(found)) => return Ok(Some(found)),
                    Some(None) => {
                        let (why, is_nobody) = (why.clone(), *is_nobody);
                        self.stage = self.over(why, is_nobody);
                    }
                },
                Stage::Over(why) => {
                    return match self.known {
                        Some(_) => Ok(None),
                        None => Err(why.clone()),
                    };
                }
            }
        }
    }

    /// Why nothing has come of it by now.
    pub(crate) fn late(&self) -> Error {
        let budget = self.budget;
        match &self.stage {
            Stage::Asking(stub, _) => self.unresolved(stub.late()),
            Stage::Over(why) => why.clone(),
            Stage::Services(_, why, _) => {
                let text = format!(
                    "{}; no answer from the C library within {:?}",
                    why.text(),
                    budget.total()
                );
                self.unresolved(Error::new(ErrorKind::Timeout, text))
            }
            Stage::New => self.unresolved(Error::new(
                ErrorKind::Timeout,
                format!("nobody was asked within {:?}", budget.total()),
            )),
        }
    }

    /// It wants to go on then, whatever has happened.
    pub(crate) fn until(&self) -> Moment {
        let until = match &self.stage {
            Stage::Asking(stub, _) => stub.until(),
            Stage::Services(..) => self.budget.ends(),
            Stage::New | Stage::Over(_) => self.budget.started(),
        };
        match self.known {
            Some(_) => until.min(self.silent_at),
            None => until,
        }
    }

    pub(crate) fn ears(&self) -> Ears {
        match &self.stage {
            Stage::Asking(stub, _) => stub.ears(),
            Stage::Services(lookup, ..) => {
                let mut ears = Ears::NONE;
                ears.add(lookup.ear(), libc::POLLIN);
                ears
            }
            Stage::New | Stage::Over(_) => Ears::NONE,
        }
    }

    /// Nobody could say what the name is; or it is said that nobody has it, and what it was is nothing any more.
    fn over(&mut self, why: Error, is_nobody: bool) -> Stage {
        if is_nobody {
            known::forget(&self.host);
            self.known = None;
        }
        Stage::Over(self.unresolved(why))
    }

    fn unresolved(&self, why: Error) -> Error {
        let text = format!("cannot resolve `{}`: {}", self.host, why.text());
        why.with_text(text)
    }
}

/// The time for DNS: where others may know the name, one half is for them.
fn share(budget: Budget, services: Services) -> Budget {
    match budget.left() {
        Some(left) if services => budget.capped(left / 2),
        _ => budget,
    }
}
