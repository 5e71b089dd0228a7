//! The serializer around a codec's own.

mod parts;

use std::fmt::Display;

use serde::ser::{self, Serialize, SerializeSeq, Serializer};

use super::{DEPTH, Seen, Watch, bytes};

use parts::Parts;

/// A value that is written under watch.
pub(crate) struct Guarded<'w, T: ?Sized> {
    value: &'w T,
    watch: &'w Watch,
    left: u8,
}

impl Watch {
    /// The value under watch.
    #[inline]
    pub(crate) fn guard<'w, T: ?Sized>(&'w self, value: &'w T) -> Guarded<'w, T> {
        Guarded {
            value,
            watch: self,
            left: DEPTH,
        }
    }

    #[cold]
    fn cannot<E: ser::Error>(&self, seen: Seen) -> E {
        self.see(seen);
        E::custom("the value cannot be written")
    }
}

impl<T: Serialize + ?Sized> Serialize for Guarded<'_, T> {
    #[inline]
    fn serialize<S: Serializer>(&self, inner: S) -> Result<S::Ok, S::Error> {
        self.value.serialize(Guard {
            inner,
            watch: self.watch,
            left: self.left,
        })
    }
}

/// The codec's serializer under watch.
struct Guard<'w, S> {
    inner: S,
    watch: &'w Watch,
    /// How many levels there may be below.
    left: u8,
}

impl<'w, S: Serializer> Guard<'w, S> {
    /// How many levels there may be below the next one.
    #[inline]
    fn down(&self) -> Result<u8, S::Error> {
        match self.left.checked_sub(1) {
            Some(left) => Ok(left),
            None => Err(self.watch.cannot(Seen::Deep)),
        }
    }

    /// So many elements of a list or a map are written.
    #[inline]
    fn announce(&self, len: Option<usize>) -> Result<(), S::Error> {
        match len {
            Some(len) => {
                let elements = &self.watch.elements;
                elements.set(elements.get().saturating_add(len));
                Ok(())
            }
            None if self.watch.describes => Ok(()),
            None => Err(self.watch.cannot(Seen::Unannounced)),
        }
    }

    #[inline]
    fn check(&self, is_finite: bool) -> Result<(), S::Error> {
        match is_finite || !self.watch.is_finite {
            true => Ok(()),
            false => Err(self.watch.cannot(Seen::NotFinite)),
        }
    }
}

macro_rules! hand_on {
    ($($method:ident($Type:ty))*) => { $(
        #[inline]
        fn $method(self, value: $Type) -> Result<S::Ok, S::Error> {
            self.inner.$method(value)
        }
    )* };
}

impl<'w, S: Serializer> Serializer for Guard<'w, S> {
    type Ok = S::Ok;
    type Error = S::Error;
    type SerializeSeq = Parts<'w, S::SerializeSeq>;
    type SerializeTuple = Parts<'w, S::SerializeTuple>;
    type SerializeTupleStruct = Parts<'w, S::SerializeTupleStruct>;
    type SerializeTupleVariant = Parts<'w, S::SerializeTupleVariant>;
    type SerializeMap = Parts<'w, S::SerializeMap>;
    type SerializeStruct = Parts<'w, S::SerializeStruct>;
    type SerializeStructVariant = Parts<'w, S::SerializeStructVariant>;

    hand_on! {
        serialize_bool(bool) serialize_i8(i8) serialize_i16(i16) serialize_i32(i32) serialize_i64(i64)
        serialize_i128(i128) serialize_u8(u8) serialize_u16(u16) serialize_u32(u32) serialize_u64(u64)
        serialize_u128(u128) serialize_char(char) serialize_str(&str) serialize_bytes(&[u8])
        serialize_unit_struct(&'static str)
    }

    #[inline]
    fn serialize_f32(self, value: f32) -> Result<S::Ok, S::Error> {
        self.check(value.is_finite())?;
        self.inner.serialize_f32(value)
    }

    #[inline]
    fn serialize_f64(self, value: f64) -> Result<S::Ok, S::Error> {
        self.check(value.is_finite())?;
        self.inner.serialize_f64(value)
    }

    #[inline]
    fn serialize_none(self) -> Result<S::Ok, S::Error> {
        self.inner.serialize_none()
    }

    #[inline]
    fn serialize_unit(self) -> Result<S::Ok, S::Error> {
        self.inner.serialize_unit()
    }

    #[inline]
    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<S::Ok, S::Error> {
        let (left, watch) = (self.down()?, self.watch);
        self.inner.serialize_some(&Guarded { value, watch, left })
    }

    #[inline]
    fn serialize_unit_variant(
        self,
        name: &'static str,
        index: u32,
        variant: &'static str,
    ) -> Result<S::Ok, S::Error> {
        self.inner.serialize_unit_variant(name, index, variant)
    }

    #[inline]
    fn serialize_newtype_struct<T: Serialize + ?Sized>(
        self,
        name: &'static str,
        value: &T,
    ) -> Result<S::Ok, S::Error> {
        let (left, watch) = (self.down()?, self.watch);
        let value = Guarded { value, watch, left };
        self.inner.serialize_newtype_struct(name, &value)
    }

    #[inline]
    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        name: &'static str,
        index: u32,
        variant: &'static str,
        value: &T,
    ) -> Result<S::Ok, S::Error> {
        let (left, watch) = (self.down()?, self.watch);
        let value = Guarded { value, watch, left };
        self.inner
            .serialize_newtype_variant(name, index, variant, &value)
    }

