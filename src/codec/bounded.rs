//! What keeps payloads of strangers in bounds: memory that is not taken before the bytes are there, how deep values may be
//! nested, and what stands behind their end.

/// How deep a payload may be nested. JSON's usual bound; well below what the stack of a thread holds.
#[cfg(feature = "msgpack")]
pub(super) const DEPTH: usize = 128;

/// Bytes behind the value: it is not what it seems.
pub(super) fn left_over(count: usize) -> String {
    format!("{count} bytes are left over")
}

pub(super) fn too_large(most: usize) -> String {
    format!("the value has more than {most} bytes (option `max_value`)")
}

/// Memory for a payload whose length nobody knows: it grows with what has come, up to one byte more than is accepted,
/// which tells what is too large.
#[cfg(any(feature = "zlib", feature = "zstd"))]
pub(super) struct Growing {
    pub(super) bytes: Vec<u8>,
    most: usize,
}

#[cfg(any(feature = "zlib", feature = "zstd"))]
impl Growing {
    pub(super) fn new(packed: &[u8], most: usize) -> Result<Self, String> {
        const FACTOR: usize = 4;
        const FIRST: usize = 256;
        let mut growing = Growing {
            bytes: Vec::new(),
            most,
        };
        growing.reserve(packed.len().saturating_mul(FACTOR).max(FIRST))?;
        Ok(growing)
    }

    /// Makes room when there is none.
    pub(super) fn grow(&mut self) -> Result<(), String> {
        if self.bytes.len() < self.bytes.capacity() {
            return Ok(());
        }
        self.reserve(self.bytes.len())
    }

    /// The payload, once it is whole.
    pub(super) fn finish(self) -> Result<Vec<u8>, String> {
        if self.bytes.len() > self.most {
            return Err(too_large(self.most));
        }
        Ok(self.bytes)
    }

    fn reserve(&mut self, more: usize) -> Result<(), String> {
        let left = self.most.saturating_add(1).saturating_sub(self.bytes.len());
        if left == 0 {
            return Err(too_large(self.most));
        }
        let result = self.bytes.try_reserve_exact(more.min(left));
        result.map_err(|_| "there is no memory for the value".to_owned())
    }
}

/// Memory for a payload of a known length, and for one byte more.
#[cfg(any(feature = "lz4", feature = "zstd"))]
pub(super) fn memory(len: usize, most: usize) -> Result<Vec<u8>, String> {
    if len > most {
        return Err(too_large(most));
    }
    let mut bytes = Vec::new();
    match bytes.try_reserve_exact(len.saturating_add(1)) {
        Ok(()) => Ok(bytes),
        Err(_) => Err("there is no memory for the value".to_owned()),
    }
}
