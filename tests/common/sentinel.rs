//! Servers that sentinels watch over, for tests: a primary, replicas and real sentinels, each a process of its own
//! with its files in a directory that goes with it. They know each other from the start, so a failover can follow
//! at once. Killed by process id when dropped.

use std::fmt::Write as _;
use std::fs;
use std::sync::{Arc, Mutex, Weak};
use std::time::{Duration, Instant};

use redis_cache::Config;

use super::launcher::{Folder, Process, free_port};
use super::papers::Papers;
use super::server::Server;
use super::{PATIENCE, eventually};

/// What the sentinels call the primary.
pub(crate) const NAME: &str = "the-primary";

/// How many there are, and what they ask for.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Setup {
    pub(crate) sentinels: usize,
    pub(crate) replicas: usize,
    /// After so many milliseconds of silence a sentinel holds a server to be down. It asks every second, so with less
    /// than that it takes a new primary for a dead one.
    pub(crate) down_after: u32,
    pub(crate) password: Option<&'static str>,
    pub(crate) sentinel_password: Option<&'static str>,
    /// Whether servers and sentinels speak TLS, with everybody.
    pub(crate) secured: bool,
}

impl Default for Setup {
    fn default() -> Self {
        Setup {
            sentinels: 3,
            replicas: 2,
            down_after: 1500,
            password: None,
            sentinel_password: None,
            secured: false,
        }
    }
}

/// A watched primary and its replicas, until they are dropped.
#[derive(Debug)]
pub(crate) struct Watched {
    /// The first was the primary at the beginning.
    servers: Vec<Server>,
    sentinels: Vec<Sentinel>,
    setup: Setup,
    papers: Option<Arc<Papers>>,
}

/// One sentinel.
#[derive(Debug)]
pub(crate) struct Sentinel {
    process: Process,
    _folder: Folder,
    port: u16,
    /// The same, or one without TLS: the tests' own door.
    plain_port: u16,
    password: Option<&'static str>,
}

impl Watched {
    /// Three sentinels, a primary and two replicas.
    pub(crate) fn start() -> Watched {
        Watched::with(Setup::default())
    }

    pub(crate) fn with(setup: Setup) -> Watched {
        let papers = setup.secured.then(Papers::issue);
        let servers = servers(&setup, papers.as_ref());
        let ports: Vec<u16> = servers.iter().map(Server::port).collect();
        for _ in 0..20 {
            if let Some(sentinels) = launch(&setup, &ports, papers.as_deref()) {
                let watched = Watched {
                    servers,
                    sentinels,
                    setup,
                    papers,
                };
                watched.await_readiness();
                return watched;
            }
        }
        panic!("the sentinels did not start");
    }

    /// The group that tests with keys of their own may share. Nothing fails over there.
    pub(crate) fn shared() -> Arc<Watched> {
        static SHARED: Mutex<Weak<Watched>> = Mutex::new(Weak::new());
        let mut shared = SHARED
            .lock()
            .unwrap_or_else(|poisoned| poisoned.into_inner());
        shared.upgrade().unwrap_or_else(|| {
            let watched = Arc::new(Watched::with(Setup {
                down_after: 60_000,
                ..Setup::default()
            }));
            *shared = Arc::downgrade(&watched);
            watched
        })
    }

    /// The smallest group, for a test that wants a primary of its own.
    pub(crate) fn alone() -> Watched {
        Watched::with(Setup {
            sentinels: 1,
            replicas: 0,
            down_after: 60_000,
            ..Setup::default()
        })
    }

    fn await_readiness(&self) {
        let count = self.setup.replicas;
        // A replica is "online" for up to a second before it is sent anything: only its word that it has a write counts.
        eventually("the replicas are in step", || {
            let mut raw = self.first().raw();
            let key = ["are the replicas in step?"];
            let asked = redis::cmd("SET").arg(&key).arg(1).exec(&mut raw);
            let have: redis::RedisResult<usize> =
                redis::cmd("WAIT").arg(count).arg(3000).query(&mut raw);
            let removed = redis::cmd("DEL").arg(&key).exec(&mut raw);
            asked.and(removed).is_ok() && have.is_ok_and(|have| have >= count)
        });
        for sentinel in &self.sentinels {
            eventually("a sentinel sees that all are well", || {
                let quorum = sentinel.ask::<redis::Value>(&["SENTINEL", "CKQUORUM", NAME]);
                quorum.is_ok() && sentinel.replicas_that_are_well() == count
            });
        }
        // Tests count what was called.
        let _: () = self.first().run(&["CONFIG", "RESETSTAT"]);
    }

