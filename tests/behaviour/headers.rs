//! What is there by its header alone (design, section 6): also what this build cannot read is there, and what is only
//! leased, known to be absent or soft-expired is not. `has_key`, `add` and `keys` agree on it.

use std::collections::BTreeSet;

use redis_cache::{Begun, Cache, ErrorKind, Expiry};

use crate::common::as_it_is::as_it_is;
use crate::common::fixture::{Backend, Fixture};
use crate::common::kind;
use crate::compute::loaded;

behaviour! {
    stores: [
        what_this_build_cannot_read_is_there_and_is_healed,
        keys_lists_what_a_read_would_find,
        plain_values_are_listed_whatever_they_are,
        locks_are_never_listed_nor_removed_by_a_pattern,
    ],
    keys: [
        an_entry_of_another_data_type_is_there,
    ],
    servers: [
        a_page_of_keys_is_two_round_trips,
    ],
}

/// A header of another version, codecs and compressors that nobody knows, with and without a lease block, and cut short.
fn unreadable() -> Vec<Vec<u8>> {
    let long = |format: u8| [&[0xC1, 0x13, format, 0][..], &[0; 28], b"payload"].concat();
    vec![
        b"\xC1\x21\0\0of the future".to_vec(),
        b"\xC1\x19\0\0with a flag of the future".to_vec(),
        b"\xC1\x11\x70\0a codec".to_vec(),
        b"\xC1\x11\x07\0a compressor".to_vec(),
        long(0x70),
        long(0x07),
        b"\xC1\x13\0\0short".to_vec(),
        b"\xC1".to_vec(),
    ]
}

fn put(at: &Fixture, key: &str, stored: &[u8]) {
    match at.backend {
        // Nobody else can reach into it, so such a value comes as what a compressor made of one without a header.
        Backend::Memory => {
            let plain = as_it_is(at.config()).connect().unwrap();
            plain.set_bytes(key, stored, Expiry::Never).unwrap();
        }
        _ => at.plant(key, stored),
    }
}

fn what_this_build_cannot_read_is_there_and_is_healed(at: &Fixture) {
    let (cache, telling) = (at.cache(), at.cache_with(&[("on_decode_error", "error")]));
    for stored in unreadable() {
        put(at, "k", &stored);
        assert!(cache.has_key("k").unwrap(), "{stored:?}");
        assert!(
            !cache.add("k", "new", Expiry::Default).unwrap(),
            "{stored:?}"
        );
        assert_eq!(cache.get::<String>("k").unwrap(), None, "{stored:?}");
        assert_eq!(
            cache.get_many::<String>(["k"]).unwrap(),
            [None],
            "{stored:?}"
        );
        assert_eq!(
            kind(telling.get::<String>("k")),
            ErrorKind::Decode,
            "{stored:?}"
        );
        cache.set("k", "set", Expiry::Default).unwrap();
        assert_eq!(telling.get::<String>("k").unwrap().as_deref(), Some("set"));

        put(at, "k", &stored);
        let made = cache.get_or_set("k", Expiry::Default, || loaded("made".to_owned()));
        assert_eq!(made.unwrap(), "made");
        let healed = telling.get::<String>("k").unwrap();
        assert_eq!(healed.as_deref(), Some("made"), "{stored:?}");
    }
}

fn an_entry_of_another_data_type_is_there(at: &Fixture) {
    let cache = at.cache();
    at.plant_list("list");
    assert!(cache.has_key("list").unwrap());
    assert!(!cache.add("list", "new", Expiry::Default).unwrap());
    assert_eq!(listed(&cache), ["list".to_owned()].into());
    assert_eq!(cache.get_many::<String>(["list"]).unwrap(), [None]);
    assert_eq!(kind(cache.get::<String>("list")), ErrorKind::WrongType);
    cache.set("list", "set", Expiry::Default).unwrap();
    assert_eq!(cache.get::<String>("list").unwrap().as_deref(), Some("set"));
}

fn listed(cache: &Cache) -> BTreeSet<String> {
    let names = cache.keys("*").unwrap().map(Result::unwrap);
    names.map(|key| String::from_utf8(key).unwrap()).collect()
}

