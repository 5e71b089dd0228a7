//! The scripts that run on the server: their texts, and how they are known there. They see one entry as the header
//! layout of `crate::entry::header` describes it; every time in them is the server's. They need Redis 6.2 and no more.

#[macro_use]
pub(crate) mod parts;
pub(crate) mod entries;
pub(crate) mod leases;
pub(crate) mod locks;

use crate::redis::command::verb::Verb;

/// A text and the digest the server knows it by.
#[derive(Debug)]
pub(crate) struct Script {
    pub(crate) verb: Verb,
    pub(crate) text: &'static str,
    pub(crate) sha: String,
}

impl Script {
    /// One that may have been run when its reply is lost, and must not be run twice.
    fn new(text: &'static str) -> Self {
        Script {
            verb: Verb::once("EVALSHA"),
            text,
            sha: redis::Script::new(text).get_hash().to_owned(),
        }
    }
}

/// One that does no harm when it is run twice.
fn safe(text: &'static str) -> Script {
    Script {
        verb: Verb::safe("EVALSHA"),
        ..Script::new(text)
    }
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
            add: Script::new(entries::ADD),
            touch: Script::new(entries::TOUCH),
            incr: Script::new(entries::INCR),
            incr_or_create: Script::new(entries::INCR_OR_CREATE),
            rename: Script::new(entries::MOVE),
            take: safe(entries::TAKE),
            copy: safe(entries::COPY),
            drop: safe(entries::DROP),
            replace: safe(entries::REPLACE),
            acquire: safe(leases::ACQUIRE),
            store: safe(leases::STORE),
            release: safe(leases::RELEASE),
            renew: safe(leases::RENEW),
            expire_soft: safe(leases::EXPIRE_SOFT),
            lock: Script::new(locks::LOCK),
            extend: Script::new(locks::EXTEND),
            unlock: Script::new(locks::UNLOCK),
        }
    }
}
