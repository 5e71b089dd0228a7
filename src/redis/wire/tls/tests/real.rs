//! A real redis-server that speaks TLS: what works, and every way in which two sides may not trust each other.

use std::time::Instant;

use crate::config::Parser;
use crate::redis::connection::resp::Token;
use crate::redis::connection::{Connection, Dial};
use crate::redis::testing::launcher::lacks_tls;
use crate::redis::testing::{Server, Whole};

use super::certs::Valid;
use super::*;

/// A server with its TLS port.
struct Secured {
    server: Server,
    port: u16,
}

impl Secured {
    fn start(office: &Office, certificate: &Issued, more: &[&str]) -> Secured {
        let (cert, key) = certificate.write(&office.folder.0, "server");
        let listener = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        drop(listener);
        let (cert, key, ca) = (text(&cert), text(&key), text(&office.ca));
        let tls_port = port.to_string();
        let mut arguments = vec![
            "--tls-port",
            &tls_port,
            "--tls-cert-file",
            &cert,
            "--tls-key-file",
            &key,
            "--tls-ca-cert-file",
            &ca,
        ];
        if !more.contains(&"--tls-auth-clients") {
            arguments.extend(["--tls-auth-clients", "no"]);
        }
        arguments.extend(more);
        Secured {
            server: Server::with(&arguments),
            port,
        }
    }

    fn connect(&self, host: &str, options: &TlsOptions) -> Result<Connection> {
        connect(at(host, self.port), options)
    }
}

fn text(path: &std::path::Path) -> String {
    path.to_str().unwrap().to_owned()
}

fn dial(address: Address, tls: Option<TlsSettings>, parser: Parser) -> Dial {
    Dial {
        address,
        tls,
        parser,
        connector: None,
        info: "redis://unused".parse().unwrap(),
    }
}

/// Connects and hears a PONG.
fn connect(address: Address, options: &TlsOptions) -> Result<Connection> {
    let tls = Some(prepare(options)?);
    let mut connection = Connection::open(&dial(address, tls, Parser::Native), millis(5000))?;
    ping(&mut connection)?;
    Ok(connection)
}

fn ping(connection: &mut Connection) -> Result<()> {
    connection.encoder().command(1).arg(b"PING");
    connection.send(millis(5000)).map_err(|fault| fault.error)?;
    assert_eq!(connection.next(millis(5000))?, Token::Status(b"PONG"));
    Ok(())
}

#[track_caller]
fn refused(connected: Result<Connection>, parts: &[&str]) {
    let error = connected.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Io, "{error}");
    for part in parts {
        assert!(error.to_string().contains(part), "{error}");
    }
}

#[test]
fn values_of_every_size_go_both_ways() {
    if lacks_tls() {
        return;
    }
    let office = Office::open();
    let certificate = office.authority.local_server();
    for protocols in ["TLSv1.2", "TLSv1.3"] {
        let server = Secured::start(&office, &certificate, &["--tls-protocols", protocols]);
        for parser in [Parser::Native, Parser::Redis] {
            let tls = Some(office.settings());
            let dial = dial(local(server.port), tls, parser);
            let mut connection = Connection::open(&dial, millis(5000)).unwrap();
            for len in [0, 1, 4000, 8_192, 16_384, 20_000, 100_000, 3_000_000] {
                let value: Vec<u8> = (0..len).map(|at: u32| (at % 251) as u8).collect();
                let mut encoder = connection.encoder();
                encoder.command(3).arg(b"SET").arg(b"k").arg(&value);
                encoder.command(2).arg(b"GET").arg(b"k");
                encoder.command(2).arg(b"GET").arg(b"none");
                connection.send(millis(5000)).unwrap();
                assert_eq!(connection.next(millis(5000)).unwrap(), Token::Status(b"OK"));
                let mut kept = Whole::default();
                connection.value(&mut kept, millis(5000)).unwrap();
                assert!(kept.0 == value, "{len}");
                assert_eq!(connection.next(millis(5000)).unwrap(), Token::Nil);
                assert!(connection.is_reusable() && connection.is_quiet(), "{len}");
                connection.trim();
            }
            let (bytes_in, bytes_out) = connection.take_traffic();
            assert!(bytes_in > 3_000_000 && bytes_out > 3_000_000);
        }
    }
}

#[test]
fn a_second_connection_resumes_the_session_of_the_first() {
    if lacks_tls() {
        return;
    }
    let office = Office::open();
    let certificate = office.authority.local_server();
    for protocols in ["TLSv1.2", "TLSv1.3"] {
        let servers = [(); 2]
            .map(|()| Secured::start(&office, &certificate, &["--tls-protocols", protocols]));
        let settings = office.settings();
        for round in 0..3 {
            for server in &servers {
                let mut wire =
                    Wire::connect(&local(server.port), Some(&settings), millis(5000)).unwrap();
                wire.send(b"PING\r\n", millis(5000)).unwrap();
                wire.need(7, millis(5000)).unwrap();
                assert_eq!(is_resumed(&wire), round > 0, "{protocols}, {round}");
            }
        }
    }
}

