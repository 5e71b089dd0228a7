//! Keys on the wire: `prefix:version:key` byte for byte, what the checks refuse, and functions of one's own
//! (design, section 3; options.md, `key_check`).

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

mod common;

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};

use redis_cache::{Cache, Config, ErrorKind, Expiry};

use common::fixture::{Backend, Fixture};
use common::{fault, kind};

fn memory(options: &[(&str, &str)]) -> Cache {
    let config = Config::new().server("memory://").unwrap();
    let config = options.iter().fold(config, |config, (name, value)| {
        config.set(name, value).unwrap()
    });
    config.connect().unwrap()
}

#[test]
fn the_wire_key_is_prefix_version_key() {
    let plain = memory(&[]);
    assert_eq!(plain.make_key("key").unwrap(), b":1:key");
    assert_eq!(plain.make_key("a:b c\r\n").unwrap(), b":1:a:b c\r\n");
    assert_eq!(plain.make_key([0, 0xff]).unwrap(), b":1:\0\xff");
    let app = memory(&[("prefix", "app"), ("version", "2")]);
    assert_eq!(app.make_key("key").unwrap(), b"app:2:key");
    assert_eq!(app.version(0).make_key("key").unwrap(), b"app:0:key");
    assert_eq!(
        app.version(u64::MAX).make_key("key").unwrap(),
        b"app:18446744073709551615:key"
    );
    assert_eq!(
        memory(&[("prefix", "a*[b]é:")]).make_key("*").unwrap(),
        "a*[b]é::1:*".as_bytes()
    );
    let decoded = Cache::open("memory://?prefix=a%01%C3%A9").unwrap();
    assert_eq!(decoded.make_key("k").unwrap(), "a\u{1}é:1:k".as_bytes());
}

#[test]
fn the_server_holds_exactly_that_key() {
    let at = Fixture::new(Backend::Tcp).alone();
    let cache = at.cache_with(&[("version", "3")]);
    let keys: [&[u8]; 5] = [b"plain", b"\0\r\n\xff", b" ", b"*", b"a:b"];
    for key in keys {
        cache.set_bytes(key, b"x", Expiry::Default).unwrap();
        assert_eq!(
            cache.make_key(key).unwrap(),
            [format!("{}:3:", at.space()).as_bytes(), key].concat()
        );
    }
    let held: BTreeSet<Vec<u8>> = redis::cmd("KEYS")
        .arg("*")
        .query(&mut at.server().raw())
        .unwrap();
    assert_eq!(
        held,
        keys.iter()
            .map(|key| cache.make_key(key).unwrap())
            .collect()
    );
}

#[test]
fn keys_of_every_byte_and_length_are_kept_apart() {
    for backend in [
        Backend::Memory,
        Backend::Tcp,
        Backend::Resp2,
        Backend::RedisParser,
    ] {
        let at = Fixture::new(backend);
        let cache = at.cache();
        let keys: Vec<Vec<u8>> = (0..=255_u8)
            .map(|byte| vec![byte])
            .chain([150, 180, 192, 200, 1000, 17_000, 65_536].map(|length| vec![b'k'; length]))
            .collect();
        for (index, key) in keys.iter().enumerate() {
            cache.set(key, &index, Expiry::Default).unwrap();
        }
        let found = cache.get_many::<usize>(&keys).unwrap();
        assert!(
            found.into_iter().eq((0..keys.len()).map(Some)),
            "{backend:?}"
        );
        assert_eq!(cache.keys("*").unwrap().count(), keys.len(), "{backend:?}");
        assert_eq!(cache.clear().unwrap(), keys.len() as u64, "{backend:?}");
    }
}

#[test]
fn the_empty_key_is_refused_in_every_mode_by_every_operation() {
    for mode in ["off", "reject", "memcached", "hash"] {
        let cache = memory(&[("key_check", mode)]);
        let outcomes = [
            cache.get_bytes("").map(drop),
            cache.get::<i32>("").map(drop),
            cache.get_int("").map(drop),
            cache.get_into("", &mut []).map(drop),
            cache.set("", &1, Expiry::Default),
            cache.set_bytes("", b"x", Expiry::Default),
            cache.set_int("", 1, Expiry::Default),
            cache.add("", &1, Expiry::Default).map(drop),
            cache.delete("").map(drop),
            cache.has_key("").map(drop),
            cache.incr("", 1).map(drop),
            cache.decr("", 1).map(drop),
            cache.incr_or_create("", 1, 1, Expiry::Default).map(drop),
            cache.touch("", Expiry::Default).map(drop),
            cache.expire_at("", 1).map(drop),
            cache.persist("").map(drop),
            cache.ttl("").map(drop),
            cache.incr_version("", 1).map(drop),
            cache.make_key("").map(drop),
            cache.where_is("").map(drop),
            cache
                .get_or_set("", Expiry::Default, || Ok::<_, String>(1))
                .map(drop),
            cache.get_many_bytes([""]).map(drop).map_err(Into::into),
            cache.delete_many([""]).map(drop).map_err(Into::into),
        ];
        for (index, outcome) in outcomes.into_iter().enumerate() {
            assert_eq!(
                kind(outcome),
                ErrorKind::InvalidArgument,
                "{mode}, operation {index}"
            );
        }
    }
}

