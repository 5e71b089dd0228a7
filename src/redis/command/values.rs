//! The commands for the value under one key, and the words that commands for many are made of.

use crate::expiry::Life;
use crate::redis::connection::replies::Replies;
use crate::redis::connection::reply::Reply;
use crate::redis::connection::resp::Encoder;
use crate::store::framed::Argument;
use crate::store::{Head, Sink, Value};

use super::verb::Verb;
use super::{Command, large};

/// GET into a sink; whether there was a value.
pub(crate) struct Get<'a, 's> {
    pub(crate) key: &'a [u8],
    pub(crate) sink: &'a mut (dyn Sink + 's),
}

impl Command for Get<'_, '_> {
    type Answer = bool;

    #[inline]
    fn verb(&self) -> Verb {
        Verb::safe("GET")
    }

    #[inline(always)]
    fn pack(&self, to: &mut Encoder<'_>) {
        to.opening(b"*2\r\n$3\r\nGET\r\n").arg(self.key);
    }

    #[inline(always)]
    fn read(&mut self, from: &mut Replies<'_>) -> Reply<bool> {
        from.value(self.sink)
    }
}

/// SET with its expiry. [`Life::Expired`] is for the caller to deal with.
pub(crate) struct Set<'a> {
    pub(crate) key: &'a [u8],
    pub(crate) value: Value<'a>,
    pub(crate) life: Life,
}

impl Command for Set<'_> {
    type Answer = ();

    #[inline]
    fn verb(&self) -> Verb {
        Verb::once("SET")
    }

    #[inline]
    fn pack(&self, to: &mut Encoder<'_>) {
        pack_set(to, self.key, self.value, self.life);
    }

    #[inline]
    fn large(&self) -> Option<&[u8]> {
        large(self.value)
    }

    #[inline(always)]
    fn read(&mut self, from: &mut Replies<'_>) -> Reply<()> {
        from.done()
    }
}

/// UNLINK of one key; whether it existed, or may have done so before this was sent again.
pub(crate) struct Unlink<'a> {
    pub(crate) key: &'a [u8],
}

impl Command for Unlink<'_> {
    type Answer = bool;

    fn verb(&self) -> Verb {
        Verb::safe("UNLINK")
    }

    fn pack(&self, to: &mut Encoder<'_>) {
        pack_unlink(to, self.key);
    }

    fn read(&mut self, from: &mut Replies<'_>) -> Reply<bool> {
        from.done_once()
    }
}

/// EXISTS and the first bytes of the value: two commands, one answer.
pub(crate) struct Look<'a> {
    pub(crate) key: &'a [u8],
}

impl Command for Look<'_> {
    type Answer = Option<Head>;

    fn verb(&self) -> Verb {
        Verb::safe("EXISTS")
    }

    fn pack(&self, to: &mut Encoder<'_>) {
        to.opening(b"*2\r\n$6\r\nEXISTS\r\n").arg(self.key);
        pack_head(to, self.key);
    }

    fn read(&mut self, from: &mut Replies<'_>) -> Reply<Option<Head>> {
        let exists = from.flag()?;
        let head = from.head()?;
        Ok(exists.and_then(|exists| Ok(exists.then_some(head?))))
    }
}

/// SET NX together with a look at what is in its way: whether it was stored, else the first bytes of what is there.
pub(crate) struct Add<'a> {
    pub(crate) key: &'a [u8],
    pub(crate) value: Value<'a>,
    pub(crate) life: Life,
}

impl Command for Add<'_> {
    type Answer = Option<Head>;

    fn verb(&self) -> Verb {
        Verb::once("SET NX")
    }

    fn pack(&self, to: &mut Encoder<'_>) {
        pack_set_new(to, self.key, self.value, self.life);
        pack_head(to, self.key);
    }

    fn large(&self) -> Option<&[u8]> {
        large(self.value)
    }

    fn read(&mut self, from: &mut Replies<'_>) -> Reply<Option<Head>> {
        let stored = from.stored()?;
        let head = from.head()?;
        // What was stored stays stored, whatever became of the look at it.
        Ok(stored.and_then(|stored| match stored {
            true => Ok(None),
            false => Ok(Some(head?)),
        }))
    }
}

