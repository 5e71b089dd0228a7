//! Commands of several threads that go out together, and what befalls the connection on the way: it breaks at any byte, is
//! refused something, grows old, is closed, or is inherited by a child.

mod cuts;
mod ends;

use std::sync::mpsc;

use crate::base::budget::minute;
use crate::error::Result;
use crate::store::{Access, Room, Sink, Values};

use super::super::RedisStore;
use super::super::testing::{get_within, keys, set_within};
use super::lane::Gate;

type Answer = Result<Vec<u8>>;
type Call<'a> = &'a (dyn Fn() -> Answer + Sync);

/// Has the connection until the gate is opened.
struct Holder<'a> {
    has_it: mpsc::Sender<()>,
    gate: &'a Gate,
}

impl Sink for Holder<'_> {
    fn begin(&mut self, _: &[u8], _: usize) -> Result<Room<'_>> {
        self.has_it.send(()).unwrap();
        self.gate.pass();
        Ok(Room::Discard)
    }
}

/// Opens the gate at its end, or nobody would be told of a panic.
struct Opens<'a>(&'a Gate);

impl Drop for Opens<'_> {
    fn drop(&mut self) {
        self.0.open();
    }
}

/// Has the calls stand in line, in this order, for the only connection of the store; then `then` is called, and they go out.
/// There must be a value under `held`.
fn in_one_train(store: &RedisStore, calls: &[Call<'_>], then: impl FnOnce()) -> Vec<Answer> {
    let node = store.fleet.topology.only().unwrap();
    let (has_it, is_held) = mpsc::channel();
    let gate = Gate::default();
    std::thread::scope(|scope| {
        let mut holder = Holder {
            has_it,
            gate: &gate,
        };
        scope.spawn(move || {
            store
                .get(b"held", Access::Read, &mut holder, minute())
                .unwrap()
        });
        is_held.recv().unwrap();
        let threads: Vec<_> = calls
            .iter()
            .map(|call| {
                let before = node.pool().in_line();
                let thread = scope.spawn(*call);
                while node.pool().in_line() == before {
                    std::thread::yield_now();
                }
                thread
            })
            .collect();
        let opens = Opens(&gate);
        then();
        drop(opens);
        threads.into_iter().map(|it| it.join().unwrap()).collect()
    })
}

fn read(store: &RedisStore, key: &str) -> Answer {
    Ok(get_within(store, key, minute())?.unwrap_or_default())
}

fn write(store: &RedisStore, key: &str, value: &[u8]) -> Answer {
    set_within(store, key, value, minute()).map(|()| b"OK".to_vec())
}

fn count(store: &RedisStore, key: &str) -> Answer {
    let number = store.incr(key.as_bytes(), 1, minute())?;
    Ok(number.unwrap_or_default().to_string().into_bytes())
}

fn is_there(store: &RedisStore, key: &str) -> Answer {
    let head = store.head(key.as_bytes(), Access::Read, minute())?;
    Ok(head.is_some().to_string().into_bytes())
}

fn read_all(store: &RedisStore, names: &[&str]) -> Answer {
    let mut found = Ok(vec![Vec::new(); names.len()]);
    store.get_many(
        &keys(names),
        Access::Read,
        minute(),
        &mut |item, value, _| match (value, &mut found) {
            (Ok(value), Ok(found)) => found[item] = value.unwrap_or_default().to_vec(),
            (Err(error), found) => *found = Err(error),
            _ => {}
        },
    );
    found.map(|found| found.join(&b'|'))
}
