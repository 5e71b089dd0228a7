//! Options and locations that cannot be used: told at once, by name, with what would be accepted; and locations
//! that the ancestor misread (design, section 11, defect 10).

use redis_cache::{Cache, Config, ErrorKind, Expiry};

use crate::common::fault;
use crate::common::server::Server;

#[test]
fn a_bad_option_is_named_with_its_value_and_what_would_be_accepted() {
    for (option, value, accepted) in [
        ("ttl", "5", "5s"),
        ("ttl", "soon", "ms"),
        ("ttl", "-5s", "ms"),
        ("timeout", "never", "timeout"),
        ("pool_timeout", "never", "pool_timeout"),
        ("connect_timeout", "1", "ms"),
        ("on_error", "ignore", "raise"),
        ("on_decode_error", "explode", "miss"),
        ("key_check", "maybe", "memcached"),
        ("codec", "yaml", "postcard"),
        ("parser", "hiredis", "native"),
        ("protocol", "4", "auto"),
        ("version", "-1", "version"),
        ("version", "one", "version"),
        ("max_connections", "many", "max_connections"),
        ("max_connections", "0", "max_connections"),
        ("memory_limit", "ten", "k"),
        ("max_value", "1x", "m"),
        ("ttl_jitter", "2", "1"),
        ("breaker_failures", "x", "breaker_failures"),
        ("db", "first", "db"),
        ("tls_insecure", "yes", "true"),
        ("on_wait_timeout", "panic", "compute"),
    ] {
        let by_name = fault(Config::new().set(option, value));
        let by_url = fault(Cache::open(&format!("memory://?{option}={value}")));
        for error in [by_name, by_url] {
            assert_eq!(error.kind(), ErrorKind::Config, "{option}={value}: {error}");
            let text = error.to_string();
            for part in [option, value, accepted] {
                assert!(
                    text.contains(part),
                    "{option}={value} is not explained by {part:?}: {text}"
                );
            }
        }
    }
}

#[test]
fn an_unknown_option_is_named() {
    for error in [
        fault(Config::new().set("colour", "red")),
        fault(Cache::open("memory://?colour=red")),
    ] {
        assert_eq!(error.kind(), ErrorKind::Config, "{error}");
        assert!(error.to_string().contains("colour"), "{error}");
    }
}

#[test]
fn a_location_that_cannot_be_used_is_refused_before_anything_connects() {
    for url in [
        "",
        "http://127.0.0.1:6379",
        "redis://",
        "redis://127.0.0.1:99999",
        "redis://127.0.0.1:port",
        "redis://127.0.0.1/one",
        "redis://127.0.0.1/1/2",
        "redis://127.0.0.1/1?db=2",
        "redis://127.0.0.1?ttl=5s&ttl=6s",
        "redis://[::1",
        "unix://",
        "memory://name?prefix",
    ] {
        let error = fault(Cache::open(url));
        assert_eq!(error.kind(), ErrorKind::Config, "{url}: {error}");
        assert!(!error.to_string().is_empty());
    }
    assert_eq!(
        fault(Config::new().connect()).kind(),
        ErrorKind::Config,
        "no location at all"
    );
}

#[test]
fn options_that_disagree_are_refused() {
    let config = Config::new()
        .set("prefix", "a")
        .unwrap()
        .server("memory://?prefix=b");
    let error = fault(config.and_then(|config| config.connect()));
    assert_eq!(error.kind(), ErrorKind::Config, "{error}");
    assert!(error.to_string().contains("prefix"), "{error}");
    let config = Config::new()
        .set("prefix", "a")
        .unwrap()
        .server("memory://?prefix=a")
        .unwrap();
    assert_eq!(
        config.connect().unwrap().make_key("k").unwrap(),
        b"a:1:k",
        "the same twice is no quarrel"
    );
}

#[test]
fn locations_are_read_in_every_spelling() {
    for (url, place) in [
        ("localhost", "localhost"),
        ("localhost:7000", "localhost:7000"),
        ("[::1]:7000", "[::1]:7000"),
        ("redis://[::1]", "[::1]"),
        ("redis://h:7000/1", "h:7000"),
        ("/run/redis.sock", "/run/redis.sock"),
        ("unix:///run/redis.sock?db=2", "/run/redis.sock"),
        ("redis+unix:///run/redis.sock", "/run/redis.sock"),
    ] {
        let cache = Cache::open(url).unwrap_or_else(|error| panic!("{url}: {error}"));
        let shown = cache.where_is("k").unwrap();
        assert!(shown.contains(place), "{url} is shown as {shown}");
    }
}

