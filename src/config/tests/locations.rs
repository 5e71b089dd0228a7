//! Every spelling of a location, what is wrong with the wrong ones, and that nothing secret is ever shown.

use std::path::PathBuf;

use proptest::prelude::*;

use super::super::table;
use super::super::url::without_secrets;
use super::*;

fn tcp(host: &str, port: u16) -> Address {
    Address::Tcp {
        host: host.to_owned(),
        port,
    }
}

fn fault(text: &str) -> String {
    Location::parse(text, None, None).map(|_| ()).unwrap_err()
}

#[test]
fn hosts_are_read_in_every_spelling() {
    let spellings = [
        ("h", tcp("h", 6379)),
        ("localhost", tcp("localhost", 6379)),
        ("  localhost ", tcp("localhost", 6379)),
        ("redis-1.example.com:7000", tcp("redis-1.example.com", 7000)),
        ("127.0.0.1:6380", tcp("127.0.0.1", 6380)),
        ("[::1]", tcp("::1", 6379)),
        ("[::1]:6380", tcp("::1", 6380)),
        ("redis://[fe80::1%25eth0]:6380/2", tcp("fe80::1%eth0", 6380)),
        ("redis://h", tcp("h", 6379)),
        ("redis://h/", tcp("h", 6379)),
        ("REDIS://h:1", tcp("h", 1)),
        ("redis://h:65535/3?ttl=5m", tcp("h", 65535)),
        ("h:6380?prefix=app", tcp("h", 6380)),
        ("redis://my%5Fhost", tcp("my_host", 6379)),
    ];
    for (text, address) in spellings {
        let location = location(text);
        assert_eq!(location.address, address, "{text}");
        assert!(!location.tls, "{text}");
    }
    assert!(location("rediss://h").tls);
}

#[test]
fn sockets_are_read_in_every_spelling() {
    for text in [
        "/run/redis.sock",
        "unix:///run/redis.sock",
        "redis+unix:///run/redis.sock?db=2",
    ] {
        assert_eq!(
            location(text).address,
            Address::Unix(PathBuf::from("/run/redis.sock")),
            "{text}"
        );
    }
    let with_login = location("unix://app:secret@/run/a@b.sock?db=1");
    assert_eq!(
        with_login.address,
        Address::Unix(PathBuf::from("/run/a@b.sock"))
    );
    assert_eq!(with_login.username.as_deref(), Some("app"));
    assert_eq!(with_login.password.as_deref(), Some("secret"));
    assert_eq!(with_login.db, Some(1));
    assert_eq!(
        location("/tmp/a%2Cb%20c").address,
        Address::Unix(PathBuf::from("/tmp/a,b c"))
    );
}

#[test]
fn embedded_stores_have_a_name_or_none() {
    assert_eq!(location("memory://").address, Address::Memory(None));
    assert_eq!(location("memory://?ttl=5m").address, Address::Memory(None));
    assert_eq!(
        location("memory://tests").address,
        Address::Memory(Some("tests".to_owned()))
    );
    assert_eq!(
        location("memory://a%2Fb").address,
        Address::Memory(Some("a/b".to_owned()))
    );
    for text in [
        "memory:///x",
        "memory://u:p@x",
        "memory://x:1",
        "memory://x?db=1",
        "memory://?password=x",
    ] {
        assert!(fault(text).contains("an embedded store has"), "{text}");
    }
}

#[test]
fn credentials_are_decoded_and_a_plus_is_a_plus() {
    let location = location("redis://us%40er:p%3Ass%2Fw%2Co+rd%25@h/1");
    assert_eq!(location.username.as_deref(), Some("us@er"));
    assert_eq!(location.password.as_deref(), Some("p:ss/w,o+rd%"));
    assert_eq!(location.db, Some(1));
}