#[test]
fn reject_refuses_keys_over_64_kib() {
    let cache = memory(&[]);
    cache.set("k".repeat(60_000), &1, Expiry::Default).unwrap();
    assert_eq!(
        kind(cache.set("k".repeat(66_000), &1, Expiry::Default)),
        ErrorKind::InvalidArgument
    );
    let lax = memory(&[("key_check", "off")]);
    lax.set("k".repeat(66_000), &1, Expiry::Default).unwrap();
    assert_eq!(lax.get::<i32>("k".repeat(66_000)).unwrap(), Some(1));
}

#[test]
fn memcached_refuses_what_memcached_would() {
    let cache = memory(&[("key_check", "memcached"), ("prefix", "app")]);
    let longest = "k".repeat(250 - "app:1:".len());
    cache.set(&longest, &1, Expiry::Default).unwrap();
    assert_eq!(cache.get::<i32>(&longest).unwrap(), Some(1));
    cache.set("é\u{a0}~!", &1, Expiry::Default).unwrap();
    for key in [
        &*format!("{longest}k"),
        "a b",
        " ",
        "a\n",
        "\0",
        "tab\t",
        "\x7f",
        "\x1f",
    ] {
        let error = fault(cache.set(key, &1, Expiry::Default));
        assert_eq!(error.kind(), ErrorKind::InvalidArgument, "{key:?}: {error}");
        assert!(error.to_string().contains("key_check"), "{error}");
    }
    let spaced = memory(&[("key_check", "memcached"), ("prefix", "a b")]);
    assert_eq!(
        kind(spaced.set("k", &1, Expiry::Default)),
        ErrorKind::InvalidArgument,
        "it is the wire key that counts"
    );
}

#[test]
fn hash_turns_long_keys_into_their_digest() {
    let cache = memory(&[("key_check", "hash"), ("prefix", "app")]);
    let long = "a".repeat(300);
    // printf 'a%.0s' {1..300} | sha256sum
    let digest = "sha256:9835fa6bf4e20a9b9ea812506302e98982721a6cf8d2cae67af57129bf21ae90";
    assert_eq!(
        cache.make_key(&long).unwrap(),
        format!("app:1:{digest}").into_bytes()
    );
    assert_eq!(cache.make_key("short").unwrap(), b"app:1:short");
    cache.set(&long, &1, Expiry::Default).unwrap();
    cache.set("b".repeat(300), &2, Expiry::Default).unwrap();
    assert_eq!(cache.get::<i32>(&long).unwrap(), Some(1));
    assert_eq!(
        cache.get_many::<i32>([&long, &"b".repeat(300)]).unwrap(),
        [Some(1), Some(2)]
    );
    // A key that looks like that digest is another one.
    assert_eq!(cache.get::<i32>(digest).unwrap(), None);
    assert!(cache.add(digest, &3, Expiry::Default).unwrap());
    assert_eq!(cache.get::<i32>(&long).unwrap(), Some(1));
    assert!(cache.delete(digest).unwrap() && cache.has_key(&long).unwrap());
    assert_eq!(
        cache.delete_pattern("aaa*").unwrap(),
        0,
        "patterns see digests"
    );
    let listed: Vec<Vec<u8>> = cache.keys("*").unwrap().map(Result::unwrap).collect();
    assert!(
        listed.len() == 2 && listed.contains(&digest.as_bytes().to_vec()),
        "listings see digests"
    );
}

fn reversed(config: Config) -> Config {
    config.key_fn(|prefix, version, key| {
        if key == b"forbidden" {
            return Err("this key is forbidden".to_owned());
        }
        Ok([key, format!("|{version}|").as_bytes(), prefix].concat())
    })
}

