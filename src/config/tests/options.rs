//! Every option by its name: as text, in a query, by its setter; and the errors about them.

use std::path::{Path, PathBuf};
use std::time::Duration;

use super::super::setters::SETTERS;
use super::super::table::{OF_ONE_LOCATION, TABLE};
use super::*;
use crate::expiry::Expiry;

/// What the documentation says of the options.
const ABOUT: &str = include_str!("../options.md");

/// Every option with a text that is not its default.
const OTHER_VALUES: &[(&str, &str)] = &[
    ("prefix", "app"),
    ("version", "2"),
    ("ttl", "never"),
    ("key_check", "hash"),
    ("codec", "json"),
    ("compressor", "zstd"),
    ("compress_min", "2k"),
    ("compress_level", "-1"),
    ("layout", "plain"),
    ("max_value", "64m"),
    ("on_decode_error", "error"),
    ("on_error", "miss"),
    ("topology", "cluster"),
    ("primary", "h1:6379"),
    ("read_from", "replica"),
    ("ring", "django-redis-cache"),
    ("sentinel_name", "main"),
    ("db", "3"),
    ("username", "app"),
    ("password", "pw"),
    ("password_file", "/pw"),
    ("sentinel_username", "app"),
    ("sentinel_password", "pw"),
    ("tls_ca", "/ca.pem"),
    ("tls_cert", "/cert.pem"),
    ("tls_key", "/key.pem"),
    ("tls_server_name", "h"),
    ("tls_insecure", "true"),
    ("address_map", "10.0.0.5:6379>h:7001"),
    ("max_connections", "4"),
    ("pool_timeout", "2s"),
    ("connect_timeout", "2s"),
    ("timeout", "2s"),
    ("idle_check", "0s"),
    ("idle_timeout", "1m"),
    ("max_lifetime", "1h"),
    ("breaker_failures", "1"),
    ("breaker_backoff", "50ms"),
    ("breaker_backoff_max", "10s"),
    ("protocol", "3"),
    ("parser", "redis"),
    ("pipelining", "off"),
    ("scan_count", "100"),
    ("memory_limit", "1g"),
    ("client_name", "app-1"),
    ("stale", "1m"),
    ("lease", "20s"),
    ("wait", "0s"),
    ("on_wait_timeout", "busy"),
    ("early", "0"),
    ("ttl_jitter", "0.1"),
    ("near", "1m"),
    ("near_untracked", "off"),
    ("near_ttl", "never"),
    ("near_max_lag", "0s"),
    ("latencies", "true"),
];

#[test]
fn every_option_is_read_from_text_and_has_a_setter() {
    let names: Vec<_> = TABLE.iter().map(|row| row.name).collect();
    assert_eq!(
        names,
        OTHER_VALUES
            .iter()
            .map(|(name, _)| *name)
            .collect::<Vec<_>>()
    );
    assert_eq!(names, SETTERS);
    for (row, (name, value)) in TABLE.iter().zip(OTHER_VALUES) {
        let config = Config::new().set(name, value).unwrap();
        assert!(
            !row.is_same(&config.calls.options, &Options::default()),
            "{name}"
        );
        for other in TABLE.iter().filter(|other| other.name != *name) {
            assert!(
                other.is_same(&config.calls.options, &Options::default()),
                "{name} changes {}",
                other.name
            );
        }
    }
}

#[test]
fn every_option_stands_in_the_query_of_a_location() {
    for (row, (name, value)) in TABLE.iter().zip(OTHER_VALUES) {
        let config = list(&format!("rediss://h?{name}={value}"));
        if row.is_same(&config.queries.options, &Options::default()) {
            assert_ne!(
                config.locations[0],
                list("rediss://h").locations[0],
                "{name}"
            );
        }
    }
}

