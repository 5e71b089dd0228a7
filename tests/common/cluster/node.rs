//! The processes of a cluster: its nodes, and the shell that ends them when the test program ends.

use std::fs;
use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, MutexGuard};
use std::time::Duration;

use super::run;
use crate::common::launcher::{Process, log_of, on_a_free_port};

/// How long a node must be silent to count as dead. Small, but a busy machine must not make live nodes look dead.
pub(crate) const NODE_TIMEOUT: Duration = Duration::from_millis(1500);

#[derive(Debug)]
pub(super) struct Node {
    pub(super) port: u16,
    process: Mutex<Option<Process>>,
}

#[derive(Debug)]
pub(super) struct Guard {
    process: Child,
    _pipe: ChildStdin,
}

impl Node {
    pub(super) fn start(folder: &Path) -> Node {
        let mut log = String::new();
        let launch = |port: u16| {
            let folder = folder.join(port.to_string());
            let process = launch(&folder, port);
            log = log_of(&folder);
            process
        };
        let started = on_a_free_port(free_port, launch);
        let Some((port, process)) = started else {
            panic!("no node started: {log}");
        };
        Node {
            port,
            process: Mutex::new(Some(process)),
        }
    }

    pub(super) fn process(&self) -> MutexGuard<'_, Option<Process>> {
        self.process
            .lock()
            .unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}

impl Guard {
    /// A shell that waits for the end of this process, which closes the pipe.
    pub(super) fn over(directory: &Path) -> Guard {
        const WAIT_AND_CLEAN: &str = "read _; kill -9 $(cat \"$0\"/*/pid); rm -rf \"$0\"";
        let mut command = Command::new("sh");
        command.args(["-c", WAIT_AND_CLEAN]).arg(directory);
        command
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        let mut process = command.spawn().expect("a shell");
        let pipe = process.stdin.take().expect("a pipe");
        Guard {
            process,
            _pipe: pipe,
        }
    }

    pub(super) fn end(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// A port below those that the system gives away by itself, with its twin for the cluster's own talk.
fn free_port() -> u16 {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    loop {
        let step = NEXT.fetch_add(1, Ordering::Relaxed);
        let port = 11_000 + ((std::process::id().wrapping_mul(97) + step) % 10_000) as u16;
        let is_free = |port| TcpListener::bind(("127.0.0.1", port)).is_ok();
        if is_free(port) && is_free(port + 10_000) {
            return port;
        }
    }
}

/// `None` when the server ended before it served, as it does when its port is taken.
pub(super) fn launch(folder: &Path, port: u16) -> Option<Process> {
    fs::create_dir_all(folder).expect("a folder for the node");
    let timeout = NODE_TIMEOUT.as_millis().to_string();
    let options = [
        "--port",
        &port.to_string(),
        // The guard reads it.
        "--pidfile",
        "pid",
        "--cluster-enabled",
        "yes",
        "--cluster-node-timeout",
        &timeout,
        "--cluster-replica-validity-factor",
        "0",
        "--cluster-migration-barrier",
        "100",
        "--repl-diskless-sync",
        "yes",
        "--repl-diskless-sync-delay",
        "0",
    ];
    // A server that loads its data answers as well.
    let answers = || run::<String>(port, &["CLUSTER", "MYID"]).is_ok();
    Process::start(folder, options, answers)
}
