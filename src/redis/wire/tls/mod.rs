//! TLS between the socket and the read buffer: rustls does the cryptography and no I/O, the [`Stream`] moves its
//! records within the budget. What is promised of a plain connection holds here too: deadlines against a peer that
//! stalls or drips, no signals, bounded memory (one read of records, and what they hold). Nothing is said on
//! closing: a forked child must not say goodbye for its parent.

pub(crate) mod fault;
pub(crate) mod files;
pub(crate) mod renewal;
mod sending;
pub(crate) mod sessions;
pub(crate) mod settings;
pub(crate) mod shared;
#[cfg(test)]
pub(crate) mod tests;
pub(crate) mod trusting;

use std::fmt;
use std::io::{self, BufRead, ErrorKind as Io, IoSlice, Write};
use std::mem::MaybeUninit;

use rustls::ClientConnection;

use crate::base::budget::Budget;
use crate::config::Address;
use crate::error::{Error, Result};

use super::stream::{Stream, closed};

use fault::Told;

pub(crate) use settings::{TlsSettings, prepare};

/// How much is read from the socket at once: a record of the largest size, which is what Redis sends of a large
/// value (RFC 8446, section 5.2).
const INCOMING: usize = 5 + 16 * 1024 + 256;
/// Reads that [`Secure::is_quiet`] is ready to take in before it gives a connection up.
const MOST_NEWS: usize = 4;

/// The TLS side of an open connection.
pub(crate) struct Secure {
    session: ClientConnection,
    /// `incoming[taken..]` came from the socket and has not been given to rustls.
    incoming: Vec<u8>,
    taken: usize,
    told: Told,
}

impl Secure {
    /// Begins to shake hands with the server at `address`; nothing is sent yet.
    pub(crate) fn begin(
        stream: &mut Stream,
        settings: &TlsSettings,
        address: &Address,
    ) -> Result<Box<Secure>> {
        let (config, name) = settings.of_server(address)?;
        let told = settings.told();
        let session = ClientConnection::new(config, name).map_err(|error| told.fault(error))?;
        stream.begin_command();
        Ok(Box::new(Secure {
            session,
            incoming: Vec::with_capacity(INCOMING),
            taken: 0,
            told,
        }))
    }

    /// The server's own certificate, in DER.
    pub(crate) fn certificate(&self) -> Option<Vec<u8>> {
        let own = self.session.peer_certificates()?.first()?;
        Some(own.to_vec())
    }

    /// Goes on without waiting; true when the handshake is over.
    pub(crate) fn shake_hands_at_once(
        &mut self,
        stream: &mut Stream,
        budget: Budget,
    ) -> Result<bool> {
        let outcome = self.shake_on(stream);
        outcome.map_err(|error| fault::in_handshake(error, stream.is_answered(), budget))
    }

    fn shake_on(&mut self, stream: &mut Stream) -> Result<bool> {
        loop {
            if !self.flush_at_once(stream)? {
                return Ok(false);
            }
            if !self.session.is_handshaking() {
                return Ok(true);
            }
            if self.taken == self.incoming.len() && !self.glance(stream)? {
                return Ok(false);
            }
            self.digest(stream)?;
        }
    }

