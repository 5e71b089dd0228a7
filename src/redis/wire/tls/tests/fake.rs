//! Servers that stall, drip, break off, or say more than they were asked.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::{self, JoinHandle};
use std::time::Instant;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ServerConfig, ServerConnection};

use crate::base::fork::testing::in_child;

use super::super::super::tests::{hang_up, pair};
use super::*;

/// The server's end of a connection, with TLS of its own.
struct Peer<S> {
    session: ServerConnection,
    stream: S,
}

impl<S: Read + Write> Peer<S> {
    /// Shakes hands; what the server has to say when that is over stays unsaid.
    fn accept(office: &Office, stream: S) -> Peer<S> {
        let session = ServerConnection::new(server_config(office)).unwrap();
        let mut peer = Peer { session, stream };
        while peer.session.is_handshaking() {
            peer.say();
            peer.listen();
        }
        peer
    }

    fn listen(&mut self) {
        self.session.read_tls(&mut self.stream).unwrap();
        self.session.process_new_packets().unwrap();
    }

    fn say(&mut self) {
        while self.session.wants_write() {
            self.session.write_tls(&mut self.stream).unwrap();
        }
    }

    /// The records of `bytes`, unsent.
    fn records(&mut self, bytes: &[u8]) -> Vec<u8> {
        let mut records = Vec::new();
        self.session.writer().write_all(bytes).unwrap();
        while self.session.wants_write() {
            self.session.write_tls(&mut records).unwrap();
        }
        records
    }

    /// Reads a command, whatever it is.
    fn hear(&mut self, command: &[u8]) {
        let mut heard = vec![0; command.len()];
        let mut stream = rustls::Stream::new(&mut self.session, &mut self.stream);
        stream.read_exact(&mut heard).unwrap();
        assert_eq!(heard, command);
    }
}

fn server_config(office: &Office) -> Arc<ServerConfig> {
    let issued = office.authority.local_server();
    let certificate = CertificateDer::from_pem_slice(issued.certificate.as_bytes()).unwrap();
    let key = PrivateKeyDer::from_pem_slice(issued.key().as_bytes()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate], key);
    Arc::new(config.unwrap())
}

fn shaken(stream: &mut Stream, settings: &TlsSettings, budget: Budget) -> Result<Box<Secure>> {
    let mut secure = Secure::begin(stream, settings, &local(1))?;
    while !secure.shake_hands_at_once(stream, budget)? {
        budget.remaining()?;
        thread::sleep(Duration::from_millis(1));
    }
    Ok(secure)
}

/// A wire that has shaken hands with a peer, which then does what `then` says, and hangs up.
fn with_peer(then: impl FnOnce(Peer<UnixStream>) + Send + 'static) -> (Wire, JoinHandle<()>) {
    let office = Office::open();
    let settings = office.settings();
    let (mut wire, theirs) = pair();
    let end = theirs.try_clone().unwrap();
    let server = thread::spawn(move || {
        then(Peer::accept(&office, theirs));
        hang_up(end);
    });
    let secure = shaken(&mut wire.stream, &settings, millis(5000));
    wire.secure = Some(secure.unwrap());
    (wire, server)
}

/// What comes of a handshake with a server that does what `then` says.
fn handshake_with(budget: Budget, then: impl FnOnce(TcpStream) + Send + 'static) -> Result<Wire> {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = local(listener.local_addr().unwrap().port());
    thread::spawn(move || then(listener.accept().unwrap().0));
    Wire::connect(&address, Some(&Office::open().settings()), budget)
}

fn hear_hello(stream: &mut TcpStream) {
    assert!(stream.read(&mut [0; 4096]).unwrap() > 0);
}

/// Two ends of a rendezvous, for a test and its server.
fn steps() -> (Sender<()>, Receiver<()>) {
    channel()
}

#[test]
fn a_handshake_ends_with_its_budget_whatever_the_server_does() {
    let silent = |_stream| thread::sleep(Duration::from_secs(2));
    let dripping = |mut stream: TcpStream| {
        hear_hello(&mut stream);
        // The beginning of a record of 16 KB.
        let _ = stream.write_all(&[22, 3, 3, 0x40, 0]);
        while stream.write_all(&[2]).is_ok() {
            thread::sleep(Duration::from_millis(10));
        }
    };
    type Server = Box<dyn FnOnce(TcpStream) + Send>;
    let servers: [(&str, Server); 2] = [
        (
            "no answer to the TLS handshake within 150ms",
            Box::new(silent),
        ),
        (
            "the TLS handshake was not complete within 150ms",
            Box::new(dripping),
        ),
    ];
    for (text, server) in servers {
        let begun = Instant::now();
        let error = handshake_with(millis(150), server).unwrap_err();
        assert!(
            error.is_timeout() && error.to_string().starts_with(text),
            "{error}"
        );
        assert!(
            (140..15_000).contains(&begun.elapsed().as_millis()),
            "{:?}",
            begun.elapsed()
        );
    }
}

