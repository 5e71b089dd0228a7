//! Asks name servers for the addresses of a name: each candidate in turn, IPv4 and IPv6 at once, one server after the
//! other and all of them listened to until the end. Nothing in it waits.

use std::collections::VecDeque;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use crate::base::budget::Budget;
use crate::base::moment::Moment;
use crate::error::{Error, ErrorKind};
use crate::redis::wire::poll::Ears;

use super::id;
use super::machine::Asking;
use super::message::{self, Heard, Kind};
use super::server::Server;

/// After the addresses of one kind came, those of the other are waited for so long (RFC 8305).
const OTHER_KIND: Duration = Duration::from_millis(50);

/// No more is heard from one server at a time.
const MESSAGES: usize = 64;

#[derive(Debug)]
pub(super) struct Stub {
    servers: Vec<Server>,
    candidates: VecDeque<String>,
    /// The candidate that is asked for.
    name: String,
    questions: Vec<Question>,
    /// How often a server was asked for it, and how often that is done.
    tries: usize,
    limit: usize,
    patience: Duration,
    pace: Duration,
    /// When the next server is asked.
    next: Moment,
    /// There are addresses: others are waited for until then.
    settled: Option<Moment>,
    /// Why a server could not answer for this candidate.
    failure: Option<Error>,
    /// The same of one before, for which none could.
    unsettled: Option<Error>,
    budget: Budget,
    only_tcp: bool,
    no_ipv6: bool,
}

#[derive(Debug)]
struct Question {
    id: u16,
    kind: Kind,
    heard: Option<Vec<IpAddr>>,
}

/// What came of it.
#[derive(Debug)]
pub(super) enum Outcome {
    Found(Vec<SocketAddr>),
    /// Nobody has that name.
    Nobody,
    /// No server could say.
    Failed(Error),
}

impl Stub {
    pub(super) fn begin(asking: Asking, budget: Budget) -> Stub {
        let servers: Vec<_> = asking.servers.into_iter().map(Server::new).collect();
        let limit = servers.len() * asking.attempts as usize;
        let mut stub = Stub {
            servers,
            candidates: asking.candidates.into(),
            name: String::new(),
            questions: Vec::new(),
            tries: 0,
            limit,
            patience: asking.patience,
            pace: asking.patience,
            next: budget.started(),
            settled: None,
            failure: None,
            unsettled: None,
            budget,
            only_tcp: asking.only_tcp,
            no_ipv6: asking.no_ipv6,
        };
        stub.go_on(budget);
        stub.next_candidate();
        stub
    }

    /// Goes on for somebody else, who has this time.
    pub(super) fn go_on(&mut self, budget: Budget) {
        let left = budget.left().unwrap_or_default();
        let share = left / u32::try_from(self.limit).unwrap_or(u32::MAX).max(1);
        self.pace = share.min(self.patience).max(Duration::from_millis(1));
        self.budget = budget;
    }

    /// Goes on as far as that is possible without waiting.
    pub(super) fn advance(&mut self) -> Option<Outcome> {
        loop {
            let now = Moment::now();
            self.listen(now);
            if self
                .questions
                .iter()
                .all(|question| question.heard.is_some())
                || self.settled.is_some_and(|at| now >= at)
            {
                let found = self.found();
                if !found.is_empty() {
                    return Some(Outcome::Found(found));
                }
                if !self.next_candidate() {
                    return Some(match self.unsettled.take() {
                        Some(why) => Outcome::Failed(why),
                        None => Outcome::Nobody,
                    });
                }
            }
            if now < self.next {
                return None;
            }
            if self.tries < self.limit {
                self.ask(now);
            } else {
                let found = self.found();
                if !found.is_empty() {
                    return Some(Outcome::Found(found));
                }
                let why = self.late();
                if !self.has_failed() || !self.next_candidate() {
                    return Some(Outcome::Failed(why));
                }
                self.unsettled = Some(why);
            }
        }
    }

    /// Why nothing has come of it by now.
    pub(super) fn late(&self) -> Error {
        let is_silent = |server: &&Server| !server.has_failed;
        let silent = self.servers.iter().filter(is_silent);
        let silent: Vec<_> = silent
            .map(|server| server.address.ip().to_string())
            .collect();
        match &self.failure {
            Some(why) if silent.is_empty() => why.clone(),
            _ => Error::new(
                ErrorKind::Timeout,
                format!(
                    "no answer from the name server {} within {:?}",
                    silent.join(", "),
                    self.budget.total()
                ),
            ),
        }
    }

    /// Whether its time is over.
    pub(super) fn is_late(&self) -> bool {
        self.budget.left().is_none()
    }

