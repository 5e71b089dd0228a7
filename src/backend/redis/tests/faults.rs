//! Servers that restart, hang, refuse and lie.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use crate::backend::redis::RedisBackend;
use crate::backend::redis::testing::{Server, backend, body, fake, get, greeting, location, set};
use crate::backend::{Access, Backend, KeyList};
use crate::config::{Address, Connector, Hooks, Location, Options, Parser, Protocol};
use crate::error::{Error, ErrorKind};
use crate::expiry::Life;
use crate::fork::testing::in_child;

fn quick() -> Options {
    Options {
        timeout: Duration::from_millis(300),
        connect_timeout: Duration::from_millis(200),
        ..Options::default()
    }
}

fn with(options: Options, change: impl FnOnce(&mut Location), address: Address) -> RedisBackend {
    let mut location = location(address);
    change(&mut location);
    RedisBackend::new(&options, &[location], &Hooks::default()).unwrap()
}

/// Leaves `count` idle connections in the pool.
fn fill_pool(backend: &RedisBackend, count: usize) {
    let barrier = std::sync::Barrier::new(count);
    std::thread::scope(|scope| {
        for _ in 0..count {
            scope.spawn(|| {
                struct Slow<'a>(&'a std::sync::Barrier);
                impl crate::backend::Sink for Slow<'_> {
                    fn begin(
                        &mut self,
                        _: &[u8],
                        _: usize,
                    ) -> crate::error::Result<crate::backend::Room<'_>> {
                        self.0.wait();
                        Ok(crate::backend::Room::Discard)
                    }
                }
                backend
                    .get(b"k", Access::Read, &mut Slow(&barrier))
                    .unwrap();
            });
        }
    });
    assert_eq!(backend.traffic().connections_idle, count as u64);
}

#[test]
fn a_restarted_server_costs_one_retry_for_all_connections() {
    for address in [Server::unix, Server::tcp] {
        let mut server = Server::start();
        let backend = backend(address(&server), &Options::default());
        set(&backend, "k", b"v").unwrap();
        fill_pool(&backend, 5);
        server.restart();
        assert_eq!(get(&backend, "k").unwrap(), None);
        assert_eq!(
            (
                backend.traffic().retries,
                backend.traffic().connections_open
            ),
            (1, 1)
        );
        set(&backend, "k", b"w").unwrap();
        assert_eq!(get(&backend, "k").unwrap().unwrap(), b"w");
        assert_eq!(backend.traffic().retries, 1);
    }
}

#[test]
fn a_killed_idle_connection_is_replaced_silently() {
    let server = Server::start();
    let backend = server.backend();
    set(&backend, "k", b"1").unwrap();
    let kill = || {
        server.command::<u64>(&["CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes"]);
        std::thread::sleep(Duration::from_millis(15));
    };
    kill();
    assert_eq!(get(&backend, "k").unwrap().unwrap(), b"1");
    kill();
    set(&backend, "k", b"2").unwrap();
    kill();
    assert_eq!(backend.incr(b"k", 1).unwrap(), Some(3));
    kill();
    assert!(!backend.add(b"k", body(b"x"), Life::Forever).unwrap());
    kill();
    let mut keys = KeyList::default();
    keys.push_bytes(b"k");
    let mut stored = false;
    backend.set_many(&keys, &[body(b"9")], Life::Forever, &mut |_, outcome| {
        stored = outcome.unwrap()
    });
    assert!(stored);
}

