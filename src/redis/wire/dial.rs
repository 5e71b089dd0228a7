//! Connects a socket without waiting for it: TCP with every address the name has, Unix with a backlog that may be full.
//! Only the resolver of the C library cannot be interrupted; addresses that are numbers do not go through it.

use std::collections::VecDeque;
use std::io::{self, ErrorKind as Io};
use std::net::ToSocketAddrs;
use std::os::fd::AsRawFd;
use std::time::Duration;

use socket2::{Domain, SockAddr, Socket, TcpKeepalive, Type};

use crate::base::fork;
use crate::base::moment::Moment;
use crate::config::Address;
use crate::error::{Error, ErrorKind, Result};
use crate::redis::wire::poll::Wants;

use crate::base::budget::Budget;

/// After so much silence the kernel asks whether the other side still exists.
const KEEPALIVE: Duration = Duration::from_secs(60);
/// Pauses between attempts at a full backlog.
const PAUSES: (Duration, Duration) = (Duration::from_micros(500), Duration::from_millis(10));

/// A connect under way. Nothing in it waits, but the resolver of the C library.
#[derive(Debug)]
pub(crate) struct Dialing {
    /// Not tried yet.
    addresses: VecDeque<SockAddr>,
    /// On its way to the address that is tried now.
    socket: Option<Socket>,
    /// When the next address gets its turn, or when a full backlog is tried again.
    until: Moment,
    pause: Duration,
    budget: Budget,
    fault: Option<Error>,
}

impl Dialing {
    pub(crate) fn begin(address: &Address, budget: Budget) -> Result<Dialing> {
        let addresses: VecDeque<SockAddr> = match address {
            Address::Tcp { host, port } => {
                let resolved = fork::undisturbed(|| (host.as_str(), *port).to_socket_addrs());
                let resolved =
                    resolved.map_err(|error| Error::from_io(error, "cannot resolve the host"))?;
                resolved.map(SockAddr::from).collect()
            }
            Address::Unix(path) => VecDeque::from([SockAddr::unix(path).map_err(refused)?]),
            Address::Memory(_) => {
                let text = "a memory:// store cannot be connected to";
                return Err(Error::new(ErrorKind::Config, text));
            }
        };
        let nowhere = addresses
            .is_empty()
            .then(|| Error::new(ErrorKind::Io, "cannot resolve the host: it has no address"));
        Ok(Dialing {
            addresses,
            socket: None,
            until: budget.started(),
            pause: PAUSES.0,
            budget,
            fault: nowhere,
        })
    }

    /// Goes on as far as that is possible without waiting. When the time is over is for the caller to say.
    pub(crate) fn advance(&mut self) -> Result<Option<Socket>> {
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
                return Err(self.late());
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
    }

    /// Why nothing has come of it by now.
    pub(crate) fn late(&self) -> Error {
        let fault = self.fault.clone();
        fault.unwrap_or_else(|| too_slow(self.budget))
    }

    /// What it waits for.
    pub(crate) fn wants(&self) -> Wants {
        Wants {
            socket: self.socket.as_ref().map(AsRawFd::as_raw_fd),
            events: libc::POLLOUT,
            until: self.until,
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
