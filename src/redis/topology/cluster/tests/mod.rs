//! Clusters that say odd things, played by fake servers: real ones cannot be made to.

mod reach;

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Barrier, Mutex};
use std::time::{Duration, Instant};

use crate::base::budget::{minute, quickly, soon};
use crate::base::fork::testing::in_child;
use crate::config::{self, Address, Hooks, Location, Options, Protocol};
use crate::error::ErrorKind;
use crate::store::{Access, Store, Values, Walks};

use super::super::super::RedisStore;
use super::super::super::testing::{
    fake, get, get_within, greeting, keys, location, quick, set_within,
};

/// A fake node: what it says about the cluster, and what to anything else.
#[derive(Clone)]
struct Actor {
    slots: Arc<Mutex<String>>,
    answer: Arc<Mutex<String>>,
    looks: Arc<AtomicUsize>,
    calls: Arc<AtomicUsize>,
    /// The arguments of the HELLOs.
    logins: Arc<Mutex<Vec<String>>>,
    port: u16,
}

impl Actor {
    fn new() -> Actor {
        Actor::that_takes(Duration::ZERO)
    }

    /// The same, slow to tell about the cluster.
    fn that_takes(pause: Duration) -> Actor {
        let mut actor = Actor {
            slots: Arc::default(),
            answer: Arc::new(Mutex::new("$1\r\nv\r\n".to_owned())),
            looks: Arc::default(),
            calls: Arc::default(),
            logins: Arc::default(),
            port: 0,
        };
        let inside = actor.clone();
        let address = fake(move |_, command| {
            if command[0] == b"HELLO" {
                let login = String::from_utf8(command.join(&b' ')).unwrap();
                inside.logins.lock().unwrap().push(login);
            }
            if let Some(greeting) = greeting(command) {
                return Some(greeting);
            }
            let (count, said) = match command[0].as_slice() {
                b"CLUSTER" => (&inside.looks, &inside.slots),
                _ => (&inside.calls, &inside.answer),
            };
            count.fetch_add(1, Ordering::SeqCst);
            if command[0] == b"CLUSTER" {
                std::thread::sleep(pause);
            }
            Some(said.lock().unwrap().clone().into_bytes())
        });
        if let Address::Tcp { port, .. } = address {
            actor.port = port;
        }
        actor
    }

    fn says(&self, slots: &str) {
        *self.slots.lock().unwrap() = slots.to_owned();
    }

    fn answers(&self, answer: &str) {
        *self.answer.lock().unwrap() = answer.to_owned();
    }

    fn looks(&self) -> usize {
        self.looks.load(Ordering::SeqCst)
    }

    fn calls(&self) -> usize {
        self.calls.load(Ordering::SeqCst)
    }

    fn seed(&self) -> Location {
        location(Address::Tcp {
            host: "127.0.0.1".into(),
            port: self.port,
        })
    }
}

/// A node in the reply to CLUSTER SLOTS, as Redis 7 describes it; `host` is RESP.
fn node(host: &str, port: u16) -> String {
    format!("*4\r\n{host}:{port}\r\n$2\r\nid\r\n*0\r\n")
}

fn bulk(text: &str) -> String {
    format!("${}\r\n{text}\r\n", text.len())
}

fn at_home(port: u16) -> String {
    node(&bulk("127.0.0.1"), port)
}

/// All slots on one node.
fn all_on(node: &str) -> String {
    format!("*1\r\n*3\r\n:0\r\n:16383\r\n{node}")
}

fn backend(seeds: &[&Actor], options: Options) -> RedisStore {
    let options = Options {
        topology: Some(config::Topology::Cluster),
        ..options
    };
    let seeds: Vec<_> = seeds.iter().map(|seed| seed.seed()).collect();
    RedisStore::new(&options, &seeds, &Hooks::default()).unwrap()
}

#[test]
fn cold_callers_look_around_once() {
    let actor = Actor::that_takes(Duration::from_millis(50));
    actor.says(&all_on(&at_home(actor.port)));
    let backend = backend(&[&actor], Options::default());
    let barrier = Barrier::new(16);
    std::thread::scope(|scope| {
        for _ in 0..16 {
            scope.spawn(|| {
                barrier.wait();
                assert_eq!(get(&backend, "k").unwrap().unwrap(), b"v");
            });
        }
    });
    assert_eq!((actor.looks(), actor.calls()), (1, 16));
}

#[test]
fn cold_callers_share_a_failure_too() {
    let actor = Actor::that_takes(Duration::from_millis(50));
    actor.says("-ERR This instance has cluster support disabled\r\n");
    let backend = backend(&[&actor], Options::default());
    let barrier = Barrier::new(8);
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                barrier.wait();
                let error = get(&backend, "k").unwrap_err();
                assert_eq!(error.kind(), ErrorKind::Config);
            });
        }
    });
    assert_eq!(actor.calls(), 0);
    assert!(actor.looks() < 8, "{}", actor.looks());
}

