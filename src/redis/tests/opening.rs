//! Several nodes at a time, of which some are slow, or have no connection yet.

use std::io::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use crate::base::budget::Budget;
use crate::config::{Address, Hooks, Options};
use crate::store::{Access, Values};

use super::super::RedisStore;
use super::super::testing::{fake, greeting, keys, location, talker};

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