#[test]
fn a_write_is_not_repeated_after_an_unknown_outcome_and_a_read_is() {
    let counted = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&counted);
    let address = fake(move |connection, command| match command[0].as_slice() {
        b"GET" | b"SET" | b"UNLINK" if connection == 0 => {
            count.fetch_add(1, Ordering::Relaxed);
            None
        }
        b"GET" => Some(b"$1\r\nv\r\n".to_vec()),
        b"UNLINK" => Some(b":1\r\n".to_vec()),
        b"SET" => Some(b"+OK\r\n".to_vec()),
        _ => greeting(command),
    });
    let first = backend(address.clone(), &quick());
    let error = set(&first, "k", b"v").unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Io);
    assert_eq!(first.traffic().retries, 0);
    set(&first, "k", b"v").unwrap();
    assert_eq!(counted.load(Ordering::Relaxed), 1);

    for call in [
        |b: &RedisBackend| get(b, "k").map(drop),
        |b: &RedisBackend| b.delete(b"k").map(drop),
    ] {
        let address = fake(|connection, command| match command[0].as_slice() {
            _ if greeting(command).is_some() => greeting(command),
            _ if connection == 0 => None,
            b"GET" => Some(b"$1\r\nv\r\n".to_vec()),
            _ => Some(b":1\r\n".to_vec()),
        });
        let backend = backend(address, &quick());
        call(&backend).unwrap();
        assert_eq!(backend.traffic().retries, 1);
    }
}

#[test]
fn a_repeated_batch_tells_each_item_once() {
    let address = fake(|connection, command| match command[0].as_slice() {
        b"MGET" if connection == 0 => Some(b"*3\r\n$1\r\na\r\n$1\r\nb\r\n!garbage".to_vec()),
        b"MGET" => Some(b"*3\r\n$1\r\na\r\n$1\r\nb\r\n$-1\r\n".to_vec()),
        _ => greeting(command),
    });
    let backend = backend(address, &quick());
    let mut keys = KeyList::default();
    ["a", "b", "c"]
        .iter()
        .for_each(|key| keys.push_bytes(key.as_bytes()));
    let mut told = Vec::new();
    backend.get_many(&keys, Access::Read, &mut |place, value, _| {
        told.push((place, value.unwrap().map(<[u8]>::to_vec)))
    });
    assert_eq!(
        told,
        [
            (0, Some(b"a".to_vec())),
            (1, Some(b"b".to_vec())),
            (2, None)
        ]
    );
    assert_eq!(backend.traffic().retries, 1);
}

#[test]
fn a_write_batch_that_breaks_off_fails_only_what_was_not_answered() {
    let address = fake(|_, command| match command[0].as_slice() {
        b"SET" => match command[1].as_slice() {
            b"a" => Some(b"+OK\r\n".to_vec()),
            b"b" => Some(b"-OOM command not allowed\r\n".to_vec()),
            _ => None,
        },
        _ => greeting(command),
    });
    let backend = backend(address, &quick());
    let mut keys = KeyList::default();
    ["a", "b", "c", "d"]
        .iter()
        .for_each(|key| keys.push_bytes(key.as_bytes()));
    let mut told = vec![None; 4];
    backend.set_many(
        &keys,
        &[body(b"v"); 4],
        Life::Forever,
        &mut |place, outcome| {
            assert!(
                told[place]
                    .replace(
                        outcome.map_err(|error| (error.kind(), error.code().map(str::to_owned)))
                    )
                    .is_none()
            );
        },
    );
    let told: Vec<_> = told.into_iter().map(Option::unwrap).collect();
    assert_eq!(told[0], Ok(true));
    assert_eq!(told[1], Err((ErrorKind::Server, Some("OOM".to_owned()))));
    assert_eq!(told[2], Err((ErrorKind::Io, None)));
    assert_eq!(told[3], Err((ErrorKind::Io, None)));
}

#[test]
fn a_hung_server_ends_the_call_with_its_budget() {
    let server = Server::start();
    let backend = backend(server.tcp(), &quick());
    set(&backend, "k", b"v").unwrap();
    server.signal(libc::SIGSTOP);
    let begin = Instant::now();
    let error = get(&backend, "k").unwrap_err();
    let took = begin.elapsed();
    server.signal(libc::SIGCONT);
    assert!(error.is_timeout());
    assert!(
        error.to_string().contains("GET: no reply within 300ms"),
        "{error}"
    );
    assert!(
        (Duration::from_millis(290)..Duration::from_millis(450)).contains(&took),
        "{took:?}"
    );
    assert_eq!(backend.traffic().retries, 0);
    assert_eq!(backend.traffic().connections_open, 0);
    assert_eq!(get(&backend, "k").unwrap().unwrap(), b"v");
}

