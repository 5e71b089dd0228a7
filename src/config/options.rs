//! What a cache is configured to do: one field an option, under the option's name, with the default of the
//! documentation. How an option is written as text stands in `table.rs`.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use crate::codec::Settings;
use crate::expiry::Expiry;

use super::address_map::AddressMap;
use super::choices::{
    KeyCheck, Layout, NearUntracked, OnDecodeError, OnError, OnWaitTimeout, Parser, Pipelining,
    Protocol, ReadFrom, Ring, Topology,
};
use super::table::TABLE;

/// The options of a cache. Once resolved they fit each other.
#[derive(Clone)]
pub(crate) struct Options {
    pub(crate) prefix: Vec<u8>,
    pub(crate) version: u64,
    /// Never [`Expiry::Default`].
    pub(crate) ttl: Expiry,
    pub(crate) key_check: KeyCheck,
    /// What the codecs are told: `codec`, `compressor` and `max_value` among others.
    pub(crate) coding: Settings,
    pub(crate) layout: Layout,
    pub(crate) on_decode_error: OnDecodeError,
    pub(crate) on_error: OnError,
    /// Always there once resolved.
    pub(crate) topology: Option<Topology>,
    /// The node name of a location once resolved.
    pub(crate) primary: Option<String>,
    pub(crate) read_from: ReadFrom,
    pub(crate) ring: Ring,
    pub(crate) sentinel_name: Option<String>,
    /// The locations have taken over what they lack of db, user, password and TLS once resolved.
    pub(crate) db: u32,
    pub(crate) username: Option<String>,
    pub(crate) password: Option<String>,
    pub(crate) password_file: Option<PathBuf>,
    pub(crate) sentinel_username: Option<String>,
    pub(crate) sentinel_password: Option<String>,
    pub(crate) tls: TlsOptions,
    pub(crate) address_map: AddressMap,
    pub(crate) max_connections: usize,
    pub(crate) pool_timeout: Duration,
    pub(crate) connect_timeout: Duration,
    pub(crate) timeout: Duration,
    pub(crate) idle_check: Duration,
    pub(crate) idle_timeout: Option<Duration>,
    pub(crate) max_lifetime: Option<Duration>,
    pub(crate) breaker_failures: u32,
    pub(crate) breaker_backoff: Duration,
    pub(crate) breaker_backoff_max: Duration,
    pub(crate) protocol: Protocol,
    pub(crate) parser: Parser,
    pub(crate) pipelining: Pipelining,
    pub(crate) scan_count: u32,
    pub(crate) memory_limit: usize,
    pub(crate) client_name: Option<String>,
    pub(crate) stale: Duration,
    pub(crate) lease: Duration,
    pub(crate) wait: Duration,
    pub(crate) on_wait_timeout: OnWaitTimeout,
    pub(crate) early: f64,
    pub(crate) ttl_jitter: f64,
    pub(crate) near: usize,
    pub(crate) near_untracked: NearUntracked,
    pub(crate) near_ttl: Option<Duration>,
    pub(crate) near_max_lag: Duration,
    pub(crate) latencies: bool,
}

impl Options {
    /// The same for values that go from hand to hand within this process, however large they are.
    pub(crate) fn unbounded(&self) -> Options {
        let mut options = self.clone();
        options.coding.max_value = usize::MAX;
        options
    }
}

/// How a TLS connection is checked. What is `None` is as the system has it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct TlsOptions {
    pub(crate) ca: Option<PathBuf>,
    pub(crate) cert: Option<PathBuf>,
    pub(crate) key: Option<PathBuf>,
    pub(crate) server_name: Option<String>,
    pub(crate) insecure: Option<bool>,
}

/// By the table, which hides what is secret.
impl fmt::Debug for Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map()
            .entries(TABLE.iter().map(|row| (row.name, row.show(self))))
            .finish()
    }
}

impl Default for Options {
    fn default() -> Self {
        Options {
            prefix: Vec::new(),
            version: 1,
            ttl: Expiry::After(Duration::from_secs(300)),
            key_check: KeyCheck::Reject,
            coding: Settings::default(),
            layout: Layout::Tagged,
            on_decode_error: OnDecodeError::Miss,
            on_error: OnError::Raise,
            topology: None,
            primary: None,
            read_from: ReadFrom::Primary,
            ring: Ring::RedisCache,
            sentinel_name: None,
            db: 0,
            username: None,
            password: None,
            password_file: None,
            sentinel_username: None,
            sentinel_password: None,
            tls: TlsOptions::default(),
            address_map: AddressMap::default(),
            max_connections: 16,
            pool_timeout: Duration::from_secs(1),
            connect_timeout: Duration::from_secs(1),
            timeout: Duration::from_secs(1),
            idle_check: Duration::from_millis(1),
            idle_timeout: Some(Duration::from_secs(300)),
            max_lifetime: None,
            breaker_failures: 5,
            breaker_backoff: Duration::from_millis(100),
            breaker_backoff_max: Duration::from_secs(5),
            protocol: Protocol::Auto,
            parser: Parser::Native,
            pipelining: Pipelining::Auto,
            scan_count: 1000,
            memory_limit: 256 << 20,
            client_name: None,
            stale: Duration::ZERO,
            lease: Duration::from_secs(10),
            wait: Duration::from_secs(5),
            on_wait_timeout: OnWaitTimeout::Compute,
            early: 1.0,
            ttl_jitter: 0.0,
            near: 0,
            near_untracked: NearUntracked::Ttl,
            near_ttl: Some(Duration::from_secs(60)),
            near_max_lag: Duration::from_millis(1),
            latencies: false,
        }
    }
}
