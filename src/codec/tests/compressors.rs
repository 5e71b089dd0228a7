//! Payloads through every compressor, by hand and by chance: there and back, or refused for what they are.

use proptest::prelude::*;

use super::*;

/// Compresses whatever it is, as `layout=plain` does.
fn packed(compressor: Compressor, level: Option<i32>, payload: &[u8]) -> Vec<u8> {
    let settings = Settings {
        compress_level: level,
        ..settings(Codec::Postcard, compressor)
    };
    compress(&settings, payload, true).unwrap().unwrap()
}

fn inflated(compressor: Compressor, most: usize, packed: &[u8]) -> Result<Vec<u8>> {
    let settings = Settings {
        max_value: most,
        ..Settings::default()
    };
    inflate(&settings, compressor.bare_number(), packed)
}

/// Compresses it as for a value with a header, in which the number of the format stands.
fn checked(compressor: Compressor, payload: &[u8]) -> Vec<u8> {
    let settings = settings(Codec::Postcard, compressor);
    compress(&settings, payload, false).unwrap().unwrap()
}

fn samples() -> Vec<Vec<u8>> {
    let noise: Vec<u8> = std::iter::repeat_with(|| fastrand::u8(..))
        .take(70_000)
        .collect();
    vec![
        Vec::new(),
        vec![7],
        b"12".to_vec(),
        b"a text, a text, a text, and another text".to_vec(),
        vec![0; 300_000],
        [noise.clone(), vec![1; 70_000]].concat(),
        noise,
    ]
}

#[test]
fn every_payload_comes_back_from_every_compressor_and_level() {
    for compressor in all_compressors() {
        let mut choices = vec![None];
        if let Some(levels) = levels(compressor) {
            choices.extend([Some(*levels.start()), Some(1), Some(9)]);
        }
        for (payload, level) in samples()
            .iter()
            .flat_map(|s| choices.iter().map(move |l| (s, *l)))
        {
            let packed = packed(compressor, level, payload);
            let found = inflated(compressor, payload.len().max(1), &packed);
            assert!(
                found.unwrap() == *payload,
                "{compressor:?} {level:?} {}",
                payload.len()
            );
        }
    }
}

#[test]
fn what_saves_no_eighth_is_stored_as_it_is() {
    let noise: Vec<u8> = std::iter::repeat_with(|| fastrand::u8(..))
        .take(8000)
        .collect();
    for compressor in all_compressors() {
        let settings = settings(Codec::Postcard, compressor);
        let compress = |payload: &[u8]| compress(&settings, payload, false).unwrap();
        assert!(compress(&noise).is_none(), "{compressor:?}");
        // One byte in ten is worth nothing, half of all is.
        assert!(compress(&[&noise[..7500], &[0; 500]].concat()).is_none());
        assert!(compress(&[&noise[..4000], &[0; 4000]].concat()).is_some());
        assert!(compress(&[0; 1023]).is_none(), "below compress_min");
        assert!(compress(&[0; 1024]).unwrap().len() <= 1024 - 128);
    }
}

#[test]
fn what_is_larger_than_max_value_is_refused() {
    for compressor in all_compressors() {
        for len in [1_usize, 1000, 100_000, 10_000_000] {
            let bomb = packed(compressor, None, &vec![0; len]);
            assert_eq!(inflated(compressor, len, &bomb).unwrap().len(), len);
            if len > 1 {
                let error = inflated(compressor, len - 1, &bomb).unwrap_err();
                assert_eq!(error.kind(), ErrorKind::Decode);
                assert!(error.to_string().contains("`max_value`"), "{error}");
                assert!(inflated(compressor, 1, &bomb).is_err());
            }
        }
    }
}

#[test]
fn what_is_cut_off_or_goes_on_is_refused() {
    for compressor in all_compressors() {
        for payload in samples().iter().filter(|payload| payload.len() < 100) {
            let packed = packed(compressor, None, payload);
            for len in 0..packed.len() {
                let error = inflated(compressor, 1 << 20, &packed[..len]).unwrap_err();
                assert_eq!(
                    error.kind(),
                    ErrorKind::Decode,
                    "{compressor:?} cut at {len}"
                );
            }
            for more in [&b"\0"[..], b"more", &packed] {
                let longer = [&packed, more].concat();
                assert!(
                    inflated(compressor, 1 << 20, &longer).is_err(),
                    "{compressor:?}"
                );
            }
        }
    }
}