#[test]
fn a_key_function_makes_the_wire_key() {
    for backend in [Backend::Memory, Backend::Tcp] {
        let at = Fixture::new(backend);
        let cache = reversed(at.config()).connect().unwrap();
        assert_eq!(
            cache.make_key("k").unwrap(),
            format!("k|1|{}", at.space()).into_bytes()
        );
        cache.set("k", "value", Expiry::Default).unwrap();
        assert_eq!(cache.get::<String>("k").unwrap().as_deref(), Some("value"));
        assert_eq!(
            cache.get_many::<String>(["k", "absent"]).unwrap(),
            [Some("value".to_owned()), None]
        );
        assert_eq!(
            at.cache().get::<String>("k").unwrap(),
            None,
            "the default key is another"
        );
        assert_eq!(cache.incr_version("k", 4).unwrap(), Some(5));
        assert_eq!(
            cache.version(5).make_key("k").unwrap(),
            format!("k|5|{}", at.space()).into_bytes()
        );
        assert_eq!(
            cache.version(5).get::<String>("k").unwrap().as_deref(),
            Some("value")
        );
        assert_eq!(
            kind(cache.get_bytes("")),
            ErrorKind::InvalidArgument,
            "the empty key does not get to it"
        );
        cache.version(5).delete("k").unwrap();
    }
}

#[test]
fn groups_ask_the_key_function_for_the_pattern_and_stay_in_the_version() {
    for backend in [Backend::Memory, Backend::Tcp] {
        let at = Fixture::new(backend);
        let prefix = format!("{}*", at.space());
        let asked: Arc<Mutex<Vec<[Vec<u8>; 2]>>> = Arc::default();
        let log = Arc::clone(&asked);
        let config =
            at.bare_config()
                .set("prefix", &prefix)
                .unwrap()
                .key_fn(move |prefix, version, key| {
                    log.lock().unwrap().push([prefix.to_vec(), key.to_vec()]);
                    Ok([prefix, format!("|{version}|").as_bytes(), key].concat())
                });
        let cache = config.connect().unwrap();
        let neighbour = at
            .bare_config()
            .set("prefix", &prefix.replace('*', "X"))
            .unwrap();
        let neighbour = neighbour
            .key_fn(|prefix, version, key| {
                Ok([prefix, format!("|{version}|").as_bytes(), key].concat())
            })
            .connect()
            .unwrap();
        for key in ["user:1", "user:2", "page"] {
            cache.set(key, &1, Expiry::Default).unwrap();
        }
        cache.version(2).set("user:1", &1, Expiry::Default).unwrap();
        neighbour.set("user:1", &1, Expiry::Default).unwrap();

        asked.lock().unwrap().clear();
        let listed: BTreeSet<Vec<u8>> = cache.keys("user:*").unwrap().map(Result::unwrap).collect();
        let wire = |key: &str| format!("{prefix}|1|{key}").into_bytes();
        assert_eq!(
            listed,
            BTreeSet::from([wire("user:1"), wire("user:2")]),
            "wire keys, without a reverse function"
        );
        let escaped = prefix.replace('*', "\\*").into_bytes();
        assert_eq!(
            asked.lock().unwrap().first(),
            Some(&[escaped, b"user:*".to_vec()]),
            "prefix escaped, pattern not"
        );

        assert_eq!(cache.delete_pattern("user:*").unwrap(), 2);
        assert_eq!(cache.clear().unwrap(), 1, "clear covers this version only");
        assert!(cache.version(2).has_key("user:1").unwrap());
        assert!(neighbour.has_key("user:1").unwrap());
    }
}

#[test]
fn a_reverse_function_gives_the_callers_keys_back() {
    let at = Fixture::new(Backend::Tcp);
    let config = reversed(at.config()).reverse_key_fn(|wire| {
        let end = wire
            .iter()
            .position(|byte| *byte == b'|')
            .ok_or("no bar in it")?;
        Ok(wire[..end].to_vec())
    });
    let cache = config.connect().unwrap();
    cache.set("a", &1, Expiry::Default).unwrap();
    cache.set("b", &1, Expiry::Default).unwrap();
    let listed: BTreeSet<Vec<u8>> = cache.keys("*").unwrap().map(Result::unwrap).collect();
    assert_eq!(listed, BTreeSet::from([b"a".to_vec(), b"b".to_vec()]));
}

#[test]
fn a_key_function_that_fails_is_a_callback_error_for_its_key_only() {
    for backend in [Backend::Memory, Backend::Tcp] {
        let at = Fixture::new(backend);
        let cache = reversed(at.config()).connect().unwrap();
        let error = fault(cache.get_bytes("forbidden"));
        assert_eq!(error.kind(), ErrorKind::Callback);
        assert!(
            error.to_string().contains("this key is forbidden"),
            "{error}"
        );
        cache.set("k", &1, Expiry::Default).unwrap();
        let partial = cache.get_many::<i32>(["k", "forbidden"]).unwrap_err();
        assert_eq!(*partial.items[0].as_ref().unwrap(), Some(1));
        assert_eq!(
            partial.items[1].as_ref().unwrap_err().kind(),
            ErrorKind::Callback
        );
    }
}
