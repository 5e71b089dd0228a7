//! Connects a socket within a budget: TCP with every address the name has, Unix with a backlog that may be full.
//! Only the resolver of the C library cannot be interrupted; addresses that are numbers do not go through it.

use std::collections::VecDeque;
use std::io::{self, ErrorKind as Io};
use std::net::{SocketAddr, ToSocketAddrs};
use std::os::fd::AsRawFd;
use std::path::Path;
use std::time::Duration;

use socket2::{Domain, SockAddr, Socket, TcpKeepalive, Type};

use crate::base::fork;
use crate::base::moment::Moment;
use crate::config::Address;
use crate::error::{Error, ErrorKind, Result};
use crate::redis::wire::poll::Wants;

use super::Budget;

/// After so much silence the kernel asks whether the other side still exists.
const KEEPALIVE: Duration = Duration::from_secs(60);
/// Pauses between attempts at a full backlog.
const PAUSES: (Duration, Duration) = (Duration::from_micros(500), Duration::from_millis(10));

pub(crate) fn connect(address: &Address, budget: Budget) -> Result<Socket> {
    match address {
        Address::Tcp { host, port } => tcp(host, *port, budget),
        Address::Unix(path) => unix(path, budget),
        Address::Memory(_) => Err(Error::new(
            ErrorKind::Config,
            "a memory:// store cannot be connected to",
        )),
    }
}

fn tcp(host: &str, port: u16, budget: Budget) -> Result<Socket> {
    let resolved = fork::undisturbed(|| (host, port).to_socket_addrs());
    let addresses: Vec<SocketAddr> = resolved
        .map_err(|error| Error::from_io(error, "cannot resolve the host"))?
        .collect();
    let mut fault = Error::new(ErrorKind::Io, "cannot resolve the host: it has no address");
    for (tried, address) in addresses.iter().enumerate() {
        let Some(left) = budget.left() else {
            return Err(if tried == 0 { too_slow(budget) } else { fault });
        };
        // An address that swallows packets must leave time for the others.
        let others = u32::try_from(addresses.len() - tried - 1).unwrap_or(u32::MAX);
        match tcp_address(address, left / others.saturating_add(1)) {
            Ok(socket) => return Ok(socket),
            Err(error) if error.kind() == Io::TimedOut => fault = too_slow(budget),
            Err(error) => fault = refused(error),
        }
    }
    Err(fault)
}

fn tcp_address(address: &SocketAddr, within: Duration) -> io::Result<Socket> {
    let socket = Socket::new(Domain::for_address(*address), Type::STREAM, None)?;
    socket.set_tcp_nodelay(true)?;
    socket.set_tcp_keepalive(
        &TcpKeepalive::new()
            .with_time(KEEPALIVE)
            .with_interval(KEEPALIVE / 4),
    )?;
    socket.connect_timeout(&SockAddr::from(*address), within)?;
    Ok(socket)
}

/// A blocking connect to a Unix socket waits for room in the backlog without end; a non-blocking one says EAGAIN
/// when there is none, and nothing tells when there will be (connect(2)).
fn unix(path: &Path, budget: Budget) -> Result<Socket> {
    let prepared = SockAddr::unix(path).and_then(|address| {
        let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
        socket.set_nonblocking(true)?;
        Ok((address, socket))
    });
    let (address, socket) = prepared.map_err(refused)?;
    let (mut pause, longest) = PAUSES;
    loop {
        match socket.connect(&address) {
            Ok(()) => break,
            Err(error) if error.kind() == Io::WouldBlock => {
                let left = budget.left().ok_or_else(|| too_slow(budget))?;
                std::thread::sleep(pause.min(left));
                pause = (pause * 2).min(longest);
            }
            Err(error) if error.kind() == Io::Interrupted => {}
            Err(error) => return Err(refused(error)),
        }
    }
    socket.set_nonblocking(false).map_err(refused)?;
    Ok(socket)
}

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
        let addresses = match address {
            Address::Tcp { host, port } => {
                let resolved = fork::undisturbed(|| (host.as_str(), *port).to_socket_addrs());
                let resolved =
                    resolved.map_err(|error| Error::from_io(error, "cannot resolve the host"))?;
                resolved.map(SockAddr::from).collect()
            }
            Address::Unix(path) => VecDeque::from([SockAddr::unix(path).map_err(refused)?]),
            Address::Memory(_) => VecDeque::new(),
        };
        Ok(Dialing {
            addresses,
            socket: None,
            until: budget.started(),
            pause: PAUSES.0,
            budget,
            fault: None,
        })
    }

    /// Goes on as far as that is possible without waiting.
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
                    Ok(None) if now < self.until => return Ok(None),
                    Ok(None) => self.fault = Some(too_slow(self.budget)),
                    Ok(Some(error)) | Err(error) => self.fault = Some(refused(error)),
                }
                self.socket = None;
            } else if now < self.until {
                return Ok(None);
            }
            let left = self.budget.ends().since(now);
            let Some(address) = self.addresses.pop_front().filter(|_| !left.is_zero()) else {
                return Err(self.fault.take().unwrap_or_else(|| too_slow(self.budget)));
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
