//! What the tests of this folder share: real servers of their own, fake servers that misbehave to order, and backends
//! over either.

pub(crate) mod cut;
pub(crate) mod fake;

use std::net::{TcpListener, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::Barrier;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use crate::config::{Address, Hooks, Location, Options, Said, TlsOptions};
use crate::error::Result;
use crate::expiry::Life;
use crate::store::{Access, Backend, KeyList, Room, Sink, Value};

use super::RedisBackend;

pub(crate) use cut::{Cut, Way};
pub(crate) use fake::{fake, greeting, read_command, talker};

pub(crate) const MINUTE: Life = Life::Millis(60_000);

/// A redis-server of this test alone, on a Unix socket and a TCP port. Killed when dropped.
pub(crate) struct Server {
    child: Child,
    folder: PathBuf,
    port: u16,
    arguments: Vec<String>,
}

impl Server {
    pub(crate) fn start() -> Self {
        Server::with(&[])
    }

    pub(crate) fn with(arguments: &[&str]) -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let folder =
            std::env::temp_dir().join(format!("redis_cache-{}-{number}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let port = free_port();
        let arguments: Vec<String> = arguments
            .iter()
            .map(|argument| (*argument).to_owned())
            .collect();
        let child = launch(&folder, port, &arguments);
        let mut server = Server {
            child,
            folder,
            port,
            arguments,
        };
        server.wait_until_up();
        server
    }

    fn wait_until_up(&mut self) {
        let begin = Instant::now();
        let is_up = || {
            TcpStream::connect(("127.0.0.1", self.port)).is_ok()
                && UnixStream::connect(self.socket()).is_ok()
        };
        while !is_up() {
            assert!(
                begin.elapsed() < Duration::from_secs(10),
                "redis-server does not come up"
            );
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    pub(crate) fn stop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    pub(crate) fn restart(&mut self) {
        self.stop();
        let _ = std::fs::remove_file(self.socket());
        self.child = launch(&self.folder, self.port, &self.arguments);
        self.wait_until_up();
    }

    pub(crate) fn signal(&self, signal: i32) {
        // SAFETY: a signal to our own child, which is not waited for yet.
        unsafe { libc::kill(self.child.id() as i32, signal) };
    }

    pub(crate) fn socket(&self) -> PathBuf {
        self.folder.join("socket")
    }

    pub(crate) fn unix(&self) -> Address {
        Address::Unix(self.socket())
    }

    pub(crate) fn tcp(&self) -> Address {
        Address::Tcp {
            host: "127.0.0.1".into(),
            port: self.port,
        }
    }

    /// A backend over the Unix socket.
    pub(crate) fn backend(&self) -> RedisBackend {
        backend(self.unix(), &Options::default())
    }

    /// Runs a command on a connection of its own.
    pub(crate) fn command<T: redis::FromRedisValue>(&self, words: &[&str]) -> T {
        let client = redis::Client::open(format!("redis://127.0.0.1:{}", self.port)).unwrap();
        let mut connection = client.get_connection().unwrap();
        let mut command = redis::cmd(words[0]);
        words[1..].iter().for_each(|word| {
            command.arg(*word);
        });
        command.query(&mut connection).unwrap()
    }

    /// How often a command ran since the statistics were last reset.
    pub(crate) fn calls(&self, command: &str) -> u64 {
        let stats: String = self.command(&["INFO", "commandstats"]);
        let line = stats
            .lines()
            .find_map(|line| line.strip_prefix(&format!("cmdstat_{command}:calls=")));
        line.map_or(0, |rest| rest.split(',').next().unwrap().parse().unwrap())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop();
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

fn launch(folder: &PathBuf, port: u16, arguments: &[String]) -> Child {
    Command::new("redis-server")
        .args([
            "--port",
            &port.to_string(),
            "--unixsocket",
            "socket",
            "--save",
            "",
            "--appendonly",
            "no",
        ])
        .args(["--enable-debug-command", "yes"])
        .args(arguments)
        .current_dir(folder)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

fn free_port() -> u16 {
    TcpListener::bind(("127.0.0.1", 0))
        .unwrap()
        .local_addr()
        .unwrap()
        .port()
}

pub(crate) fn location(address: Address) -> Location {
    Location {
        shown: address.to_string(),
        spelled: address.to_string(),
        said: Said::default(),
        address,
        tls: false,
        db: Some(0),
        username: None,
        password: None,
        tls_options: TlsOptions::default(),
        name: None,
        weight: 1,
    }
}

pub(crate) fn backend(address: Address, options: &Options) -> RedisBackend {
    RedisBackend::new(options, &[location(address)], &Hooks::default()).unwrap()
}

/// A sink that keeps the value.
#[derive(Default)]
pub(crate) struct Kept(pub(crate) Vec<u8>);

impl Sink for Kept {
    fn begin(&mut self, head: &[u8], _len: usize) -> Result<Room<'_>> {
        self.0.clear();
        self.0.extend_from_slice(head);
        Ok(Room::Append(&mut self.0))
    }
}

pub(crate) fn get(backend: &RedisBackend, key: &str) -> Result<Option<Vec<u8>>> {
    let mut kept = Kept::default();
    let found = backend.get(key.as_bytes(), Access::Read, &mut kept)?;
    Ok(found.map(|_| kept.0))
}

pub(crate) fn set(backend: &RedisBackend, key: &str, value: &[u8]) -> Result<()> {
    backend.set(key.as_bytes(), body(value), MINUTE)
}

pub(crate) fn body(value: &[u8]) -> Value<'_> {
    Value {
        head: &[],
        body: value,
    }
}

pub(crate) fn quick() -> Options {
    Options {
        timeout: Duration::from_millis(300),
        connect_timeout: Duration::from_millis(200),
        ..Options::default()
    }
}

pub(crate) fn keys(names: &[&str]) -> KeyList {
    let mut keys = KeyList::default();
    names
        .iter()
        .for_each(|name| keys.push_bytes(name.as_bytes()));
    keys
}

/// Leaves `count` idle connections in the pool; the key `k` must have a value.
pub(crate) fn fill_pool(backend: &RedisBackend, count: usize) {
    /// Holds its connection until as many others are held.
    struct Slow<'a>(&'a Barrier);

    impl Sink for Slow<'_> {
        fn begin(&mut self, _head: &[u8], _len: usize) -> Result<Room<'_>> {
            self.0.wait();
            Ok(Room::Discard)
        }
    }

    let barrier = Barrier::new(count);
    std::thread::scope(|scope| {
        for _ in 0..count {
            scope.spawn(|| {
                backend
                    .get(b"k", Access::Read, &mut Slow(&barrier))
                    .unwrap()
            });
        }
    });
    assert_eq!(backend.traffic().connections_idle, count as u64);
}
