//! LZ4: one block behind its length in four bytes, little endian, as `store_size` of Python's `lz4.block` and the
//! `prepend_size` functions of other libraries have it. The length is only believed when the block says the same. Behind
//! a header a checksum stands in front of both: the format has none, and a changed bit would be another value.

use xxhash_rust::xxh3::xxh3_64;

use super::bounded::{Fault, memory, reserve};

/// What the format can hold.
const LARGEST: usize = 0x7E00_0000;
const LENGTH: usize = 4;
const CHECKSUM: usize = 4;

/// A block behind its length, and both behind their checksum.
pub(super) fn compress_checked(payload: &[u8]) -> Result<Vec<u8>, Fault> {
    let mut packed = behind(CHECKSUM, payload)?;
    if let Some((place, rest)) = packed.split_first_chunk_mut::<CHECKSUM>() {
        *place = checksum(rest);
    }
    Ok(packed)
}

/// A block behind its length.
pub(super) fn compress(payload: &[u8]) -> Result<Vec<u8>, Fault> {
    behind(0, payload)
}

pub(super) fn inflate_checked(packed: &[u8], most: usize) -> Result<Vec<u8>, Fault> {
    let (sum, rest) = packed
        .split_first_chunk::<CHECKSUM>()
        .ok_or("the checksum is cut short")?;
    if *sum != checksum(rest) {
        return Err("the checksum is wrong".into());
    }
    inflate(rest, most)
}

/// The low half of XXH3-64 of it, seed 0.
fn checksum(bytes: &[u8]) -> [u8; CHECKSUM] {
    (xxh3_64(bytes) as u32).to_le_bytes()
}

fn behind(room: usize, payload: &[u8]) -> Result<Vec<u8>, Fault> {
    let len = u32::try_from(payload.len()).unwrap_or(u32::MAX);
    if payload.len() > LARGEST {
        return Err(format!("a block holds at most {LARGEST} bytes").into());
    }
    let start = room + LENGTH;
    let whole = start + lz4_flex::block::get_maximum_output_size(payload.len());
    let mut packed = Vec::new();
    reserve(&mut packed, whole)?;
    packed.resize(room, 0);
    packed.extend_from_slice(&len.to_le_bytes());
    packed.resize(whole, 0);
    let block = packed.get_mut(start..).unwrap_or_default();
    match lz4_flex::block::compress_into(payload, block) {
        Ok(written) => {
            packed.truncate(start + written);
            Ok(packed)
        }
        Err(error) => Err(error.to_string().into()),
    }
}

pub(super) fn inflate(packed: &[u8], most: usize) -> Result<Vec<u8>, Fault> {
    let (len, block) = packed
        .split_first_chunk::<LENGTH>()
        .ok_or("the length is cut short")?;
    let len = usize::try_from(u32::from_le_bytes(*len)).unwrap_or(usize::MAX);
    if measure(block) != Some(len) {
        return Err("the block is not of the length it claims".into());
    }
    let mut payload = memory(len, most)?;
    payload.resize(len, 0);
    match lz4_flex::block::decompress_into(block, &mut payload) {
        Ok(written) if written == len => Ok(payload),
        _ => Err("the block is corrupted".into()),
    }
}

/// How long the content of a block is, by its sequences: literals, then a match of four bytes or more, but in the last.
/// (See `lz4_Block_format.md` of the LZ4 project.)
fn measure(block: &[u8]) -> Option<usize> {
    let mut rest = block;
    let mut total: usize = 0;
    loop {
        let token = next(&mut rest)?;
        let literals = length(token >> 4, &mut rest)?;
        rest = rest.get(literals..)?;
        total = total.checked_add(literals)?;
        if rest.is_empty() {
            return Some(total);
        }
        rest = rest.get(2..)?;
        let copied = length(token & 15, &mut rest)?;
        total = total.checked_add(copied)?.checked_add(4)?;
    }
}

/// Four bits of a token, and as many bytes as go on from there.
fn length(bits: u8, rest: &mut &[u8]) -> Option<usize> {
    let mut length = usize::from(bits);
    if bits == 15 {
        loop {
            let byte = next(rest)?;
            length = length.checked_add(byte.into())?;
            if byte != 255 {
                break;
            }
        }
    }
    Some(length)
}

fn next(rest: &mut &[u8]) -> Option<u8> {
    let (first, others) = rest.split_first()?;
    *rest = others;
    Some(*first)
}
