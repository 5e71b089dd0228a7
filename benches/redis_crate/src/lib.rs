//! The `redis` crate with r2d2, its check at checkout off, behind the table of ../../peer.h.
use std::ffi::{CStr, c_char, c_int, c_long, c_void};

use r2d2::Pool;
use redis::Client;

#[repr(C)]
#[derive(Clone, Copy)]
pub struct Text {
    data: *const u8,
    len: usize,
}

impl Text {
    fn bytes<'a>(self) -> &'a [u8] {
        // SAFETY: the harness keeps the text for the time of the call.
        unsafe { std::slice::from_raw_parts(self.data, self.len) }
    }
}

#[repr(C)]
pub struct Peer {
    name: *const c_char,
    version: *const c_char,
    pool: c_int,
    open: extern "C" fn(*const c_char, c_int) -> *mut c_void,
    get: extern "C" fn(*mut c_void, Text) -> c_long,
    set: extern "C" fn(*mut c_void, Text, Text) -> c_int,
    mget: extern "C" fn(*mut c_void, *const Text, usize) -> c_int,
    mset: extern "C" fn(*mut c_void, *const Text, usize, Text) -> c_int,
    close: extern "C" fn(*mut c_void),
}
// SAFETY: it holds constants only.
unsafe impl Sync for Peer {}

#[unsafe(no_mangle)]
#[allow(non_upper_case_globals)]
pub static bench_peer: Peer = Peer {
    name: c"redis crate + r2d2".as_ptr(),
    version: c"1.8".as_ptr(),
    pool: 1,
    open,
    get,
    set,
    mget,
    mset,
    close,
};

extern "C" fn open(location: *const c_char, connections: c_int) -> *mut c_void {
    // SAFETY: the harness gives a C string.
    let location = unsafe { CStr::from_ptr(location) }.to_string_lossy();
    if location.contains([',', '?']) {
        return std::ptr::null_mut(); // one server
    }
    let pool = Client::open(&*location).ok().and_then(|client| {
        let size = connections as u32;
        Pool::builder()
            .max_size(size)
            .test_on_check_out(false)
            .build(client)
            .ok()
    });
    pool.map_or(std::ptr::null_mut(), |pool| {
        Box::into_raw(Box::new(pool)).cast()
    })
}

fn ask<T: redis::FromRedisValue>(pool: *mut c_void, ask: &redis::Cmd) -> Option<T> {
    // SAFETY: it came from `open` and is not closed yet.
    let pool = unsafe { &*pool.cast::<Pool<Client>>() };
    ask.query(&mut *pool.get().ok()?).ok()
}

extern "C" fn get(pool: *mut c_void, key: Text) -> c_long {
    let value = ask::<Option<Vec<u8>>>(pool, redis::cmd("GET").arg(key.bytes()));
    value.flatten().map_or(-1, |value| value.len() as c_long)
}

extern "C" fn set(pool: *mut c_void, key: Text, value: Text) -> c_int {
    let command = redis::cmd("SET")
        .arg(key.bytes())
        .arg(value.bytes())
        .arg("PX")
        .arg(300_000)
        .to_owned();
    ask::<()>(pool, &command).map_or(-1, |()| 0)
}

fn texts<'a>(keys: *const Text, count: usize) -> &'a [Text] {
    // SAFETY: the harness gives `count` of them, for the time of the call.
    unsafe { std::slice::from_raw_parts(keys, count) }
}

extern "C" fn mget(pool: *mut c_void, keys: *const Text, count: usize) -> c_int {
    let mut command = redis::cmd("MGET");
    for key in texts(keys, count) {
        command.arg(key.bytes());
    }
    match ask::<Vec<Option<Vec<u8>>>>(pool, &command) {
        Some(values) if values.iter().all(Option::is_some) => 0,
        _ => -1,
    }
}

extern "C" fn mset(pool: *mut c_void, keys: *const Text, count: usize, value: Text) -> c_int {
    // SAFETY: as in `ask`.
    let pool = unsafe { &*pool.cast::<Pool<Client>>() };
    let mut pipe = redis::pipe();
    for key in texts(keys, count) {
        pipe.cmd("SET")
            .arg(key.bytes())
            .arg(value.bytes())
            .arg("PX")
            .arg(300_000)
            .ignore();
    }
    let done = pool
        .get()
        .ok()
        .and_then(|mut connection| pipe.query::<()>(&mut *connection).ok());
    done.map_or(-1, |()| 0)
}

extern "C" fn close(pool: *mut c_void) {
    // SAFETY: it came from `open`; the harness closes it once.
    drop(unsafe { Box::from_raw(pool.cast::<Pool<Client>>()) });
}
