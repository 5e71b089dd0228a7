//! What must be true of options and locations together. Values were checked one by one before; here stands what one
//! forbids another, and what the locations take over from the options.

use std::collections::BTreeSet;

use super::choices::{Layout, ReadFrom, Ring, Topology};
use super::hooks::Hooks;
use super::location::{Address, Location};
use super::options::{Options, TlsOptions};
use super::sentinels;
use super::table::TABLE;
use super::url::without_secrets;
use crate::codec;

/// Checks everything, decides what was left open, and completes the locations.
pub(crate) fn settle(
    options: &mut Options,
    locations: &mut [Location],
    hooks: &Hooks,
) -> Result<(), String> {
    TABLE.iter().try_for_each(|row| row.check(options))?;
    check_prefix(options)?;
    check_times_and_layout(options)?;
    check_codec(options)?;
    check_locations(locations)?;
    if options.tls != TlsOptions::default() && !locations.iter().any(|location| location.tls) {
        return Err("options `tls_*`: no location is `rediss://`".to_owned());
    }
    options.topology = Some(topology(options, locations)?);
    check_topology(options, locations)?;
    if options.topology == Some(Topology::Sentinel) {
        sentinels::take_over(options, locations)?;
    }
    check_logins(options, locations, hooks)?;
    if let Some(primary) = &options.primary {
        options.primary = Some(named(primary, locations)?.node_name());
    }
    locations
        .iter_mut()
        .try_for_each(|location| complete(location, options))?;
    check_connector(locations, hooks)
}

/// The locks of the prefix `app` are the keys `app:lock:...`, which the prefix `app:lock` would take for its own versions.
fn check_prefix(options: &Options) -> Result<(), String> {
    let prefix = &options.prefix;
    if prefix != b"lock" && !prefix.ends_with(b":lock") {
        return Ok(());
    }
    let prefix = String::from_utf8_lossy(prefix);
    let prefix = prefix.escape_debug();
    Err(format!(
        "option `prefix`: `{prefix}` is where the locks of another prefix live: take one that neither is `lock` nor ends \
         in `:lock`, as `{prefix}s`"
    ))
}

fn check_times_and_layout(options: &Options) -> Result<(), String> {
    if options.layout == Layout::Plain && !options.stale.is_zero() {
        return Err(
            "option `stale` needs `layout=tagged`: plain values have no room for their times"
                .to_owned(),
        );
    }
    if options.breaker_backoff_max < options.breaker_backoff {
        return Err("option `breaker_backoff_max` is below `breaker_backoff`".to_owned());
    }
    Ok(())
}

/// Nobody has two passwords, and where a function says them nothing else does.
fn check_logins(options: &Options, locations: &[Location], hooks: &Hooks) -> Result<(), String> {
    const TWO: &str =
        "options `password` and `password_file`: they are two passwords for one login, name one";
    if options.password.is_some() && options.password_file.is_some() {
        return Err(TWO.to_owned());
    }
    let is_double = |place: &&Location| place.password.is_some() && place.password_file.is_some();
    if let Some(location) = locations.iter().find(is_double) {
        return Err(format!("location `{}`: {TWO}", location.shown));
    }
    if hooks.credentials.is_none() {
        return Ok(());
    }
    const BESIDE: &str = "a function says the credentials: `username`, `password` and `password_file` are not for beside it";
    let is_named = options.username.is_some()
        || options.password.is_some()
        || options.password_file.is_some()
        || options.sentinel_username.is_some() && options.sentinel_password.is_none();
    if is_named {
        return Err(BESIDE.to_owned());
    }
    let names_some = |place: &&Location| {
        place.username.is_some() || place.password.is_some() || place.password_file.is_some()
    };
    match locations.iter().find(names_some) {
        Some(location) => Err(format!("location `{}`: {BESIDE}", location.shown)),
        None => Ok(()),
    }
}

/// Codec and compressor must be there, and the level one that the compressor has.
fn check_codec(options: &Options) -> Result<(), String> {
    if !codec::is_there(&options.coding, options.coding.codec.number()) {
        return Err(codec::no_codec(options.coding.codec.number()));
    }
    if let Some(absence) = options.coding.compressor.absence(&options.coding) {
        return Err(absence);
    }
    let Some(level) = options.coding.compress_level else {
        return Ok(());
    };
    let name = options.coding.compressor.as_str();
    match codec::levels(options.coding.compressor) {
        Some(levels) if levels.contains(&level) => Ok(()),
        Some(levels) => {
            let (least, most) = (levels.start(), levels.end());
            Err(format!(
                "option `compress_level`: `{level}` is no level of compressor `{name}`, which has {least} to {most}"
            ))
        }
        None => Err(format!(
            "option `compress_level`: compressor `{name}` has no levels"
        )),
    }
}

fn check_locations(locations: &[Location]) -> Result<(), String> {
    if locations.is_empty() {
        return Err(
            "there is no location: name one with `server`, as in `redis://localhost:6379`"
                .to_owned(),
        );
    }
    let is_memory = |location: &Location| matches!(location.address, Address::Memory(_));
    if locations.len() > 1 && locations.iter().any(is_memory) {
        return Err(
            "a `memory://` location stands alone, without servers and other stores".to_owned(),
        );
    }
    let mut names = BTreeSet::new();
    for location in locations {
        let name = location.node_name();
        if names.contains(&name) {
            return Err(format!(
                "two locations are named `{name}`: each needs a `name` of its own"
            ));
        }
        names.insert(name);
    }
    Ok(())
}