#[test]
fn a_server_with_the_wrong_certificate_is_told_apart() {
    if lacks_tls() {
        return;
    }
    let office = Office::open();
    let good = Secured::start(&office, &office.authority.local_server(), &[]);
    good.connect("localhost", &office.options()).unwrap();
    good.connect("127.0.0.1", &office.options()).unwrap();

    for (name, part) in [
        ("a stranger", "signed by no CA of `tls_ca`"),
        (
            "an authority of the tests",
            "not signed with the key of the CA it names",
        ),
    ] {
        refused(
            good.connect("localhost", &Office::of(name).options()),
            &["TLS handshake: the server's certificate is ", part],
        );
    }

    let names = ["a.example", "*.b.example", "10.1.2.3"];
    let certificate = office.authority.server(&names, Valid::Now);
    let elsewhere = Secured::start(&office, &certificate, &[]);
    let not_for = "is not for `localhost` but for `a.example`, `*.b.example`, `10.1.2.3`: ";
    refused(
        elsewhere.connect("localhost", &office.options()),
        &[
            "TLS handshake: the server's certificate ",
            not_for,
            "`tls_server_name`",
        ],
    );
    refused(
        elsewhere.connect("127.0.0.1", &office.options()),
        &["is not for `127.0.0.1`"],
    );
    for name in ["a.example", "x.b.example", "10.1.2.3"] {
        let options = TlsOptions {
            server_name: Some(name.into()),
            ..office.options()
        };
        elsewhere.connect("localhost", &options).unwrap();
    }
    let insecure = TlsOptions {
        insecure: Some(true),
        ..TlsOptions::default()
    };
    elsewhere.connect("localhost", &insecure).unwrap();

    for (valid, part) in [
        (Valid::NoMore, "the server's certificate expired "),
        (
            Valid::NotYet,
            "the server's certificate is not valid yet, only in ",
        ),
    ] {
        let certificate = office.authority.server(&["localhost"], valid);
        let server = Secured::start(&office, &certificate, &[]);
        refused(
            server.connect("localhost", &office.options()),
            &[part, " days"],
        );
        server.connect("localhost", &insecure).unwrap();
    }
}

#[test]
fn a_server_that_wants_a_certificate_gets_it_or_is_quoted() {
    if lacks_tls() {
        return;
    }
    let office = Office::open();
    let client = office.authority.client("app");
    let rsa_client = office.authority.rsa_client("app");
    let stranger = Office::of("a stranger");
    let double = Office::open();
    let strange = [
        (&stranger, "it does not know the CA"),
        (&double, "it is not signed with the key of the CA"),
    ];
    for protocols in ["TLSv1.2", "TLSv1.3"] {
        let certificate = office.authority.local_server();
        let must = ["--tls-auth-clients", "yes", "--tls-protocols", protocols];
        let server = Secured::start(&office, &certificate, &must);
        for _ in 0..10 {
            let missing = server.connect("localhost", &office.options());
            refused(
                missing,
                &[
                    "require",
                    "a client certificate",
                    "`tls_cert` and `tls_key`",
                ],
            );
        }
        for (other, reason) in strange {
            let options = TlsOptions {
                ca: Some(office.ca.clone()),
                ..other.options_of(&other.authority.client("app"))
            };
            for _ in 0..10 {
                let text = "the server refused the client certificate of `tls_cert`: ";
                refused(server.connect("localhost", &options), &[text, reason]);
            }
        }
        for client in [&client, &rsa_client] {
            server
                .connect("localhost", &office.options_of(client))
                .unwrap();
        }
    }
}

#[test]
fn plain_and_tls_do_not_understand_each_other_and_say_so() {
    if lacks_tls() {
        return;
    }
    let office = Office::open();
    let server = Secured::start(&office, &office.authority.local_server(), &[]);
    let Address::Tcp { port, .. } = server.server.tcp() else {
        panic!("a TCP address")
    };
    let begun = Instant::now();
    let error = Wire::connect(&local(port), Some(&office.settings()), millis(200)).unwrap_err();
    assert!(
        error.is_timeout() && begun.elapsed() < Duration::from_secs(15),
        "{error}"
    );
    let text = error.to_string();
    assert!(
        text.starts_with("no answer to the TLS handshake within 200ms: "),
        "{text}"
    );
    assert!(text.contains("`redis://`"), "{text}");

    let dial = dial(local(server.port), None, Parser::Native);
    let mut connection = Connection::open(&dial, millis(5000)).unwrap();
    let error = ping(&mut connection).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Io, "{error}");
    assert!(error.to_string().contains("`rediss://`"), "{error}");
}
