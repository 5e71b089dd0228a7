//! A snapshot of the counters in the text format of Prometheus, version 0.0.4. It relies on nothing but the snapshot:
//! no network, no lock.

use std::fmt::{self, Write};
use std::time::Duration;

use crate::cache::stats::Stats;
use crate::store::Latency;
use crate::store::latencies::BOUNDS;

impl Stats {
    /// These counters in the text format of Prometheus (`text/plain; version=0.0.4`): for each one a line of help, its
    /// type, and its value, under the field's name after `redis_cache_`. Counters end in `_total`, the two
    /// `connections_` figures and `near_untracked` are gauges. It cannot fail and does not use the network.
    ///
    /// With the option `latencies` there is a histogram too, `redis_cache_operation_duration_seconds`, and beside it
    /// `redis_cache_operation_errors_total`, both with the labels `operation` and `node`; see [`Latency`].
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
        if !self.latencies.is_empty() {
            // The same.
            let _ = write_latencies(&mut text, &self.latencies);
        }
        text
    }
}

/// The conventions ask for seconds, and for a family's lines in one piece.
fn write_latencies(text: &mut String, latencies: &[Latency]) -> fmt::Result {
    text.write_str(
        "# HELP redis_cache_operation_duration_seconds How long a node took, as its callers saw it.\n\
         # TYPE redis_cache_operation_duration_seconds histogram\n",
    )?;
    for one in latencies {
        let labels = labels(one);
        let name = "redis_cache_operation_duration_seconds";
        for (bound, count) in BOUNDS.iter().zip(one.up_to) {
            let bound = Duration::from_micros(*bound).as_secs_f64();
            writeln!(text, "{name}_bucket{{{labels},le=\"{bound}\"}} {count}")?;
        }
        writeln!(text, "{name}_bucket{{{labels},le=\"+Inf\"}} {}", one.count)?;
        writeln!(text, "{name}_sum{{{labels}}} {}", one.sum.as_secs_f64())?;
        writeln!(text, "{name}_count{{{labels}}} {}", one.count)?;
    }
    text.write_str(
        "# HELP redis_cache_operation_errors_total Operations that a node failed.\n\
         # TYPE redis_cache_operation_errors_total counter\n",
    )?;
    for one in latencies {
        let labels = labels(one);
        let errors = one.errors;
        writeln!(
            text,
            "redis_cache_operation_errors_total{{{labels}}} {errors}"
        )?;
    }
    Ok(())
}

/// A node may have any name.
fn labels(one: &Latency) -> String {
    let node = one.node.replace('\\', r"\\").replace('"', r#"\""#);
    let node = node.replace('\n', r"\n");
    format!("operation=\"{}\",node=\"{node}\"", one.operation)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use crate::base::histogram::Histogram;
    use crate::base::latencies::Seen;
    use crate::store::latencies::Gathered;

    use super::*;

    /// docs/grafana.json shows each of them, and asks for no other.
    #[test]
    fn the_dashboard_has_every_figure() {
        let dashboard = include_str!("../../docs/grafana.json");
        let text = timed("10.0.0.5:6379").to_prometheus();
        let names = |text: &str| -> BTreeSet<String> {
            let is_part = |letter: char| letter.is_ascii_lowercase() || letter == '_';
            let words = text.split(|letter: char| !is_part(letter));
            let names = words.filter(|word| word.starts_with("redis_cache_"));
            // The lines of a histogram are its buckets, their sum and their count.
            let suffixes = ["_bucket", "_sum", "_count"];
            let names = names.map(|name| {
                let histogram = suffixes.iter().find_map(|suffix| name.strip_suffix(suffix));
                histogram
                    .filter(|name| name.ends_with("_seconds"))
                    .unwrap_or(name)
            });
            // A function of C is spoken of too.
            let names = names.filter(|name| *name != "redis_cache_stats_prometheus");
            names.map(str::to_owned).collect()
        };
        assert_eq!(names(dashboard), names(&text));
    }

    /// With one operation at the node of this name.
    fn timed(node: &str) -> Stats {
        let histogram = Histogram::new();
        let times = [900, 40_000, 3_000_000, 20_000_000_000];
        times.iter().for_each(|nanos| histogram.record(*nanos));
        let seen = Seen {
            times: histogram.read(),
            errors: 2,
        };
        let mut gathered = Gathered::default();
        gathered.add(node, [("GET", seen)].into_iter());
        Stats {
            latencies: gathered.into_latencies(),
            ..Stats::default()
        }
    }

    #[test]
    fn latencies_are_a_histogram_in_seconds() {
        let text = timed("a").to_prometheus();
        for line in [
            "# TYPE redis_cache_operation_duration_seconds histogram",
            r#"redis_cache_operation_duration_seconds_bucket{operation="GET",node="a",le="0.000001"} 1"#,
            r#"redis_cache_operation_duration_seconds_bucket{operation="GET",node="a",le="0.00002"} 1"#,
            r#"redis_cache_operation_duration_seconds_bucket{operation="GET",node="a",le="0.00005"} 2"#,
            r#"redis_cache_operation_duration_seconds_bucket{operation="GET",node="a",le="10"} 3"#,
            r#"redis_cache_operation_duration_seconds_bucket{operation="GET",node="a",le="+Inf"} 4"#,
            r#"redis_cache_operation_duration_seconds_sum{operation="GET",node="a"} 20.0030409"#,
            r#"redis_cache_operation_duration_seconds_count{operation="GET",node="a"} 4"#,
            "# TYPE redis_cache_operation_errors_total counter",
            r#"redis_cache_operation_errors_total{operation="GET",node="a"} 2"#,
        ] {
            assert!(
                text.lines().any(|other| other == line),
                "{line} is not in\n{text}"
            );
        }
    }

    #[test]
    fn a_node_of_any_name_is_one_label() {
        let text = timed("a \"b\" \\\n{c},=").to_prometheus();
        let last = text.lines().last().unwrap();
        let labels = r#"{operation="GET",node="a \"b\" \\\n{c},="}"#;
        assert_eq!(
            last,
            format!("redis_cache_operation_errors_total{labels} 2")
        );
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
