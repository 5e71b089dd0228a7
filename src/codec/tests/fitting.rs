//! Types that a codec would write and not give back as they were: each is refused when it is written, or else when it is
//! read; and which serde attributes fit which codec, as the table in `choices` says.

use std::collections::{BTreeMap, HashSet};
use std::fmt::Debug;

use serde::ser::{SerializeSeq, SerializeStruct};
use serde::{Deserialize, Serialize, Serializer};

use super::*;

fn write_as<T: Serialize + ?Sized>(codec: Codec, is_plain: bool, value: &T) -> Result<Vec<u8>> {
    let mut out = Vec::new();
    let settings = settings(codec, Compressor::None);
    encode(&settings, value, is_plain, &mut out).map(|()| out)
}

fn write<T: Serialize + ?Sized>(codec: Codec, value: &T) -> Result<Vec<u8>> {
    write_as(codec, false, value)
}

/// By a cache that writes what it reads.
fn read<T: DeserializeOwned>(codec: Codec, payload: &[u8]) -> Result<T> {
    decode(&settings(codec, Compressor::None), codec.number(), payload)
}

fn refusal<T: Debug>(result: Result<T>) -> String {
    let error = result.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidArgument, "{error}");
    error.to_string()
}

fn comes_back<T: Serialize + DeserializeOwned + PartialEq + Debug>(codec: Codec, value: &T) {
    let payload = write(codec, value).unwrap();
    assert_eq!(read::<T>(codec, &payload).as_ref(), Ok(value), "{codec:?}");
}

