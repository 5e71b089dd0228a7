//! A server that says no. Whatever it says to a claim or to a value, a value in hand is served, and one that was loaded
//! goes to its caller; nobody waits for a lease that came to nothing.

use std::thread;
use std::time::Duration;

use redis_cache::{Begun, Cache, ErrorKind, Expiry, Loading, Outcome, Source};

use crate::common::launcher::where_known;
use crate::common::server::Server;
use crate::common::{eventually, fault};

type Never = std::convert::Infallible;

fn text(value: &str) -> Result<Option<String>, Never> {
    Ok(Some(value.to_owned()))
}

fn outcome(value: &str, source: Source) -> Outcome<String> {
    Outcome {
        value: Some(value.to_owned()),
        source,
    }
}

/// A way to make a server refuse what scripts do, and to make it serve again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Refusal {
    /// A user who may not run scripts.
    NoPerm,
    NoReplicas,
    MisConf,
    Oom,
}

const ALL: [Refusal; 4] = [
    Refusal::NoPerm,
    Refusal::NoReplicas,
    Refusal::MisConf,
    Refusal::Oom,
];

impl Refusal {
    fn server(self) -> Server {
        // From 7.0 on `dir` is protected.
        let server = Server::with(where_known(&["--enable-protected-configs", "yes"]));
        let user = ["on", ">pw", "~*", "&*", "+@all"];
        set_user(&server, &user);
        if self == Refusal::MisConf {
            let _: String = server.run(&["CONFIG", "SET", "stop-writes-on-bgsave-error", "no"]);
            let _: String = server.run(&["CONFIG", "SET", "save", "3600 1"]);
            // Nobody can write there.
            let _: String = server.run(&["CONFIG", "SET", "dir", "/proc"]);
            let _: String = server.run(&["BGSAVE"]);
            eventually("saving fails", || {
                let info: String = server.run(&["INFO", "persistence"]);
                info.contains("rdb_last_bgsave_status:err")
            });
        }
        server
    }

    fn set(self, server: &Server, refuses: bool) {
        let config = |name: &str, value: &str| {
            let _: String = server.run(&["CONFIG", "SET", name, value]);
        };
        let pick = |on: &'static str, off: &'static str| if refuses { on } else { off };
        match self {
            Refusal::NoPerm => set_user(
                server,
                &[
                    pick("-evalsha", "+evalsha"),
                    pick("-eval", "+eval"),
                    pick("-script", "+script"),
                ],
            ),
            Refusal::NoReplicas => config("min-replicas-to-write", pick("1", "0")),
            Refusal::MisConf => config("stop-writes-on-bgsave-error", pick("yes", "no")),
            Refusal::Oom => config("maxmemory", pick("1", "0")),
        }
    }
}

fn set_user(server: &Server, rules: &[&str]) {
    let words = [&["ACL", "SETUSER", "app"], rules].concat();
    let _: String = server.run(&words);
}

fn cache_of(server: &Server, options: &str) -> Cache {
    let url = format!(
        "redis://app:pw@{}?timeout=20s&prefix=no&{options}",
        server.address()
    );
    Cache::open(&url).unwrap()
}

/// For each way to refuse, and for each meaning of errors.
fn each(mut test: impl FnMut(Refusal, &Server, &str)) {
    for no in ALL {
        let server = no.server();
        for on_error in ["raise", "miss"] {
            test(no, &server, on_error);
            no.set(&server, false);
            let _: String = server.run(&["FLUSHALL"]);
        }
    }
}

