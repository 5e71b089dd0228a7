//! Users and passwords, wherever they are said.

use redis_cache::{Cache, Config, ErrorKind, Expiry};

use crate::common::launcher::lacks_tls;
use crate::common::server::Server;
use crate::common::{eventually, fault};

/// A server that knows bob by no password and by any, and eve by one.
fn server() -> Server {
    let server = Server::start();
    let all = ["~*", "&*", "+@all"];
    for user in [&["bob", "on", "nopass"], &["eve", "on", ">sesame"]] {
        let rule = [&["ACL", "SETUSER"][..], user, &all].concat();
        let _: String = server.run(&rule);
    }
    server
}

fn who(cache: &Cache, server: &Server) -> Vec<String> {
    cache.set("k", &1, Expiry::Default).unwrap();
    let user = |line: String| {
        let mut words = line.split(' ');
        words.find_map(|word| word.strip_prefix("user=").map(str::to_owned))
    };
    let users = server.clients().into_iter().filter_map(user).collect();
    cache.close();
    // A process that another test starts just now holds the socket a moment longer than this one.
    eventually("the server hears of it", || server.clients().is_empty());
    users
}

fn at(server: &Server, user_info: &str) -> String {
    format!("redis://{user_info}127.0.0.1:{}", server.port())
}

/// It logged in as `default`.
#[test]
fn a_user_without_a_password_logs_in_as_that_user() {
    let server = server();
    for protocol in ["auto", "2", "3"] {
        let options = format!("?protocol={protocol}");
        let in_address = Cache::open(&format!("{}{options}", at(&server, "bob@"))).unwrap();
        assert_eq!(who(&in_address, &server), ["bob"], "{protocol}");
        let in_query = Cache::open(&format!("{}{options}&username=bob", at(&server, ""))).unwrap();
        assert_eq!(who(&in_query, &server), ["bob"], "{protocol}");
    }
    let unix = format!("unix://bob@{}", server.socket().display());
    assert_eq!(who(&Cache::open(&unix).unwrap(), &server), ["bob"]);
    let by_set = Config::new().server(&at(&server, "")).unwrap();
    let by_set = by_set.username("bob").connect().unwrap();
    assert_eq!(who(&by_set, &server), ["bob"]);
}

#[test]
fn a_user_without_a_password_takes_that_of_the_cache() {
    let server = server();
    let config = Config::new().server(&at(&server, "eve@")).unwrap();
    let cache = config.clone().password("sesame").connect().unwrap();
    assert_eq!(who(&cache, &server), ["eve"]);
    // What a location says of itself counts more.
    let own = Config::new().server(&at(&server, "eve:sesame@")).unwrap();
    let cache = own.username("bob").password("guess").connect().unwrap();
    assert_eq!(who(&cache, &server), ["eve"]);
    let wrong = config.password("guess").connect().unwrap();
    let error = fault(wrong.get_bytes("k"));
    assert_eq!(
        (error.kind(), error.code()),
        (ErrorKind::Auth, Some("WRONGPASS"))
    );
}

#[test]
fn a_password_in_the_place_of_the_user_is_explained() {
    let server = Server::with(&["--requirepass", "hunter2"]);
    for protocol in ["auto", "2", "3"] {
        let url = format!("{}?protocol={protocol}", at(&server, "hunter2@"));
        let error = fault(Cache::open(&url).unwrap().get_bytes("k"));
        assert_eq!(error.kind(), ErrorKind::Auth, "{error}");
        let text = error.to_string();
        assert!(
            text.contains("redis://:password@host") && !text.contains("hunter2"),
            "{text}"
        );
    }
}

#[test]
fn two_passwords_for_one_location_are_refused() {
    for (url, options) in [
        ("redis://:a@h?password=b", &[][..]),
        ("redis://:a@h?password_file=/b", &[]),
        ("redis://h?password=a&password_file=/b", &[]),
        ("redis://h?password_file=/a&password_file=/b", &[]),
        ("redis://h", &[("password", "a"), ("password_file", "/b")]),
    ] {
        let config = options
            .iter()
            .fold(Config::new().server(url), |config, (name, value)| {
                config.and_then(|config| config.set(name, value))
            });
        let error = fault(config.and_then(|config| config.connect()));
        assert_eq!(error.kind(), ErrorKind::Config);
        assert!(error.to_string().contains("`password"), "{url}: {error}");
    }
    // Those of the cache are for locations that have none.
    let own = Config::new().server("redis://:a@h").unwrap();
    own.password_file("/b").connect().unwrap();
}

#[test]
fn valkey_has_schemes_of_its_own() {
    let server = Server::start();
    let url = format!("valkey://127.0.0.1:{}/1?prefix=app", server.port());
    let cache = Cache::open(&url).unwrap();
    cache.set("k", &1, Expiry::Default).unwrap();
    assert_eq!(cache.get_int("k").unwrap(), Some(1));
    assert!(cache.where_is("k").unwrap().starts_with("valkey://"));
    if lacks_tls() {
        return;
    }
    let secured = Server::shared_secured();
    let url = secured.tcp().replace("rediss://", "valkeys://");
    Cache::open(&url).unwrap().ping().unwrap();
}
