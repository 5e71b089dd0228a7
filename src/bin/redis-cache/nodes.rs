//! The servers: whether they answer, and what they count.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use redis_cache::{Answer, Cache, Error, ErrorKind, NodeState};
use serde_json::json;

use crate::ending::{Ending, Outcome};
use crate::say::{self, Say};

/// One command, and the refusal as a fault.
pub(crate) fn ask<Word: AsRef<[u8]>>(
    cache: &Cache,
    node: &str,
    command: impl IntoIterator<Item = Word>,
) -> Result<Answer, Error> {
    match cache.ask_node(node, [command])?.pop() {
        Some(Answer::Refused(error)) => Err(error),
        answer => Ok(answer.unwrap_or(Answer::Nil)),
    }
}

/// One exchange with a node, and how long it took.
fn ping_once(cache: &Cache, node: &str) -> Result<Duration, Error> {
    let began = Instant::now();
    match ask(cache, node, ["PING"]) {
        Ok(_) => Ok(began.elapsed()),
        // The store inside this process has no commands.
        Err(error) if error.kind() == ErrorKind::Unsupported => {
            cache.ping().map(|()| began.elapsed())
        }
        Err(error) => Err(error),
    }
}

/// The quickest and the median of so many, or what the last one said.
pub(crate) fn latency(
    cache: &Cache,
    node: &str,
    count: u32,
) -> Result<(Duration, Duration), Error> {
    // The first one connects.
    ping_once(cache, node)?;
    let mut times = Vec::new();
    for _ in 0..count.max(1) {
        times.push(ping_once(cache, node)?);
    }
    times.sort();
    let at = |place: usize| times.get(place).copied().unwrap_or_default();
    Ok((at(0), at(times.len() / 2)))
}

pub(crate) fn ping(cache: &Cache, count: u32, say: &mut Say) -> Outcome {
    let mut rows = Vec::new();
    let mut fault = None;
    for node in cache.nodes()? {
        let (answer, json) = match latency(cache, &node.name, count) {
            Ok((quickest, median)) => {
                let us = |time: Duration| u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
                let (quickest, median) = (us(quickest), us(median));
                let text = format!("median {median} us, quickest {quickest} us");
                (
                    text,
                    json!({"node": node.name, "ok": true, "median_us": median, "quickest_us": quickest}),
                )
            }
            Err(error) => {
                let json = json!({"node": node.name, "ok": false, "error": error.to_string()});
                let text = error.to_string();
                fault = fault.or(Some(error));
                (text, json)
            }
        };
        match say.is_json() {
            true => say.json(&json)?,
            false => rows.push(vec![node.name, answer]),
        }
    }
    if !say.is_json() {
        say.table(&["node", "answer"], &rows)?;
    }
    say.flush()?;
    fault.map_or(Ok(Ending::Done), |error| Err(error.into()))
}

/// What INFO says of a node, by name.
pub(crate) struct Info(BTreeMap<String, String>);

impl Info {
    pub(crate) fn of(cache: &Cache, node: &str) -> Result<Info, Error> {
        let text = ask(cache, node, ["INFO"])?.text().unwrap_or_default();
        let pairs = text
            .lines()
            .filter_map(|line| line.trim_end().split_once(':'));
        Ok(Info(
            pairs
                .map(|(name, value)| (name.to_owned(), value.to_owned()))
                .collect(),
        ))
    }

    pub(crate) fn text(&self, name: &str) -> &str {
        self.0.get(name).map_or("", String::as_str)
    }

    /// 0 where it is not told.
    pub(crate) fn number(&self, name: &str) -> u64 {
        self.text(name).parse().unwrap_or_default()
    }

    /// Name and version of the program.
    pub(crate) fn version(&self) -> (&'static str, &str) {
        match self.text("valkey_version") {
            "" => ("Redis", self.text("redis_version")),
            version => ("Valkey", version),
        }
    }

    /// Keys of all databases together.
    pub(crate) fn keys(&self) -> u64 {
        let databases = self.0.iter().filter(|(name, _)| {
            name.strip_prefix("db")
                .is_some_and(|rest| rest.bytes().all(|byte| byte.is_ascii_digit()))
        });
        let keys = databases.filter_map(|(_, value)| {
            value
                .strip_prefix("keys=")?
                .split(',')
                .next()?
                .parse::<u64>()
                .ok()
        });
        keys.sum()
    }
}

pub(crate) fn stats(cache: &Cache, say: &mut Say) -> Outcome {
    let mut rows = Vec::new();
    let mut fault = None;
    for NodeState {
        name, owns_keys, ..
    } in cache.nodes()?
    {
        let info = match Info::of(cache, &name) {
            Ok(info) => info,
            Err(error) if error.kind() == ErrorKind::Unsupported => {
                say.both(
                    "memory:// is in this process alone and counts nothing here",
                    json!({"node": name}),
                )?;
                continue;
            }
            Err(error) => {
                rows.push(vec![name, error.to_string()]);
                fault = fault.or(Some(error));
                continue;
            }
        };
        let (hits, misses) = (info.number("keyspace_hits"), info.number("keyspace_misses"));
        let ratio = hits as f64 / (hits + misses).max(1) as f64;
        if say.is_json() {
            say.json(&json!({
                "node": name,
                "owns_keys": owns_keys,
                "keys": info.keys(),
                "used_memory": info.number("used_memory"),
                "maxmemory": info.number("maxmemory"),
                "hits": hits,
                "misses": misses,
                "hit_ratio": ratio,
                "expired": info.number("expired_keys"),
                "evicted": info.number("evicted_keys"),
                "clients": info.number("connected_clients"),
                "ops_per_second": info.number("instantaneous_ops_per_sec"),
            }))?;
            continue;
        }
        let memory = match info.number("maxmemory") {
            0 => format!("{} of any", say::size(info.number("used_memory"))),
            most => format!(
                "{} of {}",
                say::size(info.number("used_memory")),
                say::size(most)
            ),
        };
        rows.push(vec![
            name,
            info.text("role").to_owned(),
            info.keys().to_string(),
            memory,
            format!("{:.1} %", ratio * 100.0),
            info.text("expired_keys").to_owned(),
            info.text("evicted_keys").to_owned(),
            info.text("connected_clients").to_owned(),
            info.text("instantaneous_ops_per_sec").to_owned(),
        ]);
    }
    if !say.is_json() && !rows.is_empty() {
        say.table(
            &[
                "node", "role", "keys", "memory", "hits", "expired", "evicted", "clients", "ops/s",
            ],
            &rows,
        )?;
    }
    say.flush()?;
    fault.map_or(Ok(Ending::Done), |error| Err(error.into()))
}
