//! Invariant 1 and the rest of the price list: which commands a call costs, as MONITOR tells it.

use std::time::Duration;

use redis_cache::{Begun, Cache, Expiry};

use crate::common::eventually;
use crate::common::monitor::Monitor;
use crate::common::server::Server;

type Never = std::convert::Infallible;

struct Watched {
    server: Server,
    cache: Cache,
    monitor: Monitor,
}

impl Watched {
    /// A cache whose server knows all scripts already.
    fn with(options: &str) -> Watched {
        let server = Server::start();
        let cache = Cache::open(&format!("{}?timeout=20s&{options}", server.unix())).unwrap();
        load(&cache, "warm", "x");
        let Begun::Fresh(_) = cache.lease::<String>("warm").unwrap() else {
            panic!("it is there")
        };
        drop(cache.lease::<String>("dropped").unwrap());
        let monitor = Monitor::of(&server);
        Watched {
            server,
            cache,
            monitor,
        }
    }

    /// The names of the commands since the last look.
    fn commands(&mut self) -> Vec<String> {
        let commands = self.monitor.commands(&self.server).into_iter();
        // INFO is how these tests count commands.
        let names = commands.map(|words| words[0].clone());
        names.filter(|name| name != "INFO").collect()
    }
}

fn load(cache: &Cache, key: &str, value: &str) -> String {
    let got = cache.get_or_set(key, Expiry::Default, || Ok::<_, Never>(value.to_owned()));
    got.unwrap()
}

#[test]
fn invariant_1_a_fresh_hit_is_one_command() {
    let mut at = Watched::with("stale=1m");
    assert_eq!(load(&at.cache, "k", "v"), "v");
    let miss = at.commands();
    assert_eq!(miss, ["GET", "EVALSHA", "EVALSHA"], "a miss is three");
    for _ in 0..10 {
        assert_eq!(load(&at.cache, "k", "other"), "v");
    }
    assert_eq!(at.commands(), vec!["GET"; 10]);
    at.cache.set("k", "set", Expiry::Default).unwrap();
    at.cache.set_int("n", 7, Expiry::Default).unwrap();
    at.commands();
    assert_eq!(load(&at.cache, "k", "other"), "set");
    let n = at
        .cache
        .get_or_set("n", Expiry::Default, || Ok::<i64, Never>(8));
    assert_eq!(n.unwrap(), 7);
    assert_eq!(at.commands(), ["GET", "GET"]);
}

#[test]
fn a_stale_value_costs_one_command_while_somebody_renews_it() {
    let mut at = Watched::with("stale=1m");
    at.cache.set("k", "old", Expiry::Default).unwrap();
    at.cache.expire_soft("k").unwrap();
    at.commands();
    let cache = at.cache.clone();
    let got = at.cache.get_or_set("k", Expiry::Default, || {
        assert_eq!(load(&cache, "k", "needless"), "old");
        Ok::<_, Never>("new".to_owned())
    });
    assert_eq!(got.unwrap(), "new");
    let commands = at.commands();
    assert_eq!(commands, ["GET", "EVALSHA", "GET", "EVALSHA"]);
}

#[test]
fn what_the_other_operations_cost() {
    let mut at = Watched::with("stale=1m");
    load(&at.cache, "k", "v");
    at.commands();
    let mut price = |what: &str, call: &dyn Fn(&Cache), commands: &[&str]| {
        call(&at.cache);
        let seen = at.monitor.commands(&at.server).into_iter();
        let seen: Vec<String> = seen.map(|words| words[0].clone()).collect();
        assert_eq!(seen, commands, "{what}");
    };
    price("get", &|at| drop(at.get::<String>("k").unwrap()), &["GET"]);
    price(
        "get_stale",
        &|at| drop(at.get_stale::<String>("k").unwrap()),
        &["GET"],
    );
    price(
        "has_key",
        &|at| assert!(at.has_key("k").unwrap()),
        &["EXISTS", "GETRANGE"],
    );
    price(
        "ttl",
        &|at| assert!(at.ttl("k").unwrap().is_some()),
        &["PTTL", "GETRANGE"],
    );
    price(
        "add over a live value",
        &|at| assert!(!at.add("k", "x", Expiry::Default).unwrap()),
        &["SET", "GETRANGE"],
    );
    price(
        "delete",
        &|at| assert!(at.delete("k").unwrap()),
        &["UNLINK"],
    );
    let many = |at: &Cache| {
        let got = at.get_or_set_many(
            "abc".split("").filter(|key| !key.is_empty()),
            Expiry::Default,
            |missing| {
                Ok::<_, Never>(
                    missing
                        .iter()
                        .map(|key| Some(format!("of {key}")))
                        .collect(),
                )
            },
        );
        assert_eq!(got.unwrap().len(), 3);
    };
    price(
        "get_or_set_many, cold",
        &many,
        &[
            "MGET", "EVALSHA", "EVALSHA", "EVALSHA", "EVALSHA", "EVALSHA", "EVALSHA",
        ],
    );
    price("get_or_set_many, warm", &many, &["MGET"]);
}

#[test]
fn a_waiter_polls_with_single_commands() {
    let mut at = Watched::with("wait=20s");
    let Begun::Yours(lease) = at.cache.lease::<String>("k").unwrap() else {
        panic!("nobody loads it yet")
    };
    at.commands();
    let cache = at.cache.clone();
    std::thread::scope(|scope| {
        let waiter = scope.spawn(move || load(&cache, "k", "needless"));
        eventually("it polls", || at.server.calls("get") > 5);
        lease.fulfill("v", Duration::from_secs(60)).unwrap();
        assert_eq!(waiter.join().unwrap(), "v");
    });
    let commands = at.commands();
    assert_eq!(commands[..2], ["GET", "EVALSHA"], "{commands:?}");
    let scripts = commands.iter().filter(|name| *name == "EVALSHA").count();
    assert_eq!(scripts, 2, "one to claim, one to fulfill: {commands:?}");
}

/// It took 203 round trips, and what others had set meanwhile was written over.
#[test]
fn many_plain_values_are_stored_in_one_pipeline_and_never_over_others() {
    let mut at = Watched::with("stale=0s");
    let url = format!("{}?timeout=20s&layout=plain&codec=json", at.server.unix());
    let (cache, other) = (Cache::open(&url).unwrap(), Cache::open(&url).unwrap());
    let keys: Vec<String> = (0..200).map(|number| format!("k{number}")).collect();
    at.commands();
    let got = cache.get_or_set_many(&keys, Expiry::Default, |missing| {
        other.set("k7", "NEW", Expiry::Default).unwrap();
        Ok::<_, Never>(missing.iter().map(|_| Some("old".to_owned())).collect())
    });
    let got = got.unwrap();
    assert_eq!(got.len(), 200);
    assert_eq!(got[7].as_deref(), Some("NEW"));
    assert_eq!(other.get::<String>("k7").unwrap().as_deref(), Some("NEW"));
    let commands = at.monitor.commands(&at.server);
    let names: Vec<&str> = commands.iter().map(|words| words[0].as_str()).collect();
    let expected = [&["MGET", "SET"][..], &["SET"; 200], &["MGET", "GET"]].concat();
    assert_eq!(names, expected);
    let adds = commands[2..202].iter();
    assert!(
        adds.clone()
            .all(|words| words.iter().any(|word| word == "NX"))
    );
}