#[test]
fn what_is_no_tls_server_is_an_io_error_that_says_so() {
    let plain = "TLS handshake: the server answered in plain text: ";
    let cases: [(&[u8], &str); 6] = [
        (b"", "TLS handshake: "),
        (b"-ERR unknown command\r\n", plain),
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", plain),
        (
            &[22, 3, 3, 0, 4, 99, 0, 0, 0],
            "TLS handshake: the server broke the rules of TLS",
        ),
        (
            &[21, 3, 3, 0, 2, 2, 70],
            "TLS handshake: the server speaks neither TLS 1.2 nor TLS 1.3",
        ),
        (
            &[21, 3, 3, 0, 2, 2, 112],
            "TLS handshake: the server does not know itself by the name",
        ),
    ];
    for (answer, text) in cases {
        let error = handshake_with(millis(5000), |mut stream| {
            hear_hello(&mut stream);
            stream.write_all(answer).unwrap();
        });
        let error = error.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Io, "{error}");
        assert!(error.to_string().starts_with(text), "{error}");
    }
}

#[test]
fn replies_may_come_in_any_pieces() {
    let (mut wire, server) = with_peer(|mut peer| {
        for reply in [&b"+PONG\r\n"[..], &[b'x'; 300]] {
            let records = peer.records(reply);
            for piece in records.chunks(3) {
                peer.stream.write_all(piece).unwrap();
                thread::sleep(Duration::from_micros(200));
            }
        }
        let records: Vec<u8> = (0..100).flat_map(|_| peer.records(b"ab")).collect();
        peer.stream.write_all(&records).unwrap();
    });
    wire.need(7, millis(5000)).unwrap();
    assert_eq!(wire.take(7), b"+PONG\r\n");
    wire.need(300, millis(5000)).unwrap();
    assert_eq!(wire.take(300), [b'x'; 300]);
    wire.need(200, millis(5000)).unwrap();
    assert_eq!(wire.take(200), b"ab".repeat(100));
    assert!(wire.is_drained());
    server.join().unwrap();
}

#[test]
fn drips_do_not_stretch_the_budget_of_a_read() {
    let (mut wire, server) = with_peer(|mut peer| {
        let records = peer.records(&[b'x'; 10_000]);
        for byte in &records {
            if peer.stream.write_all(&[*byte]).is_err() {
                break;
            }
            thread::sleep(Duration::from_millis(5));
        }
    });
    let begun = Instant::now();
    let mut room = vec![0; 10_000];
    let error = wire.read_into_slice(&mut room, millis(150)).unwrap_err();
    assert_eq!(error.to_string(), "the reply was not complete within 150ms");
    assert!(
        (140..15_000).contains(&begun.elapsed().as_millis()),
        "{:?}",
        begun.elapsed()
    );
    drop(wire);
    server.join().unwrap();
}

#[test]
fn records_without_a_byte_of_a_reply_do_not_stretch_it_either() {
    let (mut wire, server) = with_peer(|mut peer| {
        // More would be against the rules of rustls, which ends the wait sooner.
        while peer.session.refresh_traffic_keys().is_ok() {
            let records = peer.records(b"");
            if peer.stream.write_all(&records).is_err() {
                break;
            }
            thread::sleep(Duration::from_millis(10));
        }
    });
    let begun = Instant::now();
    assert!(wire.need(1, millis(150)).is_err());
    assert!(begun.elapsed() < Duration::from_secs(15));
    drop(wire);
    server.join().unwrap();
}

#[test]
fn a_server_that_reads_nothing_cannot_hold_a_sender() {
    let (done, is_done) = steps();
    let (mut wire, server) = with_peer(move |_peer| assert!(is_done.recv().is_err()));
    let begun = Instant::now();
    let fault = wire.send(&vec![0; 16 << 20], millis(150)).unwrap_err();
    assert!(fault.error.is_timeout() && !fault.unsent, "{fault:?}");
    assert!(
        (140..15_000).contains(&begun.elapsed().as_millis()),
        "{:?}",
        begun.elapsed()
    );
    drop(done);
    server.join().unwrap();
}

#[test]
fn a_closed_peer_is_an_unsent_command_and_no_signal() {
    // SAFETY: the sets are initialised before they are used; only this thread's mask changes. A blocked signal stays
    // pending even where it is ignored, as in this process.
    let pending = || unsafe {
        let mut set = std::mem::zeroed();
        assert_eq!(libc::sigpending(&mut set), 0);
        libc::sigismember(&set, libc::SIGPIPE)
    };
    // SAFETY: as above.
    unsafe {
        let mut set = std::mem::zeroed();
        libc::sigemptyset(&mut set);
        libc::sigaddset(&mut set, libc::SIGPIPE);
        let null = std::ptr::null_mut();
        assert_eq!(libc::pthread_sigmask(libc::SIG_BLOCK, &set, null), 0);
    }
    let (mut wire, server) = with_peer(drop);
    server.join().unwrap();
    for _ in 0..2 {
        let fault = wire.send(b"GET", millis(100)).unwrap_err();
        assert!(fault.unsent);
        assert_eq!(fault.error.kind(), ErrorKind::Io);
    }
    assert_eq!(pending(), 0);
}

