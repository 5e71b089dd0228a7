//! The scripts that run on the server: their texts, and how they are known there. They see one entry as the header
//! layout of `crate::entry::header` describes it; every time in them is the server's. They need Redis 6.2 and no more.

#[macro_use]
pub(crate) mod parts;
pub(crate) mod entries;
pub(crate) mod leases;
pub(crate) mod locks;
pub(crate) mod name;

use crate::redis::command::verb::Verb;
use crate::redis::connection::resp::{Aside, Encoder};

use name::Name;

/// A text, and how it is called by the digest that the server knows it by.
#[derive(Debug)]
pub(crate) struct Script {
    pub(crate) verb: Verb,
    pub(crate) text: &'static str,
    /// EVALSHA and the digest, as they stand on the wire.
    pub(crate) called: Vec<u8>,
}

impl Script {
    fn new(verb: Verb, name: Name, text: &'static str) -> Self {
        let asks_time = text.contains(parts::ASKS_TIME);
        let mut called = Vec::new();
        Encoder::new(&mut called, &mut 0, &mut Aside::default())
            .arg(b"EVALSHA")
            .arg(redis::Script::new(text).get_hash().as_bytes());
        Script {
            verb: Verb {
                asks_time,
                script: Some(name),
                ..verb
            },
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
fn once(name: Name, text: &'static str) -> Script {
    Script::new(Verb::once("EVALSHA"), name, text)
}

/// One that may: it reads, it removes, or it compares a token that ends with what it does.
fn safe(name: Name, text: &'static str) -> Script {
    Script::new(Verb::safe("EVALSHA"), name, text)
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
            add: once(Name::Add, entries::ADD),
            touch: once(Name::Touch, entries::TOUCH),
            incr: once(Name::Incr, entries::INCR),
            incr_or_create: once(Name::IncrOrCreate, entries::INCR_OR_CREATE),
            rename: once(Name::Move, entries::MOVE),
            take: safe(Name::Take, entries::TAKE),
            copy: safe(Name::Copy, entries::COPY),
            drop: safe(Name::Drop, entries::DROP),
            replace: once(Name::Replace, entries::REPLACE),
            acquire: safe(Name::Acquire, leases::ACQUIRE),
            store: safe(Name::Store, leases::STORE),
            swap: once(Name::Swap, leases::SWAP),
            release: safe(Name::Release, leases::RELEASE),
            renew: safe(Name::Renew, leases::RENEW),
            expire_soft: safe(Name::ExpireSoft, leases::EXPIRE_SOFT),
            lock: safe(Name::Lock, locks::LOCK),
            extend: once(Name::Extend, locks::EXTEND),
            unlock: once(Name::Unlock, locks::UNLOCK),
        }
    }
}
