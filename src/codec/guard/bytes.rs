//! Bytes in a list. To serde `Vec<u8>`, `&[u8]`, `Cow<[u8]>` and their kin are lists of numbers, and are written and read
//! number by number. postcard writes such a list as it writes bytes, and raw bytes are nothing else: there they go in one
//! piece, and no byte on the wire changes. JSON and MessagePack have a form for each of the two, and what other programs
//! read as a list stays one.

use std::any::TypeId;
use std::fmt;

use castaway::cast;
use serde::Serialize;
use serde::de::{self, Deserialize, Deserializer, Visitor};

use super::{Seen, Watch};
use crate::codec::integer::Integer;

/// Whether items are the bytes of a slice or of a collection.
#[inline]
pub(super) fn are_bytes<Item>() -> bool {
    typeid::of::<Item>() == TypeId::of::<&u8>()
}

/// So many bytes, of items that [are bytes](are_bytes); how many there is no memory for.
pub(super) fn gather(
    items: impl Iterator<Item = impl Serialize>,
    len: usize,
) -> Result<Vec<u8>, usize> {
    let mut bytes = Vec::new();
    bytes.try_reserve_exact(len).map_err(|_| len)?;
    bytes.extend(items.map(|item| match Integer::of(&item, false) {
        Some(Integer::Signed(byte)) => byte as u8,
        _ => 0,
    }));
    Ok(bytes)
}

/// Whether `V` is how serde itself reads a `Vec<u8>`. Another visitor with such a value may make of the numbers what it
/// likes.
#[inline]
pub(super) fn is_of_bytes<V>() -> bool {
    let asked = Vec::<u8>::deserialize(Which);
    asked.is_err_and(|Visits(own)| own == Some(typeid::of::<V>()))
}

/// These bytes as what such a visitor makes of them.
pub(super) fn as_value<T>(bytes: Vec<u8>) -> Option<T> {
    let mut value = None::<T>;
    if let Ok(place) = cast!(&mut value, &mut Option<Vec<u8>>) {
        *place = Some(bytes);
    }
    value
}

/// Says with which visitor a type reads a list, and has nothing for it.
struct Which;

#[derive(Debug)]
struct Visits(Option<TypeId>);

impl fmt::Display for Visits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a question")
    }
}

impl std::error::Error for Visits {}

impl de::Error for Visits {
    fn custom<T: fmt::Display>(_text: T) -> Self {
        Visits(None)
    }
}

impl<'de> Deserializer<'de> for Which {
    type Error = Visits;

    #[inline]
    fn deserialize_seq<V: Visitor<'de>>(self, _visitor: V) -> Result<V::Value, Visits> {
        Err(Visits(Some(typeid::of::<V>())))
    }

    fn deserialize_any<V: Visitor<'de>>(self, _visitor: V) -> Result<V::Value, Visits> {
        Err(Visits(None))
    }

    serde::forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option unit unit_struct
        newtype_struct tuple tuple_struct map struct enum identifier ignored_any
    }
}

/// Takes bytes in one piece.
pub(super) struct Whole<'w>(pub(super) &'w Watch);

impl<'de> Visitor<'de> for Whole<'_> {
    type Value = Vec<u8>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("bytes")
    }

    #[inline]
    fn visit_bytes<E: de::Error>(self, bytes: &[u8]) -> Result<Vec<u8>, E> {
        let mut copy = Vec::new();
        if copy.try_reserve_exact(bytes.len()).is_err() {
            return Err(self.0.stop(Seen::NoMemory(bytes.len())));
        }
        copy.extend_from_slice(bytes);
        Ok(copy)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;

    use super::*;

    #[test]
    fn the_visitor_of_bytes_is_known_and_no_other() {
        struct Own;
        impl<'de> Visitor<'de> for Own {
            type Value = Vec<u8>;

            fn expecting(&self, _: &mut fmt::Formatter<'_>) -> fmt::Result {
                Ok(())
            }
        }
        struct Ask;
        impl<'de> Deserialize<'de> for Ask {
            fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
                from.deserialize_seq(Own).map(|_| Ask)
            }
        }
        let visitor = |asked: Result<(), Visits>| asked.unwrap_err().0;
        let own = visitor(Vec::<u8>::deserialize(Which).map(drop));
        assert!(own.is_some());
        assert_eq!(own, visitor(Box::<[u8]>::deserialize(Which).map(drop)));
        assert_ne!(own, visitor(Vec::<i8>::deserialize(Which).map(drop)));
        assert_ne!(own, visitor(Ask::deserialize(Which).map(drop)));
        assert!(!is_of_bytes::<Own>());
    }

    #[test]
    fn only_bytes_are_gathered() {
        assert!(are_bytes::<&u8>());
        assert!(!are_bytes::<&i8>() && !are_bytes::<u8>() && !are_bytes::<&&u8>());
        let ring = VecDeque::from([255, 0, 7]);
        assert_eq!(gather(ring.iter(), 3), Ok(vec![255, 0, 7]));
        assert_eq!(gather(ring.iter(), usize::MAX), Err(usize::MAX));
        assert_eq!(as_value::<Vec<u8>>(vec![1]), Some(vec![1]));
        assert_eq!(as_value::<Vec<i8>>(vec![1]), None);
    }
}
