//! Typed values through every codec: what goes in comes out, what is cut off or hostile is an error.

use std::borrow::Cow;
use std::collections::{BTreeMap, VecDeque};
use std::fmt::Debug;
use std::net::IpAddr;

use proptest::prelude::*;
use serde::de::{SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};

use super::*;

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
enum Shape {
    Point,
    Circle(f64),
    Line(i8, i64),
    Named {
        name: String,
        inner: Option<Box<Shape>>,
    },
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Marker;

fn written<T: Serialize + ?Sized>(codec: Codec, value: &T) -> Vec<u8> {
    let mut out = b"before".to_vec();
    encode(&settings(codec, Compressor::None), value, false, &mut out).unwrap();
    assert!(out.starts_with(b"before"));
    out.split_off(6)
}

fn read<T: DeserializeOwned>(codec: Codec, payload: &[u8]) -> Result<T> {
    decode(&Settings::default(), codec.number(), payload)
}

/// There and back; and every part of it, and more than it, is refused.
fn round_trip<T: Serialize + DeserializeOwned + PartialEq + Debug>(value: &T) {
    for codec in all_codecs() {
        let payload = written(codec, value);
        assert_eq!(
            read::<T>(codec, &payload).as_ref().unwrap(),
            value,
            "{codec:?}"
        );
        let longer = [&payload[..], b"1"].concat();
        let error = read::<T>(codec, &longer).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Decode, "{codec:?} {value:?}");
        for len in 0..payload.len() {
            let error = read::<T>(codec, &payload[..len]).map(|_| len).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Decode, "{codec:?} {value:?}");
        }
    }
}

#[test]
fn every_value_comes_back_from_every_codec() {
    let circle = Shape::Circle(-0.0);
    round_trip(&true);
    round_trip(&'€');
    round_trip(&String::new());
    round_trip(&"x".to_owned());
    round_trip(&"nul \0 and \" and \u{10ffff}".repeat(40));
    round_trip(&[0.1, f64::MAX, f64::MIN_POSITIVE, 5e-324, 1.0 / 3.0]);
    round_trip(&[0.1_f32, f32::MAX]);
    round_trip(&vec![u64::MAX, 0, 1 << 53]);
    round_trip(&(i64::MIN, i8::MIN, u8::MAX));
    round_trip(&vec![Some(1_u8), None]);
    round_trip(
        &Vec::<u8>::new()
            .into_iter()
            .chain(0..=255)
            .collect::<Vec<u8>>(),
    );
    round_trip(&BTreeMap::from([(
        "a".to_owned(),
        BTreeMap::from([(1_u32, Marker)]),
    )]));
    round_trip(&vec![
        Shape::Point,
        circle.clone(),
        Shape::Line(-1, i64::MAX),
        Shape::Named {
            name: "n".to_owned(),
            inner: Some(Box::new(circle)),
        },
    ]);
    round_trip(&vec![
        "::1".parse::<IpAddr>().unwrap(),
        "10.0.0.1".parse().unwrap(),
    ]);
}

/// Bytes in a list went through postcard one by one. They go in one piece, and what is stored is the same.
#[test]
fn bytes_in_a_list_are_written_and_read_as_ever() {
    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Blob(Vec<u8>);

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Page {
        body: Vec<u8>,
        parts: Vec<Option<Vec<u8>>>,
        ring: VecDeque<u8>,
        text: Cow<'static, [u8]>,
        boxed: Box<[u8]>,
        blob: Blob,
        fixed: [u8; 3],
    }
    let page = Page {
        body: (0..=255).collect(),
        parts: vec![Some(b"a".to_vec()), None, Some(Vec::new())],
        ring: VecDeque::from([9, 8]),
        text: Cow::Borrowed(b"text"),
        boxed: b"boxed".as_slice().into(),
        blob: Blob(vec![0; 200]),
        fixed: [1, 2, 3],
    };
    let long = b"\xc8\x01"
        .iter()
        .chain(&[7; 200])
        .copied()
        .collect::<Vec<_>>();
    assert_eq!(written(Codec::Postcard, &vec![7_u8; 200]), long);
    assert_eq!(written(Codec::Postcard, [7_u8; 200].as_slice()), long);
    assert_eq!(
        written(Codec::Postcard, &page),
        ::postcard::to_stdvec(&page).unwrap()
    );
    round_trip(&page);
    #[cfg(feature = "json")]
    assert_eq!(written(Codec::Json, &vec![7_u8, 8]), b"[7,8]");
    #[cfg(feature = "msgpack")]
    assert_eq!(
        written(Codec::Msgpack, &vec![7_u8, 200]),
        b"\x92\x07\xcc\xc8"
    );
    for bytes in [&b""[..], b"\xff\0"] {
        let settings = Settings::default();
        assert_eq!(decode::<Vec<u8>>(&settings, RAW, bytes).unwrap(), bytes);
        let some: Option<Box<[u8]>> = decode(&settings, RAW, bytes).unwrap();
        assert_eq!(&*some.unwrap(), bytes);
    }
}