/// It was an error, with the value in hand.
#[test]
fn a_value_in_hand_is_served_though_its_renewal_is_refused() {
    each(|no, server, on_error| {
        let options = format!("stale=1m&early=1000000000000&on_error={on_error}");
        let cache = cache_of(server, &options);
        let life = Duration::from_secs(3600);
        // One that is due to be renewed early: a high beta, and the last quarter of its life.
        let load = |loading: &mut Loading<'_>| {
            loading.set_ttl(Duration::from_secs(600));
            text("fresh")
        };
        cache.get_or_set_with("fresh", life, load).unwrap();
        cache.set("stale", "stale", life).unwrap();
        cache.expire_soft("stale").unwrap();
        // By the clock of this client too.
        thread::sleep(Duration::from_millis(20));
        no.set(server, true);
        let before = cache.stats();
        let needless = |_: &mut Loading<'_>| text("needless");
        let got = cache.get_or_set_with("fresh", life, needless).unwrap();
        assert_eq!(got, outcome("fresh", Source::Fresh), "{no:?}");
        let got = cache.get_or_set_with("stale", life, needless).unwrap();
        assert_eq!(got, outcome("stale", Source::Stale), "{no:?}");
        let got = cache.get_or_set_many(["stale"], life, |_| Ok::<_, Never>(vec![None]));
        assert_eq!(got.unwrap(), [Some("stale".to_owned())], "{no:?}");
        let Begun::Stale(Some(value), None) = cache.lease::<String>("stale").unwrap() else {
            panic!("{no:?}: it is there, and cannot be leased")
        };
        assert_eq!(value, "stale");
        let stats = cache.stats();
        assert_eq!(stats.computes, before.computes, "{no:?}");
        assert!(stats.errors >= before.errors + 3, "{no:?}: the hook hears");
    });
}

/// The loader was not run, or what it had made was thrown away.
#[test]
fn what_is_missing_is_loaded_though_its_claim_is_refused() {
    each(|no, server, on_error| {
        let cache = cache_of(server, &format!("on_error={on_error}"));
        no.set(server, true);
        let got = cache.get_or_set_with("k", Expiry::Default, |_| text("loaded"));
        assert_eq!(got.unwrap(), outcome("loaded", Source::Computed), "{no:?}");
        let got = cache.get_or_set_many(["a", "b"], Expiry::Default, |missing| {
            let made = missing.iter().map(|key| Some(key.to_string()));
            Ok::<_, Never>(made.collect())
        });
        let expected = [Some("a".to_owned()), Some("b".to_owned())];
        assert_eq!(got.unwrap(), expected, "{no:?}");
        let stats = cache.stats();
        assert_eq!((stats.computes, stats.sets), (2, 0), "{no:?}");
        assert!(stats.errors >= 3, "{no:?}: the hook hears");
        // With a key that has a value of no use.
        no.set(server, false);
        cache.set("n", &7, Expiry::Default).unwrap();
        no.set(server, true);
        let got = cache.get_or_set("n", Expiry::Default, || {
            Ok::<_, Never>(vec!["x".to_owned()])
        });
        assert_eq!(got.unwrap(), ["x"], "{no:?}");
        assert_eq!(cache.get::<i32>("n").unwrap(), Some(7), "{no:?}");
    });
}

#[test]
fn a_lease_that_is_refused_is_an_error_or_one_that_stores_nothing() {
    each(|no, server, on_error| {
        let cache = cache_of(server, &format!("on_error={on_error}"));
        no.set(server, true);
        let begun = cache.lease::<String>("k");
        if on_error == "raise" {
            let error = fault(begun);
            assert!(
                matches!(error.kind(), ErrorKind::Server | ErrorKind::Auth),
                "{no:?}: {error}"
            );
            return;
        }
        let Ok(Begun::Yours(lease)) = begun else {
            panic!("{no:?}: nothing is there")
        };
        no.set(server, false);
        lease.renew().unwrap();
        lease.fulfill("value", Expiry::Default).unwrap();
        assert!(!cache.has_key("k").unwrap(), "{no:?}");
    });
}

