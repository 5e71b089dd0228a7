//! A server that says what a test wants it to say.

use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};

use crate::config::Address;

/// A server that answers as `answer` says: it is given the connection's number and one command, and returns what to
/// send, or `None` to hang up. It lives in a thread until the test process ends.
pub(crate) fn fake(
    answer: impl Fn(usize, &[Vec<u8>]) -> Option<Vec<u8>> + Send + Sync + 'static,
) -> Address {
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let port = listener.local_addr().unwrap().port();
    fake_at(listener, answer);
    Address::Tcp {
        host: "127.0.0.1".into(),
        port,
    }
}

/// The same at a place of one's own.
pub(crate) fn fake_at(
    listener: TcpListener,
    answer: impl Fn(usize, &[Vec<u8>]) -> Option<Vec<u8>> + Send + Sync + 'static,
) {
    std::thread::spawn(move || {
        let answer = &answer;
        std::thread::scope(|scope| {
            for (number, stream) in listener.incoming().enumerate() {
                scope.spawn(move || serve(stream.unwrap(), |command| answer(number, command)));
            }
        });
    });
}

/// A server that greets, and answers any other command with what `say` writes to the connection.
pub(crate) fn talker(say: impl Fn(&[Vec<u8>], &mut TcpStream) + Send + Sync + 'static) -> Address {
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let port = listener.local_addr().unwrap().port();
    let say = std::sync::Arc::new(say);
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let (mut stream, say) = (stream.unwrap(), std::sync::Arc::clone(&say));
            stream.set_nodelay(true).unwrap();
            std::thread::spawn(move || {
                let mut reader = BufReader::new(stream.try_clone().unwrap());
                while let Some(command) = read_command(&mut reader) {
                    match greeting(&command) {
                        Some(reply) if stream.write_all(&reply).is_ok() => {}
                        Some(_) => return,
                        None => say(&command, &mut stream),
                    }
                }
            });
        }
    });
    Address::Tcp {
        host: "127.0.0.1".into(),
        port,
    }
}

fn serve(stream: TcpStream, answer: impl Fn(&[Vec<u8>]) -> Option<Vec<u8>>) {
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    let mut writer = stream;
    while let Some(command) = read_command(&mut reader) {
        match answer(&command) {
            Some(reply) => {
                if writer.write_all(&reply).is_err() {
                    return;
                }
            }
            None => return,
        }
    }
}

pub(crate) fn read_command(reader: &mut impl BufRead) -> Option<Vec<Vec<u8>>> {
    let count = read_number(reader)?;
    (0..count)
        .map(|_| {
            let mut argument = vec![0; read_number(reader)? + 2];
            reader.read_exact(&mut argument).ok()?;
            argument.truncate(argument.len() - 2);
            Some(argument)
        })
        .collect()
}

fn read_number(reader: &mut impl BufRead) -> Option<usize> {
    let mut line = String::new();
    reader.read_line(&mut line).ok()?;
    line.get(1..)?.trim().parse().ok()
}

/// What a fake server of RESP3 says to the handshake; `None` for other commands.
pub(crate) fn greeting(command: &[Vec<u8>]) -> Option<Vec<u8>> {
    match command.first()?.as_slice() {
        b"HELLO" => Some(b"%1\r\n$5\r\nproto\r\n:3\r\n".to_vec()),
        b"CLIENT" | b"SELECT" | b"AUTH" => Some(b"+OK\r\n".to_vec()),
        b"TIME" => Some(b"*2\r\n$10\r\n1700000000\r\n$1\r\n0\r\n".to_vec()),
        _ => None,
    }
}
