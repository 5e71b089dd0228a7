//! The scripts that run on the server: their texts, and how they are known there. They see one entry as the header
//! layout of `crate::entry::header` describes it; every time in them is the server's. They need Redis 6.2 and no more.

#[macro_use]
pub(crate) mod parts;
pub(crate) mod entries;
pub(crate) mod leases;
pub(crate) mod locks;

use crate::redis::command::verb::Verb;
use crate::redis::connection::resp::{Aside, Encoder};

/// A text, and how it is called by the digest that the server knows it by.
#[derive(Debug)]
pub(crate) struct Script {
    pub(crate) verb: Verb,
    pub(crate) text: &'static str,
    /// EVALSHA and the digest, as they stand on the wire.
    pub(crate) called: Vec<u8>,
}

impl Script {
    fn new(verb: Verb, text: &'static str) -> Self {
        let asks_time = text.contains(parts::ASKS_TIME);
        let mut called = Vec::new();
        Encoder::new(&mut called, &mut 0, &mut Aside::default())
            .arg(b"EVALSHA")
            .arg(redis::Script::new(text).get_hash().as_bytes());
        Script {
            verb: Verb { asks_time, ..verb },
            text,
            called,
        }
    }
}

impl Script {
    /// Which script is to be run: by its digest or by its text.
    #[inline]
    pub(crate) fn pack_call(&self, to: &mut Encoder<'_>, by_text: bool) {
        match by_text {
            false => to.framed(&self.called),
            true => to.arg(b"EVAL").arg(self.text.as_bytes()),
        };
    }
}

/// One that may have been run when its reply is lost, and must not be run twice.
fn once(text: &'static str) -> Script {
    Script::new(Verb::once("EVALSHA"), text)
}

/// One that may: it reads, it removes, or it compares a token that ends with what it does.
fn safe(text: &'static str) -> Script {
    Script::new(Verb::safe("EVALSHA"), text)
}

/// The scripts of a backend.
#[derive(Debug)]
pub(crate) struct Scripts {
    pub(crate) add: Script,
    pub(crate) touch: Script,
    pub(crate) incr: Script,
    pub(crate) incr_or_create: Script,
    pub(crate) rename: Script,
    pub(crate) take: Script,
    pub(crate) copy: Script,
    pub(crate) drop: Script,
    pub(crate) replace: Script,
    pub(crate) acquire: Script,
    pub(crate) store: Script,
    pub(crate) swap: Script,
    pub(crate) release: Script,
    pub(crate) renew: Script,
    pub(crate) expire_soft: Script,
    pub(crate) lock: Script,
    pub(crate) extend: Script,
    pub(crate) unlock: Script,
}

impl Scripts {
    pub(crate) fn new() -> Self {
        Scripts {
            add: once(entries::ADD),
            touch: once(entries::TOUCH),
            incr: once(entries::INCR),
            incr_or_create: once(entries::INCR_OR_CREATE),
            rename: once(entries::MOVE),
            take: safe(entries::TAKE),
            copy: safe(entries::COPY),
            drop: safe(entries::DROP),
            replace: once(entries::REPLACE),
            acquire: safe(leases::ACQUIRE),
            store: safe(leases::STORE),
            swap: once(leases::SWAP),
            release: safe(leases::RELEASE),
            renew: safe(leases::RENEW),
            expire_soft: safe(leases::EXPIRE_SOFT),
            lock: safe(locks::LOCK),
            extend: once(locks::EXTEND),
            unlock: once(locks::UNLOCK),
        }
    }
}
