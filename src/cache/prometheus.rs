//! A snapshot of the counters in the text format of Prometheus, version 0.0.4. It relies on nothing but the snapshot:
//! no network, no lock.

use std::fmt::Write;

use crate::cache::stats::Stats;

impl Stats {
    /// These counters in the text format of Prometheus (`text/plain; version=0.0.4`): for each one a line of help, its
    /// type, and its value, under the field's name after `redis_cache_`. Counters end in `_total`, the two
    /// `connections_` figures and `near_untracked` are gauges. It cannot fail and does not use the network.
    #[must_use]
    pub fn to_prometheus(&self) -> String {
        let figures = [
            (
                "hits_total",
                "Reads that found a value, one per key.",
                self.hits,
            ),
            (
                "misses_total",
                "Reads that found none, one per key.",
                self.misses,
            ),
            (
                "near_hits_total",
                "Hits served by the near cache.",
                self.near_hits,
            ),
            (
                "stale_served_total",
                "Values served after their expiry.",
                self.stale_served,
            ),
            ("sets_total", "Values written, one per key.", self.sets),
            ("deletes_total", "Keys that were removed.", self.deletes),
            (
                "computes_total",
                "Loader calls of get_or_set.",
                self.computes,
            ),
            ("errors_total", "Faults, hidden ones included.", self.errors),
            (
                "decode_errors_total",
                "Stored values that could not be decoded.",
                self.decode_errors,
            ),
            (
                "refused_total",
                "Calls refused at once because their node failed too often.",
                self.refused,
            ),
            (
                "retries_total",
                "Commands sent a second time.",
                self.retries,
            ),
            (
                "bytes_read_total",
                "Bytes read from servers.",
                self.bytes_read,
            ),
            (
                "bytes_written_total",
                "Bytes written to servers.",
                self.bytes_written,
            ),
            (
                "connections_open",
                "Open connections now.",
                self.connections_open,
            ),
            (
                "near_untracked",
                "Nodes that refuse to announce changes now.",
                self.near_untracked,
            ),
            (
                "connections_idle",
                "Open connections that no call is using now.",
                self.connections_idle,
            ),
        ];
        let mut text = String::new();
        for (name, help, value) in figures {
            let kind = match name.ends_with("_total") {
                true => "counter",
                false => "gauge",
            };
            // Writing to a String does not fail.
            let _ = write!(
                text,
                "# HELP redis_cache_{name} {help}\n# TYPE redis_cache_{name} {kind}\nredis_cache_{name} {value}\n"
            );
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    /// docs/grafana.json shows each of them, and asks for no other.
    #[test]
    fn the_dashboard_has_every_figure() {
        let dashboard = include_str!("../../docs/grafana.json");
        let text = Stats::default().to_prometheus();
        let names = |text: &str| -> BTreeSet<String> {
            let is_part = |letter: char| letter.is_ascii_lowercase() || letter == '_';
            let words = text.split(|letter: char| !is_part(letter));
            let names = words.filter(|word| word.starts_with("redis_cache_"));
            // A function of C is spoken of too.
            let names = names.filter(|name| *name != "redis_cache_stats_prometheus");
            names.map(str::to_owned).collect()
        };
        assert_eq!(names(dashboard), names(&text));
    }

    #[test]
    fn counters_and_gauges_are_told_apart() {
        let stats = Stats {
            hits: 7,
            connections_idle: u64::MAX,
            ..Stats::default()
        };
        let text = stats.to_prometheus();
        assert!(text.starts_with(
            "# HELP redis_cache_hits_total Reads that found a value, one per key.\n\
             # TYPE redis_cache_hits_total counter\nredis_cache_hits_total 7\n"
        ));
        assert!(text.ends_with(
            "# TYPE redis_cache_connections_idle gauge\n\
             redis_cache_connections_idle 18446744073709551615\n"
        ));
        assert_eq!(text.lines().count(), 3 * 16);
    }
}