    pub(super) fn until(&self) -> Moment {
        let next = self.settled.map_or(self.next, |at| at.min(self.next));
        next.min(self.budget.ends())
    }

    pub(super) fn ears(&self) -> Ears {
        let mut ears = Ears::NONE;
        self.servers
            .iter()
            .for_each(|server| server.listen_with(&mut ears));
        ears
    }

    fn found(&self) -> Vec<SocketAddr> {
        let heard = self
            .questions
            .iter()
            .filter_map(|question| question.heard.as_ref());
        heard.flatten().map(|ip| SocketAddr::new(*ip, 0)).collect()
    }

    /// Asks for the next name; false when there is none.
    fn next_candidate(&mut self) -> bool {
        let Some(name) = self.candidates.pop_front() else {
            return false;
        };
        let kinds = [Kind::V6, Kind::V4].into_iter().skip(self.no_ipv6.into());
        let question = |kind| Question {
            id: id::random(),
            kind,
            heard: None,
        };
        self.questions = kinds.map(question).collect();
        self.servers.iter_mut().for_each(Server::hang_up);
        self.name = name;
        self.tries = 0;
        self.next = Moment::now();
        self.settled = None;
        self.failure = None;
        true
    }

    /// Asks the next server what is not known yet.
    fn ask(&mut self, now: Moment) {
        let place = self.tries % self.servers.len().max(1);
        self.tries += 1;
        // The last ones are waited for as long as there is time.
        self.next = now.after(match self.tries < self.limit {
            true => self.pace,
            false => self.patience,
        });
        let Some(server) = self.servers.get_mut(place) else {
            return;
        };
        server.has_failed = false;
        server.hang_up();
        let open = self
            .questions
            .iter()
            .filter(|question| question.heard.is_none());
        for question in open {
            let Some(message) = message::question(question.id, &self.name, question.kind) else {
                continue;
            };
            let sent = match self.only_tcp {
                true => server.send_by_tcp(&message),
                false => server.send(&message),
            };
            if let Err(error) = sent {
                let why = unreachable(server, error);
                return self.failed(place, why, now);
            }
        }
    }

    /// Hears whatever was said by anybody.
    fn listen(&mut self, now: Moment) {
        for place in 0..self.servers.len() {
            for _ in 0..MESSAGES {
                let Some(server) = self.servers.get_mut(place) else {
                    break;
                };
                match server.receive() {
                    Ok(Some(message)) => self.hear(place, &message, now),
                    Ok(None) => break,
                    Err(error) => {
                        let why = unreachable(server, error);
                        self.failed(place, why, now);
                        break;
                    }
                }
            }
        }
    }

    fn hear(&mut self, place: usize, bytes: &[u8], now: Moment) {
        let mut open = self
            .questions
            .iter_mut()
            .filter(|question| question.heard.is_none());
        let name = &self.name;
        let heard = open.find_map(|question| {
            let heard = message::answer(bytes, question.id, name, question.kind)?;
            Some((question, heard))
        });
        let (Some((question, heard)), Some(server)) = (heard, self.servers.get_mut(place)) else {
            return;
        };
        match heard {
            Heard::Addresses(addresses) => {
                if !addresses.is_empty() && self.settled.is_none() {
                    let left = self.budget.left().unwrap_or_default();
                    self.settled = Some(now.after(OTHER_KIND.min(left / 8)));
                }
                question.heard = Some(addresses);
            }
            Heard::NoSuchName => {
                for question in &mut self.questions {
                    question.heard.get_or_insert_default();
                }
            }
            Heard::Cut => {
                let message = message::question(question.id, name, question.kind);
                if let Err(error) = server.send_by_tcp(&message.unwrap_or_default()) {
                    let why = unreachable(server, error);
                    self.failed(place, why, now);
                }
            }
            Heard::Failure(code) => {
                let ip = server.address.ip();
                let text = format!("the name server {ip} says {code:?}");
                self.failed(place, Error::new(ErrorKind::Io, text), now);
            }
        }
    }

    /// A server cannot answer: if it was asked last, the next one need not wait.
    fn failed(&mut self, place: usize, why: Error, now: Moment) {
        self.failure = Some(why);
        if let Some(server) = self.servers.get_mut(place) {
            server.has_failed = true;
        }
        let is_last = self.tries > 0 && (self.tries - 1) % self.servers.len().max(1) == place;
        let goes_on = self.tries < self.limit;
        if is_last && goes_on || self.has_failed() {
            self.next = now;
        }
    }

    /// Whether no server can answer.
    fn has_failed(&self) -> bool {
        self.servers.iter().all(|server| server.has_failed)
    }
}

fn unreachable(server: &Server, error: std::io::Error) -> Error {
    Error::from_io(error, &format!("the name server {}", server.address.ip()))
}
