//! The one way to start a redis-server: `REDIS_SERVER` names the program, otherwise it is the one of the PATH. Each
//! runs in a folder of its own and is killed by its process id. The unit tests of the library and the bench include
//! this file too.

#![allow(dead_code, reason = "every program uses its own part of this")]

use std::ffi::{OsStr, OsString};
use std::fs::{self, File};
use std::io::Write;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

/// How long a server may take until it serves.
const PATIENCE: Duration = Duration::from_secs(60);

/// A new folder, removed when it is dropped.
#[derive(Debug)]
pub(crate) struct Folder(PathBuf);

impl Folder {
    /// `kind` tells folders apart for who looks at what a killed program has left.
    pub(crate) fn new(kind: &str) -> Folder {
        static MADE: AtomicU32 = AtomicU32::new(0);
        let number = MADE.fetch_add(1, Ordering::Relaxed);
        let name = format!("rct-{kind}-{}-{number}", std::process::id());
        let path = std::env::temp_dir().join(name);
        fs::create_dir_all(&path).expect("a folder of one's own");
        Folder(path)
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// A redis-server, or what has become of it; killed when it is dropped.
#[derive(Debug)]
pub(crate) struct Process(Child);

impl Process {
    /// A server of data on a port (options say with or without TLS) and on a socket, with nothing on disk. `None`
    /// when it ended before it served, as it does when its port is taken. Options that come later count.
    pub(crate) fn start(
        folder: &Path,
        options: impl IntoIterator<Item = impl AsRef<OsStr>>,
        mut serves: impl FnMut() -> bool,
    ) -> Option<Process> {
        let socket = socket_in(folder);
        let _ = fs::remove_file(&socket);
        let mut all: Vec<OsString> = ["--save", "", "--appendonly", "no", "--daemonize", "no"]
            .map(OsString::from)
            .into();
        all.extend(["--bind", "127.0.0.1", "--dir"].map(OsString::from));
        all.push(folder.into());
        all.extend(["--unixsocket".into(), socket.into()]);
        all.extend(options.into_iter().map(|option| option.as_ref().to_owned()));
        let mut process = Process::spawn(folder, all);
        let started = Instant::now();
        while started.elapsed() < PATIENCE {
            let ended = process.0.try_wait().expect("wait for our own child");
            if ended.is_some() {
                return None;
            }
            if serves() {
                return Some(process);
            }
            std::thread::sleep(Duration::from_millis(2));
        }
        None
    }

    /// The program with just these arguments. What it says is in the folder's `log`.
    pub(crate) fn spawn(
        folder: &Path,
        arguments: impl IntoIterator<Item = impl AsRef<OsStr>>,
    ) -> Process {
        let program = std::env::var_os("REDIS_SERVER").unwrap_or_else(|| "redis-server".into());
        let log = File::create(folder.join("log")).expect("a log file");
        let started = Command::new(&program)
            .args(arguments)
            .current_dir(folder)
            .stdin(Stdio::null())
            .stdout(log.try_clone().expect("one more handle"))
            .stderr(log)
            .spawn();
        Process(started.unwrap_or_else(|error| {
            panic!(
                "{} cannot be started ({error}); REDIS_SERVER may name another program",
                program.display()
            )
        }))
    }

    /// As a crash would end it: at once, with all data.
    pub(crate) fn kill(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }

    /// Stops it in the middle of whatever it does; connections to it go on being accepted.
    pub(crate) fn freeze(&self) {
        self.signal(libc::SIGSTOP);
    }

    pub(crate) fn thaw(&self) {
        self.signal(libc::SIGCONT);
    }

    pub(crate) fn signal(&self, signal: libc::c_int) {
        let id = libc::pid_t::try_from(self.0.id()).expect("a process id");
        // SAFETY: a plain call; the process is our child, so its id is its own until it is waited for.
        assert_eq!(unsafe { libc::kill(id, signal) }, 0);
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
    }
}

/// A script that says when a key expires, in Unix milliseconds, or -1 for never. A server before 7.0 does not tell it to
/// the millisecond; then it is 1 for any time.
pub(crate) const EXPIRES_AT: &str = "local at = redis.pcall('PEXPIRETIME', KEYS[1]) \
     if type(at) == 'number' then return at end \
     return math.min(1, redis.call('PTTL', KEYS[1]))";

/// These words of an option and its value, or none for a server that is too old to know, or to need, it.
pub(crate) fn where_known<'a>(words: &'a [&'a str; 2]) -> &'a [&'a str] {
    match knows(words[0].trim_start_matches('-'), words[1]) {
        true => words,
        false => &[],
    }
}

/// Whether the server's program knows an option of redis-server. It is started with another one that none knows, so it
/// ends at once and names the first that it does not know.
pub(crate) fn knows(option: &str, value: &str) -> bool {
    let folder = Folder::new("options");
    let option = format!("--{option}");
    let mut process = Process::spawn(folder.path(), [&option, value, "--no-such-option", "1"]);
    let ended = process.0.wait().expect("wait for our own child");
    assert!(!ended.success(), "a server that knows every option");
    !log_of(folder.path()).contains(&format!(">>> '{}", &option[2..]))
}

/// Whether a test about TLS is left out, which it then says: the server's program was built without. Asked for TLS
/// without certificates, every program ends at once: Redis does not know the option then, Valkey finds no support.
pub(crate) fn lacks_tls() -> bool {
    static LACKS: OnceLock<bool> = OnceLock::new();
    let say = "left out: the tests with TLS, for this redis-server was built without\n";
    *LACKS.get_or_init(|| {
        let folder = Folder::new("tls");
        let options = ["--port", "0", "--tls-port", "1", "--unixsocket", "socket"];
        let ended = Process::spawn(folder.path(), options).0.wait();
        assert!(!ended.expect("wait for our own child").success());
        let said = log_of(folder.path());
        let lacks = ["Bad directive", "Failed finding TLS support"];
        let lacks = lacks.iter().any(|text| said.contains(text));
        // Past the harness, which keeps what passing tests print.
        let _ = lacks && std::io::stderr().write_all(say.as_bytes()).is_ok();
        lacks
    })
}

/// Where the server of a folder has its socket.
pub(crate) fn socket_in(folder: &Path) -> PathBuf {
    folder.join("redis.sock")
}

/// What the server of a folder said.
pub(crate) fn log_of(folder: &Path) -> String {
    fs::read_to_string(folder.join("log")).unwrap_or_default()
}

/// Starts something on a free port: somebody else may take it between its choice and its use, then another is tried.
pub(crate) fn on_a_free_port<Started>(
    mut choose: impl FnMut() -> u16,
    mut start: impl FnMut(u16) -> Option<Started>,
) -> Option<(u16, Started)> {
    (0..20).find_map(|_| {
        let port = choose();
        Some((port, start(port)?))
    })
}

/// A port of the loopback address that nothing listens on just now.
pub(crate) fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    listener.local_addr().expect("its number").port()
}