#[test]
fn the_defaults_are_those_of_the_documentation() {
    let options = Options::default();
    let shown: Vec<_> = TABLE
        .iter()
        .map(|row| (row.name, row.show(&options)))
        .collect();
    let shown: Vec<_> = shown
        .iter()
        .map(|(name, value)| (*name, value.as_str()))
        .collect();
    let expected = [
        ("prefix", ""),
        ("version", "1"),
        ("ttl", "300s"),
        ("key_check", "reject"),
        ("codec", "postcard"),
        ("compressor", "none"),
        ("compress_min", "1024"),
        ("compress_level", "none"),
        ("layout", "tagged"),
        ("max_value", "536870912"),
        ("on_decode_error", "miss"),
        ("on_error", "raise"),
        ("topology", "by the locations"),
        ("primary", "none"),
        ("read_from", "primary"),
        ("ring", "redis_cache"),
        ("sentinel_name", "none"),
        ("db", "0"),
        ("username", "none"),
        ("password", "none"),
        ("password_file", "none"),
        ("sentinel_username", "none"),
        ("sentinel_password", "none"),
        ("tls_ca", "none"),
        ("tls_cert", "none"),
        ("tls_key", "none"),
        ("tls_server_name", "none"),
        ("tls_insecure", "none"),
        ("address_map", "none"),
        ("max_connections", "16"),
        ("pool_timeout", "1s"),
        ("connect_timeout", "1s"),
        ("timeout", "1s"),
        ("idle_check", "1ms"),
        ("idle_timeout", "300s"),
        ("max_lifetime", "never"),
        ("breaker_failures", "5"),
        ("breaker_backoff", "100ms"),
        ("breaker_backoff_max", "5s"),
        ("protocol", "auto"),
        ("parser", "native"),
        ("pipelining", "auto"),
        ("scan_count", "1000"),
        ("memory_limit", "268435456"),
        ("client_name", "none"),
        ("stale", "0s"),
        ("lease", "10s"),
        ("wait", "5s"),
        ("on_wait_timeout", "compute"),
        ("early", "1"),
        ("ttl_jitter", "0"),
        ("near", "0"),
        ("near_untracked", "ttl"),
        ("near_ttl", "60s"),
        ("near_max_lag", "1ms"),
        ("latencies", "false"),
    ];
    assert_eq!(shown, expected);
}

/// README and the pages of the crate have it from one file, the header from there by build.rs.
#[test]
fn the_documented_table_is_this_one() {
    let documented: Vec<Vec<&str>> = ABOUT
        .lines()
        .skip(2)
        .map(|line| line.trim_matches('|').split(" | ").map(str::trim).collect())
        .collect();
    let names: Vec<_> = documented.iter().map(|row| row[0].to_owned()).collect();
    let known: Vec<_> = TABLE.iter().map(|row| format!("`{}`", row.name)).collect();
    assert_eq!(names, known);
    let defaults = Options::default();
    for (row, cells) in TABLE.iter().zip(&documented) {
        let [_, default, meaning] = cells[..] else {
            panic!("{cells:?} are not three cells");
        };
        match default
            .strip_prefix('`')
            .and_then(|text| text.strip_suffix('`'))
        {
            Some(text) => {
                let mut options = Options::default();
                row.read(&mut options, text).unwrap();
                assert!(row.is_same(&options, &defaults), "{}: {text}", row.name);
            }
            None => assert!(
                ["", "none", "by the locations"].contains(&row.show(&defaults).as_str()),
                "{} has a default, which is not {default}",
                row.name
            ),
        }
        // What is a choice lists its words, and each word that is listed as one is accepted.
        let mut options = Options::default();
        let refused = row.read(&mut options, "\0").unwrap_err();
        let accepted = refused.split_once("accepted: ").unwrap().1;
        for word in accepted.split('`').skip(1).step_by(2) {
            let is_choice = accepted.starts_with('`');
            assert!(
                !is_choice || meaning.contains(&format!("`{word}`")),
                "{} says nothing of `{word}`",
                row.name
            );
        }
    }
}

#[test]
fn the_readme_and_the_header_have_every_option() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    if let Ok(readme) = std::fs::read_to_string(root.join("README.md")) {
        assert!(
            readme.contains(ABOUT),
            "README.md has another table of options than src/config/options.md"
        );
    }
    if let Ok(header) = std::fs::read_to_string(root.join("include/redis_cache.h")) {
        for row in TABLE {
            assert!(
                header.contains(&format!("\n * {} [", row.name)),
                "redis_cache.h says nothing of the option `{}`",
                row.name
            );
        }
    }
}

