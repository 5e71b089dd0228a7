//! The first words on a connection, and connections that others open.

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::sync::Arc;

use crate::base::budget::soon;
use crate::config::{Address, Connector, Hooks, Location, Options, Parser, Protocol};
use crate::error::ErrorKind;
use crate::store::{Access, Values};

use super::super::RedisStore;
use super::super::testing::{Server, backend, fake, get, keys, location, quick, set};

fn with(options: Options, change: impl FnOnce(&mut Location), address: Address) -> RedisStore {
    let mut location = location(address);
    change(&mut location);
    RedisStore::new(&options, &[location], &Hooks::default()).unwrap()
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
fn a_database_that_does_not_exist_is_named() {
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
        assert_eq!(error.kind(), ErrorKind::Server);
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
    // The connection that saw the server come up may still count.
    let _only = loop {
        let mut client = UnixStream::connect(server.socket()).unwrap();
        let mut pong = [0; 7];
        let asked = client.write_all(b"PING\r\n");
        if asked.and_then(|()| client.read_exact(&mut pong)).is_ok() && pong == *b"+PONG\r\n" {
            break client;
        }
    };
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
fn the_server_is_told_who_we_are() {
    let server = Server::with(&["--databases", "4"]);
    let options = Options {
        client_name: Some("site".into()),
        ..Options::default()
    };
    let backend = with(options, |location| location.db = Some(3), server.tcp());
    set(&backend, "k", b"v").unwrap();
    let list: String = server.command(&["CLIENT", "LIST"]);
    // What does not say the protocol is a server before 7.0.
    let is_ours = |line: &str| {
        let speaks = line.contains("resp=3") || !line.contains("resp=");
        line.contains("name=site") && line.contains("db=3") && speaks
    };
    assert!(list.lines().any(is_ours), "{list}");
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
    let custom = RedisStore::new(&Options::default(), &[location(server.tcp())], &hooks).unwrap();
    for backend in [parsed, custom] {
        set(&backend, "k", b"1").unwrap();
        assert_eq!(get(&backend, "k").unwrap().unwrap(), b"1");
        assert_eq!(backend.incr(b"k", 1, soon()).unwrap(), Some(2));
        let keys = keys(&["k", "none"]);
        let mut told = Vec::new();
        backend.get_many(&keys, Access::Read, soon(), &mut |place, value, _| {
            told.push((place, value.unwrap().is_some()))
        });
        assert_eq!(told, [(0, true), (1, false)]);
        assert!(
            backend
                .head(b"k", Access::Read, soon())
                .unwrap()
                .unwrap()
                .1
                .now_ms()
                > 0
        );
        assert!(backend.delete(b"k", soon()).unwrap());
    }
}

#[test]
fn what_cannot_be_served_is_said_before_anything_connects() {
    let options = Options::default();
    let open = |locations: &[Location]| {
        RedisStore::new(&options, locations, &Hooks::default()).unwrap_err()
    };
    assert_eq!(open(&[]).kind(), ErrorKind::Config);
    let embedded = open(&[location(Address::Memory(None))]);
    assert_eq!(embedded.kind(), ErrorKind::Config);
}
