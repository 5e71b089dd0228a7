//! Several nodes at a time, of which some are slow, or have no connection yet.

use std::io::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use crate::base::budget::Budget;
use crate::base::clocks::uptime_us;
use crate::base::fork::testing::in_child;
use crate::config::{Address, Hooks, Options};
use crate::store::{Access, Leases, Store, Values};

use super::super::RedisStore;
use super::super::command;
use super::super::node::Node;
use super::super::testing::{
    Whole, fake, get_within, greeting, keys, location, read_command, talker,
};

/// Whatever is asked for, it has it.
fn values(command: &[Vec<u8>]) -> Vec<u8> {
    let mut reply = format!("*{}\r\n", command.len() - 1);
    (1..command.len()).for_each(|_| reply.push_str("$1\r\nv\r\n"));
    reply.into_bytes()
}

fn ring(nodes: impl IntoIterator<Item = Address>, options: &Options) -> RedisStore {
    let locations: Vec<_> = nodes.into_iter().map(location).collect();
    RedisStore::new(options, &locations, &Hooks::default()).unwrap()
}

/// How many of a hundred keys were found, and how many could not be asked for.
fn get_many(store: &RedisStore, millis: u64) -> (usize, usize) {
    let names: Vec<String> = (0..100).map(|number| format!("key-{number}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let (mut found, mut failed) = (0, 0);
    store.get_many(
        &keys(&names),
        Access::Read,
        Budget::new(Duration::from_millis(millis)),
        &mut |_, value, _| match value {
            Ok(value) => found += usize::from(value.is_some()),
            Err(_) => failed += 1,
        },
    );
    (found, failed)
}

/// A gate that nobody passes before all have come to it.
#[derive(Default)]
struct Gate(AtomicUsize);

impl Gate {
    /// False: the others did not come.
    fn pass(&self, count: usize) -> bool {
        self.0.fetch_add(1, Ordering::SeqCst);
        let begin = Instant::now();
        while self.0.load(Ordering::SeqCst) < count {
            if begin.elapsed() > Duration::from_secs(20) {
                return false;
            }
            std::thread::sleep(Duration::from_millis(1));
        }
        true
    }
}

/// No node answers a greeting before all were greeted, nor an MGET before all have theirs. One after the other, the first
/// greeting was waited for until the time was over.
#[test]
fn ten_cold_nodes_are_greeted_at_the_same_time() {
    let options = Options {
        timeout: Duration::from_secs(10),
        connect_timeout: Duration::from_secs(10),
        ..Options::default()
    };
    let gates = Arc::new((Gate::default(), Gate::default()));
    let nodes = (0..10).map(|_| {
        let gates = Arc::clone(&gates);
        fake(move |_, command| match command[0].as_slice() {
            b"HELLO" => gates.0.pass(10).then(|| greeting(command)).flatten(),
            b"MGET" => gates.1.pass(10).then(|| values(command)),
            _ => greeting(command),
        })
    });
    assert_eq!(get_many(&ring(nodes, &options), 10_000), (100, 0));
}

#[test]
fn a_node_that_stalls_within_its_reply_does_not_take_the_others_replies() {
    let options = Options {
        timeout: Duration::from_millis(300),
        ..Options::default()
    };
    // The other one is not even greeted before the stalled one has begun to answer.
    let is_stalled = Arc::new(AtomicBool::new(false));
    let stalls = Arc::clone(&is_stalled);
    let stalled = talker(move |command, stream| {
        let half = format!("*{}\r\n$1\r\nv\r\n$1\r\n", command.len() - 1);
        stream.write_all(half.as_bytes()).unwrap();
        stalls.store(true, Ordering::SeqCst);
    });
    let healthy = fake(move |_, command| {
        while !is_stalled.load(Ordering::SeqCst) {
            std::thread::sleep(Duration::from_millis(1));
        }
        match command[0].as_slice() {
            b"MGET" => Some(values(command)),
            _ => greeting(command),
        }
    });
    let (found, failed) = get_many(&ring([stalled, healthy], &options), 300);
    // One value of the stalled node was read before it stalled.
    assert!(
        found > 30 && failed > 20 && found + failed == 100,
        "{found} {failed}"
    );
}

/// In the middle of a reply or of a greeting; the old code listened for as long as there was something to hear.
#[test]
fn a_node_that_never_stops_sending_costs_its_own_keys_only() {
    let options = Options {
        timeout: Duration::from_millis(300),
        ..Options::default()
    };
    let flood = |stream: &mut std::net::TcpStream| {
        let begin = Instant::now();
        let _ = stream.write_all(b"*100\r\n$1\r\nv\r\n$1000000000\r\n");
        while begin.elapsed() < Duration::from_secs(20) && stream.write_all(&[b'x'; 64]).is_ok() {}
    };
    let floods = talker(move |_, stream| flood(stream));
    let healthy = || talker(|command, stream| stream.write_all(&values(command)).unwrap());
    let begin = Instant::now();
    let (found, failed) = get_many(&ring([floods, healthy()], &options), 300);
    assert!(
        found > 30 && failed > 20 && found + failed == 100,
        "{found} {failed}"
    );
    assert!(begin.elapsed() < Duration::from_secs(15), "it was left");

    let greets = fake(|_, command| match command[0].as_slice() {
        b"HELLO" => {
            let mut endless = b"$1000000000\r\n".to_vec();
            endless.resize(1 << 20, b'x');
            Some(endless)
        }
        _ => greeting(command),
    });
    let (found, failed) = get_many(&ring([greets, healthy()], &options), 300);
    assert!(
        found > 30 && failed > 20 && found + failed == 100,
        "{found} {failed}"
    );
}

/// A server whose first connection is greeted when the gate is opened, and its number of connections.
struct Slow {
    address: Address,
    may_greet: Arc<AtomicBool>,
    connections: Arc<AtomicUsize>,
}

/// With `hangs_up`, the first connection is closed instead.
fn slow(hangs_up: bool) -> Slow {
    let (may_greet, connections) = (Arc::default(), Arc::default());
    let (gate, count) = (Arc::clone(&may_greet), Arc::clone(&connections));
    let address = fake(move |number, command| {
        let gate: &AtomicBool = &gate;
        if command[0] == b"HELLO" {
            let seen: &AtomicUsize = &count;
            seen.fetch_max(number + 1, Ordering::SeqCst);
            while number == 0 && !gate.load(Ordering::SeqCst) {
                std::thread::sleep(Duration::from_millis(1));
            }
            if number == 0 && hangs_up {
                return None;
            }
        }
        match command[0].as_slice() {
            b"MGET" => Some(values(command)),
            b"GET" => Some(b"$1\r\nv\r\n".to_vec()),
            _ => greeting(command),
        }
    });
    Slow {
        address,
        may_greet,
        connections,
    }
}

/// A greeting that a call had no time for is heard by the next one, and says nothing against the node. It was thrown
/// away: whoever had less time than a greeting took never got a connection.
#[test]
fn an_opening_that_was_cut_is_finished_by_the_next_call() {
    let options = Options {
        connect_timeout: Duration::from_secs(10),
        timeout: Duration::from_secs(10),
        breaker_failures: 1,
        ..Options::default()
    };
    for (hangs_up, connections) in [(false, 1), (true, 2)] {
        let slow = slow(hangs_up);
        let store = ring([slow.address.clone()], &options);
        for _ in 0..3 {
            assert_eq!(get_many(&store, 30), (0, 100), "no time for it");
        }
        slow.may_greet.store(true, Ordering::SeqCst);
        assert_eq!(get_many(&store, 10_000), (100, 0));
        // Of one that the server has given up meanwhile nothing is heard.
        assert_eq!(slow.connections.load(Ordering::SeqCst), connections);
        assert_eq!(store.traffic().refused, 0, "it is no evidence");
    }
}

/// The same for a call that concerns one key.
#[test]
fn a_call_on_one_key_finishes_what_another_began() {
    let slow = slow(false);
    let store = ring([slow.address.clone()], &Options::default());
    let get = |millis| {
        let budget = Budget::new(Duration::from_millis(millis));
        get_within(&store, "k", budget)
    };
    for _ in 0..3 {
        let error = get(30).unwrap_err();
        assert!(error.is_timeout(), "{error}");
    }
    slow.may_greet.store(true, Ordering::SeqCst);
    assert_eq!(get(10_000).unwrap().unwrap(), b"v");
    assert_eq!(slow.connections.load(Ordering::SeqCst), 1);
}

#[test]
fn close_gives_up_an_opening_that_was_put_aside_and_a_child_leaves_its_parents_alone() {
    let slow = slow(false);
    let store = ring([slow.address.clone()], &Options::default());
    assert_eq!(get_many(&store, 30), (0, 100));
    slow.may_greet.store(true, Ordering::SeqCst);
    assert!(in_child(|| assert_eq!(get_many(&store, 5_000), (100, 0))));
    assert_eq!(slow.connections.load(Ordering::SeqCst), 2, "its own");
    assert_eq!(get_many(&store, 5_000), (100, 0));
    assert_eq!(slow.connections.load(Ordering::SeqCst), 2, "the first one");

    let slow = self::slow(false);
    let store = ring([slow.address.clone()], &Options::default());
    assert_eq!(get_many(&store, 30), (0, 100));
    store.close();
    slow.may_greet.store(true, Ordering::SeqCst);
    assert_eq!(get_many(&store, 5_000), (100, 0));
    assert_eq!(slow.connections.load(Ordering::SeqCst), 2);
}

/// The time a server told while nobody listened is not taken for the time it is.
#[test]
fn a_clock_is_not_set_by_what_lay_around() {
    let slow = slow(false);
    let store = ring([slow.address.clone()], &Options::default());
    assert_eq!(get_many(&store, 30), (0, 100));
    slow.may_greet.store(true, Ordering::SeqCst);
    std::thread::sleep(Duration::from_millis(600));
    let before = uptime_us();
    let clock = store.clock(b"k", Budget::new(Duration::from_secs(10)));
    // Half of what lay in between would be 300 ms.
    let ahead = 1_700_000_000_000_000 - clock.unwrap().now_us().cast_signed();
    let took = uptime_us() - before;
    assert!(ahead <= 0 && -ahead <= took + 100_000, "{ahead} {took}");
}

/// The whole greeting of a server that is to be a primary is one pipeline. Its ROLE came when the rest was answered.
#[test]
fn the_role_is_asked_for_in_the_greeting() {
    for (role, is_welcome) in [("master", true), ("slave", false)] {
        let listener = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        let server = std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut reader = std::io::BufReader::new(stream.try_clone().unwrap());
            let mut replies = Vec::new();
            while let Some(command) = read_command(&mut reader) {
                match command[0].as_slice() {
                    b"ROLE" => {
                        let text = format!("*1\r\n${}\r\n{role}\r\n", role.len());
                        replies.extend_from_slice(text.as_bytes());
                        stream.write_all(&replies).unwrap();
                    }
                    b"GET" => stream.write_all(b"$1\r\nv\r\n").unwrap(),
                    _ => replies.extend(greeting(&command).unwrap()),
                }
            }
        });
        let location = location(Address::Tcp {
            host: "127.0.0.1".into(),
            port,
        });
        let node = Node::new(&location, &Options::default(), &Hooks::default());
        let node = node.unwrap().expecting_primary();
        let mut kept = Whole::default();
        let mut get = command::values::Get {
            key: b"k",
            sink: &mut kept,
        };
        match node.run(0, Budget::new(Duration::from_secs(10)), &mut get) {
            Ok(found) => assert!(found && is_welcome),
            Err(failed) => {
                assert_eq!(failed.error.code(), Some("READONLY"), "{}", failed.error);
                assert!(!is_welcome);
            }
        }
        drop(node);
        server.join().unwrap();
    }
}
