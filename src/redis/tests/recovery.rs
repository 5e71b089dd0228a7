//! What one answer and one fault prove, and what they cost: connections end where they lead astray, the others stay, and a
//! node that cannot serve is left alone.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use crate::base::budget::{Budget, minute, quickly, soon};
use crate::base::fork::testing::in_child;
use crate::config::{Hooks, Options};
use crate::error::{Error, ErrorKind, Result};
use crate::redis::command::server::Everyone;
use crate::store::{Access, Store, Values};

use super::super::RedisStore;
use super::super::testing::{
    MINUTE, Server, Way, backend, body, fake, fill_pool, get, get_within, greeting, keys, location,
    quick, set,
};

const PATIENT: Duration = Duration::from_secs(30);

/// Once closed off, a node stays so for the rest of the test.
fn closing_off(failures: u32) -> Options {
    Options {
        breaker_failures: failures,
        breaker_backoff: Duration::from_secs(600),
        breaker_backoff_max: Duration::from_secs(600),
        ..Options::default()
    }
}

/// What every key of one MSET came to.
fn set_two(backend: &RedisStore) -> Vec<Result<bool>> {
    let mut outcomes = Vec::new();
    let values = [(body(b"1"), MINUTE), (body(b"2"), MINUTE)];
    backend.set_many(&keys(&["a", "b"]), &values, soon(), &mut |_, outcome| {
        outcomes.push(outcome);
    });
    outcomes
}

/// It connected 5 300 times a second.
#[test]
fn a_wrong_password_is_told_from_memory() {
    let server = Server::start();
    server.command::<()>(&["ACL", "SETUSER", "app", "on", ">right", "~*", "+@all"]);
    let mut login = location(server.tcp());
    login.username = Some("app".into());
    login.password = Some("wrong".into());
    let backend = RedisStore::new(&closing_off(5), &[login], &Hooks::default()).unwrap();
    let received = || {
        let stats: String = server.command(&["INFO", "stats"]);
        let count = stats
            .lines()
            .find_map(|line| line.strip_prefix("total_connections_received:"));
        count.unwrap().parse::<usize>().unwrap()
    };
    let before = received();
    for _ in 0..1000 {
        let error = get(&backend, "k").unwrap_err();
        assert_eq!(
            (error.kind(), error.code()),
            (ErrorKind::Auth, Some("WRONGPASS"))
        );
        assert_eq!(error.command(), Some("AUTH"));
        assert!(!error.is_unavailable(), "`on_error=miss` does not hide it");
    }
    assert_eq!(received() - before, 5 + 1);
    let error = get(&backend, "k").unwrap_err().to_string();
    assert!(
        error.contains("not asked again: it failed 5 times"),
        "{error}"
    );
}

#[test]
fn a_missing_db_is_told_from_memory() {
    let server = Server::start();
    let mut place = location(server.tcp());
    place.db = Some(99);
    let backend = RedisStore::new(&closing_off(2), &[place], &Hooks::default()).unwrap();
    for _ in 0..20 {
        let error = get(&backend, "k").unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Server);
        assert!(error.to_string().contains("has no database 99"), "{error}");
    }
    assert!(backend.traffic().refused >= 18);
}

/// Each call took its whole budget, a second.
#[test]
fn a_server_that_loads_is_left_alone_after_the_first_few_calls() {
    for refusal in [
        "LOADING Redis is loading the dataset in memory",
        "MASTERDOWN Link with MASTER is down",
    ] {
        let heard = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&heard);
        let address = fake(move |_, command| match command[0].as_slice() {
            b"GET" | b"MGET" => {
                count.fetch_add(1, Ordering::Relaxed);
                Some(format!("-{refusal}\r\n").into_bytes())
            }
            _ => greeting(command),
        });
        let options = Options {
            timeout: Duration::from_secs(20),
            ..closing_off(5)
        };
        let alone = backend(address.clone(), &options);
        let error = get_within(&alone, "k", minute()).unwrap_err();
        assert!(error.is_unavailable(), "{error:?}");
        for _ in 0..1000 {
            let error = get(&alone, "k").unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Unavailable);
            assert!(error.to_string().contains(refusal), "{error}");
        }
        assert_eq!(heard.swap(0, Ordering::Relaxed), 5);

        let server = Server::start();
        let both = [location(address), location(server.tcp())];
        let ring = RedisStore::new(&options, &both, &Hooks::default()).unwrap();
        let names: Vec<String> = (0..40).map(|number| format!("key {number}")).collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        for _ in 0..100 {
            let (mut missed, mut failed) = (0, 0);
            ring.get_many(
                &keys(&names),
                Access::Read,
                minute(),
                &mut |_, outcome, _| match outcome {
                    Ok(_) => missed += 1,
                    Err(error) => {
                        assert!(error.is_unavailable(), "{error:?}");
                        failed += 1;
                    }
                },
            );
            assert!(missed > 0 && failed > 0 && missed + failed == 40);
        }
        assert_eq!(
            heard.load(Ordering::Relaxed),
            5,
            "a window of many keys counts once"
        );
    }
}

