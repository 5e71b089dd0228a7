//! `on_error=miss`: a server that is away, or cannot serve just now, looks like an empty cache; the hook and the
//! counters know better, and what is the caller's own fault is still told.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use redis_cache::{Cache, Config, ErrorKind, Expiry};

use crate::common::fault::{Door, Fate, FaultServer};
use crate::common::fixture::unique_name;
use crate::common::kind;
use crate::common::server::{Server, free_port};

const DIALECTS: [&[(&str, &str)]; 3] = [&[], &[("protocol", "2")], &[("parser", "redis")]];

/// A cache on one location or a list of them that misses instead of failing, and how many faults its hook heard of.
pub(super) fn open(url: &str, options: &[(&str, &str)]) -> (Cache, Arc<AtomicU32>) {
    let heard = Arc::new(AtomicU32::new(0));
    let ears = Arc::clone(&heard);
    let usual = [
        ("on_error", "miss"),
        ("timeout", "40ms"),
        ("breaker_failures", "1000"),
    ];
    let with = |config: Config, url| config.server(url).unwrap();
    let config = url.split(',').fold(Config::new(), with);
    let config = config.set("prefix", &unique_name()).unwrap();
    let usual = usual
        .iter()
        .filter(|(name, _)| options.iter().all(|(other, _)| other != name));
    let config = usual.chain(options).fold(config, |config, (name, value)| {
        config.set(name, value).unwrap()
    });
    let config = config.error_hook(move |_| {
        ears.fetch_add(1, Ordering::SeqCst);
    });
    (config.connect().unwrap(), heard)
}

/// The whole table of c-api.md; a hook call and a counted error for every call.
pub(super) fn assert_everything_misses((cache, heard): &(Cache, Arc<AtomicU32>), cause: &str) {
    let mut calls = 0;
    let mut check = |name: &str, as_promised: bool| {
        assert!(as_promised, "{name}, {cause}");
        calls += 1;
        let heard = heard.load(Ordering::SeqCst);
        assert!(
            heard >= calls,
            "{name}, {cause}: the hook heard {heard} of {calls}"
        );
        assert!(
            cache.stats().errors >= u64::from(calls),
            "{name}, {cause}: {:?}",
            cache.stats()
        );
    };
    let minute = Duration::from_secs(60);
    check("get", cache.get::<String>("k").unwrap().is_none());
    check("get_bytes", cache.get_bytes("k").unwrap().is_none());
    check("get_int", cache.get_int("k").unwrap().is_none());
    check(
        "get_into",
        cache.get_into("k", &mut [0; 8]).unwrap().is_none(),
    );
    check("has_key", !cache.has_key("k").unwrap());
    check("ttl", cache.ttl("k").unwrap().is_none());
    check("touch", !cache.touch("k", Expiry::Default).unwrap());
    check("expire", !cache.expire("k", minute).unwrap());
    check("persist", !cache.persist("k").unwrap());
    check("incr", cache.incr("k", 1).unwrap().is_none());
    check("decr", cache.decr("k", 1).unwrap().is_none());
    check("delete", !cache.delete("k").unwrap());
    check(
        "get_many",
        cache.get_many::<i32>(["k", "other"]).unwrap() == [None, None],
    );
    check("set", cache.set("k", &1, Expiry::Default).is_ok());
    check("set_int", cache.set_int("k", 1, minute).is_ok());
    check(
        "set_many",
        cache
            .set_many_bytes([("k", "1"), ("other", "2")], Expiry::Default)
            .is_ok(),
    );
    check("add", !cache.add("k", &1, Expiry::Default).unwrap());
    check(
        "delete_many",
        cache.delete_many(["k", "other"]).unwrap() == 0,
    );
}

/// What is never hidden: these are asked for on purpose.
pub(super) fn assert_reported((cache, heard): &(Cache, Arc<AtomicU32>), cause: &str) {
    let before = heard.load(Ordering::SeqCst);
    cache.ping().expect_err(cause);
    cache.flush_db().expect_err(cause);
    cache.delete_pattern("*").expect_err(cause);
    cache.clear().expect_err(cause);
    cache.clear_version(1).expect_err(cause);
    assert!(
        cache
            .keys("*")
            .and_then(|keys| keys.collect::<Result<Vec<_>, _>>())
            .is_err(),
        "keys, {cause}"
    );
    assert!(heard.load(Ordering::SeqCst) >= before + 6, "{cause}");
}

