//! Where stored values go as they arrive: into a vector, into the caller's memory, into a typed value, or into an
//! integer. Each looks at the header when the first bytes are there, and is asked afterwards what came of it.

use std::borrow::Cow;

use serde::de::DeserializeOwned;

use crate::codec::integer::Integer;
use crate::config::Options;
use crate::entry::header::Header;
use crate::error::{Error, ErrorKind, Result};
use crate::expiry::Clock;
use crate::store::{Room, Sink};

use super::look::Payload;
use super::shape::Shape;

/// As much memory as a length on the wire may claim before the bytes are there.
const RESERVE: usize = 64 << 20;

/// No more than anybody takes without asking: a page.
const SMALL: usize = 4096;

#[cold]
fn large(room: usize, len: usize) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    match bytes.try_reserve_exact(room) {
        Ok(()) => Ok(bytes),
        Err(_) => Err(Error::no_memory("a value", len)),
    }
}

/// The first bytes of a payload, of a value of `len` bytes, with room for the rest and one byte more.
#[inline(always)]
pub(super) fn begun(payload: &[u8], len: usize) -> Result<Vec<u8>> {
    let room = payload.len().max(len.min(RESERVE)) + 1;
    let mut bytes = match room {
        0..=SMALL => Vec::with_capacity(room),
        _ => large(room, len)?,
    };
    bytes.extend_from_slice(payload);
    Ok(bytes)
}

/// Collects a payload into a vector with room for one byte more (a C string's NUL).
pub(crate) struct Gather<'a> {
    options: &'a Options,
    shape: Shape,
    payload: Vec<u8>,
}

impl<'a> Gather<'a> {
    pub(crate) fn new(options: &'a Options) -> Self {
        Gather {
            options,
            shape: Shape::Nothing,
            payload: Vec::new(),
        }
    }

    /// The payload as bytes; `None` when there is no live value.
    #[inline]
    pub(crate) fn take(&mut self, clock: Clock) -> Result<Option<Vec<u8>>> {
        match self.shape.is_live(|| clock.now_ms())? {
            true => self.whole().map(Some),
            false => Ok(None),
        }
    }

    #[inline]
    fn whole(&mut self) -> Result<Vec<u8>> {
        if self.shape.compressor(self.options) != 0 {
            return self.unpack();
        }
        Ok(std::mem::take(&mut self.payload))
    }

    #[cold]
    fn unpack(&mut self) -> Result<Vec<u8>> {
        if let Cow::Owned(inflated) = self.shape.inflate(self.options, &self.payload)? {
            return Ok(inflated);
        }
        Ok(std::mem::take(&mut self.payload))
    }
}

impl Payload for Gather<'_> {
    type Value = Vec<u8>;

    #[inline]
    fn options(&self) -> &Options {
        self.options
    }

    #[inline(always)]
    fn begin_as(&mut self, shape: Shape, head: &[u8], len: usize) -> Result<Room<'_>> {
        self.shape = shape;
        if matches!(shape, Shape::Nothing | Shape::Unreadable(_)) {
            return Ok(Room::Discard);
        }
        let payload = head.get(shape.offset()..).unwrap_or_default();
        self.payload = begun(payload, len)?;
        Ok(Room::Append(&mut self.payload))
    }

    #[inline]
    fn payload(mut self) -> Result<Option<Vec<u8>>> {
        match self.shape.is_there()? {
            true => self.whole().map(Some),
            false => Ok(None),
        }
    }
}

impl Sink for Gather<'_> {
    fn begin(&mut self, head: &[u8], len: usize) -> Result<Room<'_>> {
        self.begin_as(Shape::of_value(self.options, head, len), head, len)
    }

    fn begins_under_a_lock(&self) -> bool {
        true
    }

    fn fresh_until_ms(&self) -> u64 {
        self.shape.fresh_until_ms()
    }
}

/// Decodes a typed value, in place when all of it has arrived.
pub(crate) struct Decode<'a, T> {
    gather: Gather<'a>,
    done: Option<Result<T>>,
}

impl<'a, T: DeserializeOwned> Decode<'a, T> {
    pub(crate) fn new(options: &'a Options) -> Self {
        Decode {
            gather: Gather::new(options),
            done: None,
        }
    }

    /// The value; `None` when there is no live one.
    pub(crate) fn finish(self, clock: Clock) -> Result<Option<T>> {
        match self.gather.shape.is_live(|| clock.now_ms())? {
            true => self.decoded().map(Some),
            false => Ok(None),
        }
    }

    fn decoded(self) -> Result<T> {
        let Gather {
            options,
            shape,
            payload,
        } = self.gather;
        self.done.unwrap_or_else(|| shape.decode(options, &payload))
    }
}