#[test]
fn a_node_without_a_host_is_where_it_was_asked() {
    let actor = Actor::new();
    for host in ["$-1\r\n", "_\r\n", "$0\r\n\r\n"] {
        actor.says(&all_on(&node(host, actor.port)));
        let backend = backend(&[&actor], Options::default());
        get(&backend, "k").unwrap();
        let name = format!("127.0.0.1:{}", actor.port);
        assert_eq!(backend.nodes(soon()).unwrap(), [name], "{host:?}");
    }
}

#[test]
fn announced_names_are_used_and_unknown_ones_looked_up() {
    let actor = Actor::new();
    let port = actor.port;
    for (host, more, expected) in [
        ("localhost", "*0\r\n".to_owned(), "localhost"),
        (
            "?",
            format!("*2\r\n{}{}", bulk("ip"), bulk("127.0.0.1")),
            "127.0.0.1",
        ),
        (
            "?",
            format!(
                "%2\r\n{}{}{}{}",
                bulk("hostname"),
                bulk(""),
                bulk("ip"),
                bulk("127.0.0.1")
            ),
            "127.0.0.1",
        ),
    ] {
        let node = format!("*4\r\n{}:{port}\r\n$2\r\nid\r\n{more}", bulk(host));
        actor.says(&all_on(&node));
        let backend = backend(&[&actor], Options::default());
        get(&backend, "k").unwrap();
        assert_eq!(
            backend.nodes(soon()).unwrap(),
            [format!("{expected}:{port}")]
        );
    }
    // Redis 6.2 tells no other names, and RESP2 has no maps.
    actor.says(&all_on(&format!(
        "*3\r\n{}:{port}\r\n$2\r\nid\r\n",
        bulk("127.0.0.1")
    )));
    let old = Options {
        protocol: Protocol::Resp2,
        ..Options::default()
    };
    get(&backend(&[&actor], old), "k").unwrap();
}

#[test]
fn a_reply_that_is_no_map_is_an_error() {
    let actor = Actor::new();
    for said in [
        "*0\r\n",
        "+OK\r\n",
        "*1\r\n:1\r\n",
        "*1\r\n*3\r\n:0\r\n:16384\r\n*0\r\n",
        "*1\r\n*3\r\n:-1\r\n:5\r\n*0\r\n",
        "*1\r\n*2\r\n:5\r\n:0\r\n",
        "*20000\r\n",
        "-NOPERM this user has no permissions\r\n",
    ] {
        actor.says(said);
        let options = quick();
        let limit = options.timeout + Duration::from_secs(10);
        let backend = backend(&[&actor], options);
        let started = Instant::now();
        let error = get_within(&backend, "k", quickly()).unwrap_err();
        assert!(started.elapsed() < limit, "{said:?}");
        assert!(
            error.to_string().contains("CLUSTER SLOTS"),
            "{said:?}: {error}"
        );
    }
    assert_eq!(actor.calls(), 0);
}

#[test]
fn a_redirection_without_a_host_means_the_same_host() {
    let (old, new) = (Actor::new(), Actor::new());
    old.says(&all_on(&at_home(old.port)));
    new.says(&all_on(&at_home(new.port)));
    old.answers(&format!("-MOVED 7629 :{}\r\n", new.port));
    let backend = backend(&[&old], Options::default());
    assert_eq!(get(&backend, "k").unwrap().unwrap(), b"v");
    assert_eq!((old.calls(), new.calls()), (1, 1));
    // What became of the other slots is asked soon, but not with every redirection.
    assert_eq!((old.looks(), new.looks()), (1, 0));
    std::thread::sleep(super::PAUSE);
    get(&backend, "k").unwrap();
    get(&backend, "k").unwrap();
    assert_eq!(old.looks() + new.looks(), 2);
    old.says(&all_on(&at_home(new.port)));
    std::thread::sleep(super::GOOD_FOR_ALL);
    assert_eq!(
        backend.nodes(soon()).unwrap(),
        [format!("127.0.0.1:{}", new.port)]
    );
}

#[test]
fn nodes_that_send_each_other_the_caller_do_so_a_bounded_number_of_times() {
    let (one, other) = (Actor::new(), Actor::new());
    for (this, that) in [(&one, &other), (&other, &one)] {
        this.says(&all_on(&at_home(this.port)));
        this.answers(&format!("-MOVED 7629 127.0.0.1:{}\r\n", that.port));
    }
    let backend = backend(&[&one], Options::default());
    let error = get_within(&backend, "k", quickly()).unwrap_err();
    // What is wrong, not where to go; and `on_error` covers it.
    assert_eq!(error.kind(), ErrorKind::Unavailable, "{error}");
    let text = error.to_string();
    assert!(
        text.contains("slot 7629 is served by none of the nodes"),
        "{text}"
    );
    let calls = one.calls() + other.calls();
    assert!((2..=20).contains(&calls), "{calls}");
    let mut told = Vec::new();
    backend.get_many(
        &keys(&["k"]),
        Access::Read,
        quickly(),
        &mut |_, value, _| {
            told.extend(value.err().map(|error| error.kind()));
        },
    );
    assert_eq!(told, [ErrorKind::Unavailable]);
}