/// The topology that is asked for, or else follows from the locations.
fn topology(options: &Options, locations: &[Location]) -> Result<Topology, String> {
    let by_itself = match locations {
        _ if options.primary.is_some() => Topology::Primary,
        [_] => Topology::Single,
        _ => Topology::Ring,
    };
    let topology = options.topology.unwrap_or(by_itself);
    let is_memory = locations
        .iter()
        .any(|location| matches!(location.address, Address::Memory(_)));
    if is_memory && topology != Topology::Single {
        return Err(format!(
            "option `topology`: a `memory://` store is `single`, not `{}`",
            topology.as_str()
        ));
    }
    Ok(topology)
}

fn check_topology(options: &Options, locations: &[Location]) -> Result<(), String> {
    let topology = options.topology.unwrap_or_default();
    let must = |holds: bool, text: &str| if holds { Ok(()) } else { Err(text.to_owned()) };
    must(
        topology != Topology::Single || locations.len() == 1,
        "option `topology`: `single` has one location; several are a `ring` or `primary`",
    )?;
    must(
        (topology == Topology::Primary) == options.primary.is_some(),
        "options `topology` and `primary`: `topology=primary` names the location that takes the writes in \
         `primary`, the other topologies name none",
    )?;
    must(
        (topology == Topology::Sentinel) == options.sentinel_name.is_some(),
        "options `topology` and `sentinel_name`: `topology=sentinel` names the master in `sentinel_name`, the \
         other topologies name none",
    )?;
    must(
        topology == Topology::Sentinel
            || options.sentinel_username.is_none() && options.sentinel_password.is_none(),
        "options `sentinel_username` and `sentinel_password`: only `topology=sentinel` asks sentinels",
    )?;
    must(
        options.read_from == ReadFrom::Primary
            || !matches!(topology, Topology::Single | Topology::Ring),
        "option `read_from`: only `topology` primary, cluster and sentinel have replicas to read from",
    )?;
    must(
        topology != Topology::Cluster || {
            let mut databases = locations.iter().map(|place| place.db.unwrap_or(options.db));
            let first = databases.next();
            databases.all(|db| Some(db) == first)
        },
        "option `db`: all locations of a cluster have the same",
    )?;
    must(
        options.address_map.is_empty() || !matches!(topology, Topology::Single | Topology::Ring),
        "option `address_map`: only `topology` primary, cluster and sentinel hear of addresses from servers",
    )?;
    must(
        options.ring == Ring::RedisCache || matches!(topology, Topology::Single | Topology::Ring),
        "option `ring`: only `topology=ring` has one",
    )?;
    must(
        options.ring == Ring::RedisCache || locations.iter().all(|place| place.weight == 1),
        "option `weight`: only `ring=redis_cache` knows weights",
    )
}

/// The location that `primary` means: by its name, or by its address in any spelling.
fn named<'a>(primary: &str, locations: &'a [Location]) -> Result<&'a Location, String> {
    if let Some(location) = locations
        .iter()
        .find(|place| place.name.as_deref() == Some(primary))
    {
        return Ok(location);
    }
    let address = Location::parse(primary, None, None)
        .ok()
        .map(|(place, _)| place.address.to_string());
    let mut same = locations
        .iter()
        .filter(|place| Some(place.address.to_string()) == address);
    match (same.next(), same.next()) {
        (Some(location), None) => Ok(location),
        _ => {
            let known: Vec<_> = locations
                .iter()
                .map(|place| format!("`{}`", place.shown))
                .collect();
            let primary = without_secrets(primary);
            Err(format!(
                "option `primary`: `{primary}` is not one of the locations {}",
                known.join(", ")
            ))
        }
    }
}

/// Gives a location what it does not name itself. A sentinel has logins of its own and no database.
fn complete(location: &mut Location, options: &Options) -> Result<(), String> {
    let (username, password, file) = match options.topology {
        Some(Topology::Sentinel) => (
            &options.sentinel_username,
            &options.sentinel_password,
            &None,
        ),
        _ => (&options.username, &options.password, &options.password_file),
    };
    if !matches!(location.address, Address::Memory(_)) {
        location.db.get_or_insert(options.db);
        location.username = location.username.take().or_else(|| username.clone());
        if location.password.is_none() && location.password_file.is_none() {
            (location.password, location.password_file) = (password.clone(), file.clone());
        }
    }
    if location.tls {
        let TlsOptions {
            ca,
            cert,
            key,
            server_name,
            insecure,
        } = std::mem::take(&mut location.tls_options);
        let all = &options.tls;
        location.tls_options = TlsOptions {
            ca: ca.or_else(|| all.ca.clone()),
            cert: cert.or_else(|| all.cert.clone()),
            key: key.or_else(|| all.key.clone()),
            server_name: server_name.or_else(|| all.server_name.clone()),
            insecure: insecure.or(all.insecure),
        };
        if location.tls_options.cert.is_some() != location.tls_options.key.is_some() {
            return Err("options `tls_cert` and `tls_key`: one needs the other".to_owned());
        }
    }
    Ok(())
}

/// A connector brings its own TLS; of the options it is only told `tls_insecure`.
fn check_connector(locations: &[Location], hooks: &Hooks) -> Result<(), String> {
    if hooks.connector.is_none() {
        return Ok(());
    }
    let is_more_than_told = |location: &&Location| {
        let told = TlsOptions {
            insecure: location.tls_options.insecure,
            ..TlsOptions::default()
        };
        location.tls && location.tls_options != told
    };
    match locations.iter().find(is_more_than_told) {
        Some(location) => Err(format!(
            "location `{}`: of the TLS options a `connector` is only told `tls_insecure`",
            location.shown
        )),
        None => Ok(()),
    }
}
