//! A command around a piece that is not copied: the same bytes as if it were, through every kind of link.

use std::io::{Read, Write};
use std::thread;

use super::server::dial;
use super::*;
use crate::redis::connection::resp::LARGE;
use crate::redis::testing::Server;

fn piece(len: usize) -> Vec<u8> {
    (0..len).map(|at| (at % 253) as u8).collect()
}

/// Two commands, the first of which has a piece in its middle.
fn pack(to: &mut Encoder<'_>, piece: &[u8]) {
    to.command(4).arg(b"SET").arg(b"k").joined(b"head", piece);
    to.arg(b"XX");
    to.command(1).arg(b"PING");
}

fn as_one(piece: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    pack(
        &mut Encoder::new(&mut out, &mut 0, &mut Aside::default()),
        piece,
    );
    out
}

#[test]
fn what_is_written_in_pieces_is_what_a_copy_would_have_been() {
    // Twenty megabytes are more than any socket takes at once.
    for len in [0, 1, LARGE - 1, LARGE, LARGE + 1, 20_000_000] {
        each(|mut connection, mut server| {
            let piece = piece(len);
            let expected = as_one(&piece);
            let count = expected.len();
            let reader = thread::spawn(move || {
                let mut got = vec![0; count];
                server.read_exact(&mut got).unwrap();
                server.write_all(b"+OK\r\n+PONG\r\n").unwrap();
                (got, server)
            });
            connection
                .send_around(&piece, &|to| pack(to, &piece), millis(20_000))
                .unwrap();
            let (got, _server) = reader.join().unwrap();
            assert!(got == expected, "{len}");
            assert_eq!(render(&mut connection, millis(20_000)).unwrap(), "+OK");
            assert_eq!(render(&mut connection, millis(20_000)).unwrap(), "+PONG");
            assert!(connection.is_reusable());
            let kept = connection.outgoing.capacity();
            assert!(len < LARGE || kept < LARGE, "{kept} bytes: it was copied");
            assert_eq!(connection.take_traffic().1, count as u64);
        });
    }
}

#[test]
fn the_next_command_is_written_as_ever() {
    each(|mut connection, mut server| {
        let piece = piece(LARGE);
        for around in [true, false] {
            match around {
                true => connection.send_around(&piece, &|to| pack(to, &piece), millis(2000)),
                false => {
                    pack(&mut connection.encoder(), &piece);
                    connection.send(millis(2000))
                }
            }
            .unwrap();
            let mut got = vec![0; as_one(&piece).len()];
            server.read_exact(&mut got).unwrap();
            assert!(got == as_one(&piece), "{around}");
            server.write_all(b"+OK\r\n+PONG\r\n").unwrap();
            assert_eq!(render(&mut connection, millis(2000)).unwrap(), "+OK");
            assert_eq!(render(&mut connection, millis(2000)).unwrap(), "+PONG");
        }
    });
}

/// What has a large piece goes alone, and is not copied to find that out.
#[test]
fn only_what_is_small_goes_along_with_other_commands() {
    each(|mut connection, _server| {
        let (small, large) = (piece(10), piece(LARGE));
        connection.encoder().command(1).arg(b"HELLO");
        let before = connection.outgoing.len();
        assert_eq!(connection.take_along(&|to| pack(to, &large)), 0);
        assert_eq!(connection.outgoing.len(), before);
        assert_eq!(connection.take_along(&|to| pack(to, &small)), 2);
        assert_eq!(connection.outgoing.len(), before + as_one(&small).len());
    });
}

#[test]
fn a_peer_that_reads_nothing_ends_it_with_the_time_and_one_that_is_gone_at_once() {
    for is_gone in [false, true] {
        each(|mut connection, server| {
            let piece = piece(20_000_000);
            let kept = match is_gone {
                true => {
                    hang_up(server);
                    None
                }
                false => Some(server),
            };
            let fault = connection
                .send_around(&piece, &|to| pack(to, &piece), millis(50))
                .unwrap_err();
            // Of what nobody can have seen a byte it is known.
            assert_eq!(fault.unsent, is_gone, "{}", fault.error);
            let expected = match is_gone {
                true => ErrorKind::Io,
                false => ErrorKind::Timeout,
            };
            assert_eq!(fault.error.kind(), expected, "{}", fault.error);
            assert!(!connection.is_reusable());
            drop(kept);
        });
    }
}

#[test]
fn a_real_server_stores_it_through_every_kind_of_link() {
    let server = Server::start();
    let value = piece(3_000_000);
    for (parser, custom) in [
        (Parser::Native, false),
        (Parser::Redis, false),
        (Parser::Native, true),
    ] {
        let how = dial(&server, parser, custom);
        let mut connection = Connection::open(&how, millis(2000)).unwrap();
        let set = |to: &mut Encoder<'_>| {
            to.command(3).arg(b"SET").arg(b"k").joined(b"", &value);
        };
        connection.send_around(&value, &set, millis(5000)).unwrap();
        assert_eq!(render(&mut connection, millis(5000)).unwrap(), "+OK");
        connection.encoder().command(2).arg(b"GET").arg(b"k");
        connection.send(millis(5000)).unwrap();
        let mut sink = Kept::default();
        assert!(matches!(
            connection.value(&mut sink, millis(5000)),
            Ok(Found::Yes)
        ));
        assert!(sink.bytes == value && connection.is_reusable());
    }
}
