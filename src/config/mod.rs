//! The configuration of a cache: where its servers are and what it does. Options and locations are read here from
//! text, from URLs and by typed setters, and checked against each other before anything connects.
//!
//! # Options
//!
//! Each has a typed setter of its name in [`Config`], and the same name in [`Config::set`] and in the query of a location.
//!
#![doc = include_str!("options.md")]

pub(crate) mod address_map;
pub(crate) mod checks;
pub(crate) mod choices;
pub(crate) mod credentials;
pub(crate) mod duration;
pub(crate) mod hooks;
mod known;
pub(crate) mod location;
pub(crate) mod nearest;
pub(crate) mod options;
pub(crate) mod sentinels;
pub(crate) mod setters;
pub(crate) mod table;
#[cfg(test)]
pub(crate) mod tests;
pub(crate) mod units;
pub(crate) mod url;

use std::collections::BTreeSet;
#[cfg(feature = "capi")]
use std::ffi::CStr;
use std::sync::Arc;

pub(crate) use address_map::AddressMap;
pub use choices::{
    Codec, Compressor, KeyCheck, Layout, NearUntracked, OnDecodeError, OnError, OnWaitTimeout,
    Parser, Pipelining, Protocol, ReadFrom, Ring, Topology,
};
pub(crate) use credentials::{Asker, Secrets, is_asked, read_password};
pub(crate) use hooks::{Connector, Hooks, KeyFn, ReverseKeyFn};
pub use known::{KnownOption, known_options};
#[cfg(test)]
pub(crate) use location::Said;
pub(crate) use location::{Address, Location};
pub(crate) use options::{Options, TlsOptions};

use crate::codec::{CustomCodec, CustomCompressor};
use crate::error::{Error, ErrorKind, Result};

/// What a [`Cache`](crate::Cache) is made from: locations, options, and functions of the caller.
///
/// Every option has a typed setter under its name; [`set`](Config::set) takes the same names and the value as
/// text, and so does the query of a location. All are checked together by [`connect`](Config::connect).
///
/// ```
/// use std::time::Duration;
/// use redis_cache::{Config, Expiry};
///
/// let cache = Config::new()
///     .server("memory://?prefix=app")?
///     .set("max_value", "64k")?
///     .ttl(Duration::from_secs(60))
///     .connect()?;
/// cache.set_bytes("greeting", b"hello", Expiry::Default)?;
/// # Ok::<(), redis_cache::Error>(())
/// ```
#[derive(Debug, Clone, Default)]
pub struct Config {
    locations: Vec<Location>,
    /// What `set` and the setters said; the last word counts.
    calls: Given,
    /// What the queries of locations said about the whole cache; they must agree.
    queries: Given,
    hooks: Hooks,
}

/// Options, and which of them somebody has named.
#[derive(Debug, Clone, Default)]
struct Given {
    options: Options,
    names: BTreeSet<&'static str>,
}

impl Config {
    /// A configuration without locations, with every option at its default.
    pub fn new() -> Self {
        Config::default()
    }

    /// Adds a location: `host`, `host:port`, `[v6]:port`, `/path/to.sock`, or a URL:
    /// `redis://[user[:password]@]host[:port][/db]`, `rediss://` for TLS (also `valkey://` and `valkeys://`),
    /// `unix://[user:password@]/path` or `redis+unix://` for a socket, `memory://` or `memory://name` for a store inside
    /// this process. The port is 6379 unless given. A user without a password is sent with the password of the whole
    /// cache, or the empty one; a password alone is written `redis://:password@host`.
    ///
    /// Everything is percent-decoded. A query names options (`?prefix=app&ttl=5m`): `db`, `username`, `password`,
    /// `password_file`, `tls_*`, `name` and `weight` are this location's, all others count for the whole cache.
    ///
    /// # Errors
    /// [`ErrorKind::Config`] names the location, without its credentials, and what is wrong with it.
    pub fn server(self, url: &str) -> Result<Self> {
        self.server_with(url, None, 1)
    }

    /// Adds a location with the name of its node, which is its address when `None`, and with its weight in a
    /// ring, from 1 on.
    ///
    /// # Errors
    /// As [`server`](Config::server); also when the query of `url` gives another name, or another weight than
    /// one that is not 1.
    pub fn server_with(mut self, url: &str, name: Option<&str>, weight: u32) -> Result<Self> {
        self.add_server(url, name, weight)?;
        Ok(self)
    }

    /// Sets an option by its name; the value is written as in the query of a URL, but not percent-encoded.
    /// Durations need a unit (`250ms`, `5s`, `2m`, `1h30m`) or are `never` where that makes sense, sizes take
    /// `k`, `m` or `g` (powers of 1024), switches are `true` or `false`. What is set twice has the second value.
    ///
    /// # Errors
    /// [`ErrorKind::Config`] names the option, the value, and what would be accepted.
    pub fn set(mut self, name: &str, value: &str) -> Result<Self> {
        self.apply(name, value)?;
        Ok(self)
    }

