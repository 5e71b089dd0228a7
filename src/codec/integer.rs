//! Integers are stored as their decimal digits, so that INCRBY works on them and every client can read them. This
//! file finds out whether a value is one (its serde form decides, newtypes included), reads digits back, and hands
//! them to serde. An integer on the wire is `0|-?[1-9][0-9]*` that fits 64 bits; everything else is not one.

use std::fmt;

use serde::de::{self, DeserializeOwned, Deserializer, Visitor};
use serde::ser::{self, Impossible, Serialize, Serializer};

use super::guard::{DEPTH, Watch};
use super::names::undecodable;
use crate::error::Result;

/// An integer of either sign that fits 64 bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Integer {
    Signed(i64),
    /// Above `i64::MAX`: INCRBY cannot touch it.
    Unsigned(u64),
}

impl Integer {
    /// The integer these digits are, all of them.
    pub(crate) fn parse(text: &[u8]) -> Option<Self> {
        let digits = text.strip_prefix(b"-").unwrap_or(text);
        match digits {
            [b'0'] if digits.len() == text.len() => return Some(Integer::Signed(0)),
            [b'1'..=b'9', rest @ ..]
                if digits.len() <= 20 && rest.iter().all(u8::is_ascii_digit) => {}
            _ => return None,
        }
        let text = std::str::from_utf8(text).ok()?;
        text.parse()
            .map(Integer::Signed)
            .or_else(|_| text.parse().map(Integer::Unsigned))
            .ok()
    }

    /// The integer that is the serde form of `value`; `None` for everything else. With `options`, an integer that is
    /// there counts as one too: other languages know no difference.
    pub(crate) fn of<T: Serialize + ?Sized>(value: &T, options: bool) -> Option<Self> {
        let left = DEPTH;
        value.serialize(Probe { options, left }).ok()
    }

    /// Appends the digits.
    pub(crate) fn write(self, out: &mut Vec<u8>) {
        let mut digits = itoa::Buffer::new();
        out.extend_from_slice(match self {
            Integer::Signed(number) => digits.format(number).as_bytes(),
            Integer::Unsigned(number) => digits.format(number).as_bytes(),
        });
    }

    /// The value whose serde form this is.
    pub(crate) fn decode<T: DeserializeOwned>(self) -> Result<T> {
        T::deserialize(Watch::plain().over(self))
            .map_err(|_| undecodable("a stored integer is not of the type asked for"))
    }
}

impl<'de> Deserializer<'de> for Integer {
    type Error = de::value::Error;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Self::Error> {
        match self {
            Integer::Signed(number) => visitor.visit_i64(number),
            Integer::Unsigned(number) => visitor.visit_u64(number),
        }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        visitor: V,
    ) -> Result<V::Value, Self::Error> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Self::Error> {
        visitor.visit_some(self)
    }

    serde::forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf unit unit_struct seq
        tuple tuple_struct map struct enum identifier ignored_any
    }
}

/// A serializer that only takes integers and stops at anything else.
struct Probe {
    options: bool,
    /// How many levels of newtypes and options there may be below.
    left: u8,
}

impl Probe {
    fn down(self) -> Result<Self, NotAnInteger> {
        let left = self.left.checked_sub(1).ok_or(NotAnInteger)?;
        Ok(Probe { left, ..self })
    }
}

/// "This is not an integer": all a [`Probe`] ever says.
#[derive(Debug)]
struct NotAnInteger;

impl fmt::Display for NotAnInteger {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("not an integer")
    }
}

impl std::error::Error for NotAnInteger {}

impl ser::Error for NotAnInteger {
    fn custom<T: fmt::Display>(_text: T) -> Self {
        NotAnInteger
    }
}

type No = Impossible<Integer, NotAnInteger>;
type Found = Result<Integer, NotAnInteger>;

impl Serializer for Probe {
    type Ok = Integer;
    type Error = NotAnInteger;
    type SerializeSeq = No;
    type SerializeTuple = No;
    type SerializeTupleStruct = No;
    type SerializeTupleVariant = No;
    type SerializeMap = No;
    type SerializeStruct = No;
    type SerializeStructVariant = No;

    fn serialize_i8(self, number: i8) -> Found {
        Ok(Integer::Signed(number.into()))
    }
    fn serialize_i16(self, number: i16) -> Found {
        Ok(Integer::Signed(number.into()))
    }
    fn serialize_i32(self, number: i32) -> Found {
        Ok(Integer::Signed(number.into()))
    }
    fn serialize_i64(self, number: i64) -> Found {
        Ok(Integer::Signed(number))
    }
    fn serialize_i128(self, number: i128) -> Found {
        let signed = i64::try_from(number).map(Integer::Signed);
        signed
            .or_else(|_| u64::try_from(number).map(Integer::Unsigned))
            .map_err(|_| NotAnInteger)
    }
    fn serialize_u8(self, number: u8) -> Found {
        Ok(Integer::Signed(number.into()))
    }
    fn serialize_u16(self, number: u16) -> Found {
        Ok(Integer::Signed(number.into()))
    }
    fn serialize_u32(self, number: u32) -> Found {
        Ok(Integer::Signed(number.into()))
    }
    fn serialize_u64(self, number: u64) -> Found {
        self.serialize_i128(number.into())
    }
    fn serialize_u128(self, number: u128) -> Found {
        i128::try_from(number)
            .map_err(|_| NotAnInteger)
            .and_then(|number| self.serialize_i128(number))
    }
    fn serialize_newtype_struct<T: Serialize + ?Sized>(
        self,
        _name: &'static str,
        value: &T,
    ) -> Found {
        value.serialize(self.down()?)
    }

