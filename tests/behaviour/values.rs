//! Values as they go in and come out: typed ones, raw bytes, integers (design, section 4).

use std::collections::BTreeMap;
use std::time::Duration;

use redis_cache::{ErrorKind, Expiry};
use serde::{Deserialize, Serialize};

use crate::common::fixture::Fixture;
use crate::common::{fault, kind};

behaviour! {
    stores: [
        an_absent_key_is_none_everywhere_and_never_an_error,
        bytes_come_back_as_they_went,
        values_of_every_length_around_the_buffers_come_back_whole,
        typed_values_come_back_as_they_went,
        integers_come_back_in_every_form,
        a_newtype_of_an_integer_is_an_integer,
        booleans_options_and_floats_are_not_integers,
        a_cached_none_is_a_value_and_not_a_miss,
        get_int_of_anything_but_an_integer_is_a_wrong_type,
        an_integer_that_does_not_fit_its_type_is_a_decode_fault,
        a_value_of_another_type_is_a_miss_unless_asked_for_an_error,
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

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct User {
    id: u64,
    name: String,
    tags: Vec<String>,
    address: Option<Address>,
    scores: BTreeMap<String, f64>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
enum Address {
    Unknown,
    Street(String, u16),
    Box { number: i8 },
}

#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
struct UserId(u64);

fn user() -> User {
    User {
        id: u64::MAX,
        name: "Zoë \0 \r\n".to_owned(),
        tags: vec![String::new(), "b".repeat(5000)],
        address: Some(Address::Street("Höhe".to_owned(), 7)),
        scores: BTreeMap::from([("a".to_owned(), -0.5), ("b".to_owned(), f64::MAX)]),
    }
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

fn typed_values_come_back_as_they_went(at: &Fixture) {
    let cache = at.cache();
    macro_rules! round_trip {
        ($($type:ty: $value:expr),* $(,)?) => { $({
            let value: $type = $value;
            cache.set("k", &value, Expiry::Default).unwrap();
            assert_eq!(cache.get::<$type>("k").unwrap(), Some(value.clone()), "{}", stringify!($type));
            assert_eq!(cache.get_many::<$type>(["k", "absent"]).unwrap(), [Some(value), None]);
        })* };
    }
    round_trip! {
        User: user(),
        User: User { address: None, tags: Vec::new(), ..user() },
        Address: Address::Unknown,
        Address: Address::Box { number: -128 },
        String: String::new(),
        String: "12".to_owned(),
        String: "nil".to_owned(),
        char: '€',
        (): (),
        (u8, String, bool): (1, "x".to_owned(), true),
        Vec<u8>: vec![0xC1, 0, 255],
        Vec<Vec<Option<i32>>>: vec![vec![None, Some(1)], Vec::new()],
        f32: -0.25,
        f64: f64::MIN_POSITIVE,
        i128: i128::MIN,
        u128: u128::MAX,
        i128: 5,
        Duration: Duration::from_nanos(1),
    }
    cache.set("k", "borrowed text", Expiry::Default).unwrap();
    assert_eq!(
        cache.get::<String>("k").unwrap().as_deref(),
        Some("borrowed text")
    );
    cache.set("k", &[1_u16, 2][..], Expiry::Default).unwrap();
    assert_eq!(cache.get::<Vec<u16>>("k").unwrap(), Some(vec![1, 2]));
}

fn integers_come_back_in_every_form(at: &Fixture) {
    let cache = at.cache();
    for number in [
        0,
        1,
        -1,
        9,
        10,
        -10,
        1 << 53,
        (1 << 53) + 1,
        i64::MAX,
        i64::MIN,
        i64::MIN + 1,
    ] {
        cache.set("typed", &number, Expiry::Default).unwrap();
        cache.set_int("int", number, Expiry::Default).unwrap();
        for key in ["typed", "int"] {
            assert_eq!(cache.get::<i64>(key).unwrap(), Some(number));
            assert_eq!(cache.get_int(key).unwrap(), Some(number));
            assert_eq!(
                cache.get_bytes(key).unwrap(),
                Some(number.to_string().into_bytes())
            );
            assert_eq!(cache.get_many::<i64>([key]).unwrap(), [Some(number)]);
        }
    }
    cache.set("k", &u64::MAX, Expiry::Default).unwrap();
    assert_eq!(cache.get::<u64>("k").unwrap(), Some(u64::MAX));
    assert_eq!(
        cache.get_bytes("k").unwrap().as_deref(),
        Some(&b"18446744073709551615"[..])
    );
    cache.set("k", &-7_i8, Expiry::Default).unwrap();
    assert_eq!(cache.get::<i8>("k").unwrap(), Some(-7));
    assert_eq!(
        cache.get::<i32>("k").unwrap(),
        Some(-7),
        "digits have no width"
    );
}

fn a_newtype_of_an_integer_is_an_integer(at: &Fixture) {
    let cache = at.cache();
    cache.set("k", &UserId(41), Expiry::Default).unwrap();
    assert_eq!(cache.get_bytes("k").unwrap().as_deref(), Some(&b"41"[..]));
    assert_eq!(cache.incr("k", 1).unwrap(), Some(42));
    assert_eq!(cache.get::<UserId>("k").unwrap(), Some(UserId(42)));
    assert_eq!(cache.get_int("k").unwrap(), Some(42));
}

fn booleans_options_and_floats_are_not_integers(at: &Fixture) {
    let cache = at.cache();
    cache.set("bool", &true, Expiry::Default).unwrap();
    cache.set("option", &Some(1_i64), Expiry::Default).unwrap();
    cache.set("float", &1.0_f64, Expiry::Default).unwrap();
    cache.set("text", "1", Expiry::Default).unwrap();
    cache.set("tuple", &(1_i64,), Expiry::Default).unwrap();
    for key in ["bool", "option", "float", "text", "tuple"] {
        assert_eq!(kind(cache.get_int(key)), ErrorKind::WrongType, "{key}");
        assert_eq!(kind(cache.incr(key, 1)), ErrorKind::WrongType, "{key}");
    }
    assert_eq!(cache.get::<bool>("bool").unwrap(), Some(true));
    assert_eq!(cache.get::<Option<i64>>("option").unwrap(), Some(Some(1)));
    assert_eq!(cache.get::<f64>("float").unwrap(), Some(1.0));
    assert_eq!(cache.get::<String>("text").unwrap().as_deref(), Some("1"));
    assert_eq!(cache.get::<(i64,)>("tuple").unwrap(), Some((1,)));
}

fn a_cached_none_is_a_value_and_not_a_miss(at: &Fixture) {
    let cache = at.cache();
    cache.set("k", &None::<String>, Expiry::Default).unwrap();
    assert_eq!(cache.get::<Option<String>>("k").unwrap(), Some(None));
    assert!(cache.has_key("k").unwrap());
    assert!(!cache.add("k", &Some("x"), Expiry::Default).unwrap());
    cache.set("unit", &(), Expiry::Default).unwrap();
    assert_eq!(cache.get::<()>("unit").unwrap(), Some(()));
    assert_eq!(
        cache.get_many::<()>(["unit", "absent"]).unwrap(),
        [Some(()), None]
    );
}

fn get_int_of_anything_but_an_integer_is_a_wrong_type(at: &Fixture) {
    let cache = at.cache();
    cache
        .set_bytes("digits behind a header", b"12", Expiry::Default)
        .unwrap();
    cache.set("text", "12_3\n", Expiry::Default).unwrap();
    cache
        .set("too large", &(i64::MAX as u64 + 1), Expiry::Default)
        .unwrap();
    for key in ["digits behind a header", "text", "too large"] {
        assert_eq!(kind(cache.get_int(key)), ErrorKind::WrongType, "{key}");
    }
    assert_eq!(cache.get::<u64>("too large").unwrap(), Some(1 << 63));
}

fn an_integer_that_does_not_fit_its_type_is_a_decode_fault(at: &Fixture) {
    let strict = at.cache_with(&[("on_decode_error", "error")]);
    strict.set("k", &300, Expiry::Default).unwrap();
    assert_eq!(kind(strict.get::<u8>("k")), ErrorKind::Decode);
    assert_eq!(
        at.cache().get::<u8>("k").unwrap(),
        None,
        "a miss by default"
    );
    strict.set("k", &-1, Expiry::Default).unwrap();
    assert_eq!(kind(strict.get::<u64>("k")), ErrorKind::Decode);
    assert_eq!(strict.get::<i8>("k").unwrap(), Some(-1));
}

fn a_value_of_another_type_is_a_miss_unless_asked_for_an_error(at: &Fixture) {
    let (lenient, strict) = (at.cache(), at.cache_with(&[("on_decode_error", "error")]));
    lenient.set("k", "just text", Expiry::Default).unwrap();
    assert_eq!(lenient.get::<User>("k").unwrap(), None);
    assert_eq!(lenient.stats().decode_errors, 1);
    let error = fault(strict.get::<User>("k"));
    assert_eq!(error.kind(), ErrorKind::Decode);
    assert!(
        !error.to_string().contains("just text"),
        "a value in an error: {error}"
    );
    assert_eq!(lenient.get_many::<User>(["k"]).unwrap(), [None]);
    let partial = strict.get_many::<User>(["k"]).unwrap_err();
    assert_eq!(
        partial.items[0].as_ref().unwrap_err().kind(),
        ErrorKind::Decode
    );
    assert_eq!(
        strict.get::<String>("k").unwrap().as_deref(),
        Some("just text"),
        "it is still there"
    );
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
