//! One real redis-server behind a private Unix socket, asked through every kind of link.

use crate::redis::testing::Server;

use super::*;

pub(super) fn dial(server: &Server, parser: Parser, custom: bool) -> Dial {
    let path = server.socket();
    let info = format!("unix://{}", path.display()).parse::<redis::ConnectionInfo>();
    let connector = Connector::new(|info: &redis::ConnectionInfo| {
        redis::Client::open(info.clone())?.get_connection()
    });
    let info = info.unwrap_or_else(|_| panic!());
    Dial {
        address: Address::Unix(path),
        tls: None,
        parser,
        connector: custom.then_some(connector),
        info,
    }
}

#[test]
fn a_real_server_understands_and_is_understood() {
    let server = Server::start();
    for (parser, custom) in [
        (Parser::Native, false),
        (Parser::Redis, false),
        (Parser::Native, true),
    ] {
        let mut connection =
            Connection::open(&dial(&server, parser, custom), millis(2000)).unwrap();
        let large: Vec<u8> = (0..2_000_000u32).map(|at| (at % 253) as u8).collect();
        connection
            .encoder()
            .command(3)
            .arg(b"SET")
            .arg(b"large")
            .joined(&large[..7], &large[7..]);
        connection
            .encoder()
            .command(5)
            .arg(b"SET")
            .arg(b"n")
            .arg(b"41")
            .arg(b"PX")
            .int(100_000);
        connection.encoder().command(2).arg(b"INCR").arg(b"n");
        connection.encoder().command(2).arg(b"GET").arg(b"large");
        connection.encoder().command(2).arg(b"GET").arg(b"nothing");
        connection
            .encoder()
            .command(3)
            .arg(b"MGET")
            .arg(b"n")
            .arg(b"nothing");
        connection.encoder().command(2).arg(b"LLEN").arg(b"n");
        connection
            .encoder()
            .command(2)
            .arg(b"FLUSHDB")
            .arg(b"ASYNC");
        connection.send(millis(5000)).unwrap();

        let budget = millis(5000);
        assert_eq!(render(&mut connection, budget).unwrap(), "+OK");
        assert_eq!(render(&mut connection, budget).unwrap(), "+OK");
        assert_eq!(render(&mut connection, budget).unwrap(), "42");
        let mut sink = Kept::default();
        assert!(matches!(
            connection.value(&mut sink, budget),
            Ok(Found::Yes)
        ));
        assert!(sink.bytes == large);
        assert!(matches!(connection.value(&mut sink, budget), Ok(Found::No)));
        assert_eq!(render(&mut connection, budget).unwrap(), "[2] '42' nil");
        assert_eq!(
            connection.skip(budget).unwrap().unwrap().kind(),
            ErrorKind::WrongType
        );
        assert!(connection.skip(budget).unwrap().is_none());
        assert!(connection.is_reusable() && connection.is_quiet());
    }
}

#[test]
fn resp3_of_a_real_server_is_understood() {
    let server = Server::start();
    for parser in [Parser::Native, Parser::Redis] {
        let mut connection = Connection::open(&dial(&server, parser, false), millis(2000)).unwrap();
        let requests: [&[&[u8]]; 5] = [
            &[b"HELLO", b"3"],
            &[b"DEBUG", b"PROTOCOL", b"attrib"],
            &[b"DEBUG", b"PROTOCOL", b"verbatim"],
            &[b"DEBUG", b"PROTOCOL", b"map"],
            &[b"CLIENT", b"TRACKING", b"ON", b"BCAST"],
        ];
        for request in requests {
            let mut encoder = connection.encoder();
            encoder.command(request.len());
            for arg in request {
                encoder.arg(arg);
            }
        }
        connection.send(millis(2000)).unwrap();
        let hello = render(&mut connection, millis(2000)).unwrap();
        assert!(hello.starts_with("[14] 'server' '"), "{hello}");
        for _ in 0..4 {
            render(&mut connection, millis(2000)).unwrap();
        }
        connection
            .encoder()
            .command(3)
            .arg(b"SET")
            .arg(b"k")
            .arg(b"v");
        connection.encoder().command(2).arg(b"GET").arg(b"k");
        connection.send(millis(2000)).unwrap();
        assert_eq!(render(&mut connection, millis(2000)).unwrap(), "+OK");
        assert_eq!(render(&mut connection, millis(2000)).unwrap(), "'v'");
    }
}