#[test]
fn a_hung_server_is_not_waited_for_longer_than_the_connect_timeout() {
    let server = Server::start();
    let options = Options {
        connect_timeout: Duration::from_millis(100),
        ..quick()
    };
    let backend = backend(server.tcp(), &options);
    server.signal(libc::SIGSTOP);
    let begin = Instant::now();
    let error = get(&backend, "k").unwrap_err();
    let took = begin.elapsed();
    server.signal(libc::SIGCONT);
    assert!(error.is_timeout(), "{error}");
    assert!(took < Duration::from_millis(250), "{took:?}");
}

#[test]
fn the_breaker_refuses_probes_and_opens_again() {
    let mut server = Server::start();
    let options = Options {
        breaker_backoff: Duration::from_millis(80),
        breaker_backoff_max: Duration::from_millis(80),
        ..quick()
    };
    let backend = backend(server.tcp(), &options);
    server.stop();
    for _ in 0..5 {
        assert_eq!(get(&backend, "k").unwrap_err().kind(), ErrorKind::Io);
    }
    let begin = Instant::now();
    let error = get(&backend, "k").unwrap_err();
    assert!(begin.elapsed() < Duration::from_millis(5));
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    assert_eq!(error.node(), Some(server.tcp().to_string().as_str()));
    assert!(error.to_string().contains("tried again in"), "{error}");
    assert_eq!(backend.traffic().refused, 1);
    server.restart();
    std::thread::sleep(Duration::from_millis(90));
    assert_eq!(get(&backend, "k").unwrap(), None);
    assert_eq!(get(&backend, "k").unwrap(), None);
}

#[test]
fn server_errors_do_not_trip_the_breaker() {
    let server = Server::start();
    let backend = server.backend();
    server.command::<()>(&["RPUSH", "list", "a"]);
    for _ in 0..20 {
        assert_eq!(
            get(&backend, "list").unwrap_err().kind(),
            ErrorKind::WrongType
        );
    }
    assert_eq!(backend.traffic().refused, 0);
}

#[test]
fn a_server_that_is_loading_is_asked_again_within_the_budget() {
    for refusal in [
        "LOADING Redis is loading the dataset in memory",
        "READONLY You can't write",
        "TRYAGAIN later",
    ] {
        let asked = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&asked);
        let address = fake(move |_, command| match command[0].as_slice() {
            b"SET" | b"MGET" | b"PING" if count.fetch_add(1, Ordering::Relaxed) % 3 != 2 => {
                Some(format!("-{refusal}\r\n").into_bytes())
            }
            b"SET" | b"PING" => Some(b"+OK\r\n".to_vec()),
            b"MGET" => Some(b"*1\r\n$1\r\nv\r\n".to_vec()),
            _ => greeting(command),
        });
        let backend = backend(address, &Options::default());
        set(&backend, "k", b"v").unwrap();
        backend.ping().unwrap();
        let mut keys = KeyList::default();
        keys.push_bytes(b"k");
        let mut told = 0;
        backend.get_many(&keys, Access::Read, &mut |_, value, _| {
            told += value.unwrap().unwrap().len()
        });
        assert_eq!((told, asked.load(Ordering::Relaxed)), (1, 9));
        assert_eq!(backend.traffic().connections_open, 1);
    }
}

