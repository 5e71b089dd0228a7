//! One kind of store for one test: caches over it with keys of the test's own, and a look behind the library at
//! what a server really holds. The behaviour suite runs each case over every [`Backend`].

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;

use redis_cache::{Cache, Config};

use super::cluster::{self, Cluster};
use super::fleet::Fleet;
use super::launcher::lacks_tls;
use super::papers::Papers;
use super::sentinel::Watched;
use super::server::Server;

/// Where bytes go and how: everything that must behave alike.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Backend {
    Memory,
    Tcp,
    Unix,
    Resp2,
    Resp3,
    RedisParser,
    Near,
    Connector,
    Tls,
    Sentinel,
    Primary,
    Ring,
    Cluster,
}

impl Backend {
    /// Whether the server at hand cannot be had that way; the tests say so in a line.
    pub(crate) fn is_left_out(self) -> bool {
        self == Backend::Tls && lacks_tls()
    }
}

/// A store, and keys in it that no other test uses.
#[derive(Debug)]
pub(crate) struct Fixture {
    pub(crate) backend: Backend,
    space: String,
    place: Place,
    /// One cache has been given a near cache.
    is_near: AtomicBool,
}

/// What is behind the cache.
#[derive(Debug)]
enum Place {
    Memory,
    Server(Arc<Server>),
    Watched(Arc<Watched>),
    Fleet(Arc<Fleet>),
    Cluster(Arc<Cluster>),
}

impl Fixture {
    /// On the server that other tests use as well.
    pub(crate) fn new(backend: Backend) -> Fixture {
        let place = match backend {
            Backend::Memory => Place::Memory,
            Backend::Sentinel => Place::Watched(Watched::shared()),
            Backend::Primary => Place::Fleet(Fleet::shared_primary()),
            Backend::Ring => Place::Fleet(Fleet::shared_ring()),
            Backend::Cluster => Place::Cluster(Cluster::shared()),
            Backend::Tls => Place::Server(Server::shared_secured()),
            _ => Place::Server(Server::shared()),
        };
        Fixture {
            backend,
            space: unique_name(),
            place,
            is_near: AtomicBool::new(false),
        }
    }

    /// The same kind of store, for this test alone.
    pub(crate) fn alone(&self) -> Fixture {
        let place = match self.backend {
            Backend::Memory => Place::Memory,
            Backend::Sentinel => Place::Watched(Arc::new(Watched::alone())),
            Backend::Primary => Place::Fleet(Arc::new(Fleet::replicated(1))),
            Backend::Ring => Place::Fleet(Arc::new(Fleet::ring(3))),
            Backend::Cluster => Place::Cluster(Arc::new(Cluster::start())),
            Backend::Tls => Place::Server(Arc::new(Server::secured(&Papers::issue(), &[]))),
            _ => Place::Server(Arc::new(Server::start())),
        };
        Fixture {
            backend: self.backend,
            space: unique_name(),
            place,
            is_near: AtomicBool::new(false),
        }
    }

    /// A configuration with the location and nothing else: the prefix is empty.
    pub(crate) fn bare_config(&self) -> Config {
        let at = |url: String| Config::new().server(&url).expect("a location");
        let server = match &self.place {
            Place::Memory => return at(format!("memory://{}", self.space)),
            Place::Watched(watched) => return watched.config(),
            Place::Fleet(fleet) => return fleet.config(),
            Place::Cluster(cluster) => {
                let config = at(Cluster::url(cluster.alive()[0]));
                return config.set("topology", "cluster").expect("an option");
            }
            Place::Server(server) => server,
        };
        match self.backend {
            Backend::Unix => at(server.unix()),
            Backend::Resp2 => at(server.tcp()).set("protocol", "2").expect("an option"),
            Backend::Resp3 => at(server.tcp()).set("protocol", "3").expect("an option"),
            Backend::RedisParser => at(server.tcp()).set("parser", "redis").expect("an option"),
            // What one cache writes the others hear of a moment later: only the first one keeps anything near.
            Backend::Near if !self.is_near.swap(true, Ordering::Relaxed) => {
                let near = at(server.tcp()).set("near", "4m").expect("an option");
                near.set("near_max_lag", "0s").expect("an option")
            }
            Backend::Connector => at(server.tcp()).connector(|info| {
                let client = redis::Client::open(info.clone())?;
                let connection = client.get_connection_with_timeout(Duration::from_secs(1))?;
                connection.set_read_timeout(Some(Duration::from_secs(1)))?;
                Ok(connection)
            }),
            _ => at(server.tcp()),
        }
    }

    /// A configuration whose keys are this test's own. The budget is wide: these tests are not about time.
    pub(crate) fn config(&self) -> Config {
        let config = self
            .bare_config()
            .set("prefix", &self.space)
            .expect("a prefix");
        let config = config.set("timeout", "20s").expect("an option");
        // What is timed goes another way, on which all must be the same.
        let is_timed = matches!(self.backend, Backend::Resp3 | Backend::Ring);
        let config = config.latencies(is_timed);
        config
            .set("pool_timeout", "20s")
            .expect("an option")
            .set("connect_timeout", "20s")
            .expect("an option")
    }