#[test]
fn user_and_password_may_each_be_missing() {
    let both = |text| (location(text).username, location(text).password);
    assert_eq!(both("redis://:secret@h"), (None, Some("secret".to_owned())));
    assert_eq!(both("redis://app@h"), (Some("app".to_owned()), None));
    assert_eq!(both("redis://:@h"), (None, None));
    assert_eq!(both("redis://@h"), (None, None));
    assert_eq!(
        both("redis://h?username=a&password=b"),
        (Some("a".to_owned()), Some("b".to_owned()))
    );
    assert_eq!(both("redis://:p@ss@h"), (None, Some("p@ss".to_owned())));
}

#[test]
fn what_is_wrong_is_said() {
    let wrong = [
        ("", "it is empty"),
        ("redis://", "there is no host"),
        ("redis://:6379", "there is no host"),
        ("redis:///1", "there is no host"),
        ("redis://u:p@/1", "there is no host"),
        (":6379", "there is no host"),
        ("redis://h:0", "the port is not a number from 1 to 65535"),
        ("h:65536", "the port is not a number from 1 to 65535"),
        ("h:abc", "the port is not a number from 1 to 65535"),
        ("h:+1", "the port is not a number from 1 to 65535"),
        ("h:", "the port is not a number from 1 to 65535"),
        ("[::1]:", "the port is not a number from 1 to 65535"),
        ("::1", "`[::1]:6379`"),
        ("fe80::1:6379", "`[::1]:6379`"),
        ("redis://2001:db8::1/0", "`[::1]:6379`"),
        ("[::1", "there is no IPv6 address in the brackets"),
        ("[h]:1", "there is no IPv6 address in the brackets"),
        ("[::1]6379", "there is no IPv6 address in the brackets"),
        ("[::1%25]", "there is no IPv6 address in the brackets"),
        ("ho st", "the host is not one"),
        ("a,b", "the host is not one"),
        ("redis://h/1/2", "the path is not the number of a database"),
        (
            "redis://h/a/1/2",
            "the path is not the number of a database",
        ),
        ("redis://h/+1", "the path is not the number of a database"),
        ("redis://h//1", "the path is not the number of a database"),
        ("redis://h/1/", "the path is not the number of a database"),
        (
            "redis://h/4294967296",
            "the path is not the number of a database",
        ),
        ("h:1/2", "a database needs a URL"),
        ("user:pw@h", "user and password need a URL"),
        ("unix://run/redis.sock", "a socket has an absolute path"),
        ("unix://", "a socket has an absolute path"),
        ("/", "a socket has an absolute path"),
        ("/a%00b", "no NUL"),
        ("http://h", "it is none of"),
        ("redis://h%", "a `%` without two hexadecimal digits"),
        (
            "redis://h?prefix=%zz",
            "a `%` without two hexadecimal digits",
        ),
        (
            "redis://h?prefix=%F",
            "a `%` without two hexadecimal digits",
        ),
        ("redis://h?prefix=%FF", "not UTF-8"),
        ("redis://h?prefix", "not a list of `option=value`"),
        ("redis://h?ttl=1s&&near=0", "not a list of `option=value`"),
        ("redis://h/1#2", "written %23"),
        ("redis://h\u{0}x", "control character"),
        ("redis://h?weight=0", "option `weight`: `0` is not accepted"),
        ("redis://h?db=x", "option `db`: `x` is not accepted"),
        ("redis://h?tls_ca=/ca.pem", "TLS options need `rediss://`"),
        (
            "redis://h?prefixx=a",
            "option `prefixx` is not known; did you mean `prefix`?",
        ),
    ];
    for (text, part) in wrong {
        let fault = fault(text);
        assert!(
            fault.starts_with("location `") && fault.contains(part),
            "{text:?}: {fault}"
        );
    }
    assert!(fault(&format!("/{}", "x".repeat(107))).contains("at most 107 bytes"));
}

