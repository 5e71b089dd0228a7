//! What django-redis-cache does wrong over several servers, and must not be done here (design, section 11).

use std::time::Duration;

use redis_cache::{Cache, Config, Error, ErrorKind, Expiry, Ttl};

use crate::common::HOLD_UP;
use crate::common::fleet::Fleet;
use crate::common::monitor::Monitor;
use crate::common::server::Server;
use crate::{cache_on, fill, keys, keys_on};

#[test]
fn defect_1_a_node_gets_its_own_keys_only_and_no_copy_elsewhere_counts() {
    let fleet = Fleet::ring(3);
    let cache = cache_on(&fleet, &[]);
    fill(&cache, 60);
    for server in &fleet.servers {
        for key in keys(60) {
            if !cache
                .where_is(&key)
                .unwrap()
                .ends_with(&server.port().to_string())
            {
                let _: () = server.run(&["SET", &format!("app:1:{key}"), "left over"]);
            }
        }
    }
    let mut monitors: Vec<_> = fleet.servers.iter().map(Monitor::of).collect();
    let values = cache.get_many_bytes(keys(60)).unwrap();
    let right = keys(60).into_iter().map(|key| Some(key.into_bytes()));
    assert!(values.into_iter().eq(right));
    let mut asked = 0;
    for (server, monitor) in fleet.servers.iter().zip(&mut monitors) {
        let commands = monitor.commands(server);
        assert_eq!(commands.len(), 1, "one command a node: {commands:?}");
        assert_eq!(commands[0][0].to_uppercase(), "MGET");
        asked += commands[0].len() - 1;
        for wire in &commands[0][1..] {
            let key = wire.strip_prefix("app:1:").unwrap();
            let place = cache.where_is(key).unwrap();
            assert!(
                place.ends_with(&server.port().to_string()),
                "{key} at {place}"
            );
        }
    }
    assert_eq!(asked, 60);
}

#[test]
fn defect_2_incr_version_loses_no_key_of_a_ring() {
    let fleet = Fleet::ring(3);
    let cache = cache_on(&fleet, &[]);
    for key in keys(200) {
        cache
            .set_bytes(&key, key.as_bytes(), Duration::from_secs(1000))
            .unwrap();
    }
    let mut changed_node = 0;
    for key in keys(200) {
        let there = cache.version(2).where_is(&key).unwrap();
        changed_node += usize::from(cache.where_is(&key).unwrap() != there);
        assert_eq!(cache.incr_version(&key, 1).unwrap(), Some(2), "{key}");
    }
    assert!(
        changed_node > 100,
        "only {changed_node} had to change their node"
    );
    let moved = cache.version(2);
    for key in keys(200) {
        assert_eq!(
            moved.get_bytes(&key).unwrap(),
            Some(key.clone().into_bytes())
        );
        let Some(Ttl::Remaining(left)) = moved.ttl(&key).unwrap() else {
            panic!("{key} has no lifetime");
        };
        assert!((980..=1000).contains(&left.as_secs()), "{key}: {left:?}");
        assert!(!cache.has_key(&key).unwrap(), "{key} is still there");
    }
}

#[test]
fn defect_7_several_locations_are_read_where_they_were_written() {
    let fleet = Fleet::ring(3);
    let urls: Vec<_> = fleet.servers.iter().map(Server::tcp).collect();
    let cache = Cache::open(&urls.join(",")).unwrap();
    for key in keys(300) {
        cache.set_bytes(&key, b"written", Expiry::Default).unwrap();
        assert_eq!(
            cache.get_bytes(&key).unwrap().as_deref(),
            Some(&b"written"[..])
        );
    }
    assert_eq!(cache.stats().misses, 0);
}

#[test]
fn defect_8_one_node_down_costs_its_own_keys_only() {
    let mut fleet = Fleet::ring(3);
    let cache = cache_on(&fleet, &[]);
    fill(&cache, 100);
    let lost = keys_on(&cache, &fleet, 1);
    fleet.servers[1].stop();
    for _ in 0..10 {
        let partial = cache.get_many_bytes(keys(100)).unwrap_err();
        for (key, item) in keys(100).iter().zip(partial.items) {
            match item {
                Ok(value) => assert_eq!(value.as_deref(), Some(key.as_bytes())),
                Err(error) => {
                    assert!(lost.contains(key), "{key}: {error}");
                    assert!(error.is_unavailable(), "{error}");
                }
            }
        }
    }
    let hidden = cache_on(&fleet, &[("on_error", "miss")]);
    let values = hidden.get_many_bytes(keys(100)).unwrap();
    let is_right = |(key, value): (&String, Option<Vec<u8>>)| {
        value.is_none() == lost.contains(key) && value.is_none_or(|value| value == key.as_bytes())
    };
    assert!(keys(100).iter().zip(values).all(is_right));
}

#[test]
fn defect_9_caches_share_neither_limits_nor_logins() {
    let server = Server::with(&["--requirepass", "first"]);
    let open = |password: &str, connections: &str| {
        let config = Config::new().server(&server.tcp()).unwrap();
        let config = config.set("password", password).unwrap();
        config
            .set("max_connections", connections)
            .unwrap()
            .connect()
            .unwrap()
    };
    let (right, wrong) = (open("first", "1"), open("second", "1"));
    right.set_bytes("k", b"v", Expiry::Default).unwrap();
    assert_eq!(wrong.get_bytes("k").unwrap_err().kind(), ErrorKind::Auth);
    let wide = open("first", "8");
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| (0..50).for_each(|_| drop(wide.get_bytes("k").unwrap())));
        }
    });
    assert_eq!(right.stats().connections_open, 1);
}

