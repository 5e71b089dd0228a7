//! How the values of a call are read and written: typed, or as bytes.

use std::marker::PhantomData;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::base::room;
use crate::config::Options;
use crate::entry::{self, Decode, Gather, Judge, Look, Payload, Seen, Sight};
use crate::error::Result;
use crate::store::{Head, Sink};

/// A form that values can be read in.
pub(crate) trait Reader {
    type Value;
    type Sink<'a>: Payload<Value = Self::Value>;

    fn sink(options: &Options) -> Self::Sink<'_>;

    /// What a complete entry is.
    fn see(options: &Options, stored: &[u8], judge: Judge) -> Sight<Self::Value> {
        let mut look = Look::new(options, Self::sink(options));
        match look.begin(stored, stored.len()).map(drop) {
            Ok(()) => look.finish(judge),
            Err(error) => Sight {
                seen: Err(error),
                header: None,
                now_ms: 0,
            },
        }
    }
}

/// A form that values can be read and written in.
pub(crate) trait Form: Reader {
    /// The header and the body to be stored.
    fn encode<'a>(
        options: &Options,
        value: &'a Self::Value,
        scratch: &'a mut Vec<u8>,
    ) -> Result<(Head, &'a [u8])>;

    /// Another one like it.
    fn copy(options: &Options, value: &Self::Value) -> Result<Option<Self::Value>>;
}

pub(crate) struct Typed<T>(PhantomData<T>);

impl<T: DeserializeOwned> Reader for Typed<T> {
    type Value = T;
    type Sink<'a> = Decode<'a, T>;

    fn sink(options: &Options) -> Decode<'_, T> {
        Decode::new(options)
    }
}

impl<T: Serialize + DeserializeOwned> Form for Typed<T> {
    fn encode<'a>(
        options: &Options,
        value: &'a T,
        scratch: &'a mut Vec<u8>,
    ) -> Result<(Head, &'a [u8])> {
        Ok((entry::encode(options, value, scratch)?, scratch))
    }

    fn copy(options: &Options, value: &T) -> Result<Option<T>> {
        let mut body = Vec::new();
        let head = entry::encode(options, value, &mut body)?;
        match Self::see(options, &[&head, &body[..]].concat(), Judge::Fresh).seen? {
            Seen::Fresh(value) | Seen::Stale(value) => Ok(value),
            Seen::Nothing => Ok(None),
        }
    }
}

pub(crate) struct Bytes;

impl Reader for Bytes {
    type Value = Vec<u8>;
    type Sink<'a> = Gather<'a>;

    fn sink(options: &Options) -> Gather<'_> {
        Gather::new(options)
    }
}

impl Form for Bytes {
    fn encode<'a>(
        options: &Options,
        value: &'a Vec<u8>,
        scratch: &'a mut Vec<u8>,
    ) -> Result<(Head, &'a [u8])> {
        entry::encode_bytes(options, value, scratch)
    }

    fn copy(_: &Options, value: &Vec<u8>) -> Result<Option<Vec<u8>>> {
        room::copy(value, "a value").map(Some)
    }
}