#[test]
fn a_wrong_value_is_refused_with_what_is_accepted() {
    let wrong = [
        (
            "ttl",
            "5 minutes",
            "option `ttl`: `5 minutes` is not accepted: a duration with a unit (250ms, 5s, 2m, 1h30m) or `never`",
        ),
        ("ttl", "-1s", "`-1s` is not accepted"),
        (
            "timeout",
            "never",
            "option `timeout`: `never` is not accepted: a duration above 0 with a unit",
        ),
        (
            "timeout",
            "0s",
            "option `timeout`: `0s` is not accepted: a duration above 0 with a unit",
        ),
        ("connect_timeout", "never", "not `never`"),
        ("pool_timeout", "0ms", "a duration above 0"),
        (
            "codec",
            "pickle",
            "option `codec`: `pickle` is not accepted: `postcard` or `json` or `msgpack`",
        ),
        ("on_error", "Raise", "`raise` or `miss`"),
        ("protocol", "4", "`auto` or `2` or `3`"),
        ("tls_insecure", "yes", "`true` or `false`"),
        ("max_value", "0", "a number of bytes above 0"),
        (
            "memory_limit",
            "256MB",
            "with `k`, `m` or `g` for powers of 1024",
        ),
        ("max_connections", "0", "a whole number above 0"),
        ("breaker_failures", "0", "a whole number from 1"),
        ("ttl_jitter", "1.5", "a number from 0 to 1"),
        ("early", "-1", "0 or more"),
        ("client_name", "my app", "printable ASCII without spaces"),
        ("db", "-1", "the number of a database"),
    ];
    for (name, value, part) in wrong {
        let error = refusal(Config::new().set(name, value));
        assert!(error.contains(part), "{error}");
        let value = value.replace(' ', "%20");
        let in_query = refusal(Config::new().server(&format!("redis://h?{name}={value}")));
        if name == "tls_insecure" || name == "db" {
            continue;
        }
        assert_eq!(in_query, format!("location `redis://h`: {error}"));
    }
}

#[test]
fn an_unknown_name_suggests_the_nearest() {
    let unknown = |name| refusal(Config::new().set(name, "s3cret"));
    assert_eq!(
        unknown("ttll"),
        "option `ttll` is not known; did you mean `ttl`?"
    );
    assert_eq!(
        unknown("pasword"),
        "option `pasword` is not known; did you mean `password`?"
    );
    assert_eq!(
        unknown("max-connections"),
        "option `max-connections` is not known; did you mean `max_connections`?"
    );
    assert_eq!(
        unknown("TTL"),
        "option `TTL` is not known; did you mean `ttl`?"
    );
    assert!(unknown(&"x".repeat(5000)).len() < 100);
}

#[test]
fn name_and_weight_belong_to_one_location() {
    for name in OF_ONE_LOCATION {
        assert!(refusal(Config::new().set(name, "1")).contains("is that of one location"));
    }
    let config = Config::new().server_with("h", Some("a"), 3).unwrap();
    assert_eq!(
        (
            config.locations[0].name.as_deref(),
            config.locations[0].weight
        ),
        (Some("a"), 3)
    );
    assert!(
        refusal(Config::new().server_with("h", None, 0))
            .contains("option `weight`: `0` is not accepted")
    );
    let from_query = Config::new()
        .server_with("h?name=b&weight=2", Some(""), 1)
        .unwrap();
    assert_eq!(
        (
            from_query.locations[0].name.as_deref(),
            from_query.locations[0].weight
        ),
        (Some("b"), 2)
    );
}

#[test]
fn setters_keep_whole_milliseconds() {
    let config = Config::new()
        .server("h")
        .unwrap()
        .timeout(Duration::from_nanos(1))
        .ttl(Duration::from_micros(1500))
        .max_lifetime(Duration::MAX)
        .wait(Duration::ZERO);
    let (options, ..) = config.resolve().unwrap();
    assert_eq!(options.timeout, Duration::from_millis(1));
    assert_eq!(options.ttl, Expiry::After(Duration::from_millis(2)));
    assert_eq!(options.max_lifetime, None);
    assert_eq!(options.wait, Duration::ZERO);
    let forever = |ttl: Expiry| list("h").ttl(ttl).resolve().unwrap().0.ttl;
    assert_eq!(forever(Expiry::After(Duration::MAX)), Expiry::Never);
    assert_eq!(forever(None.into()), Expiry::Never);
    assert_eq!(
        forever(Duration::ZERO.into()),
        Expiry::After(Duration::ZERO)
    );
}