    /// A function that hears of every error, also of those that `on_error=miss` turns into misses. It is
    /// called on the thread that met the error, and may use the cache; it hears nothing of the faults that it causes
    /// itself.
    #[must_use]
    pub fn error_hook(mut self, hook: impl Fn(&Error) + Send + Sync + 'static) -> Self {
        self.hooks.error = Some(Arc::new(hook));
        self
    }

    /// The function of C that hears of every operation.
    #[cfg(feature = "capi")]
    pub(crate) fn operation_hook(
        mut self,
        hook: impl Fn(&CStr, &str, i32, u64) + Send + Sync + 'static,
    ) -> Self {
        self.hooks.operation = Some(Arc::new(hook));
        self
    }

    /// A function that makes the wire key from prefix, version and the caller's key, instead of
    /// `prefix:version:key`. For patterns it is called with the prefix escaped and the pattern as the key. The
    /// text it fails with becomes that of an error of kind [`Callback`](ErrorKind::Callback).
    ///
    /// ```
    /// use redis_cache::{Config, Expiry};
    ///
    /// # fn main() -> redis_cache::Result<()> {
    /// let cache = Config::new()
    ///     .server("memory://?prefix=app")?
    ///     .key_fn(|prefix, version, key| Ok([prefix, b"/v", version.to_string().as_bytes(), b"/", key].concat()))
    ///     .reverse_key_fn(|wire| {
    ///         let key = wire.splitn(3, |byte| *byte == b'/').nth(2);
    ///         key.map(<[u8]>::to_vec).ok_or_else(|| "not one of ours".to_owned())
    ///     })
    ///     .connect()?;
    /// assert_eq!(cache.make_key("user:7")?, b"app/v1/user:7");
    /// cache.set("user:7", "Ada", Expiry::Default)?;
    /// assert_eq!(cache.keys("user:*")?.next().transpose()?.as_deref(), Some(&b"user:7"[..]));
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn key_fn(
        mut self,
        make: impl Fn(&[u8], u64, &[u8]) -> Result<Vec<u8>, String> + Send + Sync + 'static,
    ) -> Self {
        self.hooks.key = Some(Arc::new(make));
        self
    }

    /// The reverse of [`key_fn`](Config::key_fn): finds the caller's key in a wire key. Without it, `keys`
    /// yields wire keys when there is a key function.
    #[must_use]
    pub fn reverse_key_fn(
        mut self,
        find: impl Fn(&[u8]) -> Result<Vec<u8>, String> + Send + Sync + 'static,
    ) -> Self {
        self.hooks.reverse_key = Some(Arc::new(find));
        self
    }

    /// Writes typed values with a codec of the caller's own, which is then the option `codec`; see [`CustomCodec`]. With
    /// another [`codec`](Config::codec) named after it, it only reads what it once wrote.
    #[must_use]
    pub fn custom_codec(mut self, codec: impl CustomCodec + 'static) -> Self {
        self.calls.options.coding.custom.codec = Some(Arc::new(codec));
        self.codec(Codec::Custom)
    }

    /// Compresses values with a compressor of the caller's own, which is then the option `compressor`; see
    /// [`CustomCompressor`]. With another [`compressor`](Config::compressor) named after it, it only inflates what it
    /// once made smaller.
    #[must_use]
    pub fn custom_compressor(mut self, compressor: impl CustomCompressor + 'static) -> Self {
        self.calls.options.coding.custom.compressor = Some(Arc::new(compressor));
        self.compressor(Compressor::Custom)
    }

    /// A function that says who logs in: it is asked at every connect, and once more when the server refuses what it said
    /// (WRONGPASS, NOAUTH), so that secrets may change. It is given the location of the node, as it was configured or
    /// announced but without options, and returns the user (may be empty) and the password; what it fails with fails the connect with
    /// [`ErrorKind::Auth`]. Sentinels are asked for by it too, unless `sentinel_password` is set.
    /// What it returns is overwritten after use.
    ///
    /// It runs inside the time budget of a call, which cannot interrupt it. A call on the same cache from it that would
    /// ask a server is [`ErrorKind::Unsupported`]. Together with `username`, `password` or
    /// `password_file`, of the cache or a location, it is refused by [`connect`](Config::connect).
    ///
    /// ```
    /// use redis_cache::Config;
    ///
    /// # fn main() -> redis_cache::Result<()> {
    /// let cache = Config::new()
    ///     .server("redis://127.0.0.1:6379/1?prefix=app")?
    ///     .credentials(|_node| {
    ///         let token = std::fs::read_to_string("/run/secrets/redis").map_err(|fault| fault.to_string())?;
    ///         Ok(("app".to_owned(), token.trim_end().to_owned()))
    ///     })
    ///     .connect()?; // no network yet: it is asked when the first connection is made
    /// # drop(cache);
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn credentials(
        self,
        say: impl Fn(&str) -> Result<(String, String), String> + Send + Sync + 'static,
    ) -> Self {
        self.credentials_bytes(move |location| {
            let (user, password) = say(location)?;
            Ok(Secrets::new(user.into_bytes(), Some(password.into_bytes())))
        })
    }

