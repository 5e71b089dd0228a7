//! Values as they are stored, read into memory, replaced, added and removed (design, sections 4 and 6).

use std::time::Duration;

use redis_cache::{ErrorKind, Expiry};

use crate::common::fixture::Fixture;
use crate::common::{fault, kind};

behaviour! {
    stores: [
        an_absent_key_is_none_everywhere_and_never_an_error,
        bytes_come_back_as_they_went,
        values_of_every_length_around_the_buffers_come_back_whole,
        get_into_fills_exactly_and_leaves_a_small_buffer_alone,
        set_replaces_value_and_lifetime,
        add_stores_only_what_is_not_there,
        delete_says_whether_there_was_something,
        a_value_above_max_value_is_refused_and_not_stored,
        caches_of_one_store_see_each_other,
        clones_and_threads_share_one_cache,
    ],
    servers: [],
}

fn an_absent_key_is_none_everywhere_and_never_an_error(at: &Fixture) {
    let cache = at.cache();
    assert_eq!(cache.get::<String>("k").unwrap(), None);
    assert_eq!(cache.get_bytes("k").unwrap(), None);
    assert_eq!(cache.get_int("k").unwrap(), None);
    assert_eq!(cache.get_into("k", &mut [0; 8]).unwrap(), None);
    assert_eq!(cache.ttl("k").unwrap(), None);
    assert_eq!(cache.incr("k", 1).unwrap(), None);
    assert_eq!(cache.decr("k", 1).unwrap(), None);
    assert_eq!(cache.incr_version("k", 1).unwrap(), None);
    assert!(!cache.has_key("k").unwrap());
    assert!(!cache.delete("k").unwrap());
    assert!(!cache.touch("k", Expiry::Never).unwrap());
    assert!(!cache.expire("k", Duration::from_secs(1)).unwrap());
    assert!(!cache.expire_at("k", i64::MAX).unwrap());
    assert!(!cache.persist("k").unwrap());
    assert!(!cache.has_key("k").unwrap(), "asking must not create it");
}

fn bytes_come_back_as_they_went(at: &Fixture) {
    let cache = at.cache();
    let every_byte: Vec<u8> = (0..=255).collect();
    let zoo: [&[u8]; 13] = [
        b"",
        b"\0",
        b"plain",
        b"12",
        b"-9223372036854775808",
        b"\xC1",
        b"\xC1\x11\x00\x00inner",
        b"$-1\r\n",
        b"*1\r\n$4\r\nPING\r\n",
        b"\r\n",
        b"\xff\xfe\x80",
        b"nil",
        &every_byte,
    ];
    for value in zoo {
        cache.set_bytes("k", value, Expiry::Default).unwrap();
        assert_eq!(cache.get_bytes("k").unwrap().as_deref(), Some(value));
        let mut buffer = vec![0; value.len()];
        assert_eq!(cache.get_into("k", &mut buffer).unwrap(), Some(value.len()));
        assert_eq!(buffer, value);
        assert_eq!(cache.get_many_bytes(["k"]).unwrap(), [Some(value.to_vec())]);
        assert!(cache.has_key("k").unwrap(), "{value:?}");
    }
}

fn values_of_every_length_around_the_buffers_come_back_whole(at: &Fixture) {
    let cache = at.cache();
    let near = |size: usize| size - 40..size + 10;
    let lengths = (0..70)
        .chain(near(8 << 10))
        .chain(near(16 << 10))
        .chain(near(32 << 10))
        .chain([1 << 20, 9_000_001]);
    for length in lengths {
        let value: Vec<u8> = (0..length).map(|index| (index * 7 % 251) as u8).collect();
        cache.set_bytes("k", &value, Expiry::Default).unwrap();
        // assert!, so that a failure does not print the value.
        assert!(
            cache.get_bytes("k").unwrap().unwrap() == value,
            "get_bytes of {length} bytes"
        );
        let mut buffer = vec![0; length];
        assert_eq!(cache.get_into("k", &mut buffer).unwrap(), Some(length));
        assert!(buffer == value, "get_into of {length} bytes");
        assert!(
            cache.get_many_bytes(["k"]).unwrap() == [Some(value)],
            "get_many of {length} bytes"
        );
    }
}

