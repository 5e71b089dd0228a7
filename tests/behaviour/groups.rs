//! Groups of keys: listed and removed by pattern, by version, by cache; and nothing that belongs to somebody else
//! (design, sections 3 and 6).

use std::collections::BTreeSet;

use redis_cache::{Cache, Expiry};

use crate::common::fixture::Fixture;

behaviour! {
    stores: [
        keys_yields_what_the_caller_named,
        a_pattern_is_a_glob_over_the_callers_keys,
        delete_pattern_counts_and_removes_only_what_matches,
        a_pattern_stays_within_its_version,
        glob_characters_in_the_prefix_are_plain_text,
        binary_keys_are_listed_and_matched,
        clear_removes_all_versions_of_this_cache_and_nothing_else,
        clear_with_an_empty_prefix_leaves_prefixed_keys,
        clear_version_removes_one_version,
        flush_db_removes_what_others_stored_too,
        groups_of_nothing_are_empty,
        the_cache_can_be_used_while_keys_are_listed,
        thousands_of_keys_are_listed_and_removed,
    ],
    servers: [
        clear_touches_no_keys_of_other_programs,
    ],
}

fn listed(cache: &Cache, pattern: &str) -> BTreeSet<String> {
    let keys = cache.keys(pattern).unwrap();
    keys.map(|key| String::from_utf8(key.unwrap()).unwrap())
        .collect()
}

fn names(names: &[&str]) -> BTreeSet<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

fn fill(cache: &Cache, keys: &[&str]) {
    for key in keys {
        cache.set(key, key, Expiry::Default).unwrap();
    }
}

fn keys_yields_what_the_caller_named(at: &Fixture) {
    let cache = at.cache();
    fill(&cache, &["a", "b:c", "d e", "f:1:g", ":", "1"]);
    assert_eq!(
        listed(&cache, "*"),
        names(&["a", "b:c", "d e", "f:1:g", ":", "1"])
    );
    assert_eq!(listed(&cache, "*:*"), names(&["b:c", "f:1:g", ":"]));
}

fn a_pattern_is_a_glob_over_the_callers_keys(at: &Fixture) {
    let cache = at.cache();
    fill(
        &cache,
        &[
            "user:1", "user:2", "user:10", "user:*", "users", "user:a-b", "user:]", "user:\\",
        ],
    );
    assert_eq!(
        listed(&cache, "user:?"),
        names(&["user:1", "user:2", "user:*", "user:]", "user:\\"])
    );
    assert_eq!(listed(&cache, "user:[12]"), names(&["user:1", "user:2"]));
    assert_eq!(listed(&cache, "user:[0-1]*"), names(&["user:1", "user:10"]));
    assert_eq!(
        listed(&cache, "user:[^12]"),
        names(&["user:*", "user:]", "user:\\"])
    );
    assert_eq!(listed(&cache, "user:\\*"), names(&["user:*"]));
    assert_eq!(listed(&cache, "user:\\\\"), names(&["user:\\"]));
    assert_eq!(listed(&cache, "user:1"), names(&["user:1"]));
    assert_eq!(
        listed(&cache, "ser:1"),
        names(&[]),
        "a pattern begins at the key's beginning"
    );
    assert_eq!(listed(&cache, "USER:1"), names(&[]));
    assert_eq!(listed(&cache, "*1*"), names(&["user:1", "user:10"]));
    assert_eq!(listed(&cache, ""), names(&[]));
}

fn delete_pattern_counts_and_removes_only_what_matches(at: &Fixture) {
    let cache = at.cache();
    fill(&cache, &["user:1", "user:2", "user:3", "page:1", "xuser:1"]);
    assert_eq!(cache.delete_pattern("user:*").unwrap(), 3);
    assert_eq!(listed(&cache, "*"), names(&["page:1", "xuser:1"]));
    assert_eq!(cache.delete_pattern("user:*").unwrap(), 0);
    assert_eq!(cache.delete_pattern("page:1").unwrap(), 1);
    assert_eq!(cache.delete_pattern("*").unwrap(), 1);
}

