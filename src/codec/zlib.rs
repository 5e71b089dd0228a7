//! zlib streams (RFC 1950), as Python's ZLibCompressor reads and writes them, by flate2's backend in Rust. A stream is
//! read to its checksum, and nothing may stand behind it.

use std::ops::RangeInclusive;

use flate2::{Compress, Compression, Decompress, FlushCompress, FlushDecompress, Status};

use super::bounded::{Fault, Growing, left_over, reserve};

pub(super) const LEVELS: RangeInclusive<i32> = 0..=9;

pub(super) fn compress(
    payload: &[u8],
    level: Option<i32>,
    most: usize,
) -> Result<Option<Vec<u8>>, Fault> {
    let level = level.and_then(|level| u32::try_from(level).ok());
    let level = level.map_or_else(Compression::default, Compression::new);
    let mut stream = Compress::new(level, true);
    let mut packed = Vec::new();
    reserve(&mut packed, (payload.len() / 4 + 64).min(most))?;
    loop {
        let rest = rest(payload, stream.total_in());
        match stream.compress_vec(rest, &mut packed, FlushCompress::Finish) {
            Ok(Status::StreamEnd) => return Ok(Some(packed)),
            Ok(_) if packed.len() >= most => return Ok(None),
            Ok(_) if packed.len() == packed.capacity() => {
                let more = packed.len().max(64);
                reserve(&mut packed, more)?;
            }
            Ok(_) => return Err("the stream does not end".into()),
            Err(error) => return Err(error.to_string().into()),
        }
    }
}

pub(super) fn inflate(packed: &[u8], most: usize) -> Result<Vec<u8>, Fault> {
    let mut stream = Decompress::new(true);
    let mut payload = Growing::new(packed, most)?;
    loop {
        let rest = rest(packed, stream.total_in());
        let before = (stream.total_in(), stream.total_out());
        match stream.decompress_vec(rest, &mut payload.bytes, FlushDecompress::None) {
            Ok(Status::StreamEnd) => break,
            Ok(_) if payload.bytes.len() == payload.bytes.capacity() => payload.grow()?,
            Ok(_) if before == (stream.total_in(), stream.total_out()) => {
                return Err("the stream ends too early".into());
            }
            Ok(_) => {}
            Err(_) => return Err("the stream is corrupted".into()),
        }
    }
    match rest(packed, stream.total_in()) {
        [] => payload.finish(),
        more => Err(left_over(more.len()).into()),
    }
}

fn rest(bytes: &[u8], done: u64) -> &[u8] {
    usize::try_from(done)
        .ok()
        .and_then(|done| bytes.get(done..))
        .unwrap_or_default()
}
