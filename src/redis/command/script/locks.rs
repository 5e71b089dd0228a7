//! The scripts of locks. A lock is a key whose value is the token of its holder; only that token moves or removes it.

/// (key; token, ms): takes the lock if nobody else has it. Its fencing number is the server's time in microseconds, exact
/// in a double; 0 somebody has it. Who has it already takes it anew, so this may be sent again.
pub(crate) const LOCK: &str = concat!(
    clock!(),
    "if redis.call('SET',KEYS[1],ARGV[1],'NX','PX',ARGV[2])then return t[1]*1000000+t[2] end\n\
     if redis.pcall('GET',KEYS[1])==ARGV[1] then \
     redis.call('PEXPIRE',KEYS[1],ARGV[2])return t[1]*1000000+t[2] end return 0"
);

/// (key; token, ms): the lock lasts so long from now. 1 done, 0 it is not held by this token.
pub(crate) const EXTEND: &str = "if redis.call('GET',KEYS[1])==ARGV[1] then \
     return redis.call('PEXPIRE',KEYS[1],ARGV[2])end return 0";

/// (key; token): 1 removed, 0 it is not held by this token.
pub(crate) const UNLOCK: &str =
    "if redis.call('GET',KEYS[1])==ARGV[1] then return redis.call('DEL',KEYS[1])end return 0";
