//! What a stored value is, by its first bytes and its length: who wrote it, whether a read finds it, and what its payload
//! was before it was compressed.

use std::borrow::Cow;

use serde::de::DeserializeOwned;

use crate::codec::integer::Integer;
use crate::codec::{self, undecodable};
use crate::config::{Layout, Options};
use crate::error::{Error, Result};

use crate::store::HEAD_LEN;

use super::header::{Header, MAGIC, SHORT};

/// What kind of thing a stored value is, by its first bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shape {
    /// No header: an integer, a foreign value, or anything at all under `layout=plain`.
    Bare,
    /// A value behind a header, which may have expired softly.
    Tagged(Tag),
    /// A placeholder or a negative entry: there is no value.
    Nothing,
    /// There is one, and it is not to be read.
    Unreadable(Why),
}

/// Why a stored value is not read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Why {
    /// The magic byte, and no header that this version knows.
    Unknown,
    /// A header, where values have none.
    Tagged,
    /// More bytes than `max_value`.
    Large,
}

/// What a read must know of a header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Tag {
    codec: u8,
    compressor: u8,
    /// How many bytes stand in front of the payload.
    len: u8,
    /// 0 is never.
    pub(super) soft_expire_ms: u64,
}

impl Shape {
    /// Of a value of `len` bytes that begins so, and is to be read.
    #[inline]
    pub(super) fn of_value(options: &Options, head: &[u8], len: usize) -> Self {
        Shape::of(options, head).bounded(options, len)
    }

    /// The same of a value whose header has been looked at already, under `layout=tagged`.
    #[inline]
    pub(super) fn of_parsed(
        options: &Options,
        header: Option<Header>,
        head: &[u8],
        len: usize,
    ) -> Self {
        let shape = match header {
            None if head.first() != Some(&MAGIC) => Shape::Bare,
            header => Shape::of_header(header),
        };
        shape.bounded(options, len)
    }

    /// What has more bytes than are read is not read.
    #[inline]
    fn bounded(self, options: &Options, len: usize) -> Self {
        match len.saturating_sub(self.offset()) > options.coding.max_value {
            true => self.of_large(options, len),
            false => self,
        }
    }

    /// What is compressed may be a little longer than what it is made of.
    #[cold]
    fn of_large(self, options: &Options, len: usize) -> Self {
        const MORE: usize = 1024;
        let most = options.coding.max_value.saturating_mul(2);
        let is_packed = self.compressor(options) != 0 && len < most.saturating_add(MORE);
        match self {
            Shape::Bare | Shape::Tagged(_) if !is_packed => Shape::Unreadable(Why::Large),
            shape => shape,
        }
    }

    #[inline]
    pub(super) fn of(options: &Options, head: &[u8]) -> Self {
        if head.first() != Some(&MAGIC) {
            return Shape::Bare;
        }
        if options.layout == Layout::Plain {
            return Shape::of_plain(options, head);
        }
        match Header::of_short(head) {
            Some((codec, compressor, _)) => Shape::Tagged(Tag {
                codec,
                compressor,
                len: SHORT as u8,
                soft_expire_ms: 0,
            }),
            None => match Header::of_long(head) {
                Some((codec, compressor, soft_expire_ms)) => Shape::Tagged(Tag {
                    codec,
                    compressor,
                    len: HEAD_LEN as u8,
                    soft_expire_ms,
                }),
                None => Shape::of_header(Header::parse(head)),
            },
        }
    }

    /// Of a value that opens with the magic byte, which values without a header only do by chance. (A block of LZ4 may,
    /// and tells by itself what it is.)
    #[cold]
    fn of_plain(options: &Options, head: &[u8]) -> Self {
        let may_be_foreign = codec::opens_with_anything(options.coding.compressor);
        match is_tagged(head) && !may_be_foreign {
            true => Shape::Unreadable(Why::Tagged),
            false => Shape::Bare,
        }
    }

    fn of_header(header: Option<Header>) -> Self {
        match header {
            None => Shape::Unreadable(Why::Unknown),
            Some(header) if header.has_value && !header.negative => Shape::Tagged(Tag {
                codec: header.codec,
                compressor: header.compressor,
                len: header.len() as u8,
                soft_expire_ms: header.lease.map_or(0, |lease| lease.soft_expire_ms),
            }),
            Some(_) => Shape::Nothing,
        }
    }

