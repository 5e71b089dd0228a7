//! Values as they stand on a server, for other programs to read, and what other programs may have left there:
//! digits, headers, foreign bytes, keys of other data types, placeholders (design, sections 4 and 6; herd.md).

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use redis_cache::{ErrorKind, Expiry};

use crate::common::fixture::Fixture;
use crate::common::{fault, kind};

behaviour! {
    stores: [],
    keys: [
        integers_stand_as_their_decimal_digits,
        everything_else_stands_behind_the_short_header,
        digits_of_another_program_are_integers,
        what_only_looks_like_an_integer_is_not_one,
        foreign_bytes_are_returned_as_they_are,
        foreign_bytes_are_no_typed_value,
        a_broken_header_is_no_typed_value,
        a_value_with_a_long_header_is_read_like_any_other,
        a_key_of_another_data_type_is_a_wrong_type,
        a_placeholder_is_no_value,
        a_soft_expired_value_is_no_value,
        a_negative_entry_is_no_value,
        a_live_entry_with_a_long_header_is_not_added_over,
        touch_moves_the_soft_expiry_along,
    ],
    servers: [],
}

const PAYLOAD: u8 = 1;
const LEASE: u8 = 2;
const NEGATIVE: u8 = 4;

fn unix_ms() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    u64::try_from(now.as_millis()).unwrap()
}

/// An entry of raw bytes with the header of 32 bytes, byte for byte as herd.md has it.
fn entry(flags: u8, soft_expire_ms: u64, payload: &[u8]) -> Vec<u8> {
    let mut entry = vec![0xC1, 0x10 | LEASE | flags, 0x00, 0];
    entry.extend(10_000_u32.to_le_bytes());
    entry.extend(soft_expire_ms.to_le_bytes());
    entry.extend((unix_ms() + 60_000).to_le_bytes());
    entry.extend(b"token123");
    entry.extend(payload);
    entry
}

fn integers_stand_as_their_decimal_digits(at: &Fixture) {
    let cache = at.cache();
    for number in [0, -1, i64::MAX, i64::MIN] {
        cache.set("typed", &number, Expiry::Default).unwrap();
        cache.set_int("int", number, Expiry::Default).unwrap();
        cache.delete("added").unwrap();
        cache.add("added", &number, Expiry::Default).unwrap();
        for key in ["typed", "int", "added"] {
            assert_eq!(
                at.stored(key),
                Some(number.to_string().into_bytes()),
                "{key}"
            );
        }
    }
    cache.set("k", &u64::MAX, Expiry::Default).unwrap();
    assert_eq!(at.stored("k").unwrap(), b"18446744073709551615");
}

fn everything_else_stands_behind_the_short_header(at: &Fixture) {
    let cache = at.cache();
    cache.set_bytes("k", b"12", Expiry::Default).unwrap();
    assert_eq!(at.stored("k").unwrap(), b"\xC1\x11\x00\x0012");
    cache.set("k", "hi", Expiry::Default).unwrap();
    assert_eq!(
        at.stored("k").unwrap(),
        b"\xC1\x11\x10\x00\x02hi",
        "postcard is codec 1"
    );
    cache.set("k", &true, Expiry::Default).unwrap();
    assert_eq!(at.stored("k").unwrap(), b"\xC1\x11\x10\x00\x01");
    cache.set("k", &None::<i64>, Expiry::Default).unwrap();
    assert_eq!(at.stored("k").unwrap(), b"\xC1\x11\x10\x00\x00");
    assert!(cache.add_bytes("added", b"", Expiry::Default).unwrap());
    assert_eq!(at.stored("added").unwrap(), b"\xC1\x11\x00\x00");
}

fn digits_of_another_program_are_integers(at: &Fixture) {
    let cache = at.cache();
    at.plant("k", b"41");
    assert_eq!(cache.get::<u8>("k").unwrap(), Some(41));
    assert_eq!(cache.get_int("k").unwrap(), Some(41));
    assert_eq!(cache.get_bytes("k").unwrap().as_deref(), Some(&b"41"[..]));
    assert_eq!(cache.incr("k", 1).unwrap(), Some(42));
    assert_eq!(at.stored("k").unwrap(), b"42");
}

