//! What this user may do, found out by trying: each command is asked in a form that changes nothing, on a key that nobody
//! has. Only a server that says NOPERM denies it; whatever else it says, it would have done it.

use std::collections::BTreeSet;

use redis_cache::{Answer, Cache, NodeState};

use super::Findings;

/// Nobody has it.
const KEY: &str = "redis-cache doctor";

/// An operation, and the rights that it takes; in the order of the README.
const OPERATIONS: &[(&str, &[&str])] = &[
    ("get, get_many", &["GET", "MGET"]),
    ("has_key, ttl", &["EXISTS", "GETRANGE", "PTTL"]),
    ("set, set_many", &["SET", "UNLINK"]),
    ("delete", &["UNLINK"]),
    (
        "add",
        &["SET", "GETRANGE", "EXISTS", "TIME", "EVALSHA", "EVAL"],
    ),
    (
        "incr",
        &[
            "INCRBY", "GET", "SET", "GETRANGE", "EXISTS", "TIME", "EVALSHA", "EVAL",
        ],
    ),
    (
        "touch",
        &[
            "PEXPIREAT",
            "PERSIST",
            "SETRANGE",
            "UNLINK",
            "GETRANGE",
            "EXISTS",
            "TIME",
            "EVALSHA",
            "EVAL",
        ],
    ),
    (
        "get_or_set, lease",
        &[
            "GET", "MGET", "SET", "SETRANGE", "DEL", "UNLINK", "PTTL", "PEXPIRE", "GETRANGE",
            "EXISTS", "TIME", "EVALSHA", "EVAL",
        ],
    ),
    (
        "lock",
        &["SET", "GET", "DEL", "PEXPIRE", "TIME", "EVALSHA", "EVAL"],
    ),
    (
        "incr_version",
        &[
            "RENAME", "GETRANGE", "SETRANGE", "EXISTS", "TIME", "EVALSHA", "EVAL",
        ],
    ),
    ("keys", &["SCAN", "GETRANGE"]),
    ("delete_pattern, clear", &["SCAN", "UNLINK"]),
    (
        "reinsert_keys",
        &["SCAN", "MGET", "GET", "SET", "UNLINK", "EVALSHA", "EVAL"],
    ),
    ("ping", &["PING"]),
];

/// A form of each that changes nothing; `KEY` stands for the key. Some are refused for what they say, but not for want of a
/// right.
const PROBES: &[&[&str]] = &[
    &["GET", "KEY"],
    &["MGET", "KEY"],
    &["EXISTS", "KEY"],
    &["GETRANGE", "KEY", "0", "0"],
    &["PTTL", "KEY"],
    &["SET", "KEY", "", "XX"],
    &["UNLINK", "KEY"],
    &["DEL", "KEY"],
    &["TIME"],
    &[
        "EVALSHA",
        "0000000000000000000000000000000000000000",
        "1",
        "KEY",
    ],
    &["EVAL", "return 1", "1", "KEY"],
    &["INCRBY", "KEY", "no number"],
    &["PEXPIREAT", "KEY", "1"],
    &["PEXPIRE", "KEY", "1"],
    &["PERSIST", "KEY"],
    &["SETRANGE", "KEY", "0", ""],
    &["RENAME", "KEY", "KEY"],
    &["SCAN", "0", "COUNT", "1"],
    &["PING"],
];

pub(super) fn examine(cache: &Cache, node: &NodeState, findings: &mut Findings) {
    let name = node.name.as_str();
    let Ok(key) = cache.make_key(KEY) else {
        return;
    };
    let filled = PROBES.iter().map(|words| {
        let word = |word: &&str| match *word {
            "KEY" => key.clone(),
            word => word.as_bytes().to_vec(),
        };
        words.iter().map(word).collect::<Vec<_>>()
    });
    let answers = match cache.ask_node(name, filled) {
        Ok(answers) => answers,
        Err(error) => {
            return findings.warn(name, "rights", error.to_string(), "they could not be tried");
        }
    };
    let denied: BTreeSet<&str> = PROBES
        .iter()
        .zip(&answers)
        .filter(|(_, answer)| matches!(answer, Answer::Refused(error) if error.code() == Some("NOPERM")))
        .filter_map(|(words, _)| words.first().copied())
        .collect();
    if denied.is_empty() {
        return findings.good(
            name,
            "rights",
            "this user may do everything that the cache does",
        );
    }
    for (operation, needs) in OPERATIONS {
        let missing: Vec<String> = needs
            .iter()
            .filter(|need| denied.contains(*need))
            .map(|need| format!("+{}", need.to_lowercase()))
            .collect();
        if !missing.is_empty() {
            let key = key.escape_ascii();
            findings.warn(
                name,
                "rights",
                format!("{operation}: denied"),
                format!(
                    "ACL SETUSER ... {} and a key pattern that covers {key}",
                    missing.join(" ")
                ),
            );
        }
    }
}