impl<T: DeserializeOwned> Payload for Decode<'_, T> {
    type Value = T;

    fn options(&self) -> &Options {
        self.gather.options
    }

    fn begin_as(&mut self, shape: Shape, head: &[u8], len: usize) -> Result<Room<'_>> {
        self.done = None;
        if head.len() < len {
            return self.gather.begin_as(shape, head, len);
        }
        self.gather.shape = shape;
        if matches!(shape, Shape::Bare | Shape::Tagged(_)) {
            let payload = head.get(shape.offset()..).unwrap_or_default();
            self.done = Some(shape.decode(self.gather.options, payload));
        }
        Ok(Room::Discard)
    }

    fn payload(self) -> Result<Option<T>> {
        match self.gather.shape.is_there()? {
            true => self.decoded().map(Some),
            false => Ok(None),
        }
    }
}

impl<T: DeserializeOwned> Sink for Decode<'_, T> {
    fn begin(&mut self, head: &[u8], len: usize) -> Result<Room<'_>> {
        self.begin_as(Shape::of_value(self.gather.options, head, len), head, len)
    }

    fn fresh_until_ms(&self) -> u64 {
        self.gather.fresh_until_ms()
    }
}

/// Copies a payload into the caller's memory, if it fits. One that is still to be judged waits elsewhere meanwhile, so
/// that the memory is only touched by what a read finds.
pub(crate) struct Fill<'a> {
    options: &'a Options,
    memory: &'a mut [u8],
    shape: Shape,
    len: usize,
    /// A payload that is compressed, or may have expired softly, as it arrives.
    waiting: Option<Vec<u8>>,
}

impl<'a> Fill<'a> {
    pub(crate) fn new(options: &'a Options, memory: &'a mut [u8]) -> Self {
        Fill {
            options,
            memory,
            shape: Shape::Nothing,
            len: 0,
            waiting: None,
        }
    }

    /// The length of the payload; when that is more than the memory holds, nothing was written there.
    #[inline]
    pub(crate) fn finish(self, clock: Clock) -> Result<Option<usize>> {
        if !self.shape.is_live(|| clock.now_ms())? {
            return Ok(None);
        }
        match &self.waiting {
            None => Ok(Some(self.len)),
            Some(stored) => Fill::unpack(self.options, self.shape, stored, self.memory).map(Some),
        }
    }

    #[cold]
    fn unpack(options: &Options, shape: Shape, stored: &[u8], memory: &mut [u8]) -> Result<usize> {
        let payload = shape.inflate(options, stored)?;
        if let Some(room) = memory.get_mut(..payload.len()) {
            room.copy_from_slice(&payload);
        }
        Ok(payload.len())
    }
}

impl Fill<'_> {
    /// A payload that is not to be handed out as it stands, or not before the node has told its time.
    #[cold]
    fn begin_aside(&mut self, head: &[u8], len: usize) -> Result<Room<'_>> {
        if matches!(self.shape, Shape::Nothing | Shape::Unreadable(_)) {
            return Ok(Room::Discard);
        }
        let payload = head.get(self.shape.offset()..).unwrap_or_default();
        Ok(Room::Append(self.waiting.insert(begun(payload, len)?)))
    }
}

impl Sink for Fill<'_> {
    fn begin(&mut self, head: &[u8], len: usize) -> Result<Room<'_>> {
        self.shape = Shape::of_value(self.options, head, len);
        let Some(offset) = self.shape.as_written(self.options) else {
            return self.begin_aside(head, len);
        };
        self.waiting = None;
        self.len = len.saturating_sub(offset);
        let Some(room) = self.memory.get_mut(..self.len) else {
            return Ok(Room::Discard);
        };
        let here = head.get(offset..).unwrap_or_default();
        let (now, later) = room.split_at_mut(here.len().min(self.len));
        now.copy_from_slice(here);
        Ok(Room::Fill(later))
    }

    fn begins_under_a_lock(&self) -> bool {
        true
    }

    fn fresh_until_ms(&self) -> u64 {
        self.shape.fresh_until_ms()
    }
}

/// Reads an integer; what is not one is told apart from what is not there.
#[derive(Debug, Default)]
pub(crate) struct Number {
    header: Option<Header>,
    integer: Option<Integer>,
}

impl Number {
    pub(crate) fn finish(self, clock: Clock) -> Result<Option<i64>> {
        match (self.header, self.integer) {
            (_, Some(Integer::Signed(number))) => Ok(Some(number)),
            (Some(header), _) if !header.is_live(|| clock.now_ms()) => Ok(None),
            _ => Err(Error::new(
                ErrorKind::WrongType,
                "the value is not an integer of 64 bits with a sign",
            )),
        }
    }
}

impl Sink for Number {
    fn begin(&mut self, head: &[u8], len: usize) -> Result<Room<'_>> {
        self.header = Header::parse(head);
        self.integer = if head.len() == len {
            Integer::parse(head)
        } else {
            None
        };
        Ok(Room::Discard)
    }
}