#[test]
fn one_location_does_not_contradict_itself() {
    assert_eq!(location("redis://h/1?db=1").db, Some(1));
    assert!(fault("redis://h/1?db=2").contains("option `db` is given twice"));
    assert!(fault("redis://h?name=a&name=b").contains("option `name` is given twice"));
    assert!(fault("redis://a@h?username=b").contains("option `username` is given twice"));
    assert!(fault("redis://:a@h?password=b").contains("option `password` is given twice"));
    let named = |name, weight| Location::parse("h?name=a&weight=2", name, weight);
    assert_eq!(named(Some("a"), Some(2)).unwrap().0.weight, 2);
    assert!(
        named(Some("b"), None)
            .unwrap_err()
            .contains("option `name` is given twice")
    );
    assert!(
        named(None, Some(3))
            .unwrap_err()
            .contains("option `weight` is given twice")
    );
}

#[test]
fn a_node_has_one_name_whatever_the_spelling() {
    for text in [
        "Redis-A",
        "redis-a:6379",
        "redis://u:p@redis-a/5",
        "rediss://REDIS-A:6379",
    ] {
        assert_eq!(location(text).node_name(), "redis-a:6379", "{text}");
    }
    for text in ["[::1]", "redis://[0:0::1]:6379"] {
        assert_eq!(location(text).node_name(), "[::1]:6379", "{text}");
    }
    assert_eq!(
        location("redis://[fe80::1%25eth0]").node_name(),
        "[fe80::1%eth0]:6379"
    );
    assert_eq!(
        location("unix:///run/r.sock?db=3").node_name(),
        "/run/r.sock"
    );
    assert_eq!(location("h?name=cache-1").node_name(), "cache-1");
}

#[test]
fn it_is_shown_as_configured_without_credentials_and_query() {
    let shown = [
        ("redis://u:p@H:6380/1?password=p", "redis://H:6380/1"),
        ("localhost", "localhost"),
        ("unix://u:p@/a%20b?db=1", "unix:///a%20b"),
        ("memory://x?ttl=5m", "memory://x"),
    ];
    for (text, expected) in shown {
        assert_eq!(location(text).shown, expected);
    }
}

#[test]
fn secrets_are_not_shown_wherever_they_stand() {
    let wrong = [
        "redis://app:s3cret@h:abc",
        "redis://app:s3cret@h/x",
        "redis://app:s3cret",
        "redis://app:s3c/s3cret@h",
        "redis://app:s3c?s3cret@h",
        "redis://app:s3c?s3cret=1@h",
        "redis://app:s3c#s3cret@h",
        "redis://app:s3cret%zz@h",
        "redis://app:s3cret%FF@h",
        "redis://app:s3cret@h/1?password=s3cret2",
        "redis://h?password=s3cret%zz",
        "redis://h?password=s3cret&password=s3cret2",
        "redis://h?password=s3cret@x&nonsense=1",
        "redis://h?s3cret",
        "redis://app:[s3cret]",
        "redis://[app:s3cret]:1",
        "redis://app:s3cret:x",
        "redis://app:s3cret]:1",
        "app:s3cret@h",
        "app:s3cret",
        "unix://app:s3cret@run/x",
        "unix://app:s3cret/run/x",
        "memory://app:s3cret@x",
        "http://app:s3cret@h",
    ];
    for text in wrong {
        let fault = fault(text);
        assert!(!fault.contains("s3c"), "{text}: {fault}");
    }
    let config = Config::new()
        .server("redis://app:s3cret@h/1?username=app")
        .unwrap()
        .password("s3cret")
        .primary("redis://app:s3cret@elsewhere");
    assert!(!format!("{config:?}").contains("s3cret"), "{config:?}");
    assert!(
        !format!("{:?}", config.locations).contains("app"),
        "{:?}",
        config.locations
    );
    let error = refusal(Ok(config));
    assert!(
        error.contains("elsewhere") && !error.contains("s3cret"),
        "{error}"
    );
}

