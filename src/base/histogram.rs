//! How often something took how long. The buckets are those of HdrHistogram (<https://hdrhistogram.github.io/HdrHistogram/>):
//! every doubling of the time is divided into as many equal parts, so that each is known to two digits, however long it was.
//! Counting is two relaxed atomic adds: no thread waits for another one, and nothing is lost between them. A snapshot
//! reads one bucket after another and is exact only when nobody counts meanwhile.

use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

/// Parts of a doubling, as a power of two: the middle of one is at most 1/128 off.
const PARTS: u32 = 6;
/// The first doubling begins at 2^6 ns, so that its parts are single nanoseconds; what is shorter counts there.
const FIRST: u32 = 6;
/// The last one ends at 2^36 ns, 68.7 s; what is longer counts in its last part.
const END: u32 = 36;
const BUCKETS: usize = ((END - FIRST) as usize) << PARTS;

/// Counts times; 15 KB.
pub(crate) struct Histogram {
    counts: [AtomicU64; BUCKETS],
    sum: AtomicU64,
    longest: AtomicU64,
}

impl Histogram {
    pub(crate) fn new() -> Self {
        Histogram {
            counts: [const { AtomicU64::new(0) }; BUCKETS],
            sum: AtomicU64::new(0),
            longest: AtomicU64::new(0),
        }
    }

    /// Counts one of so many nanoseconds.
    #[inline]
    pub(crate) fn record(&self, nanos: u64) {
        if let Some(count) = self.counts.get(bucket_of(nanos)) {
            count.fetch_add(1, Relaxed);
        }
        self.sum.fetch_add(nanos, Relaxed);
        // Nearly always there was a longer one: then nothing is written that other threads read.
        if nanos > self.longest.load(Relaxed) {
            self.longest.fetch_max(nanos, Relaxed);
        }
    }

    /// What was counted until now.
    pub(crate) fn read(&self) -> Counted {
        Counted {
            counts: self
                .counts
                .iter()
                .map(|count| count.load(Relaxed))
                .collect(),
            sum: self.sum.load(Relaxed),
            longest: self.longest.load(Relaxed),
        }
    }

    pub(crate) fn reset(&self) {
        let rest = [&self.sum, &self.longest];
        let all = self.counts.iter().chain(rest);
        all.for_each(|count| count.store(0, Relaxed));
    }
}

fn bucket_of(nanos: u64) -> usize {
    let nanos = nanos.clamp(1 << FIRST, (1 << END) - 1);
    let doubling = nanos.ilog2();
    let part = (nanos >> (doubling - PARTS)) as usize;
    // `part` has a leading one of its own, which is the first doubling's.
    (((doubling - FIRST) as usize) << PARTS) + part - (1 << PARTS)
}

/// The time in the middle of a bucket.
fn middle_of(bucket: usize) -> u64 {
    let width = 1 << (bucket >> PARTS);
    let part = (bucket & ((1 << PARTS) - 1)) as u64;
    ((1 << PARTS) + part) * width + width / 2
}

/// A snapshot of a histogram, or of several together.
#[derive(Debug, Clone)]
pub(crate) struct Counted {
    counts: Vec<u64>,
    sum: u64,
    longest: u64,
}

impl Counted {
    pub(crate) fn add(&mut self, other: &Counted) {
        let pairs = self.counts.iter_mut().zip(&other.counts);
        pairs.for_each(|(sum, count)| *sum += count);
        self.sum = self.sum.saturating_add(other.sum);
        self.longest = self.longest.max(other.longest);
    }

    pub(crate) fn count(&self) -> u64 {
        self.counts.iter().sum()
    }

    /// All of them together.
    pub(crate) fn sum(&self) -> Duration {
        Duration::from_nanos(self.sum)
    }

    pub(crate) fn longest(&self) -> Duration {
        Duration::from_nanos(self.longest)
    }

