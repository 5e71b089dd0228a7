//! Servers behind NAT: what they announce is not where they are.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use redis_cache::{Config, ErrorKind, Expiry};

use crate::common::cluster::Cluster;
use crate::common::fault;
use crate::common::fault::{Fate, FaultServer};
use crate::common::sentinel::Watched;
use crate::common::server::Server;

/// A port that leads to another one, and how often it was used.
fn forwarded(to: u16) -> (u16, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let used = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&used);
    std::thread::spawn(move || {
        for client in listener.incoming() {
            let (Ok(client), Ok(server)) = (client, TcpStream::connect(("127.0.0.1", to))) else {
                continue;
            };
            count.fetch_add(1, Ordering::SeqCst);
            for (mut from, mut to) in [
                (client.try_clone().unwrap(), server.try_clone().unwrap()),
                (server, client),
            ] {
                std::thread::spawn(move || {
                    let mut bytes = [0; 4096];
                    while let Ok(len @ 1..) = from.read(&mut bytes) {
                        if to.write_all(&bytes[..len]).is_err() {
                            return;
                        }
                    }
                });
            }
        }
    });
    (port, used)
}

/// The nodes announce names that nobody can resolve.
#[test]
fn a_cluster_that_announces_other_addresses_is_reached_by_the_map() {
    let cluster = Cluster::start();
    let ports = cluster.alive();
    for port in &ports {
        let raw = crate::common::cluster::connect(*port).unwrap();
        let set = |mut raw: redis::Connection, name: &str, value: &str| {
            redis::cmd("CONFIG")
                .arg("SET")
                .arg(name)
                .arg(value)
                .exec(&mut raw)
                .map(|()| raw)
        };
        let host = format!("node-{port}.nat.invalid");
        let done = set(raw, "cluster-announce-hostname", &host)
            .and_then(|raw| set(raw, "cluster-preferred-endpoint-type", "hostname"));
        if let Err(error) = done {
            eprintln!(
                "a cluster behind NAT: skipped, this server announces no host names ({error})"
            );
            return;
        }
    }
    let is_told = |port: &u16| {
        let ranges = format!(
            "{:?}",
            cluster.run::<redis::Value>(*port, &["CLUSTER", "SLOTS"])
        );
        ports
            .iter()
            .all(|port| ranges.contains(&format!("node-{port}.nat.invalid")))
    };
    crate::common::eventually("all names are known to all", || ports.iter().all(is_told));
    let seed = Cluster::url(cluster.primaries()[0]);
    let config = Config::new()
        .server(&seed)
        .unwrap()
        .set("topology", "cluster")
        .unwrap();
    let config = config.set("timeout", "20s").unwrap();
    let pairs = ports.iter().map(|port| {
        (
            format!("node-{port}.nat.invalid:{port}"),
            format!("127.0.0.1:{port}"),
        )
    });
    let cache = config.clone().address_map(pairs.clone()).connect().unwrap();
    let names: Vec<String> = (0..64).map(|number| format!("k{number}")).collect();
    for name in &names {
        cache.set(name, name, Expiry::Default).unwrap();
    }
    let all = cache.get_many::<String>(&names).unwrap();
    assert_eq!(all, names.iter().cloned().map(Some).collect::<Vec<_>>());
    cache.ping().unwrap();
    assert!(
        cache
            .where_is("k1")
            .unwrap()
            .starts_with("redis://127.0.0.1:")
    );
    // ASK while a slot is on its way, then MOVED.
    let slot = cluster.slot(cache.make_key("k1").unwrap());
    let to = cluster.other_owner(slot);
    cluster.begin_move(slot, to);
    cache.set("k1", "asked", Expiry::Default).unwrap();
    cluster.move_keys(slot, to);
    assert_eq!(cache.get::<String>("k1").unwrap().as_deref(), Some("asked"));
    cluster.end_move(slot, to);
    assert_eq!(cache.get::<String>("k1").unwrap().as_deref(), Some("asked"));
    // The text says the same, and replicas are mapped too.
    let text: Vec<String> = pairs.map(|(from, to)| format!("{from}>{to}")).collect();
    let by_text = config.clone().set("address_map", &text.join(";")).unwrap();
    let by_text = by_text
        .set("read_from", "replica")
        .unwrap()
        .connect()
        .unwrap();
    cluster.wait_for_replicas();
    assert_eq!(
        by_text.get::<String>("k1").unwrap().as_deref(),
        Some("asked")
    );
    // Without it, nothing is found: the test would notice.
    let unmapped = config.set("timeout", "2s").unwrap().connect().unwrap();
    assert!(
        unmapped
            .set_many::<String>(names.iter().map(|name| (name, name)), Expiry::Default)
            .is_err()
    );
}

