//! Servers that cannot be reached, or are none: nothing listens, nobody answers, a web server answers.

use std::net::TcpStream;
use std::os::unix::net::UnixListener;
use std::sync::mpsc::channel;
use std::time::Duration;

use redis_cache::{Cache, Config, ErrorKind, Expiry};
use socket2::{Domain, SockAddr, Socket, Type};

use crate::common::fault::{Door, Fate};
use crate::common::server::{Server, free_port};
use crate::common::{eventually, fault, kind, within};
use crate::{Faulty, TIMEOUT};

dialects! {
    a_web_server_is_an_io_error_that_says_so,
    a_server_that_never_answers_is_a_timeout,
    a_server_that_hangs_up_is_an_io_error,
    a_handshake_that_breaks_off_at_any_byte_is_an_io_error,
    the_next_call_works_once_the_door_is_open,
    without_any_option_a_call_takes_a_second_at_most,
}

fn a_web_server_is_an_io_error_that_says_so(at: &Faulty) {
    at.server.door(Door::Http);
    let cache = at.cache_with(&[]);
    let error = fault(within(TIMEOUT, || cache.get_bytes("k")));
    assert_eq!(
        (error.kind(), error.node()),
        (ErrorKind::Io, Some(&*at.server.name())),
        "{error}"
    );
    assert!(error.to_string().contains("HTTP"), "{error}");
    assert_eq!(
        kind(within(TIMEOUT, || cache.set("k", &1, Expiry::Default))),
        ErrorKind::Io
    );
    assert_eq!(kind(within(TIMEOUT, || cache.ping())), ErrorKind::Io);
}

fn a_server_that_never_answers_is_a_timeout(at: &Faulty) {
    at.server.door(Door::Mute);
    let cache = at.cache_with(&[]);
    let error = fault(within(TIMEOUT, || cache.get_bytes("k")));
    assert_eq!(
        (error.kind(), error.node()),
        (ErrorKind::Timeout, Some(&*at.server.name())),
        "{error}"
    );
    assert_eq!(
        kind(within(TIMEOUT, || cache.set("k", &1, Expiry::Default))),
        ErrorKind::Timeout
    );
    assert_eq!(kind(within(TIMEOUT, || cache.ping())), ErrorKind::Timeout);
    assert_eq!(
        kind(within(TIMEOUT, || cache.delete_pattern("*"))),
        ErrorKind::Timeout
    );
}

fn a_server_that_hangs_up_is_an_io_error(at: &Faulty) {
    at.server.door(Door::Slammed);
    let cache = at.cache_with(&[]);
    let error = fault(within(TIMEOUT, || cache.get_bytes("k")));
    assert_eq!(
        (error.kind(), error.node()),
        (ErrorKind::Io, Some(&*at.server.name())),
        "{error}"
    );
    assert_eq!(kind(within(TIMEOUT, || cache.incr("k", 1))), ErrorKind::Io);
}

/// Also behind the refusal of a command that may be refused, as CLIENT SETINFO is before Redis 7.2.
fn a_handshake_that_breaks_off_at_any_byte_is_an_io_error(at: &Faulty) {
    for broken in 0..4 {
        for byte in [0, 1, 4, 20] {
            let cache = at.cache_with(&[]);
            let (sender, receiver) = channel();
            let mut seen = 0;
            at.server.judge(move |command| {
                let is_greeting = matches!(&*command[0], b"HELLO" | b"CLIENT" | b"TIME");
                seen += usize::from(is_greeting);
                if !is_greeting || seen != broken + 1 {
                    return Fate::Pass;
                }
                seen = 0;
                let _ = sender.send(());
                Fate::Close(byte)
            });
            cache.close();
            let outcome = within(TIMEOUT, || {
                cache.close();
                cache.get_bytes("k")
            });
            if receiver.try_recv().is_err() {
                // RESP2 has no HELLO, and so one command less.
                assert!(
                    broken == 3 && !at.speaks_resp3(),
                    "no command {broken} in the handshake"
                );
                continue;
            }
            if (broken, byte) == (0, 0) {
                // Some hang up because they are greeted, and serve without.
                outcome.unwrap();
                continue;
            }
            let error = fault(outcome);
            assert_eq!(
                error.kind(),
                ErrorKind::Io,
                "command {broken} cut at {byte}: {error}"
            );
            at.server.heal();
            cache.get_bytes("k").unwrap();
        }
    }
}

fn the_next_call_works_once_the_door_is_open(at: &Faulty) {
    let cache = at.cache_with(&[]);
    for door in [Door::Http, Door::Mute, Door::Slammed] {
        at.server.door(door);
        cache.close();
        fault(cache.set_bytes("k", b"x", Expiry::Default));
        at.server.heal();
        cache.set_bytes("k", b"y", Expiry::Default).unwrap();
        assert_eq!(
            cache.get_bytes("k").unwrap().as_deref(),
            Some(&b"y"[..]),
            "after {door:?}"
        );
    }
}

