//! What the tests of this folder share: real servers of their own, fake servers that misbehave to order, and backends
//! over either.

pub(crate) mod cut;
pub(crate) mod fake;

use std::net::TcpStream;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::{Barrier, LazyLock};
use std::time::Duration;

use crate::base::budget::{Budget, soon};
use crate::config::{Address, Hooks, Location, Options, Said, TlsOptions};
use crate::error::Result;
use crate::expiry::Life;
pub(crate) use crate::store::Whole;
use crate::store::{Access, KeyList, Room, Sink, Store, Value, Values};

use super::RedisStore;

use launcher::{Folder, Process, free_port, log_of, on_a_free_port, socket_in, where_known};

#[path = "../../../tests/common/launcher.rs"]
pub(crate) mod launcher;

pub(crate) use cut::{Cut, Way};
pub(crate) use fake::{fake, fake_at, greeting, read_command, talker};

pub(crate) const MINUTE: Life = Life::Millis(60_000);

/// A redis-server of this test alone, on a Unix socket and a TCP port. Killed when dropped.
pub(crate) struct Server {
    process: Process,
    folder: Folder,
    port: u16,
    arguments: Vec<String>,
}

impl Server {
    pub(crate) fn start() -> Self {
        Server::with(&[])
    }

    pub(crate) fn with(arguments: &[&str]) -> Self {
        let folder = Folder::new("unit");
        let arguments: Vec<String> = arguments
            .iter()
            .map(|argument| (*argument).to_owned())
            .collect();
        let launch = |port| launch(folder.path(), port, &arguments);
        let (port, process) = on_a_free_port(free_port, launch)
            .unwrap_or_else(|| panic!("no server started: {}", log_of(folder.path())));
        Server {
            process,
            folder,
            port,
            arguments,
        }
    }

    pub(crate) fn stop(&mut self) {
        self.process.kill();
    }

    pub(crate) fn restart(&mut self) {
        self.stop();
        let again = |port| launch(self.folder.path(), port, &self.arguments);
        let (_, process) = on_a_free_port(|| self.port, again)
            .unwrap_or_else(|| panic!("no server came back: {}", log_of(self.folder.path())));
        self.process = process;
    }

    pub(crate) fn signal(&self, signal: i32) {
        self.process.signal(signal);
    }

    pub(crate) fn socket(&self) -> PathBuf {
        socket_in(self.folder.path())
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
    pub(crate) fn backend(&self) -> RedisStore {
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

fn launch(folder: &Path, port: u16, arguments: &[String]) -> Option<Process> {
    let port_text = port.to_string();
    // From 7.0 on DEBUG has to be allowed.
    static ALLOWED: LazyLock<&[&str]> =
        LazyLock::new(|| where_known(&["--enable-debug-command", "yes"]));
    let own = ["--port", &port_text]
        .into_iter()
        .chain(ALLOWED.iter().copied());
    let arguments = own.chain(arguments.iter().map(String::as_str));
    Process::start(folder, arguments, || {
        TcpStream::connect(("127.0.0.1", port)).is_ok()
            && UnixStream::connect(socket_in(folder)).is_ok()
    })
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
        password_file: None,
        tls_options: TlsOptions::default(),
        name: None,
        weight: 1,
    }
}

pub(crate) fn backend(address: Address, options: &Options) -> RedisStore {
    RedisStore::new(options, &[location(address)], &Hooks::default()).unwrap()
}

pub(crate) fn get(store: &RedisStore, key: &str) -> Result<Option<Vec<u8>>> {
    get_within(store, key, soon())
}

pub(crate) fn get_within(store: &RedisStore, key: &str, budget: Budget) -> Result<Option<Vec<u8>>> {
    let mut kept = Whole::default();
    let found = store.get(key.as_bytes(), Access::Read, &mut kept, budget)?;
    Ok(found.map(|_| kept.0))
}

pub(crate) fn set(backend: &RedisStore, key: &str, value: &[u8]) -> Result<()> {
    set_within(backend, key, value, soon())
}

pub(crate) fn set_within(
    store: &RedisStore,
    key: &str,
    value: &[u8],
    budget: Budget,
) -> Result<()> {
    store.set(key.as_bytes(), body(value), MINUTE, budget)
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
pub(crate) fn fill_pool(backend: &RedisStore, count: usize) {
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
                    .get(b"k", Access::Read, &mut Slow(&barrier), soon())
                    .unwrap()
            });
        }
    });
    assert_eq!(backend.traffic().connections_idle, count as u64);
}
