//! Zstandard, one frame a payload (RFC 8878), by the C library, with its content's checksum at the end. A frame that tells its length, as those written here
//! do, is inflated in one step; one that does not grows with its content. A length is believed as far as the frame can
//! hold it.

use std::ops::RangeInclusive;

use zstd_safe::{CCtx, CParameter, DCtx, DParameter, InBuffer, OutBuffer};

use super::bounded::{Fault, Growing, left_over, memory, reserve};

const MAGIC: &[u8] = b"\x28\xB5\x2F\xFD";
/// A block has a header of three bytes and at most so much content.
const BLOCK_HEADER: usize = 3;
const BLOCK_MOST: usize = 128 * 1024;
/// About what the library takes for its own.
const CONTEXT: usize = 1 << 20;

pub(super) fn levels() -> RangeInclusive<i32> {
    zstd_safe::min_c_level()..=zstd_safe::max_c_level()
}

pub(super) fn compress(
    payload: &[u8],
    level: Option<i32>,
    most: usize,
) -> Result<Option<Vec<u8>>, Fault> {
    let mut packed = Vec::new();
    reserve(
        &mut packed,
        zstd_safe::compress_bound(payload.len()).min(most),
    )?;
    let mut context = CCtx::try_create().ok_or(Fault::NoMemory(CONTEXT))?;
    let level = level.unwrap_or(zstd_safe::CLEVEL_DEFAULT);
    for parameter in [
        CParameter::CompressionLevel(level),
        CParameter::ChecksumFlag(true),
    ] {
        context.set_parameter(parameter).map_err(fault)?;
    }
    match context.compress2(&mut packed, payload).map_err(fault) {
        Ok(_) => Ok(Some(packed)),
        // The memory was as much as it was worth.
        Err(Fault::Text(_)) if most < usize::MAX => Ok(None),
        Err(fault) => Err(fault),
    }
}

pub(super) fn inflate(packed: &[u8], most: usize) -> Result<Vec<u8>, Fault> {
    if !packed.starts_with(MAGIC) {
        return Err("this is no frame".into());
    }
    let len = zstd_safe::find_frame_compressed_size(packed).map_err(fault)?;
    match packed.get(len..) {
        Some([]) => {}
        rest => return Err(left_over(rest.map_or(0, <[u8]>::len)).into()),
    }
    match zstd_safe::get_frame_content_size(packed) {
        Ok(Some(len)) => at_once(packed, usize::try_from(len).unwrap_or(usize::MAX), most),
        Ok(None) => by_and_by(packed, most),
        Err(_) => Err("the frame is corrupted".into()),
    }
}

fn at_once(packed: &[u8], len: usize, most: usize) -> Result<Vec<u8>, Fault> {
    if len > (packed.len() / BLOCK_HEADER).saturating_mul(BLOCK_MOST) {
        return Err("the frame claims more than it can hold".into());
    }
    let mut payload = memory(len, most)?;
    let mut context = DCtx::try_create().ok_or(Fault::NoMemory(CONTEXT))?;
    context.decompress(&mut payload, packed).map_err(fault)?;
    Ok(payload)
}

fn by_and_by(packed: &[u8], most: usize) -> Result<Vec<u8>, Fault> {
    let mut context = DCtx::try_create().ok_or(Fault::NoMemory(CONTEXT))?;
    context
        .set_parameter(DParameter::WindowLogMax(window(most)))
        .map_err(fault)?;
    let mut payload = Growing::new(packed, most)?;
    let mut input = InBuffer::around(packed);
    loop {
        let done = payload.bytes.len();
        let mut output = OutBuffer::around_pos(&mut payload.bytes, done);
        let hint = context
            .decompress_stream(&mut output, &mut input)
            .map_err(fault)?;
        if hint == 0 {
            return payload.finish();
        }
        if payload.bytes.len() < payload.bytes.capacity() && input.pos() == packed.len() {
            return Err("the frame ends too early".into());
        }
        payload.grow()?;
    }
}

/// The largest window that a frame may ask memory for, as a power of two: what holds `max_value` is enough, and 8 MiB is
/// what every reader must offer.
fn window(most: usize) -> u32 {
    const EVERY_READER: u32 = 23;
    const LIBRARY: u32 = 27;
    most.checked_next_power_of_two()
        .map_or(LIBRARY, usize::trailing_zeros)
        .clamp(EVERY_READER, LIBRARY)
}

fn fault(code: usize) -> Fault {
    let text = zstd_safe::get_error_name(code).to_lowercase();
    match text.starts_with("allocation error") {
        true => Fault::NoMemory(CONTEXT),
        false => Fault::Text(text),
    }
}
