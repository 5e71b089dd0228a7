//! How deep values go: 128 levels, in every codec, written and read alike, and what takes no byte counts too.

use std::collections::BTreeMap;

use serde::de::IgnoredAny;
use serde::{Deserialize, Serialize};

use super::*;

#[derive(Debug, Serialize, Deserialize)]
struct List(Vec<List>);

#[derive(Debug, Serialize, Deserialize)]
struct Wrap(Box<Option<Wrap>>);

#[derive(Debug, Serialize, Deserialize)]
enum Chain {
    End,
    Next(Box<Chain>),
    Pair(u8, Box<Chain>),
    Named { next: Box<Chain> },
}

#[derive(Debug, Serialize, Deserialize)]
struct Node {
    next: Option<Box<Node>>,
}

#[derive(Debug, Serialize, Deserialize)]
struct Tree {
    map: BTreeMap<String, Tree>,
}

/// Values with as many levels as are asked for, each with one kind of them.
fn list(levels: u8) -> List {
    (2..levels)
        .step_by(2)
        .fold(List(Vec::new()), |inner, _| List(vec![inner]))
}

fn wrap(levels: u8) -> Wrap {
    (1..levels)
        .step_by(2)
        .fold(Wrap(Box::new(None)), |inner, _| Wrap(Box::new(Some(inner))))
}

fn chain(levels: u8, link: fn(Chain) -> Chain) -> Chain {
    (0..levels).fold(Chain::End, |inner, _| link(inner))
}

fn node(levels: u8) -> Node {
    let end = Node { next: None };
    (1..levels).step_by(2).fold(end, |inner, _| Node {
        next: Some(Box::new(inner)),
    })
}

fn tree(levels: u8) -> Tree {
    let end = Tree {
        map: BTreeMap::new(),
    };
    (2..levels).step_by(2).fold(end, |inner, _| Tree {
        map: BTreeMap::from([("k".to_owned(), inner)]),
    })
}

fn links() -> [fn(Chain) -> Chain; 3] {
    [
        |inner| Chain::Next(Box::new(inner)),
        |inner| Chain::Pair(1, Box::new(inner)),
        |inner| Chain::Named {
            next: Box::new(inner),
        },
    ]
}

fn written<T: Serialize>(codec: Codec, value: &T) -> Result<Vec<u8>> {
    let mut out = Vec::new();
    encode(&settings(codec, Compressor::None), value, false, &mut out).map(|()| out)
}

/// At most so deep, both ways; one level or two more are refused.
fn bounded<T: Serialize + DeserializeOwned>(fits: &T, does_not: &T) {
    for codec in all_codecs() {
        let payload = written(codec, fits).unwrap();
        decode::<T>(&Settings::default(), codec.number(), &payload).unwrap();
        let error = written(codec, does_not).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidArgument, "{codec:?}");
        assert!(error.to_string().contains("128 levels"), "{error}");
    }
}

#[test]
fn values_have_128_levels_in_every_codec() {
    bounded(&list(128), &list(130));
    bounded(&wrap(127), &wrap(129));
    bounded(&node(127), &node(129));
    bounded(&tree(128), &tree(130));
    for link in links() {
        bounded(&chain(128, link), &chain(129, link));
    }
}

fn too_deep<T: DeserializeOwned>(number: u8, payload: &[u8]) {
    if !is_there(&Settings::default(), number) {
        return;
    }
    let result = decode::<T>(&Settings::default(), number, payload);
    let error = result.map(drop).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Decode);
    assert!(
        error.to_string().contains("128 levels"),
        "{number}: {error}"
    );
}

/// Each of these took the whole stack of a thread, and the process with it.
#[test]
fn payloads_have_128_levels_in_every_codec() {
    for levels in [129, 50_000] {
        too_deep::<Chain>(POSTCARD, &vec![1; levels]);
        too_deep::<List>(POSTCARD, &vec![1; levels]);
        too_deep::<Chain>(MSGPACK, &b"\x81\xa4Next".repeat(levels));
        too_deep::<Chain>(MSGPACK, &b"\x81\xa5Named\x81\xa4next".repeat(levels));
        too_deep::<List>(MSGPACK, &vec![0x91; levels]);
        too_deep::<IgnoredAny>(MSGPACK, &vec![0x91; levels]);
        too_deep::<serde_json::Value>(MSGPACK, &vec![0x91; levels]);
        too_deep::<Chain>(JSON, &b"{\"Next\":".repeat(levels));
        too_deep::<List>(JSON, &vec![b'['; levels]);
        too_deep::<serde_json::Value>(JSON, &vec![b'['; levels]);
    }
    for (number, byte) in [(JSON, b"1"), (MSGPACK, b"\x01"), (RAW, b"x"), (RAW, b"1")] {
        too_deep::<Wrap>(number, byte);
    }
    too_deep::<Wrap>(POSTCARD, &[1; 129]);
    assert!(integer::Integer::Signed(1).decode::<Wrap>().is_err());
}

/// Whether it is an integer is asked before it is written.
#[test]
fn what_is_asked_whether_it_is_an_integer_is_bounded_too() {
    let deep = (0..200).fold(Wrap(Box::new(None)), |inner, _| Wrap(Box::new(Some(inner))));
    assert_eq!(integer::Integer::of(&deep, true), None);
    let fits = wrap(127);
    assert_eq!(integer::Integer::of(&fits, true), None);
}

#[cfg(all(feature = "json", feature = "msgpack"))]
#[test]
fn what_is_turned_into_another_codec_is_bounded_too() {
    for (from, to, open, close) in [
        (JSON, MSGPACK, &b"["[..], &b"]"[..]),
        (MSGPACK, JSON, b"\x91", b""),
    ] {
        let nest = |levels: usize| {
            let inner = if from == JSON { &b"1"[..] } else { b"\x01" };
            [&open.repeat(levels), inner, &close.repeat(levels)].concat()
        };
        let mut out = Vec::new();
        assert!(transcode(from, to, &nest(128), &mut out).unwrap());
        for levels in [129, 100_000] {
            let mut out = Vec::new();
            assert!(transcode(from, to, &nest(levels), &mut out).is_err());
            assert!(out.is_empty());
        }
    }
}
