//! The histograms of one node: one for each operation that it was asked for, made when that comes for the first time.
//! Nobody waits for anybody, and a forked child begins with none.

use std::sync::OnceLock;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;

use super::fork::PerProcess;
use super::histogram::{Counted, Histogram};
use super::moment::Moment;

/// Many more than there are operations, so that nearly all of them are found where they are looked for first; a power of two.
const PLACES: usize = 256;

/// How long operations took, and how many failed.
pub(crate) struct Latencies(PerProcess<Table>);

struct Table([OnceLock<Box<Series>>; PLACES]);

/// One operation.
struct Series {
    operation: &'static str,
    times: Histogram,
    errors: AtomicU64,
}

/// What was seen of one operation.
#[derive(Debug, Clone)]
pub(crate) struct Seen {
    pub(crate) times: Counted,
    pub(crate) errors: u64,
}

impl Seen {
    pub(crate) fn add(&mut self, other: &Seen) {
        self.times.add(&other.times);
        self.errors += other.errors;
    }
}

impl Latencies {
    pub(crate) fn new() -> Self {
        Latencies(PerProcess::new(Table::new()))
    }

    /// An operation that began then is done.
    pub(crate) fn answered(&self, operation: &'static str, began: Moment) {
        if let Some(series) = self.table().series(operation) {
            series.times.record(Moment::now().nanos_since(began));
        }
    }

    /// An operation failed. It counts as that alone: how long it took says more about time limits than about the server.
    pub(crate) fn failed(&self, operation: &'static str) {
        if let Some(series) = self.table().series(operation) {
            series.errors.fetch_add(1, Relaxed);
        }
    }

    /// Each operation that there was; one name may come twice.
    pub(crate) fn read(&self) -> impl Iterator<Item = (&'static str, Seen)> {
        let known = self.table().0.iter().filter_map(OnceLock::get);
        let seen = known.map(|series| {
            let seen = Seen {
                times: series.times.read(),
                errors: series.errors.load(Relaxed),
            };
            (series.operation, seen)
        });
        seen.filter(|(_, seen)| seen.errors + seen.times.count() > 0)
    }

    pub(crate) fn reset(&self) {
        for series in self.table().0.iter().filter_map(OnceLock::get) {
            series.times.reset();
            series.errors.store(0, Relaxed);
        }
    }

    fn table(&self) -> &Table {
        self.0.get(|_| Table::new())
    }
}

impl Table {
    fn new() -> Self {
        Table([const { OnceLock::new() }; PLACES])
    }

    /// The series of an operation is found by where its name stands; should one name stand in two places, it has two.
    #[inline]
    fn series(&self, operation: &'static str) -> Option<&Series> {
        let hash = (operation.as_ptr().addr() as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        let at = (hash >> (u64::BITS - PLACES.ilog2())) as usize;
        match self.0.get(at).and_then(OnceLock::get) {
            Some(series) if std::ptr::eq(series.operation, operation) => Some(series),
            _ => self.other_series(operation, at),
        }
    }

    /// One that is new, or not where it is looked for first.
    #[inline(never)]
    fn other_series(&self, operation: &'static str, at: usize) -> Option<&Series> {
        (at..at + PLACES).find_map(|at| {
            let place = self.0.get(at % PLACES)?;
            let series = place.get_or_init(|| Series::new(operation));
            std::ptr::eq(series.operation, operation).then_some(&**series)
        })
    }
}

impl Series {
    #[cold]
    fn new(operation: &'static str) -> Box<Self> {
        Box::new(Series {
            operation,
            times: Histogram::new(),
            errors: AtomicU64::new(0),
        })
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::time::Duration;

    use super::super::fork::testing::in_child;
    use super::*;

    fn counts(latencies: &Latencies) -> BTreeMap<&'static str, (u64, u64)> {
        let counts = latencies
            .read()
            .map(|(name, seen)| (name, (seen.times.count(), seen.errors)));
        counts.collect()
    }

    #[test]
    fn each_operation_has_its_own_and_errors_are_apart() {
        let latencies = Latencies::new();
        let began = Moment::now();
        latencies.answered("GET", began);
        latencies.failed("GET");
        latencies.answered("GET", began);
        latencies.failed("SET");
        assert_eq!(
            counts(&latencies),
            [("GET", (2, 1)), ("SET", (0, 1))].into()
        );
        latencies.reset();
        assert!(counts(&latencies).is_empty());
    }

    #[test]
    fn as_many_as_there_are_places_find_one() {
        let latencies = Latencies::new();
        let names = (0..PLACES).map(|n| &*format!("operation {n}").leak());
        let names: Vec<&'static str> = names.collect();
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for name in &names {
                        latencies.answered(name, Moment::now());
                    }
                });
            }
        });
        let counts = counts(&latencies);
        assert_eq!(counts.len(), PLACES);
        assert!(counts.values().all(|count| *count == (4, 0)), "{counts:?}");
    }

    #[test]
    fn a_child_begins_with_none_and_takes_none_away() {
        let latencies = Latencies::new();
        latencies.answered("GET", Moment::now());
        assert!(in_child(|| {
            assert!(counts(&latencies).is_empty());
            latencies.answered("SET", Moment::now());
            assert_eq!(counts(&latencies), [("SET", (1, 0))].into());
        }));
        assert_eq!(counts(&latencies), [("GET", (1, 0))].into());
    }

    #[test]
    fn time_is_counted_from_its_beginning() {
        let latencies = Latencies::new();
        let began = Moment::now();
        std::thread::sleep(Duration::from_millis(3));
        latencies.answered("GET", began);
        let (_, seen) = latencies.read().next().unwrap();
        assert!(seen.times.longest() >= Duration::from_millis(3));
    }
}