/// LZ4 gave another value back, with nobody the wiser.
#[test]
fn every_changed_bit_is_an_error() {
    let payload = b"to be or not to be, that is the question: ".repeat(30);
    for compressor in all_compressors() {
        let packed = checked(compressor, &payload);
        let settings = Settings::default();
        let read = |packed: &[u8]| inflate(&settings, compressor.number(), packed);
        assert_eq!(read(&packed).unwrap(), payload);
        for (index, bit) in (0..packed.len()).flat_map(|index| (0..8).map(move |bit| (index, bit)))
        {
            let mut changed = packed.clone();
            changed[index] ^= 1 << bit;
            // Some bits of a zlib or zstd stream say nothing of the content.
            let found = read(&changed);
            assert!(
                found.as_ref().is_err() || found.unwrap() == payload,
                "{compressor:?} {index} {bit}"
            );
        }
    }
}

#[cfg(feature = "lz4")]
#[test]
fn a_block_without_a_checksum_is_another_value_or_an_error_within_bounds() {
    const MOST: usize = 100_000;
    let packed = packed(Compressor::Lz4, None, &b"to be or not to be ".repeat(20));
    for (index, bit) in (0..packed.len()).flat_map(|index| (0..8).map(move |bit| (index, bit))) {
        let mut changed = packed.clone();
        changed[index] ^= 1 << bit;
        if let Ok(found) = inflated(Compressor::Lz4, MOST, &changed) {
            assert!(found.len() <= MOST);
        }
    }
}

#[cfg(feature = "zstd")]
#[test]
fn a_frame_ends_with_its_checksum() {
    let frame = packed(Compressor::Zstd, None, b"hello");
    assert_eq!(frame[4] & 4, 4, "the flag of the frame header");
    assert!(inflated(Compressor::Zstd, 5, &frame[..frame.len() - 4]).is_err());
}

#[test]
fn a_compressor_that_is_not_there_is_an_error_that_names_it() {
    let text = |number| {
        inflate(&Settings::default(), number, b"x")
            .unwrap_err()
            .to_string()
    };
    assert!(text(9).contains("compressor 9 is not known"), "{}", text(9));
    assert!(
        text(15).contains("`Config::custom_compressor`"),
        "{}",
        text(15)
    );
    for compressor in [Compressor::Zlib, Compressor::Zstd, Compressor::Lz4] {
        if !all_compressors().contains(&compressor) {
            let (text, feature) = (text(compressor.number()), compressor.as_str());
            assert!(
                text.contains(&format!("cargo feature `{feature}`")),
                "{text}"
            );
        }
    }
}

/// Numbers are read by other programs and by other versions of this one.
#[test]
fn the_formats_are_those_of_other_programs() {
    let known: [(Compressor, u8, &[u8]); 3] = [
        (
            Compressor::Zlib,
            1,
            b"x\x9c\xcbH\xcd\xc9\xc9\x07\0\x06,\x02\x15",
        ),
        (
            Compressor::Zstd,
            2,
            b"\x28\xb5\x2f\xfd\x20\x05\x29\0\0hello",
        ),
        (Compressor::Lz4, 3, b"\x05\0\0\0\x50hello"),
    ];
    for (compressor, number, stream) in known {
        assert_eq!(compressor.bare_number(), number);
        if all_compressors().contains(&compressor) {
            assert_eq!(
                inflated(compressor, 5, stream).unwrap(),
                b"hello",
                "{compressor:?}"
            );
        }
    }
}

/// The low half of XXH3-64 of what follows, the length, and the block.
#[cfg(feature = "lz4")]
#[test]
fn lz4_behind_a_header_begins_with_a_checksum() {
    let packed = checked(Compressor::Lz4, &[b'x'; 2000]);
    let (sum, rest) = packed.split_at(4);
    assert_eq!(sum, (xxhash_rust::xxh3::xxh3_64(rest) as u32).to_le_bytes());
    assert_eq!(rest[..4], 2000_u32.to_le_bytes());
    assert_eq!(
        (Compressor::Lz4.number(), Compressor::Lz4.bare_number()),
        (4, 3)
    );
    let settings = Settings::default();
    assert_eq!(inflate(&settings, 3, rest).unwrap(), [b'x'; 2000]);
    let hello = b"\xd9\x0a\xe5\x6f\x05\0\0\0\x50hello";
    assert_eq!(inflate(&settings, 4, hello).unwrap(), b"hello");
    for broken in [&hello[..3], &hello[..7], b"", &hello[4..]] {
        let text = inflate(&settings, 4, broken).unwrap_err().to_string();
        assert!(text.contains("checksum"), "{text}");
    }
}

#[test]
fn memory_that_cannot_be_had_is_no_decode_error() {
    use crate::codec::bounded::{Fault, memory};
    let much = usize::MAX - 1;
    assert_eq!(
        memory(much, usize::MAX).unwrap_err(),
        Fault::NoMemory(usize::MAX)
    );
}

