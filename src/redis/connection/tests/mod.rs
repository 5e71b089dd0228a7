//! Whole replies over real sockets, with every kind of link: what arrives, in which pieces, and what remains usable
//! when the other side misbehaves.

pub(crate) mod any_bytes;
mod around;
pub(crate) mod custom;
pub(crate) mod server;

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::net::UnixStream;
use std::thread;
use std::time::{Duration, Instant};

use crate::error::ErrorKind;
use crate::store::{Room, Sink};

use super::super::wire::tests::{hang_up, millis, pair};
use super::resp::Token;
use super::*;
use crate::redis::wire::KEPT;

const PARSERS: [Parser; 2] = [Parser::Native, Parser::Redis];

/// A connection of each of the two kinds over our own stream, and the server's end of it.
fn each(test: impl Fn(Connection, UnixStream)) {
    for parser in PARSERS {
        let (wire, server) = pair();
        test(Connection::over_wire(wire, parser), server);
    }
}

/// Sends `count` commands, which the server need not read.
fn ask(connection: &mut Connection, count: usize) {
    for _ in 0..count {
        connection.encoder().command(1).arg(b"PING");
    }
    connection.send(millis(2000)).unwrap();
}

/// A token in words, with its elements.
fn render(connection: &mut Connection, budget: Budget) -> Result<String> {
    let mut text = String::new();
    let mut rest = 1;
    while rest > 0 {
        rest -= 1;
        match connection.next(budget)? {
            Token::Status(bytes) => text += &format!("+{} ", bytes.escape_ascii()),
            Token::Error(bytes) => text += &format!("-{} ", bytes.escape_ascii()),
            Token::Int(value) => text += &format!("{value} "),
            Token::Bulk(bytes) => text += &format!("'{}' ", bytes.escape_ascii()),
            Token::Nil => text += "nil ",
            Token::Array(count) => {
                text += &format!("[{count}] ");
                rest += count;
            }
        }
    }
    Ok(text.trim_end().to_owned())
}

/// A sink that keeps everything, in one of the three ways.
#[derive(Debug, Default)]
struct Kept {
    bytes: Vec<u8>,
    way: u8,
    head: usize,
    len: usize,
    refuse: bool,
}

impl Sink for Kept {
    fn begin(&mut self, head: &[u8], len: usize) -> Result<Room<'_>> {
        (self.head, self.len) = (head.len(), len);
        if self.refuse {
            return Err(Error::new(ErrorKind::Decode, "not wanted"));
        }
        self.bytes = head.to_vec();
        Ok(match self.way {
            0 => Room::Append(&mut self.bytes),
            1 => {
                self.bytes.resize(len, b'?');
                Room::Fill(&mut self.bytes[head.len()..])
            }
            _ => Room::Discard,
        })
    }
}

const STREAM: &[u8] = b"+OK\r\n-ERR no such thing\r\n:-17\r\n$5\r\nhello\r\n$-1\r\n*3\r\n:1\r\n*2\r\n$1\r\na\r\n_\r\n#t\r\n\
    %1\r\n+k\r\n~1\r\n,1.5\r\n|1\r\n+ttl\r\n*1\r\n:3\r\n$1\r\nv\r\n>2\r\n$10\r\ninvalidate\r\n*1\r\n$1\r\nk\r\n(99\r\n=6\r\ntxt:ab\r\n!5\r\nERR b\r\n*0\r\n";
const REPLIES: [&str; 11] = [
    "+OK",
    "-ERR no such thing",
    "-17",
    "'hello'",
    "nil",
    "[3] 1 [2] 'a' nil 1",
    "[2] +k [1] +1.5",
    "'v'",
    "+99",
    "'ab'",
    "-ERR b",
];

#[test]
fn both_parsers_see_the_same_tokens() {
    each(|mut connection, mut server| {
        server.write_all(STREAM).unwrap();
        ask(&mut connection, REPLIES.len() + 1);
        for reply in REPLIES {
            assert!(!connection.is_reusable());
            assert_eq!(render(&mut connection, millis(2000)).unwrap(), reply);
        }
        assert_eq!(connection.next(millis(2000)).unwrap(), Token::Array(0));
        assert!(connection.is_reusable() && connection.is_quiet());
        assert!(
            connection.next(millis(2000)).is_err(),
            "nothing more is awaited"
        );
        assert_eq!(connection.take_traffic(), (STREAM.len() as u64, 14 * 12));
    });
}