#[test]
fn a_server_that_goes_on_loading_is_reported_when_the_budget_is_spent() {
    let address = fake(|_, command| match greeting(command) {
        Some(reply) => Some(reply),
        None => Some(b"-LOADING Redis is loading the dataset in memory\r\n".to_vec()),
    });
    let backend = backend(address, &quick());
    let begin = Instant::now();
    let error = get(&backend, "k").unwrap_err();
    assert!((Duration::from_millis(200)..Duration::from_millis(400)).contains(&begin.elapsed()));
    assert_eq!(error.code(), Some("LOADING"));
    let mut keys = KeyList::default();
    keys.push_bytes(b"k");
    let mut codes = Vec::new();
    backend.delete_many(&keys, &mut |_, outcome| {
        codes.push(outcome.unwrap_err().code().map(str::to_owned))
    });
    assert_eq!(codes, [Some("LOADING".to_owned())]);
}

#[test]
fn a_full_server_is_reported_at_once() {
    let server = Server::with(&["--maxmemory", "1", "--maxmemory-policy", "noeviction"]);
    let backend = server.backend();
    for error in [
        set(&backend, "k", b"v").unwrap_err(),
        backend.add(b"k", body(b"v"), Life::Forever).unwrap_err(),
        backend
            .incr_or_create(b"k", 1, 1, Life::Forever)
            .unwrap_err(),
    ] {
        assert_eq!(error.code(), Some("OOM"), "{error}");
        assert!(error.is_unavailable());
    }
}

#[test]
fn passwords_are_used_and_their_refusal_is_told_without_them() {
    let server = Server::with(&[
        "--requirepass",
        "sesame",
        "--user",
        "eve",
        "on",
        ">secret",
        "~*",
        "+@all",
    ]);
    for protocol in [Protocol::Auto, Protocol::Resp2, Protocol::Resp3] {
        let options = Options {
            protocol,
            ..Options::default()
        };
        let open = |username: Option<&str>, password: Option<&str>| {
            let change = |location: &mut Location| {
                location.username = username.map(str::to_owned);
                location.password = password.map(str::to_owned);
            };
            with(options.clone(), change, server.unix())
        };
        set(&open(None, Some("sesame")), "k", b"v").unwrap();
        set(&open(Some("eve"), Some("secret")), "k", b"v").unwrap();
        for (username, password) in [
            (None, Some("guess")),
            (Some("eve"), Some("guess")),
            (None, None),
        ] {
            let backend = open(username, password);
            for _ in 0..7 {
                let error = get(&backend, "k").unwrap_err();
                assert_eq!(error.kind(), ErrorKind::Auth, "{error}");
                assert_eq!(error.node(), Some(server.unix().to_string().as_str()));
                assert!(!error.to_string().contains("guess"), "{error}");
            }
        }
    }
    let error = get(&server.backend(), "k").unwrap_err();
    assert!(
        error
            .to_string()
            .ends_with("NOAUTH the server asks for a password, and none is configured"),
        "{error}"
    );
}

#[test]
fn a_database_that_does_not_exist_is_a_matter_of_configuration() {
    let server = Server::with(&["--databases", "2"]);
    for protocol in [Protocol::Auto, Protocol::Resp2] {
        let backend = with(
            Options {
                protocol,
                ..Options::default()
            },
            |location| location.db = Some(7),
            server.unix(),
        );
        let error = get(&backend, "k").unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Config);
        assert!(
            error.to_string().contains("the server has no database 7"),
            "{error}"
        );
    }
}