/// Refused once the load has begun: over nothing, over a value that is of no use, and over an integer.
#[test]
fn what_was_loaded_goes_to_its_caller_though_it_cannot_be_stored() {
    each(|no, server, on_error| {
        let options = format!("on_error={on_error}&wait=1s&on_wait_timeout=busy&lease=5m");
        let (cache, other) = (cache_of(server, &options), cache_of(server, &options));
        cache
            .get_or_set("bool", Expiry::Default, || Ok::<_, Never>(true))
            .unwrap();
        cache.set("int", &7, Expiry::Default).unwrap();
        for key in ["nothing", "bool", "int"] {
            let got = cache.get_or_set_with(key, Expiry::Default, |_| {
                no.set(server, true);
                Ok::<_, Never>(Some(vec!["loaded".to_owned()]))
            });
            let got = got.unwrap();
            assert_eq!(got.value.unwrap(), ["loaded"], "{no:?} {key}");
            // A full server takes a lease back at once, where there is nothing to be served meanwhile; one that refuses
            // all writes cannot.
            if no == Refusal::Oom && key != "bool" {
                let got = other.get_or_set(key, Expiry::Default, || {
                    Ok::<_, Never>(vec!["next".to_owned()])
                });
                assert_eq!(got.unwrap(), ["next"], "{no:?} {key}: waited for nobody");
            }
            no.set(server, false);
        }
        cache
            .set("stale", "stale", Duration::from_secs(60))
            .unwrap();
        cache.expire_soft("stale").unwrap();
        thread::sleep(Duration::from_millis(20));
        let got = cache.get_or_set_with("stale", Expiry::Default, |_| {
            no.set(server, true);
            text("loaded")
        });
        assert_eq!(got.unwrap(), outcome("loaded", Source::Computed), "{no:?}");
        let got = other.get_or_set_with("stale", Expiry::Default, |_| text("needless"));
        assert_eq!(got.unwrap(), outcome("stale", Source::Stale), "{no:?}");
        no.set(server, false);
        let got = cache.get_or_set_many(["x", "y"], Expiry::Default, |missing| {
            no.set(server, true);
            Ok::<_, Never>(missing.iter().map(|key| Some(key.to_string())).collect())
        });
        let expected = [Some("x".to_owned()), Some("y".to_owned())];
        assert_eq!(got.unwrap(), expected, "{no:?}");
        if no == Refusal::Oom {
            let got = other.get_or_set("x", Expiry::Default, || Ok::<_, Never>("next".to_owned()));
            assert_eq!(got.unwrap(), "next", "{no:?}: waited for nobody");
        }
        assert_eq!(cache.stats().sets, 3, "{no:?}: only what was set before");
    });
}

/// A script that does not end: the server answers BUSY to everything else.
struct Stuck<'a> {
    server: &'a Server,
    script: Option<thread::JoinHandle<()>>,
}

impl Stuck<'_> {
    fn new(server: &Server) -> Stuck<'_> {
        let mut raw = server.raw();
        let script = thread::spawn(move || {
            let mut endless = redis::cmd("EVAL");
            let _ = endless.arg("while true do end").arg(0).exec(&mut raw);
        });
        let mut other = server.raw();
        eventually("the server is busy", || {
            let ping: redis::RedisResult<String> = redis::cmd("PING").query(&mut other);
            ping.is_err()
        });
        Stuck {
            server,
            script: Some(script),
        }
    }
}

impl Drop for Stuck<'_> {
    fn drop(&mut self) {
        let _: String = self.server.run(&["SCRIPT", "KILL"]);
        if let Some(script) = self.script.take() {
            script.join().unwrap();
        }
    }
}

#[test]
fn a_busy_server_keeps_no_loader_from_running_and_no_value_from_its_caller() {
    let server = Server::with(&["--lua-time-limit", "1"]);
    for on_error in ["raise", "miss"] {
        let url = format!("{}?timeout=20s&on_error={on_error}", server.unix());
        let cache = Cache::open(&url).unwrap();
        let stuck = Stuck::new(&server);
        let got = cache.get_or_set_with("k", Expiry::Default, |_| text("loaded"));
        assert_eq!(got.unwrap(), outcome("loaded", Source::Computed));
        let got = cache.get_or_set_many(["k"], Expiry::Default, |_| {
            Ok::<_, Never>(vec![Some("loaded".to_owned())])
        });
        assert_eq!(got.unwrap(), [Some("loaded".to_owned())]);
        drop(stuck);
        let mut stuck = None;
        let got = cache.get_or_set_with("during", Expiry::Default, |_| {
            stuck = Some(Stuck::new(&server));
            text("loaded")
        });
        assert_eq!(got.unwrap(), outcome("loaded", Source::Computed));
        drop(stuck);
        let _: String = server.run(&["FLUSHALL"]);
    }
}
