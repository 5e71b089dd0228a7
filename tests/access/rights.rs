//! The rights that operations need: the table of the README, each row tried with exactly what it says, and with any one of
//! it less; and what becomes of a user who has no right to TIME.

use std::time::Duration;

use redis_cache::{Begun, Cache, ErrorKind, Expiry, Result, Rewrite};

use crate::common::cluster::Cluster;
use crate::common::fault;
use crate::common::sentinel::Watched;
use crate::common::server::Server;

const LIFE: Duration = Duration::from_secs(600);

/// A user of the server who has these rights only, and a cache that logs in as that user.
fn limited(server: &Server, rights: &[&str]) -> Cache {
    let user = [
        "ACL", "SETUSER", "limited", "reset", "on", ">sesame", "~app:*",
    ];
    let _: String = server.run(&[&user[..], rights].concat());
    let url = format!("redis://limited:sesame@127.0.0.1:{}", server.port());
    Cache::open(&format!("{url}?prefix=app&timeout=20s&stale=10m")).unwrap()
}

fn owner(server: &Server) -> Cache {
    Cache::open(&format!(
        "{}?prefix=app&timeout=20s&stale=10m",
        server.unix()
    ))
    .unwrap()
}

fn computed(cache: &Cache, key: &str, value: &str) -> Result<String> {
    cache.get_or_set(key, LIFE, || Ok::<_, String>(value.to_owned()))
}

/// What has to be done for the test to notice that something was done without a right: get_or_set hides it.
fn expect(holds: bool, what: &str) -> Result<(), String> {
    holds.then_some(()).ok_or_else(|| what.to_owned())
}

type Done = Result<(), String>;

/// The operations of the README's rows, by the first one that each names.
fn operations(first: &str, cache: &Cache, server: &Server) -> Done {
    let all = &owner(server);
    fn told<T>(outcome: Result<T>) -> Result<T, String> {
        outcome.map_err(|error| error.to_string())
    }
    let many = |error: redis_cache::Partial<()>| redis_cache::Error::from(error).to_string();
    match first {
        "get" => {
            told(cache.get_bytes("k"))?;
            told(cache.get_stale::<String>("k"))?;
            let found = cache.get_many_bytes(["k", "l"]);
            found
                .map(drop)
                .map_err(|error| redis_cache::Error::from(error).to_string())
        }
        "has_key" => {
            told(cache.has_key("k"))?;
            told(cache.ttl("k")).map(drop)
        }
        "set" => {
            told(cache.set("k", "v", LIFE))?;
            told(cache.set("k", "v", Expiry::After(Duration::ZERO)))?;
            cache
                .set_many::<String>([("k", "v".to_owned()), ("l", "v".to_owned())], LIFE)
                .map_err(many)
        }
        "delete" => {
            told(cache.delete("k"))?;
            told(
                cache
                    .delete_many(["k", "l"])
                    .map_err(redis_cache::Error::from),
            )
            .map(drop)
        }
        "add" => {
            told(computed(all, "k", "v"))?;
            told(all.expire_soft("k"))?;
            expect(told(cache.add("k", "v", LIFE))?, "it had expired")?;
            told(cache.delete("gone")).ok();
            told(cache.add("k", "v", LIFE)).map(drop)
        }
        "incr" => {
            told(all.set("n", &1, LIFE))?;
            told(all.delete("m"))?;
            told(cache.incr("n", 1))?;
            told(cache.incr_or_create("n", 1, 1, LIFE))?;
            told(cache.incr_or_create("m", 1, 1, LIFE)).map(drop)
        }
        "touch" => {
            told(computed(all, "k", "v"))?;
            told(all.set("l", "v", LIFE))?;
            for key in ["k", "l"] {
                told(cache.touch(key, LIFE))?;
                told(cache.persist(key))?;
            }
            told(cache.touch("none", LIFE))?;
            told(cache.touch("k", Expiry::After(Duration::ZERO))).map(drop)
        }
        "get_or_set" => {
            // Missing, stale, of no use here, failed, lost.
            expect(
                told(computed(cache, "k", "first"))? == "first",
                "it is loaded",
            )?;
            expect(
                told(computed(cache, "k", "needless"))? == "first",
                "it is stored",
            )?;
            told(cache.expire_soft("k"))?;
            expect(
                told(computed(cache, "k", "second"))? == "second",
                "it is loaded again",
            )?;
            expect(
                told(computed(cache, "k", "needless"))? == "second",
                "it is stored again",
            )?;
            told(all.set("plain", "v", LIFE))?;
            told(cache.expire_soft("plain"))?;
            told(all.set("n", &1, LIFE))?;
            told(cache.expire_soft("n"))?;
            expect(told(all.get_int("n"))?.is_none(), "it is removed")?;
            told(all.set("n", &1, LIFE))?;
            expect(
                told(computed(cache, "n", "text"))? == "text",
                "of another type",
            )?;
            expect(
                told(computed(cache, "n", "needless"))? == "text",
                "and swapped",
            )?;
            let Begun::Yours(lease) = told(cache.lease::<String>("leased"))? else {
                return expect(false, "it is ours");
            };
            told(lease.renew())?;
            told(lease.fulfill("v", LIFE))?;
            expect(
                told(cache.get::<String>("leased"))?.is_some(),
                "it is fulfilled",
            )?;
            let Begun::Yours(lease) = told(cache.lease::<String>("given back"))? else {
                return expect(false, "it is ours");
            };
            drop(lease);
            let left: u64 = server.run(&["EXISTS", "app:1:given back"]);
            expect(left == 0, "nothing is left behind")?;
            told(computed(all, "short", "first"))?;
            let _: u64 = server.run(&["PEXPIRE", "app:1:short", "9000"]);
            told(all.expire_soft("short"))?;
            expect(
                told(computed(cache, "short", "second"))? == "second",
                "its TTL is lifted",
            )?;
            told(all.expire_soft("leased"))?;
            let failed = cache.get_or_set("leased", LIFE, || Err::<String, _>("no".to_owned()));
            expect(told(failed)? == "v", "the old one is served")?;
            let got = cache.get_or_set_many(["a", "b"], LIFE, |missing| {
                Ok::<_, String>(missing.iter().map(|_| Some("v".to_owned())).collect())
            });
            got.map_err(|error| redis_cache::Error::from(error).to_string())?;
            expect(told(all.get::<String>("b"))?.is_some(), "many are stored")
        }
        "lock" => {
            let lock = told(cache.lock("l", LIFE, Duration::ZERO))?;
            let lock = lock.ok_or("it is free")?;
            told(lock.extend(LIFE))?;
            told(lock.release())
        }
        "incr_version" => {
            told(all.set("moved", "v", LIFE))?;
            told(cache.incr_version("none", 1))?;
            told(cache.incr_version("moved", 1)).map(drop)
        }
        "keys" => {
            told(all.set("k", "v", LIFE))?;
            let keys = told(cache.keys("*"))?;
            told(keys.collect::<Result<Vec<_>>>()).map(drop)
        }
        "delete_pattern" => {
            told(all.set("k", "v", LIFE))?;
            told(cache.delete_pattern("*"))?;
            told(cache.clear()).map(drop)
        }
        "reinsert_keys" => {
            let other = format!("{}?prefix=app&compressor=zlib", server.unix());
            let other = told(Cache::open(&other))?;
            told(other.set("k", "v".repeat(5000).as_str(), LIFE))?;
            expect(told(cache.reinsert_keys())? == 1, "it is rewritten")?;
            let removed = cache.reinsert_keys_with(|_, _| Ok::<_, String>(Rewrite::Delete));
            expect(told(removed)? == 1, "it is removed")
        }
        "ping" => told(cache.ping()),
        "flush_db" => told(cache.flush_db()),
        other => Err(format!("nobody has tried `{other}`")),
    }
}

