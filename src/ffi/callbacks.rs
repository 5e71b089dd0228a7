//! The functions of the caller, by their types: what each is given, what it must give, and when it is called.

use std::ffi::{c_char, c_void};

use super::types::*;
use super::writer::redis_cache_writer;

/// Computes a value that is missing: appends it to `out` with redis_cache_writer_append() and
/// returns 0, or says redis_cache_writer_set_absent(). Anything but 0 says that it failed;
/// redis_cache_writer_fail() may tell why. Called on the thread of the call that was given it,
/// which is still under way. It may use the cache, but must not ask for what it computes, and it
/// must return: leaving by longjmp(), pthread_exit() or an exception is not allowed. When its thread
/// is cancelled, the computation goes on, and the thread ends after the call.
pub type redis_cache_compute_fn = Option<
    unsafe extern "C-unwind" fn(user_data: *mut c_void, out: *mut redis_cache_writer) -> i32,
>;

/// Computes the values of many keys, in the order of `missing`: appends each and ends it with
/// redis_cache_writer_next(). A key may also be skipped (redis_cache_writer_skip()) or be said to be
/// absent, and have a lifetime of its own (redis_cache_writer_set_ttl()): these concern the value
/// that was begun last. Returns 0; anything else says that it failed for all. `missing` lives until
/// it returns. Otherwise as redis_cache_compute_fn.
pub type redis_cache_compute_many_fn = Option<
    unsafe extern "C-unwind" fn(
        user_data: *mut c_void,
        missing: *const redis_cache_slice,
        count: usize,
        out: *mut redis_cache_writer,
    ) -> i32,
>;

/// Says what becomes of a value: 0, and it is replaced by what was appended to `out`, with its
/// lifetime; 1, it is kept; 2, it is deleted. Anything else says that it failed, which ends the
/// sweep with REDIS_CACHE_ERR_CALLBACK. `key` is as redis_cache_keys_next() tells it, or, of another
/// version, as on the wire; while a server rehashes its keys one may be shown twice. `value` is as
/// redis_cache_get() gives it. Both live until the function returns. It may use the cache, and it
/// must return, as redis_cache_compute_fn.
pub type redis_cache_rewrite_fn = Option<
    unsafe extern "C-unwind" fn(
        user_data: *mut c_void,
        key: *const redis_cache_slice,
        value: *const redis_cache_slice,
        out: *mut redis_cache_writer,
    ) -> i32,
>;

/// Hears how far a sweep is: keys looked at, keys that matched, keys changed, and the part of the
/// way that is done, from 0 to 1. Returns 0 to go on; anything else ends the sweep, which then
/// says REDIS_CACHE_STOPPED. Called on the thread of the sweep.
pub type redis_cache_progress_fn = Option<
    unsafe extern "C-unwind" fn(
        user_data: *mut c_void,
        scanned: u64,
        matched: u64,
        changed: u64,
        fraction: f64,
    ) -> i32,
>;

/// Hears of every fault, also of those that `on_error=miss` turns into a miss. `text` lives
/// until it returns. It is called on whichever thread met the fault, on several at once if need be,
/// for as long as anything lives that comes from this configuration: a client, view, iterator, lease
/// or lock. It may use the cache, and hears nothing of the faults that it causes itself; it may free
/// the client. It must return, as redis_cache_compute_fn.
pub type redis_cache_error_fn =
    Option<unsafe extern "C-unwind" fn(user_data: *mut c_void, status: i32, text: *const c_char)>;

/// Makes the key on the wire from the prefix, the version and the caller's key: appends it to
/// `out` and returns 0; anything else fails the call with REDIS_CACHE_ERR_CALLBACK. It must give
/// the same answer every time. Operations on groups of keys pass a pattern as the key, and a
/// prefix in which what is special in a pattern is escaped. Called from any thread, on several at
/// once if need be, for as long as anything lives that comes from this configuration: a client,
/// view, iterator, lease or lock. It may use other caches, but not the one whose keys it makes, which
/// would ask it again. It must return, as redis_cache_compute_fn.
pub type redis_cache_key_fn = Option<
    unsafe extern "C-unwind" fn(
        user_data: *mut c_void,
        prefix: *const c_char,
        version: u64,
        key: *const redis_cache_slice,
        out: *mut redis_cache_writer,
    ) -> i32,
>;

/// Says who logs in at a node: appends the user (it may be empty), redis_cache_writer_next(), and the
/// password to `out`, and returns 0; without redis_cache_writer_next() what was appended is the
/// password. Anything else fails the connect with REDIS_CACHE_ERR_AUTH; redis_cache_writer_fail() may
/// tell why. `node` is the location of the node, as it was configured or announced but without
/// options (a node of a cluster has `redis://` or `rediss://` before it, one that was configured as
/// `host:port` has not), and lives until the function returns. It is asked at every connect, and once
/// more when the server refuses what it said; for sentinels too, unless the option sentinel_password
/// is set. What it wrote is overwritten after use. It runs inside the time budget of a call, which
/// cannot interrupt it. Called from any thread, on several at once if need be, for as long as
/// anything lives that comes from this configuration: a client, view, iterator, lease or lock. It may
/// use other caches; a call on the same client that would ask a server is
/// REDIS_CACHE_ERR_UNSUPPORTED. It may free the client, and it must return, as
/// redis_cache_compute_fn.
pub type redis_cache_credentials_fn = Option<
    unsafe extern "C-unwind" fn(
        user_data: *mut c_void,
        node: *const c_char,
        out: *mut redis_cache_writer,
    ) -> i32,
>;

/// Hears of every call of an operation that got as far as its client, when it is over. `operation` is the
/// name of the function without "redis_cache_", such as "get" or "delete_pattern"; `node` is that of
/// redis_cache_where() for an operation on one key whose node is known, and "" for others; `status` is
/// what the call returns; `nanoseconds` are those it took. Both texts live until the function returns.
/// Not told of: what concerns the client itself (open, clone, stats), the functions of an iterator, a
/// lease or a lock that there is already, and what this function does with the cache, which leaves the
/// error text of the call alone. Otherwise as redis_cache_error_fn.
pub type redis_cache_operation_fn = Option<
    unsafe extern "C-unwind" fn(
        user_data: *mut c_void,
        operation: *const c_char,
        node: *const c_char,
        status: i32,
        nanoseconds: u64,
    ),
>;