#[test]
fn options_of_a_query_are_typed_and_percent_decoded() {
    let cache = Cache::open("memory://?prefix=a%2Bb+c%3A&version=7&ttl=never").unwrap();
    assert_eq!(
        cache.make_key("k").unwrap(),
        b"a+b+c::7:k",
        "a plus is a plus"
    );
    cache.set("k", &1, Expiry::Default).unwrap();
    assert_eq!(cache.ttl("k").unwrap(), Some(redis_cache::Ttl::Forever));
}

/// Guards against defect 10 of the ancestor: user names are dropped there, percent-encoded passwords sent as they
/// are, and a comma in a password splits the location.
#[test]
fn credentials_of_a_url_are_decoded_and_sent() {
    let password = "p@ss:w/rd,1%+?#";
    let encoded = "p%40ss%3Aw%2Frd%2C1%25+%3F%23";
    let server = Server::start();
    let secret = format!(">{password}");
    let _: String = server.run(&[
        "ACL", "SETUSER", "app.user", "on", &secret, "~*", "&*", "+@all",
    ]);
    let _: String = server.run(&["ACL", "SETUSER", "default", "off"]);
    let port = server.port();
    let cache = Cache::open(&format!("redis://app%2Euser:{encoded}@127.0.0.1:{port}/2")).unwrap();
    cache.set("k", "value", Expiry::Default).unwrap();
    assert_eq!(cache.get::<String>("k").unwrap().as_deref(), Some("value"));
    let by_option = Config::new()
        .server(&format!("redis://127.0.0.1:{port}/2"))
        .unwrap();
    let by_option = by_option
        .set("username", "app.user")
        .unwrap()
        .set("password", password)
        .unwrap();
    assert_eq!(
        by_option
            .connect()
            .unwrap()
            .get::<String>("k")
            .unwrap()
            .as_deref(),
        Some("value")
    );
}

/// Locks of the prefix `app` live under `app:lock:`.
#[test]
fn a_prefix_where_locks_live_is_refused() {
    for prefix in ["lock", "app:lock", ":lock", "a:lock:lock"] {
        let said = |error: redis_cache::Error| {
            let text = error.to_string();
            assert_eq!(error.kind(), ErrorKind::Config, "{text}");
            assert!(
                text.contains("`prefix`") && text.contains("locks of another prefix"),
                "{text}"
            );
            assert!(text.contains(&format!("as `{prefix}s`")), "{text}");
        };
        said(Cache::open(&format!("memory://?prefix={prefix}")).unwrap_err());
        let config = || Config::new().server("memory://").unwrap();
        said(
            config()
                .set("prefix", prefix)
                .unwrap()
                .connect()
                .unwrap_err(),
        );
        said(config().prefix(prefix).connect().unwrap_err());
    }
    for prefix in [
        "locks",
        "app:locks",
        "lock:app",
        "app:lock:",
        "clock",
        "lock ",
    ] {
        let config = Config::new().server("memory://").unwrap();
        config.prefix(prefix).connect().unwrap();
    }
}

#[test]
fn texts_with_a_nul_are_refused_and_not_cut() {
    let config = || Config::new().server("memory://").unwrap();
    let refused = |error: redis_cache::Error| {
        let text = error.to_string();
        assert_eq!(error.kind(), ErrorKind::Config, "{text}");
        assert!(text.contains("NUL") && !text.contains("secret"), "{text}");
    };
    for url in [
        "memory://?prefix=a%00b",
        "memory://na%00me",
        "redis://u:secret%00word@h",
        "redis://u%00secret:p@h",
        "redis://h?password=secret%00",
        "redis://h?name=%00",
        "redis://h?client%00_name=x",
        "/sock%00et",
    ] {
        refused(Cache::open(url).unwrap_err());
        refused(Config::new().server(url).unwrap_err());
    }
    for (name, value) in [
        ("prefix", "a\0b"),
        ("username", "secret\0"),
        ("password", "secret\0"),
        ("sentinel_name", "\0"),
    ] {
        refused(config().set(name, value).unwrap_err());
    }
    let tls = Config::new().server("rediss://h").unwrap();
    refused(tls.set("tls_ca", "a\0b").unwrap_err());
    refused(config().prefix("a\0b").connect().unwrap_err());
    refused(config().prefix(b"\0".to_vec()).connect().unwrap_err());
    refused(config().password("secret\0").connect().unwrap_err());
    refused(config().username("secret\0").connect().unwrap_err());
    refused(Config::new().server_with("h", Some("a\0b"), 1).unwrap_err());
}