    fn serialize_bool(self, _: bool) -> Found {
        Err(NotAnInteger)
    }
    fn serialize_f32(self, _: f32) -> Found {
        Err(NotAnInteger)
    }
    fn serialize_f64(self, _: f64) -> Found {
        Err(NotAnInteger)
    }
    fn serialize_char(self, _: char) -> Found {
        Err(NotAnInteger)
    }
    fn serialize_str(self, _: &str) -> Found {
        Err(NotAnInteger)
    }
    fn serialize_bytes(self, _: &[u8]) -> Found {
        Err(NotAnInteger)
    }
    fn serialize_none(self) -> Found {
        Err(NotAnInteger)
    }
    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Found {
        if self.options {
            return value.serialize(self.down()?);
        }
        Err(NotAnInteger)
    }
    fn serialize_unit(self) -> Found {
        Err(NotAnInteger)
    }
    fn serialize_unit_struct(self, _: &'static str) -> Found {
        Err(NotAnInteger)
    }
    fn serialize_unit_variant(self, _: &'static str, _: u32, _: &'static str) -> Found {
        Err(NotAnInteger)
    }
    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        _: &T,
    ) -> Found {
        Err(NotAnInteger)
    }
    fn serialize_seq(self, _: Option<usize>) -> Result<No, NotAnInteger> {
        Err(NotAnInteger)
    }
    fn serialize_tuple(self, _: usize) -> Result<No, NotAnInteger> {
        Err(NotAnInteger)
    }
    fn serialize_tuple_struct(self, _: &'static str, _: usize) -> Result<No, NotAnInteger> {
        Err(NotAnInteger)
    }
    fn serialize_tuple_variant(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        _: usize,
    ) -> Result<No, NotAnInteger> {
        Err(NotAnInteger)
    }
    fn serialize_map(self, _: Option<usize>) -> Result<No, NotAnInteger> {
        Err(NotAnInteger)
    }
    fn serialize_struct(self, _: &'static str, _: usize) -> Result<No, NotAnInteger> {
        Err(NotAnInteger)
    }
    fn serialize_struct_variant(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        _: usize,
    ) -> Result<No, NotAnInteger> {
        Err(NotAnInteger)
    }
}

#[cfg(test)]
mod tests {
    use serde::{Deserialize, Serialize};

    use super::*;

    #[derive(Serialize, Deserialize, Debug, PartialEq)]
    struct Id(u64);

    #[test]
    fn integers_and_newtypes_of_integers_are_found() {
        assert_eq!(Integer::of(&-5i8, false), Some(Integer::Signed(-5)));
        assert_eq!(Integer::of(&Id(7), false), Some(Integer::Signed(7)));
        assert_eq!(
            Integer::of(&u64::MAX, false),
            Some(Integer::Unsigned(u64::MAX))
        );
        assert_eq!(
            Integer::of(&i128::from(i64::MIN), false),
            Some(Integer::Signed(i64::MIN))
        );
        assert_eq!(Integer::of(&(i128::from(i64::MIN) - 1), false), None);
        assert_eq!(Integer::of(&u128::MAX, false), None);
    }

    #[test]
    fn booleans_options_floats_and_text_are_not_integers() {
        let of_some = |options| Integer::of(&Some(Some(1)), options);
        assert_eq!(
            (of_some(true), of_some(false)),
            (Some(Integer::Signed(1)), None)
        );
        assert_eq!(Integer::of(&true, false), None);
        assert_eq!(Integer::of(&Some(1), false), None);
        assert_eq!(Integer::of(&1.0, false), None);
        assert_eq!(Integer::of("12", false), None);
        assert_eq!(Integer::of(&(1,), false), None);
    }

    #[test]
    fn only_canonical_digits_are_an_integer() {
        assert_eq!(Integer::parse(b"0"), Some(Integer::Signed(0)));
        assert_eq!(Integer::parse(b"-12"), Some(Integer::Signed(-12)));
        assert_eq!(
            Integer::parse(b"9223372036854775808"),
            Some(Integer::Unsigned(1 << 63))
        );
        assert_eq!(
            Integer::parse(b"-9223372036854775808"),
            Some(Integer::Signed(i64::MIN))
        );
        let refused = [
            "",
            "-",
            "-0",
            "00",
            "01",
            "+1",
            " 1",
            "1 ",
            "12_3\n",
            "1.0",
            "18446744073709551616",
            "-9223372036854775809",
            "1e3",
            "\u{661}",
        ];
        for text in refused {
            assert_eq!(Integer::parse(text.as_bytes()), None, "{text:?}");
        }
    }

    #[test]
    fn a_stored_integer_becomes_any_numeric_type_it_fits() {
        assert_eq!(Integer::Signed(7).decode::<Id>().unwrap(), Id(7));
        assert_eq!(Integer::Signed(7).decode::<Option<u8>>().unwrap(), Some(7));
        assert_eq!(Integer::Signed(7).decode::<f64>().unwrap(), 7.0);
        assert!(Integer::Signed(300).decode::<u8>().is_err());
        assert!(Integer::Signed(1).decode::<String>().is_err());
    }
}
