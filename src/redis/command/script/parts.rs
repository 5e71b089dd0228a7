//! What the scripts are put together from. Their texts are joined, so every part ends where a word may begin.

/// What stands in a script that asks for the server's time.
pub(super) const ASKS_TIME: &str = "redis.call('TIME')";

/// `t`: the server's time, in seconds and microseconds. On Redis 6.2 with `lua-replicate-commands no` a script may
/// write after TIME only when its writes are replicated one by one.
macro_rules! clock {
    () => {
        "if redis.replicate_commands then redis.replicate_commands()end local t=redis.call('TIME')"
    };
}

/// `now`: the server's time in Unix milliseconds.
macro_rules! server_time {
    () => {
        concat!(clock!(), "local now=t[1]*1000+math.floor(t[2]/1000)\n")
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

/// Ends the script with 0 unless ARGV[1] is the token of the lease.
macro_rules! owner_only {
    () => {
        concat!(
            header!(),
            "if not L or string.sub(h,25,32)~=ARGV[1] then return 0 end\n"
        )
    };
}

/// Stores ARGV[2] for ARGV[3] ms, 0 for ever, or with -1 removes the key, and ends the script with 1.
macro_rules! set_entry {
    () => {
        "local p=tonumber(ARGV[3])\n\
         if p==0 then redis.call('SET',k,ARGV[2]) elseif p<0 then redis.call('DEL',k) \
         else redis.call('SET',k,ARGV[2],'PX',ARGV[3]) end return 1"
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
