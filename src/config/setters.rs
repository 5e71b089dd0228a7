//! The options as methods: one setter an option, under the option's name, documented with what it accepts and what
//! it is when nobody sets it. They cannot fail; `connect` checks the values with the texts that `set` has.

use std::path::PathBuf;
use std::time::Duration;

use super::Config;
use super::address_map::AddressMap;
use super::choices::{
    Codec, Compressor, KeyCheck, Layout, NearUntracked, OnDecodeError, OnError, OnWaitTimeout,
    Parser, Pipelining, Protocol, ReadFrom, Ring, Topology,
};
use super::duration::{finite, whole_millis};
use super::units::some_text;
use crate::expiry::Expiry;

/// Declares setters: the option, its argument, and the field with the value it gets.
macro_rules! setters {
    ($($(#[$about:meta])* $name:ident($value:ident: $Value:ty) => $($field:ident).+ = $stored:expr;)*) => {
        /// The options, by name. [`set`](Config::set) takes the same ones as text. Durations are kept in whole
        /// milliseconds, rounded up; from 10^15 ms on they are `never`.
        impl Config {
            $(
                $(#[$about])*
                #[must_use]
                pub fn $name(mut self, $value: $Value) -> Self {
                    self.calls.options.$($field).+ = $stored;
                    self.calls.names.insert(stringify!($name));
                    self
                }
            )*
        }

        #[cfg(test)]
        pub(crate) const SETTERS: &[&str] = &[$(stringify!($name)),*];
    };
}

setters! {
    /// The first part of every key: any bytes but NUL. Neither `lock` nor one that ends in `:lock`, where locks live.
    /// Default: empty.
    prefix(prefix: impl Into<Vec<u8>>) => prefix = prefix.into();

    /// The second part of every key: any number. Default: 1.
    version(version: u64) => version = version;

    /// The expiry of entries that name none: a duration, or `None` or [`Expiry::Never`] for no expiry. A zero
    /// duration means already expired. Default: 300 s.
    ttl(ttl: impl Into<Expiry>) => ttl = match ttl.into() {
        Expiry::After(span) => finite(span).into(),
        other => other,
    };

    /// Which keys are refused. Default: [`KeyCheck::Reject`].
    key_check(check: KeyCheck) => key_check = check;

    /// How typed values are written; raw bytes are not affected. Default: [`Codec::Postcard`].
    codec(codec: Codec) => coding.codec = codec;

    /// How values are compressed. Default: [`Compressor::None`].
    compressor(compressor: Compressor) => coding.compressor = compressor;

    /// Values of fewer bytes are not compressed. Default: 1 KiB.
    compress_min(bytes: usize) => coding.compress_min = bytes;

    /// How hard to compress, as the compressor counts its levels. Default: the compressor's own.
    compress_level(level: i32) => coding.compress_level = Some(level);

    /// What stands in front of a stored value. Default: [`Layout::Tagged`].
    layout(layout: Layout) => layout = layout;

    /// The largest value in bytes that is written, read or inflated, at least 1. Default: 512 MiB.
    max_value(bytes: usize) => coding.max_value = bytes;

    /// What a value that cannot be decoded is. Default: [`OnDecodeError::Miss`].
    on_decode_error(choice: OnDecodeError) => on_decode_error = choice;

    /// What a server that fails or cannot be reached is. Default: [`OnError::Raise`].
    on_error(choice: OnError) => on_error = choice;

    /// How the locations work together. Default: by the locations, as [`Topology`] says.
    topology(topology: Topology) => topology = Some(topology);

    /// The location that takes the writes, by its name or in any spelling of its address; the others are its
    /// replicas. Default: none.
    primary(location: impl Into<String>) => primary = some_text(location);

    /// Where plain reads may go with `topology` primary, cluster or sentinel. Default: [`ReadFrom::Primary`].
    read_from(choice: ReadFrom) => read_from = choice;

    /// How a ring places keys. Default: [`Ring::RedisCache`].
    ring(ring: Ring) => ring = ring;

    /// The name under which the sentinels know the master. Default: none; `topology=sentinel` needs it.
    sentinel_name(name: impl Into<String>) => sentinel_name = some_text(name);

    /// The database of locations that name none. Default: 0. Another one of a cluster needs servers that have it (Valkey
    /// 9); elsewhere connecting fails with [`ErrorKind::Config`](crate::ErrorKind::Config).
    db(db: u32) => db = db;

    /// The user of locations that name none. Without a password the empty one is sent. Default: none.
    username(user: impl Into<String>) => username = some_text(user);

    /// The password of locations that name none. Default: none.
    password(password: impl Into<String>) => password = some_text(password);

    /// The file in which the password is, instead of `password`: read at every connect, so that it may change; without
    /// its last line break. A file that cannot be read fails the connect with
    /// [`ErrorKind::Config`](crate::ErrorKind::Config). Default: none.
    password_file(file: impl Into<PathBuf>) => password_file = Some(file.into());

    /// The user for the sentinels. Default: none.
    sentinel_username(user: impl Into<String>) => sentinel_username = some_text(user);

    /// The password for the sentinels. Default: none.
    sentinel_password(password: impl Into<String>) => sentinel_password = some_text(password);

    /// The PEM file of the authorities to trust. Default: the system's. All PEM files are looked at again at every
    /// connect: one that has changed counts from then on; one that cannot be read or used is told to the error hook, and
    /// the old ones stay in force.
    tls_ca(file: impl Into<PathBuf>) => tls.ca = Some(file.into());

    /// The PEM file of the client's certificate; goes with `tls_key`. Default: none.
    tls_cert(file: impl Into<PathBuf>) => tls.cert = Some(file.into());

    /// The PEM file of the client's key; goes with `tls_cert`. Default: none.
    tls_key(file: impl Into<PathBuf>) => tls.key = Some(file.into());

    /// The name the server's certificate must have. Default: the host of the location.
    tls_server_name(name: impl Into<String>) => tls.server_name = some_text(name);

    /// Whether to take any certificate, which is logged. Default: false.
    tls_insecure(insecure: bool) => tls.insecure = Some(insecure);

    /// Where servers really are that a cluster or sentinels announce under another address, as behind NAT: pairs of the
    /// announced and the real one, each `host:port`. With `topology` cluster, sentinel and primary. Default: none.
    address_map(pairs: impl IntoIterator<Item = (impl Into<String>, impl Into<String>)>) => address_map = AddressMap::new(pairs);

    /// How many connections a node may have, at least 1. Default: 16.
    max_connections(count: usize) => max_connections = count;

    /// How long to wait for a connection; above 0. Default: 1 s.
    pool_timeout(time: Duration) => pool_timeout = whole_millis(time);

    /// How long connecting may take; above 0. Default: 1 s.
    connect_timeout(time: Duration) => connect_timeout = whole_millis(time);

    /// How long a whole call may take, waiting and connecting included; above 0. For sweeps, locks, leases and
    /// `get_or_set` it bounds each exchange. Default: 1 s.
    timeout(time: Duration) => timeout = whole_millis(time);

    /// A connection that rested for at least this long is checked before it is used, without a round trip; 0 checks always.
    /// Default: 1 ms.
    idle_check(time: Duration) => idle_check = whole_millis(time);

    /// Idle connections that were not used for so long are closed by whoever passes by; above 0, or `None` for never.
    /// Default: 5 minutes.
    idle_timeout(time: impl Into<Option<Duration>>) => idle_timeout = time.into().and_then(finite);

    /// Connections older than this are closed; above 0, or `None` for never. Default: never.
    max_lifetime(time: impl Into<Option<Duration>>) => max_lifetime = time.into().and_then(finite);

    /// After this many failures in a row a node is refused for a while; at least 1. Default: 5.
    breaker_failures(count: u32) => breaker_failures = count;

    /// How long a node is refused at first; above 0. Doubles with every failed attempt. Default: 100 ms.
    breaker_backoff(time: Duration) => breaker_backoff = whole_millis(time);

    /// How long a node is refused at most; not below `breaker_backoff`. Default: 5 s.
    breaker_backoff_max(time: Duration) => breaker_backoff_max = whole_millis(time);

    /// The version of the wire protocol. Default: [`Protocol::Auto`].
    protocol(protocol: Protocol) => protocol = protocol;

    /// Who decodes replies. Default: [`Parser::Native`].
    parser(parser: Parser) => parser = parser;

    /// Whether threads that find all connections of a node lent may share one: their commands go out together, and each has
    /// its own reply and its own deadline. No round trips more. Default: [`Pipelining::Auto`].
    pipelining(pipelining: Pipelining) => pipelining = pipelining;

    /// How many keys a SCAN looks at, at least 1. Default: 1000.
    scan_count(count: u32) => scan_count = count;

    /// How many bytes a `memory://` store holds, at least 1, each entry's bookkeeping included; what was not used for long
    /// goes first.
    /// Default: 256 MiB.
    memory_limit(bytes: usize) => memory_limit = bytes;

    /// The name of the connections (`CLIENT SETNAME`): printable ASCII without spaces. Default: none.
    client_name(name: impl Into<String>) => client_name = some_text(name);

    /// How long a value may be served after its expiry while it is renewed, or when that fails; 0 is not at all. At most
    /// 49 days. Default: 0.
    stale(time: Duration) => stale = whole_millis(time);

    /// How long one caller may take to compute a value; above 0. Default: 10 s.
    lease(time: Duration) => lease = whole_millis(time);

    /// How long the others wait for it when there is no stale value; 0 is not at all. Default: 5 s.
    wait(time: Duration) => wait = whole_millis(time);

    /// What they do after it. Default: [`OnWaitTimeout::Compute`].
    on_wait_timeout(choice: OnWaitTimeout) => on_wait_timeout = choice;

    /// How early values are renewed before they expire: the beta of XFetch, 0 or more; 0 is not at all.
    /// Default: 1.
    early(beta: f64) => early = beta;

    /// Expiries are shortened by up to this fraction, 0 to 1, so that they spread. Default: 0.
    ttl_jitter(fraction: f64) => ttl_jitter = fraction;

    /// The size of the near cache in bytes; 0 is none. Default: 0.
    near(bytes: usize) => near = bytes;

    /// What the near cache does where the server refuses tracking. Default: [`NearUntracked::Ttl`].
    near_untracked(choice: NearUntracked) => near_untracked = choice;

    /// The longest life of a near entry; above 0, or `None` for no bound. Default: 60 s.
    near_ttl(time: impl Into<Option<Duration>>) => near_ttl = time.into().and_then(finite);

    /// How old an unread invalidation may be. Default: 1 ms.
    near_max_lag(time: Duration) => near_max_lag = whole_millis(time);

    /// Whether to measure how long each operation takes at each node, for [`Cache::latencies`](crate::Cache::latencies) and
    /// [`Stats::to_prometheus`](crate::Stats::to_prometheus). Default: false, which costs nothing.
    latencies(measured: bool) => latencies = measured;
}
