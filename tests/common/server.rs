//! Real Redis servers for tests: each in a directory of its own, on a Unix socket and a free port, killed by its
//! process id when it is dropped. `REDIS_SERVER` names the program; otherwise `redis-server` of the PATH is used.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, Weak};
use std::time::{Duration, Instant};

use super::papers::Papers;

/// What connections that do not belong to the library call themselves.
const RAW: &str = "beside-the-library";

/// A running server, until it is dropped.
#[derive(Debug)]
pub(crate) struct Server {
    directory: PathBuf,
    options: Vec<String>,
    papers: Option<Arc<Papers>>,
    port: u16,
    process: Child,
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
        static STARTED: AtomicU32 = AtomicU32::new(0);
        let number = STARTED.fetch_add(1, Ordering::Relaxed);
        let directory = std::env::temp_dir().join(format!("rct-{}-{number}", std::process::id()));
        fs::create_dir_all(&directory).expect("a directory for the server");
        let mut options: Vec<String> = options.iter().map(|option| (*option).to_owned()).collect();
        let secured = papers.iter().flat_map(|papers| papers.options());
        options.extend(secured.flat_map(|(name, value)| [format!("--{name}"), value]));
        // Somebody else may take the port between its choice and its use.
        for _ in 0..20 {
            let port = free_port();
            if let Some(process) = launch(&directory, (port, papers.is_some()), &options) {
                return Server {
                    directory,
                    options,
                    papers,
                    port,
                    process,
                };
            }
        }
        panic!("redis-server did not start: {}", log_of(&directory));
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
        self.directory.join("redis.sock")
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
        self.process.kill().expect("kill of our own child");
        self.process.wait().expect("wait for our own child");
    }

    /// Starts it again, empty, where it was.
    pub(crate) fn start_again(&mut self) {
        let deadline = Instant::now() + Duration::from_secs(10);
        while Instant::now() < deadline {
            if let Some(process) = launch(
                &self.directory,
                (self.port, self.papers.is_some()),
                &self.options,
            ) {
                self.process = process;
                return;
            }
        }
        panic!(
            "redis-server did not come back on port {}: {}",
            self.port,
            log_of(&self.directory)
        );
    }

    /// Stops it in the middle of whatever it does; connections to it go on being accepted.
    pub(crate) fn freeze(&self) {
        signal(&self.process, libc::SIGSTOP);
    }

    pub(crate) fn thaw(&self) {
        signal(&self.process, libc::SIGCONT);
    }

    pub(crate) fn restart(&mut self) {
        self.stop();
        self.start_again();
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
        let _ = fs::remove_dir_all(&self.directory);
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

/// Sends a signal to a child that was not waited for yet.
pub(crate) fn signal(process: &Child, signal: libc::c_int) {
    let pid = libc::pid_t::try_from(process.id()).expect("a process id");
    // SAFETY: a plain call; the process is our child, so its id is its own until it is waited for.
    assert_eq!(unsafe { libc::kill(pid, signal) }, 0);
}

/// A port of the loopback address that nothing listens on just now.
pub(crate) fn free_port() -> u16 {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    listener.local_addr().expect("its number").port()
}

/// `None` when the server ended before it served, as it does when its port is taken.
fn launch(directory: &Path, (port, is_secured): (u16, bool), options: &[String]) -> Option<Child> {
    let program = std::env::var_os("REDIS_SERVER").unwrap_or_else(|| "redis-server".into());
    let socket = directory.join("redis.sock");
    let _ = fs::remove_file(&socket);
    let log = fs::File::create(directory.join("log")).expect("a log file");
    let mut command = Command::new(&program);
    let port = port.to_string();
    match is_secured {
        false => command.args(["--port", &port]),
        true => command.args(["--port", "0", "--tls-port", &port]),
    };
    command.args(["--bind", "127.0.0.1", "--daemonize", "no"]);
    command
        .arg("--unixsocket")
        .arg(&socket)
        .arg("--dir")
        .arg(directory);
    command
        .args(["--save", "", "--appendonly", "no", "--loglevel", "warning"])
        .args(options);
    command
        .stdin(Stdio::null())
        .stdout(log.try_clone().expect("one more handle"))
        .stderr(log);
    let mut process = command.spawn().unwrap_or_else(|error| {
        panic!(
            "{} cannot be started ({error}); REDIS_SERVER may name another program",
            program.display()
        )
    });
    let deadline = Instant::now() + Duration::from_secs(10);
    while Instant::now() < deadline {
        if process
            .try_wait()
            .expect("wait for our own child")
            .is_some()
        {
            return None;
        }
        // Any answer will do, also that a password is wanted.
        let answers = connect(&socket, None)
            .is_ok_and(|mut redis| redis::cmd("PING").exec(&mut redis).is_ok_or_refused());
        if answers {
            return Some(process);
        }
        std::thread::sleep(Duration::from_millis(2));
    }
    let _ = process.kill();
    let _ = process.wait();
    None
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

fn log_of(directory: &Path) -> String {
    fs::read_to_string(directory.join("log")).unwrap_or_default()
}
