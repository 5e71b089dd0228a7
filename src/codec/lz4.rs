//! LZ4: one block behind its length in four bytes, little endian, as `store_size` of Python's `lz4.block` and the
//! `prepend_size` functions of other libraries have it. The length is only believed when the block says the same.

use super::bounded::memory;

/// What the format can hold.
const LARGEST: usize = 0x7E00_0000;

pub(super) fn compress(payload: &[u8]) -> Result<Vec<u8>, String> {
    if payload.len() > LARGEST {
        return Err(format!("a block holds at most {LARGEST} bytes"));
    }
    Ok(lz4_flex::block::compress_prepend_size(payload))
}

pub(super) fn inflate(packed: &[u8], most: usize) -> Result<Vec<u8>, String> {
    let (len, block) = packed
        .split_first_chunk::<4>()
        .ok_or("the length is cut short")?;
    let len = usize::try_from(u32::from_le_bytes(*len)).unwrap_or(usize::MAX);
    if measure(block) != Some(len) {
        return Err("the block is not of the length it claims".to_owned());
    }
    let mut payload = memory(len, most)?;
    payload.resize(len, 0);
    match lz4_flex::block::decompress_into(block, &mut payload) {
        Ok(written) if written == len => Ok(payload),
        _ => Err("the block is corrupted".to_owned()),
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
