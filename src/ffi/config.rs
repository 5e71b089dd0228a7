//! The configuration of a client: locations, options by name and three functions of the caller. It only fills a
//! [`Config`]; what the options mean and whether they fit together is decided there.

use std::ffi::{c_char, c_void};
use std::mem;

use super::boundary::*;
use super::callbacks::*;
use super::types::*;
use super::writer::redis_cache_writer;
use crate::config::Config;
use crate::error::Result;

/// A configuration under way: servers, options, functions. Freed with redis_cache_config_free(),
/// at any time after redis_cache_connect(), which only reads it. One thread at a time.
#[derive(Debug)]
pub struct redis_cache_config {
    pub(super) config: Config,
}

/// A configuration without servers and with the default options. Free with
/// redis_cache_config_free().
#[unsafe(no_mangle)]
pub extern "C" fn redis_cache_config_new() -> *mut redis_cache_config {
    guard_or(std::ptr::null_mut(), || {
        Ok(give(redis_cache_config {
            config: Config::new(),
        }))
    })
}

/// Frees the configuration; NULL is fine. Clients made from it go on working.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn redis_cache_config_free(config: *mut redis_cache_config) {
    // SAFETY: the caller keeps the rules of the header: NULL, or made by redis_cache_config_new().
    unsafe { take_back(config) }
}

/// Adds a server, or several in a comma list: host, host:port, [v6]:port, /path/to.sock, or a
/// redis://, rediss://, valkey://, valkeys://, unix:// or memory:// URL, whose query may set any
/// option. A user without a password (redis://user@host) is sent with the password of the whole
/// cache, or with the empty one; a password alone is written redis://:password@host. `name` is the
/// stable name of the node on a ring, its address when NULL; `weight` is its share there, 1 for
/// an ordinary one. Servers beyond the first make a ring unless the options name another topology.
/// OK or ERR_CONFIG. No network.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn redis_cache_config_add_server(
    config: *mut redis_cache_config,
    url: *const c_char,
    name: *const c_char,
    weight: u32,
) -> redis_cache_status {
    guard(|| {
        // SAFETY: the caller keeps the rules of the header.
        let (config, url, name) = unsafe {
            let name = if name.is_null() {
                None
            } else {
                Some(text("name", name)?)
            };
            (borrow_mut("config", config)?, text("url", url)?, name)
        };
        let name = name
            .map(|name| utf8("the name of a server", name))
            .transpose()?;
        config
            .config
            .add_server(utf8("the location of a server", url)?, name, weight)?;
        Ok(REDIS_CACHE_OK)
    })
}

/// Sets an option by its name, such as "prefix", "ttl" or "timeout"; the value is written as in a
/// URL's query, but not percent-encoded: "app", "5m", "250ms". All options stand at the beginning of
/// this header. OK, or ERR_CONFIG for an unknown name or a value that does not fit, with a text that
/// names both and says what would. No network.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn redis_cache_config_set(
    config: *mut redis_cache_config,
    name: *const c_char,
    value: *const c_char,
) -> redis_cache_status {
    guard(|| {
        // SAFETY: the caller keeps the rules of the header.
        let (config, name, value) = unsafe {
            (
                borrow_mut("config", config)?,
                text("name", name)?,
                text("value", value)?,
            )
        };
        let name = utf8("the name of an option", name)?;
        let value = utf8(&format!("the value of `{name}`"), value)?;
        config.config.apply(name, value)?;
        Ok(REDIS_CACHE_OK)
    })
}