/// What reads numbers into bytes in a way of its own still gets the numbers.
#[test]
fn a_type_with_a_visitor_of_its_own_is_not_taken_for_bytes() {
    fn doubled<'de, D: Deserializer<'de>>(from: D) -> std::result::Result<Vec<u8>, D::Error> {
        struct Doubled;
        impl<'de> Visitor<'de> for Doubled {
            type Value = Vec<u8>;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("numbers")
            }

            fn visit_seq<A: SeqAccess<'de>>(
                self,
                mut list: A,
            ) -> std::result::Result<Vec<u8>, A::Error> {
                let mut bytes = Vec::new();
                while let Some(byte) = list.next_element::<u8>()? {
                    bytes.push(byte * 2);
                }
                Ok(bytes)
            }
        }
        from.deserialize_seq(Doubled)
    }
    #[derive(Deserialize)]
    struct Own(#[serde(deserialize_with = "doubled")] Vec<u8>);

    for codec in all_codecs() {
        let payload = written(codec, &vec![1_u8, 2]);
        assert_eq!(read::<Own>(codec, &payload).unwrap().0, [2, 4]);
    }
}

#[test]
fn nothing_is_a_value_too() {
    for codec in all_codecs() {
        assert_eq!(
            read::<Option<String>>(codec, &written(codec, &None::<String>)).unwrap(),
            None
        );
        read::<()>(codec, &written(codec, &())).unwrap();
        read::<Marker>(codec, &written(codec, &Marker)).unwrap();
        let empty = BTreeMap::<String, u8>::new();
        assert_eq!(
            read::<BTreeMap<String, u8>>(codec, &written(codec, &empty)).unwrap(),
            empty
        );
    }
}

/// Numbers and bytes are read by other programs and by other versions of this one.
#[test]
fn the_bytes_of_a_codec_are_pinned() {
    #[derive(Serialize)]
    struct User {
        id: u32,
        name: &'static str,
        at: IpAddr,
    }
    let user = User {
        id: 300,
        name: "Zoë",
        at: "::1".parse().unwrap(),
    };
    let expected: [(Codec, u8, &[u8]); 3] = [
        (
            Codec::Postcard,
            1,
            b"\xac\x02\x04Zo\xc3\xab\x01\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x01",
        ),
        (
            Codec::Json,
            2,
            "{\"id\":300,\"name\":\"Zoë\",\"at\":\"::1\"}".as_bytes(),
        ),
        (
            Codec::Msgpack,
            3,
            b"\x83\xa2id\xcd\x01\x2c\xa4name\xa4Zo\xc3\xab\xa2at\xa3::1",
        ),
    ];
    for (codec, number, bytes) in expected {
        assert_eq!(codec.number(), number);
        if all_codecs().contains(&codec) {
            assert_eq!(written(codec, &user), bytes, "{codec:?}");
        }
    }
}

#[test]
fn what_a_codec_cannot_write_is_refused_and_harms_nothing_before_it() {
    #[derive(Serialize)]
    struct Unwritable {
        first: u8,
        #[serde(serialize_with = "never")]
        second: u8,
    }
    fn never<S: serde::Serializer>(_: &u8, _: S) -> Result<S::Ok, S::Error> {
        Err(serde::ser::Error::custom("not today"))
    }
    for codec in all_codecs() {
        let value = Unwritable {
            first: 1,
            second: 2,
        };
        let mut out = b"before".to_vec();
        let error =
            encode(&settings(codec, Compressor::None), &value, false, &mut out).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidArgument);
        assert!(error.to_string().contains(codec.as_str()), "{error}");
        assert!(out.starts_with(b"before"), "{codec:?}");
    }
}

#[cfg(feature = "json")]
#[test]
fn keys_that_are_no_text_are_for_other_codecs_than_json() {
    let map = BTreeMap::from([((1, 2), 3)]);
    let mut out = Vec::new();
    let error = encode(
        &settings(Codec::Json, Compressor::None),
        &map,
        false,
        &mut out,
    )
    .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidArgument);
    assert!(
        error.to_string().contains("key must be a string"),
        "{error}"
    );
}

#[test]
fn a_value_of_another_type_is_an_error_that_does_not_show_it() {
    for codec in all_codecs() {
        let payload = written(codec, &["s3cret", "hidden"]);
        let text = read::<BTreeMap<String, bool>>(codec, &payload)
            .unwrap_err()
            .to_string();
        assert!(
            !text.contains("s3cret") && text.contains(codec.as_str()),
            "{text}"
        );
        let text = read::<Vec<Shape>>(codec, &payload).unwrap_err().to_string();
        assert!(!text.contains("s3cret"), "{text}");
    }
}

#[test]
fn a_codec_that_is_not_there_is_an_error_that_names_it() {
    let text = |number| {
        decode::<bool>(&Settings::default(), number, b"1")
            .unwrap_err()
            .to_string()
    };
    assert!(text(7).contains("codec 7 is not known"), "{}", text(7));
    assert!(text(15).contains("`Config::custom_codec`"), "{}", text(15));
    for (codec, feature) in [(Codec::Json, "json"), (Codec::Msgpack, "msgpack")] {
        if !all_codecs().contains(&codec) {
            let text = text(codec.number());
            assert!(
                text.contains(&format!("cargo feature `{feature}`")),
                "{text}"
            );
        }
    }
}

proptest! {
    #![proptest_config(runs(2000))]

    #[test]
    fn arbitrary_bytes_are_a_value_or_an_error(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        for number in 0..=15 {
            let settings = Settings::default();
            let _ = decode::<Vec<Shape>>(&settings, number, &bytes);
            let _ = decode::<BTreeMap<String, Option<f64>>>(&settings, number, &bytes);
            let _ = decode::<(u8, Vec<i128>, char)>(&settings, number, &bytes);
        }
    }
}