    /// A configuration with the locations and the name.
    pub(crate) fn config(&self) -> Config {
        let with_all = |config: Config, sentinel: &Sentinel| {
            config.server(&sentinel.url()).expect("a location")
        };
        let config = match &self.papers {
            None => Config::new(),
            Some(papers) => Config::new()
                .set("tls_ca", &papers.ca())
                .expect("an option"),
        };
        let config = self.sentinels.iter().fold(config, with_all);
        named(config)
    }

    /// The server that was the primary at the beginning.
    pub(crate) fn first(&self) -> &Server {
        &self.servers[0]
    }

    pub(crate) fn servers(&self) -> &[Server] {
        &self.servers
    }

    pub(crate) fn servers_mut(&mut self) -> &mut [Server] {
        &mut self.servers
    }

    pub(crate) fn sentinels(&self) -> &[Sentinel] {
        &self.sentinels
    }

    pub(crate) fn sentinels_mut(&mut self) -> &mut [Sentinel] {
        &mut self.sentinels
    }

    /// The place of the server that every sentinel names, if they agree.
    pub(crate) fn primary(&self) -> Option<usize> {
        let mut ports = self.sentinels.iter().map(Sentinel::port_of_primary);
        let first = ports.next()??;
        let agreed = ports.all(|port| port == Some(first));
        let place = |server: &Server| server.port() == first;
        self.servers.iter().position(place).filter(|_| agreed)
    }

    /// Waits for the sentinels to agree on another primary than the first; its place.
    #[track_caller]
    pub(crate) fn await_another_primary(&self) -> usize {
        let begun = Instant::now();
        loop {
            if let Some(place) = self.primary().filter(|place| *place != 0) {
                return place;
            }
            let told = || {
                self.sentinels
                    .iter()
                    .map(Sentinel::account)
                    .collect::<String>()
            };
            assert!(
                begun.elapsed() < PATIENCE,
                "the sentinels do not agree:\n{}",
                told()
            );
            std::thread::sleep(Duration::from_millis(3));
        }
    }

    /// Has a sentinel promote a replica.
    pub(crate) fn fail_over(&self) {
        // Refused while it has no replica in its books, or is still busy with the last one.
        eventually("a sentinel begins a failover", || {
            let begun = self.sentinels[0].ask::<String>(&["SENTINEL", "FAILOVER", NAME]);
            begun.is_ok()
        });
    }
}

/// The options that the sentinels' locations need beside them.
pub(crate) fn named(config: Config) -> Config {
    let config = config.set("topology", "sentinel").expect("an option");
    config.set("sentinel_name", NAME).expect("an option")
}

fn servers(setup: &Setup, papers: Option<&Arc<Papers>>) -> Vec<Server> {
    let start = |options: &[&str]| match papers {
        None => Server::with(options),
        Some(papers) => Server::secured(papers, options),
    };
    let mut options = vec!["--repl-diskless-sync-delay", "0"];
    if let Some(password) = setup.password {
        options.extend(["--requirepass", password, "--masterauth", password]);
    }
    let primary = start(&options);
    let port = primary.port().to_string();
    options.extend(["--replicaof", "127.0.0.1", &port]);
    let replicas: Vec<_> = (0..setup.replicas).map(|_| start(&options)).collect();
    [primary].into_iter().chain(replicas).collect()
}

