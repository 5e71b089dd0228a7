//! postcard: the default codec, compact and quick, for values that only Rust reads. Fields go by their order, so a
//! type that changes is another type; what is left over after a value makes it undecodable.

use postcard::ser_flavors::Flavor;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::bounded::left_over;

pub(super) fn encode<T: Serialize + ?Sized>(value: &T, out: &mut Vec<u8>) -> Result<(), String> {
    postcard::serialize_with_flavor(value, Behind(out)).map_err(|error| error.to_string())
}

pub(super) fn decode<T: DeserializeOwned>(payload: &[u8]) -> Result<T, String> {
    match postcard::take_from_bytes(payload) {
        Ok((value, [])) => Ok(value),
        Ok((_, rest)) => Err(format!("postcard: {}", left_over(rest.len()))),
        Err(error) => Err(format!("postcard: {error}")),
    }
}

/// Writes behind what a vector holds, and leaves that alone whatever happens. (Of postcard's own flavors one owns the
/// vector, and drops it on errors.)
struct Behind<'a>(&'a mut Vec<u8>);

impl Flavor for Behind<'_> {
    type Output = ();

    #[inline]
    fn try_push(&mut self, byte: u8) -> postcard::Result<()> {
        self.0.push(byte);
        Ok(())
    }

    #[inline]
    fn try_extend(&mut self, bytes: &[u8]) -> postcard::Result<()> {
        self.0.extend_from_slice(bytes);
        Ok(())
    }

    fn finalize(self) -> postcard::Result<()> {
        Ok(())
    }
}
