//! Commands as the server reads them: arrays of bulk strings, one behind the other in one piece of memory.

use crate::store::framed::{Argument, CRLF, line};

/// Appends commands to a batch. A command is its number of arguments, then exactly so many arguments.
#[derive(Debug)]
pub(crate) struct Encoder<'a> {
    out: &'a mut Vec<u8>,
    commands: &'a mut usize,
    aside: &'a mut Aside,
    lost: u32,
}

/// What belongs to a batch and is not in its memory.
#[derive(Debug, Default)]
pub(crate) struct Aside {
    /// The length of an argument for which there is no memory, and then the batch is of no use; 0: there is.
    pub(crate) lacking: usize,
    /// The large piece that is written from where it lies.
    pub(crate) apart: Apart,
}

/// Whether the large piece of a command is written from where it lies, and then where in the batch it belongs.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Apart {
    #[default]
    No,
    Wanted,
    At(usize),
}

/// From here on a copy costs more than a write of three pieces.
pub(crate) const LARGE: usize = 16 * 1024;

/// An argument leaves as much room behind it as words take until the next one comes, which must not make a large batch
/// grow.
const BEHIND: usize = 128;

impl<'a> Encoder<'a> {
    /// `commands` goes up by one for each command.
    #[inline]
    pub(crate) fn new(out: &'a mut Vec<u8>, commands: &'a mut usize, aside: &'a mut Aside) -> Self {
        Encoder {
            out,
            commands,
            aside,
            lost: 0,
        }
    }

    /// For commands that follow so many attempts at them.
    #[inline]
    pub(crate) fn after(mut self, lost: u32) -> Self {
        self.lost = lost;
        self
    }

    /// The same for the next command of several.
    pub(crate) fn set_lost(&mut self, lost: u32) {
        self.lost = lost;
    }

    /// Attempts at this command that were sent and never answered.
    #[inline]
    pub(crate) fn lost(&self) -> u32 {
        self.lost
    }

    /// Commands of the batch so far.
    pub(crate) fn commands(&self) -> usize {
        *self.commands
    }

    /// Begins a command of `argc` arguments; its name is the first of them.
    #[inline]
    pub(crate) fn command(&mut self, argc: usize) -> &mut Self {
        *self.commands += 1;
        line(self.out, b'*', argc);
        self
    }

    /// Begins a command with words that are the same every time, as they stand on the wire.
    #[inline]
    pub(crate) fn opening(&mut self, packed: &'static [u8]) -> &mut Self {
        *self.commands += 1;
        self.words(packed)
    }

    /// More such words.
    #[inline]
    pub(crate) fn words(&mut self, packed: &'static [u8]) -> &mut Self {
        self.out.extend_from_slice(packed);
        self
    }

    #[inline(always)]
    pub(crate) fn arg(&mut self, bytes: &[u8]) -> &mut Self {
        if self.length(bytes.len()) {
            self.out.extend_from_slice(bytes);
            self.out.extend_from_slice(CRLF);
        }
        self
    }

    /// An argument that may be framed already.
    #[inline(always)]
    pub(crate) fn name<'n>(&mut self, name: impl Into<Argument<'n>>) -> &mut Self {
        match name.into() {
            Argument::Bare(bytes) => self.arg(bytes),
            Argument::Framed(framed) => self.framed(framed),
        }
    }

    /// Arguments that are framed already.
    #[inline]
    pub(crate) fn framed(&mut self, args: &[u8]) -> &mut Self {
        if self.has_room(args.len()) {
            self.out.extend_from_slice(args);
        }
        self
    }

    /// One argument that lies in two pieces. A large one at the back stays where it is, if the batch is sent so.
    #[inline(always)]
    pub(crate) fn joined(&mut self, front: &[u8], back: &[u8]) -> &mut Self {
        if back.len() >= LARGE && self.aside.apart == Apart::Wanted {
            return self.around(front, back.len());
        }
        if self.length(front.len() + back.len()) {
            self.out.extend_from_slice(front);
            self.out.extend_from_slice(back);
            self.out.extend_from_slice(CRLF);
        }
        self
    }

    #[cold]
    fn around(&mut self, front: &[u8], len: usize) -> &mut Self {
        if self.has_room(front.len()) {
            line(self.out, b'$', front.len() + len);
            self.out.extend_from_slice(front);
            self.aside.apart = Apart::At(self.out.len());
            self.out.extend_from_slice(CRLF);
        }
        self
    }

    /// There is room: an argument leaves more behind it.
    #[inline]
    pub(crate) fn int(&mut self, value: i64) -> &mut Self {
        let mut digits = itoa::Buffer::new();
        let digits = digits.format(value).as_bytes();
        line(self.out, b'$', digits.len());
        self.out.extend_from_slice(digits);
        self.out.extend_from_slice(CRLF);
        self
    }

    /// The length of an argument, and room for all of it, if there is memory.
    #[inline(always)]
    fn length(&mut self, len: usize) -> bool {
        let is_room = self.has_room(len);
        if is_room {
            line(self.out, b'$', len);
        }
        is_room
    }

    #[inline(always)]
    fn has_room(&mut self, len: usize) -> bool {
        self.out.capacity() - self.out.len() >= len + BEHIND || self.grow(len)
    }

    #[cold]
    fn grow(&mut self, len: usize) -> bool {
        let wanted = len + BEHIND;
        if self.aside.lacking == 0
            && (self.out.try_reserve(wanted).is_ok() || self.out.try_reserve_exact(wanted).is_ok())
        {
            return true;
        }
        self.aside.lacking = len.max(1).max(self.aside.lacking);
        *self.out = Vec::new();
        false
    }
}
