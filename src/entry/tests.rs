use super::*;
use crate::backend::{Room, Sink};
use crate::header::LeaseBlock;

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
        decode::<String>(&plain, b"\x02hi", Clock::default())
            .unwrap()
            .unwrap(),
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
        let error = decode::<String>(&options, value, Clock::default()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Decode, "{value:?}");
    }
    assert_eq!(
        payload(&options, b"foreign", Clock::default()).unwrap(),
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
        max_value: 3,
        ..Options::default()
    };
    assert!(bytes(&options, b"abc").is_ok());
    let text = bytes(&options, b"abcd").unwrap_err().to_string();
    assert!(
        text.contains("4 bytes") && text.contains("max_value"),
        "{text}"
    );
}
