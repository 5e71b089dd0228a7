//! One server: whether it answers, what it is, what it has room for, and whether its clock is right.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use redis_cache::{Answer, Cache, Error, ErrorKind, NodeState};

use super::{Findings, certificate, rights};
use crate::nodes::{self, Info};
use crate::say;

/// The oldest Redis that is served.
const OLDEST: (u64, u64) = (6, 2);
/// More than that is far away, or busy.
const SLOW: Duration = Duration::from_millis(5);
/// A fork that takes longer is felt by everybody.
const LONG_FORK_US: u64 = 100_000;

/// How far the clock of a server is ahead of this machine's, in milliseconds.
pub(super) struct Offset {
    pub(super) node: String,
    pub(super) ms: i64,
}

pub(super) fn examine(cache: &Cache, node: &NodeState, findings: &mut Findings) -> Option<Offset> {
    let name = node.name.as_str();
    match nodes::latency(cache, name, 9) {
        Ok((quickest, median)) => {
            let text = format!(
                "answers in {} us (median of 9, quickest {})",
                median.as_micros(),
                quickest.as_micros()
            );
            match median > SLOW {
                true => findings.warn(name, "latency", text, "far for a cache, or busy: look at SLOWLOG GET and at the network; `near` saves round trips"),
                false => findings.good(name, "latency", text),
            }
        }
        Err(error) => {
            unreachable(name, &error, findings);
            return None;
        }
    }
    certificate::examine(cache, name, findings);
    let info = match Info::of(cache, name) {
        Ok(info) => info,
        Err(error) if error.kind() == ErrorKind::Unsupported => {
            findings.good(
                name,
                "store",
                "a store inside this process; there is no server to examine",
            );
            return None;
        }
        Err(error) => {
            findings.note(
                name,
                "info",
                format!("INFO is refused: {error}"),
                "+info lets the doctor look at memory, version and replication",
            );
            rights::examine(cache, node, findings);
            return offset(cache, name, findings);
        }
    };
    version(cache, name, &info, findings);
    memory(name, &info, findings);
    pressure(name, &info, findings);
    replication(node, &info, findings);
    rights::examine(cache, node, findings);
    offset(cache, name, findings)
}

fn unreachable(name: &str, error: &Error, findings: &mut Findings) {
    let advice = match error.kind() {
        ErrorKind::Auth => {
            "check `username`, `password` or `password_file`, and ACL GETUSER on the server"
        }
        ErrorKind::Timeout => {
            "the server is up and silent, or a firewall drops packets: raise `timeout` only when it is far"
        }
        ErrorKind::Config => "the option named there cannot be used as it is",
        _ => "is it running, and does it listen on that address (bind, protected-mode, port)?",
    };
    findings.broken(name, "reachable", error.to_string(), advice);
}

fn version(cache: &Cache, name: &str, info: &Info, findings: &mut Findings) {
    let (program, version) = info.version();
    let mut parts = version.split('.').map(|part| part.parse().unwrap_or(0));
    let number = (parts.next().unwrap_or(0), parts.next().unwrap_or(0));
    let client = nodes::ask(cache, name, ["CLIENT", "INFO"]).ok();
    let resp = client.and_then(|answer| {
        let text = answer.text()?;
        let word = text
            .split_whitespace()
            .find_map(|word| word.strip_prefix("resp="));
        word.map(str::to_owned)
    });
    let resp = resp.map_or_else(|| "RESP unknown".to_owned(), |resp| format!("RESP{resp}"));
    let text = format!("{program} {version}, {resp}");
    match program == "Redis" && number < OLDEST {
        true => findings.broken(
            name,
            "version",
            text,
            "Redis 6.2 is the oldest that is served",
        ),
        false => findings.good(name, "version", text),
    }
}

