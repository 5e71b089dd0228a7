//! Writing: what rustls has encrypted goes out before it is given more, so it never keeps much.

use std::io::{self, IoSlice, Write};

use crate::base::budget::Budget;
use crate::error::{Error, ErrorKind, Result};

use super::super::stream::{SendFault, Stream, closed};
use super::{Outlet, Secure};

impl Secure {
    /// Encrypts and writes all of `bytes`, as much at a time as rustls is ready to keep.
    pub(crate) fn send(
        &mut self,
        stream: &mut Stream,
        bytes: &[u8],
        budget: Budget,
    ) -> Result<(), SendFault> {
        stream.begin_command();
        let before = stream.bytes_out();
        self.send_all(stream, bytes, budget)
            .map_err(|error| SendFault {
                unsent: stream.bytes_out() == before,
                // The reason for a broken connection may be waiting to be read.
                error: match error.kind() {
                    ErrorKind::Io => self.last_words(stream).unwrap_or(error),
                    _ => error,
                },
            })
    }

    /// Encrypts and writes as much of `bytes` as is taken without waiting; whether all that was encrypted is written.
    pub(crate) fn send_part(&mut self, stream: &mut Stream, bytes: &[u8]) -> Result<(usize, bool)> {
        match self.encrypt_part(stream, bytes) {
            // The reason for a broken connection may be waiting to be read.
            Err(error) if error.kind() == ErrorKind::Io => {
                Err(self.last_words(stream).unwrap_or(error))
            }
            sent => sent,
        }
    }

    fn encrypt_part(&mut self, stream: &mut Stream, bytes: &[u8]) -> Result<(usize, bool)> {
        if !self.flush_at_once(stream)? || bytes.is_empty() {
            return Ok((0, !self.session.wants_write()));
        }
        let taken = self.session.writer().write(bytes);
        let taken = taken.map_err(|error| Error::from_io(error, "cannot send the command"))?;
        Ok((taken, self.flush_at_once(stream)?))
    }

    fn send_all(&mut self, stream: &mut Stream, bytes: &[u8], budget: Budget) -> Result<()> {
        let mut rest = bytes;
        while !rest.is_empty() {
            let count = match self.session.writer().write(rest) {
                Ok(0) => return Err(closed()),
                Ok(count) => count,
                Err(error) => return Err(Error::from_io(error, "cannot send the command")),
            };
            rest = rest.get(count..).unwrap_or_default();
            self.flush(stream, budget)?;
        }
        Ok(())
    }

    /// Writes what rustls has to say.
    pub(super) fn flush(&mut self, stream: &mut Stream, budget: Budget) -> Result<()> {
        while self.session.wants_write() {
            let mut fault = None;
            let mut outlet = Outlet(|parts: &[IoSlice<'_>]| {
                stream.send_some(parts, budget).map_err(|error| {
                    fault = Some(error);
                    io::Error::other("the connection is broken")
                })
            });
            if let Err(error) = self.session.write_tls(&mut outlet) {
                return Err(
                    fault.unwrap_or_else(|| Error::from_io(error, "cannot send the command"))
                );
            }
        }
        Ok(())
    }
}
