//! Large batches, and servers that read no further until what they have said has been read.

use std::io::{BufReader, Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use socket2::Socket;

use crate::base::budget::Budget;
use crate::config::{Address, Hooks, Options, Parser};
use crate::expiry::Life;
use crate::store::{Access, KeyList, Store, Values};

use super::super::RedisStore;
use super::super::testing::{MINUTE, Server, body, greeting, location, read_command};
use super::super::wire::tests::Scratch;

/// What a connection holds that is neither read nor written is some KB.
const SMALL: usize = 4096;

/// A server with small buffers, in this folder; `serve` has a connection.
fn server(folder: &Scratch, serve: impl Fn(UnixStream) + Send + Sync + 'static) -> Address {
    let path = folder.0.join(fastrand::u64(..).to_string());
    let listener = UnixListener::bind(&path).unwrap();
    let serve = Arc::new(serve);
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let socket = Socket::from(stream.unwrap());
            socket.set_send_buffer_size(SMALL).unwrap();
            let (stream, serve) = (UnixStream::from(socket), Arc::clone(&serve));
            std::thread::spawn(move || serve(stream));
        }
    });
    Address::Unix(path)
}

/// Takes one command after the other, and none before the reply to the last one is written.
fn in_turn(mut stream: UnixStream) {
    let mut reader = BufReader::with_capacity(SMALL, stream.try_clone().unwrap());
    while let Some(command) = read_command(&mut reader) {
        let reply = match command[0].as_slice() {
            b"MGET" => {
                let mut reply = format!("*{}\r\n", command.len() - 1);
                let value = format!("$1000\r\n{}\r\n", "v".repeat(1000));
                (1..command.len()).for_each(|_| reply.push_str(&value));
                reply.into_bytes()
            }
            // What is pushed is read with the reply, and makes it large.
            b"SET" => {
                let news = format!(">2\r\n+news\r\n$4000\r\n{}\r\n+OK\r\n", "n".repeat(4000));
                news.into_bytes()
            }
            _ => match greeting(&command) {
                Some(reply) => reply,
                None => return,
            },
        };
        if stream.write_all(&reply).is_err() {
            return;
        }
    }
}

fn time() -> Budget {
    Budget::new(Duration::from_secs(10))
}

fn names(count: usize) -> KeyList {
    let mut keys = KeyList::default();
    (0..count).for_each(|number| keys.push_bytes(format!("{number:0200}").as_bytes()));
    keys
}

fn backend(addresses: &[Address], parser: Parser) -> RedisStore {
    let options = Options {
        parser,
        timeout: Duration::from_secs(10),
        ..Options::default()
    };
    let locations: Vec<_> = addresses.iter().cloned().map(location).collect();
    RedisStore::new(&options, &locations, &Hooks::default()).unwrap()
}

fn get_many(backend: &RedisStore, keys: &KeyList) {
    let mut found = 0;
    backend.get_many(keys, Access::Read, time(), &mut |_, value, _| {
        found += usize::from(value.unwrap().is_some_and(|value| value.len() == 1000));
    });
    assert_eq!(found, keys.len());
}

fn set_many(backend: &RedisStore, keys: &KeyList, value: &[u8]) {
    let values: Vec<(_, Life)> = (0..keys.len()).map(|_| (body(value), MINUTE)).collect();
    let mut stored = 0;
    backend.set_many(keys, &values, time(), &mut |_, done| {
        stored += usize::from(done.unwrap());
    });
    assert_eq!(stored, keys.len());
}

/// All of a window was written before anything was read: the server waited for us, and we for it, until the time was over.
#[test]
fn a_server_that_reads_nothing_while_it_writes_is_read_from_while_it_is_written_to() {
    for (nodes, parser) in [(1, Parser::Native), (1, Parser::Redis), (3, Parser::Native)] {
        let folder = Scratch::new();
        let addresses: Vec<_> = (0..nodes).map(|_| server(&folder, in_turn)).collect();
        let backend = backend(&addresses, parser);
        get_many(&backend, &names(20_000));
        if parser == Parser::Native {
            set_many(&backend, &names(4_000), b"value");
        }
        let traffic = backend.traffic();
        assert_eq!(
            (traffic.retries, traffic.connections_idle),
            (0, nodes),
            "they are kept"
        );
    }
}

/// A command that is large itself goes out whole, wherever it stands.
#[test]
fn values_of_every_size_go_out_and_connections_stay() {
    let server = Server::start();
    let backend = server.backend();
    let sizes = [10, 300_000, 70_000, 1, 1_000_000, 65_536, 0, 200_000, 30];
    let bytes = vec![b'v'; 1_000_000];
    let keys = names(sizes.len());
    let values: Vec<_> = sizes
        .iter()
        .map(|size| (body(&bytes[..*size]), MINUTE))
        .collect();
    for _ in 0..3 {
        let mut stored = 0;
        backend.set_many(&keys, &values, time(), &mut |_, done| {
            stored += usize::from(done.unwrap());
        });
        assert_eq!(stored, sizes.len());
        backend.get_many(&keys, Access::Read, time(), &mut |place, value, _| {
            assert_eq!(value.unwrap().unwrap().len(), sizes[place]);
        });
    }
    set_many(&backend, &names(20_000), &bytes[..100]);
    let traffic = backend.traffic();
    assert_eq!((traffic.retries, traffic.connections_open), (0, 1));
}

/// The server hears so much of a large batch before it has answered any of it, and what it answers lets more come.
#[test]
fn so_much_is_written_ahead_of_the_replies_and_no_more() {
    let most = Arc::new(AtomicUsize::new(0));
    let seen = Arc::clone(&most);
    let folder = Scratch::new();
    let address = server(&folder, move |mut stream| {
        let mut greeted = BufReader::with_capacity(1, stream.try_clone().unwrap());
        for _ in 0..4 {
            let Some(command) = read_command(&mut greeted) else {
                return;
            };
            stream.write_all(&greeting(&command).unwrap()).unwrap();
        }
        // What comes while nothing is answered. Somebody slow writes less, which is no fault.
        stream
            .set_read_timeout(Some(Duration::from_millis(300)))
            .unwrap();
        let mut unanswered = Vec::new();
        let mut bytes = [0; SMALL];
        while let Ok(count @ 1..) = stream.read(&mut bytes) {
            unanswered.extend_from_slice(&bytes[..count]);
        }
        seen.fetch_max(unanswered.len(), Ordering::SeqCst);
        stream.set_read_timeout(None).unwrap();
        let rest = stream.try_clone().unwrap();
        let mut all = BufReader::new(unanswered.as_slice().chain(rest));
        while read_command(&mut all).is_some() {
            if stream.write_all(b"+OK\r\n").is_err() {
                return;
            }
        }
    });
    let backend = backend(&[address], Parser::Native);
    set_many(&backend, &names(4_000), &[b'v'; 500]);
    let most = most.load(Ordering::SeqCst);
    assert!((1..=64 * 1024).contains(&most), "{most} bytes");
}