#[test]
fn what_sentinels_name_is_looked_up_in_the_map() {
    let watched = Watched::start();
    let ways: Vec<_> = watched
        .servers()
        .iter()
        .map(|server| (server.port(), forwarded(server.port())))
        .collect();
    let map = |(port, (way, _)): &(u16, (u16, _))| {
        (format!("127.0.0.1:{port}"), format!("127.0.0.1:{way}"))
    };
    for read_from in ["primary", "replica"] {
        let config = watched
            .config()
            .address_map(ways.iter().map(map))
            .set("timeout", "20s")
            .unwrap();
        let cache = config
            .set("read_from", read_from)
            .unwrap()
            .connect()
            .unwrap();
        cache.set("k", &1, Expiry::Default).unwrap();
        crate::common::eventually("it is there", || cache.get_int("k").unwrap() == Some(1));
        assert!(
            cache
                .where_is("k")
                .unwrap()
                .ends_with(&format!(":{}", ways[0].1.0))
        );
        cache.delete("k").unwrap();
    }
    let used = |place: usize| ways[place].1.1.load(Ordering::SeqCst);
    assert!(used(0) > 0, "the primary is reached by its way");
    assert!(used(1) + used(2) > 0, "so are the replicas");
}

/// The old primary follows an address that means another location; nobody follows that one yet.
#[test]
fn whom_a_replica_follows_is_looked_up_in_the_map() {
    for is_mapped in [true, false] {
        let doors = [0, 1].map(|_| FaultServer::before(Arc::new(Server::start())));
        let config = doors.iter().fold(Config::new(), |config, door| {
            config.server(&door.url()).unwrap()
        });
        let config = config.primary(doors[0].url()).set("timeout", "5s").unwrap();
        let config = match is_mapped {
            true => config.address_map([("10.9.9.9:6379", doors[1].name())]),
            false => config,
        };
        let cache = config.connect().unwrap();
        cache.set("k", &1, Expiry::Default).unwrap();
        doors[0].judge(|command| match command[0].as_slice() {
            b"SET" => {
                Fate::Answer(b"-READONLY You can't write against a read only replica.\r\n".to_vec())
            }
            b"ROLE" => {
                let role =
                    "*5\r\n$5\r\nslave\r\n$8\r\n10.9.9.9\r\n:6379\r\n$9\r\nconnected\r\n:1\r\n";
                Fate::Answer(role.as_bytes().to_vec())
            }
            _ => Fate::Pass,
        });
        let outcome = cache.set("k", &2, Expiry::Default);
        if is_mapped {
            outcome.unwrap();
            assert_eq!(doors[1].behind().calls("set"), 1);
        } else {
            assert_eq!(
                fault(outcome).code(),
                Some("READONLY"),
                "the test would notice"
            );
        }
    }
}

#[test]
fn a_map_is_for_topologies_that_hear_of_addresses() {
    let map = [("10.0.0.5:6379", "h:7001")];
    let config = |url: &str| Config::new().server(url).unwrap();
    let error = fault(config("h").address_map(map).connect());
    assert_eq!(error.kind(), ErrorKind::Config);
    assert!(error.to_string().contains("`address_map`"), "{error}");
    let error = fault(
        config("h")
            .set("topology", "cluster")
            .unwrap()
            .address_map([("nowhere", "a b")])
            .connect(),
    );
    assert!(
        error
            .to_string()
            .contains("`address_map`: `nowhere>a b` is not accepted"),
        "{error}"
    );
    config("h?topology=cluster&address_map=10.0.0.5:6379>h:7001")
        .connect()
        .unwrap();
}
