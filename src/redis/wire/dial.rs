//! Connects a socket without waiting for it: TCP with every address the name has, Unix with a backlog that may be full.
//! A name is looked for meanwhile; while nobody answers, the addresses that it had last are tried.

use std::collections::VecDeque;
use std::io::{self, ErrorKind as Io};
use std::net::SocketAddr;
use std::os::fd::AsRawFd;
use std::time::Duration;

use socket2::{Domain, SockAddr, Socket, TcpKeepalive, Type};

use crate::base::moment::Moment;
use crate::config::Address;
use crate::error::{Error, ErrorKind, Result};
use crate::redis::wire::names::{self, Resolving, Told};
use crate::redis::wire::poll::{Ears, Wants};

use crate::base::budget::Budget;

/// After so much silence the kernel asks whether the other side still exists.
const KEEPALIVE: Duration = Duration::from_secs(60);
/// Pauses between attempts at a full backlog.
const PAUSES: (Duration, Duration) = (Duration::from_micros(500), Duration::from_millis(10));

/// A connect under way. Nothing in it waits.
#[derive(Debug)]
pub(crate) struct Dialing {
    /// Still looks for the addresses of the name.
    resolving: Option<Box<Resolving>>,
    port: u16,
    /// Not tried yet.
    addresses: VecDeque<SockAddr>,
    /// On its way to the address that is tried now.
    socket: Option<Socket>,
    goal: Option<SocketAddr>,
    /// When the next address gets its turn, or when a full backlog is tried again.
    until: Moment,
    pause: Duration,
    budget: Budget,
    fault: Option<Error>,
}

impl Dialing {
    pub(crate) fn begin(address: &Address, budget: Budget) -> Result<Dialing> {
        let mut dialing = Dialing {
            resolving: None,
            port: 0,
            addresses: VecDeque::new(),
            socket: None,
            goal: None,
            until: budget.started(),
            pause: PAUSES.0,
            budget,
            fault: None,
        };
        match address {
            Address::Tcp { host, port } => {
                dialing.port = *port;
                match names::number(host) {
                    Some(number) => dialing.lead_to(vec![number]),
                    None => dialing.resolving = Some(Box::new(Resolving::begin(host, budget))),
                }
            }
            Address::Unix(path) => {
                dialing.addresses = VecDeque::from([SockAddr::unix(path).map_err(refused)?]);
            }
            Address::Memory(_) => {
                let text = "a memory:// store cannot be connected to";
                return Err(Error::new(ErrorKind::Config, text));
            }
        }
        Ok(dialing)
    }

    /// Asks what the name is by now.
    fn resolve(&mut self) {
        while let Some(resolving) = &mut self.resolving {
            match resolving.advance() {
                Ok(Told::Nothing) => return,
                Ok(Told::Last(addresses)) => self.lead_to(addresses),
                Ok(Told::Found(addresses)) => {
                    self.resolving = None;
                    self.lead_to(addresses);
                }
                Err(error) => {
                    self.resolving = None;
                    self.fault = Some(error);
                }
            }
        }
    }

    /// These are the addresses; if one of them is being tried already, that goes on.
    fn lead_to(&mut self, addresses: Vec<SocketAddr>) {
        let port = self.port;
        let with_port = addresses.into_iter().map(|mut address| {
            address.set_port(port);
            SockAddr::from(address)
        });
        self.addresses = with_port.collect();
        self.fault = None;
        let is_goal = |it: &SockAddr| it.as_socket() == self.goal;
        match self.addresses.iter().position(is_goal) {
            Some(place) if self.socket.is_some() => drop(self.addresses.remove(place)),
            _ => {
                self.socket = None;
                self.until = self.budget.started();
            }
        }
    }