    /// The time that this share of them, from 0 to 1, did not exceed; nothing when there are none.
    pub(crate) fn quantile(&self, share: f64) -> Duration {
        let rank = (self.count() as f64 * share).ceil().max(1.0) as u64;
        let mut seen = 0;
        let is_there = |count: &u64| {
            seen += count;
            seen >= rank
        };
        let bucket = self.counts.iter().position(is_there);
        Duration::from_nanos(bucket.map_or(0, middle_of).min(self.longest))
    }

    /// How many did not exceed `time`; of the bucket that it lies in all count.
    pub(crate) fn up_to(&self, time: Duration) -> u64 {
        let nanos = u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
        self.counts.iter().take(bucket_of(nanos) + 1).sum()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn buckets_follow_each_other_without_gaps() {
        assert_eq!(bucket_of(0), 0);
        assert_eq!(bucket_of(64), 0);
        assert_eq!(bucket_of(65), 1);
        assert_eq!(bucket_of(127), 63);
        assert_eq!(bucket_of(128), 64);
        assert_eq!(bucket_of(129), 64);
        assert_eq!(bucket_of(130), 65);
        assert_eq!(bucket_of(u64::MAX), BUCKETS - 1);
        for bucket in 0..BUCKETS {
            assert_eq!(bucket_of(middle_of(bucket)), bucket);
        }
    }

    #[test]
    fn what_is_beyond_the_range_counts_at_its_end_and_the_longest_is_exact() {
        let times = Histogram::new();
        times.record(0);
        times.record(u64::from(u32::MAX) * 1000);
        let counted = times.read();
        assert_eq!(counted.count(), 2);
        assert_eq!(counted.quantile(0.0).as_nanos(), 64);
        assert_eq!(counted.longest().as_nanos(), 4_294_967_295_000);
        assert!(counted.quantile(1.0) > Duration::from_secs(60));
        times.reset();
        let counted = times.read();
        assert_eq!((counted.count(), counted.sum()), (0, Duration::ZERO));
        assert_eq!(counted.quantile(0.99), Duration::ZERO);
    }

    #[test]
    fn threads_that_count_at_the_same_time_lose_nothing() {
        let times = Histogram::new();
        std::thread::scope(|scope| {
            for thread in 1..=8 {
                let times = &times;
                scope.spawn(move || (0..50_000).for_each(|n| times.record(thread * 100 + n % 3)));
            }
        });
        let counted = times.read();
        assert_eq!(counted.count(), 400_000);
        let remainders = (0..50_000_u64).map(|n| n % 3).sum::<u64>();
        assert_eq!(
            counted.sum().as_nanos() as u64,
            50_000 * 3600 + 8 * remainders
        );
        assert_eq!(counted.longest().as_nanos(), 802);
    }

    /// Over the whole range that is asked for, evenly by their size.
    fn times() -> impl Strategy<Value = Vec<u64>> {
        let time = (3.0..10.778_f64).prop_map(|size| 10_f64.powf(size) as u64);
        proptest::collection::vec(time, 1..500)
    }

    proptest! {
        #[test]
        fn percentiles_are_within_one_percent_of_the_exact_ones(mut exact in times()) {
            let histogram = Histogram::new();
            exact.iter().for_each(|time| histogram.record(*time));
            let counted = histogram.read();
            exact.sort_unstable();
            prop_assert_eq!(counted.count(), exact.len() as u64);
            prop_assert_eq!(counted.sum().as_nanos() as u64, exact.iter().sum::<u64>());
            for share in [0.0, 0.5, 0.9, 0.99, 0.999, 1.0] {
                let rank = ((exact.len() as f64 * share).ceil() as usize).max(1);
                let (is, ought) = (counted.quantile(share).as_nanos() as f64, exact[rank - 1] as f64);
                prop_assert!((is - ought).abs() <= ought * 0.01, "{share}: {is} instead of {ought}");
            }
            for bound in [1_000_u64, 50_000, 1_000_000, 700_000_000] {
                let is = counted.up_to(Duration::from_nanos(bound));
                let near = |share: f64| exact.iter().filter(|time| **time as f64 <= bound as f64 * share).count() as u64;
                prop_assert!((near(1.0)..=near(1.016)).contains(&is), "{bound}: {is}");
            }
        }
    }
}