#[test]
fn a_reply_that_breaks_off_is_a_closed_connection() {
    for goodbye in [true, false] {
        let (mut wire, server) = with_peer(move |mut peer| {
            let mut records = peer.records(b"+PONG");
            if goodbye {
                peer.session.send_close_notify();
                records.extend(peer.records(b""));
            } else {
                let more = peer.records(b"\r\n");
                records.extend(&more[..more.len() - 1]);
            }
            peer.stream.write_all(&records).unwrap();
        });
        server.join().unwrap();
        let error = wire.need(7, millis(5000)).unwrap_err();
        assert_eq!(error.to_string(), "the server closed the connection");
        assert_eq!(wire.buffered(), b"+PONG");
        assert!(!wire.is_quiet());
    }
}

#[test]
fn news_of_the_session_keep_an_idle_connection_alive() {
    let (go, may_go) = steps();
    let (said, has_said) = steps();
    let (mut wire, server) = with_peer(move |mut peer| {
        peer.hear(b"PING");
        // The tickets of the handshake were written with what came first; these are new keys.
        for _ in 0..3 {
            may_go.recv().unwrap();
            peer.session.refresh_traffic_keys().unwrap();
            peer.say();
            said.send(()).unwrap();
        }
        peer.hear(b"PING");
        let records = peer.records(b"PONG");
        peer.stream.write_all(&records).unwrap();
        may_go.recv().unwrap();
        let half = peer.records(b"unasked");
        peer.stream.write_all(&half[..10]).unwrap();
        said.send(()).unwrap();
        may_go.recv().unwrap();
        peer.stream.write_all(&half[10..]).unwrap();
        said.send(()).unwrap();
    });
    let next = || {
        go.send(()).unwrap();
        has_said.recv().unwrap();
    };
    wire.send(b"PING", millis(5000)).unwrap();
    assert!(wire.is_quiet());
    for _ in 0..3 {
        next();
        assert!(wire.is_quiet() && wire.is_drained());
    }
    wire.send(b"PING", millis(5000)).unwrap();
    wire.need(4, millis(5000)).unwrap();
    assert_eq!(wire.take(4), b"PONG");
    assert!(wire.is_quiet());
    next();
    assert!(wire.is_quiet(), "a part of a record says nothing yet");
    next();
    assert!(!wire.is_quiet() && !wire.is_drained());
    server.join().unwrap();
    assert!(!wire.is_quiet());
}

#[test]
fn a_connection_whose_server_went_away_is_not_quiet() {
    for goodbye in [true, false] {
        let (mut wire, server) = with_peer(move |mut peer| {
            peer.say();
            if goodbye {
                peer.session.send_close_notify();
                peer.say();
            }
        });
        server.join().unwrap();
        assert!(!wire.is_quiet());
        assert!(!wire.is_quiet());
    }
}

#[test]
fn a_child_that_drops_a_connection_says_nothing_on_it() {
    let (mut wire, server) = with_peer(|mut peer| {
        peer.hear(b"PING");
        let records = peer.records(b"PONG");
        peer.stream.write_all(&records).unwrap();
    });
    let mut inherited = Some(&mut wire);
    assert!(in_child(|| {
        let wire = inherited.take().unwrap();
        wire.secure = None;
    }));
    wire.send(b"PING", millis(5000)).unwrap();
    wire.need(4, millis(5000)).unwrap();
    assert_eq!(wire.take(4), b"PONG");
    server.join().unwrap();
}

#[test]
fn children_of_busy_threads_connect_with_the_same_settings() {
    let office = Office::open();
    let config = server_config(&office);
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = local(listener.local_addr().unwrap().port());
    thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            let config = Arc::clone(&config);
            thread::spawn(move || {
                let session = ServerConnection::new(config).unwrap();
                let mut stream = rustls::StreamOwned::new(session, stream);
                let mut byte = [0];
                while stream.read_exact(&mut byte).is_ok() {
                    stream.write_all(&byte).unwrap();
                }
            });
        }
    });
    let settings = office.settings();
    let exchange = |settings: &TlsSettings| {
        let mut wire = Wire::connect(&address, Some(settings), millis(10_000)).unwrap();
        wire.send(b"x", millis(10_000)).unwrap();
        wire.need(1, millis(10_000)).unwrap();
    };
    let busy = std::sync::atomic::AtomicBool::new(true);
    thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                while busy.load(std::sync::atomic::Ordering::Relaxed) {
                    exchange(&office.settings());
                }
            });
        }
        for _ in 0..10 {
            assert!(in_child(|| {
                exchange(&settings);
                exchange(&office.settings());
            }));
        }
        busy.store(false, std::sync::atomic::Ordering::Relaxed);
    });
}
