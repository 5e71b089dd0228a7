//! A real Redis Cluster for tests: three primaries with a replica each, in a directory of its own, on ports of the
//! loopback address. Nodes can be killed and slots moved; when the test program ends, however it ends, the nodes end.
//! `REDIS_CLI` names another program than that of the PATH.

mod node;
mod slots;

use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use super::eventually;
use super::launcher::{Folder, socket_in};

pub(crate) use node::NODE_TIMEOUT;
use node::{Guard, Node, launch};
pub(crate) use slots::{Range, SLOTS};

/// A running cluster, until it is dropped.
#[derive(Debug)]
pub(crate) struct Cluster {
    nodes: Vec<Node>,
    /// Ends the nodes when this end of its pipe is closed.
    guard: Guard,
    folder: Folder,
}

impl Cluster {
    /// A cluster of the caller's own.
    pub(crate) fn start() -> Cluster {
        let folder = Folder::new("cluster");
        let guard = Guard::over(folder.path());
        let nodes = (0..6).map(|_| Node::start(folder.path())).collect();
        let cluster = Cluster {
            nodes,
            guard,
            folder,
        };
        cluster.join();
        cluster
    }

    /// The cluster that tests with keys of their own may share; it lives as long as the test program.
    pub(crate) fn shared() -> Arc<Cluster> {
        static SHARED: OnceLock<Arc<Cluster>> = OnceLock::new();
        Arc::clone(SHARED.get_or_init(|| Arc::new(Cluster::start())))
    }

    fn join(&self) {
        let program = std::env::var_os("REDIS_CLI").unwrap_or_else(|| "redis-cli".into());
        let mut command = Command::new(program);
        command.args(["--cluster", "create"]);
        command.args(
            self.nodes
                .iter()
                .map(|node| format!("127.0.0.1:{}", node.port)),
        );
        command.args(["--cluster-replicas", "1", "--cluster-yes"]);
        let output = command.output().expect("redis-cli can be started");
        assert!(
            output.status.success(),
            "redis-cli --cluster create: {}",
            String::from_utf8_lossy(&output.stdout)
        );
        self.wait_until_whole();
    }