    #[inline]
    fn serialize_seq(self, len: Option<usize>) -> Result<Self::SerializeSeq, S::Error> {
        let (left, watch) = (self.down()?, self.watch);
        self.announce(len)?;
        let inner = self.inner.serialize_seq(len)?;
        Ok(Parts::new(inner, watch, left, len))
    }

    #[inline]
    fn serialize_tuple(self, len: usize) -> Result<Self::SerializeTuple, S::Error> {
        let (left, watch) = (self.down()?, self.watch);
        let inner = self.inner.serialize_tuple(len)?;
        Ok(Parts::new(inner, watch, left, Some(len)))
    }

    #[inline]
    fn serialize_tuple_struct(
        self,
        name: &'static str,
        len: usize,
    ) -> Result<Self::SerializeTupleStruct, S::Error> {
        let (left, watch) = (self.down()?, self.watch);
        let inner = self.inner.serialize_tuple_struct(name, len)?;
        Ok(Parts::new(inner, watch, left, Some(len)))
    }

    #[inline]
    fn serialize_tuple_variant(
        self,
        name: &'static str,
        index: u32,
        variant: &'static str,
        len: usize,
    ) -> Result<Self::SerializeTupleVariant, S::Error> {
        let (left, watch) = (self.down()?, self.watch);
        let inner = self
            .inner
            .serialize_tuple_variant(name, index, variant, len)?;
        Ok(Parts::new(inner, watch, left, Some(len)))
    }

    #[inline]
    fn serialize_map(self, len: Option<usize>) -> Result<Self::SerializeMap, S::Error> {
        let (left, watch) = (self.down()?, self.watch);
        self.announce(len)?;
        let inner = self.inner.serialize_map(len)?;
        Ok(Parts::new(inner, watch, left, len))
    }

    #[inline]
    fn serialize_struct(
        self,
        name: &'static str,
        len: usize,
    ) -> Result<Self::SerializeStruct, S::Error> {
        let (left, watch) = (self.down()?, self.watch);
        let inner = self.inner.serialize_struct(name, len)?;
        Ok(Parts::new(inner, watch, left, Some(len)))
    }

    #[inline]
    fn serialize_struct_variant(
        self,
        name: &'static str,
        index: u32,
        variant: &'static str,
        len: usize,
    ) -> Result<Self::SerializeStructVariant, S::Error> {
        let (left, watch) = (self.down()?, self.watch);
        let inner = self
            .inner
            .serialize_struct_variant(name, index, variant, len)?;
        Ok(Parts::new(inner, watch, left, Some(len)))
    }

    #[inline]
    fn collect_seq<I>(self, items: I) -> Result<S::Ok, S::Error>
    where
        I: IntoIterator,
        I::Item: Serialize,
    {
        let items = items.into_iter();
        let len = match items.size_hint() {
            (least, most) if most == Some(least) => most,
            _ => None,
        };
        if let Some(len) = len
            && self.watch.has_bytes
            && bytes::are_bytes::<I::Item>()
        {
            self.down()?;
            self.announce(Some(len))?;
            return match bytes::gather(items, len) {
                Ok(bytes) => self.inner.serialize_bytes(&bytes),
                Err(len) => Err(self.watch.cannot(Seen::NoMemory(len))),
            };
        }
        let mut list = self.serialize_seq(len)?;
        for item in items {
            list.serialize_element(&item)?;
        }
        list.end()
    }

    #[inline]
    fn collect_str<T: Display + ?Sized>(self, value: &T) -> Result<S::Ok, S::Error> {
        self.inner.collect_str(value)
    }

    #[inline]
    fn is_human_readable(&self) -> bool {
        self.inner.is_human_readable()
    }
}
