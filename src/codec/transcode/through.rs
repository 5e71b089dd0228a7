//! The machinery: a deserializer dressed as a value that can be serialized. Each value is visited as what it is and
//! handed on at once, so nothing is collected in between. The readers are under the same watch as those of typed values.

use std::cell::{Cell, RefCell};
use std::fmt;

use serde::de::{self, DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};
use serde::ser::{self, Serialize, SerializeMap, SerializeSeq, Serializer};

use super::super::guard::Watch;
use super::super::guard::behind::Behind;
use super::super::json;
use super::super::msgpack;
use super::super::names::{JSON, MSGPACK, undecodable};
use crate::error::Result;

pub(super) fn transcode(from: u8, to: u8, payload: &[u8], out: &mut Vec<u8>) -> Result<bool> {
    let start = out.len();
    let work = Work {
        is_lossy: Cell::new(false),
        from_json: from == JSON,
    };
    let result = match (from, to) {
        (JSON, MSGPACK) if !has_long_integer(payload) => json_to_msgpack(payload, out, &work),
        (MSGPACK, JSON) => msgpack_to_json(payload, out, &work),
        _ => return Ok(false),
    };
    if result.is_err() {
        out.truncate(start);
    }
    match result {
        Ok(()) => Ok(true),
        Err(_) if work.is_lossy.get() => Ok(false),
        Err(text) => Err(undecodable(text)),
    }
}

/// What the visitors of one payload share.
struct Work {
    /// The other codec cannot hold what was met.
    is_lossy: Cell<bool>,
    from_json: bool,
}

fn json_to_msgpack(payload: &[u8], out: &mut Vec<u8>, work: &Work) -> Result<(), String> {
    let watch = Watch::plain();
    let mut reader = json::reader(payload);
    let out = Behind { out, watch: &watch };
    let mut writer = rmp_serde::Serializer::new(out)
        .with_struct_map()
        .with_human_readable();
    let value = Value::new(watch.over(&mut reader), work);
    value
        .serialize(&mut writer)
        .map_err(|_| "json: it cannot be parsed".to_owned())?;
    reader.end().map_err(|error| json::fault(&error))
}

fn msgpack_to_json(payload: &[u8], out: &mut Vec<u8>, work: &Work) -> Result<(), String> {
    let mut reader = msgpack::reader(payload);
    let watch = Watch::plain();
    let out = Behind { out, watch: &watch };
    let mut writer = serde_json::Serializer::new(out);
    let value = Value::new(watch.over(&mut reader), work);
    value
        .serialize(&mut writer)
        .map_err(|_| "msgpack: it cannot be parsed".to_owned())?;
    msgpack::end(reader)
}

/// Whether a JSON text has an integer that fits no 64 bits: its reader would make a float of it.
fn has_long_integer(json: &[u8]) -> bool {
    const SHORT: usize = 18;
    let is_of_number = |byte: &u8| matches!(byte, b'0'..=b'9' | b'-' | b'+' | b'.' | b'e' | b'E');
    let mut rest = json;
    while let Some((first, others)) = rest.split_first() {
        rest = match first {
            b'"' => after_text(others),
            b'-' | b'0'..=b'9' => {
                let len = rest.iter().take_while(|byte| is_of_number(byte)).count();
                let (number, behind) = rest.split_at(len);
                let is_float = number.iter().any(|byte| matches!(byte, b'.' | b'e' | b'E'));
                let text = std::str::from_utf8(number).unwrap_or_default();
                let fits = || text.parse::<i64>().is_ok() || text.parse::<u64>().is_ok();
                if len > SHORT && !is_float && !fits() {
                    return true;
                }
                behind
            }
            _ => others,
        };
    }
    false
}

/// What stands behind the closing quote.
fn after_text(mut rest: &[u8]) -> &[u8] {
    loop {
        match rest {
            [b'\\', _, others @ ..] => rest = others,
            [b'"', others @ ..] => return others,
            [_, others @ ..] => rest = others,
            [] => return rest,
        }
    }
}

/// A value still in its reader. It can be serialized once.
struct Value<'a, D> {
    reader: RefCell<Option<D>>,
    work: &'a Work,
}

impl<'a, D> Value<'a, D> {
    fn new(reader: D, work: &'a Work) -> Self {
        Value {
            reader: RefCell::new(Some(reader)),
            work,
        }
    }
}

impl<'de, D: Deserializer<'de>> Serialize for Value<'_, D> {
    fn serialize<S: Serializer>(&self, writer: S) -> Result<S::Ok, S::Error> {
        let reader = self.reader.borrow_mut().take();
        let reader = reader.ok_or_else(|| ser::Error::custom("it was read before"))?;
        let work = self.work;
        reader
            .deserialize_any(Whole { writer, work })
            .map_err(ser::Error::custom)
    }
}

/// Refuses what the other codec cannot hold.
macro_rules! refuse {
    ($($visit:ident($Type:ty))*) => { $(
        fn $visit<E: de::Error>(self, _: $Type) -> Result<Self::Value, E> {
            self.work.is_lossy.set(true);
            Err(E::custom("the other codec cannot hold it"))
        }
    )* };
}