    pub(crate) fn cache(&self) -> Cache {
        self.cache_with(&[])
    }

    pub(crate) fn cache_with(&self, options: &[(&str, &str)]) -> Cache {
        let config = options.iter().fold(self.config(), |config, (name, value)| {
            config
                .set(name, value)
                .unwrap_or_else(|error| panic!("{name}={value}: {error}"))
        });
        config.connect().expect("a cache")
    }

    /// The prefix of this test's keys; letters, digits and dashes only.
    pub(crate) fn space(&self) -> &str {
        &self.space
    }

    /// The server that has all keys.
    pub(crate) fn server(&self) -> &Server {
        match (&self.place, self.servers().as_slice()) {
            (Place::Fleet(_), [primary, ..]) if self.backend == Backend::Primary => primary,
            (_, [server]) => server,
            _ => panic!("this case is for one server"),
        }
    }

    /// The servers that have the keys, or copies of them.
    pub(crate) fn servers(&self) -> Vec<&Server> {
        match &self.place {
            Place::Memory | Place::Cluster(_) => Vec::new(),
            Place::Server(server) => vec![server],
            Place::Watched(watched) => vec![watched.first()],
            Place::Fleet(fleet) => fleet.servers.iter().collect(),
        }
    }

    /// How often the servers that have the keys were called so.
    pub(crate) fn calls(&self, command: &str) -> u64 {
        if let Place::Cluster(cluster) = &self.place {
            let calls = |port| cluster.calls(port, command);
            return cluster.primaries().into_iter().map(calls).sum();
        }
        let servers = self.servers().into_iter();
        servers.map(|server| server.calls(command)).sum()
    }

    /// The server that has this key of a version.
    fn holder(&self, key: &str, version: u64) -> &Server {
        if self.backend != Backend::Ring {
            return self.server();
        }
        let place = self.cache().version(version).where_is(key);
        let place = place.expect("a node");
        let is_it = |server: &&Server| place.ends_with(&format!(":{}", server.port()));
        self.servers().into_iter().find(is_it).expect("that node")
    }

    /// The port of the server that has this key.
    pub(crate) fn port_of(&self, key: &str) -> u16 {
        match &self.place {
            Place::Cluster(cluster) => cluster.owner(cluster.slot(self.wire_key(key))),
            _ => self.holder(key, 1).port(),
        }
    }

    /// A connection, not through the library under test, to the server that has this key of a version.
    fn raw(&self, key: &str, version: u64) -> redis::Connection {
        match &self.place {
            Place::Cluster(cluster) => {
                let wire_key = format!("{}:{version}:{key}", self.space);
                let owner = cluster.owner(cluster.slot(wire_key));
                cluster::connect(owner).expect("a raw connection")
            }
            _ => self.holder(key, version).raw(),
        }
    }

    /// The key as the server knows it.
    pub(crate) fn wire_key(&self, key: &str) -> String {
        format!("{}:1:{key}", self.space)
    }

    /// Puts bytes under a key behind the library's back.
    pub(crate) fn plant(&self, key: &str, bytes: &[u8]) {
        let mut raw = self.raw(key, 1);
        redis::cmd("SET")
            .arg(self.wire_key(key))
            .arg(bytes)
            .exec(&mut raw)
            .expect("SET");
        send_news(&mut raw);
    }

    /// Makes the key a list, which no operation of a cache can use.
    pub(crate) fn plant_list(&self, key: &str) {
        let mut raw = self.raw(key, 1);
        redis::cmd("RPUSH")
            .arg(self.wire_key(key))
            .arg("item")
            .exec(&mut raw)
            .expect("RPUSH");
        send_news(&mut raw);
    }

    /// The bytes that stand under a key.
    pub(crate) fn stored(&self, key: &str) -> Option<Vec<u8>> {
        redis::cmd("GET")
            .arg(self.wire_key(key))
            .query(&mut self.raw(key, 1))
            .expect("GET")
    }

    /// Milliseconds left, as Redis says it: -1 for ever, -2 no such key.
    pub(crate) fn pttl(&self, key: &str) -> i64 {
        self.pttl_at(key, 1)
    }

    /// The same of another version.
    pub(crate) fn pttl_at(&self, key: &str, version: u64) -> i64 {
        redis::cmd("PTTL")
            .arg(format!("{}:{version}:{key}", self.space))
            .query(&mut self.raw(key, version))
            .expect("PTTL")
    }
}

/// A name that no other test, and no other process, uses.
pub(crate) fn unique_name() -> String {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    format!(
        "t{}-{}",
        std::process::id(),
        NEXT.fetch_add(1, Ordering::Relaxed)
    )
}

/// When a server answers this, its news of what was written before is on its way.
fn send_news(raw: &mut redis::Connection) {
    redis::cmd("PING").exec(raw).expect("PING");
}