#[test]
fn a_list_divides_at_commas_only() {
    let config = list("redis://a:p%2Cw@h1, h2:1 ,/tmp/a%2Cb");
    let places: Vec<_> = config
        .locations
        .iter()
        .map(|place| place.address.clone())
        .collect();
    assert_eq!(
        places,
        [
            tcp("h1", 6379),
            tcp("h2", 1),
            Address::Unix(PathBuf::from("/tmp/a,b"))
        ]
    );
    assert_eq!(config.locations[0].password.as_deref(), Some("p,w"));
    for urls in ["h1,", ",h1", "h1,,h2", ""] {
        assert!(
            refusal(Config::parse(urls)).contains("it is empty"),
            "{urls}"
        );
    }
    let error = refusal(Config::parse("redis://:s3cret,s3cret2@h1"));
    assert!(
        error.contains("%2C") && !error.contains("s3cret"),
        "{error}"
    );
}

#[test]
fn one_server_is_not_a_list() {
    assert!(refusal(Config::new().server("h1,h2")).contains("only `open` takes a list"));
    let config = Config::new().server("redis://:p,w@h1").unwrap();
    assert_eq!(config.locations[0].password.as_deref(), Some("p,w"));
}

#[test]
fn a_failed_server_changes_nothing() {
    let mut config = list("h1?ttl=5m");
    assert!(config.add_server("h2?prefix=a&ttl=6m", None, 1).is_err());
    assert_eq!(config.locations.len(), 1);
    config.add_server("h2?prefix=b&ttl=5m", None, 1).unwrap();
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_text_is_read_or_refused(text in "\\PC{0,60}") {
        let _ = Location::parse(&text, None, None);
        let _ = without_secrets(&text);
    }

    #[test]
    fn any_text_that_looks_like_a_location_is_read_or_refused(
        text in "((redis|rediss|unix|redis\\+unix|memory)://)?([a-z0-9:@\\[\\]%/?&=,.]|%[0-9A-F]{2}|db=|name=){0,30}"
    ) {
        if let Ok((location, _)) = Location::parse(&text, None, None) {
            let (again, options) = Location::parse(&location.shown, None, None).unwrap();
            prop_assert_eq!(&again.address, &location.address);
            prop_assert_eq!(again.tls, location.tls);
            prop_assert!(options.is_empty() && again.password.is_none() && again.username.is_none());
        }
    }

    #[test]
    fn a_password_survives_its_encoding(password in "\\PC{1,20}", user in "[a-z@:/?#%,]{0,8}") {
        let encode = |text: &str| text.bytes().map(|byte| format!("%{byte:02X}")).collect::<String>();
        let text = format!("redis://{}:{}@h/1", encode(&user), encode(&password));
        let location = list(&text).locations.remove(0);
        prop_assert_eq!(location.password.as_deref(), Some(password.as_str()));
        prop_assert_eq!(location.username.unwrap_or_default(), user);
        prop_assert_eq!(location.shown.as_str(), "redis://h/1");
    }

    #[test]
    fn a_misplaced_password_is_not_shown(
        before in "(redis|unix|memory|http)://app:[/?#:%]{0,2}", behind in "[@/:?#=&h0-9]{0,6}"
    ) {
        let text = format!("{before}s3cret{behind}");
        if let Err(fault) = Location::parse(&text, None, None) {
            prop_assert!(!fault.contains("s3cret"), "{}: {}", text, fault);
        }
    }

    #[test]
    fn any_value_of_any_option_is_read_or_refused(row in 0..table::TABLE.len(), text in "\\PC{0,24}|[0-9.]{1,6}[a-z]{0,2}") {
        let name = table::TABLE[row].name;
        if let Ok(config) = Config::new().set(name, &text) {
            let shown = table::TABLE[row].show(&config.calls.options);
            let is_secret = name.contains("password") && !name.ends_with("file");
            prop_assert!(!is_secret || shown == "(hidden)" || shown == "none");
        }
    }
}
