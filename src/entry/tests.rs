use crate::entry::header::LeaseBlock;
use crate::store::{Room, Sink};

use super::*;
use crate::codec::Settings;

fn now() -> u64 {
    Clock::default().now_ms()
}

fn stored(head: &[u8], body: &[u8]) -> Vec<u8> {
    [head, body].concat()
}

fn typed<T: Serialize + ?Sized>(options: &Options, value: &T) -> Vec<u8> {
    let mut body = Vec::new();
    let head = encode(options, value, &mut body).unwrap();
    stored(&head, &body)
}

/// Header and body of raw bytes.
fn bytes(options: &Options, bytes: &[u8]) -> Result<(Vec<u8>, Vec<u8>)> {
    let mut scratch = Vec::new();
    let (head, body) = encode_bytes(options, bytes, &mut scratch)?;
    Ok((head.to_vec(), body.to_vec()))
}

/// Feeds a value to a sink as the wire does: a first part, then the rest.
fn feed(sink: &mut dyn Sink, value: &[u8], first: usize) {
    match sink.begin(&value[..first], value.len()).unwrap() {
        Room::Append(memory) => memory.extend_from_slice(&value[first..]),
        Room::Fill(memory) => memory.copy_from_slice(&value[first..]),
        Room::Discard => {}
    }
}

#[test]
fn integers_are_digits_and_everything_else_has_a_header() {
    let options = Options::default();
    assert_eq!(typed(&options, &-42i32), b"-42");
    assert_eq!(typed(&options, "hi"), b"\xC1\x11\x10\0\x02hi");
    assert_eq!(typed(&options, &true), b"\xC1\x11\x10\0\x01");
    assert_eq!(
        bytes(&options, b"12").unwrap(),
        (b"\xC1\x11\0\0".to_vec(), b"12".to_vec())
    );
    let plain = Options {
        layout: Layout::Plain,
        ..options
    };
    assert_eq!(typed(&plain, "hi"), b"\x02hi");
    assert_eq!(
        decode::<String>(&plain, b"\x02hi", now).unwrap().unwrap(),
        "hi"
    );
}

#[test]
fn a_value_is_the_same_wherever_the_wire_cuts_it() {
    let options = Options::default();
    let text = "x".repeat(100);
    let value = typed(&options, &text);
    for first in 32..=value.len() {
        let mut gather = Gather::new(&options);
        feed(&mut gather, &value, first);
        assert_eq!(gather.take(Clock::default()).unwrap().unwrap(), value[4..]);
        let mut sink = Decode::<String>::new(&options);
        feed(&mut sink, &value, first);
        assert_eq!(sink.finish(Clock::default()).unwrap().unwrap(), text);
        let mut memory = [0; 128];
        let mut fill = Fill::new(&options, &mut memory);
        feed(&mut fill, &value, first);
        assert_eq!(
            fill.finish(Clock::default()).unwrap(),
            Some(value.len() - 4)
        );
        assert_eq!(memory[..value.len() - 4], value[4..]);
    }
}

#[test]
fn memory_that_is_too_small_is_left_alone() {
    let options = Options::default();
    let mut memory = [7; 4];
    let mut fill = Fill::new(&options, &mut memory);
    feed(&mut fill, b"\xC1\x11\0\0hello", 9);
    assert_eq!(fill.finish(Clock::default()).unwrap(), Some(5));
    assert_eq!(memory, [7; 4]);
}

#[test]
fn a_soft_expired_value_and_a_placeholder_are_missing() {
    let options = Options::default();
    let lease = LeaseBlock {
        soft_expire_ms: 1,
        ..LeaseBlock::default()
    };
    let expired = Header {
        lease: Some(lease),
        ..Header::short(1, 0)
    };
    let placeholder = Header {
        has_value: false,
        ..expired
    };
    for header in [expired, placeholder] {
        let value = stored(&header.encode(), b"\x02hi");
        let mut sink = Decode::<String>::new(&options);
        feed(&mut sink, &value, value.len());
        assert_eq!(sink.finish(Clock::default()).unwrap(), None);
        assert!(!is_live(&options, &value, Clock::default()));
        let mut number = Number::default();
        feed(&mut number, &value, value.len());
        assert_eq!(number.finish(Clock::default()).unwrap(), None);
    }
}

