//! Servers that do not take the greeting of Redis.

use std::sync::{Arc, Mutex};

use redis_cache::{Cache, ErrorKind, Expiry};

use crate::common::fault;
use crate::common::fault::{Door, Fate, FaultServer};

/// What was asked, command by command.
type Log = Arc<Mutex<Vec<String>>>;

fn logged(door: &FaultServer, judge: impl Fn(&str, &str) -> Fate + Send + 'static) -> Log {
    let log = Log::default();
    let seen = Arc::clone(&log);
    door.judge(move |command| {
        let words: Vec<_> = command
            .iter()
            .map(|word| String::from_utf8_lossy(word))
            .collect();
        let text = words.join(" ");
        let name = words[0].to_ascii_uppercase();
        seen.lock().unwrap().push(text.clone());
        judge(&name, &text)
    });
    log
}

fn answer(text: &str) -> Fate {
    Fate::Answer(format!("{text}\r\n").into_bytes())
}

fn count(log: &Log, name: &str) -> usize {
    let log = log.lock().unwrap();
    log.iter().filter(|text| text.starts_with(name)).count()
}

fn works(cache: &Cache) {
    cache.set("k", "v", Expiry::Default).unwrap();
    assert_eq!(cache.get::<String>("k").unwrap().as_deref(), Some("v"));
}

fn open(door: &FaultServer, options: &str) -> Cache {
    Cache::open(&format!(
        "{}?prefix=greeting&timeout=20s&{options}",
        door.url()
    ))
    .unwrap()
}

/// As Envoy's Redis proxy refuses it, with a password and without; and anything else.
#[test]
fn whoever_refuses_hello_is_greeted_in_resp2() {
    for refusal in [
        "-unsupported command",
        "-ERR unknown command 'HELLO', with args beginning with: '3'",
        "-NOAUTH Authentication required.",
        "-NOPROTO unsupported protocol version",
        "-FANCY no such thing",
    ] {
        for options in ["early=1", "username=eve&password=sesame", "username=eve"] {
            let door = FaultServer::start();
            let log = logged(&door, move |name, _| match name {
                "HELLO" => answer(refusal),
                "AUTH" => answer("+OK"),
                "CLIENT" | "TIME" => answer("-unsupported command"),
                _ => Fate::Pass,
            });
            works(&open(&door, options));
            let expected = if options == "early=1" { 0 } else { 1 };
            assert_eq!(
                (count(&log, "HELLO"), count(&log, "AUTH eve ")),
                (1, expected),
                "{refusal}"
            );
        }
    }
}

#[test]
fn a_wrong_password_is_not_tried_in_other_words() {
    let door = FaultServer::start();
    let log = logged(&door, |name, _| match name {
        "HELLO" => answer("-WRONGPASS invalid username-password pair or user is disabled."),
        _ => Fate::Pass,
    });
    let error = fault(open(&door, "password=sesame").get_bytes("k"));
    assert_eq!(
        (error.kind(), error.code()),
        (ErrorKind::Auth, Some("WRONGPASS"))
    );
    assert_eq!((count(&log, "HELLO"), count(&log, "AUTH")), (1, 0));
}

#[test]
fn a_server_that_lets_nobody_in_says_so_in_resp2_too() {
    let door = FaultServer::start();
    logged(&door, |_, _| answer("-NOAUTH Authentication required."));
    for protocol in ["auto", "2"] {
        let error = fault(open(&door, &format!("protocol={protocol}")).get_bytes("k"));
        assert_eq!(
            (error.kind(), error.code()),
            (ErrorKind::Auth, Some("NOAUTH"))
        );
        assert!(error.to_string().contains("none is configured"), "{error}");
    }
}

/// As twemproxy does: it knows some commands, and hangs up when it hears another one.
fn twemproxy(options: &str) -> (FaultServer, Log, Cache) {
    let door = FaultServer::start();
    let log = logged(&door, |name, _| match name {
        "GET" | "SET" | "MGET" | "UNLINK" => Fate::Pass,
        "AUTH" => answer("+OK"),
        _ => Fate::Close(0),
    });
    let cache = open(&door, options);
    (door, log, cache)
}

#[test]
fn whoever_hangs_up_on_the_greeting_gets_one_bare_attempt_and_is_remembered() {
    for (options, logins) in [
        ("protocol=auto", 0),
        ("protocol=2", 0),
        ("password=sesame", 1),
        ("parser=redis", 0),
    ] {
        let (door, log, cache) = twemproxy(options);
        works(&cache);
        assert_eq!(
            door.callers(),
            2,
            "one that was hung up on, and one that was not"
        );
        assert_eq!(count(&log, "AUTH"), logins);
        let greeted = log.lock().unwrap().len();
        cache.close();
        works(&cache);
        assert_eq!(door.callers(), 3, "{options}");
        let log = log.lock().unwrap();
        let later = &log[greeted..];
        let expected = if logins == 1 { "AUTH" } else { "SET" };
        assert!(later[0].starts_with(expected), "{later:?}");
        assert_eq!(later.len(), 2 + logins, "{later:?}");
    }
}

#[test]
fn resp3_that_must_be_is_not_done_without() {
    let (_door, _, cache) = twemproxy("protocol=3");
    assert_eq!(fault(cache.get_bytes("k")).kind(), ErrorKind::Io);
}

/// What looked like a proxy was a server that was going down: it is greeted again.
#[test]
fn a_server_that_hangs_up_on_everything_is_greeted_again() {
    let door = FaultServer::start();
    let cache = open(&door, "breaker_failures=1000");
    door.door(Door::Slammed);
    for _ in 0..2 {
        assert_eq!(fault(cache.get_bytes("k")).kind(), ErrorKind::Io);
    }
    door.door(Door::Open);
    let log = logged(&door, |_, _| Fate::Pass);
    works(&cache);
    assert_eq!(count(&log, "HELLO"), 1);
    let cached = |_: &str| {
        cache.get_or_set("computed", Expiry::Default, || {
            Ok::<_, String>("v".to_owned())
        })
    };
    let _ = (cached("first").unwrap(), cached("second").unwrap());
    assert_eq!(cache.stats().computes, 1, "its clock is known");
    cache.delete("computed").unwrap();
}