#[test]
fn skipping_reads_exactly_one_reply() {
    each(|mut connection, mut server| {
        server.write_all(STREAM).unwrap();
        ask(&mut connection, REPLIES.len() + 1);
        for reply in REPLIES {
            let error = connection.skip(millis(2000)).unwrap();
            assert_eq!(
                error.map(|error| format!("-{error}")).unwrap_or_default(),
                if reply.starts_with("-ERR") { reply } else { "" }
            );
        }
        assert!(!connection.is_reusable());
        connection.skip(millis(2000)).unwrap();
        assert!(connection.is_reusable());
    });
}

#[test]
fn elements_can_be_skipped_and_values_taken_inside_a_reply() {
    each(|mut connection, mut server| {
        server
            .write_all(b"*4\r\n:1\r\n*2\r\n:2\r\n:3\r\n$1\r\nx\r\n-ERR inner\r\n")
            .unwrap();
        ask(&mut connection, 1);
        assert_eq!(connection.next(millis(2000)).unwrap(), Token::Array(4));
        assert_eq!(connection.next(millis(2000)).unwrap(), Token::Int(1));
        assert!(connection.skip(millis(2000)).unwrap().is_none());
        let mut sink = Kept::default();
        assert!(matches!(
            connection.value(&mut sink, millis(2000)),
            Ok(Found::Yes)
        ));
        assert_eq!(sink.bytes, b"x");
        assert!(connection.skip(millis(2000)).unwrap().is_some());
        assert!(connection.is_reusable());
    });
}

#[test]
fn values_of_every_size_arrive_whole_wherever_they_go() {
    for len in [
        0, 1, 31, 32, 33, 100, 8190, 8192, 8193, 16_370, 16_384, 20_000, 70_000, 3_000_000,
    ] {
        let value: Vec<u8> = (0..len).map(|at: usize| (at % 251) as u8).collect();
        let reply = [format!("${len}\r\n").as_bytes(), &value, b"\r\n:5\r\n"].concat();
        for way in 0..3 {
            each(|mut connection, mut server| {
                let reply = reply.clone();
                let writer = thread::spawn(move || server.write_all(&reply).map(|()| server));
                ask(&mut connection, 2);
                let mut sink = Kept {
                    way,
                    ..Kept::default()
                };
                assert!(matches!(
                    connection.value(&mut sink, millis(5000)),
                    Ok(Found::Yes)
                ));
                assert_eq!(sink.len, len);
                assert!(sink.head >= len.min(32), "{} of {len}", sink.head);
                assert_eq!(sink.bytes, &value[..if way == 2 { sink.head } else { len }]);
                assert_eq!(connection.next(millis(5000)).unwrap(), Token::Int(5));
                assert!(connection.is_reusable());
                connection.trim();
                writer.join().unwrap().unwrap();
            });
        }
    }
}

#[test]
fn nil_and_errors_instead_of_a_value_leave_the_connection_usable() {
    each(|mut connection, mut server| {
        server
            .write_all(b"$-1\r\n_\r\n-WRONGTYPE Operation\r\n$2\r\nno\r\n:1\r\n")
            .unwrap();
        ask(&mut connection, 5);
        let mut sink = Kept::default();
        assert!(matches!(
            connection.value(&mut sink, millis(2000)),
            Ok(Found::No)
        ));
        assert!(matches!(
            connection.value(&mut sink, millis(2000)),
            Ok(Found::No)
        ));
        let Ok(Found::Refused(error)) = connection.value(&mut sink, millis(2000)) else {
            panic!()
        };
        assert_eq!(
            (error.kind(), error.code()),
            (ErrorKind::WrongType, Some("WRONGTYPE"))
        );
        sink.refuse = true;
        assert_eq!(
            connection
                .value(&mut sink, millis(2000))
                .unwrap_err()
                .kind(),
            ErrorKind::Decode
        );
        assert_eq!(connection.next(millis(2000)).unwrap(), Token::Int(1));
        assert!(connection.is_reusable());
    });
    each(|mut connection, mut server| {
        server.write_all(b":1\r\n").unwrap();
        ask(&mut connection, 1);
        assert_eq!(
            connection
                .value(&mut Kept::default(), millis(2000))
                .unwrap_err()
                .kind(),
            ErrorKind::Io
        );
        assert!(!connection.is_reusable());
    });
}

