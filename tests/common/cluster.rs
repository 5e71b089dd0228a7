//! A real Redis Cluster for tests: three primaries with a replica each, in a directory of its own, on ports of the
//! loopback address. Nodes can be killed and slots moved; when the test program ends, however it ends, the nodes end.
//! `REDIS_CLI` names another program than that of the PATH.

use std::fs;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock};
use std::time::{Duration, Instant};

use super::eventually;
use super::launcher::{Folder, Process, log_of, on_a_free_port, socket_in};

/// As the cluster specification has it.
pub(crate) const SLOTS: u16 = 16384;

/// How long a node must be silent to count as dead. Small, but a busy machine must not make live nodes look dead.
pub(crate) const NODE_TIMEOUT: Duration = Duration::from_millis(1500);

/// A running cluster, until it is dropped.
#[derive(Debug)]
pub(crate) struct Cluster {
    nodes: Vec<Node>,
    /// Ends the nodes when this end of its pipe is closed.
    guard: Guard,
    folder: Folder,
}

#[derive(Debug)]
struct Node {
    port: u16,
    process: Mutex<Option<Process>>,
}

#[derive(Debug)]
struct Guard {
    process: Child,
    _pipe: ChildStdin,
}

/// A range of slots and who has it, by their ports.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Range {
    pub(crate) first: u16,
    pub(crate) last: u16,
    pub(crate) primary: u16,
    pub(crate) replicas: Vec<u16>,
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

    /// Who has which slots, as the node at `port` says.
    pub(crate) fn ranges(&self, port: u16) -> Vec<Range> {
        self.try_ranges(port).expect("CLUSTER SLOTS")
    }

    fn try_ranges(&self, port: u16) -> redis::RedisResult<Vec<Range>> {
        type Place = (String, u16);
        let mut ranges = Vec::new();
        for range in run::<Vec<Vec<redis::Value>>>(port, &["CLUSTER", "SLOTS"])? {
            let mut parts = range.into_iter();
            let mut number = || redis::from_redis_value(parts.next().unwrap_or(redis::Value::Nil));
            let (first, last) = (number()?, number()?);
            let mut ports = Vec::new();
            for node in parts {
                let redis::Value::Array(node) = node else {
                    continue;
                };
                let place: Place =
                    redis::from_redis_value(redis::Value::Array(node[..2].to_vec()))?;
                ports.push(place.1);
            }
            ranges.push(Range {
                first,
                last,
                primary: ports.remove(0),
                replicas: ports,
            });
        }
        ranges.sort_by_key(|range| range.first);
        Ok(ranges)
    }

    /// As the first live node that can tell says.
    pub(crate) fn layout(&self) -> Vec<Range> {
        let alive = self.alive();
        let mut told = alive.iter().filter_map(|port| self.try_ranges(*port).ok());
        told.find(|ranges| !ranges.is_empty()).expect("a live node")
    }

    /// The ports of the primaries, in the order of their slots.
    pub(crate) fn primaries(&self) -> Vec<u16> {
        let mut seen = Vec::new();
        for range in self.layout() {
            if !seen.contains(&range.primary) {
                seen.push(range.primary);
            }
        }
        seen
    }

    /// The port of the primary that has a slot.
    pub(crate) fn owner(&self, slot: u16) -> u16 {
        let ranges = self.layout();
        let has = |range: &&Range| (range.first..=range.last).contains(&slot);
        ranges.iter().find(has).expect("an owner").primary
    }

    /// The port of a primary that does not have a slot.
    pub(crate) fn other_owner(&self, slot: u16) -> u16 {
        let from = self.owner(slot);
        let mut others = self.primaries().into_iter().filter(|port| *port != from);
        others.next().expect("another primary")
    }

    /// The slot of a key, as Redis counts it.
    pub(crate) fn slot(&self, key: impl redis::ToRedisArgs) -> u16 {
        let mut raw = connect(self.alive()[0]).expect("a raw connection");
        let mut command = redis::cmd("CLUSTER");
        command.arg("KEYSLOT").arg(key);
        command.query(&mut raw).expect("CLUSTER KEYSLOT")
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

    /// Ends what a test left in the middle: a slot that is on its way to a node is not learnt by it.
    fn settle_moves(&self) {
        for port in self.alive() {
            let nodes: String = self.run(port, &["CLUSTER", "NODES"]);
            let open = nodes.split('[').skip(1);
            for slot in open.filter_map(|part| part.split('-').next()) {
                let _: () = self.run(port, &["CLUSTER", "SETSLOT", slot, "STABLE"]);
            }
        }
    }

    /// The ports of the replicas.
    pub(crate) fn replicas(&self) -> Vec<u16> {
        let ranges = self.layout().into_iter();
        let mut replicas: Vec<u16> = ranges.flat_map(|range| range.replicas).collect();
        replicas.sort();
        replicas.dedup();
        replicas
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

    /// Waits until the slots of a dead primary belong to another one; returns which, and when that was.
    pub(crate) fn wait_for_election(&self, dead: u16, slot: u16) -> (u16, Instant) {
        let started = Instant::now();
        loop {
            for port in self.alive() {
                let owner = |range: &Range| (range.first..=range.last).contains(&slot);
                let ranges = self.try_ranges(port).unwrap_or_default();
                let owner = ranges.iter().find(|range| owner(range));
                if let Some(owner) = owner.filter(|owner| owner.primary != dead) {
                    return (owner.primary, Instant::now());
                }
            }
            assert!(
                started.elapsed() < NODE_TIMEOUT + Duration::from_secs(30),
                "no replica of {dead} was promoted"
            );
            std::thread::sleep(Duration::from_millis(2));
        }
    }

    /// Begins to move a slot: from now on the old owner answers ASK for keys that it does not have.
    pub(crate) fn begin_move(&self, slot: u16, to: u16) {
        let from = self.owner(slot);
        let slot = slot.to_string();
        let _: () = self.run(
            to,
            &["CLUSTER", "SETSLOT", &slot, "IMPORTING", &self.id(from)],
        );
        let _: () = self.run(
            from,
            &["CLUSTER", "SETSLOT", &slot, "MIGRATING", &self.id(to)],
        );
    }

    /// Moves the keys of a slot whose move has begun.
    pub(crate) fn move_keys(&self, slot: u16, to: u16) {
        let (from, to) = (self.owner(slot), to.to_string());
        let slot = slot.to_string();
        loop {
            let keys: Vec<String> = self.run(from, &["CLUSTER", "GETKEYSINSLOT", &slot, "100"]);
            if keys.is_empty() {
                return;
            }
            let mut command = vec!["MIGRATE", "127.0.0.1", &to, "", "0", "5000", "KEYS"];
            command.extend(keys.iter().map(String::as_str));
            let _: String = self.run(from, &command);
        }
    }

    /// Ends a move, the new owner first, so that no node is left without one; then waits until all nodes know.
    pub(crate) fn end_move(&self, slot: u16, to: u16) {
        let (id, number) = (self.id(to), slot.to_string());
        let mut primaries = self.primaries();
        primaries.sort_by_key(|port| *port != to);
        for port in primaries {
            let _: () = self.run(port, &["CLUSTER", "SETSLOT", &number, "NODE", &id]);
        }
        let knows = |port| {
            let ranges = self.try_ranges(port).unwrap_or_default();
            let has = |range: &Range| (range.first..=range.last).contains(&slot);
            ranges.iter().any(|range| range.primary == to && has(range))
        };
        eventually("a slot at its new owner", || {
            self.alive().into_iter().all(knows)
        });
    }

    /// Moves a slot with all its keys.
    pub(crate) fn move_slot(&self, slot: u16, to: u16) {
        self.begin_move(slot, to);
        self.move_keys(slot, to);
        self.end_move(slot, to);
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

impl Range {
    fn len(&self) -> usize {
        usize::from(self.last - self.first) + 1
    }
}

impl Node {
    fn start(folder: &Path) -> Node {
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

    fn process(&self) -> MutexGuard<'_, Option<Process>> {
        self.process
            .lock()
            .unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        for port in self.alive() {
            self.kill(port);
        }
        let _ = self.guard.process.kill();
        let _ = self.guard.process.wait();
    }
}

impl Guard {
    /// A shell that waits for the end of this process, which closes the pipe.
    fn over(directory: &Path) -> Guard {
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
fn launch(folder: &Path, port: u16) -> Option<Process> {
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