#[test]
fn what_cannot_be_read_is_a_decode_error() {
    let options = Options::default();
    for value in [
        &b"\xC1\x21\x10\0\x02hi"[..],
        b"\xC1\x11\x10\0\x05hi",
        b"\xC1\x11\x10\0\x02hi!",
        b"\xC1\x11\x1f\0\x02hi",
        b"foreign",
    ] {
        let error = decode::<String>(&options, value, now).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Decode, "{value:?}");
    }
    assert_eq!(
        payload(&options, b"foreign", now).unwrap(),
        Some(Cow::Borrowed(&b"foreign"[..]))
    );
}

#[test]
fn a_number_is_told_apart_from_what_is_not_one() {
    let read = |value: &[u8]| {
        let mut number = Number::default();
        feed(&mut number, value, value.len());
        number.finish(Clock::default())
    };
    assert_eq!(read(b"-7").unwrap(), Some(-7));
    for value in [
        b"\xC1\x11\0\0" as &[u8],
        b"\xC1\x11\0\x0012",
        b"12_3\n",
        b"9223372036854775808",
        b"",
    ] {
        assert_eq!(
            read(value).unwrap_err().kind(),
            ErrorKind::WrongType,
            "{value:?}"
        );
    }
}

#[test]
fn a_value_above_max_value_is_refused() {
    let options = Options {
        coding: Settings {
            max_value: 3,
            ..Settings::default()
        },
        ..Options::default()
    };
    assert!(bytes(&options, b"abc").is_ok());
    let text = bytes(&options, b"abcd").unwrap_err().to_string();
    assert!(
        text.contains("4 bytes") && text.contains("max_value"),
        "{text}"
    );
}

/// What `options` make of a typed value and of bytes, read back by every sink, however the wire cuts it.
#[cfg(all(feature = "json", feature = "zlib"))]
fn comes_back(writer: &Options, reader: &Options, text: &str) -> Vec<u8> {
    let value = typed(writer, text);
    let (head, body) = bytes(writer, text.as_bytes()).unwrap();
    let raw = stored(&head, &body);
    for first in [value.len().min(32), value.len()] {
        let mut sink = Decode::<String>::new(reader);
        feed(&mut sink, &value, first);
        assert_eq!(sink.finish(Clock::default()).unwrap().unwrap(), text);
    }
    for first in [raw.len().min(32), raw.len()] {
        let mut gather = Gather::new(reader);
        feed(&mut gather, &raw, first);
        let found = gather.take(Clock::default()).unwrap().unwrap();
        assert_eq!(found, text.as_bytes());
        let mut memory = vec![0; text.len()];
        let mut fill = Fill::new(reader, &mut memory);
        feed(&mut fill, &raw, first);
        assert_eq!(fill.finish(Clock::default()).unwrap(), Some(text.len()));
        assert_eq!(memory, text.as_bytes());
    }
    let found = payload(reader, &raw, now).unwrap().unwrap();
    assert_eq!(*found, *text.as_bytes());
    let found = decode::<String>(reader, &value, now).unwrap();
    assert_eq!(found.unwrap(), text);
    value
}

#[cfg(all(feature = "json", feature = "zlib", feature = "zstd", feature = "lz4"))]
#[test]
fn the_header_says_how_a_value_was_written() {
    let text = "again and ".repeat(500);
    let codecs = [(Codec::Postcard, 1), (Codec::Json, 2)];
    let compressors = [
        (Compressor::None, 0),
        (Compressor::Zlib, 1),
        (Compressor::Zstd, 2),
        (Compressor::Lz4, 4),
    ];
    for (codec, high) in codecs {
        for (compressor, low) in compressors {
            let writer = Options {
                coding: Settings {
                    codec,
                    compressor,
                    ..Settings::default()
                },
                ..Options::default()
            };
            let value = comes_back(&writer, &Options::default(), &text);
            assert_eq!(value[..4], [0xC1, 0x11, high << 4 | low, 0]);
            assert_eq!(value.len() < 1000, low > 0);
            let (head, _) = bytes(&writer, text.as_bytes()).unwrap();
            assert_eq!(head, [0xC1, 0x11, low, 0]);
            let short = comes_back(&writer, &Options::default(), "short");
            assert_eq!(short[..4], [0xC1, 0x11, high << 4, 0]);
            assert_eq!(typed(&writer, &12), b"12");
        }
    }
}