#[test]
fn silence_and_half_replies_are_timeouts_and_break_the_connection() {
    let cases: [(&[u8], &str); 4] = [
        (b"", "no reply within 60ms"),
        (b"$5\r\nhe", "the reply was not complete within 60ms"),
        (b"*2\r\n:1\r\n", "the reply was not complete within 60ms"),
        (b"+OK\r", "the reply was not complete within 60ms"),
    ];
    for (bytes, text) in cases {
        each(|mut connection, mut server| {
            server.write_all(bytes).unwrap();
            ask(&mut connection, 1);
            let error = render(&mut connection, millis(60)).unwrap_err();
            assert!(error.is_timeout());
            assert_eq!(error.to_string(), text);
            assert!(!connection.is_reusable());
        });
    }
}

#[test]
fn a_server_that_drips_cannot_stretch_the_budget() {
    for reply in [&b"$100000\r\n"[..], b"+", b"*1000\r\n"] {
        each(|mut connection, mut server| {
            server.write_all(reply).unwrap();
            let filler = if reply.starts_with(b"*") {
                ":1\r\n"
            } else {
                "abcd"
            };
            let drip = thread::spawn(move || {
                while server.write_all(filler.as_bytes()).is_ok() {
                    thread::sleep(Duration::from_millis(10));
                }
            });
            ask(&mut connection, 1);
            let begun = Instant::now();
            let error = connection.skip(millis(150)).unwrap_err();
            assert!(error.is_timeout(), "{error}");
            assert!(
                (140..15_000).contains(&begun.elapsed().as_millis()),
                "{:?}",
                begun.elapsed()
            );
            drop(connection);
            drip.join().unwrap();
        });
    }
    let (wire, mut server) = pair();
    let mut connection = Connection::over_wire(wire, Parser::Native);
    server.write_all(b"$100000\r\n").unwrap();
    let drip = thread::spawn(move || {
        while server.write_all(b"abcd").is_ok() {
            thread::sleep(Duration::from_millis(10));
        }
    });
    ask(&mut connection, 1);
    let begun = Instant::now();
    assert!(
        connection
            .value(&mut Kept::default(), millis(150))
            .unwrap_err()
            .is_timeout()
    );
    assert!(
        (140..15_000).contains(&begun.elapsed().as_millis()),
        "{:?}",
        begun.elapsed()
    );
    drop(connection);
    drip.join().unwrap();
}

#[test]
fn a_closed_or_reset_connection_is_an_io_error() {
    for bytes in [
        &b""[..],
        b"$5\r\nhe",
        b"*2\r\n:1\r\n",
        b"$100000\r\n0123456789012345678901234567890123456789",
    ] {
        each(|mut connection, mut server| {
            server.write_all(bytes).unwrap();
            ask(&mut connection, 1);
            hang_up(server);
            let error = connection.skip(millis(2000)).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Io, "{error}");
            assert!(!connection.is_reusable() && !connection.is_quiet());
        });
    }

    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    for parser in [Parser::Native, Parser::Redis] {
        let address = Address::Tcp {
            host: "127.0.0.1".into(),
            port,
        };
        let info = "redis://localhost".parse::<redis::ConnectionInfo>();
        let dial = Dial {
            address,
            tls: None,
            parser,
            connector: None,
            info: info.unwrap_or_else(|_| panic!()),
        };
        let mut connection = Connection::open(&dial, millis(2000)).unwrap();
        let (server, _): (TcpStream, _) = listener.accept().unwrap();
        ask(&mut connection, 1);
        socket2::SockRef::from(&server)
            .set_linger(Some(Duration::ZERO))
            .unwrap();
        drop(server);
        let error = connection.next(millis(2000)).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Io);
        assert!(error.to_string().contains("reset"), "{error}");
        assert!(!connection.is_reusable());
    }
}