/// Guards against defect 12 of the ancestor: timeouts are infinite by default there.
fn without_any_option_a_call_takes_a_second_at_most(at: &Faulty) {
    let cache = Cache::open(&at.server.url()).unwrap();
    cache.set_bytes("k", b"x", Expiry::Default).unwrap();
    at.server.judge(|_| Fate::Stall(0));
    let second = Duration::from_secs(1);
    assert_eq!(
        kind(within(second, || cache.get_bytes("k"))),
        ErrorKind::Timeout
    );
    at.server.door(Door::Mute);
    cache.close();
    assert_eq!(
        kind(within(second, || cache.get_bytes("k"))),
        ErrorKind::Timeout
    );
}

fn quick(url: &str) -> Cache {
    let config = Config::new()
        .server(url)
        .unwrap()
        .set("connect_timeout", "150ms")
        .unwrap();
    config
        .set("breaker_failures", "1000")
        .unwrap()
        .connect()
        .unwrap()
}

const CONNECT: Duration = Duration::from_millis(150);

#[test]
fn a_port_where_nothing_listens_is_an_io_error_at_once() {
    let port = free_port();
    let cache = quick(&format!("redis://127.0.0.1:{port}"));
    for _ in 0..3 {
        let error = fault(within(Duration::ZERO, || cache.get_bytes("k")));
        assert_eq!(error.kind(), ErrorKind::Io, "{error}");
        assert_eq!(error.node(), Some(&*format!("127.0.0.1:{port}")));
    }
}

#[test]
fn a_server_that_accepts_no_connection_costs_the_connect_timeout() {
    let listener = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    listener
        .bind(&SockAddr::from(std::net::SocketAddr::from((
            [127, 0, 0, 1],
            0,
        ))))
        .unwrap();
    listener.listen(0).unwrap();
    let address = listener.local_addr().unwrap().as_socket().unwrap();
    // Whoever comes after the queue is full is not answered at all.
    let mut queue = Vec::new();
    while let Ok(caller) = TcpStream::connect_timeout(&address, Duration::from_millis(100)) {
        queue.push(caller);
        assert!(queue.len() < 100, "the queue is never full");
    }
    let cache = quick(&format!("redis://{address}"));
    let error = fault(within(CONNECT, || cache.get_bytes("k")));
    assert_eq!(error.kind(), ErrorKind::Timeout, "{error}");
    assert!(error.to_string().contains(&address.to_string()), "{error}");
}

#[test]
fn a_unix_socket_that_accepts_no_connection_costs_the_connect_timeout() {
    let path = std::env::temp_dir().join(format!("rct-queue-{}", std::process::id()));
    let _ = std::fs::remove_file(&path);
    let listener = Socket::new(Domain::UNIX, Type::STREAM, None).unwrap();
    listener.bind(&SockAddr::unix(&path).unwrap()).unwrap();
    listener.listen(0).unwrap();
    let mut queue = Vec::new();
    loop {
        let caller = Socket::new(Domain::UNIX, Type::STREAM, None).unwrap();
        caller.set_nonblocking(true).unwrap();
        if caller.connect(&SockAddr::unix(&path).unwrap()).is_err() {
            break;
        }
        queue.push(caller);
        assert!(queue.len() < 100, "the queue is never full");
    }
    let cache = quick(&format!("unix://{}", path.display()));
    let error = fault(within(CONNECT, || cache.get_bytes("k")));
    assert_eq!(error.kind(), ErrorKind::Timeout, "{error}");
    std::fs::remove_file(&path).unwrap();
}

#[test]
fn a_unix_socket_that_nobody_serves_is_an_io_error_at_once() {
    let path = std::env::temp_dir().join(format!("rct-none-{}", std::process::id()));
    let _ = std::fs::remove_file(&path);
    let cache = quick(&format!("unix://{}", path.display()));
    let error = fault(within(Duration::ZERO, || cache.get_bytes("k")));
    assert_eq!(error.kind(), ErrorKind::Io, "{error}");
    assert!(
        error.to_string().contains(&*path.to_string_lossy()),
        "{error}"
    );
    drop(UnixListener::bind(&path).unwrap());
    assert_eq!(
        kind(within(Duration::ZERO, || cache.get_bytes("k"))),
        ErrorKind::Io,
        "a socket left behind"
    );
    std::fs::remove_file(&path).unwrap();
    std::fs::write(&path, b"a file").unwrap();
    assert_eq!(
        kind(within(Duration::ZERO, || cache.get_bytes("k"))),
        ErrorKind::Io,
        "a plain file"
    );
    std::fs::remove_file(&path).unwrap();
}

#[test]
fn a_server_that_was_down_serves_the_next_call_when_it_is_up() {
    let mut server = Server::start();
    let cache = quick(&server.tcp());
    cache.set("k", &1, Expiry::Default).unwrap();
    server.stop();
    assert_eq!(
        kind(within(Duration::ZERO, || cache.get_bytes("k"))),
        ErrorKind::Io
    );
    assert_eq!(
        kind(within(Duration::ZERO, || cache.set(
            "k",
            &2,
            Expiry::Default
        ))),
        ErrorKind::Io
    );
    server.start_again();
    cache.set("k", &3, Expiry::Default).unwrap();
    eventually("nothing else is needed", || {
        cache.get::<i32>("k").unwrap() == Some(3)
    });
}
