//! This machine: what a process here may open, and what that means for a cache.

use std::fs;

use super::Findings;

/// As many connections as a server gets by default.
const PER_NODE: u64 = 16;

pub(super) fn examine(nodes: usize, findings: &mut Findings) {
    // Only Linux tells it in a file.
    let Ok(limits) = fs::read_to_string("/proc/self/limits") else {
        return;
    };
    let soft = |title: &str| {
        let line = limits.lines().find_map(|line| line.strip_prefix(title))?;
        let word = line.split_whitespace().next()?;
        Some(word.parse::<u64>().unwrap_or(u64::MAX))
    };
    if let Some(files) = soft("Max open files") {
        let wanted = PER_NODE * nodes as u64;
        let text = format!(
            "{} descriptors; {nodes} nodes take up to {wanted} of them in a process",
            count(files)
        );
        match files < wanted * 4 {
            true => findings.warn(
                "here",
                "descriptors",
                text,
                "raise `ulimit -n`, or lower `max_connections`",
            ),
            false => findings.good("here", "descriptors", text),
        }
    }
    if let Some(processes) = soft("Max processes") {
        let text = format!("{} processes of this user", count(processes));
        match processes < 256 {
            true => findings.warn(
                "here",
                "fork",
                text,
                "raise `ulimit -u`: servers that fork per request need more",
            ),
            false => findings.good("here", "fork", text),
        }
    }
}

fn count(number: u64) -> String {
    match number {
        u64::MAX => "any number of".to_owned(),
        number => number.to_string(),
    }
}