/// Rights that are needed only when others write at the same moment.
const RARELY: [(&str, &str); 1] = [("add", "+exists")];

/// The rows of the table: operations, and rights.
fn table() -> Vec<(Vec<String>, Vec<String>)> {
    let readme =
        std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/README.md")).unwrap();
    let section = readme
        .split("| operations | rights |")
        .nth(1)
        .expect("the table");
    let rows = section
        .lines()
        .skip(2)
        .take_while(|line| line.starts_with('|'));
    let quoted = |cell: &str| {
        cell.split('`')
            .skip(1)
            .step_by(2)
            .map(str::to_owned)
            .collect::<Vec<_>>()
    };
    let row = |line: &str| {
        let mut cells = line.split('|').skip(1);
        let operations = quoted(cells.next().unwrap());
        let rights = quoted(cells.next().unwrap()).join(" ");
        (operations, rights.split(' ').map(str::to_owned).collect())
    };
    rows.map(row).collect()
}

#[test]
fn the_rights_of_the_readme_are_enough_and_none_is_too_much() {
    let server = Server::start();
    let rows = table();
    assert!(rows.len() >= 13, "{rows:?}");
    let mut wrong = Vec::new();
    for (names, rights) in rows {
        let first = &names[0];
        let rights: Vec<&str> = rights.iter().map(String::as_str).collect();
        let run = |rights: &[&str]| {
            owner(&server).flush_db().unwrap();
            let _: String = server.run(&["SCRIPT", "FLUSH"]);
            operations(first, &limited(&server, rights), &server)
        };
        if let Err(error) = run(&rights) {
            let log: redis::Value = server.run(&["ACL", "LOG", "1"]);
            wrong.push(format!("{first} with {rights:?}: {error}; {log:?}"));
            continue;
        }
        for (missing, right) in rights.iter().enumerate() {
            let mut less = rights.clone();
            less.remove(missing);
            let is_rare = RARELY.contains(&(first, right));
            if run(&less).is_ok() != is_rare {
                wrong.push(format!(
                    "{first} without {right}: needless is {is_rare} by this test"
                ));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// `+@read +@write +@connection +@scripting` looks like all that a cache needs, and has no TIME.
#[test]
fn without_time_values_are_loaded_and_what_needs_it_says_so() {
    let server = Server::start();
    let cache = limited(
        &server,
        &["+@read", "+@write", "+@connection", "+@scripting"],
    );
    for value in ["first", "second"] {
        assert_eq!(
            computed(&cache, "k", value).unwrap(),
            value,
            "loaded, and not cached"
        );
        let got = cache.get_or_set_many(["m"], LIFE, |_| {
            Ok::<_, String>(vec![Some(value.to_owned())])
        });
        assert_eq!(got.unwrap(), [Some(value.to_owned())]);
    }
    cache.set("k", "v", LIFE).unwrap();
    assert_eq!(cache.get::<String>("k").unwrap().as_deref(), Some("v"));
    let faults = [
        fault(cache.incr("n", 1)),
        fault(cache.incr_or_create("n", 1, 1, LIFE)),
        fault(cache.touch("k", LIFE)),
        fault(cache.persist("k")),
        fault(cache.lock("l", LIFE, Duration::ZERO)),
        fault(cache.lease::<String>("none")),
        fault(cache.expire_soft("k")),
    ];
    for error in faults {
        assert_eq!(
            (error.kind(), error.code()),
            (ErrorKind::Auth, Some("NOPERM")),
            "{error}"
        );
        let text = error.to_string();
        assert!(
            text.contains("TIME") && text.contains("`+time`") && text.contains("@fast"),
            "{text}"
        );
    }
    let _: String = server.run(&["ACL", "SETUSER", "limited", "+time"]);
    cache.close();
    assert_eq!(cache.incr_or_create("n", 1, 1, LIFE).unwrap(), 1);
    assert_eq!(computed(&cache, "new", "kept").unwrap(), "kept");
    assert_eq!(computed(&cache, "new", "needless").unwrap(), "kept");
}

/// It is not always TIME.
#[test]
fn another_right_that_a_script_lacks_is_not_called_time() {
    let server = Server::start();
    let cache = limited(&server, &["+@all", "-incrby"]);
    cache.set("n", &1, LIFE).unwrap();
    let error = fault(cache.incr("n", 1));
    assert_eq!(
        (error.kind(), error.code()),
        (ErrorKind::Auth, Some("NOPERM")),
        "{error}"
    );
    assert!(!error.to_string().contains("TIME"), "{error}");
}

#[test]
fn a_cluster_needs_a_few_rights_more() {
    let cluster = Cluster::shared();
    let open = |rights: &[&str], options: &str| {
        for port in cluster.alive() {
            let user = [
                "ACL", "SETUSER", "limited", "reset", "on", ">sesame", "~app:*", "+get", "+set",
            ];
            let _: String = cluster.run(port, &[&user[..], rights].concat());
        }
        let seed = Cluster::url(cluster.primaries()[0]);
        let url = seed.replace("redis://", "redis://limited:sesame@");
        Cache::open(&format!(
            "{url}?topology=cluster&prefix=app&timeout=20s{options}"
        ))
        .unwrap()
    };
    let cache = open(&["+cluster|slots"], "");
    for key in ["a", "b", "c", "d", "e", "f"] {
        cache.set(key, "v", LIFE).unwrap();
        assert_eq!(cache.get::<String>(key).unwrap().as_deref(), Some("v"));
    }
    assert_eq!(fault(open(&[], "").get_bytes("a")).code(), Some("NOPERM"));
    cluster.wait_for_replicas();
    let cache = open(&["+cluster|slots", "+readonly"], "&read_from=replica");
    assert_eq!(cache.get::<String>("a").unwrap().as_deref(), Some("v"));
    // While a slot is on its way: a key that is not there yet is asked for elsewhere.
    let slot = cluster.slot(cache.make_key("asked").unwrap());
    let (from, to) = (cluster.owner(slot), cluster.other_owner(slot));
    cluster.begin_move(slot, to);
    let set = |rights: &[&str]| open(rights, "").set("asked", "v", LIFE);
    let denied = set(&["+cluster|slots"]);
    let done = set(&["+cluster|slots", "+asking", "+multi", "+exec"]);
    cluster.move_keys(slot, to);
    cluster.end_move(slot, to);
    cluster.move_slot(slot, from);
    done.unwrap();
    assert_eq!(fault(denied).kind(), ErrorKind::Auth);
}

#[test]
fn sentinels_need_rights_of_their_own() {
    let watched = Watched::alone();
    let sentinel = &watched.sentinels()[0];
    let guard = ["ACL", "SETUSER", "guard", "reset", "on", ">sesame", "&*"];
    let user = [
        "ACL", "SETUSER", "limited", "reset", "on", ">sesame", "~app:*", "+get", "+role",
    ];
    let _: String = watched.first().run(&user);
    let open = |rights: &[&str]| {
        let _: String = sentinel.ask(&[&guard[..], rights].concat()).unwrap();
        let config = watched
            .config()
            .prefix("app")
            .username("limited")
            .password("sesame");
        config
            .sentinel_username("guard")
            .sentinel_password("sesame")
            .connect()
            .unwrap()
    };
    assert_eq!(open(&["+sentinel"]).get_bytes("k").unwrap(), None);
    assert_eq!(fault(open(&[]).get_bytes("k")).kind(), ErrorKind::Auth);
}