fn a_pattern_stays_within_its_version(at: &Fixture) {
    let cache = at.cache();
    let (second, tenth) = (cache.version(2), cache.version(10));
    fill(&cache, &["a", "b"]);
    fill(&second, &["a", "c"]);
    fill(&tenth, &["a"]);
    assert_eq!(listed(&second, "*"), names(&["a", "c"]));
    assert_eq!(second.delete_pattern("*").unwrap(), 2);
    assert_eq!(cache.delete_pattern("a").unwrap(), 1);
    assert_eq!(listed(&cache, "*"), names(&["b"]));
    assert_eq!(
        listed(&tenth, "*"),
        names(&["a"]),
        "version 1 is not a prefix of version 10"
    );
}

/// Guards against defect 11 of the ancestor: the prefix `app*` deletes `appXX:1:k` there.
fn glob_characters_in_the_prefix_are_plain_text(at: &Fixture) {
    let with_prefix = |ending: &str| {
        let prefix = format!("{}{ending}", at.space());
        at.bare_config()
            .set("prefix", &prefix)
            .unwrap()
            .connect()
            .unwrap()
    };
    for (special, similar) in [
        ("*", "XX"),
        ("?", "X"),
        ("[ab]", "a"),
        ("[a-c]", "b"),
        ("[^a]", "b"),
        ("\\", "\\\\"),
        ("a\\*", "a*"),
        ("^-", "-"),
        ("[", "[["),
    ] {
        let (cache, neighbour) = (with_prefix(special), with_prefix(similar));
        fill(&cache, &["mine", "mine too"]);
        fill(&neighbour, &["theirs"]);
        assert_eq!(
            listed(&cache, "*"),
            names(&["mine", "mine too"]),
            "prefix {special}"
        );
        assert_eq!(cache.delete_pattern("mine").unwrap(), 1, "prefix {special}");
        assert_eq!(cache.clear().unwrap(), 1, "prefix {special}");
        fill(&cache, &["again"]);
        assert_eq!(cache.clear_version(1).unwrap(), 1, "prefix {special}");
        assert_eq!(
            listed(&neighbour, "*"),
            names(&["theirs"]),
            "prefix {special} reached {similar}"
        );
        neighbour.clear().unwrap();
    }
}

fn binary_keys_are_listed_and_matched(at: &Fixture) {
    let cache = at.cache();
    let keys: [&[u8]; 5] = [b"\0", b"\xff\xfe:1", b"\xff\n\r\n", b" ", b"\xc3\xa9"];
    for key in keys {
        cache.set_bytes(key, b"x", Expiry::Default).unwrap();
    }
    let found: BTreeSet<Vec<u8>> = cache.keys("*").unwrap().map(Result::unwrap).collect();
    assert_eq!(found, keys.iter().map(|key| key.to_vec()).collect());
    assert_eq!(cache.delete_pattern(b"\xff*").unwrap(), 2);
    assert_eq!(cache.delete_pattern([b'\0']).unwrap(), 1);
    assert_eq!(cache.keys("*").unwrap().count(), 2);
}

/// Guards against defect 12 of the ancestor: `clear()` flushes the whole database there.
fn clear_removes_all_versions_of_this_cache_and_nothing_else(at: &Fixture) {
    let cache = at.cache();
    let prefixed = |prefix: String| {
        at.bare_config()
            .set("prefix", &prefix)
            .unwrap()
            .connect()
            .unwrap()
    };
    let neighbours = [
        prefixed(format!("{}2", at.space())),
        prefixed(format!("x{}", at.space())),
        prefixed(format!("{}:a", at.space())),
    ];
    for neighbour in &neighbours {
        fill(neighbour, &["k"]);
    }
    fill(&cache, &["a", "b"]);
    fill(&cache.version(0), &["a"]);
    fill(&cache.version(99), &["a", "b", "c"]);
    assert_eq!(cache.clear().unwrap(), 6);
    assert_eq!(listed(&cache, "*"), names(&[]));
    assert_eq!(listed(&cache.version(99), "*"), names(&[]));
    for neighbour in &neighbours {
        assert_eq!(listed(neighbour, "*"), names(&["k"]));
    }
}