/// Sets the function that hears of every fault. `user_data` is handed to it and must, like the
/// function, live as long as any client, view, iterator, lease or lock that comes from this
/// configuration; both are used from any thread. redis_cache_config_set_error_fn_owned() tells when
/// that is over.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn redis_cache_config_set_error_fn(
    config: *mut redis_cache_config,
    r#fn: redis_cache_error_fn,
    user_data: *mut c_void,
) -> redis_cache_status {
    // SAFETY: the same contract.
    unsafe { redis_cache_config_set_error_fn_owned(config, r#fn, user_data, None) }
}

/// The same, and `destroy`, unless it is NULL, is called with `user_data` once when nobody will call
/// the function any more: when the configuration and every client, view, iterator, lease and lock
/// that comes from it are gone, or at once when this call fails. It is called on whatever thread
/// ends the last of them, never while the function runs, and after fork() in each process.
/// Replacing the function counts for clients that are made from then on.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn redis_cache_config_set_error_fn_owned(
    config: *mut redis_cache_config,
    r#fn: redis_cache_error_fn,
    user_data: *mut c_void,
    destroy: Option<unsafe extern "C-unwind" fn(user_data: *mut c_void)>,
) -> redis_cache_status {
    let user_data = UserData { user_data, destroy };
    // SAFETY: the caller keeps the rules of the header.
    let config = unsafe { borrow_mut("config", config) };
    set_function(config, r#fn, user_data, |config, function, user_data| {
        config.error_hook(move |error| {
            let text = c_text(error.to_string());
            // SAFETY: the caller promised a function and data for any thread, as long as clients live.
            unsafe {
                function(
                    user_data.get(),
                    Status::from(error.kind()) as i32,
                    text.as_ptr().cast(),
                )
            }
        })
    })
}

/// Sets the function that makes keys on the wire, in place of "prefix:version:key". `user_data`
/// is handed to it and must, like the function, live as long as any client, view, iterator, lease or
/// lock that comes from this configuration; both are used from any thread.
/// redis_cache_config_set_key_fn_owned() tells when that is over.
///
/// It runs for every key of every call, also of the calls that it makes itself: one that asks its
/// own client, or a view of it, for a key is called for that key in turn, and unless it ends that
/// the stack does and the process dies. Other clients, and functions without keys, are free to it.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn redis_cache_config_set_key_fn(
    config: *mut redis_cache_config,
    r#fn: redis_cache_key_fn,
    user_data: *mut c_void,
) -> redis_cache_status {
    // SAFETY: the same contract.
    unsafe { redis_cache_config_set_key_fn_owned(config, r#fn, user_data, None) }
}

/// The same, and `destroy`, unless it is NULL, is called with `user_data` once when nobody will call
/// the function any more, as redis_cache_config_set_error_fn_owned() says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn redis_cache_config_set_key_fn_owned(
    config: *mut redis_cache_config,
    r#fn: redis_cache_key_fn,
    user_data: *mut c_void,
    destroy: Option<unsafe extern "C-unwind" fn(user_data: *mut c_void)>,
) -> redis_cache_status {
    let user_data = UserData { user_data, destroy };
    // SAFETY: the caller keeps the rules of the header.
    let config = unsafe { borrow_mut("config", config) };
    set_function(config, r#fn, user_data, |config, function, user_data| {
        config.key_fn(move |prefix, version, key| {
            let prefix = c_text(prefix);
            let key = redis_cache_slice::from(key);
            let mut writer = redis_cache_writer::of_key();
            // SAFETY: the caller promised a function and data for any thread, as long as clients live.
            let code = unsafe {
                function(
                    user_data.get(),
                    prefix.as_ptr().cast(),
                    version,
                    &raw const key,
                    &raw mut writer,
                )
            };
            let written = writer.finish("key", code)?;
            Ok(written.into_value().unwrap_or_default())
        })
    })
}

