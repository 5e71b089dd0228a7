//! One name server: datagrams, and a connection where an answer is too long for one. Nothing in it waits.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::os::fd::AsRawFd;

use socket2::{Domain, Socket, Type};

use crate::redis::wire::poll::Ears;

/// The longest datagram that is understood; without EDNS none is longer than 512 bytes.
const DATAGRAM: usize = 4096;

#[derive(Debug)]
pub(super) struct Server {
    pub(super) address: SocketAddr,
    /// It could not or would not answer when it was last asked.
    pub(super) has_failed: bool,
    udp: Option<UdpSocket>,
    tcp: Option<Tcp>,
}

/// A connection that carries messages, each behind its length.
#[derive(Debug)]
struct Tcp {
    socket: Socket,
    outgoing: Vec<u8>,
    incoming: Vec<u8>,
    /// So many answers are to come.
    awaited: usize,
}

impl Server {
    pub(super) fn new(address: SocketAddr) -> Server {
        Server {
            address,
            has_failed: false,
            udp: None,
            tcp: None,
        }
    }

    /// Sends a message in a datagram.
    pub(super) fn send(&mut self, message: &[u8]) -> io::Result<()> {
        if self.udp.is_none() {
            self.udp = Some(connected(self.address)?);
        }
        match self.udp.as_ref().map(|udp| udp.send(message)) {
            // A full buffer is a datagram that is lost.
            Some(Err(error)) if error.kind() != ErrorKind::WouldBlock => Err(error),
            _ => Ok(()),
        }
    }

    /// Sends a message over a connection, which is opened if there is none.
    pub(super) fn send_by_tcp(&mut self, message: &[u8]) -> io::Result<()> {
        let tcp = match &mut self.tcp {
            Some(tcp) => tcp,
            None => self.tcp.insert(Tcp::begin(self.address)?),
        };
        let len = u16::try_from(message.len()).unwrap_or(u16::MAX);
        tcp.outgoing.extend_from_slice(&len.to_be_bytes());
        tcp.outgoing.extend_from_slice(message);
        tcp.awaited += 1;
        tcp.push()
    }

    /// The next message that is there, of whatever kind.
    pub(super) fn receive(&mut self) -> io::Result<Option<Vec<u8>>> {
        if let Some(udp) = &self.udp {
            let mut bytes = [0; DATAGRAM];
            match udp.recv(&mut bytes) {
                Ok(len) => return Ok(Some(bytes.get(..len).unwrap_or_default().to_vec())),
                Err(error) if is_patience(&error) => {}
                Err(error) => {
                    self.udp = None;
                    return Err(error);
                }
            }
        }
        let received = self.tcp.as_mut().map_or(Ok(None), Tcp::receive);
        if received.is_err() || self.tcp.as_ref().is_some_and(|tcp| tcp.awaited == 0) {
            self.tcp = None;
        }
        received
    }

    /// What was not answered over the connection is not waited for any more.
    pub(super) fn hang_up(&mut self) {
        self.tcp = None;
    }

    pub(super) fn listen_with(&self, ears: &mut Ears) {
        if let Some(udp) = &self.udp {
            ears.add(udp.as_raw_fd(), libc::POLLIN);
        }
        if let Some(tcp) = &self.tcp {
            let out = if tcp.outgoing.is_empty() {
                0
            } else {
                libc::POLLOUT
            };
            ears.add(tcp.socket.as_raw_fd(), libc::POLLIN | out);
        }
    }
}

impl Tcp {
    fn begin(address: SocketAddr) -> io::Result<Tcp> {
        let socket = Socket::new(Domain::for_address(address), Type::STREAM, None)?;
        socket.set_nonblocking(true)?;
        match socket.connect(&address.into()) {
            Err(error) if error.raw_os_error() != Some(libc::EINPROGRESS) => Err(error),
            _ => Ok(Tcp {
                socket,
                outgoing: Vec::new(),
                incoming: Vec::new(),
                awaited: 0,
            }),
        }
    }

    fn push(&mut self) -> io::Result<()> {
        while !self.outgoing.is_empty() {
            match (&self.socket).write(&self.outgoing) {
                Ok(len) => drop(self.outgoing.drain(..len)),
                Err(error) if is_patience(&error) || error.kind() == ErrorKind::NotConnected => {
                    return Ok(());
                }
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    fn receive(&mut self) -> io::Result<Option<Vec<u8>>> {
        if let Some(error) = self.socket.take_error()? {
            return Err(error);
        }
        self.push()?;
        loop {
            if let Some((len, rest)) = self.incoming.split_first_chunk() {
                let len = usize::from(u16::from_be_bytes(*len));
                if let Some(message) = rest.get(..len) {
                    let message = message.to_vec();
                    self.incoming.drain(..len + 2);
                    self.awaited = self.awaited.saturating_sub(1);
                    return Ok(Some(message));
                }
            }
            let mut bytes = [0; DATAGRAM];
            match (&self.socket).read(&mut bytes) {
                Ok(0) => return Err(ErrorKind::UnexpectedEof.into()),
                Ok(len) => self
                    .incoming
                    .extend_from_slice(bytes.get(..len).unwrap_or_default()),
                Err(error) if is_patience(&error) || error.kind() == ErrorKind::NotConnected => {
                    return Ok(None);
                }
                Err(error) => return Err(error),
            }
        }
    }
}

/// A socket of its own a server: it hears only this one, and that nobody listens there.
fn connected(address: SocketAddr) -> io::Result<UdpSocket> {
    let any: IpAddr = match address {
        SocketAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
        SocketAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
    };
    let socket = UdpSocket::bind((any, 0))?;
    socket.set_nonblocking(true)?;
    socket.connect(address)?;
    Ok(socket)
}

fn is_patience(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted)
}
