//! The Lua texts that run on the server, each with its contract. They see one entry as the header layout of
//! `crate::header` describes it; every time in them is the server's. They need Redis 6.2 and no more.

use super::call::Verb;

/// `now`: the server's time in Unix milliseconds.
macro_rules! server_time {
    () => {
        "local t=redis.call('TIME')local now=t[1]*1000+math.floor(t[2]/1000)\n"
    };
}

/// `k` the key, `h` its first 32 bytes, `a,b` the first two of them, `L` whether they are a header with a lease block.
macro_rules! header {
    () => {
        "local k=KEYS[1]local h=redis.call('GETRANGE',k,0,31)local a,b=string.byte(h,1,2)\
         local L=#h>31 and a==193 and math.floor(b/16)==1 and b%4>1\n"
    };
}

/// The fields of a lease block: `has` a value, `st` how long it may be served stale, `soft` expiry, `ld` deadline of
/// the lease.
macro_rules! fields {
    () => {
        "local has,st,soft,ld if L then has=b%2==1 st=struct.unpack('<I4',h,5)\
         soft,ld=struct.unpack('<I8I8',h,9)if st==4294967295 then st=1/0 end end\n"
    };
}

/// Opens a branch for "no live value": no key, a placeholder, a soft-expired value, or a negative entry (bit 2 of
/// the flags) in either form of the header.
macro_rules! if_nothing_lives {
    () => {
        "if(h=='' and redis.call('EXISTS',k)==0)or(L and(not has or(soft>0 and soft<=now)))\
         or(#h>3 and a==193 and math.floor(b/16)==1 and b%8>3)then\n"
    };
}

/// Adds ARGV[1] and answers {1, the new value}, {2} not an integer, {3} it would overflow. The value is GET's text: a
/// Lua number is a double and would lose digits.
macro_rules! increment {
    () => {
        "local r=redis.pcall('INCRBY',k,ARGV[1])\n\
         if type(r)=='number' then return{1,redis.call('GET',k)}end\n\
         if string.find(r.err,'not an integer',1,true)then return{2}end\n\
         if string.find(r.err,'overflow',1,true)then return{3}end return r\n"
    };
}

macro_rules! over_live_check {
    ($($body:expr),+) => {
        concat!(server_time!(), header!(), fields!(), if_nothing_lives!(), $($body),+)
    };
}

/// (key; entry, ms | 0 never): stores the entry unless a live value is there. 1 stored, 0 not.
const ADD: &str = over_live_check!(
    "if ARGV[2]=='0' then redis.call('SET',k,ARGV[1]) else redis.call('SET',k,ARGV[1],'PX',ARGV[2]) end \
     return 1 end return 0"
);

/// (key; 'r' from now | 'a' at | 'p' never, ms): moves soft and hard expiry together, never below a live lease; a time
/// that has passed removes the key. 1 done, 0 no live value.
const TOUCH: &str = over_live_check!(
    "return 0 end\n\
     local m,at=ARGV[1],tonumber(ARGV[2]) if m=='r' then at=now+at end\n\
     if m~='p' and at<=now then redis.call('UNLINK',k) return 1 end\n\
     local e=at if L then if m=='p' then at=0 end\n\
     redis.call('SETRANGE',k,8,struct.pack('<I8',at)) e=math.max(at+st,ld) end\n\
     if m=='p' or e==1/0 then redis.call('PERSIST',k) else redis.call('PEXPIREAT',k,e) end return 1"
);

/// (key; delta): {0} no live value, else as `increment` says. The expiry stays.
const INCR: &str = over_live_check!("return{0}end\n", increment!());

/// (key; delta, initial, ms | 0 never): where no live value is, stores `initial` and answers {1, initial}; else as
/// `increment` says.
const INCR_OR_CREATE: &str = over_live_check!(
    "if ARGV[3]=='0' then redis.call('SET',k,ARGV[2]) else redis.call('SET',k,ARGV[2],'PX',ARGV[3]) end \
     return{1,ARGV[2]} end\n",
    increment!()
);

/// (from, to): RENAME, which keeps value and expiry and replaces what is at `to`. 1 done, 0 no live value.
const MOVE: &str = over_live_check!("return 0 end redis.call('RENAME',k,KEYS[2])return 1");

/// (key): {value, ms left | -1 for ever}, or {} where no live value is.
const TAKE: &str = over_live_check!("return{}end return{redis.call('GET',k),redis.call('PTTL',k)}");

/// (key): the same of anything but a placeholder.
const COPY: &str = concat!(
    header!(),
    "if(h=='' and redis.call('EXISTS',k)==0)or(L and b%2==0)then return{}end\n\
     return{redis.call('GET',k),redis.call('PTTL',k)}"
);

/// (key; value, ms | -1): removes the key when it still has this value and its life was not prolonged. 1 done, 0 not.
const DROP: &str = "local k,m=KEYS[1],tonumber(ARGV[2])local p=redis.call('PTTL',k)\n\
     if redis.call('GET',k)==ARGV[1] and(m<0)==(p<0)and p<=m then return redis.call('UNLINK',k)end return 0";

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
}

impl Scripts {
    pub(crate) fn new() -> Self {
        Scripts {
            add: Script::new(ADD),
            touch: Script::new(TOUCH),
            incr: Script::new(INCR),
            incr_or_create: Script::new(INCR_OR_CREATE),
            rename: Script::new(MOVE),
            take: safe(TAKE),
            copy: safe(COPY),
            drop: safe(DROP),
        }
    }
}