/// Every call was refused for ever: "failed 0 times in a row".
#[test]
fn one_fault_among_many_threads_is_over_with_the_first_success() {
    let is_well = Arc::new(AtomicBool::new(false));
    let shared = Arc::clone(&is_well);
    let address = fake(move |_, command| match command[0].as_slice() {
        b"INCRBY" | b"EVALSHA" | b"SET" => {
            shared.load(Ordering::Relaxed).then(|| b"+OK\r\n".to_vec())
        }
        _ => greeting(command),
    });
    let options = Options {
        breaker_failures: 1,
        breaker_backoff: Duration::from_millis(1),
        breaker_backoff_max: Duration::from_millis(1),
        ..Options::default()
    };
    let backend = backend(address, &options);
    std::thread::scope(|scope| {
        for _ in 0..12 {
            scope.spawn(|| {
                let begin = Instant::now();
                while set(&backend, "k", b"v").is_err() {
                    is_well.store(true, Ordering::Relaxed);
                    assert!(begin.elapsed() < PATIENT, "{:?}", set(&backend, "k", b"v"));
                }
            });
        }
    });
    set(&backend, "k", b"v").unwrap();
}

/// What a process lacks was held against the node.
#[test]
fn a_lack_of_descriptors_is_no_evidence_against_a_node() {
    let server = Server::start();
    let backend = backend(server.unix(), &closing_off(1));
    assert!(in_child(|| {
        let mut limit = libc::rlimit {
            rlim_cur: 0,
            rlim_max: 0,
        };
        // SAFETY: plain calls; the limit is this child's.
        unsafe { libc::getrlimit(libc::RLIMIT_NOFILE, &mut limit) };
        let none = libc::rlimit {
            rlim_cur: 0,
            ..limit
        };
        // SAFETY: the same.
        unsafe { libc::setrlimit(libc::RLIMIT_NOFILE, &none) };
        let error = get(&backend, "k").unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Io);
        // SAFETY: the same.
        unsafe { libc::setrlimit(libc::RLIMIT_NOFILE, &limit) };
        assert_eq!(get(&backend, "k").unwrap(), None);
    }));
}

#[test]
fn a_connect_that_was_cut_short_is_no_evidence_against_a_node() {
    let address = fake(|_, _| Some(Vec::new()));
    let ask = |backend: &RedisStore, time| {
        let node = backend.fleet.topology.all().remove(0);
        let failed = node
            .run(0, Budget::new(time), &mut Everyone::Ping)
            .unwrap_err();
        assert!(failed.error.is_timeout(), "{:?}", failed.error);
        node.is_failing()
    };
    let patient = backend(address.clone(), &Options::default());
    assert!(!ask(&patient, Duration::from_millis(20)));
    // Nobody has more time than a whole call.
    let hasty = backend(
        address,
        &Options {
            timeout: Duration::from_millis(40),
            ..Options::default()
        },
    );
    assert!(ask(&hasty, Duration::from_millis(40)));
}

/// All sixteen were opened anew.
#[test]
fn one_reset_costs_one_connection() {
    let (opened, has_broken) = (Arc::new(AtomicUsize::new(0)), AtomicBool::new(false));
    let count = Arc::clone(&opened);
    let address = fake(move |connection, command| match command[0].as_slice() {
        b"GET" if command[1] == b"breaks" && !has_broken.swap(true, Ordering::Relaxed) => None,
        b"GET" => Some(b"$1\r\nv\r\n".to_vec()),
        _ => {
            count.fetch_max(connection + 1, Ordering::Relaxed);
            greeting(command)
        }
    });
    let backend = backend(address, &Options::default());
    fill_pool(&backend, 16);
    assert_eq!(get(&backend, "breaks").unwrap().unwrap(), b"v");
    fill_pool(&backend, 16);
    assert_eq!(opened.load(Ordering::Relaxed), 17);
}

#[test]
fn a_timeout_costs_one_connection() {
    let address = fake(|_, command| match command[0].as_slice() {
        b"GET" if command[1] == b"hangs" => Some(Vec::new()),
        b"GET" => Some(b"$1\r\nv\r\n".to_vec()),
        _ => greeting(command),
    });
    let backend = backend(address, &quick());
    fill_pool(&backend, 4);
    let error = get_within(&backend, "hangs", quickly()).unwrap_err();
    assert!(error.is_timeout());
    assert_eq!(backend.traffic().connections_idle, 3);
}

/// They were half closed for ever, and counted as open.
#[test]
fn what_the_server_closed_is_not_open() {
    let server = Server::start();
    let backend = backend(server.tcp(), &Options::default());
    set(&backend, "k", b"v").unwrap();
    fill_pool(&backend, 16);
    server.command::<()>(&["CONFIG", "SET", "timeout", "1"]);
    let begin = Instant::now();
    while backend.traffic().connections_open > 1 {
        get(&backend, "k").unwrap();
        assert!(begin.elapsed() < PATIENT, "{:?}", backend.traffic());
        std::thread::sleep(Duration::from_millis(5));
    }
    assert_eq!(backend.traffic().retries, 0);
}