/// `None` when one of them does not come up, as when its port is taken: another group's sentinel may answer there then.
fn launch(setup: &Setup, servers: &[u16], papers: Option<&Papers>) -> Option<Vec<Sentinel>> {
    // Each its own: two that are asked for at different times may be the same.
    let mut ports = Vec::new();
    while ports.len() < setup.sentinels {
        let port = free_port();
        if !ports.contains(&port) {
            ports.push(port);
        }
    }
    let sentinels: Vec<_> = (0..ports.len())
        .map(|own| Sentinel::launch(setup, &ports, own, servers, papers))
        .collect();
    let started = Instant::now();
    while started.elapsed() < Duration::from_secs(30) {
        let named: Vec<_> = sentinels.iter().map(Sentinel::port_of_primary).collect();
        if named.iter().flatten().any(|port| *port != servers[0]) {
            return None;
        }
        if named.iter().all(Option::is_some) {
            return Some(sentinels);
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    None
}

impl Sentinel {
    fn launch(
        setup: &Setup,
        ports: &[u16],
        own: usize,
        servers: &[u16],
        papers: Option<&Papers>,
    ) -> Sentinel {
        let folder = Folder::new("sentinel");
        let file = folder.path().join("sentinel.conf");
        let plain_port = papers.map_or(ports[own], |_| free_port());
        let text =
            listening(ports[own], plain_port, papers) + &settings(setup, ports, own, servers);
        fs::write(file, text).expect("a file of settings");
        let process = Process::spawn(folder.path(), ["sentinel.conf", "--sentinel"]);
        Sentinel {
            process,
            _folder: folder,
            port: ports[own],
            plain_port,
            password: setup.sentinel_password,
        }
    }

    pub(crate) fn url(&self) -> String {
        let is_plain = self.port == self.plain_port;
        let scheme = if is_plain { "redis" } else { "rediss" };
        format!("{scheme}://127.0.0.1:{}", self.port)
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// Stops it in the middle of whatever it does; connections to it go on being accepted.
    pub(crate) fn freeze(&self) {
        self.process.freeze();
    }

    pub(crate) fn thaw(&self) {
        self.process.thaw();
    }

    pub(crate) fn kill(&mut self) {
        self.process.kill();
    }

    /// Runs one command.
    pub(crate) fn ask<T: redis::FromRedisValue>(&self, command: &[&str]) -> redis::RedisResult<T> {
        let login = self.password.map(|password| format!(":{password}@"));
        let url = format!(
            "redis://{}127.0.0.1:{}",
            login.unwrap_or_default(),
            self.plain_port
        );
        let client = redis::Client::open(url)?;
        let mut connection = client.get_connection_with_timeout(Duration::from_secs(1))?;
        connection.set_read_timeout(Some(Duration::from_secs(1)))?;
        let mut packed = redis::Cmd::new();
        command.iter().for_each(|part| {
            packed.arg(*part);
        });
        packed.query(&mut connection)
    }

    pub(crate) fn port_of_primary(&self) -> Option<u16> {
        let command = ["SENTINEL", "GET-MASTER-ADDR-BY-NAME", NAME];
        let (_, port) = self.ask::<Option<(String, u16)>>(&command).ok()??;
        Some(port)
    }

    /// What it thinks, for the reader of a test that failed.
    fn account(&self) -> String {
        let asked = [
            &["INFO", "sentinel"][..],
            &["SENTINEL", "MASTER", NAME],
            &["SENTINEL", "REPLICAS", NAME],
        ];
        let answer =
            |command: &[&str]| format!("{}: {:?}\n", self.port, self.ask::<redis::Value>(command));
        asked.into_iter().map(answer).collect()
    }

    /// How many replicas it holds to be up and in step.
    pub(crate) fn replicas_that_are_well(&self) -> usize {
        type Fields = std::collections::HashMap<String, String>;
        let replicas: Vec<Fields> = self
            .ask(&["SENTINEL", "REPLICAS", NAME])
            .unwrap_or_default();
        let is_well =
            |fields: &&Fields| fields["flags"] == "slave" && fields["master-link-status"] == "ok";
        replicas.iter().filter(is_well).count()
    }
}

/// Where a sentinel listens, and how it speaks to others.
fn listening(port: u16, plain_port: u16, papers: Option<&Papers>) -> String {
    let mut text = format!("bind 127.0.0.1\nport {plain_port}\nprotected-mode no\n");
    for (name, value) in papers.iter().flat_map(|papers| papers.options()) {
        writeln!(text, "{name} {value}").expect("text grows");
    }
    if plain_port != port {
        writeln!(text, "tls-port {port}").expect("text grows");
    }
    text
}

/// The rest of the file that a sentinel starts from, and writes its own findings to.
fn settings(setup: &Setup, ports: &[u16], own: usize, servers: &[u16]) -> String {
    let id = |place: usize| format!("{:040x}", 1 + place);
    let mut text = String::new();
    let mut line = |words: std::fmt::Arguments<'_>| {
        writeln!(text, "{words}").expect("text grows");
    };
    if let Some(password) = setup.sentinel_password {
        line(format_args!("requirepass {password}"));
        line(format_args!("sentinel sentinel-pass {password}"));
    }
    let quorum = setup.sentinels / 2 + 1;
    line(format_args!("sentinel myid {}", id(own)));
    line(format_args!(
        "sentinel monitor {NAME} 127.0.0.1 {} {quorum}",
        servers[0]
    ));
    line(format_args!(
        "sentinel down-after-milliseconds {NAME} {}",
        setup.down_after
    ));
    line(format_args!("sentinel failover-timeout {NAME} 3000"));
    line(format_args!("sentinel parallel-syncs {NAME} 2"));
    if let Some(password) = setup.password {
        line(format_args!("sentinel auth-pass {NAME} {password}"));
    }
    for replica in &servers[1..] {
        line(format_args!(
            "sentinel known-replica {NAME} 127.0.0.1 {replica}"
        ));
    }
    for (place, port) in ports.iter().enumerate().filter(|(place, _)| *place != own) {
        line(format_args!(
            "sentinel known-sentinel {NAME} 127.0.0.1 {port} {}",
            id(place)
        ));
    }
    text
}
