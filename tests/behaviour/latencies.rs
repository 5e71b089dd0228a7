//! The option `latencies`: how long each operation took at each node, apart from those that failed.

use std::collections::BTreeMap;
use std::thread;
use std::time::{Duration, Instant};

use redis_cache::{Cache, ErrorKind, Expiry};

use crate::common::fixture::{Backend, Fixture};
use crate::common::kind;

behaviour! {
    stores: [
        each_operation_is_counted_under_its_name,
        failures_are_counted_apart,
        nothing_is_measured_unless_asked_for,
        a_reset_forgets_them,
        threads_lose_nothing,
        a_call_of_many_keys_is_one_for_each_node,
        views_measure_together_and_caches_apart,
        the_text_for_prometheus_says_the_same,
    ],
    servers: [
        the_time_is_what_the_caller_waited,
    ],
}

fn timed(at: &Fixture) -> Cache {
    at.cache_with(&[("latencies", "true")])
}

/// How often each operation was done, and how often it failed, at all nodes together; without what a cache asks servers for
/// its own sake.
fn counts(cache: &Cache) -> BTreeMap<&'static str, (u64, u64)> {
    let mut counts = BTreeMap::new();
    for one in cache.latencies() {
        let (done, failed) = counts.entry(one.operation).or_default();
        *done += one.count;
        *failed += one.errors;
    }
    let own = ["TIME", "ROLE", "CLUSTER SLOTS"];
    counts.retain(|operation, _| !own.contains(operation));
    counts
}

fn each_operation_is_counted_under_its_name(at: &Fixture) {
    let cache = timed(at);
    for n in 0..5 {
        cache.set(format!("k{n}"), &n, Expiry::Default).unwrap();
        cache.get::<i32>(format!("k{n}")).unwrap();
        cache.incr(format!("k{n}"), 1).unwrap();
    }
    cache.get::<i32>("k0").unwrap();
    cache.delete("k1").unwrap();
    cache.add("k1", &7, Expiry::Default).unwrap();
    cache.touch("k2", Duration::from_secs(60)).unwrap();
    assert_eq!(
        counts(&cache),
        [
            ("GET", (6, 0)),
            ("INCR", (5, 0)),
            ("SET", (5, 0)),
            ("SET NX", (1, 0)),
            ("TOUCH", (1, 0)),
            ("UNLINK", (1, 0)),
        ]
        .into()
    );
    let nodes: Vec<String> = cache
        .nodes()
        .unwrap()
        .into_iter()
        .map(|node| node.name)
        .collect();
    for one in cache.latencies() {
        match at.backend {
            Backend::Memory => assert_eq!(one.node, "memory"),
            _ => assert!(nodes.contains(&one.node), "{} of {nodes:?}", one.node),
        }
        let times = [one.p50, one.p90, one.p99, one.p999, one.max];
        assert!(one.p50 > Duration::ZERO && times.is_sorted(), "{one:?}");
        assert!(one.mean <= one.max && one.sum >= one.max, "{one:?}");
    }
}

fn failures_are_counted_apart(at: &Fixture) {
    let cache = timed(at);
    cache.set("k", "text", Expiry::Default).unwrap();
    for _ in 0..3 {
        assert_eq!(kind(cache.incr("k", 1)), ErrorKind::WrongType);
    }
    cache.set("k", &1, Expiry::Default).unwrap();
    cache.incr("k", 1).unwrap();
    assert_eq!(counts(&cache), [("INCR", (1, 3)), ("SET", (2, 0))].into());
    // That there is no such key is an answer.
    cache.incr("absent", 1).unwrap();
    cache.get_bytes("absent").unwrap();
    let counts = counts(&cache);
    assert_eq!((counts["INCR"], counts["GET"]), ((2, 3), (1, 0)));
}

fn nothing_is_measured_unless_asked_for(at: &Fixture) {
    let cache = at.cache_with(&[("latencies", "false")]);
    cache.set("k", "x", Expiry::Default).unwrap();
    cache.get_bytes("k").unwrap();
    assert_eq!(cache.latencies(), []);
    assert_eq!(cache.stats().latencies, []);
    assert!(!cache.stats().to_prometheus().contains("operation_"));
}

fn a_reset_forgets_them(at: &Fixture) {
    let cache = timed(at);
    cache.set("k", "x", Expiry::Default).unwrap();
    cache.reset_stats();
    assert_eq!(cache.latencies(), []);
    cache.get_bytes("k").unwrap();
    assert_eq!(counts(&cache), [("GET", (1, 0))].into());
}

fn threads_lose_nothing(at: &Fixture) {
    let cache = timed(at);
    thread::scope(|scope| {
        for thread in 0..8 {
            let cache = &cache;
            scope.spawn(move || {
                for n in 0..100 {
                    cache
                        .set(format!("k{thread}"), &n, Expiry::Default)
                        .unwrap();
                    cache.get::<i32>(format!("k{thread}")).unwrap();
                }
            });
        }
    });
    assert_eq!(
        counts(&cache),
        [("GET", (800, 0)), ("SET", (800, 0))].into()
    );
    let stats = cache.stats();
    assert_eq!(stats.latencies, cache.latencies());
    assert_eq!((stats.hits, stats.sets), (800, 800));
}