fn memory(name: &str, info: &Info, findings: &mut Findings) {
    let (used, most) = (info.number("used_memory"), info.number("maxmemory"));
    let policy = info.text("maxmemory_policy");
    let evicted = info.number("evicted_keys");
    if most == 0 {
        findings.warn(
            name,
            "memory",
            format!("{} used, without any bound", say::size(used)),
            "CONFIG SET maxmemory: a cache that grows takes the machine with it",
        );
    } else {
        let percent = used as f64 * 100.0 / most as f64;
        let text = format!(
            "{} of {} used ({percent:.0} %), {evicted} keys evicted so far",
            say::size(used),
            say::size(most)
        );
        match policy == "noeviction" && percent > 90.0 {
            true => findings.broken(
                name,
                "memory",
                text,
                "soon every write is refused (OOM): raise maxmemory, or let keys be evicted",
            ),
            false => findings.good(name, "memory", text),
        }
    }
    match policy {
        "noeviction" => findings.warn(
            name,
            "eviction",
            "noeviction: a full server refuses writes",
            "CONFIG SET maxmemory-policy allkeys-lru (or allkeys-lfu) suits a cache",
        ),
        policy if policy.starts_with("volatile") => findings.note(
            name,
            "eviction",
            policy,
            "entries without an expiry (ttl=never) are never evicted; allkeys-lru evicts all alike",
        ),
        "" => {}
        policy => findings.good(name, "eviction", policy),
    }
}

fn pressure(name: &str, info: &Info, findings: &mut Findings) {
    let (clients, most) = (info.number("connected_clients"), info.number("maxclients"));
    let text = format!(
        "{clients} of {most}, {} turned away so far",
        info.text("rejected_connections")
    );
    let is_near = most > 0 && clients * 10 > most * 9;
    match is_near || info.number("rejected_connections") > 0 {
        true => findings.warn(
            name,
            "clients",
            text,
            "raise maxclients and the server's descriptor limit, or lower `max_connections`",
        ),
        false => findings.good(name, "clients", text),
    }
    let fork = info.number("latest_fork_usec");
    if fork > LONG_FORK_US {
        findings.warn(
            name,
            "fork",
            format!("the last fork held everybody up for {} ms", fork / 1000),
            "turn off saving (save \"\", appendonly no) on a pure cache, and huge pages on its machine",
        );
    }
    let is_failing = [
        ("rdb_last_bgsave_status", "RDB"),
        ("aof_last_write_status", "AOF"),
    ]
    .into_iter()
    .find(|(field, _)| info.text(field) == "err");
    if let Some((_, what)) = is_failing {
        findings.broken(name, "saving", format!("the last {what} could not be written"), "writes are refused (MISCONF) until it can: free the disk, or turn off saving on a pure cache");
    }
    if info.number("loading") == 1 {
        findings.broken(
            name,
            "loading",
            "it is loading its data, and refuses commands",
            "wait, or begin empty: a cache fills itself",
        );
    }
}

fn replication(node: &NodeState, info: &Info, findings: &mut Findings) {
    let name = node.name.as_str();
    let role = info.text("role");
    match (role, node.owns_keys) {
        ("slave", true) => findings.broken(
            name,
            "role",
            "a replica, and writes go to it",
            "point the location at the primary, or use topology=primary or sentinel",
        ),
        ("slave", false) => match info.text("master_link_status") {
            "up" => findings.good(name, "role", "a replica, in touch with its primary"),
            _ => findings.broken(
                name,
                "role",
                "a replica that has lost its primary",
                "reads from it grow old: check the primary, and masterauth",
            ),
        },
        (role, _) => findings.good(
            name,
            "role",
            format!("{role}, {} replicas", info.number("connected_slaves")),
        ),
    }
}

/// By TIME, half of the way there.
fn offset(cache: &Cache, name: &str, findings: &mut Findings) -> Option<Offset> {
    let before = SystemTime::now();
    let answers = cache.ask_node(name, [["TIME"]]).ok()?;
    let took = before.elapsed().unwrap_or_default();
    if let Some(Answer::Refused(error)) = answers.first() {
        findings.warn(
            name,
            "clock",
            error.to_string(),
            "+time: without it values of get_or_set are loaded and not cached",
        );
        return None;
    }
    let parts = answers.first()?.list();
    let (seconds, micros) = (parts.first()?.int()?, parts.get(1)?.int()?);
    let here = (before + took / 2).duration_since(UNIX_EPOCH).ok()?;
    let here = i64::try_from(here.as_millis()).ok()?;
    Some(Offset {
        node: name.to_owned(),
        ms: seconds
            .checked_mul(1000)?
            .checked_add(micros / 1000)?
            .checked_sub(here)?,
    })
}
