//! The scripts of the operations on entries: what a plain command cannot do because it must look at the header.

/// (key; entry, ms | 0 never): stores the entry unless a live value is there. 1 stored, 0 not.
pub(crate) const ADD: &str = over_live_check!(
    "if ARGV[2]=='0' then redis.call('SET',k,ARGV[1]) else redis.call('SET',k,ARGV[1],'PX',ARGV[2]) end \
     return 1 end return 0"
);

/// (key; 'r' from now | 'a' at | 'p' never, ms): moves soft and hard expiry together, never below a live lease; a time
/// that has passed removes the key. 1 done, 0 no live value.
pub(crate) const TOUCH: &str = over_live_check!(
    "return 0 end\n\
     local m,at=ARGV[1],tonumber(ARGV[2]) if m=='r' then at=now+at end\n\
     if m~='p' and at<=now then redis.call('UNLINK',k) return 1 end\n\
     local e=at if L then if m=='p' then at=0 end\n\
     redis.call('SETRANGE',k,8,struct.pack('<I8',at)) e=math.max(at+st,ld) end\n\
     if m=='p' or e==1/0 then redis.call('PERSIST',k) else redis.call('PEXPIREAT',k,e) end return 1"
);

/// (key; delta): {0} no live value, else as `increment` says. The expiry stays.
pub(crate) const INCR: &str = over_live_check!("return{0}end\n", increment!());

/// (key; delta, initial, ms | 0 never): where no live value is, stores `initial` and answers {1, initial}; else as
/// `increment` says.
pub(crate) const INCR_OR_CREATE: &str = over_live_check!(
    "if ARGV[3]=='0' then redis.call('SET',k,ARGV[2]) else redis.call('SET',k,ARGV[2],'PX',ARGV[3]) end \
     return{1,ARGV[2]} end\n",
    increment!()
);

/// (from, to): RENAME, which keeps value and expiry and replaces what is at `to`; a lease stays behind, and ends first, so
/// that nothing has moved where that is not permitted. 1 done, 0 no live value.
pub(crate) const MOVE: &str = over_live_check!(
    "return 0 end if L and k~=KEYS[2]then redis.call('SETRANGE',k,16,string.rep('\\0',16))end \
     redis.call('RENAME',k,KEYS[2])return 1"
);

/// (key): {value, ms left | -1 for ever}, or {} where no live value is.
pub(crate) const TAKE: &str =
    over_live_check!("return{}end return{redis.call('GET',k),redis.call('PTTL',k)}");

/// (key): the same of anything but a placeholder.
pub(crate) const COPY: &str = concat!(
    header!(),
    "if(h=='' and redis.call('EXISTS',k)==0)or(L and b%2==0)then return{}end\n\
     return{redis.call('GET',k),redis.call('PTTL',k)}"
);

/// (key; value, ms | -1): removes the key when it still has this value and its life was not prolonged. 1 done, 0 not.
pub(crate) const DROP: &str = "local k,m=KEYS[1],tonumber(ARGV[2])local p=redis.call('PTTL',k)\n\
     if redis.call('GET',k)==ARGV[1] and(m<0)==(p<0)and p<=m then return redis.call('UNLINK',k)end return 0";

/// (key; old, '1' remove | '0', new): replaces a value that is still `old` and keeps its TTL, or removes it. 1 done,
/// 0 it is another one by now.
pub(crate) const REPLACE: &str = "local k=KEYS[1]if redis.call('GET',k)~=ARGV[1] then return 0 end\n\
     if ARGV[2]=='1' then redis.call('UNLINK',k)else redis.call('SET',k,ARGV[3],'KEEPTTL')end return 1";