/// Sets the function that says who logs in, as redis_cache_credentials_fn tells. `destroy`, unless it
/// is NULL, is called with `user_data` once when nobody will call the function any more, as
/// redis_cache_config_set_error_fn_owned() says. With the options username, password or password_file,
/// of the cache or a location, redis_cache_connect() says ERR_CONFIG.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn redis_cache_config_set_credentials_fn(
    config: *mut redis_cache_config,
    r#fn: redis_cache_credentials_fn,
    user_data: *mut c_void,
    destroy: Option<unsafe extern "C-unwind" fn(user_data: *mut c_void)>,
) -> redis_cache_status {
    let user_data = UserData { user_data, destroy };
    // SAFETY: the caller keeps the rules of the header.
    let config = unsafe { borrow_mut("config", config) };
    set_function(config, r#fn, user_data, |config, function, user_data| {
        config.credentials_bytes(move |node| {
            let node = c_text(node);
            let mut writer = redis_cache_writer::of_credentials();
            // SAFETY: the caller promised a function and data for any thread, as long as clients live.
            let code = unsafe { function(user_data.get(), node.as_ptr().cast(), &raw mut writer) };
            writer.finish_credentials(code)
        })
    })
}

/// Sets the function that hears of every operation, for latencies and traces; see
/// redis_cache_operation_fn. `destroy`, unless it is NULL, is called with `user_data` once when nobody
/// will call the function any more, as redis_cache_config_set_error_fn_owned() says. A client without
/// such a function pays nothing for it.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn redis_cache_config_set_operation_fn(
    config: *mut redis_cache_config,
    r#fn: redis_cache_operation_fn,
    user_data: *mut c_void,
    destroy: Option<unsafe extern "C-unwind" fn(user_data: *mut c_void)>,
) -> redis_cache_status {
    let user_data = UserData { user_data, destroy };
    // SAFETY: the caller keeps the rules of the header.
    let config = unsafe { borrow_mut("config", config) };
    set_function(config, r#fn, user_data, |config, function, user_data| {
        config.operation_hook(move |operation, node, status, nanoseconds| {
            let node = c_text(node);
            // SAFETY: the caller promised a function and data for any thread, as long as clients live.
            unsafe {
                function(
                    user_data.get(),
                    operation.as_ptr(),
                    node.as_ptr().cast(),
                    status,
                    nanoseconds,
                )
            }
        })
    })
}

impl redis_cache_config {
    /// Changes the configuration and returns what it was: what is dropped with it may run a function of the caller, which
    /// finds the change done.
    fn change(&mut self, change: impl FnOnce(Config) -> Config) -> Config {
        let changed = change(self.config.clone());
        mem::replace(&mut self.config, changed)
    }
}

/// Has `set` put a function of the caller's in, and what that wants to get back; this ends when the call fails.
fn set_function<F>(
    config: Result<&mut redis_cache_config>,
    r#fn: Option<F>,
    user_data: UserData,
    set: impl FnOnce(Config, F, UserData) -> Config,
) -> redis_cache_status {
    guard_to_the_end(move || {
        let user_data = user_data;
        let config = config?;
        let function = r#fn.ok_or_else(|| invalid("`fn` is NULL"))?;
        let before = config.change(|config| set(config, function, user_data));
        drop(before);
        Ok(REDIS_CACHE_OK)
    })
}

/// What the caller wants to get back in a callback, and how it ends.
#[derive(Debug)]
struct UserData {
    user_data: *mut c_void,
    destroy: Option<unsafe extern "C-unwind" fn(*mut c_void)>,
}

impl UserData {
    fn get(&self) -> *mut c_void {
        self.user_data
    }
}

impl Drop for UserData {
    fn drop(&mut self) {
        if let Some(destroy) = self.destroy {
            // SAFETY: the caller promised that it takes this, once, on any thread.
            unsafe { destroy(self.user_data) }
        }
    }
}

// SAFETY: it is never looked at here; the header makes the caller promise that it may be used on any thread.
unsafe impl Send for UserData {}
// SAFETY: as above.
unsafe impl Sync for UserData {}

/// A copy with a NUL behind it. A NUL inside ends the text early for C.
fn c_text(text: impl Into<Vec<u8>>) -> Vec<u8> {
    let mut text = text.into();
    text.push(0);
    text
}