#[test]
fn defect_10_every_part_of_a_location_arrives_as_it_was_meant() {
    let server = Server::start();
    let _: String = server.run(&[
        "ACL",
        "SETUSER",
        "al,ice",
        "on",
        ">p@ss,w/rd?",
        "~*",
        "&*",
        "+@all",
    ]);
    let other = Server::start();
    let (port, elsewhere) = (server.port(), other.port());
    // A user, escapes, a comma in the password, a list, options of a proper type.
    let url = format!(
        "redis://al%2Cice:p%40ss%2Cw%2Frd%3F@127.0.0.1:{port}/1?timeout=250ms,redis://127.0.0.1:{elsewhere}/1"
    );
    let cache = Cache::open(&url).unwrap();
    for key in keys(50) {
        cache.set_bytes(&key, b"v", Expiry::Default).unwrap();
    }
    let users: String = server.run(&["CLIENT", "LIST"]);
    assert!(
        users.contains("user=al,ice") && users.contains("db=1"),
        "{users}"
    );
    let counts: Vec<u64> = [&server, &other]
        .map(|server| server.run::<String>(&["INFO", "keyspace"]))
        .iter()
        .map(|info| {
            let count = info
                .split("db1:keys=")
                .nth(1)
                .and_then(|rest| rest.split(',').next());
            count.unwrap().parse().unwrap()
        })
        .collect();
    assert_eq!(counts.iter().sum::<u64>(), 50);
    server.freeze();
    let key = keys(50)
        .into_iter()
        .find(|key| cache.where_is(key).unwrap().contains(&port.to_string()));
    let started = std::time::Instant::now();
    let error = cache.get_bytes(key.unwrap()).unwrap_err();
    server.thaw();
    assert!(error.is_timeout(), "{error}");
    assert!(
        started.elapsed() < Duration::from_millis(250) + HOLD_UP,
        "{:?}",
        started.elapsed()
    );

    let refused = |url: &str| -> Error { Cache::open(url).unwrap_err() };
    assert!(refused("redis://h/1/2").to_string().contains("database"));
    assert!(
        Cache::open("localhost")
            .unwrap()
            .where_is("k")
            .unwrap()
            .contains("localhost")
    );
    assert_eq!(
        Cache::open("redis://[::1]").unwrap().where_is("k").unwrap(),
        "redis://[::1]"
    );
    assert_eq!(refused("redis://h?timeout=5").kind(), ErrorKind::Config);
}

#[test]
fn defect_10_the_address_of_a_server_may_be_of_version_6() {
    if std::net::TcpListener::bind("[::1]:0").is_err() {
        println!("left out: this machine has no ::1");
        return;
    }
    let server = Server::with(&["--bind", "127.0.0.1", "::1"]);
    let port = server.port();
    for location in [
        format!("[::1]:{port}"),
        format!("redis://[::1]:{port}/1"),
        format!("redis://[0:0::1]:{port}?db=1"),
    ] {
        let cache = Cache::open(&location).unwrap();
        cache
            .set_bytes("k", location.as_bytes(), Expiry::Default)
            .unwrap();
        assert_eq!(
            cache.get_bytes("k").unwrap().as_deref(),
            Some(location.as_bytes())
        );
    }
    // Also as one of several, known as the primary by another spelling.
    let list = format!("redis://[::1]:{port}?primary=[0::1]:{port},127.0.0.1:1");
    Cache::open(&list)
        .unwrap()
        .set_bytes("k", b"v", Expiry::Default)
        .unwrap();
}

#[cfg(feature = "tls")]
#[test]
fn defect_10_tls_keeps_both_timeouts() {
    use crate::common::launcher::lacks_tls;
    use crate::common::papers::Papers;

    let timeout = Duration::from_millis(300);
    let open = |url: &str, name| {
        let config = Config::new().server(url).unwrap();
        config.set(name, "300ms").unwrap().connect().unwrap()
    };
    let is_in_time = |cache: &Cache| {
        let started = std::time::Instant::now();
        let error = cache.get_bytes("k").unwrap_err();
        let took = started.elapsed();
        assert!(error.is_timeout(), "{error}");
        assert!(took >= timeout && took < timeout + HOLD_UP, "{took:?}");
    };
    // Nobody answers the handshake.
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let silent = format!(
        "rediss://{}?tls_insecure=true&timeout=1m",
        silent.local_addr().unwrap()
    );
    is_in_time(&open(&silent, "connect_timeout"));

    if lacks_tls() {
        return;
    }
    let server = Server::secured(&Papers::issue(), &[]);
    let cache = open(&server.tcp(), "timeout");
    cache.set_bytes("k", b"v", Expiry::Default).unwrap();
    server.freeze();
    is_in_time(&cache);
    server.thaw();
    assert_eq!(cache.get_bytes("k").unwrap().as_deref(), Some(&b"v"[..]));
}
