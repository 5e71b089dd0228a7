//! Raw bytes seen through serde: what C or `set_bytes` wrote can be read as text, as bytes, or as `Vec<u8>`; any
//! other type is a decode error, since nothing says how to read it.

use serde::de::value::{Error as ValueError, SeqDeserializer};
use serde::de::{DeserializeOwned, Deserializer, Error as _, IntoDeserializer, Visitor};

use super::guard::Watch;

pub(super) fn decode<T: DeserializeOwned>(payload: &[u8], watch: &Watch) -> Result<T, String> {
    T::deserialize(watch.over(Raw(payload)))
        .map_err(|_| "raw bytes: only text and byte types can be read from them".to_owned())
}

struct Raw<'a>(&'a [u8]);

impl<'a> Raw<'a> {
    fn text(&self) -> Result<&'a str, ValueError> {
        std::str::from_utf8(self.0).map_err(|_| ValueError::custom("not UTF-8"))
    }
}

impl<'de> Deserializer<'de> for Raw<'_> {
    type Error = ValueError;

    fn deserialize_any<V: Visitor<'de>>(self, _visitor: V) -> Result<V::Value, ValueError> {
        Err(ValueError::custom("neither text nor bytes"))
    }

    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ValueError> {
        visitor.visit_str(self.text()?)
    }

    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ValueError> {
        visitor.visit_str(self.text()?)
    }

    fn deserialize_bytes<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ValueError> {
        visitor.visit_bytes(self.0)
    }

    fn deserialize_byte_buf<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ValueError> {
        visitor.visit_bytes(self.0)
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ValueError> {
        visitor.visit_seq(SeqDeserializer::new(
            self.0.iter().map(|byte| byte.into_deserializer()),
        ))
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ValueError> {
        visitor.visit_some(self)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        visitor: V,
    ) -> Result<V::Value, ValueError> {
        visitor.visit_newtype_struct(self)
    }

    serde::forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char unit unit_struct tuple tuple_struct map struct
        enum identifier ignored_any
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decode<T: DeserializeOwned>(payload: &[u8]) -> Result<T, String> {
        super::decode(payload, &Watch::plain())
    }

    #[test]
    fn text_and_bytes_can_be_read() {
        assert_eq!(decode::<String>(b"hello").unwrap(), "hello");
        assert_eq!(decode::<Vec<u8>>(b"\xff\0").unwrap(), b"\xff\0");
        assert_eq!(
            decode::<Option<String>>(b"x").unwrap().as_deref(),
            Some("x")
        );
    }

    #[test]
    fn other_types_are_refused() {
        assert!(decode::<String>(b"\xff").is_err());
        assert!(decode::<u32>(b"12").is_err());
        assert!(decode::<(u8, u8)>(b"ab").is_err());
    }
}