    /// Writes what rustls has to say; false when the socket takes no more of it now.
    fn flush_at_once(&mut self, stream: &mut Stream) -> Result<bool> {
        while self.session.wants_write() {
            let mut outlet = Outlet(|parts: &[IoSlice<'_>]| stream.send_at_once(parts));
            match self.session.write_tls(&mut outlet) {
                Ok(_) => {}
                Err(error) if error.kind() == Io::WouldBlock => return Ok(false),
                Err(error) if error.kind() == Io::Interrupted => {}
                Err(error) => return Err(Error::from_io(error, "cannot send the command")),
            }
        }
        Ok(true)
    }

    pub(crate) fn wants_write(&self) -> bool {
        self.session.wants_write()
    }

    /// What is there, without waiting.
    pub(crate) fn receive_at_once(
        &mut self,
        stream: &mut Stream,
        room: &mut [MaybeUninit<u8>],
    ) -> Result<Option<usize>> {
        loop {
            let count = self.take(room)?;
            if count > 0 {
                return Ok(Some(count));
            }
            if self.taken == self.incoming.len() && !self.glance(stream)? {
                return Ok(None);
            }
            self.digest(stream)?;
        }
    }

    /// A fault in place of a handshake.
    pub(crate) fn not_shaken(&self, fault: Error, is_answered: bool, budget: Budget) -> Error {
        fault::in_handshake(fault, is_answered, budget)
    }

    /// Whether the last handshake went on where an earlier connection to the server had been.
    #[cfg(test)]
    fn is_resumed(&self) -> bool {
        self.session.handshake_kind() == Some(rustls::HandshakeKind::Resumed)
    }

    /// Reads at least one byte of what the server says, at most `room.len()`.
    pub(crate) fn receive(
        &mut self,
        stream: &mut Stream,
        room: &mut [MaybeUninit<u8>],
        budget: Budget,
    ) -> Result<usize> {
        loop {
            let count = self.take(room)?;
            if count > 0 {
                return Ok(count);
            }
            self.advance(stream, budget)?;
        }
    }

    /// Fills `room` from what is decrypted: 0 when there is nothing yet.
    fn take(&mut self, room: &mut [MaybeUninit<u8>]) -> Result<usize> {
        let mut reader = self.session.reader();
        let mut filled = 0;
        while let Some(rest) = room.get_mut(filled..).filter(|rest| !rest.is_empty()) {
            let count = match reader.fill_buf() {
                Ok([]) if filled == 0 => return Err(closed()),
                Ok(chunk) => {
                    for (slot, byte) in rest.iter_mut().zip(chunk) {
                        slot.write(*byte);
                    }
                    rest.len().min(chunk.len())
                }
                Err(_) => 0,
            };
            if count == 0 {
                break;
            }
            reader.consume(count);
            filled += count;
        }
        Ok(filled)
    }

    /// Gets rustls further, with what has come already or with what comes next.
    fn advance(&mut self, stream: &mut Stream, budget: Budget) -> Result<()> {
        if self.taken == self.incoming.len() {
            self.incoming.clear();
            self.taken = 0;
            let spare = self.incoming.spare_capacity_mut();
            let count = stream.receive(spare, budget)?;
            // SAFETY: recv has written `count` bytes at the start of the spare capacity.
            unsafe { self.incoming.set_len(count) };
        }
        self.digest(stream)
    }

    /// Gives rustls what has come, as far as it takes it: it stops when there is enough to be read.
    fn digest(&mut self, stream: &mut Stream) -> Result<()> {
        while let Some(mut rest) = self.incoming.get(self.taken..)
            && !rest.is_empty()
        {
            match self.session.read_tls(&mut rest) {
                // The server has closed the session, and what follows means nothing.
                Ok(0) => self.taken = self.incoming.len(),
                Ok(count) => self.taken += count,
                Err(error) if error.kind() == Io::Other => break,
                Err(error) => return Err(Error::from_io(error, "cannot read the reply")),
            }
            if let Err(error) = self.session.process_new_packets() {
                self.say_at_once(stream);
                return Err(self.told.fault(error));
            }
        }
        Ok(())
    }

    /// Tells the server why, if it still listens.
    fn say_at_once(&mut self, stream: &mut Stream) {
        let mut outlet = Outlet(|parts: &[IoSlice<'_>]| stream.send_at_once(parts));
        // The fault that is being told matters, not this one.
        let _ = self.session.write_tls(&mut outlet);
    }

    /// Why the server broke off, when it said so before it did. In TLS 1.3 a refused client certificate may show
    /// only here: for the client the handshake was over by then.
    #[cold]
    fn last_words(&mut self, stream: &mut Stream) -> Option<Error> {
        for _ in 0..MOST_NEWS {
            if !self.glance(stream).ok()? {
                return None;
            }
            if let Err(told) = self.digest(stream) {
                return Some(told);
            }
        }
        None
    }

    /// Reads what has come, without waiting; false when nothing has.
    fn glance(&mut self, stream: &mut Stream) -> Result<bool> {
        self.incoming.clear();
        self.taken = 0;
        let spare = self.incoming.spare_capacity_mut();
        match stream.receive_at_once(spare) {
            Ok(0) => Err(closed()),
            Ok(count) => {
                // SAFETY: recv has written `count` bytes at the start of the spare capacity.
                unsafe { self.incoming.set_len(count) };
                Ok(true)
            }
            Err(error) if error.kind() == Io::WouldBlock => Ok(false),
            Err(error) => Err(Error::from_io(error, "cannot read the reply")),
        }
    }

    /// True when nothing has come that nobody took, as far as it is known here, and the session is open.
    pub(crate) fn is_drained(&self) -> bool {
        self.taken == self.incoming.len() && self.session.wants_read()
    }

    /// True when the connection is open and nothing waits to be read. What the server says about the session itself
    /// (tickets to resume it with, new keys: RFC 8446, section 4.6) may come at any time and is taken in.
    pub(crate) fn is_quiet(&mut self, stream: &mut Stream) -> bool {
        for _ in 0..MOST_NEWS {
            if !self.is_drained() {
                return false;
            }
            match self.glance(stream) {
                Ok(false) => return true,
                Ok(true) if self.digest(stream).is_ok() => {}
                _ => return false,
            }
        }
        false
    }
}

/// Where rustls writes its records to.
struct Outlet<W>(W);

impl<W: FnMut(&[IoSlice<'_>]) -> io::Result<usize>> Write for Outlet<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.write_vectored(&[IoSlice::new(bytes)])
    }

    fn write_vectored(&mut self, parts: &[IoSlice<'_>]) -> io::Result<usize> {
        (self.0)(parts)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl fmt::Debug for Secure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let version = self.session.protocol_version();
        f.debug_struct("Secure")
            .field("version", &version)
            .finish_non_exhaustive()
    }
}
