//! A way to a server that breaks once, after so many bytes, or leads to another server from some time on.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use crate::config::Address;

/// Where the way breaks, counted from the moment it is armed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Cut {
    /// So many bytes of what is asked reach the server; no answer comes.
    Request(usize),
    /// The server hears everything; so many bytes of its answers arrive.
    Reply(usize),
}

/// Stands before the Unix socket of a server. It lives in threads until the test process ends.
#[derive(Clone)]
pub(crate) struct Way {
    armed: Arc<Mutex<Option<Cut>>>,
    socket: Arc<Mutex<PathBuf>>,
    port: u16,
}

impl Way {
    pub(crate) fn to(socket: PathBuf) -> Way {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let way = Way {
            armed: Arc::default(),
            socket: Arc::new(Mutex::new(socket)),
            port: listener.local_addr().unwrap().port(),
        };
        let shared = way.clone();
        std::thread::spawn(move || {
            for client in listener.incoming() {
                let socket = shared.socket.lock().unwrap().clone();
                let (client, server) = (client.unwrap(), UnixStream::connect(socket).unwrap());
                client.set_nodelay(true).unwrap();
                shared.clone().join(client, server);
            }
        });
        way
    }

    pub(crate) fn address(&self) -> Address {
        Address::Tcp {
            host: "127.0.0.1".into(),
            port: self.port,
        }
    }

    /// New connections lead to this one; those that are open stay where they are. So does a name that has moved.
    pub(crate) fn lead_to(&self, socket: PathBuf) {
        *self.socket.lock().unwrap() = socket;
    }

    /// The next connection that carries so many bytes breaks, and none after it.
    pub(crate) fn arm(&self, cut: Cut) {
        *self.lock() = Some(cut);
    }

    /// Whether the way has broken since it was armed.
    pub(crate) fn is_cut(&self) -> bool {
        self.lock().is_none()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Option<Cut>> {
        self.armed.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn join(self, client: TcpStream, server: UnixStream) {
        let (mut asks, mut hears) = (client.try_clone().unwrap(), server.try_clone().unwrap());
        let (mut answers, mut told) = (server, client);
        let there = self.clone();
        std::thread::spawn(move || {
            let mut chunk = [0; 64 * 1024];
            while let Ok(len @ 1..) = asks.read(&mut chunk) {
                let (len, breaks) = there.passes(len, true);
                if breaks {
                    // First, so that no answer slips through.
                    let _ = asks.shutdown(Shutdown::Both);
                }
                if hears.write_all(&chunk[..len]).is_err() || breaks {
                    break;
                }
            }
            let _ = hears.shutdown(Shutdown::Write);
        });
        std::thread::spawn(move || {
            let mut chunk = [0; 64 * 1024];
            while let Ok(len @ 1..) = answers.read(&mut chunk) {
                let (len, breaks) = self.passes(len, false);
                if told.write_all(&chunk[..len]).is_err() || breaks {
                    break;
                }
            }
            let _ = told.shutdown(Shutdown::Both);
        });
    }

    /// How many of `len` bytes go through, and whether the way breaks behind them.
    fn passes(&self, len: usize, is_request: bool) -> (usize, bool) {
        let mut armed = self.lock();
        let left = match (&mut *armed, is_request) {
            (Some(Cut::Request(left)), true) | (Some(Cut::Reply(left)), false) => left,
            _ => return (len, false),
        };
        if *left > len {
            *left -= len;
            return (len, false);
        }
        let last = *left;
        *armed = None;
        (last, true)
    }
}