fn keys_lists_what_a_read_would_find(at: &Fixture) {
    let cache = at.cache_with(&[("stale", "1m"), ("lease", "1m"), ("scan_count", "3")]);
    let mut all: Vec<String> = Vec::new();
    let mut name = |kind: &str| {
        all.push(format!("{kind}{}", all.len()));
        all.last().cloned().unwrap()
    };
    for stored in unreadable() {
        put(at, &name("unreadable"), &stored);
    }
    put(at, &name("foreign"), b"of another program");
    put(at, &name("empty"), b"");
    let mut leases = Vec::new();
    for _ in 0..5 {
        cache.set(name("value"), "value", Expiry::Default).unwrap();
        cache.set_int(name("number"), 7, Expiry::Default).unwrap();
        let key = name("loaded");
        cache
            .get_or_set(&key, Expiry::Default, || loaded(1.5))
            .unwrap();
        let key = name("absent");
        let none = |_: &mut redis_cache::Loading<'_>| loaded(None::<String>);
        cache.get_or_set_with(&key, Expiry::Default, none).unwrap();
        let key = name("soft");
        cache.set(&key, "value", Expiry::Default).unwrap();
        assert!(cache.expire_soft(&key).unwrap());
        match cache.lease::<String>(name("leased")).unwrap() {
            Begun::Yours(lease) => leases.push(lease),
            other => panic!("nobody else loads: {other:?}"),
        }
    }
    let there = all.iter().filter(|key| cache.has_key(key).unwrap());
    let there: BTreeSet<String> = there.cloned().collect();
    assert_eq!(there.len(), 10 + 3 * 5);
    assert_eq!(listed(&cache), there);
    // Whole pages of what is not there do not end the listing.
    cache.delete_many(&there).unwrap();
    assert_eq!(listed(&cache), BTreeSet::new());
    drop(leases);
}

fn plain_values_are_listed_whatever_they_are(at: &Fixture) {
    let cache = at.cache_with(&[("layout", "plain")]);
    cache.set("k", "value", Expiry::Default).unwrap();
    cache.set_int("n", 7, Expiry::Default).unwrap();
    assert_eq!(listed(&cache), ["k".to_owned(), "n".to_owned()].into());
}

/// Under a key function that puts nothing in front a pattern would meet them.
fn locks_are_never_listed_nor_removed_by_a_pattern(at: &Fixture) {
    let config = at
        .config()
        .key_fn(|prefix, _, key| Ok([key, b" of ", prefix].concat()));
    let cache = config.connect().unwrap();
    let name = format!("of {}", at.space());
    let minute = std::time::Duration::from_secs(60);
    let lock = cache
        .lock(&name, minute, std::time::Duration::ZERO)
        .unwrap()
        .unwrap();
    cache.set("k", "value", Expiry::Default).unwrap();
    // Everything that ends as the keys of this cache do, and so the lock.
    let wires: Vec<Vec<u8>> = cache.keys("*").unwrap().map(Result::unwrap).collect();
    assert_eq!(wires, [format!("k of {}", at.space()).into_bytes()]);
    assert_eq!(cache.delete_pattern("*").unwrap(), 1);
    lock.extend(minute).unwrap();
}

fn a_page_of_keys_is_two_round_trips(at: &Fixture) {
    let at = at.alone();
    let cache = at.cache();
    let entries = (0..50).map(|number| (format!("k{number}"), b"value"));
    cache.set_many_bytes(entries, Expiry::Default).unwrap();
    let before = (at.calls("scan"), at.calls("getrange"), at.calls("get"));
    assert_eq!(cache.keys("*").unwrap().count(), 50);
    let after = (at.calls("scan"), at.calls("getrange"), at.calls("get"));
    assert_eq!(after, (before.0 + 1, before.1 + 50, before.2));
    let plain = at.cache_with(&[("layout", "plain")]);
    assert_eq!(plain.keys("*").unwrap().count(), 50);
    assert_eq!(at.calls("getrange"), after.1);
}