#[cfg(feature = "lz4")]
#[test]
fn a_block_of_another_length_than_it_claims_is_refused() {
    let block = packed(Compressor::Lz4, None, &[b'x'; 1000]);
    assert_eq!(block[..4], 1000_u32.to_le_bytes());
    for claimed in [0, 999, 1001, u32::MAX] {
        let mut lying = block.clone();
        lying[..4].copy_from_slice(&claimed.to_le_bytes());
        let text = inflated(Compressor::Lz4, usize::MAX, &lying)
            .unwrap_err()
            .to_string();
        assert!(text.contains("not of the length"), "{text}");
    }
    // A match that reaches back before the beginning.
    let before = b"\x0a\0\0\0\x11a\x09\0\x40abcd";
    assert!(inflated(Compressor::Lz4, 100, before).is_err());
}

#[cfg(feature = "zstd")]
#[test]
fn a_frame_that_claims_more_than_it_can_hold_is_refused() {
    let frame = |descriptor: u8, size: &[u8]| {
        let head = [&b"\x28\xb5\x2f\xfd"[..], &[descriptor], size].concat();
        [&head[..], b"\x29\0\0hello"].concat()
    };
    // One segment, its length in eight bytes.
    let lying = frame(0xE0, &(400_u64 << 20).to_le_bytes());
    let text = inflated(Compressor::Zstd, 512 << 20, &lying)
        .unwrap_err()
        .to_string();
    assert!(text.contains("more than it can hold"), "{text}");
    let honest = frame(0xE0, &5_u64.to_le_bytes());
    assert_eq!(inflated(Compressor::Zstd, 5, &honest).unwrap(), b"hello");
    for wrong in [4_u64, 6, u64::MAX] {
        assert!(inflated(Compressor::Zstd, 100, &frame(0xE0, &wrong.to_le_bytes())).is_err());
    }
    // No length, and a window of more than 128 MiB.
    assert!(inflated(Compressor::Zstd, 512 << 20, &frame(0x00, &[0xF8])).is_err());
    assert_eq!(
        inflated(Compressor::Zstd, 5, &frame(0x00, &[0x38])).unwrap(),
        b"hello"
    );
    // A frame to be skipped is no value.
    assert!(inflated(Compressor::Zstd, 5, b"\x50\x2a\x4d\x18\x02\0\0\0hi").is_err());
}

#[cfg(feature = "zstd")]
#[test]
fn a_frame_that_does_not_tell_its_length_is_read_as_it_grows() {
    use zstd_safe::{CCtx, CParameter};
    for payload in samples() {
        let mut context = CCtx::create();
        context
            .set_parameter(CParameter::ContentSizeFlag(false))
            .unwrap();
        let mut frame = Vec::with_capacity(zstd_safe::compress_bound(payload.len()));
        context.compress2(&mut frame, &payload).unwrap();
        assert_eq!(zstd_safe::get_frame_content_size(&frame).unwrap(), None);
        let found = inflated(Compressor::Zstd, payload.len().max(1), &frame).unwrap();
        assert!(found == payload, "{}", payload.len());
        if payload.len() > 1 {
            assert!(inflated(Compressor::Zstd, payload.len() - 1, &frame).is_err());
        }
        for len in [frame.len() - 1, frame.len() / 2, 6] {
            assert!(inflated(Compressor::Zstd, 1 << 20, &frame[..len]).is_err());
        }
    }
}

proptest! {
    #![proptest_config(runs(1000))]

    #[test]
    fn arbitrary_bytes_are_inflated_within_bounds_or_refused(
        magic in 0_usize..4,
        bytes in prop::collection::vec(any::<u8>(), 0..300),
    ) {
        const MOST: usize = 4096;
        let start: [&[u8]; 4] = [b"", b"x\x9c", b"\x28\xb5\x2f\xfd", b"\0\x01\0\0"];
        let packed = [start[magic], &bytes].concat();
        let settings = Settings { max_value: MOST, ..Settings::default() };
        for number in 1..=15 {
            if let Ok(found) = inflate(&settings, number, &packed) {
                prop_assert!(found.len() <= MOST);
            }
        }
    }

    #[test]
    fn arbitrary_bytes_come_back_from_every_compressor(
        bytes in prop::collection::vec(0_u8..4, 0..3000),
    ) {
        for compressor in all_compressors() {
            let packed = packed(compressor, None, &bytes);
            prop_assert_eq!(&inflated(compressor, bytes.len().max(1), &packed).unwrap(), &bytes);
        }
    }
}
