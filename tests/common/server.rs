//! Real Redis servers for tests: each in a folder of its own, on a Unix socket and a free port, gone when it is
//! dropped; and what tests ask them beside the library.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, Weak};

use super::launcher::{Folder, Process, log_of, on_a_free_port, socket_in};
use super::papers::Papers;

pub(crate) use super::launcher::free_port;

/// What connections that do not belong to the library call themselves.
const RAW: &str = "beside-the-library";

/// A running server, until it is dropped.
#[derive(Debug)]
pub(crate) struct Server {
    process: Process,
    folder: Folder,
    options: Vec<String>,
    papers: Option<Arc<Papers>>,
    port: u16,
}

impl Server {
    /// A server of the caller's own.
    pub(crate) fn start() -> Server {
        Server::with(&[])
    }

    /// The same, with options of redis-server's command line.
    pub(crate) fn with(options: &[&str]) -> Server {
        Server::behind(None, options)
    }

    /// One that speaks TLS on its port, and nothing else but on its socket.
    pub(crate) fn secured(papers: &Arc<Papers>, options: &[&str]) -> Server {
        Server::behind(Some(Arc::clone(papers)), options)
    }

    fn behind(papers: Option<Arc<Papers>>, options: &[&str]) -> Server {
        let folder = Folder::new("server");
        let mut options: Vec<String> = options.iter().map(|option| (*option).to_owned()).collect();
        let secured = papers.iter().flat_map(|papers| papers.options());
        options.extend(secured.flat_map(|(name, value)| [format!("--{name}"), value]));
        let launch = |port| launch(folder.path(), (port, papers.is_some()), &options);
        let (port, process) = on_a_free_port(free_port, launch)
            .unwrap_or_else(|| panic!("no server started: {}", log_of(folder.path())));
        Server {
            process,
            folder,
            options,
            papers,
            port,
        }
    }

    /// The server that tests with keys of their own may share; it lives as long as anybody holds it.
    pub(crate) fn shared() -> Arc<Server> {
        static SHARED: Mutex<Weak<Server>> = Mutex::new(Weak::new());
        shared(&SHARED, Server::start)
    }

    /// The same, with TLS.
    pub(crate) fn shared_secured() -> Arc<Server> {
        static SHARED: Mutex<Weak<Server>> = Mutex::new(Weak::new());
        shared(&SHARED, || Server::secured(&Papers::issue(), &[]))
    }

    /// Its location over TCP, with what it takes to trust it.
    pub(crate) fn tcp(&self) -> String {
        match &self.papers {
            None => format!("redis://127.0.0.1:{}", self.port),
            Some(papers) => {
                format!("rediss://127.0.0.1:{}?tls_ca={}", self.port, papers.ca())
            }
        }
    }

    pub(crate) fn unix(&self) -> String {
        format!("unix://{}", self.socket().display())
    }

    pub(crate) fn socket(&self) -> PathBuf {
        socket_in(self.folder.path())
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// How the library names this server.
    pub(crate) fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// A connection that does not go through the library under test.
    pub(crate) fn raw(&self) -> redis::Connection {
        let password = self
            .options
            .iter()
            .skip_while(|option| *option != "--requirepass")
            .nth(1);
        connect(&self.socket(), password).expect("a raw connection")
    }

    /// Runs one command on a connection of its own.
    pub(crate) fn run<T: redis::FromRedisValue>(&self, command: &[&str]) -> T {
        let mut packed = redis::Cmd::new();
        for part in command {
            packed.arg(*part);
        }
        packed
            .query(&mut self.raw())
            .unwrap_or_else(|error| panic!("{command:?}: {error}"))
    }

    /// The connections of clients, without those of [`Server::raw`] and of sentinels.
    pub(crate) fn clients(&self) -> Vec<String> {
        let list: String = self.run(&["CLIENT", "LIST", "TYPE", "normal"]);
        list.lines()
            .filter(|line| !line.contains(&format!(" name={RAW} ")))
            .filter(|line| !line.contains(" name=sentinel-"))
            .map(str::to_owned)
            .collect()
    }

    /// Cuts every connection but the one that asks.
    pub(crate) fn kill_clients(&self) {
        let _: i64 = self.run(&["CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes"]);
    }

    /// How often a command was called, scripts' own calls included.
    pub(crate) fn calls(&self, command: &str) -> u64 {
        let info: String = self.run(&["INFO", "commandstats"]);
        let name = format!("cmdstat_{command}:calls=");
        let line = info.lines().find_map(|line| line.strip_prefix(&name));
        line.map_or(0, |rest| {
            rest.split(',')
                .next()
                .unwrap_or_default()
                .parse()
                .expect("a count")
        })
    }

    /// Kills the server as a crash would: at once, with all data.
    pub(crate) fn stop(&mut self) {
        self.process.kill();
    }

    /// Starts it again, empty, where it was.
    pub(crate) fn start_again(&mut self) {
        let place = (self.port, self.papers.is_some());
        let again = |_| launch(self.folder.path(), place, &self.options);
        let Some((_, process)) = on_a_free_port(|| self.port, again) else {
            panic!(
                "no server came back on port {}: {}",
                self.port,
                log_of(self.folder.path())
            );
        };
        self.process = process;
    }

    /// Stops it in the middle of whatever it does; connections to it go on being accepted.
    pub(crate) fn freeze(&self) {
        self.process.freeze();
    }

    pub(crate) fn thaw(&self) {
        self.process.thaw();
    }

    pub(crate) fn restart(&mut self) {
        self.stop();
        self.start_again();
    }
}

fn shared(slot: &Mutex<Weak<Server>>, start: impl FnOnce() -> Server) -> Arc<Server> {
    let mut shared = slot.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
    shared.upgrade().unwrap_or_else(|| {
        let server = Arc::new(start());
        *shared = Arc::downgrade(&server);
        server
    })
}

/// `None` when the server ended before it served, as it does when its port is taken.
fn launch(folder: &Path, (port, is_secured): (u16, bool), options: &[String]) -> Option<Process> {
    let port = port.to_string();
    let place: &[&str] = match is_secured {
        false => &["--port", &port],
        true => &["--port", "0", "--tls-port", &port],
    };
    let quiet = ["--loglevel", "warning"];
    let options = options.iter().map(String::as_str);
    let options = place.iter().copied().chain(quiet).chain(options);
    // Any answer will do, also that a password is wanted.
    Process::start(folder, options, || {
        connect(&socket_in(folder), None)
            .is_ok_and(|mut redis| redis::cmd("PING").exec(&mut redis).is_ok_or_refused())
    })
}

trait Answered {
    fn is_ok_or_refused(&self) -> bool;
}

impl Answered for redis::RedisResult<()> {
    fn is_ok_or_refused(&self) -> bool {
        self.as_ref()
            .err()
            .is_none_or(|error| error.code() == Some("NOAUTH"))
    }
}

fn connect(socket: &Path, password: Option<&String>) -> redis::RedisResult<redis::Connection> {
    let password = password
        .map(|password| format!("?pass={password}"))
        .unwrap_or_default();
    let client = redis::Client::open(format!("redis+unix://{}{password}", socket.display()))?;
    let mut connection = client.get_connection()?;
    // Refused where a password is wanted and none was given; such a connection is of no use anyway.
    let _ = redis::cmd("CLIENT")
        .arg("SETNAME")
        .arg(RAW)
        .exec(&mut connection);
    Ok(connection)
}
