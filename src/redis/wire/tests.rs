//! Real sockets: refusals, full backlogs, peers that stall, drip or go away, and signals.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener};
use std::os::unix::net::{UnixListener, UnixStream};
use std::os::unix::thread::JoinHandleExt;
use std::path::PathBuf;
use std::thread;
use std::time::{Duration, Instant};

use socket2::Socket;

use super::reading::GROWTH;
use super::*;
use crate::error::ErrorKind;

/// Both ends of a connection: ours, and the server's.
pub(crate) fn pair() -> (Wire, UnixStream) {
    let (ours, theirs) = UnixStream::pair().unwrap();
    (Wire::over(Socket::from(ours)), theirs)
}

/// Ends the connection, also where a child that another test has just forked has this end of it too.
pub(crate) fn hang_up(server: UnixStream) {
    server.shutdown(Shutdown::Both).unwrap();
}

pub(crate) fn millis(count: u64) -> Budget {
    Budget::new(Duration::from_millis(count))
}

/// A directory that goes away with its contents.
pub(crate) struct Scratch(pub(crate) PathBuf);

impl Scratch {
    pub(crate) fn new() -> Scratch {
        let path = std::env::temp_dir().join(format!(
            "redis-cache-{}-{}",
            std::process::id(),
            fastrand::u64(..)
        ));
        std::fs::create_dir(&path).unwrap();
        Scratch(path)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn tcp_address(listener: &TcpListener) -> Address {
    Address::Tcp {
        host: "localhost".into(),
        port: listener.local_addr().unwrap().port(),
    }
}

#[test]
fn tcp_and_unix_connect_and_carry_bytes() {
    let scratch = Scratch::new();
    let path = scratch.0.join("a.sock");
    let unix = UnixListener::bind(&path).unwrap();
    let tcp = TcpListener::bind("127.0.0.1:0").unwrap();
    let addresses = [tcp_address(&tcp), Address::Unix(path)];
    let server = thread::spawn(move || {
        let mut bytes = [0; 4];
        let (mut stream, _) = tcp.accept().unwrap();
        stream.read_exact(&mut bytes).unwrap();
        stream.write_all(&bytes).unwrap();
        let (mut stream, _) = unix.accept().unwrap();
        stream.read_exact(&mut bytes).unwrap();
        stream.write_all(&bytes).unwrap();
    });
    for address in addresses {
        let mut wire = Wire::connect(&address, None, millis(2000)).unwrap();
        wire.send(b"ping", millis(2000)).unwrap();
        wire.need(4, millis(2000)).unwrap();
        assert_eq!(wire.take(4), b"ping");
        assert_eq!(wire.take_traffic(), (4, 4));
        assert_eq!(wire.take_traffic(), (0, 0));
    }
    server.join().unwrap();
}

#[test]
fn what_cannot_be_connected_to_is_an_io_error() {
    let gone = tcp_address(&TcpListener::bind("127.0.0.1:0").unwrap());
    let cases = [
        gone,
        Address::Unix("/nowhere/redis.sock".into()),
        Address::Tcp {
            host: "no such host".into(),
            port: 1,
        },
    ];
    for address in cases {
        let error = Wire::connect(&address, None, millis(2000)).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Io, "{error}");
        assert!(error.to_string().starts_with("cannot "), "{error}");
    }
    assert_eq!(
        Wire::connect(&Address::Memory(None), None, millis(1))
            .unwrap_err()
            .kind(),
        ErrorKind::Config
    );
}

#[test]
fn a_full_backlog_costs_no_more_than_the_budget() {
    let scratch = Scratch::new();
    let path = scratch.0.join("full.sock");
    let listener = Socket::new(socket2::Domain::UNIX, socket2::Type::STREAM, None).unwrap();
    listener
        .bind(&socket2::SockAddr::unix(&path).unwrap())
        .unwrap();
    listener.listen(0).unwrap();
    let _queued = UnixStream::connect(&path).unwrap();
    assert_ends_in_time(&Address::Unix(path));

    let listener = Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
    listener
        .bind(
            &"127.0.0.1:0"
                .parse::<std::net::SocketAddr>()
                .unwrap()
                .into(),
        )
        .unwrap();
    listener.listen(0).unwrap();
    let address = listener.local_addr().unwrap().as_socket().unwrap();
    let _queued = std::net::TcpStream::connect(address).unwrap();
    assert_ends_in_time(&Address::Tcp {
        host: "127.0.0.1".into(),
        port: address.port(),
    });
}

fn assert_ends_in_time(address: &Address) {
    let begun = Instant::now();
    let error = Wire::connect(address, None, millis(120)).unwrap_err();
    assert_eq!(error.to_string(), "no connection within 120ms");
    assert!(error.is_timeout());
    assert!(
        (100..15_000).contains(&begun.elapsed().as_millis()),
        "{:?}",
        begun.elapsed()
    );
}

#[test]
fn a_server_that_reads_nothing_or_slowly_cannot_hold_a_sender() {
    for drains in [false, true] {
        let (mut wire, mut server) = pair();
        let drain = thread::spawn(move || {
            let mut bytes = [0; 4096];
            while drains && server.read(&mut bytes).is_ok_and(|count| count > 0) {
                thread::sleep(Duration::from_millis(10));
            }
            thread::sleep(Duration::from_millis(if drains { 0 } else { 300 }));
        });
        let begun = Instant::now();
        let fault = wire.send(&vec![0; 16 << 20], millis(150)).unwrap_err();
        assert_eq!(
            fault.error.to_string(),
            "the server took no more of the command within 150ms"
        );
        assert!(fault.error.is_timeout() && !fault.unsent);
        assert!(
            (140..15_000).contains(&begun.elapsed().as_millis()),
            "{:?}",
            begun.elapsed()
        );
        drop(wire);
        drain.join().unwrap();
    }
}

/// What came in time is read in time, so there is always something to read here. It was read until the server had enough.
#[test]
fn a_server_that_never_stops_sending_is_not_listened_to_for_ever() {
    let (mut wire, mut server) = pair();
    let begun = Instant::now();
    let flood = thread::spawn(move || {
        while begun.elapsed() < Duration::from_secs(20) && server.write_all(&[b'x'; 4096]).is_ok() {
        }
    });
    let error = wire.read_into_nothing(usize::MAX, millis(100)).unwrap_err();
    assert!(error.is_timeout(), "{error}");
    assert_eq!(error.to_string(), "the reply was not complete within 100ms");
    drop(wire);
    flood.join().unwrap();
}

#[test]
fn a_closed_peer_is_an_unsent_command_and_no_signal() {
    let (mut wire, server) = pair();
    hang_up(server);
    // A blocked signal stays pending even where it is ignored, as in this process.
    let pending = || {
        // SAFETY: an all-zero signal set is a valid place for sigpending to write to.
        unsafe {
            let mut set = std::mem::zeroed();
            assert_eq!(libc::sigpending(&mut set), 0);
            libc::sigismember(&set, libc::SIGPIPE)
        }
    };
    // SAFETY: the set is initialised before it is used; only this thread's mask changes.
    unsafe {
        let mut set = std::mem::zeroed();
        libc::sigemptyset(&mut set);
        libc::sigaddset(&mut set, libc::SIGPIPE);
        assert_eq!(
            libc::pthread_sigmask(libc::SIG_BLOCK, &set, std::ptr::null_mut()),
            0
        );
    }
    let fault = wire.send(b"GET", millis(100)).unwrap_err();
    assert!(fault.unsent);
    assert_eq!(fault.error.kind(), ErrorKind::Io);
    assert_eq!(pending(), 0);
}

#[test]
fn signals_interrupt_neither_reads_nor_their_deadlines() {
    extern "C" fn ignore(_: libc::c_int) {}
    // SAFETY: the handler does nothing; the struct is fully set where it is not zero. No SA_RESTART: EINTR is wanted.
    unsafe {
        let mut action: libc::sigaction = std::mem::zeroed();
        action.sa_sigaction = ignore as *const () as usize;
        assert_eq!(
            libc::sigaction(libc::SIGUSR2, &action, std::ptr::null_mut()),
            0
        );
    }
    let (mut wire, mut server) = pair();
    let (mut silent, _kept) = pair();
    let reader = thread::spawn(move || {
        wire.need(3, millis(2000)).unwrap();
        let begun = Instant::now();
        assert!(silent.need(1, millis(150)).unwrap_err().is_timeout());
        assert!(
            (140..15_000).contains(&begun.elapsed().as_millis()),
            "{:?}",
            begun.elapsed()
        );
    });
    for round in 0..40 {
        thread::sleep(Duration::from_millis(5));
        if !reader.is_finished() {
            // SAFETY: the thread has not been joined, so its id is valid.
            unsafe { libc::pthread_kill(reader.as_pthread_t(), libc::SIGUSR2) };
        }
        if round == 10 {
            server.write_all(b"abc").unwrap();
        }
    }
    reader.join().unwrap();
}

#[test]
fn a_changing_budget_is_armed_anew() {
    let (mut wire, mut server) = pair();
    for (budget, floor) in [(300, 280), (30, 28), (100, 95), (10, 9)] {
        let begun = Instant::now();
        let error = wire.need(1, millis(budget)).unwrap_err();
        assert_eq!(error.to_string(), format!("no reply within {budget}ms"));
        assert!(
            (floor..floor + 15_000).contains(&begun.elapsed().as_millis()),
            "{budget}: {:?}",
            begun.elapsed()
        );
    }
    server.write_all(b"+").unwrap();
    wire.need(1, millis(100)).unwrap();
    assert_eq!(
        wire.need(2, millis(20)).unwrap_err().to_string(),
        "the reply was not complete within 20ms"
    );
}

#[test]
fn the_buffer_grows_with_what_comes_and_shrinks_again() {
    let (mut wire, mut server) = pair();
    let writer = thread::spawn(move || {
        server.write_all(&[b'x'; 3 << 20]).unwrap();
        server
    });
    assert!(wire.need(40_000, millis(2000)).is_ok());
    assert!(
        wire.buffer.capacity() <= 40_000,
        "{}",
        wire.buffer.capacity()
    );
    wire.need(3 << 20, millis(2000)).unwrap();
    assert_eq!(wire.take(3 << 20).len(), 3 << 20);
    let mut server = writer.join().unwrap();
    server.write_all(b"y").unwrap();
    wire.need(1, millis(2000)).unwrap();
    assert_eq!(wire.take(1), b"y");
    assert!(wire.buffer.capacity() <= KEPT);

    server.write_all(&[b'z'; 50]).unwrap();
    assert!(wire.need(MAX_LIE, millis(50)).is_err());
    assert!(
        wire.buffer.capacity() <= GROWTH + BUFFER,
        "{}",
        wire.buffer.capacity()
    );
}

/// What a server may claim at most.
const MAX_LIE: usize = crate::redis::connection::resp::MAX_BULK;
