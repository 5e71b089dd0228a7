//! The scripts of the lease protocol. A lease is 16 bytes of the header: its deadline and the token of its holder. Only
//! STORE and SWAP look at more than the header, and a foreign token changes no byte.

/// (key; token, lease ms, force '0' | '1' | '2', soft expiry as it was seen or '', the token of the attempt before or ''):
/// {1} the lease is yours; {2} somebody else loads, and what is there may be served; {3, value} fresh and not forced, or
/// no lease can stand in it; {4, ms} somebody else loads for so long yet. The TTL is lifted to twice the lease. An empty
/// header is confirmed by EXISTS: an empty foreign string is a value. A deadline without a token is a back-off.
pub(crate) const ACQUIRE: &str = concat!(
    server_time!(),
    header!(),
    fields!(),
    "local tok,lease=ARGV[1],tonumber(ARGV[2])\n\
     if h=='' and redis.call('EXISTS',k)==0 then\n\
     redis.call('SET',k,'\\193\\18\\0\\0\\0\\0\\0\\0'..struct.pack('<I8I8',0,now+lease)..tok,'PX',lease*2) return{1} end\n\
     if not L then return{3,redis.call('GET',k)} end\n\
     local own,force=string.sub(h,25,32),ARGV[3] if (ARGV[4]or'')~='' and ARGV[4]~=string.sub(h,9,16)then force='0' end\n\
     if own~=tok and own~=ARGV[5] then\n\
     if has and(soft==0 or soft>now)and force=='0' then return{3,redis.call('GET',k)} end\n\
     if ld>now then local held=own~='\\0\\0\\0\\0\\0\\0\\0\\0'\n\
     if has and(soft==0 or soft+st>now)and(held or force~='2')then return{2} end\n\
     if held then return{4,ld-now} end end end\n\
     redis.call('SETRANGE',k,16,struct.pack('<I8',now+lease)..tok)\n\
     local p=redis.call('PTTL',k) if p>=0 and p<lease*2 then redis.call('PEXPIRE',k,lease*2) end return{1}"
);

/// (key; token, entry, ms | 0 never | -1 remove): 1 stored, 0 the lease is lost.
pub(crate) const STORE: &str = concat!(owner_only!(), set_entry!());

/// (key; old, entry, ms | 0 never | -1 remove): stores the entry in the place of exactly `old`. 1 done, 0 something else
/// is there.
pub(crate) const SWAP: &str = concat!(
    "local k=KEYS[1]if redis.call('GET',k)~=ARGV[1] then return 0 end\n",
    set_entry!()
);

/// (key; token, back-off ms): the lease is given back. What can be served stays, and nobody may load it for so long;
/// anything else is removed. A full server refuses to write: then what is there lives only for as long as it may be
/// served. 1 done, 0 it was lost.
pub(crate) const RELEASE: &str = concat!(
    owner_only!(),
    server_time!(),
    fields!(),
    "if not has or(soft>0 and soft+st<=now)then redis.call('DEL',k) return 1 end\n\
     local w=tonumber(ARGV[2])\n\
     local r=redis.pcall('SETRANGE',k,16,struct.pack('<I8I8',w>0 and now+w or 0,0))\n\
     if type(r)=='table' and r.err then if soft>0 and st<1/0 then redis.call('PEXPIRE',k,soft+st-now) end return r end\n\
     return 1"
);

/// (key; token, lease ms): the lease lasts so long from now, and the TTL at least twice as long. 1 done, 0 it was
/// lost.
pub(crate) const RENEW: &str = concat!(
    owner_only!(),
    server_time!(),
    "local w=tonumber(ARGV[2])\n\
     redis.call('SETRANGE',k,16,struct.pack('<I8',now+w))\n\
     local p=redis.call('PTTL',k) if p>=0 and p<w*2 then redis.call('PEXPIRE',k,w*2) end return 1"
);

/// (key): a value becomes stale now, may be served for as long as it could have been before (a lease may have lifted its
/// TTL beyond that), and nobody holds its lease any more. What cannot be stale is removed. 1 done, 0 there was no fresh
/// value.
pub(crate) const EXPIRE_SOFT: &str = concat!(
    server_time!(),
    header!(),
    fields!(),
    "if h=='' and redis.call('EXISTS',k)==0 then return 0 end\n\
     local p=redis.call('PTTL',k) p=p<0 and 4294967295 or math.min(p,4294967294)\n\
     if L and soft>0 then p=math.min(p,math.max(soft+st-now,0)) end\n\
     if L then if not has then redis.call('DEL',k) return 0 end\n\
     if soft>0 and soft<=now then redis.call('SETRANGE',k,16,string.rep('\\0',16)) return 0 end\n\
     redis.call('SETRANGE',k,4,struct.pack('<I4I8I8I8',p,now,0,0)) return 1 end\n\
     if a==193 and b==17 and #h>3 then\n\
     redis.call('SET',k,'\\193\\19'..string.sub(h,3,4)..struct.pack('<I4I8I8I8',p,now,0,0)\
     ..redis.call('GETRANGE',k,4,-1),'KEEPTTL')\n\
     else redis.call('UNLINK',k) end return 1"
);