#[test]
fn a_server_without_hello_is_spoken_to_in_resp2() {
    let seen = Arc::new(std::sync::Mutex::new(Vec::new()));
    let log = Arc::clone(&seen);
    let address = fake(move |_, command| {
        let text = String::from_utf8_lossy(&command.join(&b' ')).into_owned();
        log.lock().unwrap().push(text.clone());
        let is_in = log
            .lock()
            .unwrap()
            .iter()
            .any(|text| text == "AUTH eve secret");
        Some(match command[0].as_slice() {
            b"HELLO" => {
                format!("-ERR unknown command `HELLO`, with args beginning with: `{text}`\r\n")
                    .into_bytes()
            }
            b"AUTH" => b"+OK\r\n".to_vec(),
            _ if !is_in => b"-NOAUTH Authentication required.\r\n".to_vec(),
            b"SELECT" => b"+OK\r\n".to_vec(),
            b"GET" => b"$1\r\nv\r\n".to_vec(),
            _ => b"-ERR unknown command\r\n".to_vec(),
        })
    });
    let login = |location: &mut Location| {
        location.username = Some("eve".into());
        location.password = Some("secret".into());
        location.db = Some(1);
    };
    let backend = with(quick(), login, address.clone());
    assert_eq!(get(&backend, "k").unwrap().unwrap(), b"v");
    let log = seen.lock().unwrap().join("|");
    assert!(
        log.starts_with("HELLO 3 AUTH eve secret|SELECT 1|CLIENT SETINFO"),
        "{log}"
    );
    assert!(
        log.contains("TIME|AUTH eve secret|SELECT 1|CLIENT SETINFO"),
        "{log}"
    );

    let only_3 = with(
        Options {
            protocol: Protocol::Resp3,
            ..quick()
        },
        login,
        address,
    );
    let error = get(&only_3, "k").unwrap_err();
    assert!(
        error
            .to_string()
            .contains("the server does not speak RESP3"),
        "{error}"
    );
    assert!(!error.to_string().contains("secret"), "{error}");
}

#[test]
fn a_server_that_turns_everyone_away_is_unavailable() {
    let server = Server::with(&["--maxclients", "1"]);
    let backend = server.backend();
    let _only = std::os::unix::net::UnixStream::connect(server.socket()).unwrap();
    std::thread::sleep(Duration::from_millis(20));
    let error = get(&backend, "k").unwrap_err();
    // Whether its last words arrive before the reset is up to the kernel.
    assert!(error.is_unavailable(), "{error:?}");
}

#[test]
fn what_is_no_redis_is_told() {
    let address = fake(|_, _| Some(b"HTTP/1.1 400 Bad Request\r\n\r\n".to_vec()));
    let error = get(&backend(address, &quick()), "k").unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Io);
    assert!(error.to_string().contains("HTTP/1.1 400"), "{error}");
}

#[test]
fn a_reply_of_the_wrong_shape_closes_the_connection() {
    let address = fake(|_, command| greeting(command).or(Some(b"+OK\r\n".to_vec())));
    let backend = backend(address, &quick());
    let error = backend.incr(b"k", 1).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Io);
    assert_eq!(backend.traffic().connections_open, 0);
}

#[test]
fn a_forked_child_uses_connections_of_its_own() {
    let server = Server::start();
    let backend = server.backend();
    set(&backend, "parent", b"1").unwrap();
    fill_pool_with(&backend);
    assert!(in_child(|| {
        assert_eq!(backend.traffic().connections_open, 0);
        for _ in 0..50 {
            assert_eq!(get(&backend, "parent").unwrap().unwrap(), b"1");
            set(&backend, "child", b"2").unwrap();
        }
    }));
    for _ in 0..50 {
        assert_eq!(get(&backend, "parent").unwrap().unwrap(), b"1");
        assert_eq!(get(&backend, "child").unwrap().unwrap(), b"2");
    }
    assert_eq!(backend.traffic().retries, 0);
}

fn fill_pool_with(backend: &RedisBackend) {
    set(backend, "k", b"v").unwrap();
    fill_pool(backend, 3);
}

#[test]
fn forks_amid_busy_threads_leave_children_that_work() {
    let server = Server::start();
    let backend = server.backend();
    set(&backend, "k", b"v").unwrap();
    let working = std::sync::atomic::AtomicBool::new(true);
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                while working.load(Ordering::Relaxed) {
                    assert_eq!(get(&backend, "k").unwrap().unwrap(), b"v");
                }
            });
        }
        let all_worked =
            (0..30).all(|_| in_child(|| assert_eq!(get(&backend, "k").unwrap().unwrap(), b"v")));
        working.store(false, Ordering::Relaxed);
        assert!(all_worked);
    });
}