#[test]
fn nodes_that_left_are_dropped_and_those_that_stay_keep_their_connections() {
    let (first, second) = (Actor::new(), Actor::new());
    let halves = format!(
        "*2\r\n*3\r\n:0\r\n:8000\r\n{}*3\r\n:8001\r\n:16383\r\n{}",
        at_home(first.port),
        at_home(second.port)
    );
    first.says(&halves);
    let backend = backend(&[&first], Options::default());
    // Slots 12182 and 5061.
    for key in ["foo", "bar", "foo", "bar"] {
        get(&backend, key).unwrap();
    }
    assert_eq!((first.calls(), second.calls()), (2, 2));
    assert_eq!(backend.traffic().connections_open, 2);
    let everything = all_on(&at_home(first.port));
    first.says(&everything);
    second.answers(&format!("-MOVED 12182 127.0.0.1:{}\r\n", first.port));
    std::thread::sleep(super::PAUSE);
    get(&backend, "foo").unwrap();
    assert_eq!((first.calls(), second.calls()), (3, 3));
    assert_eq!(backend.nodes(soon()).unwrap().len(), 1);
    assert_eq!(backend.traffic().connections_open, 1);
}

#[test]
fn a_node_that_was_found_gets_the_credentials_of_the_configuration() {
    let (seed, found) = (Actor::new(), Actor::new());
    seed.says(&all_on(&at_home(found.port)));
    let location = Location {
        username: Some("app".to_owned()),
        password: Some("secret".to_owned()),
        name: Some("first".to_owned()),
        ..seed.seed()
    };
    let options = Options {
        topology: Some(config::Topology::Cluster),
        ..Options::default()
    };
    let backend = RedisStore::new(&options, &[location], &Hooks::default()).unwrap();
    get(&backend, "k").unwrap();
    let expected = ["HELLO 3 AUTH app secret".to_owned()];
    assert_eq!(*seed.logins.lock().unwrap(), expected);
    assert_eq!(*found.logins.lock().unwrap(), expected);
    // Its name is its own.
    let name = format!("127.0.0.1:{}", found.port);
    assert_eq!(backend.nodes(soon()).unwrap(), [name]);
}

/// Guards: any node was asked, whose CLUSTERDOWN then closed it to the keys that it has.
#[test]
fn a_slot_that_nobody_has_is_named_and_looked_for_again() {
    let actor = Actor::new();
    actor.says(&format!(
        "*1\r\n*3\r\n:0\r\n:8000\r\n{}",
        at_home(actor.port)
    ));
    let backend = backend(&[&actor], Options::default());
    for _ in 0..20 {
        let error = get_within(&backend, "foo", minute()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unavailable);
        let expected = "slots 8001-16383 are owned by no node of the cluster";
        assert!(error.to_string().contains(expected), "{error}");
        assert_eq!(get(&backend, "bar").unwrap().unwrap(), b"v");
    }
    assert_eq!(actor.calls(), 20);
    assert!(backend.ping(minute()).is_err() && backend.nodes(minute()).unwrap().len() == 2);
    actor.says(&all_on(&at_home(actor.port)));
    // At the next look, which may have to wait for its turn.
    let found = (0..100).find_map(|_| {
        std::thread::sleep(super::PAUSE);
        get_within(&backend, "foo", minute()).ok()
    });
    assert_eq!(found.unwrap().unwrap(), b"v");
    assert_eq!(backend.nodes(minute()).unwrap().len(), 1);
}

#[test]
fn many_gaps_are_told_in_few_words() {
    let actor = Actor::new();
    let one = at_home(actor.port);
    let ranges = (0..10).map(|at| format!("*3\r\n:{}\r\n:{}\r\n{one}", at * 2, at * 2));
    actor.says(&format!("*10\r\n{}", ranges.collect::<String>()));
    let error = backend(&[&actor], Options::default())
        .ping(minute())
        .unwrap_err();
    let expected = "slots 1, 3, 5, 7, 9, 11, 13, 15 and 2 ranges more are owned by no node";
    assert!(error.to_string().contains(expected), "{error}");
}

#[test]
fn a_forked_child_goes_on_with_what_is_known() {
    let actor = Actor::new();
    actor.says(&all_on(&at_home(actor.port)));
    let backend = backend(&[&actor], Options::default());
    get(&backend, "k").unwrap();
    let looks = actor.looks();
    assert!(in_child(|| {
        assert_eq!(backend.traffic().connections_open, 0);
        assert_eq!(get(&backend, "k").unwrap().unwrap(), b"v");
    }));
    assert_eq!(actor.looks(), looks);
    get(&backend, "k").unwrap();
}