#[test]
fn what_a_setter_says_is_checked_with_the_texts_of_set() {
    let wrong = |config: Config| refusal(Ok(config));
    assert_eq!(
        wrong(list("h").timeout(Duration::ZERO)),
        refusal(Config::new().set("timeout", "0s")),
    );
    assert!(
        wrong(list("h").timeout(Duration::MAX))
            .starts_with("option `timeout`: `never` is not accepted")
    );
    assert!(
        wrong(list("h").ttl(Expiry::Default))
            .starts_with("option `ttl`: `the default` is not accepted")
    );
    assert!(wrong(list("h").early(f64::NAN)).starts_with("option `early`: `NaN` is not accepted"));
    assert!(
        wrong(list("h").ttl_jitter(1.5)).starts_with("option `ttl_jitter`: `1.5` is not accepted")
    );
    assert!(
        wrong(list("h").max_connections(0))
            .starts_with("option `max_connections`: `0` is not accepted")
    );
    assert!(
        wrong(list("h").client_name("a b"))
            .starts_with("option `client_name`: `a b` is not accepted")
    );
    assert!(
        wrong(list("h").max_lifetime(Duration::ZERO)).starts_with("option `max_lifetime`: `0s`")
    );
    assert!(
        wrong(list("h").idle_timeout(Duration::ZERO)).starts_with("option `idle_timeout`: `0s`")
    );
}

#[test]
fn empty_texts_are_none() {
    for name in [
        "username",
        "password",
        "client_name",
        "primary",
        "sentinel_name",
    ] {
        let config = Config::new().set(name, "x").unwrap().set(name, "").unwrap();
        let row = TABLE.iter().find(|row| row.name == name).unwrap();
        assert!(
            row.is_same(&config.calls.options, &Options::default()),
            "{name}"
        );
    }
    assert_eq!(list("h").username("").resolve().unwrap().0.username, None);
}

#[test]
fn what_is_said_twice_must_agree_unless_one_caller_changes_its_mind() {
    let (options, ..) = list("h")
        .set("ttl", "5m")
        .unwrap()
        .ttl(None)
        .set("ttl", "6m")
        .unwrap()
        .resolve()
        .unwrap();
    assert_eq!(options.ttl, Expiry::After(Duration::from_secs(360)));

    assert!(Config::parse("h?ttl=5m&ttl=300s").is_ok());
    let twice = "option `ttl` is given twice with different values, but counts for the whole cache";
    assert!(refusal(Config::parse("h?ttl=5m&ttl=6m")).contains(twice));
    assert!(Config::parse("h1?ttl=5m,h2?ttl=300s").is_ok());
    assert!(refusal(Config::parse("h1?ttl=5m,h2?ttl=6m")).contains(twice));

    assert!(
        list("h?ttl=5m")
            .ttl(Duration::from_secs(300))
            .resolve()
            .is_ok()
    );
    let disagree = "option `ttl`: the query of a location says otherwise than the configuration";
    assert_eq!(refusal(list("h?ttl=5m").set("ttl", "6m")), disagree);
    assert_eq!(
        refusal(Config::new().set("ttl", "6m").unwrap().server("h?ttl=5m")),
        disagree
    );
    // The default, said aloud, is a statement like any other.
    assert_eq!(refusal(list("h?ttl=6m").set("ttl", "300s")), disagree);
    assert_eq!(refusal(list("h?ttl=300s").set("ttl", "6m")), disagree);
}

#[test]
fn values_of_a_query_are_decoded() {
    let (options, ..) = list("redis://h?prefix=a%2Cb%20+%26c&client_name=x%2Fy")
        .resolve()
        .unwrap();
    assert_eq!(options.prefix, b"a,b +&c");
    assert_eq!(options.client_name.as_deref(), Some("x/y"));
    assert_eq!(
        list("redis://h?pre%66ix=a").resolve().unwrap().0.prefix,
        b"a"
    );
}

#[test]
fn files_and_bytes_are_taken_as_they_are() {
    let options = Config::new()
        .prefix([0xFF, 0])
        .tls_ca("/ca.pem")
        .calls
        .options;
    assert_eq!(options.prefix, [0xFF, 0]);
    assert_eq!(options.tls.ca, Some(PathBuf::from("/ca.pem")));
}
