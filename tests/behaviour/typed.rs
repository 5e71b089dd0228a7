//! Typed values: what goes in comes out, integers are integers in every form, and what was stored as something else
//! is not guessed at (design, section 4).

use std::collections::BTreeMap;
use std::time::Duration;

use redis_cache::{ErrorKind, Expiry};
use serde::{Deserialize, Serialize};

use crate::common::fixture::Fixture;
use crate::common::{fault, kind};

behaviour! {
    stores: [
        typed_values_come_back_as_they_went,
        integers_come_back_in_every_form,
        a_newtype_of_an_integer_is_an_integer,
        booleans_options_and_floats_are_not_integers,
        a_cached_none_is_a_value_and_not_a_miss,
        get_int_of_anything_but_an_integer_is_a_wrong_type,
        an_integer_that_does_not_fit_its_type_is_a_decode_fault,
        a_value_of_another_type_is_a_miss_unless_asked_for_an_error,
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
