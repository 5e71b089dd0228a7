//! The memory that codecs write to: what cannot be had is seen, and ends the work instead of the process.

use std::io;

use postcard::ser_flavors::Flavor;

use super::{Seen, Watch};

/// Writes behind what a vector holds, and leaves that alone whatever happens. Memory that cannot be had is a fault.
pub(crate) struct Behind<'w> {
    pub(crate) out: &'w mut Vec<u8>,
    pub(crate) watch: &'w Watch,
}

impl Behind<'_> {
    #[inline]
    fn reserve(&mut self, more: usize) -> bool {
        more <= self.out.capacity() - self.out.len() || self.grow(more)
    }

    #[cold]
    fn grow(&mut self, more: usize) -> bool {
        let is_there = self.out.try_reserve(more).is_ok();
        if !is_there {
            self.watch.see(Seen::NoMemory(more));
        }
        is_there
    }
}

impl Flavor for Behind<'_> {
    type Output = ();

    #[inline]
    fn try_push(&mut self, byte: u8) -> postcard::Result<()> {
        if !self.reserve(1) {
            return Err(postcard::Error::SerializeBufferFull);
        }
        self.out.push(byte);
        Ok(())
    }

    #[inline]
    fn try_extend(&mut self, bytes: &[u8]) -> postcard::Result<()> {
        if !self.reserve(bytes.len()) {
            return Err(postcard::Error::SerializeBufferFull);
        }
        self.out.extend_from_slice(bytes);
        Ok(())
    }

    fn finalize(self) -> postcard::Result<()> {
        Ok(())
    }
}

impl io::Write for Behind<'_> {
    #[inline]
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.write_all(bytes)?;
        Ok(bytes.len())
    }

    #[inline]
    fn write_all(&mut self, bytes: &[u8]) -> io::Result<()> {
        if !self.reserve(bytes.len()) {
            return Err(io::ErrorKind::OutOfMemory.into());
        }
        self.out.extend_from_slice(bytes);
        Ok(())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