fn get_into_fills_exactly_and_leaves_a_small_buffer_alone(at: &Fixture) {
    let cache = at.cache();
    let large: Vec<u8> = (0..300_000_u32).map(|index| index as u8).collect();
    for value in [&b"hello"[..], &large] {
        cache.set_bytes("k", value, Expiry::Default).unwrap();
        for spare in [0, 1, 100] {
            let mut buffer = vec![0xAA; value.len() + spare];
            assert_eq!(cache.get_into("k", &mut buffer).unwrap(), Some(value.len()));
            assert!(buffer.starts_with(value));
            assert!(
                buffer[value.len()..].iter().all(|byte| *byte == 0xAA),
                "wrote behind the value"
            );
        }
        for room in [0, 1, value.len() - 1] {
            let mut buffer = vec![0xAA; room];
            assert_eq!(cache.get_into("k", &mut buffer).unwrap(), Some(value.len()));
            assert!(
                buffer.iter().all(|byte| *byte == 0xAA),
                "a buffer of {room} bytes was written to"
            );
        }
    }
    cache.set_bytes("k", b"", Expiry::Default).unwrap();
    assert_eq!(cache.get_into("k", &mut []).unwrap(), Some(0));
    cache.set_int("k", -12, Expiry::Default).unwrap();
    let mut buffer = [0; 3];
    assert_eq!(cache.get_into("k", &mut buffer).unwrap(), Some(3));
    assert_eq!(&buffer, b"-12");
    assert_eq!(cache.get_into("absent", &mut buffer).unwrap(), None);
    assert_eq!(&buffer, b"-12", "a miss writes nothing");
}

fn set_replaces_value_and_lifetime(at: &Fixture) {
    let cache = at.cache();
    cache.set("k", "first", Duration::from_secs(10)).unwrap();
    cache.set("k", &2, Expiry::Never).unwrap();
    assert_eq!(cache.get::<i32>("k").unwrap(), Some(2));
    assert_eq!(cache.ttl("k").unwrap(), Some(redis_cache::Ttl::Forever));
}

fn add_stores_only_what_is_not_there(at: &Fixture) {
    let cache = at.cache();
    assert!(cache.add("k", "first", Duration::from_secs(60)).unwrap());
    assert!(!cache.add("k", "second", Expiry::Never).unwrap());
    assert!(!cache.add_bytes("k", b"third", Expiry::Never).unwrap());
    assert_eq!(cache.get::<String>("k").unwrap().as_deref(), Some("first"));
    assert_ne!(
        cache.ttl("k").unwrap(),
        Some(redis_cache::Ttl::Forever),
        "the lifetime is left alone too"
    );
    assert!(cache.delete("k").unwrap());
    assert!(cache.add_bytes("k", b"fourth", Expiry::Default).unwrap());
    assert_eq!(
        cache.get_bytes("k").unwrap().as_deref(),
        Some(&b"fourth"[..])
    );
    cache.set_int("n", 0, Expiry::Default).unwrap();
    assert!(
        !cache.add("n", &1, Expiry::Default).unwrap(),
        "a zero is something"
    );
    cache.set_bytes("empty", b"", Expiry::Default).unwrap();
    assert!(
        !cache.add("empty", &1, Expiry::Default).unwrap(),
        "an empty value is something"
    );
}

fn delete_says_whether_there_was_something(at: &Fixture) {
    let cache = at.cache();
    cache.set("k", &1, Expiry::Default).unwrap();
    assert!(cache.delete("k").unwrap());
    assert!(!cache.delete("k").unwrap());
    assert_eq!(cache.get::<i32>("k").unwrap(), None);
}

fn a_value_above_max_value_is_refused_and_not_stored(at: &Fixture) {
    let cache = at.cache_with(&[("max_value", "1k")]);
    cache.set_bytes("k", &[b'x'; 900], Expiry::Default).unwrap();
    let error = fault(cache.set_bytes("k", &[b'y'; 1100], Expiry::Default));
    assert_eq!(error.kind(), ErrorKind::InvalidArgument);
    assert!(error.to_string().contains("max_value"), "{error}");
    assert_eq!(
        kind(cache.add_bytes("new", &[b'y'; 1100], Expiry::Default)),
        ErrorKind::InvalidArgument
    );
    assert_eq!(
        kind(cache.set("new", &"y".repeat(1100), Expiry::Default)),
        ErrorKind::InvalidArgument
    );
    assert!(!cache.has_key("new").unwrap());
    assert_eq!(
        cache.get_bytes("k").unwrap(),
        Some(vec![b'x'; 900]),
        "what was there stays"
    );
}

fn caches_of_one_store_see_each_other(at: &Fixture) {
    let (one, other) = (at.cache(), at.cache());
    one.set("k", "shared", Expiry::Default).unwrap();
    assert_eq!(other.get::<String>("k").unwrap().as_deref(), Some("shared"));
    assert!(other.delete("k").unwrap());
    assert!(!one.has_key("k").unwrap());
}

fn clones_and_threads_share_one_cache(at: &Fixture) {
    let cache = at.cache();
    std::thread::scope(|scope| {
        for thread in 0..8_u32 {
            let cache = cache.clone();
            scope.spawn(move || {
                for round in 0..50 {
                    let (key, value) = (format!("k{thread}"), format!("{thread}-{round}"));
                    cache.set(&key, &value, Expiry::Default).unwrap();
                    assert_eq!(cache.get::<String>(&key).unwrap(), Some(value));
                }
            });
        }
    });
    assert_eq!(cache.get::<String>("k7").unwrap().as_deref(), Some("7-49"));
}