impl PartialEq for Error {
    fn eq(&self, other: &Self) -> bool {
        self.to_string() == other.to_string()
    }
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Sparse {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    first: Option<u8>,
    second: u8,
    third: Vec<u8>,
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
enum SparseVariant {
    Some {
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        list: Vec<u8>,
        number: u8,
    },
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
enum Untagged {
    Number(u8),
    Named { name: String },
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind")]
enum Internal {
    Empty,
    Named { name: String },
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", content = "what")]
enum Adjacent {
    Empty,
    One(u8),
    Named { name: String },
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Flat {
    id: u8,
    #[serde(flatten)]
    more: BTreeMap<String, u8>,
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Usual {
    #[serde(rename = "ID", alias = "id")]
    id: u8,
    #[serde(skip)]
    cached: u8,
    #[serde(default)]
    late: Option<String>,
    #[serde(with = "text")]
    number: u16,
}

mod text {
    use serde::{Deserialize, Deserializer, Serializer};

    pub(super) fn serialize<S: Serializer>(number: &u16, s: S) -> Result<S::Ok, S::Error> {
        s.collect_str(number)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(d: D) -> Result<u16, D::Error> {
        let text = String::deserialize(d)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

/// Came back as `{ first: Some(3), second: 9, third: [7] }`.
#[test]
fn a_field_that_is_left_out_is_refused_where_fields_go_by_their_order() {
    let sparse = Sparse {
        first: None,
        second: 1,
        third: vec![9, 1, 7],
    };
    let text = refusal(write(Codec::Postcard, &sparse));
    for word in [
        "`first`",
        "skip_serializing_if",
        "`json`",
        "`msgpack`",
        "postcard",
    ] {
        assert!(text.contains(word), "{text}");
    }
    let variant = SparseVariant::Some {
        list: Vec::new(),
        number: 1,
    };
    assert!(refusal(write(Codec::Postcard, &vec![variant])).contains("`list`"));
    // Nothing is left out of this one.
    let full = Sparse {
        first: Some(3),
        ..sparse
    };
    comes_back(Codec::Postcard, &full);
    for codec in all_codecs()
        .into_iter()
        .filter(|codec| *codec != Codec::Postcard)
    {
        comes_back(
            codec,
            &Sparse {
                first: None,
                second: 1,
                third: vec![9, 1, 7],
            },
        );
        comes_back(
            codec,
            &SparseVariant::Some {
                list: Vec::new(),
                number: 1,
            },
        );
    }
}

#[test]
fn what_is_flattened_is_refused_where_lengths_come_first() {
    let flat = Flat {
        id: 1,
        more: BTreeMap::from([("a".to_owned(), 2)]),
    };
    let text = refusal(write(Codec::Postcard, &flat));
    assert!(
        text.contains("serde(flatten)") && text.contains("`json`"),
        "{text}"
    );
    for codec in all_codecs()
        .into_iter()
        .filter(|codec| *codec != Codec::Postcard)
    {
        comes_back(codec, &flat);
    }
}

#[test]
fn parts_are_as_many_as_were_announced() {
    struct Struct(usize);
    impl Serialize for Struct {
        fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
            let mut parts = serializer.serialize_struct("Struct", self.0)?;
            parts.serialize_field("a", &1)?;
            parts.serialize_field("b", &2)?;
            parts.end()
        }
    }
    struct List(usize);
    impl Serialize for List {
        fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
            let mut parts = serializer.serialize_seq(Some(self.0))?;
            parts.serialize_element(&1)?;
            parts.serialize_element(&2)?;
            parts.end()
        }
    }
    for codec in all_codecs() {
        for count in [0, 1, 3] {
            if codec == Codec::Json {
                write(codec, &Struct(count)).unwrap();
                continue;
            }
            assert!(refusal(write(codec, &Struct(count))).contains("announces"));
            assert!(refusal(write(codec, &List(count))).contains("announces"));
        }
        write(codec, &(Struct(2), List(2))).unwrap();
    }
}

/// They were misses for ever.
#[test]
fn a_type_that_asks_the_payload_what_it_is_cannot_be_read_where_that_does_not_tell() {
    let named = || "n".to_owned();
    let untagged = [Untagged::Number(1), Untagged::Named { name: named() }];
    let internal = [Internal::Empty, Internal::Named { name: named() }];
    let value = serde_json::json!({"a": [1, null]});
    let payloads = [
        write(Codec::Postcard, &untagged[1]).unwrap(),
        write(Codec::Postcard, &internal[1]).unwrap(),
        write(Codec::Postcard, &value).unwrap(),
    ];
    let texts = [
        refusal(read::<Untagged>(Codec::Postcard, &payloads[0])),
        refusal(read::<Internal>(Codec::Postcard, &payloads[1])),
        refusal(read::<serde_json::Value>(Codec::Postcard, &payloads[2])),
        refusal(read::<Adjacent>(
            Codec::Postcard,
            &write(Codec::Postcard, &Adjacent::One(7)).unwrap(),
        )),
        refusal(read::<Flat>(Codec::Postcard, b"\x01\x01\x01a\x02")),
        refusal(read::<serde::de::IgnoredAny>(Codec::Postcard, b"\x01")),
    ];
    for text in texts {
        for word in [
            "untagged",
            "tag = ",
            "flatten",
            "Value",
            "postcard",
            "`json`",
            "`msgpack`",
        ] {
            assert!(text.contains(word), "{text}");
        }
    }
    for codec in all_codecs()
        .into_iter()
        .filter(|codec| *codec != Codec::Postcard)
    {
        untagged.iter().for_each(|value| comes_back(codec, value));
        internal.iter().for_each(|value| comes_back(codec, value));
        comes_back(
            codec,
            &[
                Adjacent::Empty,
                Adjacent::One(7),
                Adjacent::Named { name: named() },
            ],
        );
        comes_back(codec, &value);
        // What was written before the codec was changed is of no use, and replaced.
        let mended = settings(codec, Compressor::None);
        let error = decode::<Untagged>(&mended, POSTCARD, &payloads[0]).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Decode, "{error}");
    }
}

#[test]
fn other_attributes_fit_every_codec() {
    for codec in all_codecs() {
        let usual = Usual {
            id: 1,
            cached: 0,
            late: None,
            number: 500,
        };
        comes_back(codec, &usual);
    }
}

#[cfg(feature = "json")]
#[test]
fn json_has_no_nan() {
    for number in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
        for text in [
            refusal(write(Codec::Json, &number)),
            refusal(write(Codec::Json, &Some(vec![(1, number)]))),
            refusal(write(Codec::Json, &(number as f32))),
        ] {
            assert!(text.contains("NaN"), "{text}");
        }
        comes_back(Codec::Postcard, &(number.is_nan() || number > 0.0));
        let there = read::<f64>(Codec::Postcard, &write(Codec::Postcard, &number).unwrap());
        assert_eq!(there.unwrap().to_bits(), number.to_bits());
    }
}

#[cfg(feature = "msgpack")]
#[test]
fn msgpack_has_nan_but_not_for_other_programs() {
    let there = read::<f64>(Codec::Msgpack, &write(Codec::Msgpack, &f64::NAN).unwrap());
    assert!(there.unwrap().is_nan());
    assert!(refusal(write_as(Codec::Msgpack, true, &f64::NAN)).contains("NaN"));
    assert!(refusal(write_as(Codec::Msgpack, true, &[f32::INFINITY])).contains("NaN"));
    write_as(Codec::Msgpack, true, &1.5).unwrap();
}

/// As the documentation says.
#[test]
fn an_option_of_nothing_is_nothing_where_nothing_has_one_form() {
    for codec in all_codecs() {
        let payload = write(codec, &Some(None::<u8>)).unwrap();
        let expected = (codec == Codec::Postcard).then_some(None);
        assert_eq!(
            read::<Option<Option<u8>>>(codec, &payload).unwrap(),
            expected
        );
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
struct Nothing;

#[test]
fn a_list_of_nothing_ends() {
    let endless = b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01";
    let nested = [&b"\x02"[..], endless].concat();
    let texts = [
        read::<Vec<()>>(Codec::Postcard, endless).unwrap_err(),
        read::<HashSet<Nothing>>(Codec::Postcard, endless)
            .map(drop)
            .unwrap_err(),
        read::<BTreeMap<(), ()>>(Codec::Postcard, endless)
            .map(drop)
            .unwrap_err(),
        read::<Vec<Vec<[u64; 0]>>>(Codec::Postcard, &nested)
            .map(drop)
            .unwrap_err(),
    ];
    for error in texts {
        assert_eq!(error.kind(), ErrorKind::Decode, "{error}");
        assert!(error.to_string().contains("take no byte"), "{error}");
    }
    for codec in all_codecs() {
        comes_back(codec, &vec![Nothing; 60_000]);
        comes_back(codec, &vec![vec![(); 1000]; 60]);
        comes_back(codec, &vec![1_u8; 200_000]);
    }
    let text = refusal(write(Codec::Postcard, &vec![(); 70_000]));
    assert!(text.contains("take no byte"), "{text}");
    // As many as can be written can be read.
    let most = vec![(); (1 << 16) + 3];
    comes_back(Codec::Postcard, &most);
    refusal(write(Codec::Postcard, &vec![(); most.len() + 1]));
}

#[cfg(feature = "msgpack")]
#[test]
fn a_claim_of_msgpack_ends() {
    for payload in [&b"\xdd\xff\xff\xff\xff"[..], b"\xdf\xff\xff\xff\xff"] {
        assert!(read::<Vec<()>>(Codec::Msgpack, payload).is_err());
        assert!(read::<Vec<Nothing>>(Codec::Msgpack, payload).is_err());
        assert!(read::<BTreeMap<(), ()>>(Codec::Msgpack, payload).is_err());
        assert!(read::<serde::de::IgnoredAny>(Codec::Msgpack, payload).is_err());
    }
}
