//! Many keys in one call: order, duplicates, items that fail alone (design, section 6).

use std::time::Duration;

use redis_cache::{Cache, Error, ErrorKind, Expiry, Ttl};
use serde::Serialize;

use crate::common::fixture::Fixture;

behaviour! {
    stores: [
        get_many_answers_in_the_callers_order,
        nothing_asked_is_nothing_answered,
        set_many_stores_every_entry,
        set_many_gives_each_entry_the_lifetime,
        the_last_of_equal_keys_in_set_many_stays,
        delete_many_counts_what_was_there,
        a_bad_key_fails_alone,
        bad_keys_alone_are_one_cause,
        a_thousand_keys_go_at_once,
        large_and_binary_values_go_at_once,
    ],
    servers: [],
}

fn set_many<T: Serialize>(cache: &Cache, entries: &[(&str, T)], expiry: impl Into<Expiry>) {
    let entries = entries.iter().map(|(key, value)| (*key, value));
    cache.set_many::<T>(entries, expiry).unwrap();
}

fn get_many_answers_in_the_callers_order(at: &Fixture) {
    let cache = at.cache();
    set_many(&cache, &[("a", 1), ("b", 2), ("c", 3)], Expiry::Default);
    let asked = ["c", "absent", "a", "c", "b", "absent", "a"];
    assert_eq!(
        cache.get_many::<i32>(asked).unwrap(),
        [Some(3), None, Some(1), Some(3), Some(2), None, Some(1)]
    );
    cache.set("text", "x", Expiry::Default).unwrap();
    cache.set("none", &None::<u8>, Expiry::Default).unwrap();
    let bytes = cache.get_many_bytes(["a", "absent"]).unwrap();
    assert_eq!(bytes, [Some(b"1".to_vec()), None]);
    assert_eq!(
        cache.get_many::<Option<u8>>(["none", "absent"]).unwrap(),
        [Some(None), None]
    );
}

fn nothing_asked_is_nothing_answered(at: &Fixture) {
    let cache = at.cache();
    assert_eq!(cache.get_many::<i32>(Vec::<&str>::new()).unwrap(), []);
    assert_eq!(
        cache.get_many_bytes([] as [&str; 0]).unwrap(),
        [] as [Option<Vec<u8>>; 0]
    );
    set_many::<i32>(&cache, &[], Expiry::Default);
    cache
        .set_many_bytes([] as [(&str, &[u8]); 0], Expiry::Default)
        .unwrap();
    assert_eq!(cache.delete_many([] as [&str; 0]).unwrap(), 0);
}

fn set_many_stores_every_entry(at: &Fixture) {
    let cache = at.cache();
    cache.set("b", "old", Expiry::Default).unwrap();
    set_many(
        &cache,
        &[("a", "x"), ("b", "new"), ("c", "")],
        Expiry::Default,
    );
    assert_eq!(cache.get::<String>("a").unwrap().as_deref(), Some("x"));
    assert_eq!(cache.get::<String>("b").unwrap().as_deref(), Some("new"));
    assert_eq!(cache.get::<String>("c").unwrap().as_deref(), Some(""));
    set_many(&cache, &[("n", 41)], Expiry::Default);
    assert_eq!(cache.incr("n", 1).unwrap(), Some(42), "an integer here too");
}

fn set_many_gives_each_entry_the_lifetime(at: &Fixture) {
    let cache = at.cache();
    set_many(&cache, &[("a", 1), ("b", 2)], Duration::from_secs(60));
    set_many(&cache, &[("c", 3)], Expiry::Never);
    for key in ["a", "b"] {
        let Some(Ttl::Remaining(left)) = cache.ttl(key).unwrap() else {
            panic!("{key} has no lifetime")
        };
        assert!(
            left <= Duration::from_secs(60) && left > Duration::from_secs(45),
            "{left:?}"
        );
    }
    assert_eq!(cache.ttl("c").unwrap(), Some(Ttl::Forever));
    set_many(&cache, &[("a", 1), ("c", 2)], Duration::ZERO);
    assert_eq!(
        cache.get_many::<i32>(["a", "b", "c"]).unwrap(),
        [None, Some(2), None],
        "expired removes"
    );
}