#[test]
fn a_set_after_a_rest_does_not_go_to_a_closed_connection() {
    let server = Server::start();
    let backend = server.backend();
    for value in [b"1", b"2", b"3"] {
        set(&backend, "k", value).unwrap();
        server.command::<u64>(&["CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes"]);
        std::thread::sleep(Duration::from_millis(5));
    }
    assert_eq!(backend.traffic().retries, 0);
}

/// Every write took a second and came back READONLY, for as long as the connections stayed open.
#[test]
fn when_the_name_has_moved_the_next_write_finds_the_new_primary() {
    type Write = fn(&RedisStore);
    let writes: [Write; 2] = [
        |backend| set(backend, "k", b"new").unwrap(),
        |backend| {
            let outcomes = set_two(backend);
            assert!(
                outcomes
                    .iter()
                    .all(|outcome| outcome.as_ref().is_ok_and(|done| *done)),
                "{outcomes:?}"
            );
        },
    ];
    for write in writes {
        for count in [1, 2] {
            let (old, new, other) = (Server::start(), Server::start(), Server::start());
            // Of two nodes, the one that has the key.
            let (name, backend) = loop {
                let name = Way::to(old.socket());
                let locations = [location(name.address()), location(other.tcp())];
                let locations = locations.get(..count).unwrap();
                let backend =
                    RedisStore::new(&Options::default(), locations, &Hooks::default()).unwrap();
                if backend.locate(b"k", soon()).unwrap() == name.address().to_string() {
                    break (name, backend);
                }
            };
            set(&backend, "k", b"v").unwrap();
            fill_pool(&backend, 16);
            name.lead_to(new.socket());
            old.command::<()>(&["REPLICAOF", "127.0.0.1", "1"]);
            write(&backend);
            assert!(new.command::<u64>(&["DBSIZE"]) + other.command::<u64>(&["DBSIZE"]) > 0);
            set(&backend, "k", b"new").unwrap();
            let there: Option<String> = new.command(&["GET", "k"]);
            assert_eq!(there.as_deref(), Some("new"));
            assert_eq!(get(&backend, "k").unwrap().unwrap(), b"new");
        }
    }
}

/// NOAUTH on a connection that was good a moment ago.
#[test]
fn a_connection_that_lost_its_login_is_replaced_and_the_command_sent_once_more() {
    let (heard, opened, lost) = <(Arc<AtomicUsize>, Arc<AtomicUsize>, Arc<AtomicUsize>)>::default();
    let shared = (Arc::clone(&heard), Arc::clone(&opened), Arc::clone(&lost));
    let address = fake(move |connection, command| match command[0].as_slice() {
        b"SET" => {
            shared.0.fetch_add(1, Ordering::Relaxed);
            Some(match connection < shared.2.load(Ordering::Relaxed) {
                true => b"-NOAUTH Authentication required.\r\n".to_vec(),
                false => b"+OK\r\n".to_vec(),
            })
        }
        _ => {
            shared.1.fetch_max(connection + 1, Ordering::Relaxed);
            greeting(command)
        }
    });
    let one = |backend: &RedisStore| set(backend, "k", b"v").unwrap();
    let two = |backend: &RedisStore| {
        let outcomes = set_two(backend);
        assert!(outcomes.iter().all(Result::is_ok), "{outcomes:?}");
    };
    for commands in [1, 2] {
        let write = |backend: &RedisStore| match commands {
            1 => one(backend),
            _ => two(backend),
        };
        let backend = backend(address.clone(), &quick());
        write(&backend);
        lost.store(opened.load(Ordering::Relaxed), Ordering::Relaxed);
        heard.store(0, Ordering::Relaxed);
        write(&backend);
        assert_eq!(heard.load(Ordering::Relaxed), 2 * commands);
        let traffic = backend.traffic();
        assert_eq!((traffic.connections_open, traffic.retries), (1, 1));
    }
}

#[test]
fn a_fresh_connection_without_a_login_is_told_at_once() {
    let heard = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&heard);
    let address = fake(move |_, command| match command[0].as_slice() {
        b"SET" => {
            count.fetch_add(1, Ordering::Relaxed);
            Some(b"-NOAUTH Authentication required.\r\n".to_vec())
        }
        _ => greeting(command),
    });
    let backend = backend(address, &closing_off(3));
    for _ in 0..10 {
        let error: Error = set(&backend, "k", b"v").unwrap_err();
        assert_eq!(
            (error.kind(), error.code()),
            (ErrorKind::Auth, Some("NOAUTH"))
        );
    }
    assert_eq!(heard.load(Ordering::Relaxed), 3);
    assert_eq!(backend.traffic().connections_open, 0);
}
