//! Commands that go out with the greeting of the connection that is opened for them.

use std::io::{BufReader, Write};
use std::net::TcpListener;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use crate::base::budget::{Budget, minute};
use crate::config::{Address, Hooks, Location, Options, Protocol};
use crate::error::ErrorKind;
use crate::store::{Access, Store, Values};

use super::super::RedisStore;
use super::super::testing::{
    Cut, Server, Way, backend, fake, get, get_within, greeting, keys, location, read_command, set,
    set_within,
};

fn with(options: Options, change: impl FnOnce(&mut Location), address: Address) -> RedisStore {
    let mut location = location(address);
    change(&mut location);
    RedisStore::new(&options, &[location], &Hooks::default()).unwrap()
}

/// A server that says of every connection whether anything stood behind the greeting when that had been read.
fn watched() -> (Address, Arc<Mutex<Vec<bool>>>) {
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let port = listener.local_addr().unwrap().port();
    let seen: Arc<Mutex<Vec<bool>>> = Arc::default();
    let log = Arc::clone(&seen);
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let (mut stream, log) = (stream.unwrap(), Arc::clone(&log));
            std::thread::spawn(move || {
                let mut reader = BufReader::new(stream.try_clone().unwrap());
                while let Some(command) = read_command(&mut reader) {
                    let reply = match command[0].as_slice() {
                        b"GET" => b"$1\r\nv\r\n".to_vec(),
                        b"UNLINK" => b":1\r\n".to_vec(),
                        _ => greeting(&command).unwrap_or_else(|| b"+OK\r\n".to_vec()),
                    };
                    if command[0] == b"TIME" {
                        log.lock().unwrap().push(!reader.buffer().is_empty());
                    }
                    if stream.write_all(&reply).is_err() {
                        return;
                    }
                }
            });
        }
    });
    let host = "127.0.0.1".into();
    (Address::Tcp { host, port }, seen)
}

/// It says nothing at all before it has heard everything.
#[test]
fn a_cold_get_is_one_round_trip() {
    let held: Arc<Mutex<Vec<u8>>> = Arc::default();
    let address = fake(move |_, command| {
        let mut held = held.lock().unwrap();
        if command[0] != b"GET" {
            held.extend(greeting(command).unwrap());
            return Some(Vec::new());
        }
        held.extend(b"$1\r\nv\r\n");
        Some(std::mem::take(&mut *held))
    });
    let backend = backend(address, &Options::default());
    for _ in 0..2 {
        let found = get_within(&backend, "k", minute()).unwrap();
        assert_eq!(found.as_deref(), Some(&b"v"[..]));
    }
}

#[test]
fn only_what_may_be_sent_again_goes_along_and_only_where_nothing_has_to_be_settled_first() {
    let deletes = |store: &RedisStore| assert!(store.delete(b"k", minute()).unwrap());
    let gets = |store: &RedisStore| assert!(get_within(store, "k", minute()).unwrap().is_some());
    let sets = |store: &RedisStore| set_within(store, "k", b"v", minute()).unwrap();
    type Does<'a> = &'a dyn Fn(&RedisStore);
    type Changes<'a> = &'a dyn Fn(&mut Location);
    let cases: [(Does<'_>, Changes<'_>, bool); 5] = [
        (&gets, &|_| {}, true),
        (&deletes, &|_| {}, true),
        (
            &gets,
            &|location| location.password = Some("p".into()),
            true,
        ),
        (&sets, &|_| {}, false),
        (&gets, &|location| location.db = Some(1), false),
    ];
    for (number, (does, change, goes)) in cases.into_iter().enumerate() {
        for protocol in [Protocol::Auto, Protocol::Resp2] {
            let (address, seen) = watched();
            let options = Options {
                protocol,
                ..Options::default()
            };
            does(&with(options, change, address));
            assert_eq!(*seen.lock().unwrap(), [goes], "{number}, {protocol:?}");
        }
    }
}

/// Every GET is answered with the number of GETs that there were.
#[test]
fn a_server_without_hello_answers_what_went_along_once_or_again_after_the_login() {
    for (password, expected) in [(None, ["1", "2"]), (Some("secret"), ["2", "3"])] {
        let count = AtomicUsize::new(0);
        let address = fake(move |_, command| {
            Some(match command[0].as_slice() {
                b"HELLO" => b"-ERR unknown command 'HELLO'\r\n".to_vec(),
                b"GET" => {
                    let number = count.fetch_add(1, Ordering::SeqCst) + 1;
                    format!("$1\r\n{number}\r\n").into_bytes()
                }
                _ => greeting(command).unwrap(),
            })
        });
        let login = |location: &mut Location| location.password = password.map(str::to_owned);
        let backend = with(Options::default(), login, address);
        for number in expected {
            let found = get(&backend, "k").unwrap();
            assert_eq!(found.as_deref(), Some(number.as_bytes()));
        }
    }
}