/// Guards against defect 5 of the ancestor: `int("12_3\n")` is 123 there.
fn what_only_looks_like_an_integer_is_not_one(at: &Fixture) {
    let strict = at.cache_with(&[("on_decode_error", "error")]);
    let looks: [&[u8]; 16] = [
        b"",
        b"-",
        b"+1",
        b"-0",
        b"00",
        b"01",
        b"-01",
        b" 1",
        b"1 ",
        b"1\n",
        b"12_3\n",
        b"1.0",
        b"1e3",
        b"0x1",
        b"18446744073709551616",
        b"-9223372036854775809",
    ];
    for bytes in looks {
        at.plant("k", bytes);
        assert_eq!(
            kind(strict.get_int("k")),
            ErrorKind::WrongType,
            "get_int of {bytes:?}"
        );
        assert_eq!(
            kind(strict.get::<i64>("k")),
            ErrorKind::Decode,
            "get of {bytes:?}"
        );
        assert_eq!(
            kind(strict.incr("k", 1)),
            ErrorKind::WrongType,
            "incr of {bytes:?}"
        );
        assert_eq!(
            kind(strict.incr_or_create("k", 1, 5, Expiry::Default)),
            ErrorKind::WrongType,
            "{bytes:?}"
        );
        assert_eq!(strict.get_bytes("k").unwrap().as_deref(), Some(bytes));
        assert_eq!(at.stored("k").as_deref(), Some(bytes), "it was changed");
    }
}

fn foreign_bytes_are_returned_as_they_are(at: &Fixture) {
    let cache = at.cache();
    for bytes in [
        &b""[..],
        b"{\"a\": 1}",
        b"\x80\x04K\x01.",
        b"\x78\x9c",
        b"\xC0",
        b"$5\r\n",
        b"\0",
    ] {
        at.plant("k", bytes);
        assert_eq!(cache.get_bytes("k").unwrap().as_deref(), Some(bytes));
        assert_eq!(cache.get_many_bytes(["k"]).unwrap(), [Some(bytes.to_vec())]);
        assert!(cache.has_key("k").unwrap());
        assert!(
            !cache.add_bytes("k", b"mine", Expiry::Default).unwrap(),
            "it is a value: {bytes:?}"
        );
    }
}

fn foreign_bytes_are_no_typed_value(at: &Fixture) {
    let (lenient, strict) = (at.cache(), at.cache_with(&[("on_decode_error", "error")]));
    for bytes in [&b""[..], b"{\"a\": 1}", b"\x02hi", b"text"] {
        at.plant("k", bytes);
        assert_eq!(lenient.get::<String>("k").unwrap(), None, "{bytes:?}");
        assert_eq!(
            lenient.get_many::<String>(["k"]).unwrap(),
            [None],
            "{bytes:?}"
        );
        assert_eq!(
            kind(strict.get::<String>("k")),
            ErrorKind::Decode,
            "{bytes:?}"
        );
    }
    assert_eq!(lenient.stats().decode_errors, 8);
}

fn a_broken_header_is_no_typed_value(at: &Fixture) {
    let strict = at.cache_with(&[("on_decode_error", "error")]);
    let unknown_codec = b"\xC1\x11\xA0\x00\x02hi";
    let unknown_compressor = b"\xC1\x11\x1A\x00\x02hi";
    let wrong_payload = b"\xC1\x11\x10\x00\xff\xff\xff\xff\xff\xff\xff\xff\xff";
    let later_version = b"\xC1\x21\x10\x00\x02hi";
    for bytes in [
        &b"\xC1"[..],
        b"\xC1\x11\x10",
        unknown_codec,
        unknown_compressor,
        wrong_payload,
        later_version,
    ] {
        at.plant("k", bytes);
        assert_eq!(
            kind(strict.get::<String>("k")),
            ErrorKind::Decode,
            "{bytes:?}"
        );
        assert_eq!(at.cache().get::<String>("k").unwrap(), None, "{bytes:?}");
    }
}

fn a_value_with_a_long_header_is_read_like_any_other(at: &Fixture) {
    let cache = at.cache();
    for soft_expire_ms in [0, unix_ms() + 60_000] {
        at.plant("k", &entry(PAYLOAD, soft_expire_ms, b"payload"));
        assert_eq!(
            cache.get_bytes("k").unwrap().as_deref(),
            Some(&b"payload"[..])
        );
        assert_eq!(
            cache.get_many_bytes(["k"]).unwrap(),
            [Some(b"payload".to_vec())]
        );
        let mut buffer = [0; 7];
        assert_eq!(cache.get_into("k", &mut buffer).unwrap(), Some(7));
        assert_eq!(&buffer, b"payload");
        assert!(cache.has_key("k").unwrap());
    }
    let mut typed = entry(PAYLOAD, 0, b"\x02hi");
    typed[2] = 0x10;
    at.plant("k", &typed);
    assert_eq!(cache.get::<String>("k").unwrap().as_deref(), Some("hi"));
}