#[cfg(all(feature = "json", feature = "zlib"))]
#[test]
fn a_plain_value_is_always_compressed_unless_it_is_an_integer() {
    let plain = Options {
        layout: Layout::Plain,
        coding: Settings {
            codec: Codec::Json,
            compressor: Compressor::Zlib,
            ..Settings::default()
        },
        ..Options::default()
    };
    for text in ["", "x", "12", "longer ".repeat(1000).as_str()] {
        let value = comes_back(&plain, &plain, text);
        assert_eq!(value[0], b'x', "the first byte of a zlib stream");
    }
    for (stored, number) in [(typed(&plain, &12), 12), (typed(&plain, &Some(12)), 12)] {
        assert_eq!(stored, b"12");
        let clock = Clock::default();
        assert_eq!(decode::<i32>(&plain, &stored, now).unwrap(), Some(number));
        let found = payload(&plain, &stored, now).unwrap();
        assert_eq!(found, Some(Cow::Borrowed(&b"12"[..])));
        let mut memory = [0; 2];
        let mut fill = Fill::new(&plain, &mut memory);
        feed(&mut fill, &stored, 2);
        assert_eq!(fill.finish(clock).unwrap(), Some(2));
        assert_eq!(&memory, b"12");
    }
    let left_alone = decode::<String>(&plain, b"\"text\"", now).unwrap();
    assert_eq!(
        left_alone.as_deref(),
        Some("text"),
        "as django-redis leaves what is short"
    );
    assert!(decode::<String>(&plain, b"x\"text\"", now).is_err());
}

#[test]
fn a_plain_value_that_looks_like_an_integer_is_refused() {
    let plain = Options {
        layout: Layout::Plain,
        ..Options::default()
    };
    assert_eq!(typed(&plain, &Some(49_u8)), b"49");
    let found = decode::<Option<u8>>(&plain, b"49", now);
    assert_eq!(found.unwrap(), Some(Some(49)));
    let error = encode(&plain, &(b'4', b'9'), &mut Vec::new()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidArgument);
    assert!(error.to_string().contains("layout=plain"), "{error}");
}

fn plain(codec: Codec, compressor: Compressor) -> Options {
    Options {
        layout: Layout::Plain,
        coding: Settings {
            codec,
            compressor,
            ..Settings::default()
        },
        ..Options::default()
    }
}

/// What every way of reading says to a stored value.
fn reads(options: &Options, value: &[u8]) -> [Result<()>; 6] {
    let clock = Clock::default();
    let (mut gather, mut sink) = (Gather::new(options), Decode::<Vec<u8>>::new(options));
    let first = value.len().min(32);
    feed(&mut gather, value, first);
    feed(&mut sink, value, first);
    let mut memory = vec![7; value.len()];
    let mut fill = Fill::new(options, &mut memory);
    feed(&mut fill, value, first);
    let kept = {
        let mut look = Keeping::new(options, Gather::new(options));
        feed(&mut look, value, first);
        look.finish(Judge::Fresh).0.seen.map(drop)
    };
    [
        gather.take(clock).map(drop),
        sink.finish(clock).map(drop),
        fill.finish(clock).map(drop),
        payload(options, value, now).map(drop),
        decode::<Vec<u8>>(options, value, now).map(drop),
        kept,
    ]
}

fn are_undecodable(reads: [Result<()>; 6], word: &str) {
    for (index, read) in reads.into_iter().enumerate() {
        let error = read.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Decode, "{index}");
        assert!(error.to_string().contains(word), "{index}: {error}");
    }
}

/// The header was handed out as part of the value.
#[test]
fn an_entry_with_a_header_is_undecodable_where_values_have_none() {
    let tagged = typed(&Options::default(), &vec![1_u8; 100]);
    let placeholder = Header {
        has_value: false,
        lease: Some(LeaseBlock::default()),
        ..Header::short(0, 0)
    };
    for compressor in [Compressor::None, Compressor::Zlib, Compressor::Zstd] {
        let options = plain(Codec::Json, compressor);
        if compressor.absence(&options.coding).is_none() {
            are_undecodable(reads(&options, &tagged), "layout=tagged");
            are_undecodable(reads(&options, &placeholder.encode()), "layout=tagged");
        }
    }
    // What nobody takes for a header is somebody's bytes.
    let bytes = b"\xC1\x21\0\0bytes";
    let options = plain(Codec::Json, Compressor::None);
    let found = payload(&options, bytes, now).unwrap();
    assert_eq!(found.as_deref(), Some(&bytes[..]));
}

