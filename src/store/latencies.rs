//! How long operations took at the nodes of a store, as its owner hears of it.

use std::time::Duration;

use crate::base::latencies::Seen;

/// How long one operation took at one node, with the option `latencies`; from [`Cache::latencies`](crate::Cache::latencies).
///
/// The operation is the command that the server was sent (`GET`, `MGET`, `SET`, ...), and for a script what it does
/// (`INCR`, `ACQUIRE`, ...). A time is all that a caller waited for the node: for a connection, one to be opened if there was none, and
/// a silent second attempt too. It is within 1 % from 64 ns to 68 s; what is shorter or longer counts there.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Latency {
    /// What was done, in the word of the protocol.
    pub operation: &'static str,
    /// The name of the node, as [`Cache::nodes`](crate::Cache::nodes) has it; that of a `memory://` store is `memory` unless
    /// it was given one.
    pub node: String,
    /// How often it was done. A call of many keys counts once for each pipeline that a node was sent.
    pub count: u64,
    /// How often it was not: the server refused it or sent elsewhere, did not answer in time, or could not be asked. These
    /// have no part in the times.
    pub errors: u64,
    /// All the time it took together.
    pub sum: Duration,
    /// The arithmetic mean.
    pub mean: Duration,
    /// Half of them took no longer.
    pub p50: Duration,
    /// Nine of ten took no longer.
    pub p90: Duration,
    /// 99 of a hundred took no longer.
    pub p99: Duration,
    /// 999 of a thousand took no longer.
    pub p999: Duration,
    /// The longest, exactly.
    pub max: Duration,
    /// How many took no longer than each of [`BOUNDS`].
    pub(crate) up_to: [u64; BOUNDS.len()],
}

/// For those who add up the figures of many processes: 1, 2 and 5 of every power of ten, from 1 us to 10 s, in microseconds.
pub(crate) const BOUNDS: [u64; 22] = [
    1, 2, 5, 10, 20, 50, 100, 200, 500, 1_000, 2_000, 5_000, 10_000, 20_000, 50_000, 100_000,
    200_000, 500_000, 1_000_000, 2_000_000, 5_000_000, 10_000_000,
];

impl Latency {
    fn new(operation: &'static str, node: String, Seen { times, errors }: &Seen) -> Latency {
        let count = times.count();
        let mean = times.sum().as_nanos() / u128::from(count.max(1));
        Latency {
            operation,
            node,
            count,
            errors: *errors,
            sum: times.sum(),
            mean: Duration::from_nanos(u64::try_from(mean).unwrap_or(u64::MAX)),
            p50: times.quantile(0.5),
            p90: times.quantile(0.9),
            p99: times.quantile(0.99),
            p999: times.quantile(0.999),
            max: times.longest(),
            up_to: BOUNDS.map(|micros| times.up_to(Duration::from_micros(micros))),
        }
    }
}

/// What was seen at several nodes, by operation and then by node. Those of one name count together, as where a cluster's node
/// has a part of its own for reads.
#[derive(Default)]
pub(crate) struct Gathered(Vec<(&'static str, String, Seen)>);

impl Gathered {
    pub(crate) fn add(&mut self, name: &str, seen: impl Iterator<Item = (&'static str, Seen)>) {
        for (operation, seen) in seen {
            let place = self.0.binary_search_by(|(known, node, _)| {
                (*known, node.as_str()).cmp(&(operation, name))
            });
            match place {
                Err(place) => self.0.insert(place, (operation, name.to_owned(), seen)),
                Ok(place) => {
                    if let Some((.., known)) = self.0.get_mut(place) {
                        known.add(&seen);
                    }
                }
            }
        }
    }

    pub(crate) fn into_latencies(self) -> Vec<Latency> {
        let all = self.0.into_iter();
        all.map(|(operation, node, seen)| Latency::new(operation, node, &seen))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use crate::base::histogram::Histogram;

    use super::*;

    fn seen(times: impl IntoIterator<Item = u64>, errors: u64) -> Seen {
        let histogram = Histogram::new();
        times
            .into_iter()
            .for_each(|micros| histogram.record(micros * 1000));
        Seen {
            times: histogram.read(),
            errors,
        }
    }

    #[test]
    fn nodes_of_one_name_count_together_and_others_apart() {
        let mut gathered = Gathered::default();
        gathered.add(
            "a",
            [("GET", seen(1..=50, 1)), ("SET", seen([7], 0))].into_iter(),
        );
        gathered.add("b", [("GET", seen([9], 0))].into_iter());
        gathered.add("a", [("GET", seen(51..=100, 2))].into_iter());
        let all = gathered.into_latencies();
        let names: Vec<_> = all.iter().map(|one| (one.operation, &*one.node)).collect();
        assert_eq!(names, [("GET", "a"), ("GET", "b"), ("SET", "a")]);
        let one = &all[0];
        assert_eq!((one.count, one.errors), (100, 3));
        assert_eq!(one.mean, Duration::from_nanos(50_500));
        assert_eq!(one.max, Duration::from_micros(100));
        for (is, ought) in [(one.p50, 50), (one.p90, 90), (one.p99, 99), (one.p999, 100)] {
            let ought = Duration::from_micros(ought);
            assert!(
                is.abs_diff(ought) <= ought / 100,
                "{is:?} instead of {ought:?}"
            );
        }
        assert_eq!(one.up_to[..8], [1, 2, 5, 10, 20, 50, 100, 100]);
    }

    #[test]
    fn what_only_failed_has_no_times() {
        let mut gathered = Gathered::default();
        gathered.add("a", [("GET", seen([], 4))].into_iter());
        let one = gathered.into_latencies().remove(0);
        assert_eq!((one.count, one.errors), (0, 4));
        assert_eq!((one.mean, one.p999, one.max), Default::default());
    }
}