    /// The same for what need not be text.
    pub(crate) fn credentials_bytes(
        mut self,
        say: impl Fn(&str) -> Result<Option<Secrets>, String> + Send + Sync + 'static,
    ) -> Self {
        self.hooks.credentials = Some(Asker::new(Arc::new(say)));
        self
    }

    /// A function that opens the connections instead of this library, for streams it does not know. Deadlines
    /// inside such a connection are its own affair; the time budgets of the cache do not reach into it.
    #[must_use]
    pub fn connector<C>(
        mut self,
        open: impl Fn(&redis::ConnectionInfo) -> redis::RedisResult<C> + Send + Sync + 'static,
    ) -> Self
    where
        C: redis::ConnectionLike + Send + 'static,
    {
        self.hooks.connector = Some(Connector::new(open));
        self
    }

    /// The same configuration without its locations; what their queries said about the whole cache stays said.
    pub(crate) fn without_servers(&self) -> Self {
        Config {
            locations: Vec::new(),
            ..self.clone()
        }
    }

    /// Reads a list of locations, joined by commas; a literal comma is written `%2C`.
    pub(crate) fn parse(urls: &str) -> Result<Self> {
        let is_list = urls.contains(',');
        let hint = if is_list {
            " (commas separate locations; a literal one is %2C)"
        } else {
            ""
        };
        let mut config = Config::new();
        for url in urls.split(',') {
            let in_list = |error| fault(format!("{error}{hint}"));
            config.add_server(url, None, 1).map_err(in_list)?;
        }
        Ok(config)
    }

    /// [`server_with`](Config::server_with) in place. After an error nothing has changed.
    pub(crate) fn add_server(&mut self, url: &str, name: Option<&str>, weight: u32) -> Result<()> {
        // A weight is always passed, so the ordinary one says nothing.
        let weight = Some(weight).filter(|weight| *weight != 1);
        let name = name.filter(|name| !name.is_empty());
        let (location, assignments) = Location::parse(url, name, weight).map_err(fault)?;
        let mut queries = self.queries.clone();
        for (row, text) in assignments {
            let at_location = |text| fault(format!("location `{}`: {text}", location.shown));
            queries.agree(row, &text).map_err(at_location)?;
        }
        self.queries = queries;
        self.locations.push(location);
        Ok(())
    }

    /// [`set`](Config::set) in place. After an error nothing has changed.
    pub(crate) fn apply(&mut self, name: &str, value: &str) -> Result<()> {
        if table::OF_ONE_LOCATION.contains(&name) {
            return Err(fault(format!(
                "option `{name}` is that of one location: give it in its query, or with its URL"
            )));
        }
        let row = table::find(name).map_err(fault)?;
        row.read(&mut self.calls.options, value).map_err(fault)?;
        self.calls.names.insert(row.name);
        Ok(())
    }

    /// Checks everything together. The locations are complete then, and the options fit them.
    pub(crate) fn resolve(&self) -> Result<(Options, Vec<Location>, Hooks)> {
        let (options, locations) = self.settle().map_err(fault)?;
        let mut hooks = self.hooks.clone();
        hooks.credentials = hooks.credentials.map(Asker::of_another);
        Ok((options, locations, hooks))
    }

    fn settle(&self) -> Result<(Options, Vec<Location>), String> {
        let mut options = self.calls.options.clone();
        for row in table::TABLE
            .iter()
            .filter(|row| self.queries.names.contains(row.name))
        {
            if self.calls.names.contains(row.name) && !row.is_same(&options, &self.queries.options)
            {
                return Err(format!(
                    "option `{}`: the query of a location says otherwise than the configuration",
                    row.name
                ));
            }
            row.copy(&self.queries.options, &mut options);
        }
        let mut locations = self.locations.clone();
        checks::settle(&mut options, &mut locations, &self.hooks)?;
        Ok((options, locations))
    }
}

impl Given {
    /// Takes the value that `text` says, unless another one was said before.
    fn agree(&mut self, row: &table::Row, text: &str) -> Result<(), String> {
        let mut options = self.options.clone();
        row.read(&mut options, text)?;
        if !self.names.insert(row.name) && !row.is_same(&options, &self.options) {
            return Err(format!(
                "option `{}` is given twice with different values, but counts for the whole cache",
                row.name
            ));
        }
        self.options = options;
        Ok(())
    }
}

fn fault(text: String) -> Error {
    Error::new(ErrorKind::Config, text)
}
