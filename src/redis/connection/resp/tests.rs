//! What the encoder writes and what the parser makes of bytes, good and bad.

use proptest::prelude::*;

use super::*;

fn encoded(write: impl FnOnce(&mut Encoder<'_>)) -> (String, usize) {
    let (mut out, mut commands, mut aside) = (Vec::new(), 0, Aside::default());
    write(&mut Encoder::new(&mut out, &mut commands, &mut aside));
    assert_eq!(aside.lacking, 0);
    (String::from_utf8(out).unwrap(), commands)
}

fn whole(bytes: &[u8]) -> Result<Option<(Token<'_>, &[u8])>> {
    let Some(head) = Head::parse(bytes)? else {
        return Ok(None);
    };
    let len = head.line + head.body();
    if bytes.len() < len {
        return Ok(None);
    }
    Ok(Some((head.token(&bytes[..len])?, &bytes[len..])))
}

#[test]
fn commands_are_arrays_of_bulks() {
    let (text, commands) = encoded(|out| {
        out.command(2).arg(b"GET").arg(b"k");
        out.command(3).arg(b"SET").joined(b"app:1:", b"key").int(-5);
    });
    assert_eq!(commands, 2);
    assert_eq!(
        text,
        "*2\r\n$3\r\nGET\r\n$1\r\nk\r\n*3\r\n$3\r\nSET\r\n$9\r\napp:1:key\r\n$2\r\n-5\r\n"
    );
}

#[test]
fn numbers_of_any_length_are_written() {
    for value in [0, 7, -1, 10, 99, 100, 123_456, i64::MAX, i64::MIN] {
        let digits = value.to_string();
        assert_eq!(
            encoded(|out| {
                out.int(value);
            })
            .0,
            format!("${}\r\n{digits}\r\n", digits.len())
        );
    }
    assert!(
        encoded(|out| {
            out.arg(&[b'x'; 1234]);
        })
        .0
        .starts_with("$1234\r\nxxx")
    );
}

#[test]
fn every_type_of_resp2_and_resp3_is_a_token() {
    let cases: [(&[u8], Token<'_>); 20] = [
        (b"+OK\r\n", Token::Status(b"OK")),
        (b"+\r\n", Token::Status(b"")),
        (b"-ERR no\r\n", Token::Error(b"ERR no")),
        (b":-42\r\n", Token::Int(-42)),
        (b":+7\r\n", Token::Int(7)),
        (b":-9223372036854775808\r\n", Token::Int(i64::MIN)),
        (b"$3\r\na\r\n\r\n", Token::Bulk(b"a\r\n")),
        (b"$0\r\n\r\n", Token::Bulk(b"")),
        (b"$-1\r\n", Token::Nil),
        (b"*-1\r\n", Token::Nil),
        (b"_\r\n", Token::Nil),
        (b"*2\r\n", Token::Array(2)),
        (b"~3\r\n", Token::Array(3)),
        (b"%2\r\n", Token::Array(4)),
        (b"#t\r\n", Token::Int(1)),
        (b"#f\r\n", Token::Int(0)),
        (b",-1.5e3\r\n", Token::Status(b"-1.5e3")),
        (
            b"(340282366920938463463\r\n",
            Token::Status(b"340282366920938463463"),
        ),
        (b"=7\r\ntxt:abc\r\n", Token::Bulk(b"abc")),
        (b"!7\r\nERR a\r\n\r\n", Token::Error(b"ERR a\r\n")),
    ];
    for (bytes, token) in cases {
        assert_eq!(
            whole(bytes).unwrap(),
            Some((token, &b""[..])),
            "{}",
            bytes.escape_ascii()
        );
        for cut in 0..bytes.len() {
            assert_eq!(
                whole(&bytes[..cut]).unwrap(),
                None,
                "{}",
                bytes[..cut].escape_ascii()
            );
        }
    }
}

#[test]
fn what_is_malformed_is_refused() {
    for bytes in [
        &b":\r\n"[..],
        b":1\rx",
        b":1\n",
        b":-\r\n",
        b":9223372036854775808\r\n",
        b":1a\r\n",
        b"$-2\r\n",
        b"$1\r\nabc",
        b"$536870913\r\n",
        b"$99999999999999999999\r\n",
        b"*-3\r\n",
        b"*4294967296\r\n",
        b"#x\r\n",
        b"#tt\r\n",
        b"_x\r\n",
        b"+a\nb\r\n",
        b"+a\rb\r\n",
        b"=3\r\nabc\r\n",
        b"=-1\r\n",
        b"%-1\r\n",
        b"|-1\r\n",
        b">-1\r\n",
        b"$?\r\n",
        b"\0",
        b":000000000000000000000",
        b"x",
    ] {
        let error = whole(bytes).expect_err(&bytes.escape_ascii().to_string());
        assert_eq!(error.kind(), ErrorKind::Io);
    }
    assert!(whole(&[b'+'; MAX_LINE + 3]).is_err());
}

#[test]
fn who_answered_instead_of_redis_is_told() {
    let text = |bytes: &[u8]| whole(bytes).unwrap_err().to_string();
    assert_eq!(
        text(b"HTTP/1.1 400 Bad Request\r\nServer: x\r\n"),
        "not a Redis server: it answered \"HTTP/1.1 400 Bad Request\""
    );
    assert_eq!(
        text(b"ERROR\r\n"),
        "not a Redis server: it answered \"ERROR\""
    );
    assert!(text(b"\x15\x03\x01").contains("TLS"));
    assert!(!text(b"secret value").contains("secret"));
}

#[test]
fn the_short_way_agrees_with_the_long_one_or_stands_aside() {
    for line in ["$1\r\n", "$7\r\n", "$1234\r\n", "$007\r\n"] {
        let head = Head::parse(line.as_bytes()).unwrap().unwrap();
        let Kind::Bulk(len) = head.kind else { panic!() };
        let mut bytes = [line.as_bytes(), &vec![b'x'; len], b"\r\nmore"].concat();
        assert_eq!(whole_bulk(&bytes), Some((head.line, len)));
        bytes.truncate(head.line + len + 1);
        assert_eq!(whole_bulk(&bytes), None);
    }
    for bytes in [
        &b""[..],
        b"$",
        b"$1",
        b"$1\r",
        b"$\r\n",
        b"$0\r\n\r\n",
        b"$-1\r\n",
        b"$1\rx\r\n",
        b"$1\r\nx\r ",
        b"$12345\r\n",
        b"$x\r\n",
        b":1\r\n",
    ] {
        assert_eq!(whole_bulk(bytes), None);
    }
}

/// All texts of up to five of these bytes.
#[test]
fn the_shortest_elements_are_what_the_long_way_makes_of_them() {
    const BYTES: &[u8] = b":*+_-$OK019\r\n~";
    let (mut told, mut texts) = (0, vec![Vec::new()]);
    while let Some(text) = texts.pop() {
        if let Some((token, parts, len)) = brief(&text) {
            let head = Head::parse(&text).unwrap().unwrap();
            assert_eq!(head.token(text.get(..len).unwrap()).unwrap(), token);
            assert_eq!((head.parts(), head.line), (parts, len));
            told += 1;
        }
        if text.len() < 5 {
            texts.extend(BYTES.iter().map(|byte| [&text[..], &[*byte]].concat()));
        }
    }
    // Nil and whatever two bytes, three numbers and as many arrays and a byte, OK.
    let (nil, numbers) = (1 + BYTES.len() + BYTES.len().pow(2), 6 * (1 + BYTES.len()));
    assert_eq!(told, nil + numbers + 1);
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn arbitrary_bytes_are_understood_refused_or_incomplete(
        bytes in proptest::collection::vec(any::<u8>(), 0..200),
        sigil in proptest::sample::select(&b"+-:$*_#,(!=%~|>"[..]),
    ) {
        let _ = whole(&bytes);
        let _ = whole(&[&[sigil][..], &bytes].concat());
        let _ = whole(&[&[sigil][..], &bytes, b"\r\n"].concat());
    }

    #[test]
    fn digits_after_a_sigil_are_bounded(
        sigil in proptest::sample::select(&b":$*!=%~|>"[..]),
        number in "[-+]?[0-9]{1,25}",
    ) {
        if let Ok(Some(head)) = Head::parse(format!("{}{number}\r\n", sigil as char).as_bytes()) {
            prop_assert!(head.body() <= MAX_BULK + 2);
            prop_assert!(head.parts() <= 2 * MAX_ELEMENTS + 1);
            prop_assert_eq!(head.line, number.len() + 3);
        }
    }

    #[test]
    fn what_is_encoded_is_parsed_back(args in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..150), 0..120)) {
        let (mut out, mut commands, mut aside) = (Vec::new(), 0, Aside::default());
        let mut encoder = Encoder::new(&mut out, &mut commands, &mut aside);
        encoder.command(args.len());
        for arg in &args {
            encoder.arg(arg);
        }
        let (token, mut rest) = whole(&out).unwrap().unwrap();
        prop_assert_eq!(token, Token::Array(args.len()));
        for arg in &args {
            let (token, behind) = whole(rest).unwrap().unwrap();
            prop_assert_eq!(token, Token::Bulk(arg));
            rest = behind;
        }
        prop_assert!(rest.is_empty());
    }
}
