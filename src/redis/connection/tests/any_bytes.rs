//! Streams in every possible split, random replies, and bytes that are no replies at all.

use std::os::fd::{AsFd, AsRawFd};

use proptest::prelude::*;

use super::*;

/// Writes `pieces`, each only after the reader has taken the one before out of the kernel.
fn feed(
    mut server: UnixStream,
    reader: &impl AsFd,
    pieces: Vec<Vec<u8>>,
) -> thread::JoinHandle<UnixStream> {
    let reader = reader.as_fd().try_clone_to_owned().unwrap();
    thread::spawn(move || {
        for piece in pieces {
            server.write_all(&piece).unwrap();
            let mut waiting: libc::c_int = 1;
            while waiting > 0 {
                // SAFETY: FIONREAD writes one int, to a variable that outlives the call.
                unsafe { libc::ioctl(reader.as_raw_fd(), libc::FIONREAD, &mut waiting) };
                thread::yield_now();
            }
        }
        server
    })
}

#[test]
fn every_split_of_a_stream_gives_the_same_tokens() {
    for parser in PARSERS {
        let (ours, theirs) = UnixStream::pair().unwrap();
        let reader = ours.try_clone().unwrap();
        let mut connection = Connection::over_wire(Wire::over(ours.into()), parser);
        let mut server = theirs;
        for cut in 1..STREAM.len() {
            let (left, right) = STREAM.split_at(cut);
            let writer = feed(server, &reader, vec![left.to_vec(), right.to_vec()]);
            ask(&mut connection, REPLIES.len() + 1);
            for reply in REPLIES {
                assert_eq!(
                    render(&mut connection, millis(5000)).unwrap(),
                    reply,
                    "cut at {cut}"
                );
            }
            connection.skip(millis(5000)).unwrap();
            server = writer.join().unwrap();
            std::io::copy(&mut (&server).take(14 * 12), &mut std::io::sink()).unwrap();
        }
        assert!(connection.is_reusable());
    }
}

/// The bytes of a random reply, with its rendering.
fn reply() -> impl Strategy<Value = (Vec<u8>, String)> {
    let text = "[!-~]{0,20}";
    let leaf = prop_oneof![
        text.prop_map(|text| (
            format!("+{text}\r\n").into_bytes(),
            format!("+{}", text.escape_default())
        )),
        text.prop_map(|text| (
            format!("-ERR x{text}\r\n").into_bytes(),
            format!("-ERR x{}", text.escape_default())
        )),
        any::<i64>().prop_map(|value| (format!(":{value}\r\n").into_bytes(), value.to_string())),
        Just((b"$-1\r\n".to_vec(), "nil".to_owned())),
        proptest::collection::vec(any::<u8>(), 0..60).prop_map(|bytes| {
            let shown = format!("'{}'", bytes.escape_ascii());
            (
                [format!("${}\r\n", bytes.len()).as_bytes(), &bytes, b"\r\n"].concat(),
                shown,
            )
        }),
    ];
    leaf.prop_recursive(3, 20, 5, |inner| {
        proptest::collection::vec(inner, 0..5).prop_map(|parts| {
            let bytes: Vec<Vec<u8>> = parts.iter().map(|(bytes, _)| bytes.clone()).collect();
            let shown: Vec<String> = parts.iter().map(|(_, shown)| shown.clone()).collect();
            let head = format!("*{}\r\n", parts.len()).into_bytes();
            let text = format!("[{}] {}", parts.len(), shown.join(" "));
            ([head, bytes.concat()].concat(), text.trim_end().to_owned())
        })
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn arbitrary_bytes_end_in_an_error_and_little_memory(
        bytes in proptest::collection::vec(any::<u8>(), 0..300),
        start in proptest::sample::select(vec![&b""[..], b"*", b"$", b"*3\r\n", b"$536870000\r\n", b"%2\r\n|1\r\n", b"*4000000000\r\n"]),
        parser in prop::sample::select(PARSERS.to_vec()),
    ) {
        let (wire, mut server) = pair();
        let mut connection = Connection::over_wire(wire, parser);
        server.write_all(start).unwrap();
        server.write_all(&bytes).unwrap();
        ask(&mut connection, 1000);
        hang_up(server);
        while connection.next(millis(2000)).is_ok() {}
        prop_assert!(!connection.is_reusable());
    }

    #[test]
    fn any_stream_in_any_pieces_gives_its_tokens(
        replies in proptest::collection::vec(reply(), 1..6),
        mut cuts in proptest::collection::vec(any::<proptest::sample::Index>(), 0..6),
        parser in prop::sample::select(PARSERS.to_vec()),
    ) {
        let stream: Vec<u8> = replies.iter().flat_map(|(bytes, _)| bytes.clone()).collect();
        let mut ends: Vec<usize> = cuts.drain(..).map(|cut| cut.index(stream.len())).chain([0, stream.len()]).collect();
        ends.sort_unstable();
        let pieces = ends.windows(2).map(|ends| stream[ends[0]..ends[1]].to_vec()).collect();
        let (ours, theirs) = UnixStream::pair().unwrap();
        let reader = ours.try_clone().unwrap();
        let mut connection = Connection::over_wire(Wire::over(ours.into()), parser);
        ask(&mut connection, replies.len());
        let writer = feed(theirs, &reader, pieces);
        for (_, shown) in &replies {
            prop_assert_eq!(&render(&mut connection, millis(5000)).unwrap(), shown);
        }
        prop_assert!(connection.is_reusable());
        drop(writer.join().unwrap());
    }
}