    /// Goes on as far as that is possible without waiting. When the time is over is for the caller to say.
    pub(crate) fn advance(&mut self) -> Result<Option<Socket>> {
        self.resolve();
        loop {
            let now = Moment::now();
            if let Some(socket) = &self.socket {
                match socket.take_error() {
                    Ok(None) if socket.peer_addr().is_ok() => {
                        let socket = self.socket.take();
                        if let Some(socket) = &socket {
                            socket.set_nonblocking(false).map_err(refused)?;
                        }
                        return Ok(socket);
                    }
                    // The last one may have all the time that there is.
                    Ok(None) if now < self.until || self.addresses.is_empty() => return Ok(None),
                    Ok(None) => self.fault = Some(too_slow(self.budget)),
                    Ok(Some(error)) | Err(error) => self.fault = Some(refused(error)),
                }
                self.socket = None;
            } else if now < self.until {
                return Ok(None);
            }
            let left = self.budget.ends().since(now);
            if left.is_zero() && !self.addresses.is_empty() {
                return Ok(None);
            }
            let Some(address) = self.addresses.pop_front() else {
                match self.resolving {
                    Some(_) => return Ok(None),
                    None => return Err(self.late()),
                }
            };
            // An address that swallows packets must leave time for the others.
            let others = u32::try_from(self.addresses.len()).unwrap_or(u32::MAX);
            let socket = prepared(&address).map_err(refused)?;
            match socket.connect(&address) {
                Ok(()) => {}
                Err(error) if error.raw_os_error() == Some(libc::EINPROGRESS) => {}
                Err(error) if error.kind() == Io::WouldBlock => {
                    self.addresses.push_front(address);
                    self.until = now.after(self.pause);
                    self.pause = (self.pause * 2).min(PAUSES.1);
                    return Ok(None);
                }
                Err(error) => {
                    self.fault = Some(refused(error));
                    continue;
                }
            }
            self.until = now.after(left / others.saturating_add(1));
            self.socket = Some(socket);
            self.goal = address.as_socket();
        }
    }

    /// Goes on for somebody else, who has this time.
    pub(crate) fn go_on(&mut self, budget: Budget) {
        let others = u32::try_from(self.addresses.len()).unwrap_or(u32::MAX);
        let left = budget.left().unwrap_or_default();
        self.until = Moment::now().after(match self.socket {
            Some(_) => left / others.saturating_add(1),
            None => self.pause.min(left),
        });
        self.budget = budget;
        if let Some(resolving) = &mut self.resolving {
            resolving.go_on(budget);
        }
    }

    /// Why nothing has come of it by now.
    pub(crate) fn late(&self) -> Error {
        match (&self.resolving, &self.fault) {
            (Some(resolving), None) => resolving.late(),
            (Some(resolving), Some(fault)) => {
                let why = resolving.late();
                let text = format!("{}; where it was last: {}", why.text(), fault.text());
                why.with_text(text)
            }
            (None, Some(fault)) => fault.clone(),
            (None, None) => too_slow(self.budget),
        }
    }

    /// What it waits for.
    pub(crate) fn wants(&self) -> Wants {
        let has_more = self.socket.is_some() || !self.addresses.is_empty();
        let until = match &self.resolving {
            Some(resolving) if has_more => self.until.min(resolving.until()),
            Some(resolving) => resolving.until(),
            None => self.until,
        };
        Wants {
            socket: self.socket.as_ref().map(AsRawFd::as_raw_fd),
            events: libc::POLLOUT,
            besides: self.resolving.as_ref().map_or(Ears::NONE, |it| it.ears()),
            until,
        }
    }
}

fn prepared(address: &SockAddr) -> io::Result<Socket> {
    let socket = Socket::new(address.domain(), Type::STREAM, None)?;
    socket.set_nonblocking(true)?;
    if address.domain() != Domain::UNIX {
        socket.set_tcp_nodelay(true)?;
        let keepalive = TcpKeepalive::new().with_time(KEEPALIVE);
        socket.set_tcp_keepalive(&keepalive.with_interval(KEEPALIVE / 4))?;
    }
    Ok(socket)
}

fn refused(error: io::Error) -> Error {
    Error::from_io(error, "cannot connect")
}

fn too_slow(budget: Budget) -> Error {
    Error::new(
        ErrorKind::Timeout,
        format!("no connection within {:?}", budget.total()),
    )
}
