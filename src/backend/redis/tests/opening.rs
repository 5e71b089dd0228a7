//! Several nodes at a time, of which some are slow.

use std::time::Duration;

use crate::backend::{Access, Backend};
use crate::config::{Hooks, Options};

use super::super::RedisBackend;
use super::super::testing::{fake, greeting, keys, location};

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
    let backend = RedisBackend::new(&options, &locations, &Hooks::default()).unwrap();
    let names: Vec<String> = (0..100).map(|number| format!("key-{number}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let (mut found, mut failed) = (0, 0);
    backend.get_many(
        &keys(&names),
        Access::Read,
        &mut |_, value, _| match value {
            Ok(_) => found += 1,
            Err(_) => failed += 1,
        },
    );
    assert!(found > 30, "{found} found, {failed} failed");
}