fn the_last_of_equal_keys_in_set_many_stays(at: &Fixture) {
    let cache = at.cache();
    set_many(&cache, &[("a", 1), ("b", 0), ("a", 2)], Expiry::Default);
    assert_eq!(
        cache.get_many::<i32>(["a", "b"]).unwrap(),
        [Some(2), Some(0)]
    );
}

fn delete_many_counts_what_was_there(at: &Fixture) {
    let cache = at.cache();
    set_many(&cache, &[("a", 1), ("b", 2), ("c", 3)], Expiry::Default);
    assert_eq!(cache.delete_many(["a", "absent", "b", "a"]).unwrap(), 2);
    assert_eq!(
        cache.get_many::<i32>(["a", "b", "c"]).unwrap(),
        [None, None, Some(3)]
    );
    assert_eq!(cache.delete_many(["a", "b"]).unwrap(), 0);
}

fn a_bad_key_fails_alone(at: &Fixture) {
    let cache = at.cache();
    let too_long = "k".repeat(70_000);
    cache.set("a", &1, Expiry::Default).unwrap();

    let partial = cache
        .get_many::<i32>(["a", "", "absent", &too_long])
        .unwrap_err();
    assert_eq!(partial.items.len(), 4);
    assert_eq!(*partial.items[0].as_ref().unwrap(), Some(1));
    assert_eq!(
        partial.items[1].as_ref().unwrap_err().kind(),
        ErrorKind::InvalidArgument
    );
    assert_eq!(*partial.items[2].as_ref().unwrap(), None);
    assert_eq!(
        partial.items[3].as_ref().unwrap_err().kind(),
        ErrorKind::InvalidArgument
    );

    let partial = cache
        .set_many_bytes([("", b"1"), ("b", b"2")], Expiry::Default)
        .unwrap_err();
    assert_eq!(
        partial.items[0].as_ref().unwrap_err().kind(),
        ErrorKind::InvalidArgument
    );
    assert!(partial.items[1].is_ok());
    assert_eq!(cache.get_bytes("b").unwrap().as_deref(), Some(&b"2"[..]));

    let partial = cache.delete_many(["absent", "", "a"]).unwrap_err();
    assert!(!*partial.items[0].as_ref().unwrap());
    assert_eq!(
        partial.items[1].as_ref().unwrap_err().kind(),
        ErrorKind::InvalidArgument
    );
    assert!(*partial.items[2].as_ref().unwrap());
    assert!(!cache.has_key("a").unwrap());
}

fn bad_keys_alone_are_one_cause(at: &Fixture) {
    let cache = at.cache();
    let partial = cache.get_many::<i32>(["", ""]).unwrap_err();
    let text = partial.to_string();
    assert!(text.contains("key"), "{text}");
    let error: Error = partial.into();
    assert_eq!(error.kind(), ErrorKind::InvalidArgument);
}

fn a_thousand_keys_go_at_once(at: &Fixture) {
    let cache = at.cache();
    let keys: Vec<String> = (0..1000).map(|index| format!("key {index}")).collect();
    let values: Vec<Vec<u8>> = (0..1000_usize)
        .map(|index| vec![index as u8; index])
        .collect();
    cache
        .set_many_bytes(keys.iter().zip(&values), Expiry::Default)
        .unwrap();
    let back = cache.get_many_bytes(&keys).unwrap();
    assert!(back.into_iter().map(Option::unwrap).eq(values));
    assert_eq!(cache.delete_many(&keys).unwrap(), 1000);
    assert!(
        cache
            .get_many_bytes(&keys)
            .unwrap()
            .iter()
            .all(Option::is_none)
    );
}

fn large_and_binary_values_go_at_once(at: &Fixture) {
    let cache = at.cache();
    let large: Vec<u8> = (0..1_500_000_u32)
        .map(|index| (index % 253) as u8)
        .collect();
    let binary = b"\0\r\n$5\r\n\xff".to_vec();
    let entries = [("large", &large), ("binary", &binary), ("again", &large)];
    cache.set_many_bytes(entries, Expiry::Default).unwrap();
    let back = cache
        .get_many_bytes(["binary", "again", "absent", "large", "binary"])
        .unwrap();
    let expected = [
        Some(&binary),
        Some(&large),
        None,
        Some(&large),
        Some(&binary),
    ];
    assert!(back.iter().map(Option::as_ref).eq(expected));
}
