//! Zstandard, one frame a payload (RFC 8878), by the C library. A frame that tells its length, as those written here
//! do, is inflated in one step; one that does not grows with its content. A length is believed as far as the frame can
//! hold it.

use std::ops::RangeInclusive;

use zstd_safe::{DCtx, DParameter, InBuffer, OutBuffer};

use super::bounded::{Growing, left_over, memory};

const MAGIC: &[u8] = b"\x28\xB5\x2F\xFD";
/// A block has a header of three bytes and at most so much content.
const BLOCK_HEADER: usize = 3;
const BLOCK_MOST: usize = 128 * 1024;

pub(super) fn levels() -> RangeInclusive<i32> {
    zstd_safe::min_c_level()..=zstd_safe::max_c_level()
}

pub(super) fn compress(
    payload: &[u8],
    level: Option<i32>,
    most: usize,
) -> Result<Option<Vec<u8>>, String> {
    let mut packed = Vec::new();
    packed
        .try_reserve_exact(zstd_safe::compress_bound(payload.len()).min(most))
        .map_err(|_| "there is no memory for it".to_owned())?;
    let level = level.unwrap_or(zstd_safe::CLEVEL_DEFAULT);
    match zstd_safe::compress(&mut packed, payload, level) {
        Ok(_) => Ok(Some(packed)),
        // The memory was as much as it was worth.
        Err(_) if most < usize::MAX => Ok(None),
        Err(code) => Err(zstd_safe::get_error_name(code).to_owned()),
    }
}

pub(super) fn inflate(packed: &[u8], most: usize) -> Result<Vec<u8>, String> {
    if !packed.starts_with(MAGIC) {
        return Err("this is no frame".to_owned());
    }
    let len = zstd_safe::find_frame_compressed_size(packed).map_err(fault)?;
    match packed.get(len..) {
        Some([]) => {}
        rest => return Err(left_over(rest.map_or(0, <[u8]>::len))),
    }
    match zstd_safe::get_frame_content_size(packed) {
        Ok(Some(len)) => at_once(packed, usize::try_from(len).unwrap_or(usize::MAX), most),
        Ok(None) => by_and_by(packed, most),
        Err(_) => Err("the frame is corrupted".to_owned()),
    }
}

fn at_once(packed: &[u8], len: usize, most: usize) -> Result<Vec<u8>, String> {
    if len > (packed.len() / BLOCK_HEADER).saturating_mul(BLOCK_MOST) {
        return Err("the frame claims more than it can hold".to_owned());
    }
    let mut payload = memory(len, most)?;
    let mut context = DCtx::try_create().ok_or("there is no memory for its context")?;
    context.decompress(&mut payload, packed).map_err(fault)?;
    Ok(payload)
}

fn by_and_by(packed: &[u8], most: usize) -> Result<Vec<u8>, String> {
    let mut context = DCtx::try_create().ok_or("there is no memory for its context")?;
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
            return Err("the frame ends too early".to_owned());
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

fn fault(code: usize) -> String {
    zstd_safe::get_error_name(code).to_lowercase()
}