/// PTTL and the first bytes of the value.
pub(crate) struct TimeToLive<'a> {
    pub(crate) key: &'a [u8],
}

impl Command for TimeToLive<'_> {
    type Answer = (i64, Head);

    fn verb(&self) -> Verb {
        Verb::safe("PTTL")
    }

    fn pack(&self, to: &mut Encoder<'_>) {
        to.opening(b"*2\r\n$4\r\nPTTL\r\n").arg(self.key);
        pack_head(to, self.key);
    }

    fn read(&mut self, from: &mut Replies<'_>) -> Reply<(i64, Head)> {
        let ttl = from.int()?;
        let head = from.head()?;
        Ok(ttl.and_then(|ttl| Ok((ttl, head?))))
    }
}

pub(crate) fn pack_unlink<'k>(to: &mut Encoder<'_>, key: impl Into<Argument<'k>>) {
    to.opening(b"*2\r\n$6\r\nUNLINK\r\n").name(key);
}

/// SET with its expiry. [`Life::Expired`] is for the caller to deal with.
#[inline(always)]
pub(crate) fn pack_set<'k>(
    to: &mut Encoder<'_>,
    key: impl Into<Argument<'k>>,
    value: Value<'_>,
    life: Life,
) {
    pack_set_with(to, key, value, life, |to, ms| {
        pack_px(to, ms);
    });
}

/// The same; `px` writes how many milliseconds the value lives.
#[inline(always)]
pub(crate) fn pack_set_with<'k>(
    to: &mut Encoder<'_>,
    key: impl Into<Argument<'k>>,
    value: Value<'_>,
    life: Life,
    px: impl FnOnce(&mut Encoder<'_>, u64),
) {
    match life {
        Life::Millis(ms) => {
            to.opening(b"*5\r\n$3\r\nSET\r\n")
                .name(key)
                .joined(value.head, value.body);
            px(to, ms);
        }
        Life::Forever | Life::Expired => {
            to.opening(b"*3\r\n$3\r\nSET\r\n")
                .name(key)
                .joined(value.head, value.body);
        }
    }
}

/// How long a value lives, as SET says it.
#[inline]
pub(crate) fn pack_px(to: &mut Encoder<'_>, ms: u64) {
    to.words(b"$2\r\nPX\r\n").int(signed(ms));
}

/// The same with NX.
pub(crate) fn pack_set_new<'k>(
    to: &mut Encoder<'_>,
    key: impl Into<Argument<'k>>,
    value: Value<'_>,
    life: Life,
) {
    match life {
        Life::Millis(ms) => to
            .opening(b"*6\r\n$3\r\nSET\r\n")
            .name(key)
            .joined(value.head, value.body)
            .words(b"$2\r\nPX\r\n")
            .int(signed(ms))
            .words(b"$2\r\nNX\r\n"),
        Life::Forever | Life::Expired => to
            .opening(b"*4\r\n$3\r\nSET\r\n")
            .name(key)
            .joined(value.head, value.body)
            .words(b"$2\r\nNX\r\n"),
    };
}

pub(crate) fn pack_head<'k>(to: &mut Encoder<'_>, key: impl Into<Argument<'k>>) {
    to.opening(b"*4\r\n$8\r\nGETRANGE\r\n")
        .name(key)
        .words(b"$1\r\n0\r\n$2\r\n31\r\n");
}

/// The scripts' way to say an expiry: milliseconds, or 0 for never.
pub(crate) fn pack_life(to: &mut Encoder<'_>, life: Life) {
    match life {
        Life::Millis(ms) => to.int(signed(ms)),
        Life::Forever | Life::Expired => to.int(0),
    };
}

/// The same, and -1 for one that is over: the key is removed.
pub(crate) fn pack_entry_life(to: &mut Encoder<'_>, life: Life) {
    match life {
        Life::Expired => {
            to.int(-1);
        }
        life => pack_life(to, life),
    }
}

/// Milliseconds as the protocol writes them.
pub(crate) fn signed(ms: u64) -> i64 {
    i64::try_from(ms).unwrap_or(i64::MAX)
}
