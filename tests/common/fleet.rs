//! Several servers for one cache: equals that share the keys, or a primary with its replicas.

use std::net::TcpStream;
use std::sync::{Arc, Mutex, Weak};

use redis_cache::Config;

use super::eventually;
use super::server::Server;

/// Running servers, until they are dropped.
#[derive(Debug)]
pub(crate) struct Fleet {
    pub(crate) servers: Vec<Server>,
    is_ring: bool,
}

impl Fleet {
    /// So many servers that know nothing of each other.
    pub(crate) fn ring(count: usize) -> Fleet {
        Fleet {
            servers: (0..count).map(|_| Server::start()).collect(),
            is_ring: true,
        }
    }

    /// A primary, the first one, and so many replicas that are in step with it.
    pub(crate) fn replicated(replicas: usize) -> Fleet {
        let quick = ["--repl-diskless-sync-delay", "0"];
        let primary = Server::with(&quick);
        let port = primary.port().to_string();
        let options = [&quick[..], &["--replicaof", "127.0.0.1", &port]].concat();
        let replicas = (0..replicas).map(|_| Server::with(&options));
        let fleet = Fleet {
            servers: [primary].into_iter().chain(replicas).collect(),
            is_ring: false,
        };
        fleet.await_replicas(0, fleet.servers.len() - 1);
        fleet
    }

    /// The ring of three that tests with keys of their own may share.
    pub(crate) fn shared_ring() -> Arc<Fleet> {
        static SHARED: Mutex<Weak<Fleet>> = Mutex::new(Weak::new());
        shared(&SHARED, || Fleet::ring(3))
    }

    /// The same of a primary with two replicas.
    pub(crate) fn shared_primary() -> Arc<Fleet> {
        static SHARED: Mutex<Weak<Fleet>> = Mutex::new(Weak::new());
        shared(&SHARED, || Fleet::replicated(2))
    }

    /// All locations and what tells the servers apart.
    pub(crate) fn config(&self) -> Config {
        let with = |config: Config, server: &Server| config.server(&server.tcp()).expect("a URL");
        let config = self.servers.iter().fold(Config::new(), with);
        if self.is_ring {
            config
        } else {
            config.primary(format!("127.0.0.1:{}", self.servers[0].port()))
        }
    }

    /// Waits until so many replicas follow the server at `place` closely.
    pub(crate) fn await_replicas(&self, place: usize, count: usize) {
        eventually("the replicas are in step", || {
            let info: String = self.servers[place].run(&["INFO", "replication"]);
            info.matches("state=online").count() == count
        });
    }

    /// Makes the server at `place` the primary of all that run.
    pub(crate) fn promote(&self, place: usize) {
        let port = self.servers[place].port().to_string();
        let _: String = self.servers[place].run(&["REPLICAOF", "NO", "ONE"]);
        for (other, server) in self.servers.iter().enumerate() {
            if other != place && runs(server) {
                let _: String = server.run(&["REPLICAOF", "127.0.0.1", &port]);
            }
        }
    }
}

fn runs(server: &Server) -> bool {
    TcpStream::connect(("127.0.0.1", server.port())).is_ok()
}

fn shared(slot: &Mutex<Weak<Fleet>>, start: impl FnOnce() -> Fleet) -> Arc<Fleet> {
    let mut shared = slot.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
    shared.upgrade().unwrap_or_else(|| {
        let fleet = Arc::new(start());
        *shared = Arc::downgrade(&fleet);
        fleet
    })
}
