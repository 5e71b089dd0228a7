//! Passwords and permissions: what is refused is told as such, healed by the server's side alone, and never
//! written down anywhere.

use redis_cache::{Cache, Config, ErrorKind, Expiry};

use crate::common::server::Server;
use crate::common::{eventually, fault, kind};

const DIALECTS: [&[(&str, &str)]; 3] = [&[], &[("protocol", "2")], &[("parser", "redis")]];

fn open(url: &str, options: &[(&str, &str)]) -> Cache {
    let config = Config::new().server(url).unwrap();
    let config = options.iter().fold(config, |config, (name, value)| {
        config.set(name, value).unwrap()
    });
    config.connect().unwrap()
}

#[test]
fn a_missing_password_is_an_auth_error() {
    let server = Server::with(&["--requirepass", "sesame"]);
    for dialect in DIALECTS {
        let cache = open(&server.tcp(), dialect);
        let error = fault(cache.get_bytes("k"));
        assert_eq!(error.kind(), ErrorKind::Auth, "{dialect:?}: {error}");
        assert_eq!(error.node(), Some(&*format!("127.0.0.1:{}", server.port())));
        assert!(error.to_string().to_lowercase().contains("auth"), "{error}");
        assert_eq!(kind(cache.set("k", &1, Expiry::Default)), ErrorKind::Auth);
        assert_eq!(kind(cache.ping()), ErrorKind::Auth);
    }
}

#[test]
fn a_wrong_password_is_an_auth_error_until_it_is_right() {
    let server = Server::with(&["--requirepass", "sesame"]);
    for dialect in DIALECTS {
        let options = [dialect, &[("password", "bean-stalk")]].concat();
        let cache = open(&server.tcp(), &options);
        for _ in 0..3 {
            let error = fault(cache.get_bytes("k"));
            assert_eq!(error.kind(), ErrorKind::Auth, "{dialect:?}: {error}");
            assert!(!error.to_string().contains("bean-stalk"), "{error}");
        }
        let _: String = server.run(&["ACL", "SETUSER", "default", ">bean-stalk"]);
        eventually("the next call works", || {
            match cache.set("k", &1, Expiry::Default) {
                Ok(()) => true,
                Err(error) => panic!("{dialect:?}: {error}"),
            }
        });
        let _: String = server.run(&["ACL", "SETUSER", "default", "<bean-stalk"]);
    }
}

#[test]
fn a_password_that_nobody_asked_for_is_an_auth_error() {
    let server = Server::start();
    for dialect in DIALECTS {
        let options = [
            dialect,
            &[("username", "nobody"), ("password", "bean-stalk")],
        ]
        .concat();
        let error = fault(open(&server.tcp(), &options).get_bytes("k"));
        assert_eq!(error.kind(), ErrorKind::Auth, "{dialect:?}: {error}");
    }
}

#[test]
fn a_denied_command_is_an_auth_error_that_names_it() {
    let server = Server::start();
    let _: String = server.run(&[
        "ACL", "SETUSER", "reader", "on", ">sesame", "~app:*", "&*", "+@all", "-set",
    ]);
    for dialect in DIALECTS {
        let options = [
            dialect,
            &[
                ("username", "reader"),
                ("password", "sesame"),
                ("prefix", "app"),
            ],
        ]
        .concat();
        let cache = open(&server.tcp(), &options);
        assert_eq!(cache.get_bytes("k").unwrap(), None);
        let error = fault(cache.set("k", "private value", Expiry::Default));
        assert_eq!(
            (error.kind(), error.code()),
            (ErrorKind::Auth, Some("NOPERM")),
            "{dialect:?}: {error}"
        );
        assert_eq!(error.command(), Some("SET"));
        assert!(!error.to_string().contains("private value"), "{error}");
        assert_eq!(
            cache.get_bytes("k").unwrap(),
            None,
            "what is allowed goes on"
        );
        let elsewhere = open(&server.tcp(), &options[..options.len() - 1]);
        assert_eq!(
            kind(elsewhere.get_bytes("k")),
            ErrorKind::Auth,
            "a key outside of its pattern"
        );
    }
}

#[test]
fn a_server_that_denies_the_extras_of_the_handshake_is_used_all_the_same() {
    let server = Server::start();
    let _: String = server.run(&[
        "ACL", "SETUSER", "plain", "on", ">sesame", "~*", "&*", "+get", "+set", "+select",
        "+hello", "+auth", "+ping",
    ]);
    for dialect in DIALECTS {
        let more = [
            ("username", "plain"),
            ("password", "sesame"),
            ("client_name", "the-suite"),
            ("db", "1"),
        ];
        let cache = open(&server.tcp(), &[dialect, &more].concat());
        cache
            .set("k", "value", Expiry::Default)
            .unwrap_or_else(|error| panic!("{dialect:?}: {error}"));
        assert_eq!(cache.get::<String>("k").unwrap().as_deref(), Some("value"));
    }
}

#[test]
fn credentials_are_written_down_nowhere() {
    let server = Server::with(&["--requirepass", "other"]);
    let url = format!("redis://some-user:bean-stalk@127.0.0.1:{}", server.port());
    let config = Config::new().server(&url).unwrap();
    let cache = config.connect().unwrap();
    let mut texts = vec![
        format!("{config:?}"),
        format!("{cache:?}"),
        cache.where_is("k").unwrap(),
    ];
    for error in [
        fault(cache.get_bytes("k")),
        fault(cache.ping()),
        fault(cache.incr("k", 1)),
    ] {
        texts.extend([
            error.to_string(),
            format!("{error:?}"),
            format!("{:?}", std::error::Error::source(&error)),
        ]);
    }
    for url in [
        "redis://some-user:bean-stalk@host:port",
        "redis://some-user:bean-stalk@h/1?ttl=x",
        "redi://u:bean-stalk@h",
    ] {
        texts.push(fault(Cache::open(url)).to_string());
    }
    let twice = Config::new()
        .server(&url)
        .unwrap()
        .set("password", "other-stalk");
    texts.extend(
        twice
            .and_then(|config| config.connect())
            .err()
            .map(|error| error.to_string()),
    );
    for text in texts {
        assert!(!text.contains("-stalk"), "{text}");
    }
}
