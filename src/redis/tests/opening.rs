//! Several nodes at a time, of which some are slow, or have no connection yet.

use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

use crate::base::budget::{Budget, soon};
use crate::config::{Hooks, Options};
use crate::store::{Access, Values};

use super::super::RedisStore;
use super::super::testing::{fake, greeting, keys, location};

/// Lets nobody through until so many are there, or half a minute is over.
struct Gate {
    nodes: usize,
    here: Mutex<usize>,
    all: Condvar,
}

impl Gate {
    fn of(nodes: usize) -> Arc<Gate> {
        Arc::new(Gate {
            nodes,
            here: Mutex::new(0),
            all: Condvar::new(),
        })
    }

    fn pass(&self) {
        let mut here = self.here.lock().unwrap();
        *here += 1;
        self.all.notify_all();
        let patience = Duration::from_secs(30);
        let missing = |here: &mut usize| *here < self.nodes;
        drop(
            self.all
                .wait_timeout_while(here, patience, missing)
                .unwrap(),
        );
    }
}

/// Nodes that answer a greeting when all have been greeted, and MGET when all have been asked.
fn ring(nodes: usize, options: &Options) -> RedisStore {
    let (greeted, asked) = (Gate::of(nodes), Gate::of(nodes));
    let locations: Vec<_> = (0..nodes)
        .map(|_| {
            let (greeted, asked) = (Arc::clone(&greeted), Arc::clone(&asked));
            location(fake(move |_, command| match command[0].as_slice() {
                b"HELLO" => {
                    greeted.pass();
                    greeting(command)
                }
                b"MGET" => {
                    asked.pass();
                    let mut reply = format!("*{}\r\n", command.len() - 1);
                    (1..command.len()).for_each(|_| reply.push_str("$1\r\nv\r\n"));
                    Some(reply.into_bytes())
                }
                _ => greeting(command),
            }))
        })
        .collect();
    RedisStore::new(options, &locations, &Hooks::default()).unwrap()
}

/// One after another, the first would wait for the last, and the budget would end before.
#[test]
fn ten_cold_nodes_are_greeted_at_the_same_time() {
    let options = Options {
        timeout: Duration::from_secs(20),
        connect_timeout: Duration::from_secs(20),
        ..Options::default()
    };
    let backend = ring(10, &options);
    let names: Vec<String> = (0..100).map(|number| format!("key-{number}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let budget = Budget::new(Duration::from_secs(20));
    let mut found = 0;
    backend.get_many(&keys(&names), Access::Read, budget, &mut |_, value, _| {
        found += usize::from(value.unwrap().is_some());
    });
    assert_eq!(found, 100);
}

#[test]
fn a_node_that_stalls_within_its_reply_does_not_take_the_others_replies() {
    let options = Options {
        timeout: Duration::from_millis(300),
        ..Options::default()
    };
    let locations: Vec<_> = (0..2)
        .map(|node| {
            location(fake(move |_, command| match command[0].as_slice() {
                b"MGET" => {
                    let mut reply = format!("*{}\r\n", command.len() - 1);
                    if node == 0 {
                        reply.push_str("$1\r\nv\r\n$1\r\n");
                        return Some(reply.into_bytes());
                    }
                    std::thread::sleep(Duration::from_millis(50));
                    (1..command.len()).for_each(|_| reply.push_str("$1\r\nv\r\n"));
                    Some(reply.into_bytes())
                }
                _ => greeting(command),
            }))
        })
        .collect();
    let backend = RedisStore::new(&options, &locations, &Hooks::default()).unwrap();
    let names: Vec<String> = (0..100).map(|number| format!("key-{number}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let (mut found, mut failed) = (0, 0);
    backend.get_many(
        &keys(&names),
        Access::Read,
        soon(),
        &mut |_, value, _| match value {
            Ok(_) => found += 1,
            Err(_) => failed += 1,
        },
    );
    assert!(found > 30, "{found} found, {failed} failed");
}