#[test]
fn a_server_that_is_down_is_an_empty_cache() {
    for dialect in DIALECTS {
        let cache = open(&format!("redis://127.0.0.1:{}", free_port()), dialect);
        assert_everything_misses(&cache, "refused");
        assert_reported(&cache, "refused");
    }
}

#[test]
fn a_server_that_never_answers_is_an_empty_cache() {
    let server = FaultServer::start();
    server.door(Door::Mute);
    let cache = open(&server.url(), &[]);
    assert_everything_misses(&cache, "mute");
    assert_reported(&cache, "mute");
}

#[test]
fn a_refused_node_is_an_empty_cache() {
    let server = FaultServer::start();
    server.door(Door::Slammed);
    let cache = open(
        &server.url(),
        &[
            ("breaker_failures", "1"),
            ("breaker_backoff", "60s"),
            ("breaker_backoff_max", "60s"),
        ],
    );
    assert_eq!(cache.0.get_bytes("k").unwrap(), None);
    assert_everything_misses(&cache, "breaker");
    assert_reported(&cache, "breaker");
    assert!(cache.0.stats().refused >= 18, "{:?}", cache.0.stats());
}

#[test]
fn a_server_that_cannot_serve_just_now_is_an_empty_cache() {
    for code in [
        "LOADING",
        "OOM",
        "READONLY",
        "CLUSTERDOWN",
        "MASTERDOWN",
        "MISCONF",
        "NOREPLICAS",
        "BUSY",
        "TRYAGAIN",
    ] {
        for dialect in DIALECTS {
            let server = FaultServer::start();
            let answer = format!("-{code} not just now\r\n").into_bytes();
            server.judge(move |command| match &*command[0] {
                b"HELLO" | b"CLIENT" | b"SELECT" | b"TIME" => Fate::Pass,
                _ => Fate::Answer(answer.clone()),
            });
            assert_everything_misses(&open(&server.url(), dialect), code);
        }
    }
}

#[test]
fn other_errors_of_a_server_are_reported() {
    let server = FaultServer::start();
    let (cache, heard) = open(&server.url(), &[("timeout", "1s")]);
    for (answer, expected) in [
        ("-ERR unknown command", ErrorKind::Server),
        ("-NOPERM denied", ErrorKind::Auth),
        ("-NOAUTH Authentication required.", ErrorKind::Auth),
        ("-WRONGTYPE not a string", ErrorKind::WrongType),
    ] {
        server.always("GET", Fate::Answer(format!("{answer}\r\n").into_bytes()));
        let before = heard.load(Ordering::SeqCst);
        assert_eq!(kind(cache.get_bytes("k")), expected, "{answer}");
        assert_eq!(heard.load(Ordering::SeqCst), before + 1);
    }
}

#[test]
fn the_callers_own_faults_are_reported() {
    let server = Server::shared();
    let (cache, heard) = open(&server.tcp(), &[("timeout", "5s")]);
    cache.set("k", "text", Expiry::Default).unwrap();
    assert_eq!(kind(cache.incr("k", 1)), ErrorKind::WrongType);
    assert_eq!(kind(cache.get_int("k")), ErrorKind::WrongType);
    assert_eq!(kind(cache.get_bytes("")), ErrorKind::InvalidArgument);
    assert_eq!(kind(cache.decr("k", i64::MIN)), ErrorKind::InvalidArgument);
    assert_eq!(heard.load(Ordering::SeqCst), 4);
    assert_eq!(
        kind(
            open(
                &server.tcp(),
                &[("timeout", "5s"), ("password", "wrong"), ("username", "x")]
            )
            .0
            .get_bytes("k")
        ),
        ErrorKind::Auth
    );
}