fn a_key_of_another_data_type_is_a_wrong_type(at: &Fixture) {
    let cache = at.cache();
    at.plant_list("list");
    let error = fault(cache.get_bytes("list"));
    assert_eq!(
        (error.kind(), error.code()),
        (ErrorKind::WrongType, Some("WRONGTYPE"))
    );
    assert_eq!(kind(cache.get::<String>("list")), ErrorKind::WrongType);
    assert_eq!(kind(cache.get_int("list")), ErrorKind::WrongType);
    assert_eq!(kind(cache.incr("list", 1)), ErrorKind::WrongType);
    assert_eq!(
        kind(cache.incr_or_create("list", 1, 1, Expiry::Default)),
        ErrorKind::WrongType
    );
    cache.set("text", "beside", Expiry::Default).unwrap();
    let many = cache.get_many::<String>(["text", "list"]).unwrap();
    assert_eq!(many, [Some("beside".to_owned()), None], "MGET says nil");
    assert!(cache.delete("list").unwrap());
    at.plant_list("list");
    cache.set("list", "replaced", Expiry::Default).unwrap();
    assert_eq!(
        cache.get::<String>("list").unwrap().as_deref(),
        Some("replaced")
    );
}

fn is_no_value(at: &Fixture, planted: &[u8]) {
    let cache = at.cache();
    at.plant("k", planted);
    assert_eq!(cache.get_bytes("k").unwrap(), None);
    assert_eq!(cache.get::<String>("k").unwrap(), None);
    assert_eq!(cache.get_int("k").unwrap(), None);
    assert_eq!(cache.get_into("k", &mut [0; 64]).unwrap(), None);
    assert_eq!(cache.get_many_bytes(["k"]).unwrap(), [None]);
    assert!(!cache.has_key("k").unwrap());
    assert_eq!(cache.ttl("k").unwrap(), None);
    assert!(!cache.touch("k", Duration::from_secs(5)).unwrap());
    assert!(!cache.persist("k").unwrap());
    assert_eq!(cache.incr("k", 1).unwrap(), None);
    assert_eq!(cache.incr_version("k", 1).unwrap(), None);
    assert_eq!(
        at.stored("k").as_deref(),
        Some(planted),
        "asking changed it"
    );
    assert_eq!(
        cache.stats().decode_errors,
        0,
        "it is a miss, not a broken value"
    );
    assert!(cache.delete("k").unwrap(), "delete says what Redis says");

    at.plant("k", planted);
    assert!(
        cache
            .add_bytes("k", b"new", Duration::from_secs(60))
            .unwrap(),
        "add takes its place"
    );
    assert_eq!(cache.get_bytes("k").unwrap().as_deref(), Some(&b"new"[..]));
    assert!(at.pttl("k") > 0);

    at.plant("k", planted);
    assert_eq!(cache.incr_or_create("k", 1, 5, Expiry::Default).unwrap(), 5);
    assert_eq!(cache.get_int("k").unwrap(), Some(5));
}

fn a_placeholder_is_no_value(at: &Fixture) {
    is_no_value(at, &entry(0, 0, b""));
}

fn a_soft_expired_value_is_no_value(at: &Fixture) {
    is_no_value(at, &entry(PAYLOAD, unix_ms() - 5000, b"old"));
}

fn a_negative_entry_is_no_value(at: &Fixture) {
    is_no_value(at, &entry(PAYLOAD | NEGATIVE, unix_ms() + 60_000, b""));
}

fn a_live_entry_with_a_long_header_is_not_added_over(at: &Fixture) {
    let live = entry(PAYLOAD, unix_ms() + 60_000, b"live");
    at.plant("k", &live);
    assert!(!at.cache().add_bytes("k", b"new", Expiry::Default).unwrap());
    assert_eq!(at.stored("k"), Some(live));
}

fn touch_moves_the_soft_expiry_along(at: &Fixture) {
    let cache = at.cache();
    at.plant("k", &entry(PAYLOAD, unix_ms() + 20_000, b"value"));
    assert!(cache.touch("k", Duration::from_secs(100)).unwrap());
    let stored = at.stored("k").unwrap();
    let soft = u64::from_le_bytes(stored[8..16].try_into().unwrap());
    assert!(
        soft > unix_ms() + 90_000,
        "soft expiry is {} ms away",
        soft as i64 - unix_ms() as i64
    );
    let Some(redis_cache::Ttl::Remaining(left)) = cache.ttl("k").unwrap() else {
        panic!("no ttl")
    };
    // The server's clock is known to within a round trip, which a busy machine may stretch.
    assert!(
        left > Duration::from_secs(90) && left < Duration::from_secs(110),
        "{left:?}"
    );
    assert_eq!(&stored[24..], b"token123value", "lease and payload stay");
}
