//! Who is primary is decided by evidence: a late reply is none, and a server that nobody follows takes nothing over.

use std::io;
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU16, Ordering};
use std::thread;

use redis_cache::{Config, Expiry};

use crate::cache_on;
use crate::common::eventually;
use crate::common::fleet::Fleet;
use crate::common::server::Server;

/// Guards: one late reply made the other server the primary, for good.
#[test]
fn an_old_standalone_primary_gets_no_writes_because_the_right_one_paused() {
    let (right, old) = (Server::start(), Server::start());
    let config = Config::new().server(&right.tcp()).unwrap();
    let config = config.server(&old.tcp()).unwrap().primary(right.address());
    let config = config.set("timeout", "100ms").unwrap();
    let cache = config
        .set("breaker_failures", "1000")
        .unwrap()
        .connect()
        .unwrap();
    cache.set_bytes("k", b"before", Expiry::Never).unwrap();
    right.freeze();
    for _ in 0..4 {
        assert!(cache.set_bytes("k", b"in vain", Expiry::Never).is_err());
    }
    right.thaw();
    eventually("writes go on", || {
        cache.set_bytes("k", b"after", Expiry::Never).is_ok()
    });
    assert_eq!(old.run::<u64>(&["DBSIZE"]), 0);
    assert!(cache.where_is("k").unwrap().contains(&right.address()));
}

/// The same with one that is gone: nobody else takes the writes, however long that lasts.
#[test]
fn a_server_that_nobody_follows_takes_nothing_over_from_a_dead_primary() {
    let (mut right, old) = (Server::start(), Server::start());
    let config = Config::new().server(&right.tcp()).unwrap();
    let config = config.server(&old.tcp()).unwrap().primary(right.address());
    let cache = config.connect().unwrap();
    right.stop();
    for _ in 0..20 {
        assert!(cache.set_bytes("k", b"in vain", Expiry::Never).is_err());
    }
    right.start_again();
    eventually("writes go on", || {
        cache.set_bytes("k", b"after", Expiry::Never).is_ok()
    });
    assert_eq!(old.run::<u64>(&["DBSIZE"]), 0);
}

#[test]
fn a_lone_replica_that_was_seen_becoming_the_primary_takes_over() {
    let mut fleet = Fleet::replicated(1);
    let cache = cache_on(&fleet, &[]);
    cache.set_bytes("k", b"before", Expiry::Never).unwrap();
    fleet.servers[0].stop();
    assert!(cache.set_bytes("k", b"in vain", Expiry::Never).is_err());
    let _: String = fleet.servers[1].run(&["REPLICAOF", "NO", "ONE"]);
    eventually("writes go on", || {
        cache.set_bytes("k", b"after", Expiry::Never).is_ok()
    });
    // The configured one wins again when it says that it is the primary, and as many follow it.
    fleet.servers[0].start_again();
    let configured = fleet.servers[0].address();
    eventually("the configured one takes the writes", || {
        cache.set_bytes("k", b"again", Expiry::Never).unwrap();
        cache.where_is("k").unwrap().contains(&configured)
    });
}

/// An address whose connections go to one server, and from some time on to another one, as with a name that moves: those
/// that are open stay where they are.
struct Moving {
    port: u16,
    to: Arc<AtomicU16>,
}

impl Moving {
    fn to(port: u16) -> Moving {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let moving = Moving {
            port: listener.local_addr().unwrap().port(),
            to: Arc::new(AtomicU16::new(port)),
        };
        let to = Arc::clone(&moving.to);
        thread::spawn(move || {
            for client in listener.incoming() {
                let client = client.unwrap();
                let server = TcpStream::connect(("127.0.0.1", to.load(Ordering::SeqCst))).unwrap();
                pass_on(&client, &server);
                pass_on(&server, &client);
            }
        });
        moving
    }
}

fn pass_on(from: &TcpStream, to: &TcpStream) {
    let (mut from, mut to) = (from.try_clone().unwrap(), to.try_clone().unwrap());
    thread::spawn(move || {
        let _ = io::copy(&mut from, &mut to);
        let _ = to.shutdown(std::net::Shutdown::Both);
    });
}

/// Guards: connections stayed with the old server, and every write was READONLY for ever.
#[test]
fn a_write_finds_the_server_that_a_name_has_moved_to() {
    for topology in ["single", "ring", "primary"] {
        let fleet = Fleet::replicated(1);
        let [old, new] = &fleet.servers[..] else {
            unreachable!()
        };
        let name = Moving::to(old.port());
        let at = format!("127.0.0.1:{}", name.port);
        let config = Config::new().server(&format!("redis://{at}")).unwrap();
        let config = match topology {
            "primary" => config.primary(&at),
            _ => config.set("topology", topology).unwrap(),
        };
        let cache = config.set("timeout", "5s").unwrap().connect().unwrap();
        cache.set_bytes("k", b"before", Expiry::Never).unwrap();
        eventually("the replica has it", || new.run::<u64>(&["DBSIZE"]) == 1);
        fleet.promote(1);
        name.to.store(new.port(), Ordering::SeqCst);
        cache.set_bytes("k", b"after", Expiry::Never).unwrap();
        let stored: Vec<u8> = new.run(&["GET", ":1:k"]);
        assert!(stored.ends_with(b"after"), "{topology}");
        assert_eq!(cache.stats().errors, 0, "{topology}");
        cache.ping().unwrap();
    }
}