#[test]
fn a_full_server_takes_reads_and_drops_writes() {
    let server = Server::start();
    let (missing, _) = open(&server.tcp(), &[("timeout", "5s")]);
    let raising = Config::new()
        .server(&server.tcp())
        .unwrap()
        .connect()
        .unwrap();
    missing.set("old", "value", Expiry::Default).unwrap();
    raising.set_int("n", 1, Expiry::Default).unwrap();
    let _: String = server.run(&["CONFIG", "SET", "maxmemory", "1"]);
    assert_eq!(
        missing.get::<String>("old").unwrap().as_deref(),
        Some("value")
    );
    missing.set("new", "value", Expiry::Default).unwrap();
    assert!(!missing.add("new", "value", Expiry::Default).unwrap());
    assert_eq!(missing.get::<String>("new").unwrap(), None);
    for error in [
        raising.set("k", &1, Expiry::Default).unwrap_err(),
        raising
            .incr_or_create("fresh", 1, 1, Expiry::Default)
            .unwrap_err(),
    ] {
        assert_eq!(
            (error.kind(), error.code()),
            (ErrorKind::Server, Some("OOM")),
            "{error}"
        );
    }
    let _: String = server.run(&["CONFIG", "SET", "maxmemory", "0"]);
    missing.set("new", "value", Expiry::Default).unwrap();
    assert_eq!(
        missing.get::<String>("new").unwrap().as_deref(),
        Some("value")
    );
}

#[test]
fn a_replica_takes_reads_and_drops_writes() {
    let server = Server::start();
    let (missing, _) = open(&server.tcp(), &[("timeout", "300ms")]);
    missing.set("old", "value", Expiry::Never).unwrap();
    missing.set_int("n", 1, Expiry::Never).unwrap();
    let _: String = server.run(&["REPLICAOF", "127.0.0.1", "1"]);
    assert_eq!(
        missing.get::<String>("old").unwrap().as_deref(),
        Some("value")
    );
    missing.set("new", "value", Expiry::Default).unwrap();
    assert_eq!(missing.incr("n", 1).unwrap(), None);
    let _: String = server.run(&["REPLICAOF", "NO", "ONE"]);
    missing.set("new", "value", Expiry::Default).unwrap();
    assert_eq!(
        missing.get::<String>("new").unwrap().as_deref(),
        Some("value")
    );
}

#[test]
fn a_load_runs_although_the_server_is_down() {
    for policy in ["miss", "raise"] {
        let (cache, heard) = open(
            &format!("redis://127.0.0.1:{}", free_port()),
            &[("on_error", policy)],
        );
        let value = cache
            .get_or_set("k", Expiry::Default, || {
                Ok::<_, String>("loaded".to_owned())
            })
            .unwrap();
        assert_eq!(value, "loaded");
        let bytes = cache
            .get_or_set_bytes("k", Expiry::Default, || Ok::<_, String>(b"loaded".to_vec()))
            .unwrap();
        assert_eq!(bytes, b"loaded");
        assert!(heard.load(Ordering::SeqCst) >= 2, "{policy}");
        assert_eq!(
            kind(cache.get_or_set("k", Expiry::Default, || Err::<i32, _>("no data"))),
            ErrorKind::Callback
        );
    }
}

#[test]
fn twenty_threads_load_once_although_the_server_is_down() {
    let (cache, _) = open(
        &format!("redis://127.0.0.1:{}", free_port()),
        &[("on_error", "raise")],
    );
    let (loads, start) = (AtomicU32::new(0), std::sync::Barrier::new(20));
    std::thread::scope(|scope| {
        for _ in 0..20 {
            scope.spawn(|| {
                start.wait();
                let load = || {
                    loads.fetch_add(1, Ordering::SeqCst);
                    std::thread::sleep(Duration::from_millis(300));
                    Ok::<_, String>("loaded".to_owned())
                };
                assert_eq!(
                    cache.get_or_set("k", Expiry::Default, load).unwrap(),
                    "loaded"
                );
            });
        }
    });
    // Nothing is kept, so a thread that a busy machine held up for 300 ms has to load again.
    let loads = loads.into_inner();
    assert!(loads <= 3, "{loads} of twenty loaded");
}