fn a_call_of_many_keys_is_one_for_each_node(at: &Fixture) {
    let cache = timed(at);
    let keys: Vec<String> = (0..40).map(|n| format!("k{n}")).collect();
    let mut nodes: Vec<String> = keys
        .iter()
        .map(|key| cache.where_is(key).unwrap())
        .collect();
    nodes.sort();
    nodes.dedup();
    let entries = keys.iter().map(|key| (key, "x"));
    cache.set_many_bytes(entries, Expiry::Default).unwrap();
    cache.delete_many(&keys).unwrap();
    let each = (nodes.len() as u64, 0);
    assert_eq!(counts(&cache), [("SET", each), ("UNLINK", each)].into());
    let all = cache.latencies();
    assert!(all.iter().all(|one| one.count == 1), "{all:?}");
    assert!(all.iter().all(|one| one.p50 > Duration::ZERO), "{all:?}");
}

fn views_measure_together_and_caches_apart(at: &Fixture) {
    let cache = timed(at);
    cache.clone().get_bytes("a").unwrap();
    cache.version(2).get_bytes("a").unwrap();
    timed(at).get_bytes("a").unwrap();
    assert_eq!(counts(&cache), [("GET", (2, 0))].into());
}

/// A parser for the text format, as strict as its description
/// (<https://prometheus.io/docs/instrumenting/exposition_formats/>) where this text is concerned.
fn parse(text: &str) -> BTreeMap<String, f64> {
    let mut family = String::new();
    let mut samples = BTreeMap::new();
    assert!(text.ends_with('\n'));
    for line in text.lines() {
        if let Some(about) = line.strip_prefix("# TYPE ") {
            let (name, kind) = about.split_once(' ').unwrap();
            assert!(["counter", "gauge", "histogram"].contains(&kind), "{line}");
            family = name.to_owned();
            continue;
        }
        if line.starts_with("# HELP ") {
            continue;
        }
        let (sample, value) = line.rsplit_once(' ').unwrap();
        let name = sample.split('{').next().unwrap();
        let suffix = name.strip_prefix(&family).expect("a sample of its family");
        assert!(
            ["", "_bucket", "_sum", "_count"].contains(&suffix),
            "{line}"
        );
        if let Some(labels) = sample
            .strip_prefix(name)
            .filter(|labels| !labels.is_empty())
        {
            let labels = labels.strip_prefix('{').unwrap().strip_suffix('}').unwrap();
            for label in labels.split(',') {
                let (label, value) = label.split_once('=').unwrap();
                assert!(["operation", "node", "le"].contains(&label), "{line}");
                assert!(
                    value.len() > 2 && value.starts_with('"') && value.ends_with('"'),
                    "{line}"
                );
            }
        }
        let known = samples.insert(sample.to_owned(), value.parse().unwrap());
        assert_eq!(known, None, "{line} stands there twice");
    }
    samples
}

fn the_text_for_prometheus_says_the_same(at: &Fixture) {
    let cache = timed(at);
    cache.set("k", "text", Expiry::Default).unwrap();
    for _ in 0..9 {
        cache.get_bytes("k").unwrap();
    }
    cache.incr("k", 1).unwrap_err();
    let stats = cache.stats();
    let samples = parse(&stats.to_prometheus());
    assert_eq!(samples["redis_cache_hits_total"], 9.0);
    for one in &stats.latencies {
        let labels = format!("operation=\"{}\",node=\"{}\"", one.operation, one.node);
        let name = "redis_cache_operation_duration_seconds";
        let at = |suffix: &str, le: &str| samples[&format!("{name}{suffix}{{{labels}{le}}}")];
        assert_eq!(at("_count", ""), one.count as f64);
        assert!((at("_sum", "") - one.sum.as_secs_f64()).abs() < 1e-9);
        let bounds = ["0.000001", "0.00005", "0.01", "10", "+Inf"];
        let counts = bounds.map(|bound| at("_bucket", &format!(",le=\"{bound}\"")));
        assert!(counts.is_sorted(), "{counts:?}");
        assert_eq!(counts[4], one.count as f64);
        let errors = format!("redis_cache_operation_errors_total{{{labels}}}");
        assert_eq!(samples[&errors], one.errors as f64);
    }
}

fn the_time_is_what_the_caller_waited(at: &Fixture) {
    let cache = timed(at);
    let mut waited = Vec::new();
    for _ in 0..20 {
        let began = Instant::now();
        cache.get_bytes("k").unwrap();
        waited.push(began.elapsed());
    }
    let all = cache.latencies();
    let one = all.iter().find(|one| one.operation == "GET").unwrap();
    assert_eq!(one.count, 20);
    // A look at the clock of the server, after a miss, has a time of its own.
    assert!(one.max <= *waited.iter().max().unwrap());
    assert!(one.sum <= waited.iter().sum::<Duration>());
    assert!(one.sum > Duration::from_micros(20), "{one:?}");
}