#[test]
fn a_plain_value_that_looks_like_a_header_is_refused() {
    let options = plain(Codec::Postcard, Compressor::None);
    let looks = [0xC1_u8, 0x11, 0, 0, 7];
    for result in [
        bytes(&options, &looks).map(drop),
        pack_bytes(&options, &looks).map(drop),
        encode(&options, &looks, &mut Vec::new()).map(drop),
    ] {
        let error = result.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidArgument);
        assert!(error.to_string().contains("layout=tagged"), "{error}");
    }
    bytes(&Options::default(), &looks).unwrap();
    // Compressed, each of these is another thing; a block of LZ4 opens with its length, and tells what it is.
    for (compressor, len) in [(Compressor::Zlib, 5), (Compressor::Lz4, 0x11C1)] {
        let options = plain(Codec::Postcard, compressor);
        if compressor.absence(&options.coding).is_none() {
            let payload_in = [&looks[..], &vec![b'x'; len - 5]].concat();
            let (head, body) = bytes(&options, &payload_in).unwrap();
            assert!(head.is_empty() && (compressor == Compressor::Zlib || is_tagged(&body)));
            let found = payload(&options, &body, now).unwrap();
            assert_eq!(found.as_deref(), Some(&payload_in[..]));
        }
    }
}

#[test]
fn a_value_above_max_value_is_not_read_either() {
    let with_bound = |max_value, layout| Options {
        layout,
        coding: Settings {
            max_value,
            ..Settings::default()
        },
        ..Options::default()
    };
    let text = vec![1_u8; 1000];
    for layout in [Layout::Tagged, Layout::Plain] {
        let wide = with_bound(1 << 20, layout);
        let value = typed(&wide, &text);
        let len = value.len() - if layout == Layout::Tagged { 4 } else { 0 };
        for read in reads(&with_bound(len, layout), &value) {
            read.unwrap();
        }
        are_undecodable(reads(&with_bound(len - 1, layout), &value), "`max_value`");
        are_undecodable(reads(&with_bound(50, layout), &[b'x'; 51]), "`max_value`");
    }
    // Whether there is a value is another question.
    let tagged = typed(&Options::default(), &text);
    assert!(is_live(
        &with_bound(10, Layout::Tagged),
        &tagged[..32],
        Clock::default()
    ));
}

#[cfg(feature = "zlib")]
#[test]
fn what_is_left_uncompressed_is_bounded_too() {
    let mut options = plain(Codec::Json, Compressor::Zlib);
    options.coding.max_value = 50;
    assert!(payload(&options, &[b'{'; 50], now).is_ok());
    let error = payload(&options, &[b'{'; 51], now).unwrap_err();
    assert!(error.to_string().contains("`max_value`"), "{error}");
    // Compression may make it longer.
    let noise: Vec<u8> = (0..50).map(|byte: u8| byte.wrapping_mul(167)).collect();
    let (_, packed) = bytes(&options, &noise).unwrap();
    assert!(packed.len() > 50);
    let found = payload(&options, &packed, now).unwrap();
    assert_eq!(found.as_deref(), Some(&noise[..]));
}

#[cfg(feature = "zstd")]
#[test]
fn a_compressed_value_that_cannot_be_inflated_is_a_decode_error_everywhere() {
    let writer = Options {
        coding: Settings {
            compressor: Compressor::Zstd,
            ..Settings::default()
        },
        ..Options::default()
    };
    let text = "again and ".repeat(500);
    let whole = typed(&writer, &text);
    let narrow = Options {
        coding: Settings {
            max_value: 1000,
            ..Settings::default()
        },
        ..Options::default()
    };
    let cut = &whole[..whole.len() - 1];
    for (reader, value) in [(&writer, cut), (&narrow, &whole[..])] {
        let clock = Clock::default();
        let mut memory = [7; 8];
        let (mut gather, mut sink) = (Gather::new(reader), Decode::<String>::new(reader));
        feed(&mut gather, value, value.len());
        feed(&mut sink, value, value.len());
        let mut fill = Fill::new(reader, &mut memory);
        feed(&mut fill, value, value.len());
        let kinds = [
            gather.take(clock).unwrap_err().kind(),
            sink.finish(clock).unwrap_err().kind(),
            fill.finish(clock).unwrap_err().kind(),
            payload(reader, value, now).unwrap_err().kind(),
        ];
        assert_eq!(kinds, [ErrorKind::Decode; 4]);
        assert_eq!(memory, [7; 8]);
    }
}
