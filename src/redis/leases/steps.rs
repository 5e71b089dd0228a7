//! The steps of the lease protocol in the words of their scripts: what is packed for one, how it is read, and the same
//! for each of many.

use crate::expiry::Life;
use crate::redis::command::large;
use crate::redis::command::script::Script;
use crate::redis::command::values::{pack_entry_life, signed};
use crate::redis::connection::replies::Replies;
use crate::redis::connection::reply::{self, Reply};
use crate::redis::connection::resp::{Encoder, Token as Word};
use crate::redis::fleet::scripted;
use crate::store::{Acquired, Claim, Force, LATEST_MS, Stored, Token, Value};

pub(super) fn pack_claim(to: &mut Encoder<'_>, claim: Claim) {
    let (token, former) = claim.attempt(to.lost());
    let force = match claim.force {
        Force::No => b"0",
        Force::Early => b"1",
        Force::Useless => b"2",
    };
    to.arg(token.bytes())
        .int(signed(claim.lease_ms.min(LATEST_MS)))
        .arg(force);
    match claim.seen {
        Some(soft_expire) => to.arg(&soft_expire.to_le_bytes()),
        None => to.arg(b""),
    };
    match former {
        Some(former) => to.arg(former.bytes()),
        None => to.arg(b""),
    };
}

pub(super) fn pack_store(to: &mut Encoder<'_>, token: Token, value: Value<'_>, life: Life) {
    let to = to.arg(token.bytes()).joined(value.head, value.body);
    pack_entry_life(to, life);
}

pub(super) fn pack_swap(to: &mut Encoder<'_>, old: &[u8], value: Value<'_>, life: Life) {
    let to = to.arg(old).joined(value.head, value.body);
    pack_entry_life(to, life);
}

pub(super) fn pack_token(to: &mut Encoder<'_>, token: Token, ms: u64) {
    to.arg(token.bytes()).int(signed(ms.min(LATEST_MS)));
}

/// The answer of ACQUIRE, up to the value that follows [`Acquired::Found`].
pub(super) fn claimed(from: &mut Replies<'_>, claim: Claim) -> Reply<Acquired<()>> {
    let odd = || Err(reply::unexpected("an answer to a claim"));
    let len = match from.array()? {
        Ok(len) => len,
        Err(refusal) => return Ok(Err(refusal)),
    };
    let code = match from.int()? {
        Ok(code) => code,
        Err(_) => return odd(),
    };
    Ok(Ok(match (code, len) {
        (1, 1) => Acquired::Yours(claim.attempt(from.lost()).0),
        (2, 1) => Acquired::Stale,
        (3, 2) => Acquired::Found(()),
        (4, 2) => match from.int()? {
            Ok(ms) => Acquired::Held(u64::try_from(ms).unwrap_or_default()),
            Err(_) => return odd(),
        },
        _ => return odd(),
    }))
}

/// The answer of STORE.
pub(super) fn stored(from: &mut Replies<'_>) -> Reply<Stored> {
    let is_repeated = from.is_repeated();
    Ok(from.flag()?.map(|done| match (done, is_repeated) {
        (true, _) => Stored::Yes,
        (false, true) => Stored::Perhaps,
        (false, false) => Stored::No,
    }))
}

pub(super) struct Acquire<'a> {
    pub(super) script: &'a Script,
    pub(super) claims: &'a [Claim],
}

impl scripted::Step for Acquire<'_> {
    type Answer<'a> = Acquired<&'a [u8]>;
    const ARGS: usize = 5;

    fn script(&self) -> &Script {
        self.script
    }

    fn pack_args(&self, to: &mut Encoder<'_>, item: usize) {
        if let Some(claim) = self.claims.get(item) {
            pack_claim(to, *claim);
        }
    }

    fn read(
        &self,
        from: &mut Replies<'_>,
        item: usize,
        mut tell: impl FnMut(Acquired<&[u8]>),
    ) -> Reply<()> {
        let Some(claim) = self.claims.get(item) else {
            return Err(reply::unexpected("no answer"));
        };
        let answer = match claimed(from, *claim)? {
            Ok(Acquired::Found(())) => match from.next()? {
                Word::Bulk(value) => Acquired::Found(value),
                _ => return Err(reply::unexpected("a value")),
            },
            Ok(answer) => answer.map(|()| &[][..]),
            Err(refusal) => return Ok(Err(refusal)),
        };
        tell(answer);
        Ok(Ok(()))
    }
}

pub(super) struct Fulfill<'a> {
    pub(super) script: &'a Script,
    pub(super) tokens: &'a [Token],
    pub(super) values: &'a [(Value<'a>, Life)],
}

impl scripted::Step for Fulfill<'_> {
    type Answer<'a> = Stored;
    const ARGS: usize = 3;

    fn script(&self) -> &Script {
        self.script
    }

    fn pack_args(&self, to: &mut Encoder<'_>, item: usize) {
        if let (Some(token), Some((value, life))) = (self.tokens.get(item), self.values.get(item)) {
            pack_store(to, *token, *value, *life);
        }
    }

    fn size(&self, item: usize) -> usize {
        self.values.get(item).map_or(0, |(value, _)| value.len())
    }

    fn large(&self, item: usize) -> Option<&[u8]> {
        large(self.values.get(item)?.0)
    }

    fn read(&self, from: &mut Replies<'_>, _: usize, tell: impl FnMut(Stored)) -> Reply<()> {
        Ok(stored(from)?.map(tell))
    }
}

pub(super) struct Swap<'a> {
    pub(super) script: &'a Script,
    pub(super) olds: &'a [&'a [u8]],
    pub(super) values: &'a [(Value<'a>, Life)],
}

impl scripted::Step for Swap<'_> {
    type Answer<'a> = bool;
    const ARGS: usize = 3;

    fn script(&self) -> &Script {
        self.script
    }

    fn pack_args(&self, to: &mut Encoder<'_>, item: usize) {
        if let (Some(old), Some((value, life))) = (self.olds.get(item), self.values.get(item)) {
            pack_swap(to, old, *value, *life);
        }
    }

    fn size(&self, item: usize) -> usize {
        let old = self.olds.get(item).map_or(0, |old| old.len());
        old + self.values.get(item).map_or(0, |(value, _)| value.len())
    }

    fn large(&self, item: usize) -> Option<&[u8]> {
        large(self.values.get(item)?.0)
    }

    fn read(&self, from: &mut Replies<'_>, _: usize, tell: impl FnMut(bool)) -> Reply<()> {
        Ok(from.flag()?.map(tell))
    }
}

/// A step of the holder of a lease: RELEASE, RENEW.
pub(super) struct Owned<'a> {
    pub(super) script: &'a Script,
    pub(super) tokens: &'a [Token],
    pub(super) ms: u64,
    pub(super) read: fn(&mut Replies<'_>) -> Reply<bool>,
}

impl scripted::Step for Owned<'_> {
    type Answer<'a> = bool;
    const ARGS: usize = 2;

    fn script(&self) -> &Script {
        self.script
    }

    fn pack_args(&self, to: &mut Encoder<'_>, item: usize) {
        if let Some(token) = self.tokens.get(item) {
            pack_token(to, *token, self.ms);
        }
    }

    fn read(&self, from: &mut Replies<'_>, _: usize, tell: impl FnMut(bool)) -> Reply<()> {
        Ok((self.read)(from)?.map(tell))
    }
}
