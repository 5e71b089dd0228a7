//! Memory whose size a caller or a server decides: asked for in a way that may fail, so that there is none for one value
//! and not an end to the process.

use crate::error::{Error, Result};

/// A copy of `bytes`, which are `what`.
pub(crate) fn copy(bytes: &[u8], what: &str) -> Result<Vec<u8>> {
    let mut copy = Vec::new();
    copy.try_reserve_exact(bytes.len())
        .map_err(|_| Error::no_memory(what, bytes.len()))?;
    copy.extend_from_slice(bytes);
    Ok(copy)
}

/// Puts `bytes`, which are `what`, behind what `to` holds.
#[inline]
pub(crate) fn append(to: &mut Vec<u8>, bytes: &[u8], what: &str) -> Result<()> {
    to.try_reserve(bytes.len())
        .map_err(|_| Error::no_memory(what, to.len().saturating_add(bytes.len())))?;
    to.extend_from_slice(bytes);
    Ok(())
}

/// Whether so many bytes could be had in one piece just now, for somebody who asks in a way that cannot fail. Another
/// thread may be quicker; what is large is never asked for unseen, all the same.
pub(crate) fn probe(len: usize, what: &str) -> Result<()> {
    const LARGE: usize = 1 << 20;
    if len >= LARGE && Vec::<u8>::new().try_reserve_exact(len).is_err() {
        return Err(Error::no_memory(what, len));
    }
    Ok(())
}
