//! What a value has inside, as it is written: counted against what was announced.

use serde::ser::{
    self, Serialize, SerializeMap, SerializeSeq, SerializeStruct, SerializeStructVariant,
    SerializeTuple, SerializeTupleStruct, SerializeTupleVariant,
};

use super::super::{Seen, Watch};
use super::Guarded;

/// What has parts, and how many are still to come.
pub(super) struct Parts<'w, C> {
    inner: C,
    watch: &'w Watch,
    left: u8,
    announced: Option<usize>,
    written: usize,
}

impl<'w, C> Parts<'w, C> {
    #[inline]
    pub(super) fn new(inner: C, watch: &'w Watch, left: u8, announced: Option<usize>) -> Self {
        Parts {
            inner,
            watch,
            left,
            announced,
            written: 0,
        }
    }

    #[inline]
    fn key<'v, T: ?Sized>(&self, value: &'v T) -> Guarded<'v, T>
    where
        'w: 'v,
    {
        Guarded {
            value,
            watch: self.watch,
            left: self.left,
        }
    }

    #[inline]
    fn part<'v, T: ?Sized>(&mut self, value: &'v T) -> Guarded<'v, T>
    where
        'w: 'v,
    {
        self.written += 1;
        self.key(value)
    }

    /// The codec's own, when all is there that was announced.
    #[inline]
    fn whole<E: ser::Error>(self) -> Result<C, E> {
        let is_whole = self.announced.is_none_or(|count| count == self.written);
        match is_whole || !self.watch.is_exact {
            true => Ok(self.inner),
            false => Err(self.watch.cannot(Seen::Miscounted)),
        }
    }

    #[inline]
    fn skip<E: ser::Error>(&self, field: &'static str) -> Result<(), E> {
        match self.watch.describes {
            true => Ok(()),
            false => Err(self.watch.cannot(Seen::Skipped(field))),
        }
    }
}

macro_rules! parts {
    ($($Trait:ident $method:ident)*) => { $(
        impl<C: $Trait> $Trait for Parts<'_, C> {
            type Ok = C::Ok;
            type Error = C::Error;

            #[inline]
            fn $method<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), C::Error> {
                let value = self.part(value);
                self.inner.$method(&value)
            }

            #[inline]
            fn end(self) -> Result<C::Ok, C::Error> {
                self.whole()?.end()
            }
        }
    )* };
}

parts! {
    SerializeSeq serialize_element
    SerializeTuple serialize_element
    SerializeTupleStruct serialize_field
    SerializeTupleVariant serialize_field
}

macro_rules! fields {
    ($($Trait:ident)*) => { $(
        impl<C: $Trait> $Trait for Parts<'_, C> {
            type Ok = C::Ok;
            type Error = C::Error;

            #[inline]
            fn serialize_field<T: Serialize + ?Sized>(
                &mut self,
                name: &'static str,
                value: &T,
            ) -> Result<(), C::Error> {
                let value = self.part(value);
                self.inner.serialize_field(name, &value)
            }

            #[inline]
            fn skip_field(&mut self, name: &'static str) -> Result<(), C::Error> {
                self.skip(name)?;
                self.inner.skip_field(name)
            }

            #[inline]
            fn end(self) -> Result<C::Ok, C::Error> {
                self.whole()?.end()
            }
        }
    )* };
}

fields! { SerializeStruct SerializeStructVariant }

impl<C: SerializeMap> SerializeMap for Parts<'_, C> {
    type Ok = C::Ok;
    type Error = C::Error;

    #[inline]
    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result<(), C::Error> {
        let key = self.key(key);
        self.inner.serialize_key(&key)
    }

    #[inline]
    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), C::Error> {
        let value = self.part(value);
        self.inner.serialize_value(&value)
    }

    #[inline]
    fn end(self) -> Result<C::Ok, C::Error> {
        self.whole()?.end()
    }
}
