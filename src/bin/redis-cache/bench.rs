//! How fast this cache is from here, roughly: SETs, GETs and multi-key reads for a while each, from several threads. For a
//! comparison with other clients there is `make bench`.

use std::thread;
use std::time::{Duration, Instant};

use redis_cache::{Cache, Error, Result};
use serde_json::json;

use crate::args::Bench;
use crate::ending::{Ending, Failure, Outcome};
use crate::say::Say;

/// Keys of one multi-key read.
const MANY: usize = 100;
/// Should the end not come, they go by themselves.
const TTL: Duration = Duration::from_secs(600);
const KEY: &str = "redis-cache-bench";

/// How one part came out.
struct Part {
    name: &'static str,
    /// Of every call, in order.
    times: Vec<Duration>,
    took: Duration,
}

pub(crate) fn run(cache: &Cache, args: &Bench, say: &mut Say) -> Outcome {
    if args.threads == 0 || args.keys == 0 {
        return Err(Failure::usage("--threads and --keys must be above 0"));
    }
    let (value, keys) = (vec![b'x'; args.size], args.keys);
    let key = |number: usize| format!("{KEY}:{}", number % keys);
    let set = |number: usize| cache.set_bytes(key(number), &value, TTL);
    let get = |number: usize| cache.get_bytes(key(number)).map(drop);
    let many = |number: usize| {
        cache
            .get_many_bytes((number..number + MANY).map(key))
            .map(drop)
            .map_err(Error::from)
    };
    let parts = [
        measure("set", args, &set),
        measure("get", args, &get),
        measure("get_many of 100", args, &many),
    ];
    let removed = cache.delete_pattern(format!("{KEY}:*"));
    let mut rows = Vec::new();
    for part in parts {
        let part = part?;
        let count = part.times.len();
        let rate = count as f64 / part.took.as_secs_f64();
        let at = |permille: usize| {
            let place = (count * permille / 1000).min(count.saturating_sub(1));
            let time = part.times.get(place).copied().unwrap_or_default();
            u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
        };
        let (p50, p99, p999) = (at(500), at(990), at(999));
        match say.is_json() {
            true => say.json(&json!({"part": part.name, "calls": count, "per_second": rate, "p50_us": p50, "p99_us": p99, "p999_us": p999}))?,
            false => rows.push(vec![part.name.to_owned(), format!("{rate:.0}"), p50.to_string(), p99.to_string(), p999.to_string()]),
        }
    }
    removed?;
    if !say.is_json() {
        say.table(&["part", "calls/s", "p50 us", "p99 us", "p99.9 us"], &rows)?;
    }
    Ok(Ending::Done)
}

fn measure(
    name: &'static str,
    args: &Bench,
    call: &(dyn Fn(usize) -> Result<()> + Sync),
) -> Result<Part> {
    let began = Instant::now();
    let one = |thread: usize| {
        let mut times = Vec::new();
        let mut number = thread * args.keys / args.threads;
        while began.elapsed() < args.time {
            let start = Instant::now();
            call(number)?;
            times.push(start.elapsed());
            number += 1;
        }
        Ok(times)
    };
    let times: Result<Vec<Vec<Duration>>> = thread::scope(|scope| {
        let threads: Vec<_> = (0..args.threads)
            .map(|thread| scope.spawn(move || one(thread)))
            .collect();
        threads
            .into_iter()
            .filter_map(|thread| thread.join().ok())
            .collect()
    });
    let took = began.elapsed();
    let mut times = times?.concat();
    times.sort();
    Ok(Part { name, times, took })
}