#[test]
fn the_other_parser_and_a_connector_serve_as_well() {
    let server = Server::start();
    let connector = Connector::new(|info: &redis::ConnectionInfo| {
        redis::Client::open(info.clone())?.get_connection()
    });
    let hooks = Hooks {
        connector: Some(connector),
        ..Hooks::default()
    };
    let parsed = backend(
        server.unix(),
        &Options {
            parser: Parser::Redis,
            ..Options::default()
        },
    );
    let custom = RedisBackend::new(&Options::default(), &[location(server.tcp())], &hooks).unwrap();
    for backend in [parsed, custom] {
        set(&backend, "k", b"1").unwrap();
        assert_eq!(get(&backend, "k").unwrap().unwrap(), b"1");
        assert_eq!(backend.incr(b"k", 1).unwrap(), Some(2));
        let mut keys = KeyList::default();
        ["k", "none"]
            .iter()
            .for_each(|key| keys.push_bytes(key.as_bytes()));
        let mut told = Vec::new();
        backend.get_many(&keys, Access::Read, &mut |place, value, _| {
            told.push((place, value.unwrap().is_some()))
        });
        assert_eq!(told, [(0, true), (1, false)]);
        assert!(
            backend
                .head(b"k", Access::Read)
                .unwrap()
                .unwrap()
                .1
                .now_ms()
                > 0
        );
        assert!(backend.delete(b"k").unwrap());
    }
}

#[test]
fn a_panic_in_the_middle_of_a_reply_costs_that_connection_only() {
    struct Panics;
    impl crate::backend::Sink for Panics {
        fn begin(&mut self, _: &[u8], _: usize) -> crate::error::Result<crate::backend::Room<'_>> {
            std::panic::resume_unwind(Box::new(()))
        }
    }
    let server = Server::start();
    let backend = backend(
        server.unix(),
        &Options {
            max_connections: 1,
            ..Options::default()
        },
    );
    set(&backend, "k", b"v").unwrap();
    for _ in 0..3 {
        let call = std::panic::AssertUnwindSafe(|| backend.get(b"k", Access::Read, &mut Panics));
        assert!(std::panic::catch_unwind(call).is_err());
    }
    assert_eq!(get(&backend, "k").unwrap().unwrap(), b"v");
}

#[test]
fn the_refusal_of_a_sink_is_no_fault_of_the_node() {
    struct Refuses;
    impl crate::backend::Sink for Refuses {
        fn begin(&mut self, _: &[u8], _: usize) -> crate::error::Result<crate::backend::Room<'_>> {
            Err(Error::new(ErrorKind::Decode, "unwanted"))
        }
    }
    let server = Server::start();
    let backend = server.backend();
    set(&backend, "small", b"v").unwrap();
    set(&backend, "large", &vec![0; 1_000_000]).unwrap();
    for _ in 0..7 {
        for key in ["small", "large"] {
            let error = backend
                .get(key.as_bytes(), Access::Read, &mut Refuses)
                .unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Decode);
        }
    }
    assert_eq!(
        (backend.traffic().retries, backend.traffic().refused),
        (0, 0)
    );
    assert_eq!(get(&backend, "small").unwrap().unwrap(), b"v");
}

#[test]
fn what_cannot_be_served_is_said_before_anything_connects() {
    let options = Options::default();
    let two = [
        location(Address::Unix("/a".into())),
        location(Address::Unix("/b".into())),
    ];
    let open = |locations: &[Location]| {
        RedisBackend::new(&options, locations, &Hooks::default()).unwrap_err()
    };
    assert!(
        open(&two)
            .to_string()
            .contains("this version serves one server; 2 locations are given")
    );
    assert_eq!(open(&[]).kind(), ErrorKind::Config);
    let mut tls = location(Address::Tcp {
        host: "h".into(),
        port: 1,
    });
    tls.tls = true;
    assert_eq!(open(&[tls]).kind(), ErrorKind::Unsupported);
}