#[test]
fn garbage_breaks_the_connection_and_says_who_answered() {
    let cases: [(&[u8], &str); 5] = [
        (
            b"HTTP/1.1 400 Bad Request\r\n",
            "not a Redis server: it answered \"HTTP/1.1 400 Bad Request\"",
        ),
        (
            b"\0\0\0",
            "not a Redis server: no reply begins with byte 0x00",
        ),
        (
            b"*1\r\n>1\r\n+x\r\n",
            "the reply is not valid RESP: a push inside a reply",
        ),
        (
            b"$1\r\nabc\r\n",
            "the reply is not valid RESP: a value that does not end where its length says",
        ),
        (
            b"$999999999999\r\n",
            "the reply is not valid RESP: a value of more than 512 MiB",
        ),
    ];
    for (bytes, text) in cases {
        each(|mut connection, mut server| {
            server.write_all(bytes).unwrap();
            ask(&mut connection, 1);
            let error = render(&mut connection, millis(2000)).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Io);
            let other_parser = error.to_string() == "the redis crate could not decode the reply";
            assert!(error.to_string() == text || other_parser, "{error}");
            assert!(!connection.is_reusable());
        });
    }
}

#[test]
fn what_nobody_asked_for_makes_a_connection_unfit() {
    each(|mut connection, mut server| {
        assert!(connection.is_quiet());
        server.write_all(b":1\r\n:2\r\n").unwrap();
        assert!(!connection.is_quiet());
        ask(&mut connection, 1);
        assert_eq!(connection.next(millis(2000)).unwrap(), Token::Int(1));
        assert!(!connection.is_reusable(), "a second reply to one command");
        assert!(!connection.is_quiet());
    });
    each(|mut connection, _server| {
        connection.encoder().command(1).arg(b"PING");
        assert!(!connection.is_reusable(), "a command that was never sent");
    });
}

#[test]
fn a_failed_send_says_whether_anything_left() {
    each(|mut connection, server| {
        hang_up(server);
        connection.encoder().command(1).arg(b"PING");
        let fault = connection.send(millis(2000)).unwrap_err();
        assert!(fault.unsent);
        assert!(!connection.is_reusable());
    });
}

#[test]
fn a_lie_about_the_length_takes_little_memory() {
    let (wire, mut server) = pair();
    let mut connection = Connection::over_wire(wire, Parser::Native);
    server.write_all(b"$536870912\r\n").unwrap();
    server.write_all(&[b'x'; 64]).unwrap();
    ask(&mut connection, 1);
    let mut sink = Kept::default();
    assert!(
        connection
            .value(&mut sink, millis(50))
            .unwrap_err()
            .is_timeout()
    );
    assert!(
        sink.bytes.capacity() <= 65 << 20,
        "{}",
        sink.bytes.capacity()
    );
}

#[test]
fn nesting_takes_no_stack() {
    let nested = b"*1\r\n".repeat(30_000);
    each(|mut connection, mut server| {
        let reply = [&nested[..], b":1\r\n"].concat();
        let writer = thread::spawn(move || server.write_all(&reply).map(|()| server));
        ask(&mut connection, 1);
        // The other parser refuses more than a hundred levels.
        let _ = connection.skip(millis(5000));
        drop(connection);
        let _ = writer.join().unwrap();
    });
}

#[test]
fn large_batches_do_not_stay_in_memory() {
    let (wire, mut server) = pair();
    let mut connection = Connection::over_wire(wire, Parser::Native);
    let drain = thread::spawn(move || std::io::copy(&mut server, &mut std::io::sink()));
    connection.encoder().command(1).arg(&[0; 1 << 20]);
    connection.send(millis(5000)).unwrap();
    assert!(connection.outgoing.capacity() <= KEPT);
    drop(connection);
    drain.join().unwrap().unwrap();
}