/// Takes any value and writes it.
struct Whole<'a, S> {
    writer: S,
    work: &'a Work,
}

impl<'de, S: Serializer> Visitor<'de> for Whole<'_, S> {
    type Value = S::Ok;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_unit<E: de::Error>(self) -> Result<S::Ok, E> {
        self.writer.serialize_unit().map_err(E::custom)
    }
    fn visit_bool<E: de::Error>(self, value: bool) -> Result<S::Ok, E> {
        self.writer.serialize_bool(value).map_err(E::custom)
    }
    fn visit_i64<E: de::Error>(self, value: i64) -> Result<S::Ok, E> {
        self.writer.serialize_i64(value).map_err(E::custom)
    }
    fn visit_u64<E: de::Error>(self, value: u64) -> Result<S::Ok, E> {
        self.writer.serialize_u64(value).map_err(E::custom)
    }
    fn visit_f64<E: de::Error>(self, value: f64) -> Result<S::Ok, E> {
        if !value.is_finite() {
            self.work.is_lossy.set(true);
            return Err(E::custom("the number is not finite"));
        }
        self.writer.serialize_f64(value).map_err(E::custom)
    }
    fn visit_str<E: de::Error>(self, value: &str) -> Result<S::Ok, E> {
        self.writer.serialize_str(value).map_err(E::custom)
    }
    refuse!(visit_bytes(&[u8]) visit_i128(i128) visit_u128(u128));

    /// An extension type of MessagePack.
    fn visit_newtype_struct<D: Deserializer<'de>>(self, _: D) -> Result<S::Ok, D::Error> {
        self.work.is_lossy.set(true);
        Err(de::Error::custom("JSON has no extension types"))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut from: A) -> Result<S::Ok, A::Error> {
        let work = self.work;
        let writer = self.writer.serialize_seq(from.size_hint());
        let mut writer = writer.map_err(de::Error::custom)?;
        while let Some(()) = from.next_element_seed(Element {
            writer: &mut writer,
            work,
        })? {}
        writer.end().map_err(de::Error::custom)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut from: A) -> Result<S::Ok, A::Error> {
        let work = self.work;
        let writer = self.writer.serialize_map(from.size_hint());
        let mut writer = writer.map_err(de::Error::custom)?;
        while let Some(()) = from.next_key_seed(Key {
            writer: &mut writer,
            work,
        })? {
            from.next_value_seed(Entry {
                writer: &mut writer,
                work,
            })?;
        }
        writer.end().map_err(de::Error::custom)
    }
}

/// The next element of a sequence.
struct Element<'a, S> {
    writer: &'a mut S,
    work: &'a Work,
}

impl<'de, S: SerializeSeq> DeserializeSeed<'de> for Element<'_, S> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, reader: D) -> Result<(), D::Error> {
        let value = Value::new(reader, self.work);
        self.writer
            .serialize_element(&value)
            .map_err(de::Error::custom)
    }
}

/// The value of a key of a map.
struct Entry<'a, S> {
    writer: &'a mut S,
    work: &'a Work,
}

impl<'de, S: SerializeMap> DeserializeSeed<'de> for Entry<'_, S> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, reader: D) -> Result<(), D::Error> {
        let value = Value::new(reader, self.work);
        self.writer
            .serialize_value(&value)
            .map_err(de::Error::custom)
    }
}

/// JSON writes keys that are numbers or booleans as texts too, and only the type of the map can tell.
fn may_be_no_text(key: &str) -> bool {
    matches!(key, "true" | "false") || key.parse::<f64>().is_ok()
}

/// A key of a map, which must be text.
struct Key<'a, S> {
    writer: &'a mut S,
    work: &'a Work,
}

impl<'de, S: SerializeMap> DeserializeSeed<'de> for Key<'_, S> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, reader: D) -> Result<(), D::Error> {
        reader.deserialize_any(self)
    }
}

impl<'de, S: SerializeMap> Visitor<'de> for Key<'_, S> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a text")
    }

    fn visit_str<E: de::Error>(self, key: &str) -> Result<(), E> {
        if self.work.from_json && may_be_no_text(key) {
            return self.visit_bool(false);
        }
        self.writer.serialize_key(key).map_err(E::custom)
    }

    refuse!(
        visit_bool(bool) visit_i64(i64) visit_u64(u64) visit_i128(i128) visit_u128(u128) visit_f64(f64)
        visit_bytes(&[u8])
    );

    fn visit_unit<E: de::Error>(self) -> Result<(), E> {
        self.visit_bool(false)
    }
    fn visit_newtype_struct<D: Deserializer<'de>>(self, _: D) -> Result<(), D::Error> {
        self.visit_bool(false)
    }
    fn visit_seq<A: SeqAccess<'de>>(self, _: A) -> Result<(), A::Error> {
        self.visit_bool(false)
    }
    fn visit_map<A: MapAccess<'de>>(self, _: A) -> Result<(), A::Error> {
        self.visit_bool(false)
    }
}
