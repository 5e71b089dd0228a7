//! Parts of a cluster that cannot be reached, and keys that nobody keeps: no call may take them for parts that are not
//! there, or wait for what cannot come.

use std::net::TcpListener;

use super::*;

const SECOND: u64 = 12182;

/// A node in the reply to CLUSTER SLOTS, under a name of its own.
fn named(host: &str, port: u16, id: &str) -> String {
    format!(
        "*4\r\n{}:{port}\r\n${}\r\n{id}\r\n*0\r\n",
        bulk(host),
        id.len()
    )
}

/// Slots 0 to 8000 on the one, the others on the other. `bar` is in the first half, `foo` in the second.
fn halves(first: &str, second: &str) -> String {
    format!("*2\r\n*3\r\n:0\r\n:8000\r\n{first}*3\r\n:8001\r\n:16383\r\n{second}")
}

fn closed_port() -> u16 {
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    listener.local_addr().unwrap().port()
}

/// Guards: such a range was left out, and its slots were asked of anybody.
#[test]
fn a_port_of_0_is_the_one_that_was_asked() {
    let actor = Actor::new();
    actor.says(&all_on(&named("127.0.0.1", 0, "a")));
    let backend = backend(&[&actor], Options::default());
    assert_eq!(get(&backend, "foo").unwrap().unwrap(), b"v");
    let name = format!("127.0.0.1:{}", actor.port);
    assert_eq!(backend.nodes(soon()).unwrap(), [name]);
}

/// Guards: `ping` and `flush_db` said OK of a cluster of which they knew a half.
#[test]
fn slots_whose_node_has_no_address_are_owned_by_a_node_that_fails_and_says_why() {
    for (host, port, why) in [
        ("?", 7001, "?:7001@other"),
        ("127.0.0.1", 0, "127.0.0.1:0@other"),
    ] {
        let actor = Actor::new();
        let own = named("127.0.0.1", actor.port, "own");
        actor.says(&halves(&own, &named(host, port, "other")));
        let backend = backend(&[&actor], Options::default());
        assert_eq!(get(&backend, "bar").unwrap().unwrap(), b"v");
        assert_eq!(backend.nodes(soon()).unwrap().len(), 2);
        let faults = [
            backend.ping(soon()).unwrap_err(),
            backend.flush(soon()).unwrap_err(),
            get(&backend, "foo").unwrap_err(),
            set_within(&backend, "foo", b"v", soon()).unwrap_err(),
        ];
        for error in faults {
            let text = error.to_string();
            assert!(text.contains(why), "{text}");
            let expected = "slots 8001-16383 are owned by a node that cannot be reached, because";
            assert!(text.contains(expected), "{text}");
            assert!(error.is_unavailable());
        }
        // It is well again as soon as the cluster knows better.
        actor.says(&all_on(&own));
        let is_well = || get(&backend, "foo").is_ok_and(|found| found.as_deref() == Some(b"v"));
        assert!((0..200).any(|_| {
            std::thread::sleep(super::super::PAUSE);
            is_well()
        }));
        backend.ping(soon()).ok();
        assert_eq!(backend.nodes(soon()).unwrap().len(), 1);
    }
}

#[test]
fn every_node_that_cannot_be_reached_is_named() {
    let actor = Actor::new();
    actor.says(&halves(&named("?", 7001, "one"), &named("?", 7002, "two")));
    let backend = backend(&[&actor], Options::default());
    let text = backend.ping(soon()).unwrap_err().to_string();
    assert!(
        text.contains("?:7001@one: PING: slots 0-8000 are"),
        "{text}"
    );
    assert!(
        text.contains("?:7002@two: PING: slots 8001-16383"),
        "{text}"
    );
}

/// Guards: every call spent its whole budget on a node that was not even asked.
#[test]
fn a_dead_primary_that_no_replica_can_replace_costs_nothing_once_it_is_not_asked_any_more() {
    let actor = Actor::new();
    let dead = named("127.0.0.1", closed_port(), "dead");
    let own = named("127.0.0.1", actor.port, "own");
    actor.says(&halves(&own, &dead));
    let options = Options {
        breaker_backoff: Duration::from_secs(3600),
        breaker_backoff_max: Duration::from_secs(3600),
        ..Options::default()
    };
    let backend = backend(&[&actor], options);
    let error = set_within(&backend, "foo", b"v", soon()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable, "{error}");
    let started = Instant::now();
    for _ in 0..40 {
        let error = set_within(&backend, "foo", b"v", soon()).unwrap_err();
        assert!(error.to_string().contains("not asked"), "{error}");
        assert!(get(&backend, "foo").is_err());
    }
    assert!(started.elapsed() < Duration::from_secs(10));
    assert_eq!(get(&backend, "bar").unwrap().unwrap(), b"v");
}

/// The same where a replica may be promoted any moment: that is waited for.
#[test]
fn a_dead_primary_that_has_a_replica_is_waited_for() {
    let (actor, heir) = (Actor::new(), Actor::new());
    let dead = named("127.0.0.1", closed_port(), "dead");
    let own = named("127.0.0.1", actor.port, "own");
    let replica = named("127.0.0.1", heir.port, "heir");
    actor.says(&format!(
        "*2\r\n*3\r\n:0\r\n:8000\r\n{own}*4\r\n:8001\r\n:16383\r\n{dead}{replica}"
    ));
    heir.says(&halves(&own, &replica));
    let options = Options {
        breaker_backoff: Duration::from_secs(3600),
        breaker_backoff_max: Duration::from_secs(3600),
        ..Options::default()
    };
    let backend = backend(&[&actor], options);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while backend.traffic().refused < 3 {
                std::thread::sleep(Duration::from_millis(5));
            }
            actor.says(&halves(&own, &replica));
        });
        heir.answers("+OK\r\n");
        set_within(&backend, "foo", b"v", minute()).unwrap();
    });
    assert_eq!(heir.calls(), 1);
}

/// Guards: 16 turns without a pause, and then the redirection itself as the error.
#[test]
fn who_is_sent_to_and_fro_goes_on_until_the_nodes_agree() {
    let turns = Arc::new(AtomicUsize::new(0));
    let ports: Arc<Mutex<Vec<u16>>> = Arc::default();
    let actor = |own: usize| {
        let (turns, ports) = (Arc::clone(&turns), Arc::clone(&ports));
        fake(move |_, command| {
            let ports = ports.lock().unwrap().clone();
            greeting(command).or_else(|| match command[0].as_slice() {
                b"CLUSTER" => Some(all_on(&at_home(ports[own])).into_bytes()),
                _ if turns.fetch_add(1, Ordering::SeqCst) >= 25 => Some(b"$1\r\nv\r\n".to_vec()),
                _ => Some(format!("-MOVED {SECOND} 127.0.0.1:{}\r\n", ports[1 - own]).into_bytes()),
            })
        })
    };
    let addresses = [actor(0), actor(1)];
    let port = |address: &Address| match address {
        Address::Tcp { port, .. } => *port,
        _ => unreachable!(),
    };
    *ports.lock().unwrap() = addresses.iter().map(port).collect();
    let options = Options {
        topology: Some(config::Topology::Cluster),
        ..Options::default()
    };
    let seeds = [location(addresses[0].clone())];
    let backend = RedisStore::new(&options, &seeds, &Hooks::default()).unwrap();
    assert_eq!(
        get_within(&backend, "foo", minute()).unwrap().unwrap(),
        b"v"
    );
    assert_eq!(turns.load(Ordering::SeqCst), 26);
}
