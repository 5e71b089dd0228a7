//! What a loader made on its way to those who wait for it: in its stored form, which each of them reads as it wants. What
//! is too large to be stored is theirs all the same.

use std::sync::Arc;

use crate::base::flight::Product;
use crate::config::Options;
use crate::entry::header::Header;
use crate::entry::{Judge, Seen};
use crate::error::{Error, ErrorKind, Result};
use crate::store::Head;

use super::form::{Form, Reader};

/// A value in its stored form, or `None`: known to be absent. No product: there is no memory for the copy, and who waits
/// has to look again.
pub(super) fn product(is_value: bool, head: &Head, body: &[u8]) -> Option<Product> {
    if !is_value {
        return Some(Product::Absent);
    }
    joined(head, body).map(Product::Value)
}

/// The same of a value that is larger than any that is stored.
pub(super) fn large<F: Form>(options: &Options, value: &F::Value) -> Option<Product> {
    let (options, mut scratch) = (options.unbounded(), Vec::new());
    let (head, body) = F::encode(&options, value, &mut scratch).ok()?;
    joined(&head, body).map(Product::Large)
}

fn joined(head: &Head, body: &[u8]) -> Option<Arc<Vec<u8>>> {
    let mut stored = Vec::new();
    stored.try_reserve_exact(head.len() + body.len()).ok()?;
    stored.extend_from_slice(head);
    stored.extend_from_slice(body);
    Some(Arc::new(stored))
}

/// What is in it for a caller.
pub(super) fn unpacked<R: Reader>(options: &Options, product: &Product) -> Result<Seen<R::Value>> {
    match product {
        Product::Absent => Ok(Seen::Fresh(None)),
        Product::Value(stored) => R::see(options, stored, Judge::Fresh).seen,
        Product::Large(stored) => R::see(&options.unbounded(), stored, Judge::Fresh).seen,
    }
}

/// Head and body of what a loader said.
pub(super) fn encoded<'a, F: Form>(
    options: &Options,
    value: Option<&'a F::Value>,
    scratch: &'a mut Vec<u8>,
) -> Result<(Head, &'a [u8])> {
    match value {
        Some(value) => F::encode(options, value, scratch),
        None => Ok((Header::ABSENT.encode(), &[])),
    }
}

/// Whether a value that is refused with this is only not stored: its caller has it, and may keep it.
pub(super) fn is_only_not_stored(error: &Error) -> bool {
    error.is_oversized() || error.kind() == ErrorKind::NoMemory
}

#[cfg(test)]
mod tests {
    use super::super::form::{Bytes, Typed};
    use super::*;
    use crate::config::{Codec, Compressor, Layout};

    /// It was lost to those who wait for it.
    #[test]
    fn what_is_too_large_to_be_stored_is_handed_on_whole() {
        for layout in [Layout::Tagged, Layout::Plain] {
            let mut options = Options {
                layout,
                ..Options::default()
            };
            options.coding.max_value = 1000;
            options.coding.codec = Codec::Postcard;
            for compressor in [Compressor::None, Compressor::Zlib] {
                options.coding.compressor = compressor;
                let text = "large ".repeat(1000);
                let mut scratch = Vec::new();
                let refused = encoded::<Typed<String>>(&options, Some(&text), &mut scratch);
                assert!(is_only_not_stored(&refused.unwrap_err()));
                let product = large::<Typed<String>>(&options, &text).unwrap();
                match unpacked::<Typed<String>>(&options, &product).unwrap() {
                    Seen::Fresh(Some(seen)) => assert_eq!(seen, text),
                    other => panic!("{other:?}"),
                }
                let bytes = text.into_bytes();
                let product = large::<Bytes>(&options, &bytes).unwrap();
                match unpacked::<Bytes>(&options, &product).unwrap() {
                    Seen::Fresh(Some(seen)) => assert_eq!(seen, bytes),
                    other => panic!("{other:?}"),
                }
            }
        }
    }
}