    /// How many bytes stand in front of the payload.
    #[inline]
    pub(super) fn offset(&self) -> usize {
        match self {
            Shape::Tagged(tag) => tag.len.into(),
            _ => 0,
        }
    }

    /// 0 is never.
    pub(super) fn fresh_until_ms(&self) -> u64 {
        match self {
            Shape::Tagged(tag) => tag.soft_expire_ms,
            _ => 0,
        }
    }

    /// Where the payload begins, when it is fresh whatever the time is, and stands there as it was written.
    #[inline]
    pub(super) fn as_written(&self, options: &Options) -> Option<usize> {
        match self {
            Shape::Tagged(tag) if tag.compressor == 0 && tag.soft_expire_ms == 0 => {
                Some(tag.len.into())
            }
            Shape::Bare if self.compressor(options) == 0 => Some(0),
            _ => None,
        }
    }

    /// False: a read says "missing". An error: the header cannot be read.
    #[inline]
    pub(super) fn is_live(&self, now_ms: impl FnOnce() -> u64) -> Result<bool> {
        match self {
            Shape::Tagged(tag) => Ok(tag.soft_expire_ms == 0 || tag.soft_expire_ms > now_ms()),
            other => other.is_there(),
        }
    }

    /// The same however old it is.
    #[inline]
    pub(super) fn is_there(&self) -> Result<bool> {
        match self {
            Shape::Bare | Shape::Tagged(_) => Ok(true),
            Shape::Nothing => Ok(false),
            Shape::Unreadable(why) => Err(why.error()),
        }
    }

    /// The number of the compressor that made the payload smaller; 0: none did.
    #[inline]
    pub(super) fn compressor(&self, options: &Options) -> u8 {
        match self {
            Shape::Tagged(tag) => tag.compressor,
            Shape::Bare if options.layout == Layout::Plain => {
                options.coding.compressor.bare_number()
            }
            _ => 0,
        }
    }

    /// `payload` as it was before it was compressed.
    #[inline]
    pub(super) fn inflate<'a>(
        &self,
        options: &Options,
        payload: &'a [u8],
    ) -> Result<Cow<'a, [u8]>> {
        match self.compressor(options) {
            0 => Ok(Cow::Borrowed(payload)),
            number => self.inflate_by(options, number, payload),
        }
    }

    fn inflate_by<'a>(
        &self,
        options: &Options,
        number: u8,
        payload: &'a [u8],
    ) -> Result<Cow<'a, [u8]>> {
        let is_as_it_was =
            || Integer::parse(payload).is_some() || !codec::is_packed(number, payload);
        if *self == Shape::Bare && is_as_it_was() {
            return match payload.len() > options.coding.max_value {
                true => Err(Why::Large.error()),
                false => Ok(Cow::Borrowed(payload)),
            };
        }
        codec::inflate(&options.coding, number, payload).map(Cow::Owned)
    }

    pub(super) fn decode<T: DeserializeOwned>(
        &self,
        options: &Options,
        payload: &[u8],
    ) -> Result<T> {
        match (self, Integer::parse(payload)) {
            (Shape::Tagged(tag), _) => {
                codec::decode(&options.coding, tag.codec, &self.inflate(options, payload)?)
            }
            (_, Some(integer)) => integer.decode(),
            _ if options.layout == Layout::Plain => codec::decode(
                &options.coding,
                options.coding.codec.number(),
                &self.inflate(options, payload)?,
            ),
            _ => Err(undecodable(
                "the value has no entry header and is not an integer: another program wrote it",
            )),
        }
    }
}

impl Why {
    #[cold]
    fn error(self) -> Error {
        undecodable(match self {
            Why::Unknown => "the entry header is of an unknown version or cut short",
            Why::Tagged => {
                "the value has a header: a cache with `layout=tagged` wrote it, and this one has `layout=plain`"
            }
            Why::Large => "the value has more bytes than are read (option `max_value`)",
        })
    }
}

/// Whether it begins with an entry header.
pub(crate) fn is_tagged(stored: &[u8]) -> bool {
    Header::parse(stored).is_some()
}
