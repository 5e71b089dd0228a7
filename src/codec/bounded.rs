//! What keeps payloads of strangers in bounds: memory that is not taken before the bytes are there, and what stands behind
//! their end.

/// What a compressor fails with.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Fault {
    /// What is wrong with the bytes.
    Text(String),
    /// So many bytes could not be had.
    NoMemory(usize),
}

impl From<String> for Fault {
    fn from(text: String) -> Self {
        Fault::Text(text)
    }
}

impl From<&str> for Fault {
    fn from(text: &str) -> Self {
        Fault::Text(text.to_owned())
    }
}

/// Makes room for so many bytes more.
pub(super) fn reserve(bytes: &mut Vec<u8>, more: usize) -> Result<(), Fault> {
    let result = bytes.try_reserve_exact(more);
    result.map_err(|_| Fault::NoMemory(more))
}

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
    pub(super) fn new(packed: &[u8], most: usize) -> Result<Self, Fault> {
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
    pub(super) fn grow(&mut self) -> Result<(), Fault> {
        if self.bytes.len() < self.bytes.capacity() {
            return Ok(());
        }
        self.reserve(self.bytes.len())
    }

    /// The payload, once it is whole.
    pub(super) fn finish(self) -> Result<Vec<u8>, Fault> {
        if self.bytes.len() > self.most {
            return Err(too_large(self.most).into());
        }
        Ok(self.bytes)
    }

    fn reserve(&mut self, more: usize) -> Result<(), Fault> {
        let left = self.most.saturating_add(1).saturating_sub(self.bytes.len());
        if left == 0 {
            return Err(too_large(self.most).into());
        }
        reserve(&mut self.bytes, more.min(left))
    }
}

/// Memory for a payload of a known length, and for one byte more.
#[cfg(any(feature = "lz4", feature = "zstd"))]
pub(super) fn memory(len: usize, most: usize) -> Result<Vec<u8>, Fault> {
    if len > most {
        return Err(too_large(most).into());
    }
    let mut bytes = Vec::new();
    reserve(&mut bytes, len.saturating_add(1))?;
    Ok(bytes)
}