/// What was refused was not done; what may have been done counts as done.
#[test]
fn a_delete_that_went_along_before_a_login_is_told_as_it_was() {
    for (before, after, existed) in [
        ("-NOAUTH Authentication required.\r\n", ":0\r\n", false),
        ("-NOAUTH Authentication required.\r\n", ":1\r\n", true),
        (":1\r\n", ":0\r\n", true),
    ] {
        let is_in = Mutex::new(false);
        let address = fake(move |_, command| {
            let mut is_in = is_in.lock().unwrap();
            *is_in |= command[0] == b"AUTH";
            Some(match command[0].as_slice() {
                b"HELLO" => b"-ERR unknown command 'HELLO'\r\n".to_vec(),
                b"UNLINK" if *is_in => after.as_bytes().to_vec(),
                b"UNLINK" => before.as_bytes().to_vec(),
                _ => greeting(command).unwrap(),
            })
        });
        let login = |location: &mut Location| location.password = Some("secret".into());
        let backend = with(Options::default(), login, address);
        assert_eq!(backend.delete(b"k", minute()).unwrap(), existed);
    }
}

/// Every value is the name of its key.
#[test]
fn a_call_that_takes_up_an_opening_does_not_get_the_reply_of_the_one_that_gave_it_up() {
    let is_first = Mutex::new(true);
    let (gave_up, wait) = std::sync::mpsc::channel::<()>();
    let wait = Mutex::new(wait);
    let address = fake(move |_, command| {
        if command[0] == b"HELLO" && std::mem::take(&mut *is_first.lock().unwrap()) {
            wait.lock().unwrap().recv().unwrap();
        }
        Some(match command[0].as_slice() {
            b"GET" => [b"$1\r\n", &command[1][..], b"\r\n"].concat(),
            _ => greeting(command).unwrap(),
        })
    });
    let options = Options {
        timeout: Duration::from_secs(60),
        connect_timeout: Duration::from_secs(60),
        ..Options::default()
    };
    let backend = backend(address, &options);
    let error = get_within(&backend, "a", Budget::new(Duration::from_millis(50))).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Timeout);
    gave_up.send(()).unwrap();
    for key in ["b", "c"] {
        let found = get_within(&backend, key, minute()).unwrap();
        assert_eq!(found.as_deref(), Some(key.as_bytes()));
    }
    assert_eq!(backend.traffic().connections_open, 1);
}

#[test]
fn a_large_value_comes_behind_a_greeting() {
    let server = Server::start();
    let value = vec![b'x'; 3 << 20];
    set(&server.backend(), "large", &value).unwrap();
    assert_eq!(
        get(&server.backend(), "large").unwrap(),
        Some(value.clone())
    );
    let mut found = 0;
    let (cold, names) = (server.backend(), keys(&["large", "none"]));
    cold.get_many(&names, Access::Read, minute(), &mut |_, item, _| {
        found += item.unwrap().map_or(0, <[u8]>::len);
    });
    assert_eq!(found, value.len());
}

#[test]
fn a_cold_connection_that_is_cut_anywhere_gives_its_own_reply_or_none() {
    let server = Server::start();
    set(&server.backend(), "k", b"value").unwrap();
    let mut cuts = 0;
    for at in 0..500 {
        for cut in [Cut::Request(at), Cut::Reply(at)] {
            let way = Way::to(server.socket());
            let backend = backend(way.address(), &Options::default());
            way.arm(cut);
            match get(&backend, "k") {
                Ok(found) => assert_eq!(found.as_deref(), Some(&b"value"[..]), "{cut:?}"),
                Err(error) => assert_eq!(error.kind(), ErrorKind::Io, "{cut:?}: {error}"),
            }
            cuts += usize::from(way.is_cut());
            for _ in 0..2 {
                let found = get(&backend, "k").unwrap();
                assert_eq!(found.as_deref(), Some(&b"value"[..]), "{cut:?}");
            }
        }
    }
    assert!(cuts > 400, "{cuts}");
}

#[test]
fn a_wrong_password_is_told_and_what_went_along_is_not_read() {
    let server = Server::with(&["--requirepass", "sesame"]);
    for password in ["guess", "sesame"] {
        let login = |location: &mut Location| location.password = Some(password.into());
        let backend = with(Options::default(), login, server.unix());
        match get(&backend, "k") {
            Ok(found) => assert_eq!((password, found), ("sesame", None)),
            Err(error) => assert_eq!((password, error.kind()), ("guess", ErrorKind::Auth)),
        }
    }
    assert_eq!(
        server.backend().delete(b"k", minute()).unwrap_err().kind(),
        ErrorKind::Auth
    );
}
