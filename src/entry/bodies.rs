//! The bodies of a multi-key write of raw bytes: the caller's own, but for those that were made smaller. Nearly all of them
//! have the same head.

use crate::codec;
use crate::config::{Compressor, Options};
use crate::error::Result;
use crate::store::{Head, Value};

use super::{check_raw, head, pack_bytes};

pub(crate) struct Bodies<'o, 'a> {
    options: &'o Options,
    given: Vec<&'a [u8]>,
    /// As many, unless nothing is ever compressed.
    packed: Vec<Option<Vec<u8>>>,
    heads: [Head; 2],
}

impl<'o, 'a> Bodies<'o, 'a> {
    /// For so many, as far as is known.
    pub(crate) fn new(options: &'o Options, count: usize) -> Self {
        let mut given = Vec::new();
        // Where there is no memory for so many, the list of their keys says so.
        let _ = given.try_reserve_exact(count);
        Bodies {
            options,
            given,
            packed: Vec::new(),
            heads: [Compressor::None, options.coding.compressor]
                .map(|compressor| head(options, codec::RAW, compressor)),
        }
    }

    /// Takes the next one, if it may be stored.
    #[inline]
    pub(crate) fn push(&mut self, body: &'a [u8]) -> Result<()> {
        match self.options.coding.compressor {
            Compressor::None => check_raw(self.options, body)?,
            _ => self.packed.push(pack_bytes(self.options, body)?.1),
        }
        self.given.push(body);
        Ok(())
    }

    /// All of them, in their order.
    pub(crate) fn values(&self) -> impl Iterator<Item = Value<'_>> {
        let [raw, packed] = &self.heads;
        self.given
            .iter()
            .enumerate()
            .map(move |(index, given)| match self.packed.get(index) {
                Some(Some(body)) => Value { head: packed, body },
                _ => Value {
                    head: raw,
                    body: given,
                },
            })
    }
}
