//! Several nodes at a time, of which some are slow, or have no connection yet.

use std::time::{Duration, Instant};

use crate::base::budget::soon;
use crate::config::{Hooks, Options};
use crate::store::{Access, Values};

use super::super::RedisStore;
use super::super::testing::{fake, greeting, keys, location};

fn ring(nodes: usize, each: Duration, options: &Options) -> RedisStore {
    let locations: Vec<_> = (0..nodes)
        .map(|_| {
            location(fake(move |_, command| match command[0].as_slice() {
                b"HELLO" => {
                    std::thread::sleep(each);
                    greeting(command)
                }
                b"MGET" => {
                    std::thread::sleep(each);
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

#[test]
fn ten_cold_nodes_are_greeted_at_the_same_time() {
    let options = Options {
        timeout: Duration::from_secs(1),
        connect_timeout: Duration::from_secs(1),
        ..Options::default()
    };
    let backend = ring(10, Duration::from_millis(100), &options);
    let names: Vec<String> = (0..100).map(|number| format!("key-{number}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let begin = Instant::now();
    let mut found = 0;
    backend.get_many(&keys(&names), Access::Read, soon(), &mut |_, value, _| {
        found += usize::from(value.unwrap().is_some());
    });
    let took = begin.elapsed();
    assert_eq!(found, 100);
    assert!(took < Duration::from_millis(300), "{took:?}");
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