fn clear_with_an_empty_prefix_leaves_prefixed_keys(at: &Fixture) {
    let at = at.alone();
    let (bare, prefixed) = (at.bare_config().connect().unwrap(), at.cache());
    fill(&bare, &["a", "b"]);
    fill(&prefixed, &["k"]);
    assert_eq!(bare.make_key("a").unwrap(), b":1:a");
    assert_eq!(listed(&bare, "*"), names(&["a", "b"]));
    assert_eq!(bare.clear().unwrap(), 2);
    assert_eq!(listed(&prefixed, "*"), names(&["k"]));
}

fn clear_version_removes_one_version(at: &Fixture) {
    let cache = at.cache();
    fill(&cache, &["a"]);
    fill(&cache.version(2), &["a", "b"]);
    fill(&cache.version(22), &["a"]);
    assert_eq!(cache.clear_version(2).unwrap(), 2);
    assert_eq!(cache.clear_version(2).unwrap(), 0);
    assert_eq!(listed(&cache, "*"), names(&["a"]));
    assert_eq!(listed(&cache.version(22), "*"), names(&["a"]));
    assert_eq!(
        cache.version(22).clear_version(1).unwrap(),
        1,
        "whatever the view's own version"
    );
}

fn flush_db_removes_what_others_stored_too(at: &Fixture) {
    let at = at.alone();
    let (cache, other) = (
        at.cache(),
        at.bare_config()
            .set("prefix", "other")
            .unwrap()
            .connect()
            .unwrap(),
    );
    fill(&cache, &["a"]);
    fill(&other, &["b"]);
    cache.flush_db().unwrap();
    assert!(!cache.has_key("a").unwrap());
    assert!(!other.has_key("b").unwrap());
}

fn groups_of_nothing_are_empty(at: &Fixture) {
    let cache = at.cache();
    assert_eq!(cache.keys("*").unwrap().count(), 0);
    assert_eq!(cache.delete_pattern("*").unwrap(), 0);
    assert_eq!(cache.clear().unwrap(), 0);
    assert_eq!(cache.clear_version(1).unwrap(), 0);
}

fn the_cache_can_be_used_while_keys_are_listed(at: &Fixture) {
    let cache = at.cache_with(&[("max_connections", "1"), ("pool_timeout", "500ms")]);
    fill(&cache, &["a", "b", "c"]);
    let mut seen = BTreeSet::new();
    for key in cache.keys("*").unwrap() {
        let key = key.unwrap();
        assert!(
            cache.get::<String>(&key).unwrap().is_some(),
            "the listing holds no connection"
        );
        seen.insert(key);
    }
    assert_eq!(seen.len(), 3);
    let mut left_early = cache.keys("*").unwrap();
    assert!(left_early.next().is_some());
    drop(left_early);
    assert!(cache.has_key("a").unwrap());
}

fn thousands_of_keys_are_listed_and_removed(at: &Fixture) {
    let cache = at.cache();
    let keys: Vec<String> = (0..3500).map(|index| format!("k{index}")).collect();
    cache
        .set_many_bytes(keys.iter().map(|key| (key, key)), Expiry::Default)
        .unwrap();
    assert_eq!(listed(&cache, "*").len(), 3500);
    assert_eq!(cache.delete_pattern("k1*").unwrap(), 1111);
    assert_eq!(cache.clear().unwrap(), 3500 - 1111);
    assert_eq!(cache.keys("*").unwrap().count(), 0);
}

fn clear_touches_no_keys_of_other_programs(at: &Fixture) {
    let cache = at.cache();
    fill(&cache, &["mine"]);
    let foreign = [
        format!("{}:lock:name", at.space()),
        format!("{}:k", at.space()),
        at.space().to_owned(),
        format!("{}:1", at.space()),
    ];
    let mut raw = at.server().raw();
    for key in &foreign {
        redis::cmd("SET")
            .arg(key)
            .arg("theirs")
            .exec(&mut raw)
            .unwrap();
    }
    assert_eq!(cache.clear().unwrap(), 1);
    for key in &foreign {
        let value: Option<String> = redis::cmd("GET").arg(key).query(&mut raw).unwrap();
        assert_eq!(value.as_deref(), Some("theirs"), "{key}");
    }
}
