//! The deserializer around a codec's own, and around all that it hands to the type that is read.

mod access;

use std::fmt;

use serde::de::{self, Deserializer, EnumAccess, MapAccess, SeqAccess, Visitor};

use super::{DEPTH, Seen, Watch, bytes};

/// Something of the codec's, or of the type's, under watch.
pub(crate) struct Guard<'w, I> {
    inner: I,
    watch: &'w Watch,
    /// How many levels there may be below.
    left: u8,
    /// What it visits may be as long as a payload claims: a list or a map.
    is_open: bool,
}

impl Watch {
    /// A deserializer under watch.
    #[inline]
    pub(crate) fn over<I>(&self, inner: I) -> Guard<'_, I> {
        Guard {
            inner,
            watch: self,
            left: DEPTH,
            is_open: true,
        }
    }

    #[cold]
    pub(super) fn stop<E: de::Error>(&self, seen: Seen) -> E {
        self.see(seen);
        E::custom("the value cannot be read")
    }
}

impl<'w, I> Guard<'w, I> {
    /// The same watch, over something else at this level.
    #[inline]
    fn with<J>(&self, inner: J) -> Guard<'w, J> {
        Guard {
            inner,
            watch: self.watch,
            left: self.left,
            is_open: false,
        }
    }

    /// Over what may be as long as it claims.
    #[inline]
    fn open<J>(&self, inner: J) -> Guard<'w, J> {
        Guard {
            is_open: true,
            ..self.with(inner)
        }
    }

    /// One level down.
    #[inline]
    fn down<J, E: de::Error>(&self, inner: J) -> Result<Guard<'w, J>, E> {
        match self.left.checked_sub(1) {
            Some(left) => Ok(Guard {
                left,
                is_open: self.is_open,
                ..self.with(inner)
            }),
            None => Err(self.watch.stop(Seen::Deep)),
        }
    }

    /// Refuses a type that asks what stands in a payload which does not tell.
    #[inline]
    fn ask<E: de::Error>(&self) -> Result<(), E> {
        match self.watch.describes {
            true => Ok(()),
            false => Err(self.watch.stop(Seen::Undescribed)),
        }
    }

    /// So many elements are claimed; where nobody knows how many there are, they are counted one by one.
    #[inline]
    fn count<E: de::Error>(&mut self, claimed: Option<usize>) -> Result<(), E> {
        let Some(claimed) = claimed.filter(|_| self.is_open) else {
            return Ok(());
        };
        self.is_open = false;
        self.take(claimed)
    }

    #[inline]
    fn take<E: de::Error>(&self, count: usize) -> Result<(), E> {
        let elements = &self.watch.elements;
        match elements.get().checked_sub(count) {
            Some(left) => {
                elements.set(left);
                Ok(())
            }
            None => Err(self.watch.stop(Seen::Countless)),
        }
    }

    #[inline]
    fn take_one<T, E: de::Error>(&self, element: Option<T>) -> Result<Option<T>, E> {
        if self.is_open && element.is_some() {
            self.take(1)?;
        }
        Ok(element)
    }
}

macro_rules! hand_on {
    ($($method:ident)*) => { $(
        #[inline]
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, D::Error> {
            let visitor = self.with(visitor);
            self.inner.$method(visitor)
        }
    )* };
}

macro_rules! hand_on_open {
    ($($method:ident)*) => { $(
        #[inline]
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, D::Error> {
            let visitor = self.open(visitor);
            self.inner.$method(visitor)
        }
    )* };
}

macro_rules! hand_on_if_described {
    ($($method:ident)*) => { $(
        #[inline]
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, D::Error> {
            self.ask()?;
            let visitor = self.open(visitor);
            self.inner.$method(visitor)
        }
    )* };
}

impl<'de, D: Deserializer<'de>> Deserializer<'de> for Guard<'_, D> {
    type Error = D::Error;

    hand_on! {
        deserialize_bool deserialize_i8 deserialize_i16 deserialize_i32 deserialize_i64 deserialize_i128
        deserialize_u8 deserialize_u16 deserialize_u32 deserialize_u64 deserialize_u128 deserialize_f32
        deserialize_f64 deserialize_char deserialize_str deserialize_string deserialize_bytes deserialize_byte_buf
        deserialize_option deserialize_unit
    }
    hand_on_open! { deserialize_map }
    hand_on_if_described! { deserialize_any deserialize_ignored_any deserialize_identifier }

