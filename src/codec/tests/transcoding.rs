//! JSON and MessagePack, each from the other: the same as if the other one had written the value, or not at all.

use std::collections::BTreeMap;

use proptest::prelude::*;
use serde::Deserialize;

use super::*;

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
enum Tree {
    Empty,
    Float(f64),
    Single(f32),
    Unsigned(u64),
    Signed(i64),
    Text(String),
    Flag(Option<bool>),
    List(Vec<Tree>),
    Named {
        map: BTreeMap<String, Tree>,
        pair: (i8, char),
    },
}

fn written(codec: Codec, value: &Tree) -> Vec<u8> {
    let mut out = Vec::new();
    encode(&settings(codec, Compressor::None), value, false, &mut out).unwrap();
    out
}

fn turned(from: u8, to: u8, payload: &[u8]) -> Result<Option<Vec<u8>>> {
    let mut out = b"before".to_vec();
    let result = transcode(from, to, payload, &mut out);
    assert!(out.starts_with(b"before"));
    assert!(
        out.len() == 6 || matches!(result, Ok(true)),
        "half of it was written"
    );
    result.map(|is_done| is_done.then(|| out.split_off(6)))
}

fn tree() -> impl Strategy<Value = Tree> {
    let finite = any::<f64>().prop_filter("JSON has no others", |f| f.is_finite());
    let single = any::<f32>().prop_filter("JSON has no others", |f| f.is_finite());
    let leaf = prop_oneof![
        Just(Tree::Empty),
        finite.prop_map(Tree::Float),
        single.prop_map(Tree::Single),
        any::<u64>().prop_map(Tree::Unsigned),
        any::<i64>().prop_map(Tree::Signed),
        ".*".prop_map(Tree::Text),
        any::<Option<bool>>().prop_map(Tree::Flag),
    ];
    leaf.prop_recursive(4, 40, 6, |inner| {
        let named = (
            prop::collection::btree_map("[ -~é]*x", inner.clone(), 0..4),
            any::<(i8, char)>(),
        );
        prop_oneof![
            prop::collection::vec(inner, 0..6).prop_map(Tree::List),
            named.prop_map(|(map, pair)| Tree::Named { map, pair }),
        ]
    })
}

proptest! {
    #![proptest_config(runs(300))]

    #[test]
    fn a_value_is_the_same_in_both(value in tree()) {
        let (json, msgpack) = (written(Codec::Json, &value), written(Codec::Msgpack, &value));
        let there = turned(JSON, MSGPACK, &json).unwrap().unwrap();
        let back = turned(MSGPACK, JSON, &msgpack).unwrap().unwrap();
        let settings = Settings::default();
        prop_assert_eq!(&decode::<Tree>(&settings, MSGPACK, &there).unwrap(), &value);
        prop_assert_eq!(&decode::<Tree>(&settings, JSON, &back).unwrap(), &value);
    }

    #[test]
    fn arbitrary_bytes_are_turned_or_left(bytes in prop::collection::vec(any::<u8>(), 0..100)) {
        let _ = turned(JSON, MSGPACK, &bytes);
        let _ = turned(MSGPACK, JSON, &bytes);
    }
}

#[test]
fn what_the_other_cannot_hold_is_left_alone() {
    let json = [
        "18446744073709551616",
        "[1, {\"a\": -9223372036854775809}]",
        "{\"quote \\\" and 1\": 123456789012345678901234567890}",
        "{\"7\": \"perhaps a number was the key\"}",
        "[{\"a\": {\"true\": 1}}]",
        "{\"-1.5\": 1}",
    ];
    for text in json {
        assert_eq!(
            turned(JSON, MSGPACK, text.as_bytes()).unwrap(),
            None,
            "{text}"
        );
    }
    let msgpack: [&[u8]; 8] = [
        b"\xc4\x02hi",
        b"\x91\xc4\0",
        b"\x81\x01\x02",
        b"\x81\xc0\x02",
        b"\x81\x91\x01\x02",
        b"\xcb\x7f\xf8\0\0\0\0\0\0",
        b"\xca\x7f\x80\0\0",
        b"\xd6\xff\0\0\0\0",
    ];
    for bytes in msgpack {
        assert_eq!(turned(MSGPACK, JSON, bytes).unwrap(), None, "{bytes:?}");
    }
    for (from, to) in [
        (JSON, JSON),
        (RAW, JSON),
        (POSTCARD, MSGPACK),
        (MSGPACK, CUSTOM),
    ] {
        assert_eq!(turned(from, to, b"1").unwrap(), None);
    }
}

#[test]
fn long_numbers_that_fit_and_digits_in_texts_are_turned() {
    for text in [
        "18446744073709551615",
        "-9223372036854775808",
        "\"123456789012345678901234567890\"",
        "{\"a 123456789012345678901234567890\":0.1}",
        "1.2345678901234567890123456789",
        "1e300",
        "[\"\\\"\",\"\\\\\",null,true]",
    ] {
        let msgpack = turned(JSON, MSGPACK, text.as_bytes()).unwrap().unwrap();
        let back = turned(MSGPACK, JSON, &msgpack).unwrap().unwrap();
        let value = |json: &[u8]| serde_json::from_slice::<serde_json::Value>(json).unwrap();
        assert_eq!(value(&back), value(text.as_bytes()), "{text}");
    }
}

#[test]
fn what_cannot_be_read_is_an_error() {
    for text in ["", "{", "[1,]", "nul", "1 2", "1e999", "\"\u{1}\""] {
        let error = turned(JSON, MSGPACK, text.as_bytes()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Decode, "{text}");
    }
    for bytes in [&b""[..], b"\x91", b"\xa2x", b"\x01\x02", b"\xc1"] {
        let error = turned(MSGPACK, JSON, bytes).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Decode, "{bytes:?}");
    }
    let deep = [vec![b'['; 100_000], vec![b']'; 100_000]].concat();
    assert!(turned(JSON, MSGPACK, &deep).is_err());
    assert!(turned(MSGPACK, JSON, &vec![0x91; 100_000]).is_err());
    assert!(turned(MSGPACK, JSON, b"\xdd\xff\xff\xff\xff\x01").is_err());
}
