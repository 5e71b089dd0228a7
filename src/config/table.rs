//! The one table of options: under which name each is known, what it accepts, and which field of [`Options`] it is.
//! `Config::set`, the queries of locations and all texts about options read it here.

use super::address_map::ADDRESS_MAP;
use super::choices::{
    Codec, Compressor, KeyCheck, Layout, NearUntracked, OnDecodeError, OnError, OnWaitTimeout,
    Parser, Pipelining, Protocol, ReadFrom, Ring, Topology,
};
use super::nearest::nearest;
use super::options::Options;
use super::units::{
    AGE, BYTES, CLIENT_NAME, COUNT, DB, EXPIRY, FACTOR, FILE, FLAG, FRACTION, Kind, LEVEL, PATH,
    PLACES, SECRET, SIZE, SIZE_OR_ZERO, SPAN, SPAN_OR_NEVER, SPAN_OR_ZERO, SWITCH, TEXT, VERSION,
    refusal,
};
use super::url;

/// One option.
#[derive(Debug)]
pub(crate) struct Row {
    pub(crate) name: &'static str,
    /// Which values it takes, in words.
    pub(crate) accepted: &'static str,
    read: fn(&mut Options, &str) -> Result<(), String>,
    fits: fn(&Options) -> bool,
    show: fn(&Options) -> String,
    same: fn(&Options, &Options) -> bool,
    copy: fn(&Options, &mut Options),
}

impl Row {
    /// Gives the option the value that `text` says.
    pub(crate) fn read(&self, options: &mut Options, text: &str) -> Result<(), String> {
        (self.read)(options, text)
    }

    /// Refuses a value that came without a text, from a typed setter.
    pub(crate) fn check(&self, options: &Options) -> Result<(), String> {
        if (self.fits)(options) {
            return Ok(());
        }
        Err(refusal(self.name, &self.show(options), self.accepted))
    }

    /// The value as text; secrets are hidden.
    pub(crate) fn show(&self, options: &Options) -> String {
        (self.show)(options)
    }

    /// Whether the option has the same value in both.
    pub(crate) fn is_same(&self, one: &Options, other: &Options) -> bool {
        (self.same)(one, other)
    }

    /// Takes over the value of the option.
    pub(crate) fn copy(&self, from: &Options, to: &mut Options) {
        (self.copy)(from, to);
    }
}

/// The option of this name, or what to write instead.
pub(crate) fn find(name: &str) -> Result<&'static Row, String> {
    const PLAIN: usize = 40;
    if let Some(row) = TABLE.iter().find(|row| row.name == name) {
        return Ok(row);
    }
    let known = TABLE.iter().map(|row| row.name).chain(OF_ONE_LOCATION);
    let hint = nearest(name, known)
        .map(|near| format!("; did you mean `{near}`?"))
        .unwrap_or_default();
    let shown: String = name
        .chars()
        .take(PLAIN)
        .flat_map(char::escape_debug)
        .collect();
    Err(format!("option `{shown}` is not known{hint}"))
}

/// Options that only the query of a location has.
pub(crate) const OF_ONE_LOCATION: [&str; 2] = ["name", "weight"];

const TOPOLOGY: Kind<Option<Topology>> = Kind {
    accepted: Topology::KIND.accepted,
    read: |word| (Topology::KIND.read)(word).map(Some),
    fits: |_| true,
    show: |topology| {
        topology
            .map_or("by the locations", Topology::as_str)
            .to_owned()
    },
};

/// A location in any spelling, or the name of one.
const LOCATION: Kind<Option<String>> = Kind {
    show: |text| {
        text.as_deref()
            .map_or_else(|| "none".to_owned(), url::without_secrets)
    },
    ..TEXT
};

macro_rules! row {
    ($name:literal, $($field:ident).+, $kind:expr) => {
        Row {
            name: $name,
            accepted: $kind.accepted,
            read: |options, text| {
                options.$($field).+ = $kind.value($name, text)?;
                Ok(())
            },
            fits: |options| ($kind.fits)(&options.$($field).+),
            show: |options| ($kind.show)(&options.$($field).+),
            same: |one, other| one.$($field).+ == other.$($field).+,
            copy: |from, to| to.$($field).+.clone_from(&from.$($field).+),
        }
    };
}

/// Every option that counts for the whole cache.
pub(crate) static TABLE: &[Row] = &[
    row!("prefix", prefix, BYTES),
    row!("version", version, VERSION),
    row!("ttl", ttl, EXPIRY),
    row!("key_check", key_check, KeyCheck::KIND),
    row!("codec", coding.codec, Codec::KIND),
    row!("compressor", coding.compressor, Compressor::KIND),
    row!("compress_min", coding.compress_min, SIZE_OR_ZERO),
    row!("compress_level", coding.compress_level, LEVEL),
    row!("layout", layout, Layout::KIND),
    row!("max_value", coding.max_value, SIZE),
    row!("on_decode_error", on_decode_error, OnDecodeError::KIND),
    row!("on_error", on_error, OnError::KIND),
    row!("topology", topology, TOPOLOGY),
    row!("primary", primary, LOCATION),
    row!("read_from", read_from, ReadFrom::KIND),
    row!("ring", ring, Ring::KIND),
    row!("sentinel_name", sentinel_name, TEXT),
    row!("db", db, DB),
    row!("username", username, SECRET),
    row!("password", password, SECRET),
    row!("password_file", password_file, PATH),
    row!("sentinel_username", sentinel_username, SECRET),
    row!("sentinel_password", sentinel_password, SECRET),
    row!("tls_ca", tls.ca, FILE),
    row!("tls_cert", tls.cert, FILE),
    row!("tls_key", tls.key, FILE),
    row!("tls_server_name", tls.server_name, TEXT),
    row!("tls_insecure", tls.insecure, FLAG),
    row!("address_map", address_map, ADDRESS_MAP),
    row!("max_connections", max_connections, PLACES),
    row!("pool_timeout", pool_timeout, SPAN),
    row!("connect_timeout", connect_timeout, SPAN),
    row!("timeout", timeout, SPAN),
    row!("idle_check", idle_check, SPAN_OR_ZERO),
    row!("idle_timeout", idle_timeout, SPAN_OR_NEVER),
    row!("max_lifetime", max_lifetime, SPAN_OR_NEVER),
    row!("breaker_failures", breaker_failures, COUNT),
    row!("breaker_backoff", breaker_backoff, SPAN),
    row!("breaker_backoff_max", breaker_backoff_max, SPAN),
    row!("protocol", protocol, Protocol::KIND),
    row!("parser", parser, Parser::KIND),
    row!("pipelining", pipelining, Pipelining::KIND),
    row!("scan_count", scan_count, COUNT),
    row!("memory_limit", memory_limit, SIZE),
    row!("client_name", client_name, CLIENT_NAME),
    row!("stale", stale, AGE),
    row!("lease", lease, SPAN),
    row!("wait", wait, SPAN_OR_ZERO),
    row!("on_wait_timeout", on_wait_timeout, OnWaitTimeout::KIND),
    row!("early", early, FACTOR),
    row!("ttl_jitter", ttl_jitter, FRACTION),
    row!("near", near, SIZE_OR_ZERO),
    row!("near_untracked", near_untracked, NearUntracked::KIND),
    row!("near_ttl", near_ttl, SPAN_OR_NEVER),
    row!("near_max_lag", near_max_lag, SPAN_OR_ZERO),
    row!("latencies", latencies, SWITCH),
];