    #[inline]
    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, D::Error> {
        if !self.watch.has_bytes || !bytes::is_of_bytes::<V>() {
            let visitor = self.open(visitor);
            return self.inner.deserialize_seq(visitor);
        }
        let mut below = self.open(()).down(())?;
        let bytes = self.inner.deserialize_bytes(bytes::Whole(self.watch))?;
        below.count(Some(bytes.len()))?;
        bytes::as_value(bytes).ok_or_else(|| de::Error::custom("not a list of bytes"))
    }

    #[inline]
    fn deserialize_unit_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        visitor: V,
    ) -> Result<V::Value, D::Error> {
        let visitor = self.with(visitor);
        self.inner.deserialize_unit_struct(name, visitor)
    }

    #[inline]
    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        visitor: V,
    ) -> Result<V::Value, D::Error> {
        let visitor = self.with(visitor);
        self.inner.deserialize_newtype_struct(name, visitor)
    }

    #[inline]
    fn deserialize_tuple<V: Visitor<'de>>(
        self,
        len: usize,
        visitor: V,
    ) -> Result<V::Value, D::Error> {
        let visitor = self.with(visitor);
        self.inner.deserialize_tuple(len, visitor)
    }

    #[inline]
    fn deserialize_tuple_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        len: usize,
        visitor: V,
    ) -> Result<V::Value, D::Error> {
        let visitor = self.with(visitor);
        self.inner.deserialize_tuple_struct(name, len, visitor)
    }

    #[inline]
    fn deserialize_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, D::Error> {
        let visitor = self.with(visitor);
        self.inner.deserialize_struct(name, fields, visitor)
    }

    #[inline]
    fn deserialize_enum<V: Visitor<'de>>(
        self,
        name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, D::Error> {
        let visitor = self.with(visitor);
        self.inner.deserialize_enum(name, variants, visitor)
    }

    #[inline]
    fn is_human_readable(&self) -> bool {
        self.inner.is_human_readable()
    }
}

macro_rules! visit {
    ($($method:ident($Type:ty))*) => { $(
        #[inline]
        fn $method<E: de::Error>(self, value: $Type) -> Result<V::Value, E> {
            self.inner.$method(value)
        }
    )* };
}

impl<'de, V: Visitor<'de>> Visitor<'de> for Guard<'_, V> {
    type Value = V::Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.inner.expecting(f)
    }

    visit! {
        visit_bool(bool) visit_i8(i8) visit_i16(i16) visit_i32(i32) visit_i64(i64) visit_i128(i128) visit_u8(u8)
        visit_u16(u16) visit_u32(u32) visit_u64(u64) visit_u128(u128) visit_f32(f32) visit_f64(f64) visit_char(char)
        visit_str(&str) visit_borrowed_str(&'de str) visit_string(String) visit_bytes(&[u8])
        visit_borrowed_bytes(&'de [u8]) visit_byte_buf(Vec<u8>)
    }

    #[inline]
    fn visit_none<E: de::Error>(self) -> Result<V::Value, E> {
        self.inner.visit_none()
    }

    #[inline]
    fn visit_unit<E: de::Error>(self) -> Result<V::Value, E> {
        self.inner.visit_unit()
    }

    #[inline]
    fn visit_some<D: Deserializer<'de>>(self, inner: D) -> Result<V::Value, D::Error> {
        let below = self.down(inner)?;
        self.inner.visit_some(below)
    }

    #[inline]
    fn visit_newtype_struct<D: Deserializer<'de>>(self, inner: D) -> Result<V::Value, D::Error> {
        let below = self.down(inner)?;
        self.inner.visit_newtype_struct(below)
    }

    #[inline]
    fn visit_seq<A: SeqAccess<'de>>(self, inner: A) -> Result<V::Value, A::Error> {
        let claimed = inner.size_hint();
        let mut below = self.down(inner)?;
        below.count(claimed)?;
        self.inner.visit_seq(below)
    }

    #[inline]
    fn visit_map<A: MapAccess<'de>>(self, inner: A) -> Result<V::Value, A::Error> {
        let claimed = inner.size_hint();
        let mut below = self.down(inner)?;
        below.count(claimed)?;
        self.inner.visit_map(below)
    }

    #[inline]
    fn visit_enum<A: EnumAccess<'de>>(self, inner: A) -> Result<V::Value, A::Error> {
        let variants = self.with(inner);
        self.inner.visit_enum(variants)
    }
}