    /// Waits until every node agrees that every slot is served and every primary has its replicas, in step.
    pub(crate) fn wait_until_whole(&self) {
        let alive = self.alive();
        let replicas = alive.len() - 3;
        let started = Instant::now();
        let is_whole = || {
            alive.iter().all(|port| {
                let Ok(ranges) = self.try_ranges(*port) else {
                    return false;
                };
                let slots: usize = ranges.iter().map(Range::len).sum();
                let mut attached: Vec<_> =
                    ranges.iter().flat_map(|range| &range.replicas).collect();
                attached.sort();
                attached.dedup();
                let info: String = run(*port, &["CLUSTER", "INFO"]).unwrap_or_default();
                let role: String = run(*port, &["INFO", "replication"]).unwrap_or_default();
                let has_data = ["role:master", "master_link_status:up"];
                slots == usize::from(SLOTS)
                    && attached.len() == replicas
                    && info.contains("cluster_state:ok")
                    && has_data.iter().any(|state| role.contains(state))
            })
        };
        while !is_whole() {
            let waited = started.elapsed();
            assert!(
                waited < Duration::from_secs(60),
                "never a whole cluster: {:#?}",
                self.views()
            );
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// Waits until the replicas have what the primaries have.
    pub(crate) fn wait_for_replicas(&self) {
        eventually("replicas in step", || {
            let offsets = |port| -> Vec<u64> {
                let info: String = self.run(port, &["INFO", "replication"]);
                let parts = info.split([',', '\r']);
                let offset = |part: &str| {
                    let names = ["\nmaster_repl_offset:", "offset="];
                    let digits = names.iter().find_map(|name| part.strip_prefix(name))?;
                    digits.parse().ok()
                };
                parts.filter_map(offset).collect()
            };
            let in_step = |port| {
                let offsets = offsets(port);
                offsets.len() > 1 && offsets.iter().all(|offset| *offset == offsets[0])
            };
            self.primaries().into_iter().all(in_step)
        });
    }

    /// What every node thinks of the cluster.
    fn views(&self) -> Vec<String> {
        let view =
            |port| run(port, &["CLUSTER", "NODES"]).unwrap_or_else(|error| error.to_string());
        self.alive().into_iter().map(view).collect()
    }

    /// The ports of all nodes that were not killed.
    pub(crate) fn alive(&self) -> Vec<u16> {
        let alive = |node: &&Node| node.process().is_some();
        self.nodes
            .iter()
            .filter(alive)
            .map(|node| node.port)
            .collect()
    }

    /// Runs one command on one node.
    pub(crate) fn run<T: redis::FromRedisValue>(&self, port: u16, command: &[&str]) -> T {
        run(port, command).unwrap_or_else(|error| panic!("{port}: {command:?}: {error}"))
    }

    pub(crate) fn id(&self, port: u16) -> String {
        self.run(port, &["CLUSTER", "MYID"])
    }

    /// A location on the node at `port`.
    pub(crate) fn url(port: u16) -> String {
        format!("redis://127.0.0.1:{port}")
    }

    /// Every node as a location.
    pub(crate) fn urls(&self) -> String {
        let urls: Vec<_> = self
            .nodes
            .iter()
            .map(|node| Cluster::url(node.port))
            .collect();
        urls.join(",")
    }

    /// Ends a node as a crash would: at once.
    pub(crate) fn kill(&self, port: u16) {
        let node = self.node(port);
        // Before the process is gone: its number may be given to another.
        let _ = fs::remove_file(self.folder_of(port).join("pid"));
        let mut process = node.process().take().expect("a node that runs");
        process.kill();
    }

    /// Starts a node again that was killed. It knows its cluster, and has no data until its primary gives it some.
    pub(crate) fn start_again(&self, port: u16) {
        let node = self.node(port);
        let process = launch(&self.folder_of(port), port).expect("a node starts again");
        *node.process() = Some(process);
    }

    /// Starts what was killed, and waits until the cluster is whole.
    pub(crate) fn heal(&self) {
        let dead = |node: &&Node| node.process().is_none();
        let dead: Vec<u16> = self
            .nodes
            .iter()
            .filter(dead)
            .map(|node| node.port)
            .collect();
        dead.into_iter().for_each(|port| self.start_again(port));
        self.settle_moves();
        self.wait_until_whole();
    }

    /// How often a node gave that error, by its code.
    pub(crate) fn errors(&self, port: u16, code: &str) -> u64 {
        self.counted(port, "errorstats", &format!("errorstat_{code}:count="))
    }

    /// How often a node was called so.
    pub(crate) fn calls(&self, port: u16, command: &str) -> u64 {
        self.counted(port, "commandstats", &format!("cmdstat_{command}:calls="))
    }

    fn counted(&self, port: u16, section: &str, name: &str) -> u64 {
        let info: String = self.run(port, &["INFO", section]);
        let line = info.lines().find_map(|line| line.strip_prefix(name));
        let digits = line.and_then(|rest| rest.split(',').next());
        digits.map_or(0, |digits| digits.parse().expect("a count"))
    }

    /// Stops a node in the middle of whatever it does; it keeps its sockets.
    pub(crate) fn freeze(&self, port: u16) {
        let process = self.node(port).process();
        process.as_ref().expect("a node that runs").freeze();
    }

    pub(crate) fn thaw(&self, port: u16) {
        let process = self.node(port).process();
        process.as_ref().expect("a node that runs").thaw();
    }

    /// The node's Unix socket.
    pub(crate) fn socket(&self, port: u16) -> PathBuf {
        socket_in(&self.folder_of(port))
    }

    fn folder_of(&self, port: u16) -> PathBuf {
        self.folder.path().join(port.to_string())
    }

    fn node(&self, port: u16) -> &Node {
        let same = |node: &&Node| node.port == port;
        self.nodes
            .iter()
            .find(same)
            .expect("a node of this cluster")
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        for port in self.alive() {
            self.kill(port);
        }
        self.guard.end();
    }
}

pub(crate) fn connect(port: u16) -> redis::RedisResult<redis::Connection> {
    let client = redis::Client::open(Cluster::url(port))?;
    let connection = client.get_connection_with_timeout(Duration::from_secs(1))?;
    connection.set_read_timeout(Some(Duration::from_secs(5)))?;
    Ok(connection)
}

fn run<T: redis::FromRedisValue>(port: u16, command: &[&str]) -> redis::RedisResult<T> {
    let mut packed = redis::Cmd::new();
    for part in command {
        packed.arg(*part);
    }
    packed.query(&mut connect(port)?)
}
